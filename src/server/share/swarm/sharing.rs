//! A torrent whose metadata is known: its decisions, its pieces that come, and its files, shared by the tasks of all of its peers.
//!
//! One lock is around what decides, and no task waits while it has it: a peer's messages are heard in batches, and the blocks that it is to be sent are taken in batches. What the
//! decisions mean for other peers is told to their tasks when the lock is free again.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use super::assembly::Assembly;
use super::link::Link;
use crate::proto::bittorrent::metainfo::{Info, Layers};
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::rows::Serving;
use crate::proto::bittorrent::torrent::{Event, Newcomer, Torrent};
use crate::proto::bittorrent::wire::{HashRange, Message};
use crate::server::share::common::Common;
use crate::server::share::storage::{Storage, StorageError};

/// A torrent that is shared.
#[derive(Debug)]
pub(in crate::server::share) struct Sharing {
    pub(super) info: Arc<Info>,
    pub(super) storage: Arc<Storage>,
    pub(super) common: Arc<Common>,
    state: Mutex<State>,
    /// Something was decided that concerns the swarm's own task.
    pub(super) decided: Notify,
    /// Pieces that are there.
    pub(super) come: watch::Sender<u32>,
    /// Bytes of blocks, by way of peers.
    pub(super) downloaded: AtomicU64,
    pub(super) uploaded: AtomicU64,
    /// Bytes that were thrown away, as their piece was wrong.
    pub(super) wasted: AtomicU64,
    /// Why nothing can be written any more.
    failed: OnceLock<Arc<StorageError>>,
    /// Held while a piece is written, and until it counts as there.
    pub(super) judging: RwLock<()>,
    /// Who uses its files.
    pub(in crate::server::share) users: TaskTracker,
}

/// What the lock is around.
#[derive(Debug)]
pub(super) struct State {
    pub(super) torrent: Torrent,
    pub(super) assembly: Assembly,
    pub(super) layers: Arc<Layers>,
    pub(super) links: HashMap<PeerKey, Arc<Link>>,
    /// The hashes of pieces, for peers that have a link only.
    rows: Serving,
    /// Where those are who read while it comes, by their numbers.
    pub(super) readers: BTreeMap<u64, Range<u32>>,
}

impl Sharing {
    pub(super) fn new(
        common: Arc<Common>,
        storage: Arc<Storage>,
        layers: Arc<Layers>,
        torrent: Torrent,
    ) -> Self {
        let come = watch::Sender::new(torrent.picker().have().count());
        Self {
            info: Arc::clone(torrent.info()),
            storage,
            common,
            state: Mutex::new(State {
                torrent,
                assembly: Assembly::default(),
                layers,
                links: HashMap::new(),
                rows: Serving::new(),
                readers: BTreeMap::new(),
            }),
            decided: Notify::new(),
            come,
            downloaded: AtomicU64::new(0),
            uploaded: AtomicU64::new(0),
            wasted: AtomicU64::new(0),
            failed: OnceLock::new(),
            judging: RwLock::new(()),
            users: TaskTracker::new(),
        }
    }

    /// Looks at what is decided, or decides, for the task of one peer or none. Other tasks are told what it means for them.
    pub(super) fn with<T>(&self, own: Option<PeerKey>, work: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        let done = work(&mut state, Instant::now());
        let others = state.torrent.woken().filter(|key| Some(*key) != own);
        let woken: Vec<Arc<Link>> = others.filter_map(|key| state.links.get(&key).cloned()).collect();
        let events: Vec<Event> = std::iter::from_fn(|| state.torrent.event()).collect();
        let leaving: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Leave(key, reason) => Some((state.links.get(key).cloned()?, *reason)),
                _ => None,
            })
            .collect();
        let have = state.torrent.picker().have().count();
        drop(state);
        woken.iter().for_each(|link| link.wake());
        leaving.iter().for_each(|(link, reason)| link.leave((*reason).into()));
        for event in events {
            match event {
                Event::Banned { ip, piece } => {
                    self.common.ban(ip, format!("piece {piece} had wrong bytes of it"));
                }
                Event::Piece(_) | Event::Finished => drop(self.come.send_replace(have)),
                Event::Leave(..) => {}
            }
            self.decided.notify_one();
        }
        done
    }

    /// A peer has come.
    pub(super) fn join(&self, newcomer: Newcomer, link: &Arc<Link>) -> PeerKey {
        let key = self.with(None, |state, now| {
            let key = state.torrent.join(now, newcomer);
            state.links.insert(key, Arc::clone(link));
            key
        });
        // With somebody there, time goes by.
        self.decided.notify_one();
        key
    }

    /// A peer has left; whether neither had anything for the other.
    pub(super) fn leave(&self, key: PeerKey) -> bool {
        self.with(None, |state, _| {
            let useless = state.torrent.is_useless(key);
            state.links.remove(&key);
            state.rows.leave(key);
            state.torrent.leave(key);
            useless
        })
    }

    /// What a peer is answered that asks for hashes (BEP 52).
    pub(super) fn hashes(&self, key: PeerKey, range: HashRange) -> Message {
        self.with(Some(key), |state, now| {
            state.rows.answer(now, key, self.info.layout(), &state.layers, range)
        })
    }

    /// Nothing can be written any more: the torrent rests until somebody does something about it.
    pub(super) fn fail(&self, error: StorageError) {
        tracing::error!(torrent = self.info.name(), %error, "the torrent stops");
        let _ = self.failed.set(Arc::new(error));
        self.decided.notify_one();
        self.come.send_modify(|_| {});
    }

    /// Why nothing can be written, if that is so.
    pub(in crate::server::share) fn failure(&self) -> Option<Arc<StorageError>> {
        self.failed.get().cloned()
    }

    /// Waits until all that was written by now counts as there.
    pub(super) fn settle(&self) {
        drop(self.judging.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Adds to a count of bytes.
    pub(super) fn count(counter: &AtomicU64, bytes: u64) {
        counter.fetch_add(bytes, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below the lock panics by what a peer says.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sharing {
    /// What has come of pieces that are not whole is forgotten.
    fn drop(&mut self) {
        let held = self.lock().assembly.held();
        self.common.memory.give(held);
    }
}
