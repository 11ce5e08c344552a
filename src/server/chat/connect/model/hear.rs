//! What the server says: events of rooms, other events, and answers.

use serde_json::Value;

use super::super::room::{Entry, Kind, MAX_MEMBERS, Member};
use super::super::text::mentions;
use super::{Asked, Model, TYPING};

/// What a server says about itself, and what belongs to no room.
const CONSOLE: usize = 0;

/// Rooms of a list that are shown.
const LISTED: usize = 50;

impl Model {
    /// Takes in what the server says.
    pub(in super::super) fn hear(&mut self, value: &Value) {
        if let Some(id) = value["re"].as_u64() {
            if let Some(asked) = self.asked.remove(&id) {
                self.answered(asked, value);
            }
            return;
        }
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        match value["t"].as_str().unwrap_or_default() {
            "hello" => self.server = text("server"),
            "bye" => self.note(&format!("The server says goodbye: {}", text("message"))),
            "typing" => {
                let (from, until) = (text("from"), self.now + TYPING);
                let on = value["on"] == true;
                if let Some(room) = self.named(&text("room")) {
                    if on {
                        room.typing.insert(from, until);
                    } else {
                        room.typing.remove(&from);
                    }
                }
            }
            "presence" => self.presence(&text("name"), &text("presence")),
            "gone" => self.presence(&text("name"), "offline"),
            "appeared" => {
                let member = Member { role: text("role"), presence: "online".into() };
                let name = text("name");
                if name == self.me {
                    self.open(&text("room"));
                }
                if let Some(room) = self.named(&text("room")).filter(|room| room.members.len() < MAX_MEMBERS)
                {
                    room.members.insert(name, member);
                }
            }
            "renamed" => self.renamed(&text("from"), &text("name")),
            "read" => {
                let seq = value["seq"].as_u64().unwrap_or_default();
                if let Some(room) = self.named(&text("room")) {
                    room.read = room.read.max(seq);
                    if room.read >= room.last {
                        (room.unread, room.called) = (0, false);
                    }
                }
            }
            "invited" => {
                let words = format!("{} invites you: /join {}", text("from"), text("room"));
                self.note(&words);
            }
            "cursor" | "account" | "display" => {}
            t => self.event(t, value),
        }
    }

    /// Something has happened in a room.
    fn event(&mut self, t: &str, value: &Value) {
        let Some(name) = value["room"].as_str() else { return };
        let text = |name: &str| value[name].as_str().unwrap_or_default();
        let (from, who, me) = (text("from").to_owned(), text("name"), self.me.clone());
        if t == "join" && from == me || t == "message" {
            self.open(name);
        }
        let current = self.current;
        let Some(at) = self.rooms.iter().position(|room| room.name.eq_ignore_ascii_case(name)) else {
            return;
        };
        let seen = at == current;
        let room = &mut self.rooms[at];
        room.last = room.last.max(value["seq"].as_u64().unwrap_or_default());
        match t {
            "message" => {
                room.typing.remove(&from);
                if from != me {
                    let called = room.is_direct() || mentions(text("text"), &me);
                    if !seen || room.scroll > 0 {
                        room.unread += 1;
                        room.called |= called;
                    }
                }
            }
            "edit" => {
                if let Some(entry) = room.message_mut(text("message")) {
                    text("text").clone_into(&mut entry.text);
                    entry.edited = true;
                }
            }
            "delete" => deleted(room.message_mut(text("message"))),
            "react" | "unreact" => room.react(text("message"), text("reaction"), &from, t == "react"),
            "topic" => text("topic").clone_into(&mut room.topic),
            "join" if room.members.len() < MAX_MEMBERS => {
                let member = Member { role: "member".into(), presence: "online".into() };
                room.members.entry(from.clone()).or_insert(member);
            }
            "leave" => drop(room.members.remove(&from)),
            "kick" => drop(room.members.remove(who)),
            "rename" => {
                if let Some(member) = room.members.remove(&from) {
                    room.members.insert(who.to_owned(), member);
                }
            }
            "role" => {
                if let Some(member) = room.members.get_mut(who) {
                    text("role").clone_into(&mut member.role);
                }
            }
            _ => {}
        }
        match Entry::of(value) {
            Some(entry) => self.put(at, entry),
            None => self.tell_change(at, t, value),
        }
        let out = t == "close" || t == "kick" && who == me || t == "leave" && from == me;
        if out {
            self.leave(at, t);
        } else if seen {
            self.have_read();
        }
    }

    /// What becomes of messages is shown with them; those who read line by line read a line.
    fn tell_change(&mut self, at: usize, t: &str, value: &Value) {
        let text = |name: &str| value[name].as_str().unwrap_or_default();
        let message = self.rooms[at].message(text("message"));
        let which = message.map_or("a message".to_owned(), |message| format!("message {}", message.seq));
        let from = text("from");
        let words = match t {
            "edit" => format!("{from} changed {which}: {}", text("text")),
            "delete" => format!("{from} deleted {which}"),
            "react" => format!("{from} reacted to {which}: {}", text("reaction")),
            "unreact" => format!("{from} took a reaction to {which} back: {}", text("reaction")),
            _ => return,
        };
        let entry = Entry { from: from.to_owned(), ..Entry::note(Kind::Event, self.now, words) };
        self.tell(at, &entry);
    }

    /// The user is in a room no longer.
    fn leave(&mut self, at: usize, why: &str) {
        let name = self.rooms.remove(at).name;
        if self.current >= at {
            self.turn_to(self.current.saturating_sub(1));
        }
        match why {
            "close" => self.note(&format!("{name} was closed")),
            "kick" => self.note(&format!("You were put out of {name}")),
            _ => {}
        }
    }

    fn presence(&mut self, name: &str, presence: &str) {
        for room in &mut self.rooms {
            if let Some(member) = room.members.get_mut(name) {
                presence.clone_into(&mut member.presence);
            }
            room.typing.remove(name);
        }
    }

    fn renamed(&mut self, from: &str, to: &str) {
        if self.me == from {
            to.clone_into(&mut self.me);
        }
        for room in &mut self.rooms {
            if let Some(member) = room.members.remove(from) {
                room.members.insert(to.to_owned(), member);
            }
        }
    }

    /// An answer has come.
    fn answered(&mut self, asked: Asked, reply: &Value) {
        if reply["t"] != "ok" {
            return self.refused(&asked, reply);
        }
        match asked {
            Asked::Join(_) => {
                let words = &reply["room"];
                let Some(name) = words["room"].as_str() else { return };
                let at = self.open(name);
                let room = &mut self.rooms[at];
                words["topic"].as_str().unwrap_or_default().clone_into(&mut room.topic);
                room.last = room.last.max(words["seq"].as_u64().unwrap_or_default());
                if self.current == CONSOLE || !room.is_loaded {
                    self.turn_to(at);
                }
            }
            Asked::Leave(name) => {
                if let Some(at) = self.rooms.iter().position(|room| room.name == name) {
                    self.leave(at, "");
                }
            }
            Asked::History { room } => self.page(&room, reply),
            Asked::Members { room } => self.member_list(&room, reply),
            Asked::Send { room, cid } => {
                self.pending.retain(|pending| pending.cid != cid);
                let seen = self.room().name.eq_ignore_ascii_case(&room);
                let Some(at) = self.rooms.iter().position(|other| other.name.eq_ignore_ascii_case(&room))
                else {
                    return;
                };
                let entries = &mut self.rooms[at].entries;
                let Some(place) = entries.iter().position(|entry| entry.pending.as_ref() == Some(&cid))
                else {
                    return;
                };
                let mut entry = entries.remove(place);
                entry.seq = reply["seq"].as_u64().unwrap_or_default();
                entry.at = reply["at"].as_u64().unwrap_or(entry.at);
                reply["id"].as_str().unwrap_or_default().clone_into(&mut entry.id);
                entry.pending = None;
                let room = &mut self.rooms[at];
                room.last = room.last.max(entry.seq);
                self.put(at, entry);
                if seen {
                    self.have_read();
                }
            }
            Asked::Edit { room, message, text } => {
                self.heard_up_to(&room, reply);
                if let Some(entry) = self.named(&room).and_then(|room| room.message_mut(&message)) {
                    entry.text = text;
                    entry.edited = true;
                }
            }
            Asked::Delete { room, message } => {
                self.heard_up_to(&room, reply);
                deleted(self.named(&room).and_then(|room| room.message_mut(&message)));
            }
            Asked::React { room, message, reaction, on } => {
                self.heard_up_to(&room, reply);
                let me = self.me.clone();
                if let Some(room) = self.named(&room) {
                    room.react(&message, &reaction, &me, on);
                }
            }
            Asked::Search => self.found(reply),
            Asked::Rooms => self.listed(reply),
            Asked::Whois => {
                let fields = reply.as_object().into_iter().flatten();
                let words: Vec<String> = fields
                    .filter(|(name, value)| !matches!(name.as_str(), "t" | "re") && !value.is_null())
                    .map(|(name, value)| match value.as_str() {
                        Some(text) => format!("{name}: {text}"),
                        None => format!("{name}: {value}"),
                    })
                    .collect();
                self.note(&words.join(", "));
            }
            Asked::Tell(words) => self.note(&words),
            Asked::Nothing | Asked::Quiet => {}
        }
    }

    /// One's own changes are numbered by their answers.
    fn heard_up_to(&mut self, room: &str, reply: &Value) {
        if let (Some(room), Some(seq)) = (self.named(room), reply["seq"].as_u64()) {
            room.last = room.last.max(seq);
        }
    }

    fn refused(&mut self, asked: &Asked, reply: &Value) {
        let words = reply["message"].as_str().unwrap_or("refused").to_owned();
        match asked {
            Asked::Quiet => {}
            Asked::Send { room, cid } => {
                self.pending.retain(|pending| pending.cid != *cid);
                let mut said = String::new();
                if let Some(room) = self.named(room) {
                    room.entries.retain(|entry| {
                        let mine = entry.pending.as_ref() == Some(cid);
                        if mine {
                            said.clone_from(&entry.text);
                        }
                        !mine
                    });
                }
                if self.editor.text().is_empty() {
                    self.editor.set(&said);
                }
                self.error(&format!("Not sent: {words}"));
            }
            Asked::History { room } | Asked::Members { room } => {
                // With somebody to whom nothing was said yet there is no history.
                let direct = !room.starts_with('#');
                if let Some(room) = self.named(room) {
                    room.is_loading = false;
                }
                if !direct {
                    self.error(&words);
                }
            }
            Asked::Join(room) => match reply["forward"].as_str() {
                Some(forward) => self.error(&format!("{room}: {words}. /join {forward} leads on")),
                None => self.error(&format!("{room}: {words}")),
            },
            _ => self.error(&words),
        }
    }

    /// A page of history.
    fn page(&mut self, name: &str, reply: &Value) {
        let Some(at) = self.rooms.iter().position(|room| room.name.eq_ignore_ascii_case(name)) else {
            return;
        };
        let room = &mut self.rooms[at];
        let before = room.first_seq();
        room.is_loading = false;
        let events = reply["events"].as_array().into_iter().flatten();
        let entries: Vec<Entry> = events.filter_map(Entry::of).collect();
        let newest = entries.iter().map(|entry| entry.seq).max().unwrap_or_default();
        room.last = room.last.max(newest);
        // A page that goes on from the end says nothing about the beginning.
        if before.is_none_or(|before| newest < before || entries.iter().any(|entry| entry.seq < before)) {
            room.has_more = reply["more"] == true;
        }
        entries.into_iter().for_each(|entry| self.put(at, entry));
        self.have_read();
    }

    fn member_list(&mut self, room: &str, reply: &Value) {
        let Some(room) = self.named(room) else { return };
        for member in reply["members"].as_array().into_iter().flatten().take(MAX_MEMBERS) {
            let text = |name: &str| member[name].as_str().unwrap_or_default().to_owned();
            room.members.insert(text("name"), Member { role: text("role"), presence: text("presence") });
        }
    }

    fn found(&mut self, reply: &Value) {
        let found = reply["found"].as_array().cloned().unwrap_or_default();
        if found.is_empty() {
            return self.note("Nothing was found");
        }
        for one in found.iter().rev() {
            let event = &one["event"];
            let text = |name: &str| event[name].as_str().unwrap_or_default();
            let mark = |found: char| if matches!(found, '\u{2}' | '\u{3}') { '*' } else { found };
            let snippet: String = one["snippet"].as_str().unwrap_or_default().chars().map(mark).collect();
            self.note(&format!("{} {} {}: {snippet}", text("room"), event["seq"], text("from")));
        }
    }

    fn listed(&mut self, reply: &Value) {
        let rooms = reply["rooms"].as_array().cloned().unwrap_or_default();
        if rooms.is_empty() {
            self.note("There are no rooms: /join #name opens one");
        }
        for room in rooms.iter().take(LISTED) {
            let topic = room["topic"].as_str().unwrap_or_default();
            let words =
                format!("{} ({}) {topic}", room["room"].as_str().unwrap_or_default(), room["members"]);
            self.note(&words);
        }
    }
}

fn deleted(entry: Option<&mut Entry>) {
    if let Some(entry) = entry {
        entry.deleted = true;
        entry.text.clear();
        entry.files.clear();
        entry.reactions.clear();
    }
}
