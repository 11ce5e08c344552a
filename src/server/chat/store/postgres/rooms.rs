//! Rooms: their snapshots, what has happened since, and how they are dropped.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Row;

use super::super::{StoreError, StoredRoom};
use super::connect::{Db, Values};
use super::error::Fault;
use super::row::{COLUMNS, RoomN, bits, entry, id_bytes, id_of, int, number, uint};
use crate::proto::chat::event::Event;
use crate::proto::chat::id::{MessageId, RoomId, Seq};
use crate::proto::chat::name::RoomName;
use crate::proto::chat::room::Room;

/// Rows of a dropped room that are deleted in one step.
const CLEAR_STEP: i64 = 1000;

/// What is remembered of rooms that were dropped: ids are not given again.
const LAST: &str = "last";

const OPEN: &str = "NOT r.closed AND NOT r.dropped";

/// All rooms that are not closed.
pub(super) async fn all(db: Db, _: Arc<()>) -> Result<Vec<StoredRoom>, Fault> {
    found(&db, OPEN, &[]).await
}

/// The one of this name.
pub(super) async fn by_name(db: Db, name: Arc<RoomName>) -> Result<Option<StoredRoom>, Fault> {
    let rooms = found(&db, &format!("{OPEN} AND r.key = $1"), &[&&*name.folded()]).await?;
    Ok(rooms.into_iter().next())
}

/// The one of this number.
pub(super) async fn by_id(db: Db, room: Arc<RoomId>) -> Result<Option<StoredRoom>, Fault> {
    let rooms = found(&db, &format!("{OPEN} AND r.id = $1"), &[&bits(room.0)]).await?;
    Ok(rooms.into_iter().next())
}

async fn found(db: &Db, condition: &str, values: Values<'_>) -> Result<Vec<StoredRoom>, Fault> {
    let sql = format!(
        "SELECT {COLUMNS}, r.n FROM rooms r JOIN events e ON e.room = r.n AND e.kind >= 4
         LEFT JOIN snapshots s ON s.room = r.n WHERE {condition} AND e.seq > coalesce(s.head, 0)
         ORDER BY e.room, e.seq"
    );
    let mut since: HashMap<RoomN, Vec<Row>> = HashMap::new();
    for row in db.rows(&sql, values).await? {
        since.entry(row.try_get(12)?).or_default().push(row);
    }
    let sql = format!(
        "SELECT r.n, r.id, r.head, s.body FROM rooms r LEFT JOIN snapshots s ON s.room = r.n
         WHERE {condition} ORDER BY r.n"
    );
    let mut rooms = Vec::new();
    for row in db.rows(&sql, values).await? {
        let id = RoomId(number(row.try_get(1)?));
        let broken = |error| StoreError::Broken(format!("the snapshot of room {}: {error}", id.0));
        let snapshot = match row.try_get::<_, Option<&str>>(3)? {
            Some(body) => serde_json::from_str(body).map_err(broken)?,
            None => Room::new(id),
        };
        let rows = since.remove(&row.try_get(0)?).unwrap_or_default();
        let events = rows.iter().map(|row| Ok(entry(id, row)?.0.event));
        let since: Vec<Event> = events.collect::<Result<_, Fault>>()?;
        rooms.push(StoredRoom { snapshot, since, head: uint(row.try_get(2)?) });
    }
    Ok(rooms)
}

/// A snapshot as it is kept.
pub(super) struct Kept {
    pub(super) room: RoomId,
    pub(super) head: Seq,
    pub(super) body: Result<String, String>,
}

/// Keeps a snapshot, unless there is a newer one.
pub(super) async fn snapshot(db: Db, kept: Arc<Kept>) -> Result<(), Fault> {
    let body = kept.body.as_ref().map_err(|error| StoreError::Broken(error.clone()))?;
    let n = super::row::room_n(&db, kept.room).await?.ok_or(StoreError::None)?;
    let sql = "INSERT INTO snapshots (room, head, body) VALUES ($1, $2, $3)
               ON CONFLICT (room) DO UPDATE SET head = excluded.head, body = excluded.body
               WHERE excluded.head > snapshots.head";
    db.run(sql, &[&n, &int(kept.head), body]).await?;
    Ok(())
}

/// From now on there is no such room; with a number, only if that is its last event. Its rows are deleted by and by. Says whether it was dropped.
pub(super) async fn drop_room(db: Db, about: Arc<(RoomId, Option<Seq>)>) -> Result<bool, Fault> {
    let (room, head) = *about;
    let sql = "UPDATE rooms SET dropped = true, closed = true, key = NULL
               WHERE id = $1 AND NOT dropped AND ($2::bigint IS NULL OR head = $2)";
    Ok(db.run(sql, &[&bits(room.0), &head.map(int)]).await? > 0)
}

/// Deletes some rows of a dropped room. Says whether there may be more.
pub(super) async fn clear(db: Db, _: Arc<()>) -> Result<bool, Fault> {
    let sql = "SELECT n, last FROM rooms WHERE dropped ORDER BY n LIMIT 1 FOR UPDATE SKIP LOCKED";
    let Some(row) = db.row(sql, &[]).await? else { return Ok(false) };
    let room: RoomN = row.try_get(0)?;
    let sql = "SELECT max(seq) FROM (SELECT seq FROM events WHERE room = $1 ORDER BY seq LIMIT $2) AS first";
    let until = db.row(sql, &[&room, &CLEAR_STEP]).await?;
    match until.map_or(Ok(None), |row| row.try_get::<_, Option<i64>>(0))? {
        Some(until) => {
            for (table, column) in
                [("edits", "message"), ("reactions", "message"), ("media", "message"), ("events", "seq")]
            {
                let sql = format!("DELETE FROM {table} WHERE room = $1 AND {column} <= $2");
                db.run(&sql, &[&room, &until]).await?;
            }
        }
        None => {
            let last: Vec<u8> = row.try_get(1)?;
            let sql = "INSERT INTO meta (name, value) VALUES ($1, $2)
                       ON CONFLICT (name) DO UPDATE SET value = greatest(meta.value, excluded.value)";
            db.run(sql, &[&LAST, &last]).await?;
            for sql in [
                "DELETE FROM snapshots WHERE room = $1",
                "DELETE FROM cursors WHERE room = $1",
                "DELETE FROM rooms WHERE n = $1",
            ] {
                db.run(sql, &[&room]).await?;
            }
        }
    }
    Ok(true)
}

/// The largest id of all events.
pub(super) async fn last_id(db: Db, _: Arc<()>) -> Result<Option<MessageId>, Fault> {
    let sql = "(SELECT last FROM rooms ORDER BY last DESC LIMIT 1)
               UNION ALL (SELECT value FROM meta WHERE name = $1) ORDER BY 1 DESC LIMIT 1";
    let row = db.row(sql, &[&LAST]).await?;
    row.map(|row| id_of(row.try_get(0)?)).transpose()
}

/// Rooms whose last event has this id or a larger one, with its number. Closed ones are among them.
pub(super) async fn changed_since(db: Db, since: Arc<MessageId>) -> Result<Vec<(RoomId, Seq)>, Fault> {
    let sql = "SELECT id, head FROM rooms WHERE last >= $1 AND NOT dropped";
    let rows = db.rows(sql, &[&id_bytes(*since)]).await?;
    rows.iter().map(|row| Ok((RoomId(number(row.try_get(0)?)), uint(row.try_get(1)?)))).collect()
}
