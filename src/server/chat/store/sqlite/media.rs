//! Which files are named: by messages, in a table beside the log, and by profiles.

use rusqlite::{Connection, params};

use super::super::StoreError;
use super::row::{RoomN, int};
use crate::proto::chat::event::Media;
use crate::proto::chat::id::Seq;

/// Notes the files that a message names.
pub(super) fn name(db: &Connection, room: RoomN, message: Seq, files: &[Media]) -> Result<(), StoreError> {
    for file in files {
        let mut insert =
            db.prepare_cached("INSERT OR IGNORE INTO media (room, message, digest) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![room, int(message), file.digest])?;
    }
    Ok(())
}

/// A message names no file any longer.
pub(super) fn forget(db: &Connection, room: RoomN, message: i64) -> rusqlite::Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM media WHERE room = ?1 AND message = ?2")?;
    delete.execute(params![room, message]).map(drop)
}

/// Those of the files that something names.
pub(super) fn in_use(db: &Connection, mut digests: Vec<String>) -> Result<Vec<String>, StoreError> {
    let mut named = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM media WHERE digest = ?1)
             OR EXISTS (SELECT 1 FROM accounts WHERE profile ->> 'avatar' = ?1)",
    )?;
    let mut failed = None;
    digests.retain(|digest| {
        let used = named.query_row([digest], |row| row.get(0));
        used.unwrap_or_else(|error| {
            failed = Some(error);
            true
        })
    });
    failed.map_or(Ok(digests), |error| Err(error.into()))
}
