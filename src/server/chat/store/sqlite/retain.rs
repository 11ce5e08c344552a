//! Forgetting messages that are too old or too many.
//!
//! A thread of its own finds out what has to go and asks the writer for it in small steps, between which others write. What is forgotten are messages with all
//! that became of them, and the edits and reactions of the same age. Changes of rooms and the marks of deletions stay.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::path::Path;

use rusqlite::{Connection, params};

use super::super::StoreError;
use super::effects::edits;
use super::index::row_number;
use super::open;
use super::row::{Id, Kind, RoomN, int, next, number, uint};
use super::state::State;
use super::writer::Writer;
use crate::proto::chat::id::{MessageId, Millis, RoomId, Seq};

/// Events that are looked at in one step, and read ahead from each room.
const STEP: i64 = 250;

/// Forgets messages before `before`, and the oldest ones until there are at most `bytes` of text. Says how many there were.
pub(super) fn retain(
    writer: &Writer,
    folder: &Path,
    before: Option<Millis>,
    bytes: Option<u64>,
) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    if let Some(time) = before {
        forgotten += forget_until(writer, &rooms(&open::reader(folder)?)?, MessageId::first_of(time))?;
    }
    if let Some(bytes) = bytes {
        let reader = open::reader(folder)?;
        let snapshot = reader.unchecked_transaction()?;
        let rooms = rooms(&snapshot)?;
        let until = too_many(&snapshot, &rooms, bytes)?;
        drop(snapshot);
        if let Some(until) = until {
            forgotten += forget_until(writer, &rooms, until)?;
        }
    }
    Ok(forgotten)
}

fn rooms(db: &Connection) -> Result<Vec<(RoomId, RoomN)>, StoreError> {
    let mut select = db.prepare("SELECT id, n FROM rooms WHERE NOT dropped")?;
    let rooms = select.query_map([], |row| Ok((RoomId(number(row.get(0)?)), row.get(1)?)))?;
    Ok(rooms.collect::<Result<_, _>>()?)
}

fn forget_until(writer: &Writer, rooms: &[(RoomId, RoomN)], until: MessageId) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    for (room, _) in rooms {
        let (room, mut from) = (*room, Some(MessageId::first_of(0)));
        while let Some(start) = from {
            let (count, next) =
                writer.ask_blocking(move |db, state| forget(db, state, room, start, until))?;
            forgotten += count;
            from = next;
        }
    }
    Ok(forgotten)
}

/// An event that is looked at.
struct Row {
    id: MessageId,
    seq: Seq,
    kind: Kind,
    bytes: u64,
}

/// One step in a room, from `start` on. Says how many messages it has forgotten, and where to go on.
fn forget(
    db: &Connection,
    state: &mut State,
    room: RoomId,
    start: MessageId,
    until: MessageId,
) -> Result<(u64, Option<MessageId>), StoreError> {
    let Some(n) = state.room(db, room)?.map(|room| room.n) else { return Ok((0, None)) };
    let mut select = db.prepare_cached(
        "SELECT id, seq, kind, bytes FROM events INDEXED BY events_id
         WHERE room = ?1 AND id >= ?2 AND id < ?3 ORDER BY id LIMIT ?4",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let (seq, bytes) = (uint(row.get(1)?), uint(row.get(3)?));
        Ok(Row { id: row.get::<_, Id>(0)?.0, seq, kind: row.get(2)?, bytes })
    };
    let rows =
        select.query_map(params![n, Id(start), Id(until), STEP], read)?.collect::<Result<Vec<_>, _>>()?;
    let mut delete = db.prepare_cached("DELETE FROM events WHERE room = ?1 AND seq = ?2")?;
    let (mut messages, mut bytes) = (0, 0);
    for row in rows.iter().filter(|row| !matches!(row.kind, Kind::Delete | Kind::State)) {
        delete.execute(params![n, int(row.seq)])?;
        bytes += row.bytes;
        if row.kind == Kind::Message {
            messages += 1;
            for edit in edits(db, n, int(row.seq))? {
                delete.execute(params![n, int(edit)])?;
            }
            forget_message(db, n, row.seq)?;
        }
    }
    if let Some(room) = state.room(db, room)? {
        room.bytes = room.bytes.saturating_sub(bytes);
        room.changed = true;
    }
    state.flush(db, std::iter::once(room))?;
    let whole = rows.len() < usize::try_from(STEP).unwrap_or(usize::MAX);
    Ok((messages, rows.last().filter(|_| !whole).map(|row| next(row.id))))
}

/// What stands about a message beside its row.
fn forget_message(db: &Connection, room: RoomN, seq: Seq) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM edits WHERE room = ?1 AND message = ?2",
        "DELETE FROM reactions WHERE room = ?1 AND message = ?2",
        "DELETE FROM media WHERE room = ?1 AND message = ?2",
    ] {
        db.prepare_cached(sql)?.execute(params![room, int(seq)])?;
    }
    db.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([row_number(room, seq)])?;
    Ok(())
}

/// The id behind the last message that has to go; `None` if there is no more text than allowed.
fn too_many(db: &Connection, rooms: &[(RoomId, RoomN)], bytes: u64) -> Result<Option<MessageId>, StoreError> {
    let total: i64 =
        db.query_row("SELECT ifnull(sum(bytes), 0) FROM rooms WHERE NOT dropped", [], |row| row.get(0))?;
    let mut excess = uint(total).saturating_sub(bytes);
    let mut oldest =
        rooms.iter().map(|(_, n)| Oldest { n: *n, after: 0, read: VecDeque::new() }).collect::<Vec<_>>();
    let mut heap = BinaryHeap::new();
    for (at, room) in oldest.iter_mut().enumerate() {
        heap.extend(room.next(db)?.map(|(id, bytes)| Reverse((id, bytes, at))));
    }
    let mut until = None;
    while excess > 0
        && let Some(Reverse((id, bytes, at))) = heap.pop()
    {
        excess = excess.saturating_sub(bytes);
        until = Some(next(id));
        heap.extend(oldest[at].next(db)?.map(|(id, bytes)| Reverse((id, bytes, at))));
    }
    Ok(until)
}

/// The messages and tags of a room, the oldest first.
struct Oldest {
    n: RoomN,
    after: i64,
    read: VecDeque<(MessageId, u64, i64)>,
}

impl Oldest {
    fn next(&mut self, db: &Connection) -> rusqlite::Result<Option<(MessageId, u64)>> {
        if self.read.is_empty() {
            let mut select = db.prepare_cached(
                "SELECT id, bytes, seq FROM events WHERE room = ?1 AND bytes > 0 AND seq > ?2 ORDER BY seq LIMIT ?3",
            )?;
            let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Id>(0)?.0, uint(row.get(1)?), row.get(2)?));
            self.read =
                select.query_map(params![self.n, self.after, STEP], read)?.collect::<Result<_, _>>()?;
        }
        let message = self.read.pop_front();
        self.after = message.map_or(self.after, |(_, _, seq)| seq);
        Ok(message.map(|(id, bytes, _)| (id, bytes)))
    }
}
