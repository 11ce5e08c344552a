//! Rooms: their snapshots, what has happened since, and how they are dropped.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::{StoreError, StoredRoom};
use super::row::{COLUMNS, Id, RoomN, bits, entry, int, number, room_n, uint};
use super::state::State;
use crate::proto::chat::event::Event;
use crate::proto::chat::id::{MessageId, RoomId, Seq};
use crate::proto::chat::name::RoomName;
use crate::proto::chat::room::Room;

/// Rows of a dropped room that are deleted in one step.
const CLEAR_STEP: i64 = 1000;

/// A room that is not closed, as its rows say.
struct Found {
    n: RoomN,
    id: RoomId,
    head: Seq,
    snapshot: Option<String>,
}

const FOUND: &str = "SELECT r.n, r.id, r.head, s.body FROM rooms r LEFT JOIN snapshots s ON s.room = r.n
                     WHERE NOT r.closed AND NOT r.dropped";

fn found(row: &rusqlite::Row<'_>) -> rusqlite::Result<Found> {
    let id = RoomId(number(row.get(1)?));
    Ok(Found { n: row.get(0)?, id, head: uint(row.get(2)?), snapshot: row.get(3)? })
}

/// All rooms that are not closed.
pub(super) fn all(db: &Connection) -> Result<Vec<StoredRoom>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{FOUND} ORDER BY r.n"))?;
    let rooms = statement.query_map([], found)?;
    rooms.map(|room| stored(db, room?)).collect()
}

/// The one of this name.
pub(super) fn by_name(db: &Connection, name: &RoomName) -> Result<Option<StoredRoom>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{FOUND} AND r.key = ?1"))?;
    let room = statement.query_row([name.folded()], found).optional()?;
    room.map(|room| stored(db, room)).transpose()
}

fn stored(db: &Connection, room: Found) -> Result<StoredRoom, StoreError> {
    let broken = |error| StoreError::Broken(format!("the snapshot of room {}: {error}", room.id.0));
    let snapshot = match &room.snapshot {
        Some(body) => serde_json::from_str(body).map_err(broken)?,
        None => Room::new(room.id),
    };
    let since = since(db, &room, snapshot.head())?;
    Ok(StoredRoom { snapshot, since, head: room.head })
}

fn since(db: &Connection, room: &Found, after: Seq) -> Result<Vec<Event>, StoreError> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM events e INDEXED BY events_state JOIN authors a ON a.n = e.author
         WHERE e.room = ?1 AND e.seq > ?2 AND e.kind >= 4 ORDER BY e.seq"
    ))?;
    let mut rows = statement.query(params![room.n, int(after)])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(entry(room.id, row)?.0.event);
    }
    Ok(events)
}

/// Keeps a snapshot, `body`, unless there is a newer one.
pub(super) fn snapshot(db: &Connection, room: RoomId, head: Seq, body: &str) -> Result<(), StoreError> {
    let n = room_n(db, room)?.ok_or(StoreError::None)?;
    let mut insert = db.prepare_cached(
        "INSERT INTO snapshots (room, head, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (room) DO UPDATE SET head = excluded.head, body = excluded.body WHERE excluded.head > head",
    )?;
    insert.execute(params![n, int(head), body])?;
    Ok(())
}

/// From now on there is no such room. Its rows are deleted by and by.
pub(super) fn drop_room(db: &Connection, state: &mut State, room: RoomId) -> Result<(), StoreError> {
    let sql = "UPDATE rooms SET dropped = 1, closed = 1, key = NULL WHERE id = ?1";
    db.prepare_cached(sql)?.execute([bits(room.0)])?;
    state.remove(room);
    state.dropped = true;
    Ok(())
}

/// Deletes some rows of a dropped room. Says whether there may be more.
pub(super) fn clear(db: &Connection) -> Result<bool, StoreError> {
    let next = db
        .prepare_cached("SELECT n, last FROM rooms WHERE dropped ORDER BY n LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, RoomN>(0)?, row.get::<_, Id>(1)?.0)));
    let Some((room, last)) = next.optional()? else { return Ok(false) };
    let mut select = db.prepare_cached(
        "SELECT max(seq) FROM (SELECT seq FROM events WHERE room = ?1 ORDER BY seq LIMIT ?2)",
    )?;
    let until: Option<i64> = select.query_row(params![room, CLEAR_STEP], |row| row.get(0))?;
    match until {
        Some(until) => {
            let words = super::index::row_number(room, 0)..=super::index::row_number(room, uint(until));
            db.prepare_cached("DELETE FROM words WHERE rowid BETWEEN ?1 AND ?2")?
                .execute([words.start(), words.end()])?;
            for table in ["edits", "reactions", "media"] {
                let sql = format!("DELETE FROM {table} WHERE room = ?1 AND message <= ?2");
                db.prepare_cached(&sql)?.execute(params![room, until])?;
            }
            db.prepare_cached("DELETE FROM events WHERE room = ?1 AND seq <= ?2")?
                .execute(params![room, until])?;
        }
        None => {
            remember_last(db, last)?;
            db.execute("DELETE FROM snapshots WHERE room = ?1", [room])?;
            for table in ["cursors", "levels", "notices"] {
                db.execute(&format!("DELETE FROM {table} WHERE room = ?1"), [room])?;
            }
            db.execute("DELETE FROM rooms WHERE n = ?1", [room])?;
        }
    }
    Ok(true)
}

/// Ids of dropped rooms are not given again.
fn remember_last(db: &Connection, last: MessageId) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta (name, value) VALUES ('last', ?1)
               ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)";
    db.execute(sql, [Id(last)]).map(drop)
}

/// The largest id of all events.
pub(super) fn last_id(db: &Connection) -> Result<Option<MessageId>, StoreError> {
    let sql =
        "SELECT max(last) FROM (SELECT last FROM rooms UNION ALL SELECT value FROM meta WHERE name = 'last')";
    let last: Option<Id> = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(last.map(|id| id.0))
}
