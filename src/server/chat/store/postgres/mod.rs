//! The store that several nodes share: PostgreSQL, 13 or newer.
//!
//! It numbers the events of rooms, under a lock of the room's row, so there is no node that owns a room. `thread` has the connections: one writes,
//! a few read. What is acknowledged was committed with `synchronous_commit`. `docs/chat-cluster.md` describes it for whoever runs it.

mod accounts;
mod append;
mod connect;
mod cursors;
mod effects;
mod error;
mod migrate;
mod nodes;
mod notices;
mod page;
mod retain;
mod rooms;
mod row;
mod search;
mod thread;
mod url;
mod words;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use self::error::OpenError;
use self::thread::{Lane, Queues, Thread};
pub(in crate::server::chat) use self::url::hidden;
pub use self::url::{BadUrl, PostgresUrl};
use super::account::{Account, AccountChange, NewAccount, Session};
use super::history::{Entry, Found, Page, Query, Search};
use super::notices::{Counts, Device, Level, NewNotice, Notice, Notices, Settled};
use super::shared::{NodeId, Renewed, Shared};
use super::words::expression;
use super::{Answer, Appended, Cursor, Draft, Store, StoreError, StoredRoom, snippet};
use crate::proto::chat::event::Change;
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};
use crate::proto::chat::name::{Nick, RoomName};
use crate::proto::chat::room::Room;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct PostgresConfig {
    /// Where it is.
    pub url: PostgresUrl,
    /// Connections that read. Another one writes.
    pub readers: usize,
    /// Calls that may wait for the writer, and for the readers; others fail with [`StoreError::Away`].
    pub queue: usize,
}

impl PostgresConfig {
    /// Connections that read by default. PostgreSQL's default allows 100 in all.
    pub const READERS: usize = 4;

    /// Calls that may wait by default.
    pub const QUEUE: usize = 4096;

    /// The defaults, for the store at `url`.
    #[must_use]
    pub fn new(url: PostgresUrl) -> Self {
        Self { url, readers: Self::READERS, queue: Self::QUEUE }
    }
}

/// A store in PostgreSQL. Dropping it waits until what was begun is written.
#[derive(Debug)]
pub struct Postgres {
    thread: Thread,
    /// A database in memory that makes snippets.
    snippets: Mutex<rusqlite::Connection>,
}

impl Postgres {
    /// Opens the store. What is missing of its schema is created.
    ///
    /// # Errors
    /// It cannot be reached, or its schema is a newer one.
    pub fn open(config: PostgresConfig) -> Result<Self, OpenError> {
        let PostgresConfig { url, readers, queue } = config;
        let shown = url.shown();
        let failed = |error: rusqlite::Error| OpenError::Connect { url: shown, why: error.to_string() };
        let snippets = rusqlite::Connection::open_in_memory().map_err(failed)?;
        let store = Self { thread: Thread::start(url, readers, queue)?, snippets: Mutex::new(snippets) };
        store.clear();
        Ok(store)
    }

    fn ask<T, A, F, W>(&self, lane: Lane, about: A, work: F) -> Answer<'static, T>
    where
        T: Send + 'static,
        A: Send + Sync + 'static,
        F: Fn(connect::Db, Arc<A>) -> W + Send + 'static,
        W: Future<Output = Result<T, error::Fault>> + 'static,
    {
        match &self.thread.queues {
            Some(queues) => queues.ask(lane, about, work),
            None => Box::pin(std::future::ready(Err(StoreError::Away("the store has ended".to_owned())))),
        }
    }

    /// Deletes the rows of dropped rooms, between what others write.
    fn clear(&self) {
        if let Some(queues) = self.thread.queues.clone() {
            clear(queues);
        }
    }
}

/// Queues a step, and the next one when that is done.
fn clear(queues: Queues) {
    let weak = queues.downgrade();
    let work = move |db, about| {
        let weak = weak.clone();
        async move {
            let more = rooms::clear(db, about).await?;
            if more && let Some(queues) = weak.upgrade() {
                clear(queues);
            }
            Ok(())
        }
    };
    // Nobody waits for it; what is left is done at the next start.
    drop(queues.ask(Lane::Write, (), work));
}

impl Store for Postgres {
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>> {
        self.ask(Lane::WriteAlone, drafts, append::append)
    }

    fn rooms(&self) -> Answer<'_, Vec<StoredRoom>> {
        self.ask(Lane::Read, (), rooms::all)
    }

    fn room(&self, name: RoomName) -> Answer<'_, Option<StoredRoom>> {
        self.ask(Lane::Read, name, rooms::by_name)
    }

    fn room_by_id(&self, room: RoomId) -> Answer<'_, Option<StoredRoom>> {
        self.ask(Lane::Read, room, rooms::by_id)
    }

    fn snapshot(&self, room: Room) -> Answer<'_, ()> {
        let body = serde_json::to_string(&room).map_err(|error| error.to_string());
        let kept = rooms::Kept { room: room.id(), head: room.head(), body };
        self.ask(Lane::Write, kept, rooms::snapshot)
    }

    fn drop_room(&self, room: RoomId) -> Answer<'_, ()> {
        let dropped = self.ask(Lane::WriteAlone, (room, None), rooms::drop_room);
        Box::pin(async move {
            dropped.await?;
            self.clear();
            Ok(())
        })
    }

    fn drop_room_at(&self, room: RoomId, head: Seq) -> Answer<'_, bool> {
        let dropped = self.ask(Lane::WriteAlone, (room, Some(head)), rooms::drop_room);
        Box::pin(async move {
            let dropped = dropped.await?;
            self.clear();
            Ok(dropped)
        })
    }

    fn page(&self, query: Query) -> Answer<'_, Page> {
        self.ask(Lane::Read, query, |db, query| async move { page::page(&db, &query).await })
    }

    fn event(&self, room: RoomId, id: MessageId) -> Answer<'_, Option<Entry>> {
        self.ask(Lane::Read, (), move |db, _| async move { page::event(&db, room, id).await })
    }

    fn search(&self, search: Search) -> Answer<'_, Vec<Found>> {
        let Some(expression) = expression(&search.text) else {
            return Box::pin(std::future::ready(Ok(Vec::new())));
        };
        let found = self.ask(Lane::Read, search, search::search);
        Box::pin(async move {
            let entries = found.await?;
            let db = self.snippets.lock().unwrap_or_else(PoisonError::into_inner);
            let show = |entry: Entry| {
                let Change::Message(message) = &entry.event.change else { return Ok(None) };
                let snippet = snippet::cut(&db, &message.text, &expression)?;
                Ok(snippet.map(|snippet| Found { entry, snippet }))
            };
            entries.into_iter().filter_map(|entry| show(entry).transpose()).collect()
        })
    }

    fn last_id(&self) -> Answer<'_, Option<MessageId>> {
        self.ask(Lane::Read, (), rooms::last_id)
    }

    fn create_account(&self, account: NewAccount) -> Answer<'_, Account> {
        self.ask(Lane::Write, account, accounts::create)
    }

    fn account(&self, name: Nick) -> Answer<'_, Option<Account>> {
        self.ask(Lane::Read, name, accounts::by_name)
    }

    fn account_of_certificate(&self, digest: [u8; 32]) -> Answer<'_, Option<Account>> {
        self.ask(Lane::Read, digest, accounts::by_certificate)
    }

    fn accounts(&self, after: Option<Nick>, limit: usize) -> Answer<'_, Vec<Account>> {
        self.ask(Lane::Read, (after, limit), accounts::list)
    }

    fn accounts_by_id(&self, ids: Vec<AccountId>) -> Answer<'_, Vec<Account>> {
        self.ask(Lane::Read, ids, accounts::by_ids)
    }

    fn change_account(&self, id: AccountId, change: AccountChange) -> Answer<'_, Account> {
        self.ask(Lane::Write, (id, change), accounts::change)
    }

    fn remove_account(&self, id: AccountId) -> Answer<'_, bool> {
        self.ask(Lane::WriteAlone, id, accounts::remove)
    }

    fn create_session(&self, session: Session) -> Answer<'_, ()> {
        self.ask(Lane::Write, session, accounts::create_session)
    }

    fn session(&self, digest: [u8; 32], now: Millis) -> Answer<'_, Option<(Session, Account)>> {
        self.ask(Lane::Read, (digest, now), accounts::session_by_digest)
    }

    fn sessions(&self, account: AccountId, now: Millis) -> Answer<'_, Vec<Session>> {
        self.ask(Lane::Read, (account, now), accounts::sessions)
    }

    fn touch_sessions(&self, used: Vec<(MessageId, Millis)>) -> Answer<'_, ()> {
        self.ask(Lane::Write, used, accounts::touch)
    }

    fn end_sessions(
        &self,
        account: AccountId,
        one: Option<MessageId>,
        except: Option<MessageId>,
    ) -> Answer<'_, usize> {
        self.ask(Lane::Write, (account, one, except), accounts::end)
    }

    fn note_seen(&self, seen: Vec<(AccountId, Millis)>) -> Answer<'_, ()> {
        self.ask(Lane::Write, seen, accounts::note_seen)
    }

    fn last_seen(&self, account: AccountId) -> Answer<'_, Option<Millis>> {
        self.ask(Lane::Read, account, accounts::last_seen)
    }

    fn advance(&self, cursors: Vec<(RoomId, AccountId, Cursor)>) -> Answer<'_, ()> {
        self.ask(Lane::Write, cursors, cursors::advance)
    }

    fn cursors(&self, account: AccountId) -> Answer<'_, Vec<(RoomId, Cursor)>> {
        self.ask(Lane::Read, account, cursors::of_account)
    }

    fn cursors_of(&self, room: RoomId) -> Answer<'_, Vec<(AccountId, Cursor)>> {
        self.ask(Lane::Read, room, cursors::of_room)
    }

    fn retain(&self, before: Option<Millis>, bytes: Option<u64>) -> Answer<'_, u64> {
        match self.thread.queues.clone() {
            Some(queues) => Box::pin(retain::retain(queues, before, bytes)),
            None => Box::pin(std::future::ready(Err(StoreError::Away("the store has ended".to_owned())))),
        }
    }

    fn media_in_use(&self, digests: Vec<String>) -> Answer<'_, Vec<String>> {
        self.ask(Lane::Read, digests, cursors::media_in_use)
    }

    fn backup(&self, _: std::path::PathBuf) -> Answer<'_, ()> {
        let why = "PostgreSQL is backed up by its own tools: pg_dump, or pg_basebackup";
        Box::pin(std::future::ready(Err(StoreError::Unsupported(why))))
    }

    fn notices(&self) -> Option<&dyn Notices> {
        Some(self)
    }

    fn shared(&self) -> Option<&dyn Shared> {
        Some(self)
    }
}

impl Notices for Postgres {
    fn append_with(&self, drafts: Vec<Draft>, notices: Vec<NewNotice>) -> Answer<'_, Vec<Appended>> {
        self.ask(Lane::WriteAlone, (Arc::new(drafts), notices), notices::append_with)
    }

    fn add_device(&self, device: Device) -> Answer<'_, ()> {
        self.ask(Lane::Write, device, notices::add_device)
    }

    fn remove_device(&self, account: AccountId, endpoint: String) -> Answer<'_, bool> {
        self.ask(Lane::Write, (account, endpoint), notices::remove_device)
    }

    fn set_level(&self, room: RoomId, account: AccountId, level: Level) -> Answer<'_, ()> {
        self.ask(Lane::Write, (room, account, level), notices::set_level)
    }

    fn levels(&self) -> Answer<'_, Vec<(RoomId, AccountId, Level)>> {
        self.ask(Lane::Read, (), notices::levels)
    }

    fn claim(&self, now: Millis, until: Millis, limit: usize) -> Answer<'_, Vec<Notice>> {
        self.ask(Lane::WriteAlone, (now, until, limit), notices::claim)
    }

    fn next_due(&self) -> Answer<'_, Option<Millis>> {
        self.ask(Lane::Read, (), notices::next_due)
    }

    fn settle(&self, n: u64, outcome: Settled) -> Answer<'_, ()> {
        self.ask(Lane::Write, (n, outcome), notices::settle)
    }

    fn dead(&self, after: u64, limit: usize) -> Answer<'_, Vec<Notice>> {
        self.ask(Lane::Read, (after, limit), notices::dead)
    }

    fn revive(&self, which: Option<u64>, now: Millis) -> Answer<'_, usize> {
        self.ask(Lane::Write, (which, now), notices::revive)
    }

    fn forget_dead(&self, which: Option<u64>) -> Answer<'_, usize> {
        self.ask(Lane::Write, which, notices::forget_dead)
    }

    fn counts(&self) -> Answer<'_, Counts> {
        self.ask(Lane::Read, (), notices::counts)
    }
}

impl Shared for Postgres {
    fn secret(&self, offered: Vec<u8>) -> Answer<'_, Vec<u8>> {
        self.ask(Lane::Write, offered, nodes::secret)
    }

    fn renew(&self, node: NodeId, lease: Duration) -> Answer<'_, Renewed> {
        self.ask(Lane::WriteAlone, (node, lease), nodes::renew)
    }

    fn claim(&self, node: NodeId, nick: Nick, account: Option<AccountId>) -> Answer<'_, bool> {
        self.ask(Lane::WriteAlone, (node, nick, account), nodes::claim)
    }

    fn release(&self, node: NodeId, nick: Nick) -> Answer<'_, ()> {
        self.ask(Lane::Write, (node, nick), nodes::release)
    }

    fn guests(&self) -> Answer<'_, Vec<String>> {
        self.ask(Lane::Read, (), nodes::guests)
    }

    fn changed_since(&self, since: MessageId) -> Answer<'_, Vec<(RoomId, Seq)>> {
        self.ask(Lane::Read, since, rooms::changed_since)
    }
}
