//! Other nodes of the same chat: what they do is seen here, and what is done here they see.
//!
//! Events of rooms have their order from the store, which all nodes share. The node that has committed one tells it over the bus; the others apply it when it
//! is the next one, and read what is missing from the store when it is not (`follow`). Who is here on other nodes is told over the bus only
//! (`roster`): each node says what its users look like, and the others keep them as users without sessions. Nicks are held in the store, under a
//! lease that the node renews (`lease`); what a dead node held is free when its lease is over.

mod follow;
mod hear;
mod lease;
mod news;
mod roster;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

pub(super) use self::follow::Foreign;
use self::news::{Entry, EventNews, Said};
pub(super) use self::news::{FaceWords, News};
use super::user::{Face, User, UserId};
use super::{House, Inner};
use crate::proto::chat::event::Event;
use crate::proto::chat::id::RoomId;
use crate::server::chat::bus::Bus;
use crate::server::chat::store::shared::NodeId;

/// What a node needs to be one of several.
#[derive(Clone)]
pub struct Membership {
    /// Its number.
    pub node: NodeId,
    /// How it tells others.
    pub bus: Arc<dyn Bus>,
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Membership").field("node", &self.node).finish_non_exhaustive()
    }
}

/// Users of other nodes, by the node and their number there.
type Remotes = HashMap<(NodeId, u64), Arc<User>>;

/// This node among others.
pub(super) struct Nodes {
    id: NodeId,
    bus: Arc<dyn Bus>,
    remotes: Mutex<Remotes>,
    /// Users of which others do not know yet what they look like.
    changed: Mutex<Vec<Arc<User>>>,
    wake: Notify,
    /// Somebody may have missed something.
    behind: Notify,
    said: AtomicU64,
    /// Held by whoever tells what users look like, so that the last thing told is the last one that was.
    telling: Mutex<()>,
    heard: Mutex<HashMap<NodeId, u64>>,
    /// Who has joined a room and is not known yet: it was told already.
    early: Mutex<HashSet<(RoomId, Arc<str>)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Nodes {
    pub(super) fn new(membership: Membership) -> Self {
        Self {
            id: membership.node,
            bus: membership.bus,
            remotes: Mutex::default(),
            changed: Mutex::default(),
            wake: Notify::new(),
            behind: Notify::new(),
            said: AtomicU64::new(0),
            telling: Mutex::default(),
            heard: Mutex::default(),
            early: Mutex::default(),
        }
    }

    /// Tells something, after what has changed before.
    fn say(&self, news: News) {
        self.flush();
        self.tell(news);
    }

    fn tell(&self, news: News) {
        // Under the lock, so that the numbers go out in their order.
        let _order = lock(&self.heard);
        let n = self.said.fetch_add(1, Ordering::Relaxed) + 1;
        match serde_json::to_vec(&Said { node: self.id, n, news }) {
            Ok(body) => self.bus.say(Bytes::from(body)),
            Err(error) => tracing::error!(%error, "cannot be told to other nodes"),
        }
    }

    /// Tells what users look like that have changed.
    fn flush(&self) {
        let _order = lock(&self.telling);
        let changed = std::mem::take(&mut *lock(&self.changed));
        let mut told = HashSet::new();
        for user in changed {
            if told.insert(user.id()) && user.is_local() {
                self.tell(News::User { user: self.entry(&user) });
            }
        }
    }

    /// What others are told of a user that is here.
    fn entry(&self, user: &User) -> Entry {
        Entry::of(user, |accepted| {
            if accepted.is_empty() {
                return Vec::new();
            }
            let remotes = lock(&self.remotes);
            let there =
                remotes.iter().filter(|(_, user)| accepted.contains(&user.id())).map(|(place, _)| *place);
            // Those who are here have their own numbers; of others, nobody asks for those.
            there.chain(accepted.iter().map(|id| (self.id, id.0))).collect()
        })
    }

    /// Who users are here of whom another node knows where they are.
    fn users_at(&self, places: &[(NodeId, u64)]) -> Vec<UserId> {
        let remotes = lock(&self.remotes);
        let here = |(node, id): &(NodeId, u64)| match *node == self.id {
            true => Some(UserId(*id)),
            false => remotes.get(&(*node, *id)).map(|user| user.id()),
        };
        places.iter().filter_map(here).collect()
    }

    /// Tells all that is to know of this node.
    fn say_all(&self, house: &Inner) {
        let _order = lock(&self.telling);
        let users: Vec<Arc<User>> =
            house.people().by_nick.values().filter(|user| user.is_local()).cloned().collect();
        for user in &users {
            self.tell(News::User { user: self.entry(user) });
        }
        self.tell(News::All { users: users.iter().map(|user| user.id().0).collect() });
    }
}

impl Inner {
    /// A user has changed.
    pub(super) fn changed(&self, user: &Arc<User>) {
        if let Some(nodes) = &self.nodes {
            lock(&nodes.changed).push(Arc::clone(user));
            nodes.wake.notify_one();
        }
    }

    /// A user has changed in a way of which others hear each time, even if more follows at once: its nick.
    pub(super) fn changed_at_once(&self, user: &Arc<User>) {
        self.changed(user);
        self.tell_changes();
    }

    /// Tells other nodes now of users that have changed, while they are still here.
    pub(super) fn tell_changes(&self) {
        if let Some(nodes) = &self.nodes {
            nodes.flush();
        }
    }

    /// A user has left this node.
    pub(super) fn went(&self, user: UserId, reason: &str) {
        self.say(|| News::Gone { user: user.0, reason: reason.to_owned() });
    }

    /// Tells other nodes, if there are any.
    pub(super) fn say(&self, news: impl FnOnce() -> News) {
        if let Some(nodes) = &self.nodes {
            nodes.say(news());
        }
    }

    /// Tells an event that was committed here.
    pub(super) fn publish(&self, event: &Event, face: &Face) {
        let Some(nodes) = &self.nodes else { return };
        match serde_json::to_vec(&EventNews::new(nodes.id, event, face)) {
            Ok(body) => nodes.bus.publish(event.room, event.id, Bytes::from(body)),
            Err(error) => tracing::error!(%error, "an event cannot be told to other nodes"),
        }
    }
}

impl House {
    /// Whether this is one node of several.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.0.nodes.is_some()
    }
}
