//! Telling those who are not here: by web push to their devices, and by webhooks to a service of the operator's.
//!
//! The house writes a notice with the event that it is about ([`house::absent`](super::house::absent)); here it is delivered. A notice is tried until it is taken,
//! until there is nothing to be told any longer (it was read, or deleted), or until it is given up: then an operator finds it in the list of those that are
//! dead. `docs/chat-notify.md` has the rules from outside.
//!
//! [`guard`] says where may be sent to, `keys` encrypts and signs, `payload` has the words, `post` sends, `hosts` spares those that have enough, and `deliver` puts
//! it together.

mod deliver;
pub mod guard;
mod hosts;
mod keys;
mod payload;
mod post;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;

pub use self::deliver::deliver;
use self::guard::{BadEndpoint, Endpoint};
use self::hosts::Hosts;
use self::keys::Identity;
pub use self::keys::is_key;
use crate::net::client::Connector;
use crate::net::client::pool::Limits;
use crate::net::resilience::backoff::{Growth, Jitter, Policy};
use crate::proto::push::webhook::{self, BadSecret};
use crate::server::http::client::Client;

/// Attempts of a notice by default: with [`BACKOFF`], something more than an hour.
pub const ATTEMPTS: u32 = 10;

/// The wait after the first failure by default; each one after that is twice as long, up to [`LONGEST`].
pub const BACKOFF: Duration = Duration::from_secs(10);

/// No wait is longer, but if a push service asks for it.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// How long a notice is worth being told; a push service keeps it as long for a device that is off. Web push has 4 weeks at most, Mattermost's proxy uses a day.
pub const WORTH: Duration = Duration::from_secs(24 * 3600);

/// Connections to one service that are kept for the next notice, on each thread.
const IDLE: usize = 4;

/// What an operator decides about notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How push services reach the operator: `mailto:` or a page. Without it there is no web push (RFC 8292, section 2.1; some push services refuse those who do not say).
    pub contact: Option<String>,
    /// URLs that are told of what absent members would be.
    pub webhooks: Vec<String>,
    /// The file with the secrets by which webhooks are signed, one a line: the new one, and the old one for a while.
    pub secrets: Option<PathBuf>,
    /// Whether push services and webhooks may be at private addresses, and without TLS.
    pub allow_private: bool,
    /// Attempts of a notice.
    pub attempts: u32,
    /// The wait after the first failure.
    pub backoff: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            contact: None,
            webhooks: Vec::new(),
            secrets: None,
            allow_private: false,
            attempts: ATTEMPTS,
            backoff: BACKOFF,
        }
    }
}

/// Why nobody can be told.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The file of secrets cannot be read.
    #[error("cannot read the secrets of webhooks in {}", path.display())]
    Secrets {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is none in it.
    #[error("{} has no secret of webhooks in it", .0.display())]
    NoSecret(PathBuf),
    /// It has something else in it.
    #[error("{}: {source}", path.display())]
    Secret {
        /// Which.
        path: PathBuf,
        /// What a secret is.
        source: BadSecret,
    },
    /// The key of this server cannot be kept.
    #[error("cannot keep the key for web push in {}", path.display())]
    Key {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A webhook is at no URL that may be called.
    #[error("the webhook {url}: {source}")]
    Webhook {
        /// Which.
        url: String,
        /// Why not.
        source: BadEndpoint,
    },
}

/// What came of notices so far.
#[derive(Debug, Default)]
struct Counters {
    delivered: AtomicU64,
    failed: AtomicU64,
    dead: AtomicU64,
}

/// Tells those who are not here. Clones are the same.
#[derive(Clone, Debug)]
pub struct Notifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    identity: Option<Identity>,
    secrets: Vec<Vec<u8>>,
    client: Client,
    hosts: Hosts,
    counters: Counters,
}

impl Notifier {
    /// Reads the secrets of webhooks, and the key of this server for web push, which is made at the first start. `None` if nobody is to be told anything.
    ///
    /// # Errors
    /// A file cannot be used, or a webhook must not be called.
    pub fn open(config: &Config, folder: &Path, connector: Connector) -> Result<Option<Self>, NotifyError> {
        if config.contact.is_none() && config.webhooks.is_empty() {
            return Ok(None);
        }
        for url in &config.webhooks {
            let failed = |source| NotifyError::Webhook { url: url.clone(), source };
            Endpoint::parse(url, config.allow_private).map_err(failed)?;
        }
        let failed = |source| NotifyError::Key { path: folder.to_owned(), source };
        let identity = config.contact.as_ref().map(|_| Identity::open(folder)).transpose().map_err(failed)?;
        let secrets = match &config.secrets {
            Some(path) => secrets(path)?,
            None => Vec::new(),
        };
        // A connection leads where its address was checked to be when it was made.
        let connector = connector.resolver(guard::resolver(config.allow_private));
        let client = Client::new(connector, Limits { idle_per_key: IDLE, ..Limits::DEFAULT });
        Ok(Some(Self(Arc::new(Inner {
            config: config.clone(),
            identity,
            secrets,
            client,
            hosts: Hosts::default(),
            counters: Counters::default(),
        }))))
    }

    /// Whether devices are told, and which webhooks.
    #[must_use]
    pub fn told(&self) -> (bool, Vec<String>) {
        (self.0.identity.is_some(), self.0.config.webhooks.clone())
    }

    /// The public key by which browsers subscribe, in base64url, if devices are told.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        self.0.identity.as_ref().map(|identity| BASE64.encode(identity.public()))
    }

    /// Whether messages for a device may be sent there.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, endpoint: &str) -> Result<(), BadEndpoint> {
        Endpoint::parse(endpoint, self.0.config.allow_private).map(drop)
    }

    /// Notices that were delivered so far, attempts that failed, and notices that were given up.
    #[must_use]
    pub fn counts(&self) -> [u64; 3] {
        let Counters { delivered, failed, dead } = &self.0.counters;
        [delivered, failed, dead].map(|count| count.load(Ordering::Relaxed))
    }

    fn policy(&self) -> Policy {
        let first = self.0.config.backoff;
        Policy { growth: Growth::Exponential { first, jitter: Jitter::Equal }, cap: LONGEST.max(first) }
    }
}

/// The secrets in a file: one a line, and remarks behind `#`.
fn secrets(path: &Path) -> Result<Vec<Vec<u8>>, NotifyError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| NotifyError::Secrets { path: path.to_owned(), source })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let secrets = lines
        .map(webhook::secret)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| NotifyError::Secret { path: path.to_owned(), source })?;
    if secrets.is_empty() { Err(NotifyError::NoSecret(path.to_owned())) } else { Ok(secrets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_a_line_each() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets");
        let name = path.display().to_string();
        let one = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for (text, expected) in [
            (format!("# new\n{one}\n\n {one} \n"), Ok(2)),
            (one.to_owned(), Ok(1)),
            ("# none\n".to_owned(), Err(format!("{name} has no secret of webhooks in it"))),
            ("secret".to_owned(), Err(format!("{name}: {BadSecret}"))),
        ] {
            std::fs::write(&path, &text).unwrap();
            let found = secrets(&path).map(|secrets| secrets.len()).map_err(|error| error.to_string());
            assert_eq!(found, expected, "{text:?}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(secrets(&path).unwrap_err().to_string().starts_with("cannot read the secrets"));
    }

    #[test]
    fn the_key_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { contact: Some("mailto:ops@example.org".into()), ..Config::default() };
        let open = |config: &Config| Notifier::open(config, folder.path(), Connector::default());
        assert!(open(&Config::default()).unwrap().is_none(), "nothing is made where nobody is told");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let key = open(&config).unwrap().unwrap().key().unwrap();
        assert_eq!(key.len(), 87, "65 bytes in base64url");
        assert_eq!(open(&config).unwrap().unwrap().key(), Some(key));
        let private = Config { webhooks: vec!["http://127.0.0.1/x".into()], ..Config::default() };
        assert!(open(&private).is_err());
        assert!(open(&Config { allow_private: true, ..private }).unwrap().unwrap().key().is_none());
    }
}
