//! Certificates by ACME (RFC 8555): ordered, proven and renewed while the balancer runs.
//!
//! A certificate lies in a file of the folder `cache`, with its key, and listeners use it as they use any other file: they read it again when it
//! changes. So it outlives reloads, upgrades and restarts. Until the first one is there, the file holds a certificate that signs itself. What is
//! done here is to put another certificate into that file when it is time. That a name leads here is shown at
//! the listener itself, by TLS-ALPN-01 (RFC 8737): no other port is needed.

mod files;
mod keep;
mod metrics;
mod order;
mod web;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest::{SHA256, digest};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

pub(super) use self::metrics::encode;
use crate::net::client::Connector;
use crate::net::tls::{Challenges, ClientTls, ClientTlsConfig, TlsError, Trust};
use crate::server::hex;

/// The directory of Let's Encrypt, which is asked unless told otherwise.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The directory of Let's Encrypt for trials: nobody trusts its certificates, and its limits are wide.
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// Which certificate is to be had, and from whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The names that it is for, in lower case; at least one.
    pub domains: Vec<String>,
    /// Whom the authority may write to.
    pub email: Option<String>,
    /// The URL of the authority's directory.
    pub directory: String,
    /// The folder of the account and the certificates.
    pub cache: PathBuf,
    /// Who vouches for the authority's server, if that is nobody whom the system trusts.
    pub ca: Option<PathBuf>,
}

impl Settings {
    /// The file of the certificate and its key.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        let mut domains = self.domains.clone();
        domains.sort();
        let name = format!("{}-{}.pem", self.name(), short_hash(&[&domains.join(" "), &self.directory]));
        self.cache.join(name)
    }

    /// The file of the account.
    fn account(&self) -> PathBuf {
        let email = self.email.as_deref().unwrap_or_default();
        self.cache.join(format!("account-{}.json", short_hash(&[&self.directory, email])))
    }

    /// What the certificate is called: its first name.
    fn name(&self) -> &str {
        self.domains.first().map_or("", String::as_str)
    }

    /// What connects to the authority. It reads files.
    ///
    /// # Errors
    /// What is wrong with `ca`.
    pub fn connector(&self) -> Result<Connector, TlsError> {
        let trust = self.ca.clone().map_or(Trust::System, Trust::SystemAnd);
        let tls = ClientTls::new(&ClientTlsConfig { trust, certificate: None })?;
        Ok(Connector::new().trusting(tls))
    }

    /// Makes sure that there is a certificate in its file: one that signs itself, if there is none yet. It blocks.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn prepare(&self) -> Result<(), files::FileError> {
        files::prepare(self)
    }
}

pub use self::files::FileError;

/// The first digits of the SHA-256 of some texts, to tell files apart.
fn short_hash(texts: &[&str]) -> String {
    hex::encode(&digest(&SHA256, texts.join("\n").as_bytes()).as_ref()[..4])
}

/// What became of the orders of one certificate.
#[derive(Debug, Default)]
pub struct Status {
    /// Certificates that were issued.
    pub issued: AtomicU64,
    /// Orders that failed.
    pub failed: AtomicU64,
    /// When the certificate in the file expires, in seconds since 1970; 0 if it is not known, or signs itself.
    pub until: AtomicU64,
}

/// The certificates that a balancer keeps.
#[derive(Debug, Default)]
pub struct Acme {
    challenges: Challenges,
    wanted: watch::Sender<Vec<Arc<Settings>>>,
    /// By the files of the certificates.
    statuses: Mutex<BTreeMap<PathBuf, (String, Arc<Status>)>>,
}

impl Acme {
    /// The challenges that listeners answer.
    #[must_use]
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// Sets which certificates are to be had, from now on. One that several listeners use is ordered once.
    pub fn want(&self, settings: impl IntoIterator<Item = Arc<Settings>>) {
        let mut wanted: Vec<Arc<Settings>> = Vec::new();
        for settings in settings {
            let file = settings.certificate();
            if !wanted.iter().any(|other| other.certificate() == file) {
                wanted.push(settings);
            }
        }
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *statuses);
        for settings in &wanted {
            let file = settings.certificate();
            let status = before.remove(&file).unwrap_or_else(|| (settings.name().to_owned(), Arc::default()));
            statuses.insert(file, status);
        }
        drop(statuses);
        self.wanted.send_if_modified(|current| {
            let changed = *current != wanted;
            *current = wanted;
            changed
        });
    }

    /// What became of orders, by the names of certificates.
    #[must_use]
    pub fn statuses(&self) -> Vec<(String, Arc<Status>)> {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.values().cloned().collect()
    }

    /// Orders certificates, and renews them, until it is dropped.
    pub async fn run(&self) {
        let mut changes = self.wanted.subscribe();
        let mut tasks = JoinSet::new();
        let mut kept: Vec<(Arc<Settings>, AbortHandle)> = Vec::new();
        loop {
            let wanted = changes.borrow_and_update().clone();
            kept.retain(|(settings, task)| {
                let stays = wanted.contains(settings);
                if !stays {
                    task.abort();
                }
                stays
            });
            for settings in wanted {
                if !kept.iter().any(|(other, _)| *other == settings) {
                    let status = self.status(&settings);
                    let keeping = keep::keep(Arc::clone(&settings), self.challenges.clone(), status);
                    kept.push((settings, tasks.spawn(keeping)));
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn status(&self, settings: &Settings) -> Arc<Status> {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.get(&settings.certificate()).map(|(_, status)| Arc::clone(status)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(domains: &[&str], directory: &str) -> Settings {
        Settings {
            domains: domains.iter().map(|&domain| domain.to_owned()).collect(),
            email: None,
            directory: directory.to_owned(),
            cache: "/cache".into(),
            ca: None,
        }
    }

    #[test]
    fn files_are_told_apart_by_names_and_authority() {
        let file = |domains: &[&str], directory: &str| settings(domains, directory).certificate();
        let first = file(&["a.test", "b.test"], LETS_ENCRYPT);
        assert_eq!(first, PathBuf::from("/cache/a.test-ab1fd508.pem"));
        assert_ne!(first, file(&["a.test"], LETS_ENCRYPT));
        assert_ne!(first, file(&["a.test", "b.test"], LETS_ENCRYPT_STAGING));
        assert_eq!(settings(&["a.test"], "x").account(), settings(&["b.test"], "x").account());
    }

    #[test]
    fn what_is_wanted_twice_is_ordered_once_and_counts_stay() {
        let acme = Acme::default();
        let one = Arc::new(settings(&["a.test"], LETS_ENCRYPT));
        let mut changes = acme.wanted.subscribe();
        acme.want([Arc::clone(&one), Arc::new(settings(&["a.test"], LETS_ENCRYPT))]);
        assert_eq!(changes.borrow_and_update().len(), 1);
        let status = acme.status(&one);
        acme.want([Arc::clone(&one)]);
        assert!(!changes.has_changed().unwrap(), "an order under way goes on");
        assert!(Arc::ptr_eq(&status, &acme.status(&one)));
        acme.want([]);
        assert!(changes.has_changed().unwrap() && acme.statuses().is_empty());
    }
}
