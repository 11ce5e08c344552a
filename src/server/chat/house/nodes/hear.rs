//! What other nodes say.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use super::super::House;
use super::super::commit::Waiting;
use super::super::presence::Shown;
use super::super::told::{Place, Presence, Told};
use super::super::user::{Face, User};
use super::follow::Foreign;
use super::lock;
use super::news::{EventNews, News, Said};
use crate::proto::chat::event::Role;
use crate::server::chat::accounts::{Accounts, Ending};
use crate::server::chat::bus::Heard;
use crate::server::chat::store::Cursor;
use crate::server::chat::store::shared::NodeId;

/// Why connections end whose login was ended on another node.
const OVER: &str = "Logged out";

impl House {
    /// Hears other nodes, and tells them of accounts and users that have changed here. Ends never.
    pub(in super::super) async fn hear_all(
        self,
        mut heard: Option<mpsc::Receiver<Heard>>,
        accounts: Accounts,
    ) {
        let (mut endings, mut changes) = (accounts.endings(), accounts.changes());
        loop {
            let Some(nodes) = &self.0.nodes else { return };
            let next = async {
                match &mut heard {
                    Some(heard) => heard.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                next = next => match next {
                    Some(Heard::Event(body)) => self.hear_event(&body).await,
                    Some(Heard::Said(body)) => self.hear_said(&body, &accounts).await,
                    Some(Heard::Back) => {
                        accounts.forget_all();
                        nodes.say(News::Hello);
                        nodes.say_all(&self.0);
                        nodes.behind.notify_one();
                    }
                    None => heard = None,
                },
                ending = endings.recv() => match ending {
                    Ok(Ending::One(account, login)) => {
                        nodes.say(News::Ended { account, one: Some(login), except: None });
                    }
                    Ok(Ending::All(account, except)) => nodes.say(News::Ended { account, one: None, except }),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                change = changes.recv() => if let Ok(account) = change {
                    nodes.say(News::Account { account });
                },
                () = nodes.wake.notified() => nodes.flush(),
            }
        }
    }

    async fn hear_event(&self, body: &Bytes) {
        let Some(nodes) = &self.0.nodes else { return };
        match serde_json::from_slice::<EventNews>(body) {
            Ok(news) if news.node == nodes.id => {}
            Ok(news) => {
                let waiting = Waiting::Foreign(Foreign::Event(Box::new(news)));
                let _ = self.0.queue.send(waiting).await;
            }
            // A newer node, perhaps. What it was is in the store.
            Err(error) => {
                tracing::debug!(%error, "an event of another node is not understood");
                nodes.behind.notify_one();
            }
        }
    }

    async fn hear_said(&self, body: &Bytes, accounts: &Accounts) {
        let Some(nodes) = &self.0.nodes else { return };
        let Said { node, n, news } = match serde_json::from_slice(body) {
            Ok(said) => said,
            Err(error) => return tracing::debug!(%error, "another node is not understood"),
        };
        if node == nodes.id {
            return;
        }
        let before = lock(&nodes.heard).insert(node, n);
        match before {
            Some(before) if n <= before => {
                // It was heard already.
                lock(&nodes.heard).insert(node, before);
                return;
            }
            Some(before) if n == before + 1 => {}
            None if n == 1 => {}
            _ => nodes.say(News::Ask { of: node }),
        }
        self.hear_news(node, news, accounts).await;
    }

    /// Whether somebody on another node may say something to a user here, which decides that.
    fn may_reach(&self, from: &Face, to: &User) -> bool {
        from.account.is_some()
            || self.user(from.nick.as_str()).map_or(!to.is_reserved(), |from| to.hears(&from))
    }

    async fn hear_news(&self, node: NodeId, news: News, accounts: &Accounts) {
        let Some(nodes) = &self.0.nodes else { return };
        match news {
            News::Hello => nodes.say_all(&self.0),
            News::Ask { of } if of == nodes.id => nodes.say_all(&self.0),
            News::Ask { .. } | News::Alive => {}
            News::User { user } => {
                if let Some((user, before)) = self.hear_user(node, &user) {
                    let face = user.face();
                    // Its account holds the name on the other node already.
                    let _ = self.claim(&face.nick, face.account.as_ref().map(|(id, _)| *id)).await;
                    self.release(&before.nick).await;
                    self.0.changed(&user);
                }
            }
            News::All { users } => {
                let users: HashSet<u64> = users.into_iter().collect();
                self.forget_users(|other, id| other != node || users.contains(&id));
            }
            News::Gone { user, reason } => self.hear_gone(node, user, &reason),
            News::Dropped { room } => {
                let _ = self.0.queue.send(Waiting::Foreign(Foreign::Dropped(room))).await;
            }
            News::Tags { from, room, role, to, id, tags } => {
                let face = from.face();
                if let Some(room) = room.and_then(|room| self.room_by_id(room))
                    && let Some(place) = room.place()
                {
                    let told = Told::Tags { from: &face, place, id, tags: &tags };
                    match role {
                        Role::Member => room.publish(&told, None),
                        role => room.tell_role(role, &told, None),
                    }
                }
                if let Some(user) = to.and_then(|to| self.user(to.as_str()))
                    && self.may_reach(&face, &user)
                {
                    let nick = user.face().nick;
                    let place = Place::Direct { with: face.lasting_name(), nick: &face.nick, me: &nick };
                    user.tell(&Told::Tags { from: &face, place, id, tags: &tags }, None);
                }
            }
            News::Status { from, room, role, shown, id, message } => {
                if let Some(room) = self.room_by_id(room)
                    && let Some(name) = room.name()
                {
                    let face = from.face();
                    let told = Told::Status { from: &face, room: name, role: shown, id, message: &message };
                    room.tell_role(role, &told, None);
                    room.note_hushed(face.who(), None, id);
                }
            }
            News::Whisper { from, to, id, message } => {
                let face = from.face();
                let told = Told::Whisper { from: &face, to: &to, id, message: &message };
                let ctcp = message.text.starts_with('\x01');
                // The other node has asked, but the user may have decided meanwhile.
                let hears = |to: &Arc<User>| self.may_reach(&face, to) && !(ctcp && to.is_without_ctcp());
                let both = [self.user(to.as_str()).filter(hears), self.user(face.nick.as_str())];
                let mut last = None;
                for user in both.into_iter().flatten().filter(|user| user.is_local()) {
                    if last.replace(user.id()) != Some(user.id()) {
                        user.tell(&told, None);
                    }
                }
            }
            News::Cursor { from, account, room, delivered, read, read_at, tell } => {
                if let Some(room) = self.room_by_id(room) {
                    let cursor = Cursor { delivered, read, read_at };
                    self.tell_cursor(&from.face(), account, &room, cursor, tell, None);
                }
            }
            News::Ended { account, one, except } => {
                accounts.forget(account);
                match one {
                    Some(login) => self.end_sessions(account, OVER, |session| session.login() == Some(login)),
                    None => self
                        .end_sessions(account, OVER, |session| except.is_none() || session.login() != except),
                }
            }
            News::Level { room, account, level } => {
                if let Some(absent) = self.absent() {
                    absent.note(room, account, level);
                }
            }
            News::Killed { by, account, nick, reason } => {
                self.kill_too(&by.face(), account, &nick, &reason);
            }
            News::Wallops { by, text } => self.wallop_here(&by.face(), &text),
            News::Account { account } => accounts.forget(account),
            News::Presence { account, presence, status, at } => {
                let presence = Presence::of(&presence).unwrap_or_default();
                self.show_all(account, &Shown { presence, status: status.into(), at }).await;
            }
            News::Hears { account, nick, reserved, no_ctcp } => {
                self.hears_too(account, &nick, reserved, no_ctcp);
            }
        }
    }
}
