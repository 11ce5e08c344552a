//! The store in a folder: SQLite, compiled in.
//!
//! One thread writes, a few read, and neither waits for the other: the database has a write-ahead log (WAL). What the writer has
//! acknowledged was synchronised to disk, unless [`Durability::Normal`] was chosen. `docs/chat-storage.md` describes the folder for its owner.

mod accounts;
mod append;
mod backup;
mod cursors;
mod effects;
mod error;
mod index;
mod media;
mod notices;
mod open;
mod page;
mod readers;
mod retain;
mod rooms;
mod row;
mod search;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::oneshot;

#[cfg(test)]
pub(super) use self::append::SENT_PERIOD;
pub use self::error::OpenError;
use self::readers::Readers;
use self::writer::Writer;
use super::account::{Account, AccountChange, NewAccount, Session};
use super::history::{Entry, Found, Page, Query, Search};
use super::notices::{Counts, Device, Level, NewNotice, Notice, Notices, Settled};
use super::{Answer, Appended, Cursor, Draft, Store, StoreError, StoredRoom};
use crate::net::workers::BlockingConfig;
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId};
use crate::proto::chat::name::{Nick, RoomName};
use crate::proto::chat::room::Room;

/// When what was written is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Before it is acknowledged.
    #[default]
    Full,
    /// Soon. A crash of the program loses nothing, one of the system may lose the last transactions.
    Normal,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct SqliteConfig {
    /// When what was written is on disk.
    pub durability: Durability,
    /// The threads that read, and the questions that may wait for them.
    pub readers: BlockingConfig,
    /// Calls that may wait for the writer; others fail with [`StoreError::Away`].
    pub queue: usize,
    /// Bytes of the database at most: beyond them writing fails with [`StoreError::Full`]. The write-ahead log is not counted.
    pub max_bytes: Option<u64>,
}

impl SqliteConfig {
    /// Calls that may wait for the writer by default: at 30 µs a message, a tenth of a second.
    pub const QUEUE: usize = 4096;

    /// Threads that read, by default. A page of history takes about 0.1 ms, so that they are for searches.
    pub const READERS: usize = 4;
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            readers: BlockingConfig { threads: Self::READERS, queue: BlockingConfig::QUEUE },
            queue: Self::QUEUE,
            max_bytes: None,
        }
    }
}

/// A store in a folder, which no other process can use meanwhile. Dropping it waits until what was begun is written.
#[derive(Debug)]
pub struct Sqlite {
    folder: PathBuf,
    writer: Arc<Writer>,
    readers: Readers,
}

impl Sqlite {
    /// Opens the store in `folder`. What is missing is created: the folder, the database, and what newer versions have added to its schema.
    ///
    /// # Errors
    /// The folder is in use, or its database cannot be used.
    pub fn open(folder: &Path, config: &SqliteConfig) -> Result<Self, OpenError> {
        let lock = open::lock(folder)?;
        let connection = open::writer(folder, config)?;
        let failed = |source| OpenError::Io { file: folder.to_owned(), source };
        let writer = Writer::start(connection, folder.to_owned(), config.queue, lock).map_err(failed)?;
        let readers = Readers::new(folder.to_owned(), config.readers);
        Ok(Self { folder: folder.to_owned(), writer: Arc::new(writer), readers })
    }

    /// Does something long on a thread of its own.
    fn aside<T, F>(&self, name: &str, work: F) -> Answer<'static, T>
    where
        T: Send + 'static,
        F: FnOnce(&Writer, &Path) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (writer, folder) = (Arc::clone(&self.writer), self.folder.clone());
        let run = move || {
            let outcome = work(&writer, &folder);
            // Whoever has the answer may drop the store, and finds the folder free then.
            drop(writer);
            let _ = reply.send(outcome);
        };
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        Box::pin(async move {
            started.map_err(|error| StoreError::Away(error.to_string()))?;
            answer.await.unwrap_or_else(|_| Err(StoreError::Away("its thread has ended".to_owned())))
        })
    }
}

impl Store for Sqlite {
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>> {
        self.writer.ask(drafts.len(), move |db, state| append::append(db, state, &drafts))
    }

    fn rooms(&self) -> Answer<'_, Vec<StoredRoom>> {
        self.readers.ask(rooms::all)
    }

    fn room(&self, name: RoomName) -> Answer<'_, Option<StoredRoom>> {
        self.readers.ask(move |db| rooms::by_name(db, &name))
    }

    fn snapshot(&self, room: Room) -> Answer<'_, ()> {
        let body = serde_json::to_string(&room).map_err(|error| error.to_string());
        let (id, head) = (room.id(), room.head());
        self.writer.ask(1, move |db, _| {
            let body = body.as_ref().map_err(|error| StoreError::Broken(error.clone()))?;
            rooms::snapshot(db, id, head, body)
        })
    }

    fn drop_room(&self, room: RoomId) -> Answer<'_, ()> {
        self.writer.ask(1, move |db, state| rooms::drop_room(db, state, room))
    }

    fn page(&self, query: Query) -> Answer<'_, Page> {
        self.readers.ask(move |db| page::page(db, &query))
    }

    fn event(&self, room: RoomId, id: MessageId) -> Answer<'_, Option<Entry>> {
        self.readers.ask(move |db| page::event(db, room, id))
    }

    fn search(&self, search: Search) -> Answer<'_, Vec<Found>> {
        let caught_up = self.writer.catch_up(search.rooms.clone());
        Box::pin(async move {
            caught_up.await?;
            self.readers.ask(move |db| search::search(db, &search)).await
        })
    }

    fn last_id(&self) -> Answer<'_, Option<MessageId>> {
        self.readers.ask(rooms::last_id)
    }

    fn create_account(&self, account: NewAccount) -> Answer<'_, Account> {
        self.writer.ask(1, move |db, _| accounts::create(db, &account))
    }

    fn account(&self, name: Nick) -> Answer<'_, Option<Account>> {
        self.readers.ask(move |db| accounts::by_name(db, &name))
    }

    fn account_of_certificate(&self, digest: [u8; 32]) -> Answer<'_, Option<Account>> {
        self.readers.ask(move |db| accounts::by_certificate(db, &digest))
    }

    fn accounts(&self, after: Option<Nick>, limit: usize) -> Answer<'_, Vec<Account>> {
        self.readers.ask(move |db| accounts::list(db, after.as_ref(), limit))
    }

    fn accounts_by_id(&self, ids: Vec<AccountId>) -> Answer<'_, Vec<Account>> {
        self.readers.ask(move |db| accounts::by_ids(db, &ids))
    }

    fn change_account(&self, id: AccountId, change: AccountChange) -> Answer<'_, Account> {
        self.writer.ask(1, move |db, _| accounts::change(db, id, &change))
    }

    fn remove_account(&self, id: AccountId) -> Answer<'_, bool> {
        self.writer.ask(1, move |db, _| accounts::remove(db, id))
    }

    fn create_session(&self, session: Session) -> Answer<'_, ()> {
        self.writer.ask(1, move |db, _| accounts::create_session(db, &session))
    }

    fn session(&self, digest: [u8; 32], now: Millis) -> Answer<'_, Option<(Session, Account)>> {
        self.readers.ask(move |db| accounts::session_by_digest(db, &digest, now))
    }

    fn sessions(&self, account: AccountId, now: Millis) -> Answer<'_, Vec<Session>> {
        self.readers.ask(move |db| accounts::sessions(db, account, now))
    }

    fn touch_sessions(&self, used: Vec<(MessageId, Millis)>) -> Answer<'_, ()> {
        self.writer.ask(used.len(), move |db, _| accounts::touch(db, &used))
    }

    fn end_sessions(
        &self,
        account: AccountId,
        one: Option<MessageId>,
        except: Option<MessageId>,
    ) -> Answer<'_, usize> {
        self.writer.ask(1, move |db, _| accounts::end(db, account, one, except))
    }

    fn note_seen(&self, seen: Vec<(AccountId, Millis)>) -> Answer<'_, ()> {
        self.writer.ask(seen.len(), move |db, _| accounts::note_seen(db, &seen))
    }

    fn last_seen(&self, account: AccountId) -> Answer<'_, Option<Millis>> {
        self.readers.ask(move |db| accounts::last_seen(db, account))
    }

    fn advance(&self, cursors: Vec<(RoomId, AccountId, Cursor)>) -> Answer<'_, ()> {
        self.writer.ask(cursors.len(), move |db, _| cursors::advance(db, &cursors))
    }

    fn cursors(&self, account: AccountId) -> Answer<'_, Vec<(RoomId, Cursor)>> {
        self.readers.ask(move |db| cursors::of_account(db, account))
    }

    fn cursors_of(&self, room: RoomId) -> Answer<'_, Vec<(AccountId, Cursor)>> {
        self.readers.ask(move |db| cursors::of_room(db, room))
    }

    fn retain(&self, before: Option<Millis>, bytes: Option<u64>) -> Answer<'_, u64> {
        self.aside("wireworks-retain", move |writer, folder| retain::retain(writer, folder, before, bytes))
    }

    fn media_in_use(&self, digests: Vec<String>) -> Answer<'_, Vec<String>> {
        self.readers.ask(move |db| media::in_use(db, digests))
    }

    fn notices(&self) -> Option<&dyn Notices> {
        Some(self)
    }

    fn backup(&self, to: PathBuf) -> Answer<'_, ()> {
        self.aside("wireworks-backup", move |_, folder| backup::backup(folder, &to))
    }
}

impl Notices for Sqlite {
    fn append_with(&self, drafts: Vec<Draft>, notices: Vec<NewNotice>) -> Answer<'_, Vec<Appended>> {
        let weight = drafts.len() + notices.len();
        self.writer.ask(weight, move |db, state| notices::append_with(db, state, &drafts, &notices))
    }

    fn add_device(&self, device: Device) -> Answer<'_, ()> {
        self.writer.ask(1, move |db, _| notices::add_device(db, &device))
    }

    fn remove_device(&self, account: AccountId, endpoint: String) -> Answer<'_, bool> {
        self.writer.ask(1, move |db, _| notices::remove_device(db, account, &endpoint))
    }

    fn set_level(&self, room: RoomId, account: AccountId, level: Level) -> Answer<'_, ()> {
        self.writer.ask(1, move |db, _| notices::set_level(db, room, account, level))
    }

    fn levels(&self) -> Answer<'_, Vec<(RoomId, AccountId, Level)>> {
        self.readers.ask(notices::levels)
    }

    fn claim(&self, now: Millis, until: Millis, limit: usize) -> Answer<'_, Vec<Notice>> {
        self.writer.ask(1, move |db, _| notices::claim(db, now, until, limit))
    }

    fn next_due(&self) -> Answer<'_, Option<Millis>> {
        self.readers.ask(notices::next_due)
    }

    fn settle(&self, n: u64, outcome: Settled) -> Answer<'_, ()> {
        self.writer.ask(1, move |db, _| notices::settle(db, n, &outcome))
    }

    fn dead(&self, after: u64, limit: usize) -> Answer<'_, Vec<Notice>> {
        self.readers.ask(move |db| notices::dead(db, after, limit))
    }

    fn revive(&self, which: Option<u64>, now: Millis) -> Answer<'_, usize> {
        self.writer.ask(1, move |db, _| notices::revive(db, which, now))
    }

    fn forget_dead(&self, which: Option<u64>) -> Answer<'_, usize> {
        self.writer.ask(1, move |db, _| notices::forget_dead(db, which))
    }

    fn counts(&self) -> Answer<'_, Counts> {
        self.readers.ask(notices::counts)
    }
}
