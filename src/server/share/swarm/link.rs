//! What a torrent tells the task of a peer's connection: that there is something to do, or that it is to end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::sync::Notify;

use crate::proto::bittorrent::torrent::Reason;
use crate::proto::bittorrent::wire::HashRange;
use crate::proto::bittorrent::wire::holepunch::Holepunch;
use crate::proto::bittorrent::wire::metadata::Metadata;
use crate::proto::bittorrent::wire::pex::Exchange;

/// Why a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Leave {
    /// The torrent is rid of it.
    #[error(transparent)]
    Torrent(#[from] Reason),
    /// It has sent wrong metadata.
    #[error("it sends metadata that are wrong")]
    Metadata,
    /// A person, or a rule of theirs, does not want it.
    #[error("it is not wanted")]
    Unwanted,
    /// There are two connections with the same peer, of which this is one too many.
    #[error("there is another connection with it")]
    Twin,
}

/// What is said beside pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mail {
    /// A piece of the metadata is wanted.
    Metadata(Metadata),
    /// Who else is there.
    Exchange(Exchange),
    /// Who is to be brought together.
    Holepunch(Holepunch),
    /// Hashes of pieces are wanted.
    Hashes(HashRange),
}

/// How a peer is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::share) struct Way {
    /// Its address.
    pub(in crate::server::share) addr: SocketAddr,
    /// Whether it has connected to us.
    pub(in crate::server::share) incoming: bool,
    pub(in crate::server::share) encrypted: bool,
    pub(in crate::server::share) carrier: Carrier,
}

/// What brings the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::share) enum Carrier {
    Tcp,
    Utp,
    /// Requests to a web server (BEP 17, 19).
    Web,
}

/// The other end of a connection's task.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) way: Way,
    /// What the peer's program is called, once it has said so.
    pub(super) client: OnceLock<String>,
    wake: Notify,
    leaving: Mutex<Option<Leave>>,
    /// What is to be said to it that is not about pieces.
    mail: Mutex<Vec<Mail>>,
    /// Whether it would send a block, if our line were free.
    pub(super) is_ready: AtomicBool,
    granted: AtomicBool,
}

impl Link {
    pub(super) fn new(way: Way) -> Self {
        Self {
            way,
            client: OnceLock::new(),
            wake: Notify::new(),
            leaving: Mutex::default(),
            mail: Mutex::default(),
            is_ready: AtomicBool::new(false),
            granted: AtomicBool::new(false),
        }
    }

    /// There is something to do.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// When there is something to do.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// The connection is to end.
    pub(super) fn leave(&self, reason: Leave) {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.wake();
    }

    /// Why the connection is to end, if it is.
    pub(super) fn leaving(&self) -> Option<Leave> {
        *self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is to be said.
    pub(super) fn post(&self, mail: Mail) {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
        self.wake();
    }

    /// What is to be said.
    pub(super) fn mail(&self) -> Vec<Mail> {
        std::mem::take(&mut *self.mail.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It may send a block.
    pub(super) fn grant(&self) {
        self.granted.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Whether it may, once.
    pub(super) fn take_grant(&self) -> bool {
        self.granted.swap(false, Ordering::Relaxed)
    }
}
