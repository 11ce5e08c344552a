//! The lease of this node, what it holds under it, and what the store says has changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::super::commit::{Done, Pending, Waiting};
use super::super::room::RoomCell;
use super::super::user::User;
use super::super::{House, NoNick};
use super::follow::Foreign;
use super::news::{News, face_of};
use super::{Nodes, lock};
use crate::proto::chat::event::{Author, Change, Who};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};
use crate::proto::chat::name::Nick;
use crate::server::chat::store::shared::{Renewed, Shared};
use crate::server::chat::store::{Draft, StoreError};

/// How long a node lives without renewing its lease.
const LEASE: Duration = Duration::from_secs(15);

/// How often the store is asked for what has changed.
const BEAT: Duration = Duration::from_secs(1);

/// Beats between two renewals of the lease.
const RENEW: u32 = 3;

/// Beats between two complete comparisons with the store and other nodes.
const COMPLETE: u32 = 60;

/// How far back a look into the store goes, so that the clocks of nodes may differ a little.
const RECENT: Millis = 60_000;

/// The least time between two looks into the store.
const PAUSE: Duration = Duration::from_millis(100);

/// Why guests are ended whose names may belong to others by now.
const LOST: &str = "The server was away from the others";

/// The smallest id of what happened lately.
pub(super) fn recent(now: Millis) -> MessageId {
    MessageId::first_of(now.saturating_sub(RECENT))
}

impl House {
    /// Begins the lease of this node.
    pub(in super::super) async fn begin_lease(
        shared: &dyn Shared,
        nodes: &Nodes,
    ) -> Result<Renewed, StoreError> {
        shared.renew(nodes.id, LEASE).await
    }

    /// Keeps the lease, puts out the guests of dead nodes (at first those that are `freed` already), and looks into the store for what was missed on the bus.
    pub(in super::super) async fn keep_lease(self, freed: Vec<(String, Option<AccountId>)>) {
        self.put_out_guests(freed).await;
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beat: u32 = 0;
        let mut away = false;
        loop {
            let Some(nodes) = &self.0.nodes else { return };
            let Some(shared) = self.0.store.shared() else { return };
            tokio::select! {
                _ = beats.tick() => beat = beat.wrapping_add(1),
                () = nodes.behind.notified() => sleep_until(Instant::now() + PAUSE).await,
            }
            if beat.is_multiple_of(RENEW) {
                match shared.renew(nodes.id, LEASE).await {
                    Ok(renewed) => self.renewed(nodes, renewed).await,
                    Err(error) => tracing::debug!(%error, "the lease of this node is not renewed"),
                }
            }
            nodes.say(News::Alive);
            let complete = beat.is_multiple_of(COMPLETE) || away;
            let since = if complete { MessageId::first_of(0) } else { recent(self.now()) };
            match shared.changed_since(since).await {
                Ok(changed) => {
                    away = false;
                    self.compare(changed, complete).await;
                }
                Err(_) => away = true,
            }
            if complete {
                nodes.say_all(&self.0);
            }
        }
    }

    /// Looks for rooms of which there is more in the store than here.
    async fn compare(&self, changed: Vec<(RoomId, Seq)>, complete: bool) {
        self.look_into(&changed).await;
        if complete {
            let there: HashMap<_, _> = changed.into_iter().collect();
            let known: Vec<_> = self.0.rooms().by_id.values().cloned().collect();
            for room in known.into_iter().filter(|room| !there.contains_key(&room.id())) {
                // It may have been opened since; then the store knows it.
                if matches!(self.store().room_by_id(room.id()).await, Ok(None)) {
                    let _ = self.0.queue.send(Waiting::Foreign(Foreign::Dropped(room.id()))).await;
                }
            }
        }
    }

    async fn renewed(&self, nodes: &Nodes, renewed: Renewed) {
        let Renewed { kept, alive, freed } = renewed;
        if !kept {
            self.claim_again().await;
        }
        self.put_out_guests(freed).await;
        self.forget_users(|node, _| alive.contains(&node));
        lock(&nodes.heard).retain(|node, _| alive.contains(node));
    }

    /// The lease had ended: what this node holds may be somebody else's.
    async fn claim_again(&self) {
        tracing::warn!("the lease of this node had ended: its guests have to come again");
        let users: Vec<Arc<User>> = self.users().into_iter().filter(|user| user.is_local()).collect();
        for user in users {
            let face = user.face();
            let account = face.account.as_ref().map(|(id, _)| *id);
            if account.is_none() || self.claim(&face.nick, account).await.is_err() {
                user.sessions().iter().for_each(|session| session.end(LOST));
            }
        }
    }

    /// Guests of nodes that have ended leave their rooms.
    async fn put_out_guests(&self, freed: Vec<(String, Option<AccountId>)>) {
        for (nick, _) in freed.into_iter().filter(|(_, account)| account.is_none()) {
            // Whoever is here again under that name is somebody else, and a member by its own coming.
            if self.user(&nick).is_some_and(|user| user.is_local()) {
                continue;
            }
            let who = Who::Guest(nick.into());
            let rooms: Vec<Arc<RoomCell>> = self.0.rooms().by_id.values().cloned().collect();
            for room in rooms {
                let Some(nick) = room.look(|room| room.member(&who).map(|member| member.nick.clone())) else {
                    continue;
                };
                let by = Author { nick, account: None, user: "guest".into(), host: "guest".into() };
                let face = face_of(&by, None, "");
                let change = Change::Leave { reason: None, quit: true };
                let draft = Draft { room: room.id(), id: self.id(), by, change, client_id: None };
                let pending = Pending {
                    room: Arc::clone(&room),
                    draft,
                    face: face.clone(),
                    user: None,
                    done: Done::Nobody,
                    way: Arc::clone(&self.0.way),
                };
                let _ = self.0.queue.send(Waiting::Change(Box::new(pending))).await;
                self.settle_and_drop(&room, &face).await;
            }
        }
    }

    /// Takes a nick for somebody here.
    pub(in super::super) async fn claim(
        &self,
        nick: &Nick,
        account: Option<AccountId>,
    ) -> Result<(), NoNick> {
        let (Some(nodes), Some(shared)) = (&self.0.nodes, self.0.store.shared()) else { return Ok(()) };
        match shared.claim(nodes.id, nick.clone(), account).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(NoNick::Taken(nick.clone())),
            Err(error) => Err(NoNick::Store(Arc::new(error))),
        }
    }

    /// Gives a nick back that nobody here has any longer.
    pub(in super::super) async fn release(&self, nick: &Nick) {
        let (Some(nodes), Some(shared)) = (&self.0.nodes, self.0.store.shared()) else { return };
        let _order = self.0.opening(&format!("nick {nick}")).write().await;
        if self.user(nick.as_str()).is_some_and(|user| user.is_local()) {
            return;
        }
        if let Err(error) = shared.release(nodes.id, nick.clone()).await {
            tracing::debug!(%error, %nick, "a name stays taken as long as this node lives");
        }
    }
}
