//! Who is here: users, and the sessions that each of them has.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::few::Few;
use super::mailbox::{End, Mail, Mailbox};
use super::presence::{Device, Shown};
use super::room::{ReaderKey, RoomCell};
use super::told::{Dialect, Presence, Told};
use crate::proto::chat::event::{Author, Who};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId};
use crate::proto::chat::name::Nick;
use crate::server::chat::store::shared::NodeId;

/// A user, as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u64);

/// A session, as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// People whom a reserved user lets talk to it at most. Solanum 20.
pub const MAX_ACCEPTED: usize = 100;

/// A bit of [`Session::modes`]: its user is not to be found by those who share no room with it.
pub const INVISIBLE: u8 = 1;

/// A bit of [`Session::modes`]: it wants to hear what operators say to all who do.
pub const WALLOPS: u8 = 2;

/// The next number of a user or a session.
fn next() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// What others see of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Face {
    /// The name.
    pub nick: Nick,
    /// What IRC shows between `!` and `@`.
    pub user: Arc<str>,
    /// What IRC shows behind `@`: never an address.
    pub host: Arc<str>,
    /// The name beside the name.
    pub real: Arc<str>,
    /// The account.
    pub account: Option<(AccountId, Nick)>,
    /// Whether it operates the server.
    pub operator: bool,
    /// Whether it says of itself that it is a program.
    pub bot: bool,
}

impl Face {
    /// As the author of an event.
    #[must_use]
    pub fn author(&self) -> Author {
        Author {
            nick: self.nick.clone(),
            account: self.account.as_ref().map(|(id, _)| *id),
            user: Arc::clone(&self.user),
            host: Arc::clone(&self.host),
        }
    }

    /// As members of rooms are counted.
    #[must_use]
    pub fn who(&self) -> Who {
        match &self.account {
            Some((id, _)) => Who::Account(*id),
            None => Who::Guest(self.nick.folded()),
        }
    }

    /// The name by which it is found again: the account's, or the nick of who has none.
    #[must_use]
    pub fn lasting_name(&self) -> &Nick {
        self.account_name().unwrap_or(&self.nick)
    }

    /// The name of the account.
    #[must_use]
    pub fn account_name(&self) -> Option<&Nick> {
        self.account.as_ref().map(|(_, name)| name)
    }
}

/// Somebody who is here, with one session or several.
#[derive(Debug)]
pub struct User {
    id: UserId,
    since: Millis,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    face: Face,
    /// How it is shown: as the most present of its devices.
    shown: Shown,
    sessions: Vec<Arc<Session>>,
    /// Other nodes where it is.
    nodes: Vec<Elsewhere>,
    /// Rooms in which it is seen.
    rooms: Few<RoomId, Arc<RoomCell>>,
    /// Guests say nothing to it but those whom it has let.
    reserved: bool,
    /// It hears no CTCP but actions.
    no_ctcp: bool,
    /// Whom it has let.
    accepted: Few<UserId, ()>,
}

/// What another node says of a user that it has.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pub(super) node: NodeId,
    /// Its number there.
    pub(super) id: u64,
    pub(super) devices: Vec<Device>,
    /// Guests say nothing to it but those whom it has let there.
    pub(super) reserved: bool,
    pub(super) no_ctcp: bool,
    pub(super) accepted: Vec<UserId>,
    /// What its sessions there have set.
    pub(super) modes: u8,
}

impl State {
    /// Shows the most present device. Says whether that is another presence, or another status.
    fn weigh(&mut self) -> bool {
        let here: Vec<Shown> = self.sessions.iter().map(|session| session.shown()).collect();
        let there = self.nodes.iter().flat_map(|node| &node.devices).map(|device| &device.shown);
        let Some(most) = Shown::most(here.iter().chain(there)).cloned() else { return false };
        let changed = most.presence != self.shown.presence || most.status != self.shown.status;
        self.shown = most;
        changed
    }

    /// What is decided on any node holds on all.
    fn is_reserved(&self) -> bool {
        self.reserved || self.nodes.iter().any(|node| node.reserved)
    }

    fn is_without_ctcp(&self) -> bool {
        self.no_ctcp || self.nodes.iter().any(|node| node.no_ctcp)
    }

    fn has_accepted(&self, other: UserId) -> bool {
        self.accepted.get(other).is_some() || self.nodes.iter().any(|node| node.accepted.contains(&other))
    }
}

/// One connection of a user.
#[derive(Debug)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// What waits for it.
    pub mailbox: Mailbox,
    dialect: Mutex<Dialect>,
    /// The login of an account that it uses, if it came by a token: a [`MessageId`], as bytes, which need no place that is aligned.
    login: std::sync::OnceLock<[u8; 16]>,
    /// How it is shown.
    shown: Mutex<Shown>,
    /// When it was noted last that it does something.
    active: AtomicU64,
    modes: AtomicU8,
    /// Where it reads each room: which reader of the room's lane it is.
    readers: Mutex<Few<RoomId, ReaderKey>>,
}

impl Session {
    /// A session that nobody knows yet.
    #[must_use]
    pub fn new(dialect: Dialect) -> Arc<Self> {
        Arc::new(Self {
            id: SessionId(next()),
            mailbox: Mailbox::default(),
            dialect: Mutex::new(dialect),
            login: std::sync::OnceLock::new(),
            shown: Mutex::default(),
            active: AtomicU64::new(0),
            modes: AtomicU8::new(0),
            readers: Mutex::default(),
        })
    }

    /// Notes the login that it uses: once.
    pub(super) fn logged_in(&self, login: MessageId) {
        let _ = self.login.set(login.to_bytes());
    }

    /// The login that it uses.
    #[must_use]
    pub fn login(&self) -> Option<MessageId> {
        self.login.get().copied().map(MessageId::from_bytes)
    }

    /// How it is shown.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows it so. Its user is to be [shown](super::House::set_presence) anew, unless it has not arrived yet.
    pub fn show(&self, shown: Shown) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    /// It does something. Says whether that was noted before `pause` (in ms) or longer ago.
    pub(super) fn is_active(&self, now: Millis, pause: Millis) -> bool {
        let noted = self.active.load(Ordering::Relaxed);
        let due = now >= noted.saturating_add(pause);
        if due {
            self.active.store(now, Ordering::Relaxed);
        }
        due
    }

    /// What it has set for itself, as bits: [`INVISIBLE`] and [`WALLOPS`].
    #[must_use]
    pub fn modes(&self) -> u8 {
        self.modes.load(Ordering::Relaxed)
    }

    /// Sets bits, or takes them away. Says whether that is new.
    pub(super) fn set_modes(&self, bits: u8, on: bool) -> bool {
        let before = match on {
            true => self.modes.fetch_or(bits, Ordering::Relaxed),
            false => self.modes.fetch_and(!bits, Ordering::Relaxed),
        };
        before & bits != if on { bits } else { 0 }
    }

    /// What it speaks.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        *self.dialect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_dialect(&self, dialect: Dialect) {
        *self.dialect.lock().unwrap_or_else(PoisonError::into_inner) = dialect;
    }

    pub(super) fn readers(&self) -> MutexGuard<'_, Few<RoomId, ReaderKey>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which reader of a room it is, if it reads it.
    #[must_use]
    pub fn readers_of(&self, room: RoomId) -> Option<ReaderKey> {
        self.readers().get(room).copied()
    }

    /// As a device of its user.
    fn device(&self) -> Device {
        Device { login: self.login(), shown: self.shown() }
    }

    /// Tells it something, behind all that it was told before.
    pub fn tell(&self, told: &Told<'_>) {
        let mut bytes = bytes::BytesMut::new();
        self.dialect().write(told, &mut bytes);
        self.mailbox.put(Mail::Bytes(bytes.freeze()));
    }

    /// Ends it.
    pub fn end(&self, reason: &str) {
        self.mailbox.end(End::Ended(reason.to_owned()));
    }
}

impl User {
    /// A user with its first session.
    pub(super) fn new(face: Face, session: Arc<Session>, now: Millis) -> Arc<Self> {
        Self::with(face, vec![session], now)
    }

    /// A user of another node.
    pub(super) fn elsewhere(face: Face, since: Millis) -> Arc<Self> {
        Self::with(face, Vec::new(), since)
    }

    fn with(face: Face, sessions: Vec<Arc<Session>>, since: Millis) -> Arc<Self> {
        let state = State {
            face,
            shown: sessions.first().map(|session| session.shown()).unwrap_or_default(),
            sessions,
            nodes: Vec::new(),
            rooms: Few::default(),
            reserved: false,
            no_ctcp: false,
            accepted: Few::default(),
        };
        Arc::new(Self { id: UserId(next()), since, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> UserId {
        self.id
    }

    /// Since when it is here.
    #[must_use]
    pub fn since(&self) -> Millis {
        self.since
    }

    /// What others see of it.
    #[must_use]
    pub fn face(&self) -> Face {
        self.lock().face.clone()
    }

    /// As members of rooms are counted.
    #[must_use]
    pub fn who(&self) -> Who {
        self.lock().face.who()
    }

    /// Whether it operates the server.
    #[must_use]
    pub fn is_operator(&self) -> bool {
        self.lock().face.operator
    }

    /// What it is called.
    #[must_use]
    pub fn nick(&self) -> Nick {
        self.lock().face.nick.clone()
    }

    /// Its presence, and what it says about it.
    #[must_use]
    pub fn presence(&self) -> (Presence, Arc<str>) {
        let state = self.lock();
        (state.shown.presence, Arc::clone(&state.shown.status))
    }

    /// Shows it as its most present device is shown. Says whether that is another presence, or another status.
    pub(super) fn weigh_devices(&self) -> bool {
        self.lock().weigh()
    }

    /// Its devices that are connected, on all nodes.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        let state = self.lock();
        let here = state.sessions.iter().map(|session| session.device());
        here.chain(state.nodes.iter().flat_map(|node| node.devices.iter().cloned())).collect()
    }

    /// What other nodes are told of its devices here.
    pub(super) fn local_devices(&self) -> Vec<Device> {
        self.lock().sessions.iter().map(|session| session.device()).collect()
    }

    /// What was decided here: whether it is reserved and without CTCP, and whom it has let.
    pub(super) fn local_choices(&self) -> (bool, bool, Vec<UserId>) {
        let state = self.lock();
        (state.reserved, state.no_ctcp, state.accepted.keys().collect())
    }

    /// What one of its sessions has set, on whichever node, as bits: [`INVISIBLE`] and [`WALLOPS`].
    #[must_use]
    pub fn modes(&self) -> u8 {
        let there = self.lock().nodes.iter().fold(0, |modes, node| modes | node.modes);
        there | self.local_modes()
    }

    /// What one of its sessions on this node has set.
    pub(super) fn local_modes(&self) -> u8 {
        self.lock().sessions.iter().fold(0, |modes, session| modes | session.modes())
    }

    /// Whether those who share no room with it are not to find it.
    #[must_use]
    pub fn is_invisible(&self) -> bool {
        self.modes() & INVISIBLE != 0
    }

    /// Whether it has sessions on this node.
    #[must_use]
    pub fn is_local(&self) -> bool {
        !self.lock().sessions.is_empty()
    }

    /// Whether it is on other nodes.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        !self.lock().nodes.is_empty()
    }

    /// Notes what another node says of it. Says whether it is shown with another presence now.
    pub(super) fn note_node(&self, elsewhere: Elsewhere) -> bool {
        let mut state = self.lock();
        state.nodes.retain(|other| (other.node, other.id) != (elsewhere.node, elsewhere.id));
        state.nodes.push(elsewhere);
        state.weigh()
    }

    /// It is there no longer. Says whether it is nowhere, and whether it is shown with another presence now.
    pub(super) fn forget_node(&self, node: NodeId, id: u64) -> (bool, bool) {
        let mut state = self.lock();
        state.nodes.retain(|other| (other.node, other.id) != (node, id));
        (state.nodes.is_empty() && state.sessions.is_empty(), state.weigh())
    }

    /// Its sessions.
    #[must_use]
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        self.lock().sessions.clone()
    }

    /// The rooms in which it is seen.
    #[must_use]
    pub fn rooms(&self) -> Vec<Arc<RoomCell>> {
        self.lock().rooms.values().cloned().collect()
    }

    /// Whether it is seen in a room.
    #[must_use]
    pub fn is_in(&self, room: RoomId) -> bool {
        self.lock().rooms.get(room).is_some()
    }

    pub(super) fn change_face(&self, change: impl FnOnce(&mut Face)) -> Face {
        let mut state = self.lock();
        change(&mut state.face);
        state.face.clone()
    }

    /// Another session has come. That of a user who is not to be seen is not to be seen either, unless it was said how it is shown.
    pub(super) fn add_session(&self, session: Arc<Session>) {
        let mut state = self.lock();
        if state.shown.presence == Presence::Offline && session.shown() == Shown::default() {
            session.show(state.shown.clone());
        }
        (state.reserved, state.no_ctcp) = (state.is_reserved(), state.is_without_ctcp());
        state.sessions.push(session);
    }

    /// Whether it was the last one.
    pub(super) fn remove_session(&self, session: SessionId) -> bool {
        let mut state = self.lock();
        state.sessions.retain(|other| other.id != session);
        state.sessions.is_empty()
    }

    pub(super) fn enter(&self, room: &Arc<RoomCell>) -> bool {
        self.lock().rooms.insert(room.id(), Arc::clone(room)).is_none()
    }

    pub(super) fn exit(&self, room: RoomId) -> bool {
        self.lock().rooms.remove(room).is_some()
    }

    /// Whether guests say nothing to it but those whom it has let.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.lock().is_reserved()
    }

    /// Guests say nothing to it from now on, or whatever they want.
    pub(super) fn set_reserved(&self, on: bool) {
        let mut state = self.lock();
        state.reserved = on;
        // Those nodes are told, and say the same soon.
        state.nodes.iter_mut().for_each(|node| node.reserved = on);
    }

    /// Whether it hears no CTCP but actions.
    #[must_use]
    pub fn is_without_ctcp(&self) -> bool {
        self.lock().is_without_ctcp()
    }

    /// It hears no CTCP but actions from now on, or any.
    pub(super) fn set_without_ctcp(&self, on: bool) {
        let mut state = self.lock();
        state.no_ctcp = on;
        state.nodes.iter_mut().for_each(|node| node.no_ctcp = on);
    }

    /// Lets somebody say something to it although it is reserved, or no longer. Says whether there was room for that. [`House::accept`](super::House::accept) makes
    /// room where others have gone.
    pub(super) fn accept(&self, other: UserId, on: bool) -> bool {
        let mut state = self.lock();
        if !on {
            state.accepted.remove(other);
            return true;
        }
        if state.accepted.get(other).is_none() && state.accepted.keys().count() >= MAX_ACCEPTED {
            return false;
        }
        state.accepted.insert(other, ());
        true
    }

    /// Forgets those whom it has let and who are not `here`.
    pub(super) fn forget_accepted(&self, here: impl Fn(UserId) -> bool) {
        let mut state = self.lock();
        let gone: Vec<UserId> = state.accepted.keys().filter(|id| !here(*id)).collect();
        for id in gone {
            state.accepted.remove(id);
        }
    }

    /// Whether it has let somebody.
    #[must_use]
    pub fn has_accepted(&self, other: UserId) -> bool {
        self.lock().has_accepted(other)
    }

    /// Whether somebody may say something to it: whoever has an account, and else if it is not reserved, or has let that one.
    #[must_use]
    pub fn hears(&self, other: &Self) -> bool {
        let guest = other.face().account.is_none() && other.id() != self.id();
        let state = self.lock();
        !guest || !state.is_reserved() || state.has_accepted(other.id)
    }

    /// Tells all its sessions but `except`, each in its dialect.
    pub fn tell(&self, told: &Told<'_>, except: Option<SessionId>) {
        let mut written = super::room::Written::default();
        for session in self.sessions().iter().filter(|session| Some(session.id) != except) {
            let bytes = written.get(session.dialect(), told);
            session.mailbox.put(Mail::Bytes(bytes));
        }
    }
}
