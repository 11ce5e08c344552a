//! The house: who is here, what rooms there are, and what is done in them.
//!
//! Both doors open into it. A [`Session`](user::Session) is one connection; a [`User`] is who stands behind one session or
//! several. What lasts goes through `commit` into the log of a room, and is told when it is on disk; what does not last (typing, presence, who
//! comes and goes) is told at once.

pub mod absent;
pub mod decree;
pub mod enter;
mod few;
pub mod gone;
pub mod hears;
pub mod mailbox;
pub mod nodes;
mod operators;
mod pace;
pub mod people;
pub mod presence;
pub mod room;
mod seen;
pub mod settings;
pub mod stats;
pub mod talk;
pub mod told;
pub mod user;
pub mod watch;

mod commit;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use self::commit::Waiting;
use self::nodes::Membership;
use self::room::RoomCell;
use self::settings::Settings;
use self::user::User;
use super::accounts::Accounts;
use super::bus::Heard;
use super::store::{Store, StoreError};
use crate::proto::chat::event::{RoomKind, Who};
use crate::proto::chat::id::{AccountId, Ids, MessageId, Millis, RoomId};
use crate::proto::chat::name::{Nick, RoomName};

/// Doors to rooms that are being opened or dropped: whoever does that waits for those who come in, and they for it; rooms of other names seldom do.
const OPENING: usize = 64;

/// The house. Clones are the same one.
#[derive(Clone)]
pub struct House(Arc<Inner>);

struct Inner {
    settings: Settings,
    store: Arc<dyn Store>,
    /// The key by which addresses are shown.
    cloak: ring::hmac::Key,
    ids: Mutex<Ids>,
    queue: mpsc::Sender<Waiting>,
    /// Every change that is under way holds a clone of it.
    way: Arc<()>,
    people: Mutex<People>,
    rooms: RwLock<Rooms>,
    /// The rooms of each account.
    memberships: Mutex<HashMap<AccountId, HashSet<RoomId>>>,
    opening: [tokio::sync::RwLock<()>; OPENING],
    /// Those who come in, likewise: nobody twice at the same time.
    joining: [tokio::sync::Mutex<()>; OPENING],
    watched: self::watch::Watched,
    seen: self::seen::Seen,
    past: self::gone::Past,
    pace: self::pace::Pace,
    counters: self::stats::Counters,
    /// The other nodes, if there may be any.
    nodes: Option<self::nodes::Nodes>,
    /// Of those who are told while they are not here.
    absent: std::sync::OnceLock<Arc<self::absent::Absent>>,
}

/// Who is here.
#[derive(Default)]
struct People {
    /// By the nick, in lower case.
    by_nick: HashMap<Arc<str>, Arc<User>>,
    by_account: HashMap<AccountId, Vec<Arc<User>>>,
}

/// The rooms that there are.
#[derive(Default)]
struct Rooms {
    by_id: HashMap<RoomId, Arc<RoomCell>>,
    /// By the name, in lower case.
    by_name: HashMap<Arc<str>, Arc<RoomCell>>,
    /// Direct rooms by the accounts, the lower number first.
    direct: HashMap<(AccountId, AccountId), Arc<RoomCell>>,
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("House").field("name", &self.0.settings.name).finish_non_exhaustive()
    }
}

impl House {
    /// Opens the house over what the store has. `secret` is known to the server alone, and the same after a restart. The task that comes with it writes what is said; it ends when all handles of the house are gone.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open(
        store: Arc<dyn Store>,
        settings: Settings,
        secret: &[u8],
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), StoreError> {
        let (house, writer, _) = Self::open_among(store, settings, secret, None).await?;
        Ok((house, writer))
    }

    /// As [`open`](Self::open), as one node of several. [`join_others`](Self::join_others) is to be called with what is said last.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open_among(
        store: Arc<dyn Store>,
        settings: Settings,
        secret: &[u8],
        membership: Option<Membership>,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static, Freed), StoreError> {
        let nodes = membership.map(self::nodes::Nodes::new);
        let (freed, guests) = match (&nodes, store.shared()) {
            (Some(nodes), Some(shared)) => {
                let freed = Self::begin_lease(shared, nodes).await?.freed;
                let mut guests: HashSet<String> = shared.guests().await?.into_iter().collect();
                // They leave by an event, which comes.
                guests.extend(freed.iter().map(|(nick, _)| nick.clone()));
                (freed, guests)
            }
            _ => (Vec::new(), HashSet::new()),
        };
        let last = store.last_id().await?.unwrap_or(MessageId::first_of(0));
        let stored = store.rooms().await?;
        let (queue, waiting) = mpsc::channel(settings.max_pending);
        let inner = Inner {
            pace: self::pace::Pace::new(&settings),
            settings,
            store,
            cloak: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret),
            ids: Mutex::new(Ids::after(last)),
            queue,
            way: Arc::new(()),
            people: Mutex::default(),
            rooms: RwLock::default(),
            memberships: Mutex::default(),
            opening: std::array::from_fn(|_| tokio::sync::RwLock::default()),
            joining: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            watched: self::watch::Watched::default(),
            seen: self::seen::Seen::default(),
            past: self::gone::Past::default(),
            counters: self::stats::Counters::default(),
            nodes,
            absent: std::sync::OnceLock::new(),
        };
        for found in stored {
            let mut room = found.snapshot;
            found.since.iter().for_each(|event| room.apply(event));
            room.catch_up(found.head);
            room.keep_guests(|nick| guests.contains(nick));
            inner.load(room);
        }
        let house = Self(Arc::new(inner));
        let weak = Arc::downgrade(&house.0);
        // The task holds the house only while it works, or the house would hold itself.
        let writer = commit::run(weak, waiting);
        Ok((house, writer, freed))
    }

    /// What this node does among others, as long as it lives: it hears them, and keeps its lease.
    pub async fn join_others(self, heard: Option<mpsc::Receiver<Heard>>, accounts: Accounts, freed: Freed) {
        tokio::join!(self.clone().hear_all(heard, accounts), self.keep_lease(freed));
    }

    /// What is allowed here.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Where it is kept.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Counts something that somebody says: an account, or a guest from this address.
    ///
    /// # Errors
    /// They say too much: how long until they may say something again.
    pub fn pace(&self, user: &User, address: Option<IpAddr>) -> Result<(), Duration> {
        let account = user.face().account.map(|(id, _)| id);
        self.0.pace.take(account, address, Instant::now())
    }

    /// The time, in ms since 1970.
    #[must_use]
    pub fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(Millis::MAX)
    }

    /// A new id, larger than all before.
    #[must_use]
    pub fn id(&self) -> MessageId {
        let now = self.now();
        let mut ids = self.0.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.next(now, fastrand::u128(..))
    }

    /// The user of this nick, if it is here.
    #[must_use]
    pub fn user(&self, nick: &str) -> Option<Arc<User>> {
        self.0.people().by_nick.get(nick.to_ascii_lowercase().as_str()).cloned()
    }

    /// Users of an account that are here.
    #[must_use]
    pub fn users_of(&self, account: AccountId) -> Vec<Arc<User>> {
        self.0.people().by_account.get(&account).cloned().unwrap_or_default()
    }

    /// What somebody is called now: by its name, if one of those with that account is here under it, or if none is here.
    #[must_use]
    pub fn called(&self, who: &Who, name: &Nick) -> Nick {
        self.0.called(who, name).unwrap_or_else(|| name.clone())
    }

    /// All who are here.
    #[must_use]
    pub fn users(&self) -> Vec<Arc<User>> {
        self.0.people().by_nick.values().cloned().collect()
    }

    /// How many are here.
    #[must_use]
    pub fn population(&self) -> usize {
        self.0.people().by_nick.len()
    }

    /// The room of this name.
    #[must_use]
    pub fn room(&self, name: &str) -> Option<Arc<RoomCell>> {
        self.0.rooms().by_name.get(name.to_ascii_lowercase().as_str()).cloned()
    }

    /// A room by its number.
    #[must_use]
    pub fn room_by_id(&self, id: RoomId) -> Option<Arc<RoomCell>> {
        self.0.rooms().by_id.get(&id).cloned()
    }

    /// All rooms that have names, those that are not listed among them.
    #[must_use]
    pub fn rooms(&self) -> Vec<Arc<RoomCell>> {
        self.0.rooms().by_name.values().cloned().collect()
    }

    /// How many rooms have names.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.0.rooms().by_name.len()
    }

    /// The rooms of an account, direct ones among them.
    #[must_use]
    pub fn rooms_of(&self, account: AccountId) -> Vec<Arc<RoomCell>> {
        let ids: Vec<RoomId> = self.0.memberships().get(&account).into_iter().flatten().copied().collect();
        let rooms = self.0.rooms();
        ids.iter().filter_map(|id| rooms.by_id.get(id).cloned()).collect()
    }

    /// The direct room of two accounts, if they have one.
    #[must_use]
    pub fn direct(&self, one: AccountId, other: AccountId) -> Option<Arc<RoomCell>> {
        self.0.rooms().direct.get(&pair(one, other)).cloned()
    }
}

/// Which of the doors is that of `key`.
fn place(key: &impl Hash) -> usize {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    usize::try_from(HASHER.hash_one(key) % OPENING as u64).unwrap_or_default()
}

fn pair(one: AccountId, other: AccountId) -> (AccountId, AccountId) {
    (one.min(other), one.max(other))
}

impl Inner {
    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rooms(&self) -> RwLockReadGuard<'_, Rooms> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn rooms_mut(&self) -> RwLockWriteGuard<'_, Rooms> {
        self.rooms.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn memberships(&self) -> MutexGuard<'_, HashMap<AccountId, HashSet<RoomId>>> {
        self.memberships.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held by whoever opens or drops the room of this name, and shared by those who come in.
    fn opening(&self, name: &str) -> &tokio::sync::RwLock<()> {
        &self.opening[place(&name.to_ascii_lowercase())]
    }

    /// Held by whoever comes into a room: nobody else does that as the same member, or nobody at all if places are `few`.
    fn joining(&self, room: RoomId, who: &Who, few: bool) -> &tokio::sync::Mutex<()> {
        &self.joining[place(&(room, Some(who).filter(|_| !few)))]
    }

    fn users_of(&self, who: &Who) -> Vec<Arc<User>> {
        let people = self.people();
        match who {
            Who::Account(account) => people.by_account.get(account).cloned().unwrap_or_default(),
            Who::Guest(nick) => people.by_nick.get(nick).cloned().into_iter().collect(),
        }
    }

    /// What somebody is called now, if it is here: by its name, if one of those with that account is.
    fn called(&self, who: &Who, name: &Nick) -> Option<Nick> {
        let nicks: Vec<_> = self.users_of(who).iter().map(|user| user.nick()).collect();
        nicks.iter().find(|nick| *nick == name).or(nicks.first()).cloned()
    }

    /// Knows a room from now on.
    fn know(&self, room: &Arc<RoomCell>) {
        let mut rooms = self.rooms_mut();
        rooms.by_id.insert(room.id(), Arc::clone(room));
        if let Some(name) = room.name() {
            rooms.by_name.insert(name.folded(), Arc::clone(room));
        }
    }

    /// A room that the store has.
    fn load(&self, room: crate::proto::chat::room::Room) {
        let accounts: Vec<AccountId> = room
            .members()
            .filter_map(|(who, _)| match who {
                Who::Account(account) => Some(*account),
                Who::Guest(_) => None,
            })
            .collect();
        let (id, name, kind) = (room.id(), room.name().cloned(), room.kind());
        let cell = RoomCell::new(room, name);
        self.know(&cell);
        let mut memberships = self.memberships();
        for account in accounts {
            memberships.entry(account).or_default().insert(id);
        }
        drop(memberships);
        if kind == RoomKind::Direct {
            self.note_direct(&cell);
        }
    }

    /// Knows a direct room by its members.
    fn note_direct(&self, room: &Arc<RoomCell>) {
        let accounts: Vec<AccountId> = room.look(|room| {
            let account = |who: &Who| match who {
                Who::Account(account) => Some(*account),
                Who::Guest(_) => None,
            };
            room.members().filter_map(|(who, _)| account(who)).collect()
        });
        let (Some(one), Some(other)) = (accounts.first(), accounts.last()) else { return };
        self.rooms_mut().direct.insert(pair(*one, *other), Arc::clone(room));
    }

    /// A room has ended.
    fn forget(&self, room: &Arc<RoomCell>) {
        let mut rooms = self.rooms_mut();
        rooms.by_id.remove(&room.id());
        if let Some(name) = room.name().map(RoomName::folded)
            && rooms.by_name.get(&name).is_some_and(|found| Arc::ptr_eq(found, room))
        {
            rooms.by_name.remove(&name);
        }
    }
}

/// What nodes have held that have ended: nicks in lower case, with their accounts.
pub type Freed = Vec<(String, Option<AccountId>)>;

/// Why somebody cannot be called so.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoNick {
    /// The name is somebody else's.
    #[error("the name {0} is taken")]
    Taken(Nick),
    /// It cannot be said whether it is.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}
