//! Where a chat keeps what must not be lost: the logs of rooms, accounts and their sessions, and how far everybody has read.
//!
//! A [`Store`] is SQLite in a folder ([`sqlite`]), or PostgreSQL, which several nodes share ([`postgres`]). What it has acknowledged is on disk. Rooms
//! are logs of events, so most of what it is asked to write is [`append`](Store::append): many events in one transaction, which numbers them.
//! What edits, deletions and reactions have made of a message is kept beside the log, so that a [`page`](Store::page) of history shows messages as they are
//! now.

pub mod account;
pub mod history;
pub mod notices;
pub mod postgres;
pub mod shared;
pub mod sqlite;

mod columns;
mod snippet;
#[cfg(test)]
mod tests;
mod words;

use std::future::Future;
use std::pin::Pin;

use self::account::{Account, AccountChange, NewAccount, Session};
use self::history::{Found, Page, Query, Search};
use self::notices::Notices;
use crate::proto::chat::event::{Author, Change, Event};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};
use crate::proto::chat::name::{Nick, RoomName};
use crate::proto::chat::room::Room;

/// An answer of a store, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no room left for it: the disk is full, or a quota is used up. What can be read still can.
    #[error("the store is full: {0}")]
    Full(String),
    /// The name is taken already.
    #[error("the name is taken")]
    Taken,
    /// There is no such thing.
    #[error("there is none")]
    None,
    /// It cannot be reached, or too much waits for it. Another try may succeed.
    #[error("the store is away: {0}")]
    Away(String),
    /// What it holds makes no sense, or it was made by a newer version.
    #[error("the store is broken: {0}")]
    Broken(String),
    /// This store does not do that.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// An event that has no number yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Where.
    pub room: RoomId,
    /// Its number everywhere.
    pub id: MessageId,
    /// By whom.
    pub by: Author,
    /// What.
    pub change: Change,
    /// What the client calls it: a second draft of the same account with the same word is not appended. Guests have none.
    pub client_id: Option<String>,
}

/// What became of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is the event of this number.
    New(Seq),
    /// It is the event of this number, under this id: the room had an event already with a larger id than that of the draft, by the clock of another node.
    Raised(Seq, MessageId),
    /// Its client had sent it before, and it became this event then. Nothing was written.
    Known(Seq, MessageId),
    /// There is no such room (any longer).
    NoRoom,
}

/// A room as a store knows it: a snapshot, and what happened since then.
#[derive(Clone, Debug)]
pub struct StoredRoom {
    /// The room as it was at some time.
    pub snapshot: Room,
    /// What has changed it after that, in order: changes of its state ([`Change::is_state`]), and deletions, which take pins with them. Messages are
    /// left out, so [`Room::head`] may be behind `head` when they are applied.
    pub since: Vec<Event>,
    /// The number of its last event.
    pub head: Seq,
}

/// How far an account is in a room. All of them only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The last event that one of its devices has received.
    pub delivered: Seq,
    /// The last event that it has read.
    pub read: Seq,
    /// When that was.
    pub read_at: Millis,
}

/// What must not be lost.
///
/// Whatever writes is queued when the method is called, not when its future is polled first, so calls are done in their order; and its future may be
/// dropped: the work is done all the same. A question whose future is dropped may remain unasked.
pub trait Store: Send + Sync + 'static {
    /// Appends each draft to the log of its room, in this order, in one transaction, and numbers them; the ids of a room grow with its numbers. When the future is done they are on disk.
    /// [`Change::Create`] makes the room. Its name, its number, and the two accounts of a direct room have to be free ([`StoreError::Taken`]); the
    /// other drafts are not appended then, either. [`Change::Close`] frees the name.
    ///
    /// An edit, a deletion or a reaction of what is no message of the room, or of a deleted one, is appended and changes nothing else. A deletion takes the text
    /// of the message and of its edits, its files and its reactions off the log.
    fn append(&self, drafts: Vec<Draft>) -> Answer<'_, Vec<Appended>>;

    /// All rooms that are not closed.
    fn rooms(&self) -> Answer<'_, Vec<StoredRoom>>;

    /// One room.
    fn room(&self, name: RoomName) -> Answer<'_, Option<StoredRoom>>;

    /// One room, by its number.
    fn room_by_id(&self, room: RoomId) -> Answer<'_, Option<StoredRoom>> {
        let rooms = self.rooms();
        Box::pin(async move { Ok(rooms.await?.into_iter().find(|found| found.snapshot.id() == room)) })
    }

    /// Keeps what the events up to the room's head have made of it. An older one than is there already changes nothing. [`StoreError::None`] if there is no such room.
    fn snapshot(&self, room: Room) -> Answer<'_, ()>;

    /// Forgets a room with all that was said in it, if there is one.
    fn drop_room(&self, room: RoomId) -> Answer<'_, ()>;

    /// Forgets a room, unless something has happened in it after `head`. Says whether it did. A store of one node need not look.
    fn drop_room_at(&self, room: RoomId, head: Seq) -> Answer<'_, bool> {
        let _ = head;
        let dropped = self.drop_room(room);
        Box::pin(async move { dropped.await.map(|()| true) })
    }

    /// Events of a room, with what became of them.
    fn page(&self, query: Query) -> Answer<'_, Page>;

    /// The event with this id, with what became of it.
    fn event(&self, room: RoomId, id: MessageId) -> Answer<'_, Option<history::Entry>>;

    /// Messages that contain words.
    fn search(&self, search: Search) -> Answer<'_, Vec<Found>>;

    /// The largest id of all events, after which new ones have to come.
    fn last_id(&self) -> Answer<'_, Option<MessageId>>;

    /// Makes an account. Its name has to be free ([`StoreError::Taken`]).
    fn create_account(&self, account: NewAccount) -> Answer<'_, Account>;

    /// The account of this name.
    fn account(&self, name: Nick) -> Answer<'_, Option<Account>>;

    /// The account that a client certificate opens, by the SHA-256 of the certificate.
    fn account_of_certificate(&self, digest: [u8; 32]) -> Answer<'_, Option<Account>>;

    /// All accounts, by name; at most `limit` after `after`.
    fn accounts(&self, after: Option<Nick>, limit: usize) -> Answer<'_, Vec<Account>>;

    /// These accounts, as far as they exist, in this order.
    fn accounts_by_id(&self, ids: Vec<AccountId>) -> Answer<'_, Vec<Account>>;

    /// Changes an account. [`StoreError::None`] if it does not exist; [`StoreError::Taken`] if a certificate opens another one.
    fn change_account(&self, id: AccountId, change: AccountChange) -> Answer<'_, Account>;

    /// Forgets an account with its certificates, sessions, devices and positions; its name is free then. What it has said stays, and so do its memberships: they are
    /// ended before. Says whether there was one. A store that cannot says so ([`StoreError::Away`]).
    fn remove_account(&self, _id: AccountId) -> Answer<'_, bool> {
        Box::pin(std::future::ready(Err(StoreError::Away("it does not remove accounts".to_owned()))))
    }

    /// Keeps a session.
    fn create_session(&self, session: Session) -> Answer<'_, ()>;

    /// The session whose token has this digest, and its account; not if it has expired at `now`.
    fn session(&self, digest: [u8; 32], now: Millis) -> Answer<'_, Option<(Session, Account)>>;

    /// The sessions of an account that have not expired at `now`.
    fn sessions(&self, account: AccountId, now: Millis) -> Answer<'_, Vec<Session>>;

    /// Notes that sessions (by their ids) were used at these times.
    fn touch_sessions(&self, used: Vec<(MessageId, Millis)>) -> Answer<'_, ()>;

    /// Ends one session of an account, or all of them but `except`. Says how many it ended.
    fn end_sessions(
        &self,
        account: AccountId,
        one: Option<MessageId>,
        except: Option<MessageId>,
    ) -> Answer<'_, usize>;

    /// Notes that accounts were here at these times; what is known to be later stays, and accounts that do not exist are left out. A store that keeps no such
    /// times forgets them.
    fn note_seen(&self, _seen: Vec<(AccountId, Millis)>) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// When an account was here the last time, if that is known.
    fn last_seen(&self, _account: AccountId) -> Answer<'_, Option<Millis>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Moves cursors forward; what is behind already stays, and so does the time if `read` does. Those of rooms that do not exist are left out.
    fn advance(&self, cursors: Vec<(RoomId, AccountId, Cursor)>) -> Answer<'_, ()>;

    /// The cursors of an account.
    fn cursors(&self, account: AccountId) -> Answer<'_, Vec<(RoomId, Cursor)>>;

    /// The cursors of a room's members.
    fn cursors_of(&self, room: RoomId) -> Answer<'_, Vec<(AccountId, Cursor)>>;

    /// Forgets messages that were sent before `before`, and beyond that the oldest ones until there are at most `bytes` of text and tags, if that is limited; with them go
    /// their edits, and edits and reactions of the same age. Changes of rooms, deletions and numbers stay. Says how many messages it has forgotten.
    fn retain(&self, before: Option<Millis>, bytes: Option<u64>) -> Answer<'_, u64>;

    /// Those of these files (SHA-256 in hexadecimal digits) that a message which is not deleted, or a profile, names. A store that cannot tell says
    /// that all of them are named: the others are removed.
    fn media_in_use(&self, digests: Vec<String>) -> Answer<'_, Vec<String>> {
        Box::pin(std::future::ready(Ok(digests)))
    }

    /// Where notices for absent members are kept; a store without that has none, and nobody absent is told anything.
    fn notices(&self) -> Option<&dyn Notices> {
        None
    }

    /// Writes a copy of everything into a file that does not exist yet ([`StoreError::Taken`]), while others go on.
    fn backup(&self, to: std::path::PathBuf) -> Answer<'_, ()>;

    /// What several nodes share, if this store is one for several.
    fn shared(&self) -> Option<&dyn shared::Shared> {
        None
    }
}
