//! The way of a change into the log: gathered, written, applied, told.
//!
//! One task takes what has gathered while the last batch was written, and hands it to the store as the next one: under load many changes share
//! one transaction, and a single one waits for nobody. What the store has numbered is applied to its room and told to those who read
//! it, in the order of its numbers; only then does its sender hear that it is done.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::mailbox::{Mail, Refused, Sent, Wakers};
use super::nodes::Foreign;
use super::room::RoomCell;
use super::told::{Place, Told};
use super::user::{Face, Session, User};
use super::{House, Inner};
use crate::proto::chat::event::{Change, Event, Role, RoomKind, Who};
use crate::proto::chat::id::{AccountId, Seq};
use crate::proto::chat::room::{Refusal, Room};
use crate::server::chat::store::{Appended, Draft, StoreError};

/// Changes of one transaction at most.
const MAX_BATCH: usize = 4096;

/// How long [`House::settled`] waits at most: a store that is stuck keeps nobody from the answer to a `PING`.
const MAX_SETTLING: Duration = Duration::from_secs(1);

/// What waits for the writer.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A change.
    Change(Box<Pending>),
    /// What comes from other nodes.
    Foreign(Foreign),
    /// Somebody who waits until all that was sent before is done.
    Barrier(oneshot::Sender<()>),
}

/// A change on its way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) room: Arc<RoomCell>,
    pub(super) draft: Draft,
    pub(super) face: Face,
    /// Whose change it is, if that one is still here.
    pub(super) user: Option<Arc<User>>,
    pub(super) done: Done,
    /// Held until it is told, or refused.
    pub(super) way: Arc<()>,
}

/// Who waits for the outcome.
#[derive(Debug)]
pub(super) enum Done {
    /// Nobody.
    Nobody,
    /// A task.
    Task(oneshot::Sender<Result<Sent, Refused>>),
    /// A session, by the number that it gave the change. It is not told of the change otherwise.
    Session(Arc<Session>, u64),
}

impl Done {
    fn say(self, outcome: Result<Sent, Refused>) {
        match self {
            Self::Nobody => {}
            // Whoever has gone does not want to know.
            Self::Task(sender) => drop(sender.send(outcome)),
            Self::Session(session, number) => session.mailbox.put(Mail::Done(number, outcome)),
        }
    }
}

/// Writes what comes, until nobody is left who could send more.
pub(super) async fn run(house: Weak<Inner>, mut queue: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, MAX_BATCH).await > 0 {
        let Some(inner) = house.upgrade() else { break };
        let (mut batch, mut barriers) = (Vec::new(), Vec::new());
        let house = House(inner);
        for waiting in waiting.drain(..) {
            match waiting {
                Waiting::Change(pending) => batch.push(*pending),
                Waiting::Foreign(foreign) => house.take_in(foreign).await,
                Waiting::Barrier(sender) => barriers.push(sender),
            }
        }
        if !batch.is_empty() {
            house.commit(batch).await;
        }
        for sender in barriers {
            let _ = sender.send(());
        }
    }
}

impl House {
    /// Waits until everybody was told of what was sent before, by whomever: whoever asks for a sign of life after that has read it.
    /// It takes no time if nothing is under way.
    pub async fn settled(&self) {
        if Arc::strong_count(&self.0.way) == 1 {
            return;
        }
        let (sender, done) = oneshot::channel();
        let told = async {
            self.0.barrier(sender).await;
            // Without a writer nothing more is told.
            let _ = done.await;
        };
        // What takes longer is told later.
        let _ = tokio::time::timeout(MAX_SETTLING, told).await;
    }

    async fn commit(&self, batch: Vec<Pending>) {
        let drafts = batch.iter().map(|pending| pending.draft.clone()).collect();
        let notices = self.notices(&batch);
        let told = !notices.is_empty();
        let written = match self.0.store.notices().filter(|_| told) {
            Some(kept) => kept.append_with(drafts, notices),
            None => self.0.store.append(drafts),
        };
        match written.await {
            Ok(appended) => {
                if let Some(absent) = self.absent().filter(|_| told) {
                    absent.ring();
                }
                self.0.counters.committed(appended.len());
                let mut wakers = Wakers::default();
                for (pending, appended) in batch.into_iter().zip(appended) {
                    self.settle(pending, appended, &mut wakers).await;
                }
            }
            Err(StoreError::Taken) if batch.len() > 1 => {
                // One of them is a room whose name another node has taken: the others are none the worse.
                for pending in batch {
                    Box::pin(self.commit(vec![pending])).await;
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                tracing::error!(%error, changes = batch.len(), "not written");
                self.0.counters.failed(batch.len());
                for pending in batch {
                    pending.done.say(Err(Refused::Store(Arc::clone(&error))));
                }
            }
        }
    }

    async fn settle(&self, pending: Pending, appended: Appended, wakers: &mut Wakers) {
        let drafted = pending.draft.id;
        match appended {
            Appended::New(seq) | Appended::Raised(seq, _) => {
                let id = if let Appended::Raised(_, id) = appended { id } else { drafted };
                let Pending { room, draft, face, user, done, way: _way } = pending;
                let event = Event { room: room.id(), seq, id, by: draft.by, change: draft.change };
                self.0.publish(&event, &face);
                let shared = self.is_shared();
                if shared {
                    // Other nodes have written before. Reading that may take long: who has news is woken now.
                    drop(std::mem::take(wakers));
                    if let Err(error) = self.fill(&room, seq).await {
                        tracing::warn!(%error, "what was written before is not known yet");
                        return done.say(Ok(Sent { seq, id, again: false }));
                    }
                }
                self.0.happen(&room, &event, &face, user.as_ref(), done, wakers);
                if shared && matches!(event.change, Change::Create { .. }) {
                    // Before the store tells this node of a room that it does not know.
                    self.0.know(&room);
                }
            }
            Appended::Known(seq, id) => pending.done.say(Ok(Sent { seq, id, again: true })),
            Appended::NoRoom => {
                if self.is_shared() && !pending.room.look(Room::is_closed) {
                    // Another node has closed it; or has found nobody in it, and has forgotten it.
                    let read = self.read_on(&pending.room, Seq::MAX).await;
                    if read.is_ok() && !pending.room.look(Room::is_closed) {
                        self.0.abandon(&pending.room);
                    }
                }
                pending.done.say(Err(Refusal::Closed.into()));
            }
        }
    }
}

impl Inner {
    /// Applies an event to its room, and tells those who read it, when `wakers` wake them.
    pub(super) fn happen(
        &self,
        room: &Arc<RoomCell>,
        event: &Event,
        face: &Face,
        user: Option<&Arc<User>>,
        done: Done,
        wakers: &mut Wakers,
    ) {
        let sent = Sent { seq: event.seq, id: event.id, again: false };
        let account = face.account_name();
        let Some(place) = room.place() else {
            room.lock().happen(event);
            self.index(room, event);
            self.tell_pair(room, event, face, &done);
            done.say(Ok(sent));
            return;
        };
        // Those who come read that they have come, on all their devices.
        let mut brought = Vec::new();
        if let (Change::Join, Some(user)) = (&event.change, user) {
            user.enter(room);
            room.lock().here.insert(user.id(), Arc::clone(user));
            brought = room.gather(user);
        }
        let mut rest = None;
        let mut state = room.lock();
        let was = state.role_before(event);
        let told = Told::Event { event, place, account, real: &face.real, bot: face.bot, was };
        let veiled = state.happen(event);
        let instead = match done {
            Done::Session(session, number) => {
                let reader = session.readers_of(room.id());
                match reader {
                    Some(reader) => Some((reader, Mail::Done(number, Ok(sent)))),
                    None => {
                        rest = Some(Done::Session(session, number));
                        None
                    }
                }
            }
            done => {
                rest = Some(done);
                None
            }
        };
        let news = match &veiled {
            Some(_) => state.publish(&Told::Veiled(&told), instead),
            None => state.publish(&told, instead),
        };
        drop(state);
        room.ring(news, wakers);
        if let Some(who) = &veiled {
            room.unveil(who, &told);
        }
        for session in brought {
            session.mailbox.put(Mail::Entered(Arc::clone(room)));
        }
        if let Change::Join = &event.change {
            self.bring(&event.by.who(), room);
        }
        self.index(room, event);
        match &event.change {
            Change::Leave { .. } => {
                if let Some(user) = user {
                    self.put_out(room, user);
                }
            }
            Change::Kick { who, .. } => {
                for user in self.users_of(who) {
                    self.put_out(room, &user);
                }
            }
            Change::Invite { who, nick } => {
                if let Some(name) = room.name() {
                    for user in self.users_of(who) {
                        user.tell(&Told::Invited { by: face, who: nick, room: name, id: event.id }, None);
                    }
                }
            }
            Change::Close => {
                for (user, _) in room.here() {
                    if let Some(name) = room.name() {
                        user.tell(&Told::Closed { nick: &user.face().nick, room: name }, None);
                    }
                    self.put_out(room, &user);
                }
                self.forget(room);
            }
            _ => {}
        }
        if let Some(done) = rest {
            done.say(Ok(sent));
        }
    }

    /// Says so when all that was sent before is done.
    pub(super) async fn barrier(&self, sender: oneshot::Sender<()>) {
        // Without a writer the sender is dropped, which says the same.
        let _ = self.queue.send(Waiting::Barrier(sender)).await;
    }

    /// A user is seen in a room no longer, and reads it no longer.
    pub(super) fn put_out(&self, room: &Arc<RoomCell>, user: &Arc<User>) {
        user.exit(room.id());
        for session in user.sessions() {
            room.unsubscribe(&session);
        }
        room.lock().here.remove(&user.id());
    }

    /// Tells the two of a direct room.
    fn tell_pair(&self, room: &Arc<RoomCell>, event: &Event, face: &Face, done: &Done) {
        let except = match done {
            Done::Session(session, _) => Some(session.id),
            _ => None,
        };
        let account = face.account_name();
        let members = room.look(|room| {
            let account = |who: &Who| match who {
                Who::Account(account) => Some(*account),
                Who::Guest(_) => None,
            };
            let members = room.members();
            members.filter_map(|(who, member)| Some((account(who)?, member.nick.clone()))).collect::<Vec<_>>()
        });
        let by = |account: AccountId| event.by.account == Some(account);
        for (me, name) in &members {
            // With oneself there is one member.
            let (other, with) = members
                .iter()
                .find(|(other, _)| other != me)
                .map_or((me, name), |(other, name)| (other, name));
            // An account may be here under another nick than its name, or under several.
            let called = self.called(&Who::Account(*other), with);
            let nick = if by(*other) { &event.by.nick } else { called.as_ref().unwrap_or(with) };
            for user in self.users_of(&Who::Account(*me)) {
                let own = user.nick();
                let place = Place::Direct { with, nick, me: if by(*me) { &event.by.nick } else { &own } };
                let told =
                    Told::Event { event, place, account, real: &face.real, bot: face.bot, was: Role::Member };
                user.tell(&told, except);
            }
        }
    }

    /// Keeps the lists of rooms by account true.
    fn index(&self, room: &Arc<RoomCell>, event: &Event) {
        if !event.change.is_state() {
            return;
        }
        let mut memberships = self.memberships();
        let mut set = |account: AccountId, member: bool| {
            let rooms = memberships.entry(account).or_default();
            if member {
                rooms.insert(room.id());
            } else {
                rooms.remove(&room.id());
            }
        };
        match &event.change {
            Change::Join => event.by.account.into_iter().for_each(|account| set(account, true)),
            Change::Leave { .. } => event.by.account.into_iter().for_each(|account| set(account, false)),
            Change::Kick { who: Who::Account(account), .. } => set(*account, false),
            Change::Rename { account: Some(account), .. } => set(*account, true),
            Change::Create { kind, members, .. } => {
                for (who, _) in members {
                    if let Who::Account(account) = who {
                        set(*account, true);
                    }
                }
                if *kind == RoomKind::Direct {
                    self.note_direct(room);
                }
            }
            Change::Close => {
                for rooms in memberships.values_mut() {
                    rooms.remove(&room.id());
                }
            }
            _ => {}
        }
    }
}
