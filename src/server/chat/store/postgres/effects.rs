//! What an event makes of the message that it is about.
//!
//! The row of a message holds its newest text. Of a message that was deleted, no text is kept: neither its own nor that of its edits. Nor is anything of tags that were.

use super::super::{Draft, StoreError};
use super::connect::Db;
use super::error::Fault;
use super::row::{RoomN, clean, encode, id_bytes, int, who_text};
use super::words;
use crate::proto::chat::event::{Change, Message};
use crate::proto::chat::id::{MessageId, Seq};

/// Whether there are any.
pub(super) fn has(change: &Change) -> bool {
    match change {
        Change::Message(message) => message.thread.is_some() || !message.media.is_empty(),
        change => !change.is_state(),
    }
}

/// Writes the effects of the event `seq`. Says by how much the text of all messages has grown.
pub(super) async fn of(db: &Db, room: RoomN, seq: Seq, id: MessageId, draft: &Draft) -> Result<i64, Fault> {
    let now = int(id.time());
    match &draft.change {
        Change::Message(message) => {
            for file in &message.media {
                let sql =
                    "INSERT INTO media (room, message, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
                db.run(sql, &[&room, &int(seq), &clean(&file.digest)]).await?;
            }
            if let Some(first) = message.thread {
                let sql = "UPDATE events SET replies = replies + 1 WHERE room = $1 AND id = $2 AND kind = 0";
                db.run(sql, &[&room, &id_bytes(first)]).await?;
            }
            Ok(0)
        }
        Change::Edit { of, text } => edit(db, room, seq, *of, text, now).await,
        Change::Delete { of, .. } => delete(db, room, *of, now).await,
        Change::React { to, reaction } => {
            if let Some((message, _)) = living(db, room, *to).await? {
                let sql =
                    "INSERT INTO reactions (room, message, reaction, who, seq) VALUES ($1, $2, $3, $4, $5)
                           ON CONFLICT DO NOTHING";
                let who = who_text(&draft.by.who());
                let new = db.run(sql, &[&room, &message, &clean(reaction), &who, &int(seq)]).await?;
                count(db, room, message, i64::from(new > 0)).await?;
            }
            Ok(0)
        }
        Change::Unreact { to, reaction } => {
            if let Some((message, _)) = living(db, room, *to).await? {
                let sql =
                    "DELETE FROM reactions WHERE room = $1 AND message = $2 AND reaction = $3 AND who = $4";
                let who = who_text(&draft.by.who());
                let gone = db.run(sql, &[&room, &message, &clean(reaction), &who]).await?;
                count(db, room, message, -i64::from(gone > 0)).await?;
            }
            Ok(0)
        }
        _ => Ok(0),
    }
}

/// The number of a message that was not deleted, and the message.
async fn living(db: &Db, room: RoomN, id: MessageId) -> Result<Option<(i64, Message)>, Fault> {
    let sql = "SELECT seq, body FROM events WHERE room = $1 AND id = $2 AND kind = 0 AND deleted IS NULL";
    let Some(row) = db.row(sql, &[&room, &id_bytes(id)]).await? else { return Ok(None) };
    let seq: i64 = row.try_get(0)?;
    let broken = |error| StoreError::Broken(format!("event {seq} of the room in row {room}: {error}"));
    Ok(Some((seq, serde_json::from_str(row.try_get(1)?).map_err(broken)?)))
}

async fn count(db: &Db, room: RoomN, message: i64, more: i64) -> Result<(), Fault> {
    if more != 0 {
        let sql = "UPDATE events SET reactions = reactions + $3 WHERE room = $1 AND seq = $2";
        db.run(sql, &[&room, &message, &more]).await?;
    }
    Ok(())
}

async fn edit(db: &Db, room: RoomN, seq: Seq, of: MessageId, text: &str, now: i64) -> Result<i64, Fault> {
    let Some((target, old)) = living(db, room, of).await? else { return Ok(0) };
    let grown = text.len() as i64 - old.text.len() as i64;
    let body = encode(&Change::Message(Message { text: text.to_owned(), ..old }))?;
    let sql = "UPDATE events SET body = $3, bytes = bytes + $4, edited = $5, words = $6::text::tsvector
               WHERE room = $1 AND seq = $2";
    db.run(sql, &[&room, &target, &body, &grown, &now, &words::vector(room, text)]).await?;
    let sql = "INSERT INTO edits (room, message, seq) VALUES ($1, $2, $3)";
    db.run(sql, &[&room, &target, &int(seq)]).await?;
    Ok(grown)
}

async fn delete(db: &Db, room: RoomN, of: MessageId, now: i64) -> Result<i64, Fault> {
    let Some((target, message)) = living(db, room, of).await? else {
        return delete_tags(db, room, of, now).await;
    };
    let kept = message.bytes();
    let Message { style, reply, thread, .. } = message;
    let body = encode(&Change::Message(Message { style, reply, thread, ..Message::default() }))?;
    let sql = "UPDATE events SET body = $3, bytes = 0, deleted = $4, reactions = 0, words = NULL
               WHERE room = $1 AND seq = $2";
    db.run(sql, &[&room, &target, &body, &now]).await?;
    for table in ["reactions", "media"] {
        let sql = format!("DELETE FROM {table} WHERE room = $1 AND message = $2");
        db.run(&sql, &[&room, &target]).await?;
    }
    let blank = encode(&Change::Edit { of, text: String::new() })?;
    let sql = "UPDATE events SET body = $3 WHERE room = $1 AND kind = 1
               AND seq = ANY (ARRAY (SELECT seq FROM edits WHERE room = $1 AND message = $2))";
    db.run(sql, &[&room, &target, &blank]).await?;
    db.run("DELETE FROM edits WHERE room = $1 AND message = $2", &[&room, &target]).await?;
    Ok(-(kept as i64))
}

/// Deletes tags that are kept.
async fn delete_tags(db: &Db, room: RoomN, of: MessageId, now: i64) -> Result<i64, Fault> {
    let sql = "SELECT seq, bytes FROM events WHERE room = $1 AND id = $2 AND kind = 2 AND deleted IS NULL
               AND body LIKE '{\"t\":\"tags\"%'";
    let Some(row) = db.row(sql, &[&room, &id_bytes(of)]).await? else { return Ok(0) };
    let (target, kept): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let body = encode(&Change::Tags { tags: Vec::new() })?;
    let sql = "UPDATE events SET body = $3, bytes = 0, deleted = $4 WHERE room = $1 AND seq = $2";
    db.run(sql, &[&room, &target, &body, &now]).await?;
    Ok(-kept)
}
