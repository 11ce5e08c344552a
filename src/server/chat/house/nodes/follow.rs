//! Events of rooms that other nodes have committed.
//!
//! They come to the task that also applies what is committed here, so that each room has its events from one hand, in the order of their numbers. What
//! is behind the next number is read from the store, up to it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::commit::{Done, Waiting};
use super::super::mailbox::Wakers;
use super::super::room::RoomCell;
use super::super::user::{Face, User};
use super::super::{House, Inner};
use super::lock;
use super::news::{EventNews, face_of};
use crate::proto::chat::event::{Author, Change, Event, Who};
use crate::proto::chat::id::{AccountId, RoomId, Seq};
use crate::proto::chat::name::Nick;
use crate::proto::chat::room::Room;
use crate::server::chat::store::StoreError;
use crate::server::chat::store::history::{MAX_PAGE, Part, Place, Query, Which};

/// Those who have joined and are not known yet, at most.
const MAX_EARLY: usize = 10_000;

/// What comes from other nodes, or from the store.
#[derive(Debug)]
pub(in super::super) enum Foreign {
    /// An event.
    Event(Box<EventNews>),
    /// A room has an event of this number.
    Head(RoomId, Seq),
    /// There is no such room any longer.
    Dropped(RoomId),
}

impl House {
    /// Takes in what comes from other nodes.
    pub(in super::super) async fn take_in(&self, foreign: Foreign) {
        let outcome = match foreign {
            Foreign::Event(news) => self.take_event(*news).await,
            Foreign::Head(room, head) => self.reach(room, head).await,
            Foreign::Dropped(room) => {
                if let Some(room) = self.room_by_id(room) {
                    self.0.abandon(&room);
                }
                Ok(())
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "what another node has done cannot be read yet");
            // It is seen again when the store is asked for what has changed.
            if let Some(nodes) = &self.0.nodes {
                nodes.behind.notify_one();
            }
        }
    }

    async fn take_event(&self, news: EventNews) -> Result<(), StoreError> {
        let Some(room) = self.room_by_id(news.room()) else {
            return self.reach(news.room(), news.seq).await;
        };
        if news.seq > room.head() + 1 {
            self.fill(&room, news.seq).await?;
        }
        if news.seq == room.head() + 1 {
            let (event, face) = news.into_parts();
            self.0.take(&room, &event, &face);
        }
        Ok(())
    }

    /// Reads what there is of a room up to `head`.
    async fn reach(&self, id: RoomId, head: Seq) -> Result<(), StoreError> {
        let room = match self.room_by_id(id) {
            Some(room) => room,
            None => {
                let Some(stored) = self.store().room_by_id(id).await? else { return Ok(()) };
                let mut known = stored.snapshot;
                stored.since.iter().for_each(|event| known.apply(event));
                // It begins empty, so that all that has happened is told to those whom it concerns; and nobody finds it before it is whole.
                let room = RoomCell::new(Room::new(id), known.name().cloned());
                self.fill(&room, head.max(stored.head).saturating_add(1)).await?;
                self.0.know(&room);
                let members: Vec<Who> =
                    room.look(|room| room.members().map(|(who, _)| who.clone()).collect());
                members.iter().for_each(|who| self.0.bring(who, &room));
                return Ok(());
            }
        };
        self.fill(&room, head.saturating_add(1)).await
    }

    /// Reads the events of a room before `until`, and applies them.
    pub(in super::super) async fn fill(&self, room: &Arc<RoomCell>, until: Seq) -> Result<(), StoreError> {
        self.read_on(room, until).await?;
        if room.head().saturating_add(1) < until {
            // The last ones have been forgotten since.
            room.lock().room.catch_up(until - 1);
        }
        Ok(())
    }

    /// Reads the events of a room before `until`, as far as there are any, and applies them.
    pub(in super::super) async fn read_on(&self, room: &Arc<RoomCell>, until: Seq) -> Result<(), StoreError> {
        loop {
            let head = room.head();
            if head.saturating_add(1) >= until {
                return Ok(());
            }
            let part = Part::After(Place::Seq(head));
            let query = Query { room: room.id(), part, which: Which::All, limit: MAX_PAGE };
            let page = self.store().page(query).await?;
            let names = self.names(page.entries.iter().filter_map(|entry| entry.event.by.account)).await?;
            for entry in &page.entries {
                let event = &entry.event;
                if event.seq >= until {
                    break;
                }
                let name = names.iter().find(|(id, _)| Some(*id) == event.by.account);
                let mut face = face_of(&event.by, name.map(|(_, name)| name.clone()), "");
                // The log does not have what the author called itself; if it is still there, it can be told.
                if let Some(known) = self.0.seen(&event.by).map(|user| user.face())
                    && known.nick == event.by.nick
                {
                    (face.real, face.bot) = (known.real, known.bot);
                }
                self.0.take(room, event, &face);
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    /// The names of accounts.
    async fn names(
        &self,
        accounts: impl Iterator<Item = AccountId>,
    ) -> Result<Vec<(AccountId, Nick)>, StoreError> {
        let mut ids: Vec<AccountId> = accounts.collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let accounts = self.store().accounts_by_id(ids).await?;
        Ok(accounts.into_iter().map(|account| (account.id, account.name)).collect())
    }

    /// Catches up with what the store has seen lately: for somebody who has been told more by another node. Says whether there are other nodes.
    pub async fn refresh(&self) -> bool {
        let Some(shared) = self.store().shared().filter(|_| self.0.nodes.is_some()) else { return false };
        match shared.changed_since(super::lease::recent(self.now())).await {
            Ok(changed) => self.look_into(&changed).await,
            Err(error) => tracing::debug!(%error, "what other nodes have done lately is not known"),
        }
        let (sender, done) = oneshot::channel();
        self.0.barrier(sender).await;
        let _ = done.await;
        true
    }

    /// Has rooms read of which there is more in the store than here.
    pub(super) async fn look_into(&self, changed: &[(RoomId, Seq)]) {
        for (room, head) in changed {
            if self.room_by_id(*room).is_none_or(|known| known.head() < *head) {
                let _ = self.0.queue.send(Waiting::Foreign(Foreign::Head(*room, *head))).await;
            }
        }
    }
}

impl Inner {
    /// Applies an event of another node.
    fn take(&self, room: &Arc<RoomCell>, event: &Event, face: &Face) {
        let user = self.seen(&event.by);
        if let (Change::Join, Some(nodes), None) = (&event.change, &self.nodes, &user) {
            let mut early = lock(&nodes.early);
            if early.len() >= MAX_EARLY {
                early.clear();
            }
            early.insert((room.id(), event.by.nick.folded()));
        }
        self.happen(room, event, face, user.as_ref(), Done::Nobody, &mut Wakers::default());
        if let (Change::Join, Some(user)) = (&event.change, &user) {
            self.tell_absence(user, room);
        }
    }

    /// The author of an event, if it is here, on whichever node.
    fn seen(&self, by: &Author) -> Option<Arc<User>> {
        let people = self.people();
        let by_nick = people.by_nick.get(&by.nick.folded()).filter(|user| user.face().who() == by.who());
        let by_account = || match by.who() {
            Who::Account(account) => people.by_account.get(&account).and_then(|users| users.first()),
            Who::Guest(_) => None,
        };
        by_nick.or_else(by_account).cloned()
    }

    /// A room was forgotten by another node, as nobody was in it.
    pub(in super::super) fn abandon(&self, room: &Arc<RoomCell>) {
        for (user, _) in room.here() {
            self.put_out(room, &user);
        }
        self.forget(room);
    }
}
