//! Who is here: users, and the sessions that each of them has.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::few::Few;
use super::mailbox::{End, Mail, Mailbox};
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
    presence: Presence,
    /// What it says about its presence: why it is away.
    status: Arc<str>,
    sessions: Vec<Arc<Session>>,
    /// Other nodes where it is, and its numbers there.
    nodes: Vec<(NodeId, u64)>,
    /// Rooms in which it is seen.
    rooms: Few<RoomId, Arc<RoomCell>>,
    /// Guests say nothing to it but those whom it has let.
    reserved: bool,
    /// It hears no CTCP but actions.
    no_ctcp: bool,
    /// Whom it has let.
    accepted: Few<UserId, ()>,
}

/// One connection of a user.
#[derive(Debug)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// What waits for it.
    pub mailbox: Mailbox,
    dialect: Mutex<Dialect>,
    /// The login of an account that it uses, if it came by a token.
    login: std::sync::OnceLock<MessageId>,
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
            readers: Mutex::default(),
        })
    }

    /// Notes the login that it uses: once.
    pub fn logged_in(&self, login: MessageId) {
        let _ = self.login.set(login);
    }

    /// The login that it uses.
    #[must_use]
    pub fn login(&self) -> Option<MessageId> {
        self.login.get().copied()
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

    /// Tells it something, behind all that it was told before.
    pub fn tell(&self, told: &Told<'_>) {
        let mut bytes = bytes::BytesMut::new();
        self.dialect().write(told, &mut bytes);
        self.mailbox.put(Mail::Bytes(bytes.freeze()));
    }

    /// Gives it bytes that were written for it in its dialect, behind all that it was told before.
    pub fn send(&self, bytes: bytes::Bytes) {
        self.mailbox.put(Mail::Bytes(bytes));
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
            presence: Presence::Online,
            status: Arc::default(),
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

    /// What it is called.
    #[must_use]
    pub fn nick(&self) -> Nick {
        self.lock().face.nick.clone()
    }

    /// Its presence, and what it says about it.
    #[must_use]
    pub fn presence(&self) -> (Presence, Arc<str>) {
        let state = self.lock();
        (state.presence, Arc::clone(&state.status))
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

    /// Notes that it is on another node.
    pub(super) fn note_node(&self, node: NodeId, id: u64) {
        let mut state = self.lock();
        if !state.nodes.contains(&(node, id)) {
            state.nodes.push((node, id));
        }
    }

    /// It is there no longer. Says whether it is nowhere.
    pub(super) fn forget_node(&self, node: NodeId, id: u64) -> bool {
        let mut state = self.lock();
        state.nodes.retain(|other| *other != (node, id));
        state.nodes.is_empty() && state.sessions.is_empty()
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

    pub(super) fn set_presence(&self, presence: Presence, status: &str) -> bool {
        let mut state = self.lock();
        let changed = state.presence != presence || *state.status != *status;
        (state.presence, state.status) = (presence, status.into());
        changed
    }

    pub(super) fn add_session(&self, session: Arc<Session>) {
        self.lock().sessions.push(session);
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
        self.lock().reserved
    }

    /// Guests say nothing to it from now on, or whatever they want. Says whether that is new.
    pub fn set_reserved(&self, on: bool) -> bool {
        let mut state = self.lock();
        let changed = state.reserved != on;
        state.reserved = on;
        changed
    }

    /// Whether it hears no CTCP but actions.
    #[must_use]
    pub fn is_without_ctcp(&self) -> bool {
        self.lock().no_ctcp
    }

    /// It hears no CTCP but actions from now on, or any. Says whether that is new.
    pub fn set_without_ctcp(&self, on: bool) -> bool {
        let mut state = self.lock();
        let changed = state.no_ctcp != on;
        state.no_ctcp = on;
        changed
    }

    /// Lets somebody say something to it although it is reserved, or no longer. Says whether there was room for that.
    pub fn accept(&self, other: UserId, on: bool) -> bool {
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

    /// Whether it has let somebody.
    #[must_use]
    pub fn has_accepted(&self, other: UserId) -> bool {
        self.lock().accepted.get(other).is_some()
    }

    /// Whether somebody may say something to it: whoever has an account, and else if it is not reserved, or has let that one.
    #[must_use]
    pub fn hears(&self, other: &Self) -> bool {
        let guest = other.face().account.is_none() && other.id() != self.id();
        let state = self.lock();
        !guest || !state.reserved || state.accepted.get(other.id).is_some()
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
