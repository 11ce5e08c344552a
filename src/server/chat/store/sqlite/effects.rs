//! What an event makes of the message that it is about.
//!
//! The row of a message holds its newest text. Of a message that was deleted, no text is kept: neither its own nor that of its edits. Nor is anything of tags that were.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::{Draft, StoreError};
use super::media;
use super::row::{Id, Kind, RoomN, encode, int, uint, who_text};
use crate::proto::chat::event::{Change, Message};
use crate::proto::chat::id::{MessageId, Millis, Seq};

/// Writes the effects of the event `seq`. Says by how much the text of all messages has grown.
pub(super) fn of(db: &Connection, room: RoomN, seq: Seq, draft: &Draft) -> Result<i64, StoreError> {
    let now = draft.id.time();
    if let Change::Message(message) = &draft.change {
        media::name(db, room, seq, &message.media)?;
    }
    match &draft.change {
        Change::Message(Message { thread: Some(first), .. }) => answer(db, room, *first).map(|()| 0),
        Change::Edit { of, text } => edit(db, room, seq, *of, text, now),
        Change::Delete { of, .. } => delete(db, room, *of, now),
        Change::React { to, reaction } => {
            if let Some(message) = living(db, room, *to)? {
                let mut insert = db.prepare_cached(
                    "INSERT OR IGNORE INTO reactions (room, message, reaction, who, seq) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?;
                let who = who_text(&draft.by.who());
                let new = insert.execute(params![room, message, reaction, who, int(seq)])?;
                count(db, room, message, i64::from(new > 0))?;
            }
            Ok(0)
        }
        Change::Unreact { to, reaction } => {
            if let Some(message) = living(db, room, *to)? {
                let mut delete = db.prepare_cached(
                    "DELETE FROM reactions WHERE room = ?1 AND message = ?2 AND reaction = ?3 AND who = ?4",
                )?;
                let gone = delete.execute(params![room, message, reaction, who_text(&draft.by.who())])?;
                count(db, room, message, -i64::from(gone > 0))?;
            }
            Ok(0)
        }
        _ => Ok(0),
    }
}

fn answer(db: &Connection, room: RoomN, first: MessageId) -> Result<(), StoreError> {
    let mut update = db.prepare_cached(
        "UPDATE events SET replies = replies + 1 WHERE room = ?1 AND kind = 0
         AND seq = (SELECT seq FROM events INDEXED BY events_id WHERE room = ?1 AND id = ?2)",
    )?;
    update.execute(params![room, Id(first)])?;
    Ok(())
}

/// The number of a message that was not deleted.
fn living(db: &Connection, room: RoomN, id: MessageId) -> rusqlite::Result<Option<i64>> {
    let mut statement = db.prepare_cached(
        "SELECT seq FROM events WHERE room = ?1 AND id = ?2 AND kind = 0 AND deleted IS NULL",
    )?;
    statement.query_row(params![room, Id(id)], |row| row.get(0)).optional()
}

/// Such a message.
fn message(db: &Connection, room: RoomN, seq: i64) -> Result<Message, StoreError> {
    let mut statement = db.prepare_cached("SELECT body FROM events WHERE room = ?1 AND seq = ?2")?;
    let body: String = statement.query_row(params![room, seq], |row| row.get(0))?;
    let broken = |error| StoreError::Broken(format!("event {seq} of the room in row {}: {error}", room.0));
    serde_json::from_str(&body).map_err(broken)
}

fn count(db: &Connection, room: RoomN, message: i64, more: i64) -> rusqlite::Result<()> {
    let mut update =
        db.prepare_cached("UPDATE events SET reactions = reactions + ?3 WHERE room = ?1 AND seq = ?2")?;
    if more == 0 { Ok(()) } else { update.execute(params![room, message, more]).map(drop) }
}

fn edit(
    db: &Connection,
    room: RoomN,
    seq: Seq,
    of: MessageId,
    text: &str,
    now: Millis,
) -> Result<i64, StoreError> {
    let Some(target) = living(db, room, of)? else { return Ok(0) };
    let old = message(db, room, target)?;
    let grown = text.len() as i64 - old.text.len() as i64;
    let body = encode(&Change::Message(Message { text: text.to_owned(), ..old }))?;
    let mut update = db.prepare_cached(
        "UPDATE events SET body = ?3, bytes = bytes + ?4, edited = ?5 WHERE room = ?1 AND seq = ?2",
    )?;
    update.execute(params![room, target, body, grown, int(now)])?;
    let mut insert = db.prepare_cached("INSERT INTO edits (room, message, seq) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![room, target, int(seq)])?;
    Ok(grown)
}

fn delete(db: &Connection, room: RoomN, of: MessageId, now: Millis) -> Result<i64, StoreError> {
    let Some(target) = living(db, room, of)? else { return delete_tags(db, room, of, now) };
    let message = message(db, room, target)?;
    let kept = message.bytes();
    let Message { style, reply, thread, .. } = message;
    let body = encode(&Change::Message(Message { style, reply, thread, ..Message::default() }))?;
    let mut update = db.prepare_cached(
        "UPDATE events SET body = ?3, bytes = 0, deleted = ?4, reactions = 0 WHERE room = ?1 AND seq = ?2",
    )?;
    update.execute(params![room, target, body, int(now)])?;
    db.prepare_cached("DELETE FROM reactions WHERE room = ?1 AND message = ?2")?
        .execute(params![room, target])?;
    media::forget(db, room, target)?;
    let blank = encode(&Change::Edit { of, text: String::new() })?;
    let mut wipe =
        db.prepare_cached("UPDATE events SET body = ?3 WHERE room = ?1 AND seq = ?2 AND kind = ?4")?;
    for edit in edits(db, room, target)? {
        wipe.execute(params![room, int(edit), blank, Kind::Edit])?;
    }
    db.prepare_cached("DELETE FROM edits WHERE room = ?1 AND message = ?2")?
        .execute(params![room, target])?;
    Ok(-(kept as i64))
}

/// Deletes tags that are kept.
fn delete_tags(db: &Connection, room: RoomN, of: MessageId, now: Millis) -> Result<i64, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT seq, bytes FROM events WHERE room = ?1 AND id = ?2 AND kind = ?3 AND deleted IS NULL
         AND body LIKE '{\"t\":\"tags\"%'",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let found = statement.query_row(params![room, Id(of), Kind::React], read).optional()?;
    let Some((target, kept)) = found else { return Ok(0) };
    let body = encode(&Change::Tags { tags: Vec::new() })?;
    let mut update = db.prepare_cached(
        "UPDATE events SET body = ?3, bytes = 0, deleted = ?4 WHERE room = ?1 AND seq = ?2",
    )?;
    update.execute(params![room, target, body, int(now)])?;
    Ok(-kept)
}

/// The edits of a message.
pub(super) fn edits(db: &Connection, room: RoomN, message: i64) -> rusqlite::Result<Vec<Seq>> {
    let mut statement = db.prepare_cached("SELECT seq FROM edits WHERE room = ?1 AND message = ?2")?;
    statement.query_map(params![room, message], |row| row.get(0).map(uint))?.collect()
}
