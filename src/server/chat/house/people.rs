//! Who comes, who goes, and what they are called.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::commit::{Done, Waiting};
use super::mailbox::Mail;
use super::room::{RoomCell, Standing, Written};
use super::told::Told;
use super::user::{Face, Session, SessionId, User};
use super::{House, NoNick};
use crate::proto::chat::event::{Change, Who};
use crate::proto::chat::id::AccountId;
use crate::proto::chat::name::Nick;
use crate::server::chat::store::account::Account;
use crate::server::hex;

/// Hexadecimal digits by which a guest's address is shown.
const CLOAK: usize = 12;

/// A session that is told of a user.
struct Neighbour {
    session: Arc<Session>,
    /// They are in the same room only where that one does not see the user.
    veiled: bool,
}

impl House {
    /// What others see of somebody who comes from this address. Of the address they see a digest with a key: guests from one place look
    /// alike, and nobody learns where it is.
    #[must_use]
    pub fn face(&self, nick: Nick, account: Option<&Account>, address: Option<IpAddr>) -> Face {
        let host = match (account, address) {
            (Some(account), _) => host_of(&account.name),
            (None, Some(address)) => format!("{}.guest", self.cloak(address)),
            (None, None) => "local.guest".to_owned(),
        };
        let real = account.map_or("", |account| account.profile.display.as_str());
        Face {
            user: format!("~{}", &nick.folded()[..nick.as_str().len().min(9)]).into(),
            nick,
            host: host.into(),
            // Those who have none share one that needs no memory.
            real: if real.is_empty() { Arc::default() } else { real.into() },
            account: account.map(|account| (account.id, account.name.clone())),
            operator: account.is_some_and(|account| account.operator),
            bot: false,
        }
    }

    /// The digest of an address.
    fn cloak(&self, address: IpAddr) -> String {
        let tag = ring::hmac::sign(&self.0.cloak, address.to_canonical().to_string().as_bytes());
        hex::encode(&tag.as_ref()[..CLOAK / 2])
    }

    /// Lets a session in: as another one of the same account under the same nick, or as a new user, if the nick is free. The nick of an account is free for nobody
    /// else; whoever knows that (`face.account` was checked by the door) asks for it.
    ///
    /// # Errors
    /// Somebody else is called so, or the account has as many sessions as it may.
    pub async fn arrive(&self, session: &Arc<Session>, face: Face) -> Result<Arc<User>, NoNick> {
        let nick = face.nick.clone();
        let outcome = {
            let _order = self.0.opening(&format!("nick {nick}")).write().await;
            let account = face.account.as_ref().map(|(id, _)| *id);
            self.claim(&nick, account).await?;
            self.evict(&nick, account);
            self.let_in(session, face)
        };
        match &outcome {
            Ok(user) => {
                self.0.changed(user);
                self.note_active(user, session).await;
            }
            Err(_) => self.release(&nick).await,
        }
        outcome
    }

    fn let_in(&self, session: &Arc<Session>, face: Face) -> Result<Arc<User>, NoNick> {
        let mut people = self.0.people();
        let taken = || NoNick::Taken(face.nick.clone());
        if let Some(user) = people.by_nick.get(&face.nick.folded()) {
            let same = user.face().account.map(|(id, _)| id) == face.account.as_ref().map(|(id, _)| *id);
            if face.account.is_none() || !same || user.sessions().len() >= self.settings().max_sessions {
                return Err(taken());
            }
            user.add_session(Arc::clone(session));
            let user = Arc::clone(user);
            drop(people);
            self.show(&user);
            return Ok(user);
        }
        let user = User::new(face.clone(), Arc::clone(session), self.now());
        people.insert(&user);
        drop(people);
        self.tell_watchers(&face.nick, &Told::Online { who: &face });
        Ok(user)
    }

    /// A session ends. With the last one its user goes: those who see it are told, and a guest is a member of its rooms no longer.
    pub async fn depart(&self, user: &Arc<User>, session: &Arc<Session>, reason: &str) {
        let rooms = user.rooms();
        for room in &rooms {
            room.unsubscribe(session);
        }
        self.note_end(user, session).await;
        let left = self.remove_session(user, session, reason);
        // Another session may have brought it into a room meanwhile.
        for room in user.rooms() {
            room.unsubscribe(session);
        }
        let Some(face) = left else { return self.show(user) };
        if user.is_elsewhere() {
            self.show(user);
            return self.release(&face.nick).await;
        }
        self.note_gone(user, &face);
        self.tell_watchers(&face.nick, &Told::Offline { nick: &face.nick });
        self.tell_neighbours(user, &face, &Told::Gone { who: &face, reason }, None);
        for room in &rooms {
            self.0.put_out(room, user);
        }
        if face.account.is_some() {
            return self.release(&face.nick).await;
        }
        for room in &rooms {
            let leave = Change::Leave { reason: Some(reason.to_owned()), quit: true };
            if self.0.is_known(room.id()) {
                // The log of a room that lasts says that a guest has gone; it is no harm if it cannot.
                let pending = self.pending(user, face.clone(), room, leave, None, Done::Nobody);
                let _ = self.0.queue.send(Waiting::Change(Box::new(pending))).await;
                self.settle_and_drop(room, &face).await;
            }
        }
        self.release(&face.nick).await;
    }

    /// What the user looked like, if it has left this node with this session.
    fn remove_session(&self, user: &Arc<User>, session: &Session, reason: &str) -> Option<Face> {
        // Whoever came only a moment ago: other nodes hear that it was here, and then that it is gone.
        self.0.tell_changes();
        let mut people = self.0.people();
        if !user.remove_session(session.id) {
            return None;
        }
        let face = user.face();
        if !user.is_elsewhere() {
            people.remove(user);
        }
        drop(people);
        self.0.went(user.id(), reason);
        Some(face)
    }

    /// Waits until a guest's leave is in the log, and drops the room if nobody is left.
    pub(super) async fn settle_and_drop(&self, room: &Arc<RoomCell>, face: &Face) {
        let alone = room.look(|room| room.members().all(|(who, _)| *who == face.who()));
        if !alone {
            return;
        }
        // What is appended now is written behind the leave.
        let (sender, outcome) = tokio::sync::oneshot::channel();
        self.0.barrier(sender).await;
        let _ = outcome.await;
        self.drop_if_empty(room).await;
    }

    /// Gives a user another nick, and tells all who see it.
    ///
    /// # Errors
    /// Somebody else is called so.
    pub async fn rename(&self, user: &Arc<User>, to: &Nick) -> Result<(), NoNick> {
        let old = user.face().nick;
        let order = self.0.opening(&format!("nick {to}")).write().await;
        let account = user.face().account.map(|(id, _)| id);
        self.claim(to, account).await?;
        self.evict(to, account);
        let outcome = self.call(user, to);
        drop(order);
        if outcome.is_err() {
            self.release(to).await;
        }
        let before = outcome?;
        self.note_gone(user, &before);
        self.tell_neighbours(user, &before, &Told::Renamed { who: &before, to }, None);
        if before.nick.folded() != to.folded() {
            self.release(&old).await;
            self.tell_watchers(&before.nick, &Told::Offline { nick: &before.nick });
            self.tell_watchers(to, &Told::Online { who: &user.face() });
        }
        self.0.changed_at_once(user);
        let account = before.account.as_ref().map(|(id, _)| *id);
        self.note_identity(user, &before, to, account).await;
        Ok(())
    }

    /// Calls a user so. Says what it looked like.
    fn call(&self, user: &Arc<User>, to: &Nick) -> Result<Face, NoNick> {
        let mut people = self.0.people();
        let before = user.face();
        let key = to.folded();
        if people.by_nick.get(&key).is_some_and(|other| other.id() != user.id()) {
            return Err(NoNick::Taken(to.clone()));
        }
        people.by_nick.remove(&before.nick.folded());
        people.by_nick.insert(key, Arc::clone(user));
        user.change_face(|face| face.nick = to.clone());
        Ok(before)
    }

    /// A user has logged in to an account, or out of it (`None`), and tells all who see it. Its rooms are the account's from now on.
    pub async fn set_account(&self, user: &Arc<User>, account: Option<(AccountId, Nick)>, operator: bool) {
        let (before, after) = {
            let mut people = self.0.people();
            let before = user.face();
            if let Some((old, _)) = &before.account {
                forget(&mut people.by_account, *old, user);
            }
            if let Some((new, _)) = &account {
                people.by_account.entry(*new).or_default().push(Arc::clone(user));
            }
            let after = user.change_face(|face| {
                if let Some((_, name)) = &account {
                    face.host = host_of(name).into();
                }
                face.account = account;
                face.operator = operator;
            });
            (before, after)
        };
        if before.host != after.host {
            self.tell_all(user, &before, &Told::Host { who: &before, is: &after });
        }
        self.tell_all(user, &before, &Told::Account { who: &after });
        self.0.changed(user);
        let id = after.account.as_ref().map(|(id, _)| *id);
        // The name is the account's from now on: other devices of it may be called so on other nodes. It is held here in any case.
        let _ = self.claim(&after.nick, id).await;
        self.note_identity(user, &before, &after.nick, id).await;
    }

    /// Notes in the logs of a user's rooms what it is called from now on.
    async fn note_identity(&self, user: &Arc<User>, before: &Face, nick: &Nick, account: Option<AccountId>) {
        for room in user.rooms() {
            let change = Change::Rename { nick: nick.clone(), account };
            let pending = self.pending(user, before.clone(), &room, change, None, Done::Nobody);
            let _ = self.0.queue.send(Waiting::Change(Box::new(pending))).await;
        }
        // Until that is applied, rooms know the user by its old name.
        let (sender, outcome) = tokio::sync::oneshot::channel();
        self.0.barrier(sender).await;
        let _ = outcome.await;
    }

    /// A user has another name beside its nick.
    pub fn set_real_name(&self, user: &Arc<User>, real: &str) {
        let face = user.change_face(|face| face.real = real.into());
        self.tell_all(user, &face, &Told::RealName { who: &face });
        self.0.changed(user);
    }

    /// A user says of itself that it is a program, or none.
    pub fn set_bot(&self, user: &Arc<User>, bot: bool) {
        user.change_face(|face| face.bot = bot);
        self.0.changed(user);
    }

    /// A session sets modes for itself ([`Session::modes`]), or takes them away. Says whether that is new.
    pub fn set_modes(&self, user: &Arc<User>, session: &Session, bits: u8, on: bool) -> bool {
        let new = session.set_modes(bits, on);
        if new {
            self.0.changed(user);
        }
        new
    }

    /// Those who are here and whom a user has let, by name.
    #[must_use]
    pub fn accepted(&self, user: &User) -> Vec<Nick> {
        let mut nicks: Vec<Nick> = self
            .users()
            .iter()
            .filter(|other| user.has_accepted(other.id()))
            .map(|other| other.nick())
            .collect();
        nicks.sort_by_key(Nick::folded);
        nicks
    }

    /// A user operates the server from now on, or no longer.
    pub fn set_operator(&self, user: &Arc<User>, operator: bool) {
        user.change_face(|face| face.operator = operator);
        self.0.changed(user);
    }

    /// As [`tell_neighbours`](Self::tell_neighbours), and those who watch the user without seeing it.
    pub(super) fn tell_all(&self, user: &Arc<User>, was: &Face, told: &Told<'_>) {
        let known = self.neighbours(user, was);
        tell(&known, told);
        let watched = Told::Watched(told);
        for session in self.watchers(&user.face().nick) {
            if known.get(&session.id).is_none_or(|neighbour| neighbour.veiled) {
                session.tell(&watched);
            }
        }
    }

    fn neighbours(&self, user: &Arc<User>, was: &Face) -> HashMap<SessionId, Neighbour> {
        let sees = |session: Arc<Session>| (session.id, Neighbour { session, veiled: false });
        let mut neighbours: HashMap<SessionId, Neighbour> = user.sessions().into_iter().map(sees).collect();
        let known = [user.who(), was.who()];
        for room in user.rooms() {
            let veiled = room.look(|room| known.iter().all(|who| room.is_veiled(who)));
            room.sessions(|session| {
                let neighbour = || Neighbour { session: Arc::clone(session), veiled };
                neighbours.entry(session.id).or_insert_with(neighbour).veiled &= veiled;
            });
            if veiled {
                let moderating = room.standings().into_iter().filter(Standing::moderates);
                neighbours.extend(moderating.flat_map(|standing| standing.user.sessions()).map(sees));
            }
        }
        neighbours
    }

    /// Tells all sessions that see `user`, each once, and its own. Rooms may still know it as what it `was`.
    pub fn tell_neighbours(&self, user: &Arc<User>, was: &Face, told: &Told<'_>, except: Option<SessionId>) {
        let mut neighbours = self.neighbours(user, was);
        if let Some(except) = except {
            neighbours.remove(&except);
        }
        tell(&neighbours, told);
    }

    /// A session speaks another dialect from now on; what it was told before was in the old one.
    pub fn set_dialect(&self, session: &Arc<Session>, dialect: super::told::Dialect) {
        if session.dialect() == dialect {
            return;
        }
        session.set_dialect(dialect);
        let rooms: Vec<_> = session.readers().keys().collect();
        for room in rooms.into_iter().filter_map(|id| self.room_by_id(id)) {
            room.change_lane(session);
        }
    }

    /// Ends those sessions of an account that `which` names.
    pub fn end_sessions(&self, account: AccountId, reason: &str, which: impl Fn(&Session) -> bool) {
        for user in self.0.users_of(&Who::Account(account)) {
            for session in user.sessions().iter().filter(|session| which(session)) {
                session.end(reason);
            }
        }
    }
}

/// Tells neighbours something about a user, each once.
fn tell(neighbours: &HashMap<SessionId, Neighbour>, told: &Told<'_>) {
    let (mut written, mut veiled) = (Written::default(), Written::default());
    for Neighbour { session, veiled: unseen } in neighbours.values() {
        let bytes = match unseen {
            false => written.get(session.dialect(), told),
            true => veiled.get(session.dialect(), &Told::Veiled(told)),
        };
        if !bytes.is_empty() {
            session.mailbox.put(Mail::Bytes(bytes));
        }
    }
}

/// The host that is shown of an account.
fn host_of(account: &Nick) -> String {
    format!("{account}.user")
}

fn forget(by_account: &mut HashMap<AccountId, Vec<Arc<User>>>, account: AccountId, user: &Arc<User>) {
    if let Some(users) = by_account.get_mut(&account) {
        users.retain(|other| other.id() != user.id());
        if users.is_empty() {
            by_account.remove(&account);
        }
    }
}
