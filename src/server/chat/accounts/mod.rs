//! Who somebody is: accounts, how they are made, and the ways to log in.
//!
//! [`Accounts`] stands between the doors and the [`Store`]. A client shows who it is by a password, by SCRAM or a certificate ([`Exchange`]), by the token of a session, or by
//! a JSON Web Token of another issuer. Failures are counted for each account and each address. A refusal does not tell whether an account
//! exists, by its text or by its time: a name without an account costs the same computations as one with it.
//!
//! Changes of an account are made one after the other, so that what was read is what is changed.

mod cache;
mod change;
pub mod config;
mod hasher;
mod issuer;
mod limits;
mod login;
mod refusal;
mod register;
mod sasl;
mod session;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ring::digest::{SHA256, digest};
use ring::hmac;
use tokio::sync::broadcast;

use self::cache::Cache;
pub use self::config::Config;
use self::config::ConfigError;
use self::hasher::Hasher;
use self::issuer::Issuer;
use self::limits::Limits;
pub use self::refusal::{Refusal, Weak};
pub use self::register::NewUser;
pub use self::sasl::{Exchange, Step};
pub use self::session::LoggedIn;
use super::store::Store;
use super::store::account::Account;
use crate::net::limits::Source;
use crate::net::workers::Blocking;
use crate::proto::chat::id::{AccountId, MessageId, Millis};
use crate::proto::chat::name::Nick;
use crate::proto::sasl::scram::{Exporter, KEY_LENGTH};
use crate::server::peer::Peer;

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// What is known of a client before it says who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Its address, unless it comes by a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether nobody can listen: TLS, or a connection within this machine.
    pub secure: bool,
    /// SHA-256 of its certificate.
    pub certificate: Option<Box<[u8; 32]>>,
    /// What its TLS connection has exported for channel bindings.
    pub exporter: Option<Box<Exporter>>,
}

impl Client {
    /// The client at the other end of a connection. One that comes from this machine is secure without TLS.
    #[must_use]
    pub fn of(peer: &Peer) -> Self {
        let address = peer.addr.ip();
        let session = peer.tls_session();
        Self {
            address,
            secure: peer.tls || address.is_none_or(|address| address.to_canonical().is_loopback()),
            certificate: session.and_then(|session| session.certificates().next().map(sha256).map(Box::new)),
            exporter: session.and_then(|session| session.exporter().copied().map(Box::new)),
        }
    }

    fn source(&self) -> Option<Source> {
        self.address.map(Source::of)
    }
}

/// Sessions that have ended, as connections which use them have to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// One of an account.
    One(AccountId, MessageId),
    /// All of an account, but perhaps one: its password has changed, or it was suspended.
    All(AccountId, Option<MessageId>),
}

/// Endings that a listener may be behind by. One that is further behind is told so ([`broadcast::error::RecvError::Lagged`]) and has to check all its sessions.
const ENDINGS: usize = 1024;

/// The accounts of a chat. Clones are the same accounts.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    config: Config,
    clock: Clock,
    hasher: Hasher,
    limits: Arc<Limits>,
    cache: Cache,
    issuer: Option<Issuer>,
    /// Makes the keys of names that have no account.
    decoys: [u8; KEY_LENGTH],
    /// When sessions were used, as far as the store does not know yet.
    used: Mutex<HashMap<MessageId, Millis>>,
    endings: broadcast::Sender<Ending>,
    changes: broadcast::Sender<AccountId>,
    /// Held by whoever reads an account to change it.
    changing: tokio::sync::Mutex<()>,
    logins: AtomicU64,
    failures: AtomicU64,
}

/// How certificates and tokens are kept.
fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl Accounts {
    /// The accounts of a store. Passwords are hashed in `lane`. `secret` is known to the server alone, and the same after a restart and on each node of a chat.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub fn new(
        store: Arc<dyn Store>,
        lane: Blocking,
        config: Config,
        secret: &[u8],
        clock: Clock,
    ) -> Result<Self, ConfigError> {
        let mut decoys = [0; KEY_LENGTH];
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        decoys.copy_from_slice(hmac::sign(&key, b"keys of names without an account").as_ref());
        let issuer = config.issuer.clone().map(Issuer::open).transpose()?;
        Ok(Self(Arc::new(Inner {
            store,
            clock,
            hasher: Hasher::new(lane, config.hashing)?,
            limits: Arc::new(Limits::new(config.attempts)),
            cache: Cache::new(),
            issuer,
            decoys,
            used: Mutex::default(),
            endings: broadcast::Sender::new(ENDINGS),
            changes: broadcast::Sender::new(ENDINGS),
            changing: tokio::sync::Mutex::default(),
            logins: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            config,
        })))
    }

    /// What the operator has decided.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The account with this id. It may come from a cache that changes on this node invalidate, and
    /// [`forget`](Self::forget) those on others.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn account(&self, id: AccountId) -> Result<Option<Arc<Account>>, Refusal> {
        let read = match self.0.cache.by_id(id) {
            Ok(known) => return Ok(Some(known)),
            Err(read) => read,
        };
        let found = self.0.store.accounts_by_id(vec![id]).await?.pop().map(Arc::new);
        found.iter().for_each(|account| self.0.cache.keep(read, account));
        Ok(found)
    }

    /// The account of this name, as [`account`](Self::account).
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn account_named(&self, name: &Nick) -> Result<Option<Arc<Account>>, Refusal> {
        let read = match self.0.cache.by_name(name) {
            Ok(known) => return Ok(Some(known)),
            Err(read) => read,
        };
        let found = self.0.store.account(name.clone()).await?.map(Arc::new);
        found.iter().for_each(|account| self.0.cache.keep(read, account));
        Ok(found)
    }

    /// Forgets what is known of an account that another node has changed.
    pub fn forget(&self, id: AccountId) {
        self.0.cache.forget(id);
    }

    /// Forgets all that is known: other nodes may have changed anything.
    pub fn forget_all(&self) {
        self.0.cache.forget_all();
    }

    /// Accounts that are changed on this node from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<AccountId> {
        self.0.changes.subscribe()
    }

    /// Sessions that end from now on.
    #[must_use]
    pub fn endings(&self) -> broadcast::Receiver<Ending> {
        self.0.endings.subscribe()
    }

    /// Logins that succeeded so far.
    #[must_use]
    pub fn logins(&self) -> u64 {
        self.0.logins.load(Ordering::Relaxed)
    }

    /// Logins that were refused so far because what the client said was wrong.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// Computations of argon2 so far.
    #[must_use]
    pub fn hashes(&self) -> u64 {
        self.0.hasher.computed()
    }

    fn now(&self) -> Millis {
        (self.0.clock)()
    }

    fn tell(&self, ending: Ending) {
        // An error says that nobody listens.
        let _nobody = self.0.endings.send(ending);
    }
}

#[cfg(test)]
mod memory;
#[cfg(test)]
mod tests;
