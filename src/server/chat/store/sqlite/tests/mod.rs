//! What every store has to do, tried with SQLite; and what only SQLite does.

mod accounts;
mod crash;
mod files;
mod full;
mod log;
mod media;
mod model;
mod notices;
mod random;
mod search;

use std::path::Path;

use super::super::history::{Page, Part, Query, Which};
use super::super::{Answer, Appended, Draft, Store, StoreError};
use super::{Sqlite, SqliteConfig};
use crate::proto::chat::event::{Author, Change, Message, RoomKind, Who};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};

/// When the tests take place: 2026-11-22.
const NOW: Millis = 1_795_305_600_000;

/// A store in a folder of its own.
fn store() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    (folder, store)
}

fn open(folder: &Path) -> Sqlite {
    Sqlite::open(folder, &SqliteConfig::default()).unwrap()
}

/// Waits for an answer; the store has threads of its own.
fn wait<T>(answer: Answer<'_, T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

fn id(at: u64) -> MessageId {
    MessageId::new(NOW + at, u128::from(at))
}

fn account(number: u64) -> Author {
    Author {
        nick: format!("user{number}").parse().unwrap(),
        account: Some(AccountId(number)),
        user: "u".into(),
        host: "account".into(),
    }
}

fn guest(nick: &str) -> Author {
    Author { nick: nick.parse().unwrap(), account: None, user: "g".into(), host: "guest".into() }
}

fn draft(room: u64, at: u64, by: Author, change: Change) -> Draft {
    Draft { room: RoomId(room), id: id(at), by, change, client_id: None }
}

fn create(name: &str) -> Change {
    Change::Create { kind: RoomKind::Public, name: Some(name.parse().unwrap()), members: Vec::new() }
}

fn say(text: &str) -> Change {
    Change::Message(Message { text: text.to_owned(), ..Message::default() })
}

/// A room and messages with these texts, whose ids are 1, 2, ...
fn room_with(store: &Sqlite, room: u64, name: &str, texts: &[&str]) {
    let mut drafts = vec![draft(room, room * 1000, account(1), create(name))];
    drafts.extend((1..).zip(texts).map(|(at, text)| draft(room, room * 1000 + at, account(1), say(text))));
    wait(store.append(drafts)).unwrap();
}

fn page(store: &Sqlite, room: u64, part: Part, which: Which, limit: usize) -> Page {
    wait(store.page(Query { room: RoomId(room), part, which, limit })).unwrap()
}

/// All events of a room.
fn everything(store: &Sqlite, room: u64) -> Page {
    page(store, room, Part::Latest, Which::All, 1000)
}

fn seqs(page: &Page) -> Vec<Seq> {
    page.entries.iter().map(|entry| entry.event.seq).collect()
}

fn text_of(change: &Change) -> &str {
    match change {
        Change::Message(message) => &message.text,
        Change::Edit { text, .. } => text,
        _ => "",
    }
}
