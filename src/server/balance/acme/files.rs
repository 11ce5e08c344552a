//! The files of ACME: an account, and certificates with their keys. Nobody else may read them.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Settings;
use crate::net::tls::Life;
use crate::server::durable;

/// Why a file cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep {}", path.display())]
pub struct FileError {
    /// The file, or the folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self { path, source }
    }
}

/// Makes the folder, and the file of the certificate, if they are not there.
pub(super) fn prepare(settings: &Settings) -> Result<(), FileError> {
    let folder = &settings.cache;
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(FileError::at(folder))?;
    let file = settings.certificate();
    match file.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => write(&file, stand_in(&settings.domains).map_err(FileError::at(&file))?.as_bytes()),
        Err(error) => Err(FileError::at(&file)(error)),
    }
}

/// A key and a certificate that it has signed itself.
fn stand_in(domains: &[String]) -> io::Result<String> {
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let params = CertificateParams::new(domains.to_vec()).map_err(io::Error::other)?;
    let certificate = params.self_signed(&key).map_err(io::Error::other)?;
    Ok(key.serialize_pem() + &certificate.pem())
}

/// Writes a file as a whole: whoever reads it finds the old content or the new one.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), FileError> {
    durable::replace(path, content, durable::SECRET).map_err(FileError::at(path))
}

/// The life of the certificate in the file; `None` if there is none.
pub(super) fn life(settings: &Settings) -> Option<Life> {
    let text = fs::read(settings.certificate()).ok()?;
    let certificate = CertificateDer::pem_slice_iter(&text).next()?.ok()?;
    Life::of(&certificate)
}

/// The account that was made before, if there is one that can be read.
pub(super) fn account(settings: &Settings) -> Option<AccountCredentials> {
    let path = settings.account();
    let text = fs::read(&path).ok()?;
    match serde_json::from_slice(&text) {
        Ok(account) => Some(account),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the ACME account cannot be read: another one is made");
            None
        }
    }
}

/// Keeps an account.
pub(super) fn keep_account(settings: &Settings, account: &AccountCredentials) -> Result<(), FileError> {
    let path = settings.account();
    let text = serde_json::to_vec(account).map_err(io::Error::other).map_err(FileError::at(&path))?;
    write(&path, &text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_stand_in_is_made_once_and_for_nobody_else_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            domains: vec!["a.test".into(), "b.test".into()],
            email: None,
            directory: "https://ca.test/".into(),
            cache: folder.path().join("new/acme"),
            ca: None,
        };
        assert_eq!(life(&settings), None);
        prepare(&settings).unwrap();
        let first = fs::read(settings.certificate()).unwrap();
        assert!(life(&settings).unwrap().self_issued);
        prepare(&settings).unwrap();
        assert_eq!(fs::read(settings.certificate()).unwrap(), first);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&settings.certificate()), mode(&settings.cache)), (0o600, 0o700));
        assert!(account(&settings).is_none());
        write(&settings.account(), b"junk").unwrap();
        assert!(account(&settings).is_none());
        // Where no folder can be, the error says so.
        let nowhere = Settings { cache: settings.certificate().join("x"), ..settings };
        let error = prepare(&nowhere).unwrap_err().to_string();
        assert!(error.starts_with("cannot keep ") && error.ends_with("/x"), "{error}");
    }
}
