//! `sticky` of an upstream: the session cookie.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use crate::proto::balance::sticky::Signer;
use crate::proto::http::cookie::SameSite;
use crate::server::balance::gateway::{STICKY_LIFE, Sticky};
use crate::server::units::TimeSpan;

/// The session cookie.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StickyTable {
    pub(super) cookie: String,
    pub(super) keys: Spanned<Vec<PathBuf>>,
    pub(super) max_age: Option<TimeSpan>,
    pub(super) path: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) secure: Option<bool>,
    pub(super) http_only: Option<bool>,
    pub(super) same_site: Option<Site>,
}

/// Which requests of other sites carry the cookie.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Site {
    Strict,
    Lax,
    None,
}

impl From<Site> for SameSite {
    fn from(site: Site) -> Self {
        match site {
            Site::Strict => Self::Strict,
            Site::Lax => Self::Lax,
            Site::None => Self::None,
        }
    }
}

/// The longest key file, in bytes.
const MAX_KEY: u64 = 4096;

impl Checker<'_> {
    /// The session cookie of the upstream of this name, which is the scope of its values.
    pub(super) fn sticky(&mut self, name: &str, sticky: &Spanned<StickyTable>) -> Option<Sticky> {
        let at = sticky.span();
        let sticky = sticky.get_ref();
        let mut keys = Vec::new();
        for path in sticky.keys.get_ref() {
            match key(path) {
                Ok(key) => keys.push(key),
                Err(error) => {
                    self.fault(&sticky.keys.span(), format!("cannot read {}: {error}", path.display()));
                    return None;
                }
            }
        }
        let signer = match Signer::new(&keys, name.as_bytes()) {
            Ok(signer) => signer,
            Err(error) => {
                self.fault(&sticky.keys.span(), error.to_string());
                return None;
            }
        };
        let made = Sticky {
            signer,
            name: sticky.cookie.clone(),
            life: sticky.max_age.map_or(STICKY_LIFE, |time| time.0),
            max_age: sticky.max_age.is_some(),
            path: sticky.path.clone().unwrap_or_else(|| "/".into()),
            domain: sticky.domain.clone(),
            secure: sticky.secure,
            http_only: sticky.http_only.unwrap_or(true),
            same_site: sticky.same_site.map_or(SameSite::Lax, SameSite::from),
        };
        let fault = [false, true].iter().find_map(|tls| made.cookie(0, SystemTime::UNIX_EPOCH, *tls).err());
        if let Some(error) = fault {
            self.fault(&at, error.to_string());
        }
        Some(made)
    }
}

/// The key in a file, without surrounding white space.
fn key(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut key = Vec::new();
    std::fs::File::open(path)?.take(MAX_KEY).read_to_end(&mut key)?;
    Ok(key.trim_ascii().to_vec())
}
