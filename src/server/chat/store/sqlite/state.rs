//! What the writer remembers between transactions, so that an event costs few look-ups.
//!
//! All of it can be read again: after a transaction that was rolled back it is forgotten, but for the marks of work that is left, which may be wrong in
//! one direction only.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::{Id, RoomN, bits, int, uint};
use crate::proto::chat::event::Author;
use crate::proto::chat::id::{AccountId, MessageId, RoomId, Seq};

/// Authors that are remembered at most, of about 200 bytes.
const MAX_AUTHORS: usize = 10_000;

/// Rooms that are remembered at most, of about 100 bytes.
const MAX_ROOMS: usize = 100_000;

/// A room that exists.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoomState {
    pub(super) n: RoomN,
    pub(super) head: Seq,
    pub(super) last: MessageId,
    /// Of text, in all messages.
    pub(super) bytes: u64,
    pub(super) closed: bool,
    /// The table is behind.
    pub(super) changed: bool,
}

/// A name as it was written: names that differ in case are different authors here.
type AuthorKey = (Box<str>, Option<AccountId>, Arc<str>, Arc<str>);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct State {
    rooms: HashMap<RoomId, RoomState>,
    authors: HashMap<AuthorKey, i64>,
    /// The period of the table of sent drafts that is filled now; `None` if it has not been read.
    pub(super) period: Option<u64>,
    /// Rooms with events that may not be in the full-text index.
    pub(super) unindexed: BTreeSet<RoomN>,
    /// Whether there may be rooms whose rows are to be deleted.
    pub(super) dropped: bool,
}

impl State {
    /// Forgets what may not be so.
    pub(super) fn forget(&mut self) {
        self.rooms.clear();
        self.authors.clear();
        self.period = None;
    }

    /// Keeps its limits. Only between the calls of users, as rooms may be changed.
    pub(super) fn trim(&mut self) {
        if self.rooms.len() > MAX_ROOMS {
            self.rooms.clear();
        }
        if self.authors.len() > MAX_AUTHORS {
            self.authors.clear();
        }
    }

    /// A room, unless it does not exist.
    pub(super) fn room(&mut self, db: &Connection, id: RoomId) -> rusqlite::Result<Option<&mut RoomState>> {
        let vacant = match self.rooms.entry(id) {
            Entry::Occupied(known) => return Ok(Some(known.into_mut())),
            Entry::Vacant(vacant) => vacant,
        };
        let mut statement = db
            .prepare_cached("SELECT n, head, last, bytes, closed FROM rooms WHERE id = ?1 AND NOT dropped")?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(RoomState {
                n: row.get(0)?,
                head: uint(row.get(1)?),
                last: row.get::<_, Id>(2)?.0,
                bytes: uint(row.get(3)?),
                closed: row.get(4)?,
                changed: false,
            })
        };
        Ok(statement.query_row([bits(id.0)], read).optional()?.map(|room| vacant.insert(room)))
    }

    /// Remembers a room that was made.
    pub(super) fn insert(&mut self, id: RoomId, room: RoomState) {
        self.rooms.insert(id, room);
    }

    /// Forgets a room.
    pub(super) fn remove(&mut self, id: RoomId) {
        self.rooms.remove(&id);
    }

    /// Writes what has changed of these rooms.
    pub(super) fn flush(
        &mut self,
        db: &Connection,
        rooms: impl Iterator<Item = RoomId>,
    ) -> rusqlite::Result<()> {
        for id in rooms {
            let Some(room) = self.rooms.get_mut(&id).filter(|room| room.changed) else { continue };
            let mut statement =
                db.prepare_cached("UPDATE rooms SET head = ?2, last = ?3, bytes = ?4 WHERE n = ?1")?;
            statement.execute(params![room.n, int(room.head), Id(room.last), int(room.bytes)])?;
            room.changed = false;
            self.unindexed.insert(room.n);
        }
        Ok(())
    }

    /// The number of an author, who gets one now if there is none.
    pub(super) fn author(&mut self, db: &Connection, author: &Author) -> rusqlite::Result<i64> {
        let Author { nick, account, user, host } = author;
        let key = (Box::from(nick.as_str()), *account, Arc::clone(user), Arc::clone(host));
        if let Some(n) = self.authors.get(&key) {
            return Ok(*n);
        }
        let account = account.map(|account| bits(account.0));
        let values = params![nick.as_str(), account, user, host];
        let mut known = db.prepare_cached(
            "SELECT n FROM authors WHERE nick = ?1 AND user = ?3 AND host = ?4 AND ifnull(account, '') = ifnull(?2, '')",
        )?;
        let n = match known.query_row(values, |row| row.get(0)).optional()? {
            Some(n) => n,
            None => db
                .prepare_cached("INSERT INTO authors (nick, account, user, host) VALUES (?1, ?2, ?3, ?4)")?
                .insert(values)?,
        };
        self.authors.insert(key, n);
        Ok(n)
    }
}
