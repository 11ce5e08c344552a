//! A log in memory, as simple as can be: what the store must say, too.

use std::collections::HashMap;

use super::super::history::{Entry, MAX_PAGE, Page, Part, Place, Query, Reaction, Which};
use super::super::{Appended, Draft};
use super::next;
use crate::proto::chat::event::{Change, Event, Message, RoomKind, Who};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};

#[derive(Clone, Default)]
pub(super) struct Model {
    rooms: HashMap<RoomId, Room>,
    sent: HashMap<(AccountId, String), (Seq, MessageId)>,
}

#[derive(Clone, Default)]
struct Room {
    key: Option<String>,
    closed: bool,
    head: Seq,
    entries: Vec<Entry>,
    reactions: HashMap<MessageId, Vec<(String, Who)>>,
}

impl Model {
    /// `None` if a name is taken.
    pub(super) fn append(&mut self, drafts: &[Draft]) -> Option<Vec<Appended>> {
        let mut next = self.clone();
        let appended = drafts.iter().map(|draft| next.one(draft)).collect::<Option<Vec<_>>>()?;
        *self = next;
        Some(appended)
    }

    fn one(&mut self, draft: &Draft) -> Option<Appended> {
        let sent = draft.by.account.zip(draft.client_id.clone());
        if let Some((seq, id)) = sent.as_ref().and_then(|sent| self.sent.get(sent)) {
            return Some(Appended::Known(*seq, *id));
        }
        if let Change::Create { kind, name, members } = &draft.change {
            let key = match (kind, &members[..]) {
                (RoomKind::Direct, [one, other]) => Some(format!(
                    "{:?}",
                    [&one.0, &other.0].iter().max().zip([&one.0, &other.0].iter().min())
                )),
                _ => name.as_ref().map(|name| name.folded().to_string()),
            };
            let taken = self.rooms.values().any(|room| key.is_some() && room.key == key);
            if taken || self.rooms.contains_key(&draft.room) {
                return None;
            }
            self.rooms.insert(draft.room, Room { key, ..Room::default() });
        }
        let Some(room) = self.rooms.get_mut(&draft.room).filter(|room| !room.closed) else {
            return Some(Appended::NoRoom);
        };
        room.head += 1;
        room.apply(draft);
        let seq = room.head;
        self.sent.extend(sent.map(|sent| (sent, (seq, draft.id))));
        Some(Appended::New(seq))
    }

    pub(super) fn page(&self, query: &Query) -> Page {
        let Some(room) = self.rooms.get(&query.room) else { return Page::default() };
        let limit = query.limit.min(MAX_PAGE);
        let entries: Vec<&Entry> = room.entries.iter().filter(|entry| fits(entry, query.which)).collect();
        let before = |place| entries.iter().filter(|entry| order(place, entry).is_lt()).count();
        let until = |place| entries.iter().filter(|entry| order(place, entry).is_le()).count();
        let first = |from: usize, to: usize| (from, to.min(from + limit), from + limit < to);
        let last = |from: usize, to: usize| (from.max(to.saturating_sub(limit)), to, from + limit < to);
        let end = entries.len();
        let (from, to, more) = match query.part {
            Part::Latest => last(0, end),
            Part::LatestAfter(place) => last(until(place), end),
            Part::Before(place) => last(0, before(place)),
            Part::After(place) => first(until(place), end),
            Part::Around(place) => {
                let (from, to) =
                    (before(place).saturating_sub(limit / 2), end.min(before(place) + limit - limit / 2));
                (from, to, from > 0 || to < end)
            }
            Part::Between(one, other) if before(one) <= before(other) => {
                first(until(one).min(before(other)), before(other))
            }
            Part::Between(one, other) => last(until(other).min(before(one)), before(one)),
        };
        let entries = entries[from..to].iter().map(|entry| room.full(entry)).collect();
        Page { entries, more }
    }

    pub(super) fn events(&self) -> usize {
        self.rooms.values().map(|room| room.entries.len()).sum()
    }

    pub(super) fn event(&self, room: RoomId, id: MessageId) -> Option<Entry> {
        let room = self.rooms.get(&room)?;
        room.entries.iter().find(|entry| entry.event.id == id).map(|entry| room.full(entry))
    }

    /// The rooms that are not closed, with their last events and what has changed them.
    pub(super) fn rooms(&self) -> Vec<(RoomId, Seq, Vec<Event>)> {
        let changes = |room: &Room| {
            let events = room.entries.iter().map(|entry| entry.event.clone());
            events
                .filter(|event| event.change.is_state() || matches!(event.change, Change::Delete { .. }))
                .collect()
        };
        let open = self.rooms.iter().filter(|(_, room)| !room.closed);
        let mut rooms: Vec<_> = open.map(|(id, room)| (*id, room.head, changes(room))).collect();
        rooms.sort_by_key(|(id, ..)| *id);
        rooms
    }

    /// The messages of these rooms with this word, the newest first.
    pub(super) fn search(&self, word: &str, by: Option<AccountId>, rooms: &[RoomId]) -> Vec<Entry> {
        let mut found = Vec::new();
        for room in rooms.iter().filter_map(|room| self.rooms.get(room)) {
            let fits = |entry: &&Entry| {
                let Change::Message(message) = &entry.event.change else { return false };
                message.text.split(' ').any(|other| other == word)
                    && by.is_none_or(|by| entry.event.by.account == Some(by))
            };
            found.extend(room.entries.iter().filter(fits).map(|entry| room.full(entry)));
        }
        found.sort_by_key(|entry| std::cmp::Reverse(entry.event.id));
        found
    }

    pub(super) fn retain(&mut self, before: Option<Millis>, bytes: Option<u64>) -> u64 {
        let mut forgotten = 0;
        if let Some(time) = before {
            forgotten += self.forget_until(MessageId::first_of(time));
        }
        while let Some(bytes) = bytes {
            let size = |entry: &Entry| entry.event.change.bytes();
            let all = self.rooms.values().flat_map(|room| &room.entries).filter(|entry| size(entry) > 0);
            let (total, oldest) = all.fold((0, None::<MessageId>), |(total, oldest), entry| {
                let id = entry.event.id;
                (total + size(entry), Some(oldest.map_or(id, |oldest| oldest.min(id))))
            });
            let Some(oldest) = oldest.filter(|_| total > bytes) else { break };
            forgotten += self.forget_until(next(oldest));
        }
        forgotten
    }

    fn forget_until(&mut self, until: MessageId) -> u64 {
        let mut forgotten = 0;
        for room in self.rooms.values_mut() {
            let gone: Vec<MessageId> = room
                .entries
                .iter()
                .filter(|entry| is_message(entry) && entry.event.id < until)
                .map(|entry| entry.event.id)
                .collect();
            forgotten += gone.len() as u64;
            room.entries.retain(|Entry { event, .. }| match &event.change {
                Change::Edit { of, .. } => event.id >= until && !gone.contains(of),
                change => event.id >= until || change.is_state() || matches!(change, Change::Delete { .. }),
            });
        }
        forgotten
    }
}

impl Room {
    fn apply(&mut self, draft: &Draft) {
        let now = draft.id.time();
        let who = draft.by.who();
        let target = |entries: &mut Vec<Entry>, id: MessageId| {
            entries.iter().position(|entry| entry.event.id == id && is_message(entry))
        };
        let event = Event {
            room: draft.room,
            seq: self.head,
            id: draft.id,
            by: draft.by.clone(),
            change: draft.change.clone(),
        };
        let entry = Entry { event, edited: None, deleted: None, reactions: Vec::new(), replies: 0 };
        match &draft.change {
            Change::Message(Message { thread: Some(first), .. }) => {
                if let Some(at) = target(&mut self.entries, *first) {
                    self.entries[at].replies += 1;
                }
            }
            Change::Edit { of, text: new } => {
                if let Some(at) =
                    target(&mut self.entries, *of).filter(|at| self.entries[*at].deleted.is_none())
                    && let Change::Message(message) = &mut self.entries[at].event.change
                {
                    message.text.clone_from(new);
                    self.entries[at].edited = Some(now);
                }
            }
            Change::Delete { of, .. } => {
                let tags = self
                    .entries
                    .iter_mut()
                    .find(|entry| entry.event.id == *of && matches!(entry.event.change, Change::Tags { .. }));
                if let Some(entry) = tags.filter(|entry| entry.deleted.is_none()) {
                    entry.deleted = Some(now);
                    entry.event.change = Change::Tags { tags: Vec::new() };
                }
                if let Some(at) =
                    target(&mut self.entries, *of).filter(|at| self.entries[*at].deleted.is_none())
                {
                    self.entries[at].deleted = Some(now);
                    self.reactions.remove(of);
                    for entry in &mut self.entries {
                        match &mut entry.event.change {
                            Change::Message(message) if entry.event.id == *of => {
                                (message.text, message.media) = (String::new(), Vec::new());
                                (message.mentions, message.tags) = (Vec::new(), Vec::new());
                            }
                            Change::Edit { of: edited, text } if edited == of => text.clear(),
                            _ => {}
                        }
                    }
                }
            }
            Change::React { to, reaction } => {
                let alive =
                    target(&mut self.entries, *to).is_some_and(|at| self.entries[at].deleted.is_none());
                let all = self.reactions.entry(*to).or_default();
                let mine = (reaction.clone(), who);
                if alive && !all.contains(&mine) {
                    all.push(mine);
                }
            }
            Change::Unreact { to, reaction } => {
                self.reactions.entry(*to).or_default().retain(|(text, by)| text != reaction || *by != who);
            }
            Change::Close => (self.closed, self.key) = (true, None),
            _ => {}
        }
        self.entries.push(entry);
    }

    fn full(&self, entry: &Entry) -> Entry {
        let mut reactions: Vec<Reaction> = Vec::new();
        for (text, who) in self.reactions.get(&entry.event.id).into_iter().flatten() {
            match reactions.iter_mut().find(|reaction| reaction.text == *text) {
                Some(reaction) => reaction.by.push(who.clone()),
                None => reactions.push(Reaction { text: text.clone(), by: vec![who.clone()] }),
            }
        }
        Entry { reactions, ..entry.clone() }
    }
}

fn is_message(entry: &Entry) -> bool {
    matches!(entry.event.change, Change::Message(_))
}

fn fits(entry: &Entry, which: Which) -> bool {
    match (which, &entry.event.change) {
        (Which::All, _) | (Which::Messages | Which::MessagesAndState, Change::Message(_)) => true,
        (Which::MessagesAndState, change) => {
            let tags = matches!(change, Change::React { .. } | Change::Unreact { .. } | Change::Tags { .. });
            tags || change.is_state()
        }
        (Which::Thread(first), Change::Message(message)) => {
            message.thread == Some(first) || entry.event.id == first
        }
        _ => false,
    }
}

/// How an event stands to a place.
fn order(place: Place, entry: &Entry) -> std::cmp::Ordering {
    match place {
        Place::Seq(seq) => entry.event.seq.cmp(&seq),
        Place::Id(id) => entry.event.id.cmp(&id),
        Place::Time(time) => entry.event.id.time().cmp(&time),
    }
}
