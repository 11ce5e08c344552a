//! One room as the client knows it: what was said, who is there, what is unread.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

/// Entries that are kept of a room. Older ones are asked for again when somebody scrolls back.
pub(super) const MAX_ENTRIES: usize = 5000;

/// Members that are kept of a room.
pub(super) const MAX_MEMBERS: usize = 2000;

/// Who is typing is forgotten after so many milliseconds.
pub(super) const TYPING: u64 = 6000;

/// Something in a room.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entry {
    /// Its number in the room; 0 if it has none (yet).
    pub(super) seq: u64,
    /// Its number everywhere; empty if it has none (yet).
    pub(super) id: String,
    pub(super) at: u64,
    pub(super) from: String,
    /// What was said, or what has happened.
    pub(super) text: String,
    pub(super) kind: Kind,
    /// The message that it answers.
    pub(super) reply: Option<String>,
    pub(super) edited: bool,
    pub(super) deleted: bool,
    /// Reactions, and by whom.
    pub(super) reactions: Vec<(String, Vec<String>)>,
    /// Names of files.
    pub(super) files: Vec<String>,
    /// While the server has not said that it is kept: what the client calls it.
    pub(super) pending: Option<String>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something said.
    #[default]
    Text,
    /// Something done, by `/me`.
    Action,
    /// Something said by a program.
    Notice,
    /// Something that has happened.
    Event,
    /// Something that the client says.
    Note,
    /// The same, when it is bad.
    Error,
}

impl Entry {
    /// Something that the client says.
    pub(super) fn note(kind: Kind, at: u64, text: impl Into<String>) -> Self {
        Self { kind, at, text: text.into(), ..Self::default() }
    }

    /// Whether somebody said it.
    pub(super) fn is_said(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::Action | Kind::Notice)
    }

    /// An event as the server tells it, if it is one that is shown as an entry.
    pub(super) fn of(event: &Value) -> Option<Self> {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let (from, name) = (text("from"), text("name"));
        let because = match event["reason"].as_str() {
            Some(reason) if !reason.is_empty() => format!(" ({reason})"),
            _ => String::new(),
        };
        let (kind, words) = match event["t"].as_str()? {
            "message" => {
                let kind = match event["style"].as_str() {
                    Some("action") => Kind::Action,
                    Some("notice") => Kind::Notice,
                    _ => Kind::Text,
                };
                (kind, text("text"))
            }
            "create" => (Kind::Event, format!("{from} opened the room")),
            "join" => (Kind::Event, format!("{from} joined")),
            "leave" => (Kind::Event, format!("{from} left{because}")),
            "kick" => (Kind::Event, format!("{from} put {name} out{because}")),
            "rename" => (Kind::Event, format!("{from} is now called {name}")),
            "invite" => (Kind::Event, format!("{from} invited {name}")),
            "role" => (Kind::Event, format!("{from} made {name} {}", text("role"))),
            "topic" if text("topic").is_empty() => (Kind::Event, format!("{from} removed the topic")),
            "topic" => (Kind::Event, format!("{from} set the topic: {}", text("topic"))),
            "list" => (Kind::Event, format!("{from} put {} into {}{because}", text("mask"), text("list"))),
            "unlist" => (Kind::Event, format!("{from} took {} out of {}", text("mask"), text("list"))),
            "set" => (Kind::Event, format!("{from} set {}", event["set"])),
            "pin" => (Kind::Event, format!("{from} pinned a message")),
            "unpin" => (Kind::Event, format!("{from} unpinned a message")),
            "close" => (Kind::Event, format!("{from} closed the room")),
            _ => return None,
        };
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let words_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let reactions = list(&event["reactions"])
            .iter()
            .map(|one| (words_of(&one["reaction"]), list(&one["by"]).iter().map(words_of).collect()))
            .collect();
        let file = |file: &Value| {
            let name = words_of(&file["name"]);
            if name.is_empty() { words_of(&file["digest"]).chars().take(12).collect() } else { name }
        };
        Some(Self {
            seq: event["seq"].as_u64().unwrap_or_default(),
            id: text("id"),
            at: event["at"].as_u64().unwrap_or_default(),
            from,
            text: words,
            kind,
            reply: event["reply"].as_str().or(event["thread"].as_str()).map(str::to_owned),
            edited: event["edited"].is_u64(),
            deleted: event["deleted"].is_u64(),
            reactions,
            files: list(&event["media"]).iter().map(file).collect(),
            pending: None,
        })
    }
}

/// A member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) role: String,
    pub(super) presence: String,
}

/// A room.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) entries: Vec<Entry>,
    pub(super) members: BTreeMap<String, Member>,
    pub(super) unread: u64,
    /// Whether somebody has named the user in what is unread.
    pub(super) called: bool,
    /// The last event that was heard.
    pub(super) last: u64,
    /// Up to where it was read.
    pub(super) read: u64,
    /// Who types, and until when that is believed.
    pub(super) typing: HashMap<String, u64>,
    /// Whether there is more before the first entry.
    pub(super) has_more: bool,
    /// Whether that was asked for.
    pub(super) is_loading: bool,
    /// Whether a first page of history has come.
    pub(super) is_loaded: bool,
    /// Lines scrolled up from the end.
    pub(super) scroll: usize,
    /// The message that was chosen.
    pub(super) chosen: Option<String>,
}

impl Room {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Whether it is between two.
    pub(super) fn is_direct(&self) -> bool {
        !self.name.starts_with('#')
    }

    /// Puts an entry where it belongs: by its number, or at the end. What is there already is replaced.
    pub(super) fn put(&mut self, entry: Entry) {
        if entry.seq == 0 {
            self.entries.push(entry);
        } else {
            // Entries without a number stay where they are: behind what was there when they came.
            let same = self.entries.iter_mut().find(|other| other.seq == entry.seq);
            if let Some(same) = same {
                *same = entry;
                return;
            }
            let at = self
                .entries
                .iter()
                .rposition(|other| other.seq != 0 && other.seq < entry.seq)
                .map(|at| at + 1)
                .unwrap_or_else(|| {
                    self.entries
                        .iter()
                        .take_while(|other| other.seq == 0 && other.at <= entry.at && other.pending.is_none())
                        .count()
                });
            // Behind notes that came before it.
            let notes = self.entries[at..]
                .iter()
                .take_while(|other| other.seq == 0 && other.pending.is_none() && other.at <= entry.at)
                .count();
            self.entries.insert(at + notes, entry);
        }
        if self.entries.len() > MAX_ENTRIES {
            let more = self.entries.len() - MAX_ENTRIES;
            self.entries.drain(..more);
            self.has_more = true;
        }
    }

    /// The message with this id.
    pub(super) fn message(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.id == id && entry.is_said())
    }

    pub(super) fn message_mut(&mut self, id: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().rev().find(|entry| entry.id == id && entry.is_said())
    }

    /// The number of the first entry that has one.
    pub(super) fn first_seq(&self) -> Option<u64> {
        self.entries.iter().map(|entry| entry.seq).find(|seq| *seq > 0)
    }

    /// Sets or withdraws a reaction.
    pub(super) fn react(&mut self, id: &str, reaction: &str, by: &str, on: bool) {
        let Some(entry) = self.message_mut(id) else { return };
        let at = entry.reactions.iter().position(|(other, _)| other == reaction);
        match (at, on) {
            (Some(at), true) => {
                let names = &mut entry.reactions[at].1;
                if !names.iter().any(|name| name == by) {
                    names.push(by.to_owned());
                }
            }
            (None, true) => entry.reactions.push((reaction.to_owned(), vec![by.to_owned()])),
            (Some(at), false) => {
                entry.reactions[at].1.retain(|name| name != by);
                if entry.reactions[at].1.is_empty() {
                    entry.reactions.remove(at);
                }
            }
            (None, false) => {}
        }
    }

    /// Chooses the message before the chosen one, or after it; behind the last one none.
    pub(super) fn choose(&mut self, older: bool) {
        let said: Vec<&Entry> =
            self.entries.iter().filter(|entry| entry.is_said() && !entry.id.is_empty()).collect();
        let at = self.chosen.as_ref().and_then(|id| said.iter().position(|entry| entry.id == *id));
        let next = match (at, older) {
            (None, true) => said.len().checked_sub(1),
            (None, false) => None,
            (Some(at), true) => Some(at.saturating_sub(1)),
            (Some(at), false) => Some(at + 1).filter(|next| *next < said.len()),
        };
        self.chosen = next.map(|next| said[next].id.clone());
    }

    /// Whoever types now.
    pub(super) fn typists(&self, now: u64) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.typing.iter().filter(|(_, until)| **until > now).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(seq: u64, text: &str) -> Entry {
        let event = json!({"t": "message", "seq": seq, "id": format!("id{seq}"), "at": seq, "from": "ann", "text": text});
        Entry::of(&event).unwrap()
    }

    fn texts(room: &Room) -> Vec<&str> {
        room.entries.iter().map(|entry| entry.text.as_str()).collect()
    }

    #[test]
    fn entries_stand_in_their_order() {
        let mut room = Room::new("#a");
        for seq in [5, 7, 6, 2, 7] {
            room.put(said(seq, &seq.to_string()));
        }
        room.put(Entry::note(Kind::Note, 7, "note"));
        room.put(said(8, "8"));
        room.put(said(1, "1"));
        assert_eq!(texts(&room), ["1", "2", "5", "6", "7", "note", "8"]);
        assert_eq!(room.first_seq(), Some(1));
    }

    #[test]
    fn memory_is_bounded() {
        let mut room = Room::new("#a");
        (1..=MAX_ENTRIES as u64 + 10).for_each(|seq| room.put(said(seq, "x")));
        assert_eq!((room.entries.len(), room.first_seq(), room.has_more), (MAX_ENTRIES, Some(11), true));
    }

    #[test]
    fn reactions_come_and_go() {
        let mut room = Room::new("#a");
        room.put(said(1, "x"));
        for (by, on) in [("ann", true), ("bob", true), ("ann", true), ("ann", false), ("eve", false)] {
            room.react("id1", "+1", by, on);
        }
        assert_eq!(room.entries[0].reactions, [("+1".to_owned(), vec!["bob".to_owned()])]);
        room.react("id1", "+1", "bob", false);
        assert!(room.entries[0].reactions.is_empty());
        room.react("none", "+1", "bob", true);
    }

    #[test]
    fn a_message_is_chosen() {
        let mut room = Room::new("#a");
        room.choose(true);
        assert_eq!(room.chosen, None);
        room.put(said(1, "x"));
        room.put(Entry::note(Kind::Note, 1, "note"));
        room.put(said(2, "y"));
        let mut seen = Vec::new();
        for older in [true, true, true, false, false, false] {
            room.choose(older);
            seen.push(room.chosen.clone().unwrap_or_default());
        }
        assert_eq!(seen, ["id2", "id1", "id1", "id2", "", ""]);
    }

    #[test]
    fn events_in_words() {
        for (event, words) in [
            (json!({"t": "join", "from": "ann"}), "ann joined"),
            (json!({"t": "leave", "from": "ann", "reason": "bye"}), "ann left (bye)"),
            (json!({"t": "kick", "from": "ann", "name": "bob"}), "ann put bob out"),
            (json!({"t": "topic", "from": "ann", "topic": "Roses"}), "ann set the topic: Roses"),
            (json!({"t": "role", "from": "ann", "name": "bob", "role": "admin"}), "ann made bob admin"),
        ] {
            assert_eq!(Entry::of(&event).unwrap().text, words);
        }
        for event in [json!({}), json!({"t": 5}), json!({"t": "new_in_a_later_version"})] {
            assert_eq!(Entry::of(&event), None);
        }
    }
}
