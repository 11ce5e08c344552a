//! Coming in: guests, accounts, and clients that go on where they were.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::reply::{Failure, Reply};
use super::session::{Me, Talk};
use crate::proto::chat::event::Change;
use crate::proto::chat::id::{MessageId, RoomId, Seq};
use crate::proto::chat::level::Level;
use crate::proto::chat::name::Nick;
use crate::server::chat::accounts::NewUser;
use crate::server::chat::house::room::RoomCell;
use crate::server::chat::house::told::Presence;
use crate::server::chat::house::user::User;
use crate::server::chat::store::Cursor;
use crate::server::chat::store::account::{Account, Session};
use crate::server::chat::store::history::{Part, Place, Query, Which};

/// Events that are told to a client that goes on, in each room. One that is further behind reads pages of history instead.
const MAX_RESUMED: usize = 5000;

/// What the client has of each room.
pub(super) type Resume = Option<BTreeMap<String, Seq>>;

impl Talk {
    pub(super) async fn guest(&mut self, name: Nick) -> Reply {
        if !self.door.house.settings().guests {
            return Err(Failure::new("guests_closed", "this server lets no guests in"));
        }
        if self.me.is_some() {
            return Err(Failure::new("already_in", "you are in already"));
        }
        if self.door.accounts.account_named(&name).await?.is_some() || self.door.accounts.is_reserved(&name) {
            return Err(Failure::new("name_taken", "the name belongs to an account"));
        }
        let face = self.door.house.face(name, None, self.client().address);
        let user = self.door.house.arrive(&self.session, face).await?;
        let me = json!({"name": user.face().nick.as_str()});
        self.me = Some(Me { user, account: None });
        Ok(fields([("me", me), ("rooms", json!([]))]))
    }

    pub(super) async fn register(
        &mut self,
        account: &Nick,
        password: &str,
        email: Option<&str>,
        code: Option<&str>,
        device: Option<&str>,
    ) -> Reply {
        self.not_in()?;
        if self.door.house.user(account.as_str()).is_some() {
            return Err(Failure::new("name_taken", "somebody who is here has that name"));
        }
        let new = NewUser {
            name: account.as_str(),
            password,
            email: email.unwrap_or(""),
            invitation: code.unwrap_or(""),
        };
        let account = self.door.accounts.register(new, &self.client()).await?;
        self.begin(account, device, None).await
    }

    pub(super) async fn log_in(
        &mut self,
        account: &Nick,
        password: &str,
        device: Option<&str>,
        resume: Resume,
    ) -> Reply {
        self.not_in()?;
        let account = self.door.accounts.log_in(account.as_str(), password, &self.client()).await?;
        self.begin(account, device, resume).await
    }

    pub(super) async fn jwt(&mut self, jwt: &str, device: Option<&str>, resume: Resume) -> Reply {
        self.not_in()?;
        let account = self.door.accounts.log_in_by_jwt(jwt, &self.client()).await?;
        self.begin(account, device, resume).await
    }

    pub(super) async fn token(&mut self, token: &str, resume: Resume) -> Reply {
        self.not_in()?;
        let (session, account) = self.door.accounts.resume(token).await?;
        self.door.accounts.touch(&session).await;
        self.come_in(account, session, None, resume).await
    }

    async fn begin(&mut self, account: Arc<Account>, device: Option<&str>, resume: Resume) -> Reply {
        let begun = self.door.accounts.begin_session(&account, device.unwrap_or("")).await?;
        self.come_in(account, begun.session, Some(begun.token), resume).await
    }

    /// A guest may log in; whoever has logged in has to leave first.
    fn not_in(&self) -> Result<(), Failure> {
        match &self.me {
            Some(Me { account: Some(_), .. }) => Err(Failure::new("already_in", "you are logged in already")),
            _ => Ok(()),
        }
    }

    async fn come_in(
        &mut self,
        account: Arc<Account>,
        session: Session,
        token: Option<String>,
        resume: Resume,
    ) -> Reply {
        let house = self.door.house.clone();
        // It may have been on another node until now.
        house.refresh().await;
        let cursors = house.store().cursors(account.id).await?.into_iter().collect();
        if let Some(guest) = self.me.take() {
            house.depart(&guest.user, &self.session, "Logged in").await;
        }
        let face = house.face(account.name.clone(), Some(&account), self.client().address);
        let user = house.arrive(&self.session, face).await?;
        house.note_login(&user, &self.session, session.id);
        self.me = Some(Me {
            user: Arc::clone(&user),
            account: Some((Arc::clone(&account), Some(Box::new(session)))),
        });
        let told = self.tell_arrival(&account, &user, &cursors, token, resume).await;
        if told.is_err() {
            // Whoever hears that it did not work is not in, and may try again.
            self.me = None;
            house.depart(&user, &self.session, "Not logged in").await;
        }
        told
    }

    /// What is told to whoever has come in: who that is, and how its rooms are.
    async fn tell_arrival(
        &mut self,
        account: &Account,
        user: &Arc<User>,
        cursors: &HashMap<RoomId, Cursor>,
        token: Option<String>,
        resume: Resume,
    ) -> Reply {
        let house = self.door.house.clone();
        let mut rooms = Vec::new();
        let mut resumed = Map::new();
        for room in house.rooms_of(account.id) {
            // What happens from here on is told; what has happened up to here is in the log.
            let head = match room.name() {
                Some(_) => house.attach(user, &self.session, &room),
                None => room.look(crate::proto::chat::room::Room::head),
            };
            let cursor = cursors.get(&room.id()).copied().unwrap_or_default();
            let words = self.room_words(&room, head, Some(cursor)).await?;
            let name = words.get("room").and_then(Value::as_str).unwrap_or_default().to_owned();
            rooms.push(words);
            let known = resume.iter().flatten().find(|(known, _)| known.eq_ignore_ascii_case(&name));
            if let Some((known, seq)) = known {
                let lost = !self.retell(&room, &name, *seq, head).await?;
                let mut entry = fields([("to", head.into())]);
                if lost {
                    entry.insert("lost".into(), true.into());
                }
                resumed.insert(known.clone(), entry.into());
            }
        }
        let mut me =
            fields([("name", account.name.as_str().into()), ("account", account.name.as_str().into())]);
        if !account.profile.display.is_empty() {
            me.insert("display".into(), account.profile.display.as_str().into());
        }
        if account.operator {
            me.insert("operator".into(), true.into());
        }
        let mut reply = fields([("me", me.into()), ("rooms", rooms.into())]);
        if let Some(token) = token {
            reply.insert("token".into(), token.into());
        }
        if resume.is_some() {
            reply.insert("resumed".into(), resumed.into());
        }
        Ok(reply)
    }

    /// Tells what happened in a room between two events; not if it is too much.
    async fn retell(
        &mut self,
        room: &Arc<RoomCell>,
        name: &str,
        after: Seq,
        head: Seq,
    ) -> Result<bool, Failure> {
        let behind = head.saturating_sub(after);
        if usize::try_from(behind).is_ok_and(|behind| behind > MAX_RESUMED) || after > head {
            return Ok(false);
        }
        let mut at = after;
        while at < head {
            let part = Part::After(Place::Seq(at));
            let query = Query { room: room.id(), part, which: Which::All, limit: 500 };
            let page = self.door.house.store().page(query).await?;
            let Some(last) = page.entries.last() else { break };
            // Retention may have taken the first ones.
            if page.entries[0].event.seq != at + 1 {
                return Ok(false);
            }
            let reached = last.event.seq;
            for entry in page.entries.iter().filter(|entry| entry.event.seq <= head) {
                self.tell_entry(entry, name).await?;
            }
            at = reached;
        }
        Ok(true)
    }

    /// What a room is like, as clients read it.
    pub(super) async fn room_words(
        &self,
        room: &Arc<RoomCell>,
        head: Seq,
        cursor: Option<Cursor>,
    ) -> Result<Value, Failure> {
        let me = self.me()?.user.face();
        let other = |room: &crate::proto::chat::room::Room| {
            let mut members = room.members();
            let other = members.find(|(who, _)| **who != me.who()).map(|(_, member)| member.nick.clone());
            other.unwrap_or_else(|| me.nick.clone())
        };
        let mut words = room.look(|room| {
            let name =
                room.name().map_or_else(|| other(room).as_str().to_owned(), |name| name.as_str().to_owned());
            let mut words =
                fields([("room", name.into()), ("kind", json!(room.kind())), ("seq", head.into())]);
            if let Some(topic) = room.topic() {
                words.insert("topic".into(), topic.text.as_str().into());
            }
            if room.name().is_some() {
                words.insert("members".into(), room.members().len().into());
                words.insert("settings".into(), super::rooms::settings(room.settings()));
                if let Some(member) = room.member(&me.who()) {
                    words.insert("role".into(), json!(member.role));
                }
            }
            if !room.pins().is_empty() {
                words.insert("pins".into(), json!(room.pins()));
            }
            words
        });
        let account = me.account.as_ref().map(|(account, _)| *account);
        if let Some((absent, account)) = self.door.house.absent().zip(account) {
            let level = absent.level(room.id(), account);
            if level != Level::default() {
                words.insert("notify".into(), json!(level));
            }
        }
        if let Some(cursor) = cursor {
            words.insert("read".into(), cursor.read.into());
            words.insert("delivered".into(), cursor.delivered.into());
            let (unread, mentions) = self.unread(room, cursor.read, head).await?;
            words.insert("unread".into(), unread.into());
            if mentions > 0 {
                words.insert("mentions".into(), mentions.into());
            }
        }
        Ok(words.into())
    }

    /// Messages after an event, as far as a client would count, and how many of them call whoever asks.
    async fn unread(&self, room: &Arc<RoomCell>, read: Seq, head: Seq) -> Result<(usize, usize), Failure> {
        if read >= head {
            return Ok((0, 0));
        }
        let part = Part::After(Place::Seq(read));
        let query = Query { room: room.id(), part, which: Which::Messages, limit: super::PAGE };
        let page = self.door.house.store().page(query).await?;
        let face = self.me()?.user.face();
        let mine = face.who();
        let account = face.account.as_ref().map(|(id, _)| *id);
        let (mut unread, mut called) = (0, 0);
        for entry in page.entries.iter().filter(|entry| entry.deleted.is_none()) {
            let Change::Message(message) = &entry.event.change else { continue };
            if entry.event.by.who() != mine {
                unread += 1;
                called += usize::from(account.is_some_and(|account| message.mentions.contains(&account)));
            }
        }
        Ok((unread, called))
    }

    pub(super) async fn log_out(&mut self, all: bool) -> Reply {
        let id = self.account()?.id;
        let session =
            self.me()?.account.as_ref().and_then(|(_, session)| session.as_ref().map(|session| session.id));
        if all {
            self.door.accounts.end_sessions(id, None).await?;
        } else if let Some(session) = session {
            self.door.accounts.end_session(id, session).await?;
        }
        self.ending = Some("Logged out".into());
        Ok(Map::new())
    }

    pub(super) async fn password(&mut self, old: &str, new: &str) -> Reply {
        let account = Arc::clone(self.account()?);
        let session =
            self.me()?.account.as_ref().and_then(|(_, session)| session.as_ref().map(|session| session.id));
        self.door.accounts.change_password(&account, old, new, session, &self.client()).await?;
        Ok(Map::new())
    }

    pub(super) async fn sessions(&mut self) -> Reply {
        let id = self.account()?.id;
        let mine =
            self.me()?.account.as_ref().and_then(|(_, session)| session.as_ref().map(|session| session.id));
        let devices = self.door.house.devices(id);
        let presence = |login| {
            let shown = devices.iter().filter(|device| device.login == Some(login));
            shown.map(|device| device.shown.presence).max().unwrap_or(Presence::Offline)
        };
        let sessions: Vec<Value> = self
            .door
            .accounts
            .sessions(id)
            .await?
            .iter()
            .map(|session| {
                json!({
                    "session": session.id,
                    "device": session.device,
                    "created": session.created,
                    "used": session.used,
                    "expires": session.expires,
                    "this": Some(session.id) == mine,
                    "connected": devices.iter().any(|device| device.login == Some(session.id)),
                    "presence": presence(session.id).word(),
                })
            })
            .collect();
        Ok(fields([("sessions", sessions.into())]))
    }

    pub(super) async fn revoke(&mut self, session: MessageId) -> Reply {
        let id = self.account()?.id;
        if !self.door.accounts.end_session(id, session).await? {
            return Err(Failure::new("not_found", "there is no such session"));
        }
        Ok(Map::new())
    }
}

/// A JSON object.
pub(super) fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
