//! What every store has to do, tried with SQLite and with PostgreSQL.
//!
//! A test is a function of a [`Bed`]: a place where a store is, which can be opened again. The macro `both` runs it with each store.

/// Runs these functions of a bed with each store.
macro_rules! both {
    ($($test:ident),* $(,)?) => {
        mod with_sqlite {
            $(#[test]
            fn $test() {
                super::$test(&super::Bed::sqlite());
            })*
        }

        mod with_postgres {
            $(#[test]
            fn $test() {
                super::$test(&super::Bed::postgres());
            })*
        }
    };
}

mod accounts;
mod log;
mod media;
mod model;
mod nodes;
mod notices;
#[path = "../../../../../tests/support/port.rs"]
mod port;
mod random;
mod search;
#[path = "../../../../../tests/support/postgres.rs"]
mod server;
mod together;

use std::ops::Deref;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::columns::next;
use super::history::{Page, Part, Query, Which};
use super::postgres::{Postgres, PostgresConfig, PostgresUrl};
use super::sqlite::{Sqlite, SqliteConfig};
use super::{Answer, Appended, Draft, Store, StoreError};
use crate::proto::chat::event::{Author, Change, Message, RoomKind, Who};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};

/// When the tests take place: 2026-11-22.
pub(super) const NOW: Millis = 1_795_305_600_000;

/// Where a store is.
enum Bed {
    Sqlite(tempfile::TempDir),
    Postgres(Box<PostgresUrl>),
}

/// A store of either kind.
struct Opened(Box<dyn Store>);

impl Deref for Opened {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// The PostgreSQL of all tests. It ends with the process.
static SERVER: LazyLock<server::Server> = LazyLock::new(server::Server::start);

impl Bed {
    fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    /// A schema of its own.
    fn postgres() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let schema = format!("bed{}", LAST.fetch_add(1, Ordering::Relaxed));
        SERVER.sql(&format!("CREATE SCHEMA {schema}"));
        let url = format!("{}?options=-csearch_path%3D{schema}", SERVER.url());
        Self::Postgres(Box::new(PostgresUrl::parse(&url).unwrap()))
    }

    /// Another place of the same kind.
    fn another(&self) -> Self {
        match self {
            Self::Sqlite(_) => Self::sqlite(),
            Self::Postgres(_) => Self::postgres(),
        }
    }

    fn open(&self) -> Opened {
        match self {
            Self::Sqlite(folder) => {
                Opened(Box::new(Sqlite::open(folder.path(), &SqliteConfig::default()).unwrap()))
            }
            Self::Postgres(url) => {
                Opened(Box::new(Postgres::open(PostgresConfig::new((**url).clone())).unwrap()))
            }
        }
    }
}

/// Waits for an answer; the store has threads of its own.
pub(super) fn wait<T>(answer: Answer<'_, T>) -> Result<T, StoreError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(answer)
}

pub(super) fn id(at: u64) -> MessageId {
    MessageId::new(NOW + at, u128::from(at))
}

pub(super) fn account(number: u64) -> Author {
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

pub(super) fn draft(room: u64, at: u64, by: Author, change: Change) -> Draft {
    Draft { room: RoomId(room), id: id(at), by, change, client_id: None }
}

pub(super) fn create(name: &str) -> Change {
    Change::Create { kind: RoomKind::Public, name: Some(name.parse().unwrap()), members: Vec::new() }
}

pub(super) fn say(text: &str) -> Change {
    Change::Message(Message { text: text.to_owned(), ..Message::default() })
}

/// A room and messages with these texts, whose ids are 1, 2, ...
pub(super) fn room_with(store: &dyn Store, room: u64, name: &str, texts: &[&str]) {
    let mut drafts = vec![draft(room, room * 1000, account(1), create(name))];
    drafts.extend((1..).zip(texts).map(|(at, text)| draft(room, room * 1000 + at, account(1), say(text))));
    wait(store.append(drafts)).unwrap();
}

pub(super) fn page(store: &dyn Store, room: u64, part: Part, which: Which, limit: usize) -> Page {
    wait(store.page(Query { room: RoomId(room), part, which, limit })).unwrap()
}

/// All events of a room.
pub(super) fn everything(store: &dyn Store, room: u64) -> Page {
    page(store, room, Part::Latest, Which::All, 1000)
}

pub(super) fn seqs(page: &Page) -> Vec<Seq> {
    page.entries.iter().map(|entry| entry.event.seq).collect()
}

fn text_of(change: &Change) -> &str {
    match change {
        Change::Message(message) => &message.text,
        Change::Edit { text, .. } => text,
        _ => "",
    }
}

/// What was appended, with no regard to ids that were raised.
fn unraised(appended: Vec<Appended>) -> Vec<Appended> {
    let unraised = |appended| match appended {
        Appended::Raised(seq, _) => Appended::New(seq),
        other => other,
    };
    appended.into_iter().map(unraised).collect()
}
