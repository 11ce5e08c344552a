//! Users of other nodes: users without sessions here.
//!
//! A node says what each of its users looks like whenever that changes; what has changed is found out here, and told to those who see the user. An
//! account that is on several nodes is one user on each.

use std::sync::Arc;

use super::super::told::Told;
use super::super::user::{Face, User};
use super::super::{House, People};
use super::lock;
use super::news::Entry;
use crate::proto::chat::event::Who;
use crate::proto::chat::id::AccountId;
use crate::proto::chat::name::Nick;
use crate::server::chat::store::shared::NodeId;

/// Why users have gone whose node has ended.
const SPLIT: &str = "Its server has gone";

/// What has become of a user.
struct Update {
    user: Arc<User>,
    /// What it looked like; `None` if it is new.
    before: Option<Face>,
    after: Face,
    /// Whether it is shown with another presence.
    weighed: bool,
}

impl House {
    /// A node says what a user of it looks like. Says whether the nick of a user that is here, too, has changed.
    pub(super) fn hear_user(&self, node: NodeId, entry: &Entry) -> Option<(Arc<User>, Face)> {
        let Update { user, before, after, weighed } = self.keep_user(node, entry)?;
        let mut renamed = None;
        match &before {
            None => self.tell_watchers(&after.nick, &Told::Online { who: &after }),
            Some(before) => {
                if before.nick.as_str() != after.nick.as_str() {
                    self.note_gone(&user, before);
                    self.tell_neighbours(
                        &user,
                        before,
                        &Told::Renamed { who: before, to: &after.nick },
                        None,
                    );
                    if before.nick.folded() != after.nick.folded() {
                        self.tell_watchers(&before.nick, &Told::Offline { nick: &before.nick });
                        self.tell_watchers(&after.nick, &Told::Online { who: &after });
                    }
                    renamed = user.is_local().then(|| (Arc::clone(&user), before.clone()));
                }
                if before.host != after.host {
                    self.tell_all(&user, before, &Told::Host { who: before, is: &after });
                }
                if before.account != after.account {
                    self.tell_all(&user, before, &Told::Account { who: &after });
                }
                if before.real != after.real {
                    self.tell_all(&user, before, &Told::RealName { who: &after });
                }
            }
        }
        if weighed && before.is_some() {
            self.tell_presence(&user);
        }
        self.see(&user, &after, entry);
        renamed
    }

    /// Keeps a user of another node.
    fn keep_user(&self, node: NodeId, entry: &Entry) -> Option<Update> {
        let nodes = self.0.nodes.as_ref()?;
        let after = entry.face.face();
        let mut people = self.0.people();
        let known = lock(&nodes.remotes).get(&(node, entry.id)).cloned();
        let at_nick = people.by_nick.get(&after.nick.folded()).cloned();
        let same = |user: &User| {
            let account = |face: &Face| face.account.as_ref().map(|(id, _)| *id);
            account(&after).is_some() && account(&user.face()) == account(&after)
        };
        let mut evicted = None;
        let mut update = match known {
            Some(user) => {
                if let Some(other) = at_nick.filter(|other| other.id() != user.id()) {
                    // Two nodes cannot hold a nick. What the other one says comes later.
                    if other.is_local() {
                        return None;
                    }
                    people.remove(&other);
                    evicted = Some(other);
                }
                let before = people.become_face(&user, &after);
                Update { user, before: Some(before), after, weighed: false }
            }
            None => match at_nick {
                Some(user) if same(&user) => {
                    let before = people.become_face(&user, &after);
                    Update { user, before: Some(before), after, weighed: false }
                }
                Some(user) if user.is_local() => return None,
                other => {
                    if let Some(other) = other {
                        people.remove(&other);
                        evicted = Some(other);
                    }
                    let user = User::elsewhere(after.clone(), entry.since);
                    people.insert(&user);
                    Update { user, before: None, after, weighed: false }
                }
            },
        };
        let accepted = nodes.users_at(&entry.accepted);
        update.weighed = update.user.note_node(entry.elsewhere(node, accepted));
        lock(&nodes.remotes).insert((node, entry.id), Arc::clone(&update.user));
        drop(people);
        if let Some(other) = evicted {
            self.0
                .nodes
                .iter()
                .for_each(|nodes| lock(&nodes.remotes).retain(|_, user| user.id() != other.id()));
            self.fade(&other, SPLIT);
        }
        Some(update)
    }

    /// Lets a user be seen in rooms of which it is a member.
    fn see(&self, user: &Arc<User>, face: &Face, entry: &Entry) {
        for id in &entry.rooms {
            if user.is_in(*id) {
                continue;
            }
            let Some(room) = self.room_by_id(*id) else { continue };
            let role = room.look(|room| room.member(&face.who()).map(|member| member.role));
            let (Some(role), Some(name)) = (role, room.name()) else { continue };
            user.enter(&room);
            room.lock().here.insert(user.id(), Arc::clone(user));
            let joined = |nodes: &super::Nodes| lock(&nodes.early).remove(&(*id, face.nick.folded()));
            if !self.0.nodes.as_ref().is_some_and(joined) {
                room.publish_of(&face.who(), &Told::Appeared { who: face, room: name, role });
            }
            self.0.tell_absence(user, &room);
        }
    }

    /// A user of another node has gone from there.
    pub(super) fn hear_gone(&self, node: NodeId, id: u64, reason: &str) {
        let Some(nodes) = &self.0.nodes else { return };
        let Some(user) = lock(&nodes.remotes).remove(&(node, id)) else { return };
        let over = {
            let mut people = self.0.people();
            let (over, weighed) = user.forget_node(node, id);
            if over {
                people.remove(&user);
            }
            (over, weighed)
        };
        match over {
            (true, _) => self.fade(&user, reason),
            (false, true) => self.tell_presence(&user),
            (false, false) => {}
        }
    }

    /// Tells that a user is here no longer, which nobody finds any longer.
    fn fade(&self, user: &Arc<User>, reason: &str) {
        let face = user.face();
        self.note_gone(user, &face);
        self.tell_watchers(&face.nick, &Told::Offline { nick: &face.nick });
        self.tell_neighbours(user, &face, &Told::Gone { who: &face, reason }, None);
        for room in user.rooms() {
            self.0.put_out(&room, user);
        }
    }

    /// A name was given to somebody here: who is still called so on another node is there no longer.
    pub(in super::super) fn evict(&self, nick: &Nick, account: Option<AccountId>) {
        let Some(nodes) = &self.0.nodes else { return };
        let gone = {
            let mut people = self.0.people();
            let Some(user) = people.by_nick.get(&nick.folded()).cloned() else { return };
            let same = account.is_some() && user.face().account.map(|(id, _)| id) == account;
            if same || user.is_local() {
                return;
            }
            people.remove(&user);
            user
        };
        lock(&nodes.remotes).retain(|_, user| user.id() != gone.id());
        self.fade(&gone, SPLIT);
    }

    /// Forgets users of other nodes that `keep` does not want.
    pub(super) fn forget_users(&self, keep: impl Fn(NodeId, u64) -> bool) {
        let Some(nodes) = &self.0.nodes else { return };
        let gone: Vec<(NodeId, u64)> =
            lock(&nodes.remotes).keys().copied().filter(|(node, id)| !keep(*node, *id)).collect();
        for (node, id) in gone {
            self.hear_gone(node, id, SPLIT);
        }
    }
}

impl People {
    pub(in super::super) fn insert(&mut self, user: &Arc<User>) {
        let face = user.face();
        self.by_nick.insert(face.nick.folded(), Arc::clone(user));
        if let Some((account, _)) = &face.account {
            self.by_account.entry(*account).or_default().push(Arc::clone(user));
        }
    }

    pub(in super::super) fn remove(&mut self, user: &Arc<User>) {
        let face = user.face();
        let key = face.nick.folded();
        if self.by_nick.get(&key).is_some_and(|found| found.id() == user.id()) {
            self.by_nick.remove(&key);
        }
        if let Who::Account(account) = face.who()
            && let Some(users) = self.by_account.get_mut(&account)
        {
            users.retain(|other| other.id() != user.id());
            if users.is_empty() {
                self.by_account.remove(&account);
            }
        }
    }

    /// A user looks different. Says what it looked like.
    fn become_face(&mut self, user: &Arc<User>, after: &Face) -> Face {
        let before = user.face();
        // Names that differ in case are the same name, and shown as they are written.
        if before != *after || before.nick.as_str() != after.nick.as_str() {
            self.remove(user);
            user.change_face(|face| face.clone_from(after));
            self.insert(user);
        }
        before
    }
}
