//! Forgetting messages that are too old or too many.
//!
//! What has to go is found out by readers, and is deleted in small steps, between which others write. What is forgotten are messages with all
//! that became of them, and the edits and reactions of the same age. Changes of rooms and the marks of deletions stay.

use std::sync::Arc;

use super::super::StoreError;
use super::connect::Db;
use super::error::Fault;
use super::row::{bits, id_bytes, id_of, int, next, number, uint};
use super::thread::{Lane, Queues};
use crate::proto::chat::id::{MessageId, Millis, RoomId};

/// Events that are looked at in one step.
const STEP: i64 = 250;

/// Forgets messages before `before`, and the oldest ones until there are at most `bytes` of text. Says how many there were.
pub(super) async fn retain(
    queues: Queues,
    before: Option<Millis>,
    bytes: Option<u64>,
) -> Result<u64, StoreError> {
    let rooms = queues.ask(Lane::Read, (), rooms).await?;
    let mut forgotten = 0;
    if let Some(time) = before {
        forgotten += forget_until(&queues, &rooms, MessageId::first_of(time)).await?;
    }
    if let Some(bytes) = bytes
        && let Some(until) = queues.ask(Lane::Read, bytes, too_many).await?
    {
        forgotten += forget_until(&queues, &rooms, until).await?;
    }
    Ok(forgotten)
}

async fn rooms(db: Db, _: Arc<()>) -> Result<Vec<RoomId>, Fault> {
    let rows = db.rows("SELECT id FROM rooms WHERE NOT dropped ORDER BY n", &[]).await?;
    rows.iter().map(|row| Ok(RoomId(number(row.try_get(0)?)))).collect()
}

async fn forget_until(queues: &Queues, rooms: &[RoomId], until: MessageId) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    for room in rooms {
        let mut from = Some(MessageId::first_of(0));
        while let Some(start) = from {
            let (count, next) = queues.ask(Lane::WriteAlone, (*room, start, until), forget).await?;
            forgotten += count;
            from = next;
        }
    }
    Ok(forgotten)
}

/// One step in a room, from one id on to another. Says how many messages it has forgotten, and where to go on.
async fn forget(
    db: Db,
    about: Arc<(RoomId, MessageId, MessageId)>,
) -> Result<(u64, Option<MessageId>), Fault> {
    let (room, start, until) = *about;
    let sql = "SELECT n FROM rooms WHERE id = $1 AND NOT dropped FOR UPDATE";
    let Some(row) = db.row(sql, &[&bits(room.0)]).await? else { return Ok((0, None)) };
    let n: i64 = row.try_get(0)?;
    let sql = "SELECT id, seq, kind, bytes FROM events WHERE room = $1 AND id >= $2 AND id < $3 ORDER BY id LIMIT $4";
    let rows = db.rows(sql, &[&n, &id_bytes(start), &id_bytes(until), &STEP]).await?;
    let (mut gone, mut messages, mut bytes, mut last) = (Vec::new(), Vec::new(), 0, None);
    for row in &rows {
        let (seq, kind): (i64, i16) = (row.try_get(1)?, row.try_get(2)?);
        last = Some(id_of(row.try_get(0)?)?);
        if kind < 4 {
            gone.push(seq);
            bytes += row.try_get::<_, i64>(3)?;
        }
        if kind == 0 {
            messages.push(seq);
        }
    }
    let sql = "DELETE FROM events WHERE room = $1 AND (seq = ANY ($2) OR seq = ANY (ARRAY (
                   SELECT seq FROM edits WHERE room = $1 AND message = ANY ($3))))";
    db.run(sql, &[&n, &gone, &messages]).await?;
    for table in ["edits", "reactions", "media"] {
        let sql = format!("DELETE FROM {table} WHERE room = $1 AND message = ANY ($2)");
        db.run(&sql, &[&n, &messages]).await?;
    }
    db.run("UPDATE rooms SET bytes = greatest(bytes - $2, 0) WHERE n = $1", &[&n, &bytes]).await?;
    let whole = (rows.len() as u64) < uint(STEP);
    Ok((messages.len() as u64, last.filter(|_| !whole).map(next)))
}

/// The id behind the last message that has to go; `None` if there is no more text than allowed.
async fn too_many(db: Db, bytes: Arc<u64>) -> Result<Option<MessageId>, Fault> {
    let row = db.row("SELECT coalesce(sum(bytes), 0)::bigint FROM rooms WHERE NOT dropped", &[]).await?;
    let total = row.map_or(Ok(0), |row| row.try_get::<_, i64>(0))?;
    let excess = uint(total).saturating_sub(*bytes);
    if excess == 0 {
        return Ok(None);
    }
    // The oldest messages and tags of all rooms, until they are as much as has to go.
    let sql = "SELECT id FROM (
                   SELECT e.id, sum(e.bytes) OVER (ORDER BY e.id ROWS UNBOUNDED PRECEDING)::bigint - e.bytes AS before
                   FROM events e JOIN rooms r ON r.n = e.room WHERE e.bytes > 0 AND NOT r.dropped
               ) AS aged WHERE before < $1 ORDER BY id DESC LIMIT 1";
    let row = db.row(sql, &[&int(excess)]).await?;
    row.map(|row| Ok(next(id_of(row.try_get(0)?)?))).transpose()
}
