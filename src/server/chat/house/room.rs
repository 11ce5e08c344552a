//! A room in memory: what it is like, who is seen in it, and what its readers have not got yet.
//!
//! There is one lock for each room, held for as long as it takes to append to a few buffers. The order of locks is: a mailbox, then a room.
//! So mailboxes are told after a room is unlocked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use super::mailbox::{Mail, Wakers};
use super::told::{Dialect, Place, Told};
use super::user::{Face, Session, SessionId, User, UserId};
use crate::net::backlog::{Backlog, Lagged, Offset};
use crate::proto::chat::event::{Change, Event, Role, Who};
use crate::proto::chat::id::{MessageId, RoomId, Seq};
use crate::proto::chat::name::RoomName;
use crate::proto::chat::room::{Actor, Room, Target};

/// Bytes of a room, in each dialect, that are kept for sessions that are behind. A session that is further behind ends, and resumes from the log.
pub const BACKLOG: usize = 1 << 20;

/// Messages of late whose authors are remembered, so that an edit or a reaction need not ask the store.
const REMEMBERED: usize = 256;

/// What admins alone were told of late by those who named it, so that a repetition is not told again.
const REPEATABLE: usize = 256;

/// A room in memory.
#[derive(Debug)]
pub struct RoomCell {
    id: RoomId,
    /// Of those that have one: it never changes.
    name: Option<RoomName>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) room: Room,
    /// Those who are seen in it.
    pub(super) here: HashMap<UserId, Arc<User>>,
    lanes: Vec<Lane>,
    readers: Vec<Option<Reader>>,
    vacant: Vec<u32>,
    /// The number of the last reader.
    last: u32,
    /// Messages of late, the oldest first.
    targets: VecDeque<(MessageId, Target)>,
    /// What was said of late that is in no log: who has said it, and what that one calls it; the oldest first.
    hushed: VecDeque<(Who, String, MessageId)>,
}

/// Somebody who is seen in a room.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who.
    pub user: Arc<User>,
    /// The role there.
    pub role: Role,
    /// Whether it is voiced beside a higher role.
    pub voiced: bool,
}

/// A reader of a room. Places are given out again, and each time under another number: news for whoever had the place before is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderKey {
    place: u32,
    number: u32,
}

impl Standing {
    /// Whether it moderates: as an admin, or as an operator of the server.
    #[must_use]
    pub fn moderates(&self) -> bool {
        self.role >= Role::Admin || self.user.is_operator()
    }
}

/// What the readers of one dialect read.
#[derive(Debug)]
struct Lane {
    dialect: Dialect,
    backlog: Backlog,
    /// Readers that have got everything: they are told when there is more.
    idle: Vec<ReaderKey>,
    readers: usize,
}

#[derive(Debug)]
struct Reader {
    session: Arc<Session>,
    number: u32,
    /// It is among the idle of its lane.
    idle: bool,
    lane: usize,
    at: Offset,
    /// What it reads in place of some bytes: those that it has said itself.
    marks: Vec<Mark>,
}

/// In place of the bytes between two places one reader gets something else.
#[derive(Debug)]
struct Mark {
    from: Offset,
    to: Offset,
    mail: Mail,
}

/// Who has to be told that there is news.
type News = Vec<(Arc<Session>, ReaderKey)>;

impl RoomCell {
    /// A room that was loaded, or is about to begin: then its name is not in it yet.
    pub(super) fn new(room: Room, name: Option<RoomName>) -> Arc<Self> {
        let state = State {
            here: HashMap::new(),
            lanes: Vec::new(),
            readers: Vec::new(),
            vacant: Vec::new(),
            last: 0,
            targets: VecDeque::new(),
            hushed: VecDeque::new(),
            room,
        };
        let id = state.room.id();
        Arc::new(Self { id, name, state: Mutex::new(state) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> RoomId {
        self.id
    }

    /// Its name; direct rooms have none.
    #[must_use]
    pub fn name(&self) -> Option<&RoomName> {
        self.name.as_ref()
    }

    /// Looks at the room. Nothing else happens in it meanwhile, so it should not take long.
    pub fn look<T>(&self, look: impl FnOnce(&Room) -> T) -> T {
        look(&self.lock().room)
    }

    /// The number of its last event.
    #[must_use]
    pub fn head(&self) -> Seq {
        self.lock().room.head()
    }

    /// Asks the room what somebody may do in it.
    pub fn ask<T>(&self, face: &Face, ask: impl FnOnce(&Room, &Actor<'_>) -> T) -> T {
        let author = face.author();
        let actor =
            Actor { author: &author, account: face.account_name(), operator: face.operator, key: None };
        self.look(|room| ask(room, &actor))
    }

    /// Notes what somebody has said that is in no log, as admins alone are told: slow mode counts it, and a repetition is known by what its client calls it.
    pub(super) fn note_hushed(&self, who: Who, client_id: Option<String>, id: MessageId) {
        let mut state = self.lock();
        state.room.note_hushed(&who, id.time());
        let Some(client_id) = client_id else { return };
        if state.hushed.len() >= REPEATABLE {
            state.hushed.pop_front();
        }
        state.hushed.push_back((who, client_id, id));
    }

    /// What somebody has said so already, if it is in no log.
    pub(super) fn hushed(&self, who: &Who, client_id: &str) -> Option<MessageId> {
        let state = self.lock();
        let found = state.hushed.iter().rev().find(|(by, known, _)| by == who && known == client_id);
        found.map(|(.., id)| *id)
    }

    /// Those who are seen in it, with their roles.
    #[must_use]
    pub fn here(&self) -> Vec<(Arc<User>, Role)> {
        self.standings().into_iter().map(|standing| (standing.user, standing.role)).collect()
    }

    /// Those who are seen in it, with all that they are there.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let state = self.lock();
        state.here.values().filter_map(|user| state.standing(user)).collect()
    }

    /// What somebody is there, if that one is seen there.
    #[must_use]
    pub fn standing(&self, user: &Arc<User>) -> Option<Standing> {
        self.lock().standing(user)
    }

    /// Calls `each` with every session that reads it.
    pub(super) fn sessions(&self, mut each: impl FnMut(&Arc<Session>)) {
        self.lock().readers.iter().flatten().for_each(|reader| each(&reader.session));
    }

    /// How many are seen in it.
    #[must_use]
    pub fn population(&self) -> usize {
        self.lock().here.len()
    }

    /// Whose message it is, if that is remembered.
    #[must_use]
    pub fn target(&self, id: MessageId) -> Option<Target> {
        let state = self.lock();
        state.targets.iter().rev().find(|(other, _)| *other == id).map(|(_, target)| target.clone())
    }

    /// Tells all who read it, after what they were told before. One reader gets its own mail in place of it, if that is given.
    pub(super) fn publish(self: &Arc<Self>, told: &Told<'_>, instead: Option<(ReaderKey, Mail)>) {
        let news = self.lock().publish(told, instead);
        self.ring(news, &mut Wakers::default());
    }

    /// Rings at mailboxes. Not while the room is locked.
    pub(super) fn ring(self: &Arc<Self>, news: News, wakers: &mut Wakers) {
        for (session, reader) in news {
            session.mailbox.room(Arc::clone(self), reader, wakers);
        }
    }

    /// As [`publish`](Self::publish), something about one who is there, whom not all may see.
    pub(super) fn publish_of(self: &Arc<Self>, who: &Who, told: &Told<'_>) {
        if self.look(|room| room.is_veiled(who)) {
            self.publish(&Told::Veiled(told), None);
            self.unveil(who, told);
        } else {
            self.publish(told, None);
        }
    }

    /// Has `tell` say that a member has come into sight; nothing in a direct room.
    pub(super) fn tell_appearance(&self, face: &Face, tell: impl FnOnce(&Told<'_>)) {
        let Some(room) = self.name() else { return };
        let role = self.look(|room| room.member(&face.who()).map(|member| member.role)).unwrap_or_default();
        tell(&Told::Appeared { who: face, room, role });
    }

    /// Tells those who see somebody in an auditorium, where they read it.
    pub(super) fn unveil(&self, who: &Who, told: &Told<'_>) {
        let (told, mut written) = (Told::Unveiled(told), Written::default());
        let mut seeing = self.standings();
        seeing.retain(|standing| standing.moderates() || standing.user.who() == *who);
        for session in seeing.iter().flat_map(|standing| standing.user.sessions()) {
            if session.readers_of(self.id).is_some() {
                session.mailbox.put(Mail::Bytes(written.get(session.dialect(), &told)));
            }
        }
    }

    /// Tells those who are seen in it and have this role or a higher one, or are voiced if that is it.
    pub(super) fn tell_role(&self, role: Role, told: &Told<'_>, except: Option<SessionId>) {
        for standing in self.standings() {
            if standing.role >= role || role == Role::Voiced && standing.voiced {
                standing.user.tell(told, except);
            }
        }
    }

    /// Hands to `take` what a reader has not got.
    pub(super) fn read(&self, reader: ReaderKey, take: impl FnMut(Mail)) -> Result<(), Lagged> {
        self.lock().read(reader, take)
    }

    /// From now on the session reads what is said here: what follows the event of this number.
    pub(super) fn subscribe(&self, session: &Arc<Session>) -> Seq {
        self.let_read(session);
        self.head()
    }

    /// Lets a session read it, unless it does. Says whether it did not.
    fn let_read(&self, session: &Arc<Session>) -> bool {
        let mut state = self.lock();
        if session.readers_of(self.id).is_some() {
            return false;
        }
        let reader = state.subscribe(session);
        session.readers().insert(self.id, reader);
        true
    }

    /// Lets all sessions of a user read it. Gives those that did not.
    pub(super) fn gather(self: &Arc<Self>, user: &User) -> Vec<Arc<Session>> {
        let mut sessions = user.sessions();
        sessions.retain(|session| self.let_read(session));
        let left = |session: &Session| !user.sessions().iter().any(|other| other.id == session.id);
        for session in sessions.extract_if(.., |session| left(session)) {
            self.unsubscribe(&session);
        }
        sessions
    }

    /// It reads no longer; what it had not got is fetched before.
    pub(super) fn unsubscribe(self: &Arc<Self>, session: &Session) {
        let Some(reader) = session.readers().remove(self.id) else { return };
        session.mailbox.fetch_from(self, reader, |state| state.unsubscribe(reader));
    }

    /// It reads in the dialect that it speaks now; what it had not got is fetched in the former one before.
    pub(super) fn change_lane(self: &Arc<Self>, session: &Session) {
        let Some(reader) = session.readers_of(self.id) else { return };
        session.mailbox.fetch_from(self, reader, |state| state.change_lane(reader, session.dialect()));
    }

    /// The place of this room for `told`. Direct rooms have none: their members are told one by one.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        self.name.as_ref().map(Place::Room)
    }
}

impl State {
    fn standing(&self, user: &Arc<User>) -> Option<Standing> {
        self.here.get(&user.id())?;
        let member = self.room.member(&user.who());
        let (role, voiced) = member.map_or((Role::Member, false), |member| (member.role, member.voiced));
        Some(Standing { user: Arc::clone(user), role, voiced })
    }

    /// For an event that gives a role: which one the member has had.
    pub(super) fn role_before(&self, event: &Event) -> Role {
        match &event.change {
            Change::Role { who, .. } => self.room.member(who).map_or(Role::Member, |member| member.role),
            _ => Role::Member,
        }
    }

    /// Applies an event. Gives whom it has brought in or taken out, if not all see that one.
    pub(super) fn happen(&mut self, event: &Event) -> Option<Who> {
        let veiled = |room: &Room, who: Who| room.is_veiled(&who).then_some(who);
        let gone = match &event.change {
            Change::Leave { .. } => veiled(&self.room, event.by.who()),
            Change::Kick { who, .. } => veiled(&self.room, who.clone()),
            _ => None,
        };
        self.room.apply(event);
        self.remember(event);
        match &event.change {
            Change::Join => veiled(&self.room, event.by.who()),
            _ => gone,
        }
    }

    /// Notes whose message it is, for edits and reactions to come.
    fn remember(&mut self, event: &Event) {
        match &event.change {
            Change::Message(_) => {
                if self.targets.len() >= REMEMBERED {
                    self.targets.pop_front();
                }
                self.targets
                    .push_back((event.id, Target { by: event.by.who(), seq: event.seq, deleted: false }));
            }
            Change::Delete { of, .. } => {
                for (_, target) in self.targets.iter_mut().filter(|(id, _)| id == of) {
                    target.deleted = true;
                }
            }
            _ => {}
        }
    }

    pub(super) fn publish(&mut self, told: &Told<'_>, instead: Option<(ReaderKey, Mail)>) -> News {
        let from = instead.as_ref().and_then(|(key, _)| self.end_for(*key));
        for lane in self.lanes.iter_mut().filter(|lane| lane.readers > 0) {
            let dialect = lane.dialect;
            lane.backlog.append(|tail| dialect.write(told, tail));
        }
        if let (Some((key, mail)), Some(from)) = (instead, from)
            && let Some(to) = self.end_for(key)
            && let Some(reader) = reader(&mut self.readers, key)
        {
            reader.marks.push(Mark { from, to, mail });
        }
        let mut news = Vec::with_capacity(self.lanes.iter().map(|lane| lane.idle.len()).sum());
        for lane in &mut self.lanes {
            let end = lane.backlog.end();
            let readers = &mut self.readers;
            lane.idle.retain(|key| {
                let Some(reader) = reader(readers, *key) else { return false };
                reader.idle = reader.at >= end && reader.marks.is_empty();
                if !reader.idle {
                    news.push((Arc::clone(&reader.session), *key));
                }
                reader.idle
            });
        }
        news
    }

    /// Where a reader's stream ends now.
    fn end_for(&mut self, key: ReaderKey) -> Option<Offset> {
        let reader = reader(&mut self.readers, key)?;
        Some(self.lanes[reader.lane].backlog.end())
    }

    /// Hands to `take` what a reader has not got; nothing, if it reads no longer.
    pub(super) fn read(&mut self, key: ReaderKey, mut take: impl FnMut(Mail)) -> Result<(), Lagged> {
        let Some(reader) = reader(&mut self.readers, key) else { return Ok(()) };
        let lane = &mut self.lanes[reader.lane];
        for mark in std::mem::take(&mut reader.marks) {
            lane.backlog.read(&mut reader.at, mark.from, |bytes| take(Mail::Bytes(bytes)))?;
            take(mark.mail);
            reader.at = reader.at.max(mark.to);
        }
        lane.backlog.read(&mut reader.at, Offset::MAX, |bytes| take(Mail::Bytes(bytes)))?;
        if !std::mem::replace(&mut reader.idle, true) {
            lane.idle.push(key);
        }
        if lane.idle.len() == lane.readers {
            lane.backlog.forget();
        }
        Ok(())
    }

    /// The lane of a dialect, with one more reader.
    fn enter_lane(&mut self, dialect: Dialect) -> usize {
        let known = self.lanes.iter().position(|lane| lane.dialect == dialect);
        let at = known.unwrap_or_else(|| {
            let lane = Lane { dialect, backlog: Backlog::new(BACKLOG), idle: Vec::new(), readers: 0 };
            // A lane that nobody reads is free for another dialect.
            match self.lanes.iter().position(|lane| lane.readers == 0) {
                Some(free) => {
                    self.lanes[free] = lane;
                    free
                }
                None => {
                    self.lanes.push(lane);
                    self.lanes.len() - 1
                }
            }
        });
        self.lanes[at].readers += 1;
        at
    }

    fn leave_lane(&mut self, at: usize, key: ReaderKey) {
        let lane = &mut self.lanes[at];
        lane.idle.retain(|idle| *idle != key);
        lane.readers -= 1;
        if lane.readers == 0 {
            lane.backlog.clear();
        }
    }

    fn subscribe(&mut self, session: &Arc<Session>) -> ReaderKey {
        let lane = self.enter_lane(session.dialect());
        self.last = self.last.wrapping_add(1);
        let reader = Reader {
            session: Arc::clone(session),
            number: self.last,
            idle: true,
            lane,
            at: self.lanes[lane].backlog.end(),
            marks: Vec::new(),
        };
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.readers.push(None);
            // There are fewer readers than descriptors.
            u32::try_from(self.readers.len() - 1).unwrap_or(u32::MAX)
        });
        let key = ReaderKey { place, number: self.last };
        if let Some(free) = self.readers.get_mut(place as usize) {
            *free = Some(reader);
        }
        self.lanes[lane].idle.push(key);
        key
    }

    fn unsubscribe(&mut self, key: ReaderKey) {
        let Some(lane) = reader(&mut self.readers, key).map(|reader| reader.lane) else { return };
        if let Some(left) = self.readers.get_mut(key.place as usize) {
            *left = None;
        }
        self.leave_lane(lane, key);
        self.vacant.push(key.place);
    }

    /// A reader that has got everything in one dialect reads what follows in another one.
    fn change_lane(&mut self, key: ReaderKey, dialect: Dialect) {
        let Some(from) = reader(&mut self.readers, key).map(|reader| reader.lane) else { return };
        self.leave_lane(from, key);
        let to = self.enter_lane(dialect);
        let lane = &mut self.lanes[to];
        lane.idle.push(key);
        if let Some(reader) = reader(&mut self.readers, key) {
            (reader.lane, reader.at, reader.idle) = (to, lane.backlog.end(), true);
        }
    }
}

/// The reader that has this key, if it still reads.
fn reader(readers: &mut [Option<Reader>], key: ReaderKey) -> Option<&mut Reader> {
    readers.get_mut(key.place as usize)?.as_mut().filter(|reader| reader.number == key.number)
}

/// What was written for one happening, once for each dialect.
#[derive(Debug, Default)]
pub(super) struct Written(Vec<(Dialect, Bytes)>);

impl Written {
    pub(super) fn get(&mut self, dialect: Dialect, told: &Told<'_>) -> Bytes {
        if let Some((_, bytes)) = self.0.iter().find(|(other, _)| *other == dialect) {
            return bytes.clone();
        }
        let mut bytes = BytesMut::new();
        dialect.write(told, &mut bytes);
        let bytes = bytes.freeze();
        self.0.push((dialect, bytes.clone()));
        bytes
    }
}
