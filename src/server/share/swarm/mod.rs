//! A torrent with its peers: the task that finds them, a task for each connection, and what they share.
//!
//! [`Sharing`] is the torrent itself, once its metadata is known. A [`Session`] is the connection with one peer. [`Disk`] hashes and writes. What is decided is decided by
//! [`Torrent`](crate::proto::bittorrent::torrent::Torrent), a value without I/O.

mod assembly;
mod beside;
mod disk;
mod extensions;
mod greet;
mod hearing;
mod link;
mod look;
mod met;
mod pace;
mod reading;
mod session;
mod sharing;
mod turn;
mod web;

use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use self::beside::{Beside, News};
pub(super) use self::disk::Disk;
use self::greet::GreetError;
pub(super) use self::greet::answer;
pub(super) use self::link::Carrier;
use self::link::Leave;
pub use self::look::{PeerInfo, TrackerView};
use self::met::Met;
pub use self::reading::ReadError;
use self::session::Ended;
pub(super) use self::session::Session;
pub(super) use self::sharing::Sharing;
use super::common::Common;
use super::resume::Resume;
use super::settings::Transport;
use super::storage::{Storage, StorageError};
use super::throttle::Throttle;
use crate::proto::bittorrent::contacts::{Contacts, Ending, Source};
use crate::proto::bittorrent::hash::{InfoHash, Sha1};
use crate::proto::bittorrent::metainfo::{Info, Layers, Layout};
use crate::proto::bittorrent::picker::Strategy;
use crate::proto::bittorrent::torrent::Torrent;
use crate::proto::bittorrent::wire::Bitfield;

/// A torrent with its peers.
#[derive(Debug)]
pub(super) struct Swarm {
    pub(super) hash: InfoHash,
    pub(super) common: Arc<Common>,
    sharing: OnceLock<Arc<Sharing>>,
    /// Whether the metadata is known.
    known: watch::Sender<bool>,
    beside: Beside,
    /// What becomes of the metadata when they have come.
    fetched: watch::Sender<Option<Bytes>>,
    /// What becomes of the hashes of pieces that were asked for; or which file has none.
    hashes: watch::Sender<Option<Result<Layers, usize>>>,
    contacts: Mutex<Contacts>,
    /// Connections that are being made.
    half_open: Mutex<usize>,
    met: Mutex<Met>,
    /// Somebody was heard of, or has left.
    changed: Notify,
    /// A connection would send a block, if our line were free.
    waiting: Notify,
    /// Its own limit on what it sends.
    pub(super) up: Throttle,
    /// Its own limit on what it receives.
    pub(super) down: Throttle,
    /// How it is with its trackers, by the names of its swarms.
    trackers: Mutex<BTreeMap<Sha1, Vec<TrackerView>>>,
    /// Trackers are to be asked now.
    pub(super) announce: watch::Sender<()>,
    pub(super) stopping: CancellationToken,
}

/// How it goes with a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Pieces that are there, and all of them.
    pub pieces: (u32, u32),
    /// Pieces that are wanted and missing.
    pub missing: u32,
    /// Bytes that have come from peers.
    pub downloaded: u64,
    /// Bytes that were sent to peers.
    pub uploaded: u64,
    /// Bytes that came, and were wrong.
    pub wasted: u64,
    /// Connections.
    pub peers: usize,
}

impl Swarm {
    pub(super) fn new(common: Arc<Common>, hash: InfoHash) -> Self {
        Self {
            hash,
            sharing: OnceLock::new(),
            known: watch::Sender::new(false),
            beside: Beside::new(hash),
            fetched: watch::Sender::new(None),
            hashes: watch::Sender::new(None),
            contacts: Mutex::new(Contacts::new(fastrand::u64(..))),
            half_open: Mutex::new(0),
            met: Mutex::default(),
            changed: Notify::new(),
            waiting: Notify::new(),
            up: Throttle::new(None),
            down: Throttle::new(None),
            trackers: Mutex::default(),
            announce: watch::Sender::new(()),
            stopping: CancellationToken::new(),
            common,
        }
    }

    /// The metadata is known, and so is what is there already.
    pub(super) fn begin(&self, info: Arc<Info>, layers: Arc<Layers>, storage: Arc<Storage>, have: Bitfield) {
        let now = Instant::now();
        self.beside.know(info.bytes().clone(), info.is_private());
        let torrent = Torrent::new(info, have, self.common.settings.torrent, now, fastrand::u64(..));
        let sharing = Sharing::new(Arc::clone(&self.common), storage, layers, torrent);
        let _ = self.sharing.set(Arc::new(sharing));
        self.known.send_replace(true);
    }

    /// The torrent, once its metadata is known.
    pub(super) fn sharing(&self) -> Option<&Arc<Sharing>> {
        self.sharing.get()
    }

    /// When the metadata is known.
    async fn known(&self) {
        if self.known.subscribe().wait_for(|known| *known).await.is_err() {
            pending::<()>().await;
        }
    }

    /// Waits until the metadata have come from peers: the bytes of the `info` dictionary.
    pub(super) async fn fetched(&self) -> Bytes {
        told(&self.fetched).await
    }

    /// Asks peers for the hashes of the pieces of a torrent of version 2, and waits for them; an error is the number of a file that cannot have any.
    pub(super) async fn hashes(&self, layout: &Arc<Layout>) -> Result<Layers, usize> {
        self.beside.want_hashes(Arc::clone(layout));
        told(&self.hashes).await
    }

    /// Whether peers come from trackers only.
    pub(super) fn is_private(&self) -> bool {
        self.sharing().is_some_and(|sharing| sharing.info.is_private())
    }

    /// An address was heard of.
    pub(super) fn heard_of(&self, addr: SocketAddr, source: Source) {
        if self.contacts().heard(Instant::now(), addr, source) {
            self.changed.notify_one();
        }
    }

    /// A peer that has connected listens at this address.
    fn came(&self, addr: SocketAddr) {
        self.contacts().came(Instant::now(), addr);
    }

    /// It has left.
    fn went(&self, addr: SocketAddr, ending: Ending) {
        self.contacts().ended(Instant::now(), addr, ending);
    }

    fn contacts(&self) -> MutexGuard<'_, Contacts> {
        self.contacts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether our own line is the narrow place, so that blocks leave one by one.
    fn is_paced(&self) -> bool {
        self.up.rate().is_some() || self.common.up.rate().is_some()
    }

    /// Whether there is a limit on what comes.
    fn is_limited(&self) -> bool {
        self.down.rate().is_some() || self.common.down.rate().is_some()
    }

    /// How it goes.
    pub(super) fn progress(&self) -> Progress {
        let peers = self.met().len();
        let Some(sharing) = self.sharing() else { return Progress { peers, ..Progress::default() } };
        sharing.with(None, |state, _| {
            let picker = state.torrent.picker();
            Progress {
                pieces: (picker.have().count(), sharing.info.layout().pieces()),
                missing: picker.missing(),
                downloaded: sharing.downloaded.load(Ordering::Relaxed),
                uploaded: sharing.uploaded.load(Ordering::Relaxed),
                wasted: sharing.wasted.load(Ordering::Relaxed),
                peers,
            }
        })
    }

    /// The pieces that are there, once anything is known of them.
    pub(super) fn have(&self) -> Option<Bitfield> {
        Some(self.sharing()?.with(None, |state, _| state.torrent.picker().have().clone()))
    }

    /// What is there, to be kept; `None` until the metadata are known.
    pub(super) fn resume(&self) -> Option<Resume> {
        let sharing = self.sharing()?;
        // The files first: what is written from now on makes a file another one. The last block of a piece that was written before counts as there when it has settled.
        let mut stamps = sharing.storage.stamps();
        if !self.stopping.is_cancelled() {
            stamps.iter_mut().flatten().for_each(|stamp| *stamp = stamp.unless_just_changed());
        }
        sharing.settle();
        Some(Resume { have: self.have()?, stamps })
    }

    /// Gives files priorities by their numbers; those of 0 are not wanted. A piece has the highest of its files.
    pub(super) fn choose(&self, priority: impl Fn(usize) -> u8) -> Result<(), StorageError> {
        let Some(sharing) = self.sharing() else { return Ok(()) };
        let layout = sharing.info.layout();
        let mut priorities = vec![0; layout.pieces() as usize];
        for (number, file) in layout.files().iter().enumerate() {
            let priority = priority(number);
            if priority > 0 && !file.is_padding() {
                let pieces = layout.pieces_of(number);
                let pieces = &mut priorities[pieces.start as usize..pieces.end as usize];
                pieces.iter_mut().for_each(|piece| *piece = priority.max(*piece));
            }
        }
        sharing.with(None, |state, _| state.torrent.set_priorities((0..).zip(priorities)));
        self.contacts().want_more(Instant::now());
        self.changed.notify_one();
        sharing.come.send_modify(|_| {});
        sharing.storage.make_empty(|number| priority(number) > 0)
    }

    /// Chooses pieces in another way.
    pub(super) fn set_strategy(&self, strategy: Strategy) {
        if let Some(sharing) = self.sharing() {
            sharing.with(None, |state, _| state.torrent.set_strategy(strategy));
        }
    }

    /// Waits until everything that is wanted is there.
    ///
    /// # Errors
    /// Nothing can be written.
    pub(super) async fn finished(&self) -> Result<(), Arc<StorageError>> {
        self.known().await;
        let Some(sharing) = self.sharing() else { return Ok(()) };
        let mut come = sharing.come.subscribe();
        loop {
            if let Some(error) = sharing.failure() {
                return Err(error);
            }
            if sharing.with(None, |state, _| state.torrent.is_finished()) {
                return Ok(());
            }
            if come.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Waits until what was missing at the beginning is there; for ever, if nothing was or ever will be.
    pub(super) async fn finished_later(&self) {
        self.known().await;
        let begins_whole = self.progress().missing == 0;
        if begins_whole || self.finished().await.is_err() {
            pending::<()>().await;
        }
    }

    /// Bytes that are missing, wanted or not, about: whole pieces count. `None` as long as nothing is known.
    pub(super) fn left(&self) -> Option<u64> {
        let layout = self.sharing()?.info.layout();
        let (have, all) = self.progress().pieces;
        let missing = u64::from(all.saturating_sub(have)) * u64::from(layout.piece_length());
        Some(missing.min(layout.content()))
    }

    /// Whether nothing more is wanted though something is missing (BEP 21).
    pub(super) fn is_partial_seed(&self) -> bool {
        let progress = self.progress();
        progress.missing == 0 && progress.pieces.0 < progress.pieces.1
    }

    /// Whether nothing more is wanted, and peers may know (BEP 21). Where pieces are shown one by one, they may not: they
    /// would leave.
    fn is_upload_only(&self) -> bool {
        let finished = |sharing: &Arc<Sharing>| sharing.with(None, |state, _| state.torrent.is_finished());
        !self.is_paced() && self.sharing().is_some_and(finished)
    }

    /// Looks after the torrent until it is stopped: time goes by for it, and peers are called.
    pub(super) async fn run(self: Arc<Self>) {
        tokio::join!(self.look_after(), self.call_peers(), self.pace(), self.hear_news());
    }

    async fn hear_news(&self) {
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                news = self.beside.next() => match news {
                    News::Metadata(bytes) => drop(self.fetched.send_replace(Some(bytes))),
                    News::Hashes(hashes) => drop(self.hashes.send_replace(Some(hashes))),
                    News::Liar(addr) => self.common.ban(addr.ip(), "it has sent wrong metadata".to_owned()),
                },
            }
        }
    }

    async fn look_after(&self) {
        tokio::select! {
            () = self.stopping.cancelled() => return,
            () = self.known() => {}
        }
        let Some(sharing) = self.sharing() else { return };
        loop {
            let deadline = sharing.with(None, |state, now| {
                if state.torrent.deadline().is_some_and(|at| at <= now) {
                    state.torrent.set_super_seeding(self.is_paced());
                    state.torrent.poll(now);
                }
                state.torrent.deadline()
            });
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = at(deadline) => {}
                () = sharing.decided.notified() => {}
            }
        }
    }

    async fn call_peers(self: &Arc<Self>) {
        loop {
            while let Some(addr) = self.next_contact() {
                let swarm = Arc::clone(self);
                let transport = self.common.settings.transport;
                tokio::spawn(async move { swarm.call(addr, transport).await });
            }
            let deadline = self.contacts().deadline().filter(|at| *at > Instant::now());
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.changed.notified() => {}
                () = at(deadline) => {}
            }
        }
    }

    /// Whom to call now, if there is room for one more.
    fn next_contact(&self) -> Option<SocketAddr> {
        self.one_more(Contacts::next)
    }

    /// Calls an address by uTP at once, as its peer does at the same time (BEP 55), if there is room for one more.
    fn call_by_utp(self: &Arc<Self>, addr: SocketAddr) {
        let take = |contacts: &mut Contacts, now| contacts.take(now, addr, Source::Exchange).then_some(addr);
        if self.one_more(take).is_some() {
            tracing::debug!(%addr, "called by uTP, as a relay wants it");
            let swarm = Arc::clone(self);
            tokio::spawn(async move { swarm.call(addr, Transport::Utp).await });
        }
    }

    /// Counts a connection that is to be made, if there is room for one more and `choose` has an address for it.
    fn one_more(
        &self,
        choose: impl FnOnce(&mut Contacts, Instant) -> Option<SocketAddr>,
    ) -> Option<SocketAddr> {
        let settings = &self.common.settings;
        let mut half_open = self.half_open.lock().unwrap_or_else(PoisonError::into_inner);
        if *half_open >= settings.half_open || *half_open + self.met().len() >= settings.peers {
            return None;
        }
        let addr = choose(&mut self.contacts(), Instant::now())?;
        *half_open += 1;
        Some(addr)
    }

    async fn call(self: Arc<Self>, addr: SocketAddr, transport: Transport) {
        // Where somebody is called who has called us, the other connection says when it has ended.
        if let Some(ending) = self.call_and_talk(addr, transport).await {
            self.contacts().ended(Instant::now(), addr, ending);
        }
        self.changed.notify_one();
    }

    async fn call_and_talk(self: &Arc<Self>, addr: SocketAddr, transport: Transport) -> Option<Ending> {
        let counted = self.common.connection();
        let called = match &counted {
            Some(_) if self.common.is_banned(addr.ip()) => None,
            Some(_) => tokio::select! {
                called = greet::call(self, addr, transport) => Some(called),
                () = self.stopping.cancelled() => None,
            },
            None => None,
        };
        *self.half_open.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        match called {
            None => Some(Ending::Left),
            Some(Ok(session)) => {
                let ending = self.talk(session).await?;
                Some(if self.common.is_banned(addr.ip()) { Ending::Never } else { ending })
            }
            Some(Err(error)) => {
                tracing::debug!(%addr, %error, "no connection");
                if matches!(error, GreetError::Connect(_)) {
                    self.beside.cannot_call(addr);
                }
                Some(if error.is_final() { Ending::Never } else { Ending::Failed })
            }
        }
    }

    /// Talks to a peer until the end, and says whether to come back; or not, if there is somebody else who talks to it.
    pub(super) async fn talk(&self, session: Session) -> Option<Ending> {
        let (peer, link) = (session.peer(), Arc::clone(session.link()));
        if !self.met().meet(self.common.id, peer, &link, self.common.settings.peers) {
            return None;
        }
        self.changed.notify_one();
        tracing::debug!(addr = %peer.addr, "there is a connection");
        let (ended, ending) = session.run().await;
        tracing::debug!(addr = %peer.addr, %ended, "the connection has ended");
        self.met().part(peer, &link);
        self.changed.notify_one();
        (!matches!(ended, Ended::Left(Leave::Twin))).then_some(ending)
    }

    fn met(&self) -> MutexGuard<'_, Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until then; for ever, if that is never.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => pending().await,
    }
}

/// Waits until there is something to know.
async fn told<T: Clone>(watched: &watch::Sender<Option<T>>) -> T {
    let mut watched = watched.subscribe();
    loop {
        if let Some(told) = watched.borrow_and_update().clone() {
            return told;
        }
        if watched.changed().await.is_err() {
            pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests;
