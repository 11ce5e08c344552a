//! What the client knows and does, without a terminal and without a socket: messages of the server and lines of the user go in, requests come out, and what is to be
//! seen is there to be drawn.

mod commands;
mod complete;
mod hear;

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Map, Value, json};

pub(super) use self::commands::COMMANDS;
use super::editor::Editor;
use super::room::{Entry, Kind, Room, TYPING};

/// Messages of a page of history.
const PAGE: u64 = 50;

/// How often the others are told that one types, in milliseconds.
const TYPING_AGAIN: u64 = 3000;

/// How it is with the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// It stands.
    Up,
    /// It is lost, for this reason, and is sought again.
    Down(String),
}

/// What was asked, so that the answer has a meaning.
#[derive(Clone, Debug)]
enum Asked {
    Join(String),
    Leave(String),
    History {
        room: String,
    },
    Members {
        room: String,
    },
    Send {
        room: String,
        cid: String,
    },
    Edit {
        room: String,
        message: String,
        text: String,
    },
    Delete {
        room: String,
        message: String,
    },
    React {
        room: String,
        message: String,
        reaction: String,
        on: bool,
    },
    Search,
    Rooms,
    Whois,
    /// Something whose success is worth a word.
    Tell(String),
    /// Something whose success is seen, or does not matter.
    Nothing,
    /// Something that nobody has asked for, so its failure is not told either.
    Quiet,
}

/// A message that has no answer yet.
#[derive(Clone, Debug)]
struct Pending {
    cid: String,
    room: String,
    request: Value,
}

/// The client.
#[derive(Debug)]
pub(super) struct Model {
    /// The user's name.
    pub(super) me: String,
    pub(super) is_account: bool,
    /// What the server calls itself.
    pub(super) server: String,
    /// Rooms, behind a first one that is the client's own, for what belongs nowhere else.
    pub(super) rooms: Vec<Room>,
    pub(super) current: usize,
    pub(super) link: Link,
    pub(super) editor: Editor,
    /// Milliseconds since 1970.
    pub(super) now: u64,
    /// The user wants to go.
    pub(super) is_over: bool,
    /// A guest wants another name.
    pub(super) rename: Option<String>,
    asked: HashMap<u64, Asked>,
    next: u64,
    /// In the names of messages, so that those of two clients differ.
    tag: String,
    pending: Vec<Pending>,
    out: VecDeque<Value>,
    typing: Option<(String, u64)>,
    /// What is new, for those who read it line by line: where, and what. `None` for those who look at rooms.
    feed: Option<Vec<(String, Entry)>>,
    completion: Option<complete::Completion>,
}

impl Model {
    pub(super) fn new(tag: String, now: u64) -> Self {
        Self {
            me: String::new(),
            is_account: false,
            server: String::new(),
            rooms: vec![Room { is_loaded: true, ..Room::new("") }],
            current: 0,
            link: Link::Up,
            editor: Editor::default(),
            now,
            is_over: false,
            rename: None,
            asked: HashMap::new(),
            next: 1,
            tag,
            pending: Vec::new(),
            out: VecDeque::new(),
            typing: None,
            feed: None,
            completion: None,
        }
    }

    /// A client whose user reads what is new line by line.
    pub(super) fn with_feed(self) -> Self {
        Self { feed: Some(Vec::new()), ..self }
    }

    /// What is new since the last time.
    pub(super) fn take_feed(&mut self) -> Vec<(String, Entry)> {
        self.feed.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether the server has answered everything.
    pub(super) fn is_quiet(&self) -> bool {
        self.asked.is_empty() && self.pending.is_empty()
    }

    /// Puts an entry into a room.
    fn put(&mut self, at: usize, entry: Entry) {
        self.tell(at, &entry);
        self.rooms[at].put(entry);
    }

    /// Shows something to those who read line by line.
    fn tell(&mut self, at: usize, entry: &Entry) {
        if let Some(feed) = &mut self.feed {
            feed.push((self.rooms[at].name.clone(), entry.clone()));
        }
    }

    /// The next request that is to be sent.
    pub(super) fn next_request(&mut self) -> Option<Value> {
        self.out.pop_front()
    }

    pub(super) fn room(&self) -> &Room {
        &self.rooms[self.current]
    }

    pub(super) fn room_mut(&mut self) -> &mut Room {
        &mut self.rooms[self.current]
    }

    fn named(&mut self, name: &str) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|room| room.name.eq_ignore_ascii_case(name))
    }

    /// The place of a room, which is opened if there is none of that name.
    fn open(&mut self, name: &str) -> usize {
        if let Some(at) = self.rooms.iter().position(|room| room.name.eq_ignore_ascii_case(name)) {
            return at;
        }
        // Rooms before people, each by their names.
        let key = |room: &Room| (room.is_direct(), room.name.to_lowercase());
        let new = Room::new(name);
        let at = 1 + self.rooms[1..].iter().take_while(|room| key(room) < key(&new)).count();
        self.rooms.insert(at, new);
        if self.current >= at {
            self.current += 1;
        }
        at
    }

    /// What has to be known to go on after an interruption: the last event of each room.
    pub(super) fn resume(&self) -> Map<String, Value> {
        let known = self.rooms.iter().skip(1).filter(|room| room.last > 0);
        known.map(|room| (room.name.clone(), room.last.into())).collect()
    }

    /// The user is in, for the first time or again.
    pub(super) fn come_in(&mut self, reply: &Value) {
        let again = !self.me.is_empty();
        self.link = Link::Up;
        self.asked.clear();
        self.out.clear();
        self.me = reply["me"]["name"].as_str().unwrap_or_default().to_owned();
        self.is_account = reply["me"]["account"].is_string();
        for words in reply["rooms"].as_array().into_iter().flatten() {
            let Some(name) = words["room"].as_str() else { continue };
            let resumed = &reply["resumed"][name];
            let at = self.open(name);
            let room = &mut self.rooms[at];
            room.topic = words["topic"].as_str().unwrap_or_default().to_owned();
            room.read = words["read"].as_u64().unwrap_or_default();
            room.unread = words["unread"].as_u64().unwrap_or_default();
            room.is_loading = false;
            room.last = room.last.max(words["seq"].as_u64().unwrap_or_default());
            if resumed["lost"] == true {
                let note = "Too much was said meanwhile: this is a new beginning";
                *room = Room {
                    entries: vec![Entry::note(Kind::Note, self.now, note)],
                    last: room.last,
                    unread: room.unread,
                    read: room.read,
                    topic: std::mem::take(&mut room.topic),
                    ..Room::new(name)
                };
            }
        }
        if again && !self.is_account {
            // A guest is somebody new to the server: it enters its rooms again, and reads what it has missed.
            let rooms: Vec<(String, u64)> = self.rooms[1..]
                .iter()
                .filter(|room| !room.is_direct())
                .map(|room| (room.name.clone(), room.last))
                .collect();
            for (room, last) in rooms {
                self.ask(json!({"t": "join", "room": room}), Asked::Join(room.clone()));
                if last > 0 {
                    let request = json!({"t": "history", "room": room, "after": last, "limit": 200});
                    self.ask(request, Asked::History { room });
                }
            }
        }
        for Pending { cid, room, request } in self.pending.clone() {
            self.ask(request, Asked::Send { room, cid });
        }
        if again {
            self.note("Connected again");
        }
        self.turn_to(self.current);
    }

    /// The connection is lost.
    pub(super) fn lost(&mut self, reason: &str) {
        if self.link == Link::Up {
            self.note(&format!("Connection lost: {reason}"));
        }
        self.link = Link::Down(reason.to_owned());
        self.rooms.iter_mut().for_each(|room| room.is_loading = false);
    }

    /// Looks at a room from now on.
    pub(super) fn turn_to(&mut self, at: usize) {
        self.current = at.min(self.rooms.len() - 1);
        self.completion = None;
        let room = self.room_mut();
        room.unread = 0;
        room.called = false;
        if room.name.is_empty() {
            return;
        }
        let (name, direct) = (room.name.clone(), room.is_direct());
        let is_loaded = room.is_loaded;
        // What is said to somebody without an account is in no log.
        let has_log = !direct || self.is_account;
        if !is_loaded && self.link == Link::Up && has_log {
            self.room_mut().is_loaded = true;
            self.room_mut().is_loading = true;
            let request = json!({"t": "history", "room": name, "limit": PAGE});
            self.ask(request, Asked::History { room: name.clone() });
            if !direct {
                let request = json!({"t": "members", "room": name, "limit": 500});
                self.ask(request, Asked::Members { room: name });
            }
        }
        self.have_read();
    }

    /// Turns to the next room, or the one before.
    pub(super) fn turn(&mut self, forward: bool) {
        let count = self.rooms.len();
        let next = if forward { self.current + 1 } else { self.current + count - 1 };
        self.turn_to(next % count);
    }

    /// Scrolls by lines; at the top older messages are asked for.
    pub(super) fn scroll(&mut self, up: bool, lines: usize, most: usize) {
        let room = self.room_mut();
        if !up {
            room.scroll = room.scroll.saturating_sub(lines);
            return;
        }
        room.scroll = (room.scroll + lines).min(most);
        let first = room.first_seq();
        if room.scroll < most || room.is_loading || !room.has_more {
            return;
        }
        let (Some(first), name) = (first, room.name.clone()) else { return };
        room.is_loading = true;
        let request = json!({"t": "history", "room": name, "before": first, "limit": PAGE});
        self.ask(request, Asked::History { room: name });
    }

    /// The user has changed the line.
    pub(super) fn edited(&mut self) {
        self.completion = None;
        let room = self.room();
        let name = room.name.clone();
        let is_text = !self.editor.text().is_empty() && !self.editor.text().starts_with('/');
        if name.is_empty() || self.link != Link::Up {
            return;
        }
        match (&self.typing, is_text) {
            (Some((room, at)), true) if *room == name && self.now < at + TYPING_AGAIN => {}
            (_, true) => {
                self.typing = Some((name.clone(), self.now));
                self.ask(json!({"t": "typing", "room": name, "on": true}), Asked::Quiet);
            }
            (Some(_), false) => {
                self.typing = None;
                self.ask(json!({"t": "typing", "room": name, "on": false}), Asked::Quiet);
            }
            (None, false) => {}
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: u64) {
        self.now = now;
        for room in &mut self.rooms {
            room.typing.retain(|_, until| *until > now);
        }
    }

    /// Says something in a room, or to somebody.
    fn say(&mut self, room: &str, text: &str, style: Kind, reply: Option<String>) {
        let cid = format!("{}-{}", self.tag, self.next);
        let mut request = json!({"t": "send", "room": room, "text": text, "cid": cid});
        if style == Kind::Action {
            request["style"] = "action".into();
        }
        if let Some(reply) = &reply {
            request["reply"] = reply.as_str().into();
        }
        let entry = Entry {
            at: self.now,
            from: self.me.clone(),
            text: text.to_owned(),
            kind: style,
            reply,
            pending: Some(cid.clone()),
            ..Entry::default()
        };
        let at = self.open(room);
        self.rooms[at].put(entry);
        self.rooms[at].scroll = 0;
        self.rooms[at].chosen = None;
        self.typing = None;
        self.pending.push(Pending { cid: cid.clone(), room: room.to_owned(), request: request.clone() });
        self.ask(request, Asked::Send { room: room.to_owned(), cid });
    }

    /// Sends a request, unless there is nobody to send it to.
    fn ask(&mut self, mut request: Value, asked: Asked) {
        if self.link != Link::Up {
            match asked {
                // It is sent when the connection is back.
                Asked::Send { .. } | Asked::Quiet => {}
                _ => self.error("Not connected: try again in a moment"),
            }
            return;
        }
        self.next += 1;
        request["id"] = self.next.into();
        self.asked.insert(self.next, asked);
        self.out.push_back(request);
    }

    /// Tells the server how far the user has read.
    fn have_read(&mut self) {
        let is_account = self.is_account;
        let room = self.room_mut();
        if !is_account || room.name.is_empty() || room.last <= room.read || room.scroll > 0 {
            return;
        }
        room.read = room.last;
        let (room, seq) = (room.name.clone(), room.last);
        if self.link == Link::Up {
            self.ask(json!({"t": "read", "room": room, "seq": seq}), Asked::Quiet);
        }
    }

    /// Tells the user something, where he looks.
    pub(super) fn note(&mut self, text: &str) {
        let entry = Entry::note(Kind::Note, self.now, text);
        self.put(self.current, entry);
    }

    /// The same when it is bad.
    pub(super) fn error(&mut self, text: &str) {
        let entry = Entry::note(Kind::Error, self.now, text);
        self.put(self.current, entry);
    }

    /// What is unread elsewhere: messages, and whether somebody calls the user.
    pub(super) fn elsewhere(&self) -> (u64, bool) {
        let others = self.rooms.iter().enumerate().filter(|(at, _)| *at != self.current);
        others.fold((0, false), |(sum, called), (_, room)| (sum + room.unread, called || room.called))
    }

    /// Members by their names, of the room that is looked at.
    pub(super) fn members(&self) -> &BTreeMap<String, super::room::Member> {
        &self.room().members
    }
}

#[cfg(test)]
mod tests;
