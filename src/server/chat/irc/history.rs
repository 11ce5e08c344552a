//! What was said earlier: CHATHISTORY (IRCv3 chathistory, event-playback), and how far one has read: MARKREAD (IRCv3 read-marker).

use std::collections::HashMap;
use std::sync::Arc;

use super::client::Client;
use super::dialect::marker;
use crate::proto::chat::event::{Change, Event, Who};
use crate::proto::chat::id::{AccountId, Millis, RoomId};
use crate::proto::chat::name::Nick;
use crate::proto::irc::cap::Cap;
use crate::proto::irc::chathistory::{self, Fault, Query as Asked, Request, Selector};
use crate::proto::irc::message::Message;
use crate::proto::irc::time;
use crate::proto::irc::write::Line;
use crate::server::chat::house::room::RoomCell;
use crate::server::chat::house::told::Place as Where;
use crate::server::chat::store::history::{Entry, Part, Place, Query, Which};
use crate::server::chat::store::{Cursor, StoreError};

/// The type of the batch with targets.
const TARGETS: &str = "draft/chathistory-targets";

/// Targets whose read markers a guest's session keeps, at most.
const MAX_MARKERS: usize = 1000;

/// Read markers of accounts that are kept beside their cursors, at most.
const MAX_ALL_MARKERS: usize = 100_000;

impl Client {
    /// The room whose log the client may read under this name: a channel that it is in, or what it has said with somebody.
    pub(super) async fn log_of(&self, target: &str) -> Option<Arc<RoomCell>> {
        let user = self.user.as_ref()?;
        if target.starts_with('#') {
            return self.visible(target).filter(|room| user.is_in(room.id()));
        }
        let (me, _) = user.face().account?;
        let other = match self.door.house.user(target) {
            Some(other) => other.face().account.map(|(id, _)| id)?,
            None => self.door.accounts.account_named(&target.parse::<Nick>().ok()?).await.ok()??.id,
        };
        self.door.house.direct(me, other)
    }

    pub(super) async fn chathistory(&mut self, message: &Message<'_>) {
        // Whoever asks finds what it has said itself before.
        self.wait().await;
        let word = message.param(0).unwrap_or_default();
        let asked = match chathistory::parse(message.params()) {
            Ok(asked) => asked,
            Err(fault) => return self.history_fault(fault, word),
        };
        match asked {
            Asked::Messages { target, request, limit } => {
                self.show_history(word, target, request, limit).await;
            }
            Asked::Targets { from, to, limit } => {
                if let Err(error) = self.show_targets(from, to, limit).await {
                    self.history_away(&error, &[word]);
                }
            }
        }
    }

    fn history_fault(&mut self, fault: Fault, word: &str) {
        self.fail("CHATHISTORY", "INVALID_PARAMS", &[word], &fault.to_string());
    }

    fn history_away(&mut self, error: &StoreError, context: &[&str]) {
        tracing::warn!(%error, "history was not read");
        self.fail("CHATHISTORY", "MESSAGE_ERROR", context, "Messages could not be retrieved");
    }

    async fn show_history(&mut self, word: &str, target: &str, request: Request<'_>, limit: usize) {
        let room = self.log_of(target).await;
        if room.is_none() && target.starts_with('#') {
            let text = "There is no such channel, or you are not in it";
            return self.fail("CHATHISTORY", "INVALID_TARGET", &[word, target], text);
        }
        let part = match part(request) {
            Ok(part) => part,
            Err(fault) => return self.history_fault(fault, word),
        };
        let which = if self.caps.has(Cap::EventPlayback) { Which::MessagesAndState } else { Which::Messages };
        let mut events = Vec::new();
        if let Some(room) = room.as_ref().filter(|_| limit > 0) {
            match self.door.house.store().page(Query { room: room.id(), part, which, limit }).await {
                Ok(page) => events = living(page.entries),
                Err(error) => return self.history_away(&error, &[word, target]),
            }
        } else if let Some((account, _)) = self.user.as_ref().and_then(|user| user.face().account) {
            events = self.door.whispers.page(account, target, part, limit);
        }
        let lines = self.past_lines(target, room.as_deref(), &events).await;
        self.batch_of("chathistory", Some(target), lines);
    }

    /// Shows what was said in a channel that the client has entered, if it knows when lines were said and has no way to ask for them.
    pub(super) async fn play_back(&mut self, room: &RoomCell) {
        let limit = self.door.settings.playback;
        if limit == 0 || !self.caps.has(Cap::ServerTime) || self.caps.has(Cap::Chathistory) {
            return;
        }
        let query = Query { room: room.id(), part: Part::Latest, which: Which::Messages, limit };
        let page = match self.door.house.store().page(query).await {
            Ok(page) => page,
            Err(error) => return tracing::warn!(%error, "history was not read"),
        };
        let Some(name) = room.name().map(ToString::to_string) else { return };
        let lines = self.past_lines(&name, Some(room), &living(page.entries)).await;
        if !lines.is_empty() {
            self.batch_of("chathistory", Some(&name), lines);
        }
    }

    async fn past_lines(&self, target: &str, room: Option<&RoomCell>, events: &[Event]) -> Vec<Line> {
        let Some(user) = &self.user else { return Vec::new() };
        let face = user.face();
        // As the other one is written, and not as it was typed.
        let with = match self.door.house.user(target) {
            Some(other) => Some(other.nick()),
            None => self.other_member(room).or_else(|| target.parse().ok()),
        };
        let names = self.account_names(events).await;
        let veil = room.filter(|room| self.is_veiled(room));
        let mut lines = Vec::new();
        for event in events {
            if veil.is_some_and(|room| comes_or_goes_unseen(room, event, &face.who())) {
                continue;
            }
            let account = event.by.account.and_then(|id| names.get(&id)).map(Nick::as_str);
            // In a direct room the name of the author may have changed since then.
            let place = match (room.and_then(RoomCell::name), &with) {
                (Some(name), _) => Where::Room(name),
                (None, Some(with)) if face.account.as_ref().map(|(id, _)| *id) == event.by.account => {
                    Where::Direct { with, nick: with, me: &event.by.nick }
                }
                (None, Some(with)) => Where::Direct { with, nick: with, me: &face.nick },
                (None, None) => continue,
            };
            lines.extend(self.door.language.past(self.caps, event, place, account));
        }
        lines
    }

    /// The other one of a direct room.
    fn other_member(&self, room: Option<&RoomCell>) -> Option<Nick> {
        let me = self.user.as_ref()?.face().who();
        room?.look(|room| {
            let other = room.members().find(|(who, _)| **who != me);
            other.map(|(_, member)| member.nick.clone())
        })
    }

    async fn account_names(&self, events: &[Event]) -> HashMap<AccountId, Nick> {
        let mut ids: Vec<AccountId> = events.iter().filter_map(|event| event.by.account).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() || !self.caps.has(Cap::AccountTag) {
            return HashMap::new();
        }
        let accounts = self.door.house.store().accounts_by_id(ids).await.unwrap_or_default();
        accounts.into_iter().map(|account| (account.id, account.name)).collect()
    }

    /// Answers with lines as one batch, where the client knows batches.
    pub(super) fn batch_of(&mut self, kind: &str, target: Option<&str>, lines: Vec<Line>) {
        if !self.caps.has(Cap::Batch) {
            return self.replies.extend(lines);
        }
        let reference = format!("h{}", self.next_number());
        let open = Line::new(self.door.name(), "BATCH").param(&format!("+{reference}")).param(kind);
        self.replies.push(match target {
            Some(target) => open.param(target),
            None => open,
        });
        for line in lines {
            self.replies.push(if line.has_tag("batch") { line } else { line.tag("batch", &reference) });
        }
        self.replies.push(Line::new(self.door.name(), "BATCH").param(&format!("-{reference}")));
    }

    async fn show_targets(&mut self, from: Millis, to: Millis, limit: usize) -> Result<(), StoreError> {
        let Some(user) = self.user.clone() else { return Ok(()) };
        let face = user.face();
        let mut rooms = user.rooms();
        if let Some((account, _)) = face.account {
            rooms.extend(self.door.house.rooms_of(account).into_iter().filter(|room| room.name().is_none()));
        }
        let mut found: Vec<(Millis, String)> = Vec::new();
        for room in rooms {
            let query = Query { room: room.id(), part: Part::Latest, which: Which::Messages, limit: 1 };
            let page = self.door.house.store().page(query).await?;
            let Some(last) = page.entries.last().map(|entry| entry.event.id.time()) else { continue };
            if last > from && last < to {
                let other = || {
                    room.look(|room| {
                        let me = face.who();
                        let other = room.members().find(|(who, _)| **who != me);
                        other.map(|(who, member)| (who.clone(), member.nick.clone()))
                    })
                    .map_or_else(|| face.nick.clone(), |(who, name)| self.door.house.called(&who, &name))
                    .to_string()
                };
                found.push((last, room.name().map_or_else(other, ToString::to_string)));
            }
        }
        if let Some((account, _)) = user.face().account {
            let talks = self.door.whispers.talks(account);
            found.extend(talks.into_iter().filter(|(last, _)| *last > from && *last < to));
        }
        found.sort();
        found.truncate(limit);
        let line = |(at, name): &(Millis, String)| {
            let line = Line::new(self.door.name(), "CHATHISTORY").param("TARGETS");
            line.param(name).param(&time::format(*at))
        };
        let lines = found.iter().map(line).collect();
        self.batch_of(TARGETS, None, lines);
        Ok(())
    }

    pub(super) async fn markread(&mut self, message: &Message<'_>) {
        let target = message.params()[0];
        let room = self.log_of(target).await;
        if room.is_none() && target.starts_with('#') {
            if message.given(1).is_some() {
                return self.fail("MARKREAD", "INVALID_PARAMS", &[target], "You are not in this channel");
            }
            let line = marker(self.door.name(), target, None);
            return self.replies.push(line);
        }
        if let Some(stamp) = message.given(1) {
            let Ok(at) = chathistory::timestamp(stamp) else {
                return self.fail("MARKREAD", "INVALID_PARAMS", &[target, stamp], "Invalid timestamp");
            };
            if self.mark(target, room.as_ref(), at).await.is_err() {
                return self.fail(
                    "MARKREAD",
                    "INTERNAL_ERROR",
                    &[target],
                    "It could not be kept: try again soon",
                );
            }
        }
        let read = match &room {
            Some(room) => self.read_until(room.id(), target).await,
            None => self.markers.get(&target.to_ascii_lowercase()).copied(),
        };
        self.replies.push(marker(self.door.name(), target, read));
    }

    async fn mark(
        &mut self,
        target: &str,
        room: Option<&Arc<RoomCell>>,
        at: Millis,
    ) -> Result<(), StoreError> {
        let Some(user) = self.user.clone() else { return Ok(()) };
        let (Some((account, _)), Some(room)) = (user.face().account, room) else {
            let key = target.to_ascii_lowercase();
            if self.markers.len() < MAX_MARKERS || self.markers.contains_key(&key) {
                let marker = self.markers.entry(key).or_default();
                *marker = at.max(*marker);
            }
            return Ok(());
        };
        if self.read_until(room.id(), target).await.is_some_and(|read| read >= at) {
            return Ok(());
        }
        {
            let mut markers = self.door.markers();
            let key = (account, target.to_ascii_lowercase());
            if markers.len() < MAX_ALL_MARKERS || markers.contains_key(&key) {
                markers.insert(key, at);
            }
        }
        let part = Part::Before(Place::Time(at.saturating_add(1)));
        let query = Query { room: room.id(), part, which: Which::All, limit: 1 };
        let page = self.door.house.store().page(query).await?;
        let read = page.entries.last().map_or(0, |entry| entry.event.seq);
        let cursor = Cursor { delivered: read, read, read_at: at };
        let tell = self.account.as_ref().is_none_or(|account| account.profile.read_receipts != Some(false));
        let session = Arc::clone(self.session());
        let moved = self.door.house.advance(&user, account, &session, room, cursor, tell).await;
        if read == 0
            && let Some(name) = room.name()
        {
            // Nothing was said before that time, and no cursor has moved.
            self.door.house.tell_read(account, Where::Room(name), 0, at, Some(session.id));
        }
        moved.map_err(|refused| StoreError::Away(refused.to_string()))
    }

    /// When what the client has read last was said.
    pub(super) async fn read_until(&self, room: RoomId, target: &str) -> Option<Millis> {
        let user = self.user.as_ref()?;
        let Some((account, _)) = user.face().account else {
            return self.markers.get(&target.to_ascii_lowercase()).copied();
        };
        let cursors = self.door.house.store().cursors(account).await.unwrap_or_default();
        let found = cursors.into_iter().find(|(id, _)| *id == room).map(|(_, cursor)| cursor.read_at);
        let marked = self.door.markers().get(&(account, target.to_ascii_lowercase())).copied();
        found.max(marked).filter(|read| *read > 0)
    }
}

/// The events of a page whose messages were not deleted.
fn living(entries: Vec<Entry>) -> Vec<Event> {
    entries.into_iter().filter(|entry| entry.deleted.is_none()).map(|entry| entry.event).collect()
}

/// Whether somebody has come or gone who was not shown in a channel, and is not the one who asks.
fn comes_or_goes_unseen(room: &RoomCell, event: &Event, own: &Who) -> bool {
    let who = match &event.change {
        Change::Join | Change::Leave { .. } | Change::Rename { .. } => event.by.who(),
        Change::Kick { who, .. } => who.clone(),
        _ => return false,
    };
    who != *own && room.look(|room| room.was_veiled(&who, event.seq))
}

/// The part of a log that is asked for.
fn part(request: Request<'_>) -> Result<Part, Fault> {
    let place = |selector: Selector<'_>| match selector {
        Selector::Timestamp(at) => Ok(Place::Time(at)),
        Selector::Msgid(id) => id.parse().map(Place::Id).map_err(|_| Fault::InvalidParams),
    };
    Ok(match request {
        Request::Latest(None) => Part::Latest,
        Request::Latest(Some(after)) => Part::LatestAfter(place(after)?),
        Request::Before(at) => Part::Before(place(at)?),
        Request::After(at) => Part::After(place(at)?),
        Request::Around(at) => Part::Around(place(at)?),
        Request::Between(from, to) => Part::Between(place(from)?, place(to)?),
    })
}
