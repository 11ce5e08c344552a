//! The full-text index is filled behind the log.
//!
//! `rooms.indexed` says how far it has come in each room, and is written in the same transaction: after a crash it goes on from there. Walking over
//! the log takes in messages as they are now; an edit takes its message in again, and a deletion takes it out.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::StoreError;
use super::super::words::{indexed, word_of};
use super::row::{Id, Kind, RoomN, decode, int, number, room_n, uint};
use crate::proto::chat::event::{Change, Message};
use crate::proto::chat::id::{AccountId, MessageId, RoomId, Seq};

/// Events that are looked at in one step.
const STEP: i64 = 500;

/// Bits of the event's number in the number of a row of the index; the room's number stands above them.
const SEQ_BITS: u32 = 36;

/// The number of a row of the index.
pub(super) fn row_number(room: RoomN, seq: Seq) -> i64 {
    room.0 << SEQ_BITS | int(seq.min((1 << SEQ_BITS) - 1))
}

/// The number of a new room, if it fits above those bits.
pub(super) fn room_number(n: i64) -> Result<RoomN, StoreError> {
    if n < 1 << (63 - SEQ_BITS) {
        Ok(RoomN(n))
    } else {
        Err(StoreError::Full("it has had too many rooms".to_owned()))
    }
}

/// How far the index is in a room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) indexed: Seq,
    head: Seq,
}

impl Progress {
    /// Whether everything is in it.
    pub(super) fn done(self) -> bool {
        self.indexed >= self.head
    }
}

/// Rooms where something is to be done.
pub(super) fn unfinished(db: &Connection) -> rusqlite::Result<BTreeSet<RoomN>> {
    let mut statement = db.prepare("SELECT n FROM rooms WHERE indexed < head AND NOT dropped")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Those of these rooms where something is to be done, with their last events.
pub(super) fn behind(db: &Connection, rooms: &[RoomId]) -> rusqlite::Result<Vec<(RoomN, Seq)>> {
    let mut behind = Vec::new();
    for room in rooms {
        let Some(n) = room_n(db, *room)? else { continue };
        let progress = progress(db, n)?;
        if !progress.done() {
            behind.push((n, progress.head));
        }
    }
    Ok(behind)
}

fn progress(db: &Connection, room: RoomN) -> rusqlite::Result<Progress> {
    let mut statement = db.prepare_cached("SELECT indexed, head FROM rooms WHERE n = ?1 AND NOT dropped")?;
    let read = |row: &rusqlite::Row<'_>| Ok(Progress { indexed: uint(row.get(0)?), head: uint(row.get(1)?) });
    // Nothing is left to be done in a room that has been dropped.
    Ok(statement.query_row([room], read).optional()?.unwrap_or(Progress { indexed: 0, head: 0 }))
}

/// An event that may change the index.
struct Step {
    seq: Seq,
    kind: Kind,
    body: String,
    deleted: bool,
    account: Option<AccountId>,
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Step> {
    Ok(Step {
        seq: uint(row.get(0)?),
        kind: row.get(1)?,
        body: row.get(2)?,
        deleted: row.get(3)?,
        account: row.get::<_, Option<i64>>(4)?.map(|account| AccountId(number(account))),
    })
}

const READ: &str = "SELECT e.seq, e.kind, e.body, e.deleted IS NOT NULL, a.account
                    FROM events e CROSS JOIN authors a ON a.n = e.author WHERE e.room = ?1";

/// Goes on a little in a room.
pub(super) fn step(db: &Connection, room: RoomN) -> Result<Progress, StoreError> {
    let Progress { indexed, head } = progress(db, room)?;
    if indexed >= head {
        return Ok(Progress { indexed, head });
    }
    let mut select =
        db.prepare_cached(&format!("{READ} AND e.seq > ?2 AND e.kind IN (0, 1, 4) ORDER BY e.seq LIMIT ?3"))?;
    let steps = select.query_map(params![room, int(indexed), STEP], read)?.collect::<Result<Vec<_>, _>>()?;
    for step in &steps {
        match decode(step.kind, &step.body) {
            Ok(Change::Message(message)) => put(db, room, step, &message)?,
            Ok(Change::Edit { of, .. } | Change::Delete { of, .. }) => {
                if let Some(target) = message(db, room, of)? {
                    match decode(target.kind, &target.body) {
                        Ok(Change::Message(message)) => put(db, room, &target, &message)?,
                        _ => unreadable(room, &target),
                    }
                }
            }
            Ok(_) => {}
            Err(_) => unreadable(room, step),
        }
    }
    let whole = steps.len() < usize::try_from(STEP).unwrap_or(usize::MAX);
    let indexed = steps.last().filter(|_| !whole).map_or(head, |step| step.seq);
    db.prepare_cached("UPDATE rooms SET indexed = ?2 WHERE n = ?1")?.execute(params![room, int(indexed)])?;
    Ok(Progress { indexed, head })
}

/// One damaged row must not keep all others out of the index.
fn unreadable(room: RoomN, step: &Step) {
    tracing::warn!(
        row = room.0,
        seq = step.seq,
        "an event that cannot be read is left out of the full-text index"
    );
}

fn message(db: &Connection, room: RoomN, id: MessageId) -> rusqlite::Result<Option<Step>> {
    let mut select = db.prepare_cached(&format!("{READ} AND e.id = ?2 AND e.kind = 0"))?;
    select.query_row(params![room, Id(id)], read).optional()
}

fn put(db: &Connection, room: RoomN, step: &Step, message: &Message) -> rusqlite::Result<()> {
    let n = row_number(room, step.seq);
    if step.deleted || message.text.is_empty() {
        db.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([n])?;
        return Ok(());
    }
    let who = step.account.map(word_of).unwrap_or_default();
    let mut insert =
        db.prepare_cached("INSERT OR REPLACE INTO words (rowid, text, who) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![n, indexed(&message.text), who])?;
    Ok(())
}
