//! Into rooms and out of them, and what is changed there.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::commit::{Done, Pending, Waiting};
use super::mailbox::{Mail, Refused, Sent};
use super::nodes::News;
use super::room::RoomCell;
use super::user::{Face, Session, User};
use super::{House, Inner, pair};
use crate::proto::chat::event::{Change, RoomKind, Who};
use crate::proto::chat::id::{AccountId, MessageId, RoomId, Seq};
use crate::proto::chat::name::{Nick, RoomName};
use crate::proto::chat::room::{Actor, Refusal, Room, Target};
use crate::server::chat::store::{Draft, StoreError};

/// Why somebody is not in a room.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotEntered {
    /// The room does not let them in, or could not be opened.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// They are in as many as they may.
    #[error("in too many rooms")]
    TooMany,
    /// There is no such room, and they may not open one.
    #[error("no such room, and guests do not open any")]
    MayNotOpen,
    /// A room of this name exists.
    #[error("the name is taken")]
    Taken,
}

impl From<Refusal> for NotEntered {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.into())
    }
}

/// How somebody has come into a room.
#[derive(Clone, Debug)]
pub struct Entered {
    /// The room.
    pub room: Arc<RoomCell>,
    /// Whether it was opened for this.
    pub opened: bool,
    /// Whether the session has read it before: nothing was done.
    pub already: bool,
}

/// Something that stands in a room's log.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Whose it is, and whether it is still there.
    pub target: Target,
    /// What it was.
    pub change: Change,
}

impl House {
    /// Brings a session into the room of this name: its user becomes a member, if it is none, and the room is opened, if there is none.
    /// The session reads what is said there from now on; its own coming is the first of it.
    ///
    /// # Errors
    /// Why not.
    pub async fn join(
        &self,
        user: &Arc<User>,
        session: &Arc<Session>,
        name: &RoomName,
        key: Option<&str>,
    ) -> Result<Entered, NotEntered> {
        self.join_or_open(user, session, name, key, true).await
    }

    /// As [`join`](Self::join), but a room that is opened for it has no owner: whoever opens it moderates it, as in IRC, account or not.
    ///
    /// # Errors
    /// Why not.
    pub async fn join_unowned(
        &self,
        user: &Arc<User>,
        session: &Arc<Session>,
        name: &RoomName,
        key: Option<&str>,
    ) -> Result<Entered, NotEntered> {
        self.join_or_open(user, session, name, key, false).await
    }

    async fn join_or_open(
        &self,
        user: &Arc<User>,
        session: &Arc<Session>,
        name: &RoomName,
        key: Option<&str>,
        owned: bool,
    ) -> Result<Entered, NotEntered> {
        match self.try_join(user, session, name, key, owned).await {
            // Another node has opened it, or forgotten it, just now.
            Err(NotEntered::Taken | NotEntered::Refused(Refused::Room(Refusal::Closed)))
                if self.refresh().await =>
            {
                self.try_join(user, session, name, key, owned).await
            }
            outcome => outcome,
        }
    }

    async fn try_join(
        &self,
        user: &Arc<User>,
        session: &Arc<Session>,
        name: &RoomName,
        key: Option<&str>,
        owned: bool,
    ) -> Result<Entered, NotEntered> {
        // Many come into one room at the same time, and share the commits of it.
        let shared = self.0.opening(name.as_str()).read().await;
        if let Some(room) = self.room(name.as_str()) {
            return self.come_in(user, session, room, key).await;
        }
        drop(shared);
        let _guard = self.0.opening(name.as_str()).write().await;
        if let Some(room) = self.room(name.as_str()) {
            return self.come_in(user, session, room, key).await;
        }
        if user.face().account.is_none() && !self.settings().guests_open_rooms {
            return Err(NotEntered::MayNotOpen);
        }
        self.open_room(user, session, name, RoomKind::Public, owned).await
    }

    /// Where somebody goes who was not let into a room, if its admins have said so. A wrong key and a full list of rooms lead nowhere.
    #[must_use]
    pub fn forward(&self, name: &RoomName, not: &NotEntered) -> Option<RoomName> {
        let NotEntered::Refused(Refused::Room(
            Refusal::InviteOnly | Refusal::Full | Refusal::AccountsOnly | Refusal::Banned,
        )) = not
        else {
            return None;
        };
        let (forward, since) = self.room(name.as_str())?.look(|room| {
            let settings = room.settings();
            settings.forward.clone().map(|forward| (forward, settings.forward_since))
        })?;
        // It is left where it was when the other room ends, and whoever opens one of that name then was not meant.
        let to = self.room(forward.as_str()).filter(|to| to.look(Room::created) <= since)?;
        Some(to.name()?.clone()).filter(|forward| forward != name)
    }

    /// Whether somebody may send those on to a room who may not enter another one: whoever moderates it. Gives its name.
    ///
    /// # Errors
    /// [`Refusal::NoSuchRoom`] if that one does not know of it, or it is the other one; else why it does not moderate it.
    pub fn may_forward(&self, user: &User, from: &str, to: &str) -> Result<RoomName, Refusal> {
        let face = user.face();
        let known = |room: &Arc<RoomCell>| {
            face.operator || room.look(|room| room.is_listed() || room.member(&face.who()).is_some())
        };
        let room = self.room(to).filter(known).filter(|_| !to.eq_ignore_ascii_case(from));
        let room = room.ok_or(Refusal::NoSuchRoom)?;
        room.ask(&face, Room::may_moderate)?;
        room.name().cloned().ok_or(Refusal::NoSuchRoom)
    }

    /// Brings a session into a room that there is, and that is not dropped meanwhile.
    async fn come_in(
        &self,
        user: &Arc<User>,
        session: &Arc<Session>,
        room: Arc<RoomCell>,
        key: Option<&str>,
    ) -> Result<Entered, NotEntered> {
        let face = user.face();
        let few = room.look(|room| room.settings().limit.is_some());
        let _guard = self.0.joining(room.id(), &face.who(), few).lock().await;
        if session.readers_of(room.id()).is_some() {
            return Ok(Entered { room, opened: false, already: true });
        }
        if user.rooms().len() >= self.settings().max_rooms && !user.is_in(room.id()) {
            return Err(NotEntered::TooMany);
        }
        let member = room.look(|room| room.member(&face.who()).is_some());
        if member {
            self.attach(user, session, &room);
            self.0.bring(&face.who(), &room);
            return Ok(Entered { room, opened: false, already: false });
        }
        room.ask(&face, |room, actor| room.check(&Actor { key, ..*actor }, &Change::Join, None, self.now()))?;
        room.subscribe(session);
        match self.append(user, &room, Change::Join).await {
            Ok(_) => Ok(Entered { room, opened: false, already: false }),
            Err(error) => {
                room.unsubscribe(session);
                Err(error.into())
            }
        }
    }

    /// Opens a room of this name, which nobody has opened before, and brings the session into it. An account owns it; a guest moderates it.
    ///
    /// # Errors
    /// Why not.
    pub async fn create(
        &self,
        user: &Arc<User>,
        session: &Arc<Session>,
        name: &RoomName,
        kind: RoomKind,
    ) -> Result<Entered, NotEntered> {
        let _guard = self.0.opening(name.as_str()).write().await;
        if self.room(name.as_str()).is_some() {
            return Err(NotEntered::Taken);
        }
        self.open_room(user, session, name, kind, true).await
    }

    async fn open_room(
        &self,
        user: &Arc<User>,
        session: &Arc<Session>,
        name: &RoomName,
        kind: RoomKind,
        owned: bool,
    ) -> Result<Entered, NotEntered> {
        if user.rooms().len() >= self.settings().max_rooms {
            return Err(NotEntered::TooMany);
        }
        let face = user.face();
        let owner = face.account.iter().filter(|_| owned);
        let members = owner.map(|_| (face.who(), face.nick.clone())).collect();
        let room = RoomCell::new(Room::new(RoomId(fastrand::u64(1..1 << 53))), Some(name.clone()));
        let create = Change::Create { kind, name: Some(name.clone()), members };
        self.append(user, &room, create).await.map_err(taken)?;
        self.0.know(&room);
        if face.account.is_some() && owned {
            self.attach(user, session, &room);
            self.0.bring(&face.who(), &room);
        } else {
            room.subscribe(session);
            self.append(user, &room, Change::Join).await?;
        }
        Ok(Entered { room, opened: true, already: false })
    }

    /// Lets a session read a room of which its user is a member. Others see the user there, if they have not before. Gives the number of the last event that the
    /// session is not told: what follows it comes by itself, so nothing is told twice to one who reads the log up to there.
    pub fn attach(&self, user: &Arc<User>, session: &Arc<Session>, room: &Arc<RoomCell>) -> Seq {
        if session.readers_of(room.id()).is_some() {
            return room.look(Room::head);
        }
        let head = room.subscribe(session);
        if !self.0.let_be_seen(user, room) {
            let face = user.face();
            room.tell_appearance(&face, |told| session.tell(told));
        }
        head
    }

    /// Takes a user out of a room, with all its sessions.
    ///
    /// # Errors
    /// Why not.
    pub async fn leave(
        &self,
        user: &Arc<User>,
        room: &Arc<RoomCell>,
        reason: Option<String>,
    ) -> Result<(), Refused> {
        self.change(user, room, Change::Leave { reason, quit: false }, None).await?;
        self.drop_if_empty(room).await;
        Ok(())
    }

    /// Makes a change in a room, if its user may; done when it is on disk and everybody was told, the user's sessions among them.
    ///
    /// # Errors
    /// Why not.
    pub async fn change(
        &self,
        user: &Arc<User>,
        room: &Arc<RoomCell>,
        change: Change,
        target: Option<&Target>,
    ) -> Result<Sent, Refused> {
        let face = user.face();
        room.ask(&face, |room, actor| room.check(actor, &change, target, self.now()))?;
        self.append(user, room, change).await
    }

    /// Appends a change that was checked.
    pub(super) async fn append(
        &self,
        user: &Arc<User>,
        room: &Arc<RoomCell>,
        change: Change,
    ) -> Result<Sent, Refused> {
        let (sender, outcome) = oneshot::channel();
        let pending = self.pending(user, user.face(), room, change, None, Done::Task(sender));
        let gone = || Refused::from(StoreError::Away("the house is closing".into()));
        self.0.queue.send(Waiting::Change(Box::new(pending))).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }

    pub(super) fn pending(
        &self,
        user: &Arc<User>,
        face: Face,
        room: &Arc<RoomCell>,
        change: Change,
        client_id: Option<String>,
        done: Done,
    ) -> Pending {
        let draft = Draft { room: room.id(), id: self.id(), by: face.author(), change, client_id };
        let way = Arc::clone(&self.0.way);
        Pending { room: Arc::clone(room), draft, face, user: Some(Arc::clone(user)), done, way }
    }

    /// The message that a change is about: whose it is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn target(&self, room: &Arc<RoomCell>, id: MessageId) -> Result<Option<Target>, StoreError> {
        if let Some(target) = room.target(id) {
            return Ok(Some(target));
        }
        Ok(self
            .kept(room, id)
            .await?
            .filter(|kept| matches!(kept.change, Change::Message(_)))
            .map(|kept| kept.target))
    }

    /// Anything that stands in a room's log.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn kept(&self, room: &Arc<RoomCell>, id: MessageId) -> Result<Option<Kept>, StoreError> {
        let entry = self.store().event(room.id(), id).await?;
        Ok(entry.map(|entry| {
            let (by, seq, deleted) = (entry.event.by.who(), entry.event.seq, entry.deleted.is_some());
            Kept { target: Target { by, seq, deleted }, change: entry.event.change }
        }))
    }

    /// What a deletion is about: a message, or tags that are kept.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn deletable(&self, room: &Arc<RoomCell>, id: MessageId) -> Result<Option<Target>, StoreError> {
        if let Some(target) = room.target(id) {
            return Ok(Some(target));
        }
        let is_deletable = |kept: &Kept| matches!(kept.change, Change::Message(_) | Change::Tags { .. });
        Ok(self.kept(room, id).await?.filter(is_deletable).map(|kept| kept.target))
    }

    /// The direct room of two accounts, opened if they have none.
    ///
    /// # Errors
    /// It could not be opened.
    pub async fn open_direct(
        &self,
        user: &Arc<User>,
        me: (AccountId, &Nick),
        other: (AccountId, &Nick),
    ) -> Result<Arc<RoomCell>, Refused> {
        if let Some(room) = self.direct(me.0, other.0) {
            return Ok(room);
        }
        let (low, high) = pair(me.0, other.0);
        let _guard = self.0.opening(&format!("{}:{}", low.0, high.0)).write().await;
        if let Some(room) = self.direct(me.0, other.0) {
            return Ok(room);
        }
        let mut members = vec![(Who::Account(me.0), me.1.clone())];
        if me.0 != other.0 {
            members.push((Who::Account(other.0), other.1.clone()));
        }
        let room = RoomCell::new(Room::new(RoomId(fastrand::u64(1..1 << 53))), None);
        let create = Change::Create { kind: RoomKind::Direct, name: None, members };
        match self.append(user, &room, create).await {
            // Another node has opened it just now.
            Err(Refused::Store(error)) if matches!(*error, StoreError::Taken) && self.refresh().await => {
                self.direct(me.0, other.0).ok_or(Refused::Store(error))
            }
            outcome => {
                outcome?;
                self.0.know(&room);
                Ok(room)
            }
        }
    }

    /// A room of guests ends with the last of them.
    pub(super) async fn drop_if_empty(&self, room: &Arc<RoomCell>) {
        let Some(name) = room.name() else { return };
        let empty = |room: &Room| room.members().len() == 0 && !room.is_durable();
        if !room.look(empty) {
            return;
        }
        let _guard = self.0.opening(name.as_str()).write().await;
        if room.look(empty) && self.room_by_id(room.id()).is_some() {
            self.0.forget(room);
            match self.store().drop_room_at(room.id(), room.head()).await {
                Ok(true) => self.0.say(|| News::Dropped { room: room.id() }),
                // Somebody has come in on another node.
                Ok(false) => self.0.know(room),
                Err(error) => {
                    tracing::warn!(room = %name, %error, "a room that nobody is in was not forgotten");
                }
            }
        }
    }
}

fn taken(refused: Refused) -> NotEntered {
    match refused {
        Refused::Store(error) if matches!(*error, StoreError::Taken) => NotEntered::Taken,
        other => other.into(),
    }
}

impl Inner {
    /// Brings all sessions of somebody into a room of which it is a member: an account is in the same rooms on all its devices.
    pub(super) fn bring(&self, who: &Who, room: &Arc<RoomCell>) {
        if room.name().is_none() {
            return;
        }
        for user in self.users_of(who).into_iter().filter(|user| user.is_local()) {
            self.let_be_seen(&user, room);
            for session in room.gather(&user) {
                room.tell_appearance(&user.face(), |told| session.tell(told));
                session.mailbox.put(Mail::Entered(Arc::clone(room)));
            }
        }
    }

    /// Lets a user be seen in a room of which it is a member. Says whether it was not seen there before; then all who read the room were told.
    fn let_be_seen(&self, user: &Arc<User>, room: &Arc<RoomCell>) -> bool {
        let appears = user.enter(room);
        room.lock().here.insert(user.id(), Arc::clone(user));
        if appears {
            self.changed(user);
            let face = user.face();
            room.tell_appearance(&face, |told| room.publish_of(&face.who(), told));
        }
        appears
    }

    /// Whether there still is such a room.
    pub(super) fn is_known(&self, room: RoomId) -> bool {
        self.rooms().by_id.contains_key(&room)
    }
}
