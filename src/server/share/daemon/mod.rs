//! A client that goes on by itself: many torrents, kept in a database, with a queue, limits and hours, a folder that is watched, and doors for people and programs.
//!
//! [`Daemon`] is what the doors call. A call changes what is wanted of a torrent; its loop sees to it, a second at most later, that it becomes so: it starts and stops
//! torrents, moves their files, and keeps what has changed.

mod carry;
mod entry;
mod history;
mod page;
mod queue;
mod record;
mod rpc;
mod run;
mod settings;
mod store;
mod stream;
mod view;
mod watch;
mod web;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use self::entry::{Entry, Errand, Life};
use self::history::History;
pub use self::record::{FilePriority, Record, TorrentLimits};
pub use self::settings::{Alternative, Clock, DaemonSettings, Day, Hours};
pub use self::store::StoreError;
use self::store::{Change, Kept, Store};
use super::client::Client;
use super::common::Banned;
use super::filter::IpFilter;
use super::resume::Resume;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::magnet::{Magnet, MagnetError};
use crate::proto::bittorrent::metainfo::{Metainfo, MetainfoError};

pub(in crate::server::share) use self::watch::Watched;
pub(in crate::server::share) use self::web::routes;

/// Torrents at most.
const MOST: usize = 100_000;

/// Torrents that begin at a time: their files are looked at, for which there is a queue of limited length.
const BEGINNING: usize = 32;

/// Why a torrent is not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It is there already.
    #[error("the torrent {0} is there already")]
    Known(Sha1),
    /// It is none.
    #[error("it is no torrent: {0}")]
    Metainfo(#[from] MetainfoError),
    /// The link is none.
    #[error(transparent)]
    Magnet(#[from] MagnetError),
    /// There are too many.
    #[error("there are {MOST} torrents already")]
    TooMany,
    /// It cannot be kept.
    #[error("it cannot be kept: {0}")]
    Store(#[from] StoreError),
}

/// What a torrent is made of.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Its file.
    Metainfo(Box<Metainfo>),
    /// A link, whose metadata peers have.
    Magnet(Box<Magnet>),
}

impl Origin {
    /// The bytes of a torrent file.
    ///
    /// # Errors
    /// They are none.
    pub fn file(bytes: &Bytes) -> Result<Self, TakeError> {
        Ok(Self::Metainfo(Box::new(Metainfo::read(bytes)?)))
    }

    /// A link.
    ///
    /// # Errors
    /// It is none.
    pub fn link(text: &str) -> Result<Self, TakeError> {
        Ok(Self::Magnet(Box::new(text.parse()?)))
    }

    fn id(&self) -> Sha1 {
        match self {
            Self::Metainfo(metainfo) => metainfo.info.hash().id(),
            Self::Magnet(magnet) => magnet.hash.id(),
        }
    }
}

/// How a torrent begins.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// The folder for its files; that of the settings if there is none.
    pub folder: Option<PathBuf>,
    /// Whether it rests at first; as the settings have it, if nothing is said.
    pub paused: Option<bool>,
    /// Whether pieces are fetched in their order.
    pub sequential: bool,
    /// How much each file is wanted.
    pub priorities: Vec<FilePriority>,
    /// Words by which it is found again.
    pub labels: Vec<String>,
}

/// The daemon. Clones are the same.
#[derive(Clone, Debug)]
pub struct Daemon(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Client,
    store: Arc<Store>,
    lane: Blocking,
    state: Mutex<State>,
    /// Something is to be seen to.
    changed: Notify,
    /// Turns to begin.
    beginning: Semaphore,
    /// Where its state is.
    folder: PathBuf,
    /// Somebody wants it to end.
    closing: CancellationToken,
}

#[derive(Debug)]
struct State {
    settings: DaemonSettings,
    entries: BTreeMap<Sha1, Entry>,
    last_number: i64,
    /// What is to be kept.
    changes: Vec<Change>,
    history: History,
    /// Ranges of addresses that are not talked to.
    filter: usize,
    begun: Instant,
    /// Torrents that were removed lately, which programs of Transmission ask for.
    removed: Vec<(i64, Instant)>,
}

impl State {
    fn entry(&mut self, id: Sha1) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    /// What is kept of a torrent has changed.
    fn changed(&mut self, id: Sha1) {
        if let Some(entry) = self.entries.get(&id) {
            self.changes.push(Change::Record(id, Box::new(entry.record.clone())));
        }
    }
}

impl Daemon {
    /// Opens the folder that it keeps its state in, with the torrents that are there. `folder` is where files go until a person says otherwise.
    ///
    /// # Errors
    /// The state is in use, or broken.
    pub fn open(client: Client, state_folder: &Path, folder: &Path) -> Result<Self, StoreError> {
        let store = Store::open(state_folder)?;
        let (settings, kept) = store.load()?;
        let settings = settings
            .unwrap_or_else(|| DaemonSettings { folder: folder.to_owned(), ..DaemonSettings::default() });
        let mut entries = BTreeMap::new();
        let mut last_number = 0;
        for kept in kept {
            last_number += 1;
            let entry = restored(kept, last_number);
            entries.insert(entry.id, entry);
        }
        let now = Instant::now();
        let state = State {
            settings,
            entries,
            last_number,
            changes: Vec::new(),
            history: History::default(),
            filter: 0,
            begun: now,
            removed: Vec::new(),
        };
        Ok(Self(Arc::new(Shared {
            client,
            store: Arc::new(store),
            lane: Blocking::new(BlockingConfig { threads: 2, ..BlockingConfig::default() }),
            state: Mutex::new(state),
            changed: Notify::new(),
            beginning: Semaphore::new(BEGINNING),
            folder: state_folder.to_owned(),
            closing: CancellationToken::new(),
        })))
    }

    /// Takes a torrent, and keeps it.
    ///
    /// # Errors
    /// It is there already, or cannot be kept.
    pub async fn take(&self, origin: Origin, wishes: Wishes) -> Result<Sha1, TakeError> {
        let id = origin.id();
        let kept = {
            let mut state = self.state();
            if state.entries.contains_key(&id) {
                return Err(TakeError::Known(id));
            }
            if state.entries.len() >= MOST {
                return Err(TakeError::TooMany);
            }
            let record = Record {
                magnet: match &origin {
                    Origin::Magnet(magnet) => Some(magnet.to_string()),
                    Origin::Metainfo(_) => None,
                },
                folder: wishes.folder.unwrap_or_else(|| state.settings.folder.clone()),
                paused: wishes.paused.unwrap_or(!state.settings.start),
                sequential: wishes.sequential,
                priorities: wishes.priorities,
                labels: wishes.labels,
                added: record::now(),
                position: state.entries.values().map(|entry| entry.record.position + 1).max().unwrap_or(0),
                ..Record::default()
            };
            state.last_number += 1;
            let mut entry = Entry::new(id, state.last_number, record.clone());
            let metainfo = match origin {
                Origin::Metainfo(metainfo) => {
                    let bytes = metainfo.to_bytes();
                    entry.metainfo = Some(Arc::new(*metainfo));
                    Some(bytes)
                }
                Origin::Magnet(_) => None,
            };
            state.entries.insert(id, entry);
            Kept { id, record, metainfo, resume: None }
        };
        let kept = self.keep(vec![Change::Put(Box::new(kept))]).await;
        if let Err(error) = kept {
            self.state().entries.remove(&id);
            return Err(error.into());
        }
        self.0.changed.notify_one();
        Ok(id)
    }

    /// Changes what is recorded of a torrent; whether it is there. It is set so while it runs.
    pub fn change(&self, id: Sha1, change: impl FnOnce(&mut Record)) -> bool {
        let mut state = self.state();
        let Some(entry) = state.entry(id) else { return false };
        change(&mut entry.record);
        if matches!(entry.life, Life::Failed(_)) {
            // Somebody does something about it.
            entry.life = Life::Idle;
        }
        entry.configure();
        state.changed(id);
        self.0.changed.notify_one();
        true
    }

    /// Moves a torrent to another place in the queue.
    pub fn set_position(&self, id: Sha1, position: usize) -> bool {
        let mut state = self.state();
        if !state.entries.contains_key(&id) {
            return false;
        }
        let mut order: Vec<(usize, Sha1)> =
            state.entries.values().map(|entry| (entry.record.position, entry.id)).collect();
        order.sort_unstable();
        let mut order: Vec<Sha1> =
            order.into_iter().map(|(_, other)| other).filter(|other| *other != id).collect();
        order.insert(position.min(order.len()), id);
        for (position, id) in order.into_iter().enumerate() {
            let Some(entry) = state.entry(id).filter(|entry| entry.record.position != position) else {
                continue;
            };
            entry.record.position = position;
            state.changed(id);
        }
        self.0.changed.notify_one();
        true
    }

    /// Moves the files of a torrent to another folder.
    pub fn move_to(&self, id: Sha1, folder: PathBuf) -> bool {
        self.errand(id, Errand::Move(folder))
    }

    /// Looks for the files of a torrent in another folder, where somebody has put them.
    pub fn look_in(&self, id: Sha1, folder: PathBuf) -> bool {
        self.errand(id, Errand::Look(folder))
    }

    /// When somebody who may wants it to end.
    pub async fn closing(&self) {
        self.0.closing.cancelled().await;
    }

    /// Looks at the files of a torrent again.
    pub fn verify(&self, id: Sha1) -> bool {
        self.errand(id, Errand::Verify)
    }

    /// Forgets a torrent, and its files if they are not wanted any more.
    pub fn remove(&self, id: Sha1, files: bool) -> bool {
        self.errand(id, Errand::Remove { files })
    }

    fn errand(&self, id: Sha1, errand: Errand) -> bool {
        let mut state = self.state();
        let Some(entry) = state.entry(id) else { return false };
        if matches!(entry.life, Life::Failed(_)) {
            entry.life = Life::Idle;
        }
        entry.errands.push_back(errand);
        self.0.changed.notify_one();
        true
    }

    /// Asks for peers of a torrent now.
    pub fn announce(&self, id: Sha1) -> bool {
        let state = self.state();
        let Some(entry) = state.entries.get(&id) else { return false };
        if let Some(handle) = entry.handle() {
            handle.announce();
        }
        true
    }

    /// A peer of a torrent that a person knows; whether the torrent runs, if it is there.
    pub fn add_peer(&self, id: Sha1, addr: SocketAddr) -> Option<bool> {
        let state = self.state();
        let handle = state.entries.get(&id)?.handle();
        handle.into_iter().for_each(|handle| handle.add_peer(addr));
        Some(handle.is_some())
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> DaemonSettings {
        self.state().settings.clone()
    }

    /// Changes the settings.
    pub fn set_settings(&self, change: impl FnOnce(&mut DaemonSettings)) {
        let mut state = self.state();
        change(&mut state.settings);
        let settings = Box::new(state.settings.clone());
        state.changes.push(Change::Settings(settings));
        self.0.changed.notify_one();
    }

    /// Talks only to addresses that a filter lets pass.
    pub fn set_filter(&self, filter: IpFilter) {
        self.state().filter = filter.len();
        self.0.client.filter(filter);
    }

    /// Addresses that nobody talks to any more.
    #[must_use]
    pub fn banned(&self) -> Vec<(std::net::IpAddr, Banned)> {
        self.0.client.banned()
    }

    /// Talks to all of them again.
    pub fn forgive(&self) {
        self.0.client.forgive();
    }

    /// Keeps changes in the database.
    async fn keep(&self, changes: Vec<Change>) -> Result<(), StoreError> {
        let store = Arc::clone(&self.0.store);
        // The database waits for the disk a little, and is called by few.
        tokio::task::spawn_blocking(move || store.keep(&changes)).await.unwrap_or(Ok(()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A torrent that was kept. One that cannot be read any more is there, and says so.
fn restored(kept: Kept, number: i64) -> Entry {
    let mut entry = Entry::new(kept.id, number, kept.record);
    match kept.metainfo.map(|bytes| Metainfo::read(&bytes.into())) {
        Some(Ok(metainfo)) => {
            let layout = metainfo.info.layout();
            let read = |bytes: Vec<u8>| Resume::read(&bytes, layout.files().len(), layout.pieces());
            entry.resume = kept.resume.and_then(read);
            entry.metainfo = Some(Arc::new(metainfo));
        }
        Some(Err(error)) => entry.life = Life::Failed(error.to_string()),
        None => {}
    }
    entry
}
