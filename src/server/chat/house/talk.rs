//! What is said: in rooms, between two, and without a word.

use std::collections::HashMap;
use std::sync::Arc;

use super::House;
use super::commit::{Done, Waiting};
use super::mailbox::{Mail, Refused, Sent};
use super::nodes::{FaceWords, News};
use super::room::RoomCell;
use super::told::{Place, Told};
use super::user::{Face, Session, SessionId, User};
use crate::proto::chat::event::{Change, Message, Role, Who};
use crate::proto::chat::id::{AccountId, Millis, Seq};
use crate::proto::chat::name::Nick;
use crate::proto::chat::room::{Refusal, Target};
use crate::server::chat::store::Cursor;

impl House {
    /// Sends a change on its way into a room's log: a message, an edit, a reaction. What became of it comes out of the session's mailbox as
    /// [`Mail::Done`] with this number, at its place among what is said in the room, and the change itself does not. It waits only as
    /// long as there is no room for it in the queue.
    ///
    /// # Errors
    /// It may not be made. Nothing comes out of the mailbox then.
    pub async fn send(
        &self,
        user: &Arc<User>,
        session: &Arc<Session>,
        room: &Arc<RoomCell>,
        change: Change,
        target: Option<&Target>,
        sending: Sending,
    ) -> Result<(), Refused> {
        let face = user.face();
        if let Some(client_id) = &sending.client_id
            && let Some(id) = room.hushed(&face.who(), client_id)
        {
            let sent = Sent { seq: 0, id, again: true };
            session.mailbox.put(Mail::Done(sending.number, Ok(sent)));
            return Ok(());
        }
        let hushed = room.ask(&face, |room, actor| {
            room.check(actor, &change, target, self.now())?;
            Ok::<_, Refused>(room.is_hushed(actor))
        })?;
        if let Change::Message(message) = &change
            && hushed
        {
            let sent = self.tell_those(&face, session, room, (Role::Admin, Role::Member), message);
            room.note_hushed(face.who(), sending.client_id, sent.id);
            session.mailbox.put(Mail::Done(sending.number, Ok(sent)));
            return Ok(());
        }
        let done = Done::Session(Arc::clone(session), sending.number);
        let pending = self.pending(user, face, room, change, sending.client_id, done);
        let gone = || crate::server::chat::store::StoreError::Away("the house is closing".into());
        self.0.queue.send(Waiting::Change(Box::new(pending))).await.map_err(|_| gone())?;
        Ok(())
    }

    /// Tells somebody something that is in no log, as one of the two has no account. Their other sessions are told, too. Whoever says
    /// something is willing to hear the answer.
    ///
    /// # Errors
    /// The other one does not hear guests ([`User::hears`]), or no CTCP.
    pub fn whisper(
        &self,
        from: &Arc<User>,
        session: &Session,
        to: &Arc<User>,
        message: &Message,
    ) -> Result<Sent, Refused> {
        if !to.hears(from) {
            return Err(Refusal::AccountsOnly.into());
        }
        if to.is_without_ctcp() && message.text.starts_with('\x01') {
            return Err(Refusal::NoCtcp.into());
        }
        if from.is_reserved() {
            // One who has let too many hears those who are left.
            self.accept(from, to, true);
        }
        let (face, nick) = (from.face(), to.face().nick);
        let id = self.id();
        let told = Told::Whisper { from: &face, to: &nick, id, message };
        to.tell(&told, Some(session.id));
        if from.id() != to.id() {
            from.tell(&told, Some(session.id));
        }
        if from.is_elsewhere() || to.is_elsewhere() {
            let (from, to, message) = (FaceWords::of(&face), nick.clone(), message.clone());
            self.0.say(|| News::Whisper { from, to, id, message });
        }
        Ok(Sent { seq: 0, id, again: false })
    }

    /// Tells those of a room who have at least this role; admins alone, if what `from` says is for them. It is in no log.
    ///
    /// # Errors
    /// Whoever may not speak there may not do that either.
    pub fn tell_status(
        &self,
        from: &Arc<User>,
        session: &Session,
        room: &Arc<RoomCell>,
        role: Role,
        message: &Message,
    ) -> Result<Sent, Refused> {
        let face = from.face();
        let hushed = room.ask(&face, |room, actor| {
            room.may_tell(actor, message, self.now())?;
            Ok::<_, Refused>(room.is_hushed(actor))
        })?;
        let told = if hushed { role.max(Role::Admin) } else { role };
        let sent = self.tell_those(&face, session, room, (told, role), message);
        if hushed {
            room.note_hushed(face.who(), None, sent.id);
        }
        Ok(sent)
    }

    /// Tells those of a room who have the first of two roles; the other one is shown to be meant.
    fn tell_those(
        &self,
        face: &Face,
        session: &Session,
        room: &RoomCell,
        (role, shown): (Role, Role),
        message: &Message,
    ) -> Sent {
        let id = self.id();
        if let Some(name) = room.name() {
            room.tell_role(
                role,
                &Told::Status { from: face, room: name, role: shown, id, message },
                Some(session.id),
            );
            let (from, message) = (|| FaceWords::of(face), || message.clone());
            self.0.say(|| News::Status {
                from: from(),
                room: room.id(),
                role,
                shown,
                id,
                message: message(),
            });
        }
        Sent { seq: 0, id, again: false }
    }

    /// Tells a room tags without a message.
    ///
    /// # Errors
    /// Whoever may not speak there may not do that either.
    pub fn tag_room(
        &self,
        from: &Arc<User>,
        session: &Session,
        room: &Arc<RoomCell>,
        tags: &[(String, String)],
    ) -> Result<Sent, Refused> {
        let face = from.face();
        let hushed = room.ask(&face, |room, actor| {
            room.may_tag(actor, self.now())?;
            Ok::<_, Refused>(room.is_hushed(actor))
        })?;
        let role = if hushed { Role::Admin } else { Role::Member };
        let id = self.id();
        let sent = Sent { seq: 0, id, again: false };
        if let Some(place) = room.place() {
            let told = Told::Tags { from: &face, place, id, tags };
            if hushed {
                room.tell_role(role, &told, Some(session.id));
            } else {
                let nothing = Mail::Bytes(bytes::Bytes::new());
                let instead = session.readers_of(room.id()).map(|reader| (reader, nothing));
                room.publish(&told, instead);
            }
            let (from, tags) = (|| FaceWords::of(&face), || tags.to_vec());
            self.0.say(|| News::Tags {
                from: from(),
                room: Some(room.id()),
                role,
                to: None,
                id,
                tags: tags(),
            });
        }
        Ok(sent)
    }

    /// Tells one user tags without a message.
    ///
    /// # Errors
    /// The other one does not hear guests ([`User::hears`]).
    pub fn tag_user(
        &self,
        from: &Arc<User>,
        session: &Session,
        to: &Arc<User>,
        tags: &[(String, String)],
    ) -> Result<Sent, Refused> {
        if !to.hears(from) {
            return Err(Refusal::AccountsOnly.into());
        }
        let (face, id) = (from.face(), self.id());
        let nick = to.face().nick;
        let place = Place::Direct { with: face.lasting_name(), nick: &face.nick, me: &nick };
        to.tell(&Told::Tags { from: &face, place, id, tags }, Some(session.id));
        if to.is_elsewhere() {
            let (from, to, tags) = (FaceWords::of(&face), Some(nick.clone()), tags.to_vec());
            self.0.say(|| News::Tags { from, room: None, role: Role::Member, to, id, tags });
        }
        Ok(Sent { seq: 0, id, again: false })
    }

    /// Moves an account's cursor in a room, and tells those whom it concerns: the others how far it is, unless it keeps that to itself, and its other
    /// sessions what is read.
    ///
    /// # Errors
    /// It could not be kept.
    pub async fn advance(
        &self,
        user: &Arc<User>,
        account: AccountId,
        session: &Session,
        room: &Arc<RoomCell>,
        cursor: Cursor,
        tell: bool,
    ) -> Result<(), Refused> {
        let head = room.look(crate::proto::chat::room::Room::head);
        let cursor = Cursor { delivered: cursor.delivered.min(head), read: cursor.read.min(head), ..cursor };
        self.store().advance(vec![(room.id(), account, cursor)]).await?;
        let face = user.face();
        self.tell_cursor(&face, account, room, cursor, tell, Some(session.id));
        self.0.say(|| News::Cursor {
            from: FaceWords::of(&face),
            account,
            room: room.id(),
            delivered: cursor.delivered,
            read: cursor.read,
            read_at: cursor.read_at,
            tell,
        });
        Ok(())
    }

    /// Tells whom it concerns how far an account is in a room.
    pub(super) fn tell_cursor(
        &self,
        face: &Face,
        account: AccountId,
        room: &Arc<RoomCell>,
        cursor: Cursor,
        tell: bool,
        except: Option<SessionId>,
    ) {
        let names = room.look(|room| {
            room.members().map(|(who, member)| (who.clone(), member.nick.clone())).take(2).collect::<Vec<_>>()
        });
        let told =
            |place| Told::Cursor { who: &face.nick, place, delivered: cursor.delivered, read: cursor.read };
        match room.place() {
            Some(place) if tell => room.publish(&told(place), None),
            Some(_) => {}
            None => {
                for (who, nick) in names.iter().filter(|(who, _)| tell && *who != face.who()) {
                    for other in self.0.users_of(who) {
                        let place = Place::Direct { with: face.lasting_name(), nick: &face.nick, me: nick };
                        other.tell(&told(place), None);
                    }
                }
            }
        }
        if cursor.read > 0 {
            let other = names.iter().find(|(who, _)| *who != face.who());
            let with = other.map_or(face.lasting_name(), |(_, name)| name);
            let called = other.and_then(|(who, name)| self.0.called(who, name));
            let nick = called.as_ref().unwrap_or(with);
            let place = room.place().unwrap_or(Place::Direct { with, nick, me: &face.nick });
            self.tell_read(account, place, cursor.read, cursor.read_at, except);
        }
    }

    /// Tells an account's sessions how far it has read: up to an event, or up to a time before the first one (`seq` 0).
    pub fn tell_read(
        &self,
        account: AccountId,
        place: Place<'_>,
        seq: Seq,
        time: Millis,
        except: Option<SessionId>,
    ) {
        for user in self.users_of(account) {
            user.tell(&Told::Read { place, seq, time }, except);
        }
    }

    /// Accounts that a text calls: those who are here by their nick, as `@name` or alone; members who are not here as `@name`, or as `name:` or `name,` where the text begins.
    #[must_use]
    pub fn mentions(&self, room: &RoomCell, text: &str) -> Vec<AccountId> {
        let is_part = |found: char| found.is_ascii_alphanumeric() || "-_[]\\`^{}|".contains(found);
        let mut names: HashMap<Nick, bool> = HashMap::new();
        for word in text.split(|found: char| !is_part(found)).filter(|word| !word.is_empty()) {
            if names.len() >= MAX_MENTIONS {
                break;
            }
            let Ok(name) = word.parse::<Nick>() else { continue };
            // The word is a part of the text: what stands beside it says whether it is an address.
            let at = word.as_ptr() as usize - text.as_ptr() as usize;
            let called = text[..at].ends_with('@');
            let addressed = at == 0 && text[word.len()..].starts_with([':', ',']);
            *names.entry(name).or_default() |= called || addressed;
        }
        let mut found = Vec::new();
        let mut absent = Vec::new();
        for (name, called) in names {
            match self.user(name.as_str()) {
                Some(user) if room.place().is_none() || user.is_in(room.id()) => {
                    found.extend(user.face().account.map(|(id, _)| id));
                }
                Some(_) => {}
                None if called => absent.push(name),
                None => {}
            }
        }
        if !absent.is_empty() {
            room.look(|room| {
                let members = room.members().filter(|(_, member)| absent.contains(&member.nick));
                found.extend(members.filter_map(|(who, _)| match who {
                    Who::Account(account) => Some(*account),
                    Who::Guest(_) => None,
                }));
            });
        }
        found
    }
}

/// Words of a message that are looked up as names, at most.
const MAX_MENTIONS: usize = 64;

/// How a session sends a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sending {
    /// What it calls the change: [`Mail::Done`] has the same number.
    pub number: u64,
    /// What its client calls it, for ever: the same change sent twice is in the log once.
    pub client_id: Option<String>,
}
