//! How far accounts are in rooms.

use rusqlite::{Connection, params};

use super::super::{Cursor, StoreError};
use super::row::{bits, int, number, room_n, uint};
use crate::proto::chat::id::{AccountId, RoomId};

/// Moves cursors forward. Those of rooms that do not exist are left out.
pub(super) fn advance(db: &Connection, cursors: &[(RoomId, AccountId, Cursor)]) -> Result<(), StoreError> {
    let mut upsert = db.prepare_cached(
        "INSERT INTO cursors (room, account, delivered, read, read_at) VALUES (?1, ?2, ?3, ?4, iif(?4 > 0, ?5, 0))
         ON CONFLICT (room, account) DO UPDATE SET
             delivered = max(delivered, excluded.delivered),
             read_at = iif(excluded.read > read, excluded.read_at, read_at),
             read = max(read, excluded.read)",
    )?;
    for (room, account, Cursor { delivered, read, read_at }) in cursors {
        if let Some(n) = room_n(db, *room)? {
            upsert.execute(params![n, bits(account.0), int(*delivered), int(*read), int(*read_at)])?;
        }
    }
    Ok(())
}

/// The cursors of an account.
pub(super) fn of_account(db: &Connection, account: AccountId) -> Result<Vec<(RoomId, Cursor)>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT r.id, c.delivered, c.read, c.read_at FROM cursors c JOIN rooms r ON r.n = c.room
         WHERE c.account = ?1 AND NOT r.dropped ORDER BY r.n",
    )?;
    let cursors =
        select.query_map([bits(account.0)], |row| Ok((RoomId(number(row.get(0)?)), cursor(row)?)))?;
    Ok(cursors.collect::<Result<_, _>>()?)
}

/// The cursors in a room.
pub(super) fn of_room(db: &Connection, room: RoomId) -> Result<Vec<(AccountId, Cursor)>, StoreError> {
    let Some(n) = room_n(db, room)? else { return Ok(Vec::new()) };
    let mut select =
        db.prepare_cached("SELECT account, delivered, read, read_at FROM cursors WHERE room = ?1")?;
    let cursors = select.query_map([n], |row| Ok((AccountId(number(row.get(0)?)), cursor(row)?)))?;
    Ok(cursors.collect::<Result<_, _>>()?)
}

fn cursor(row: &rusqlite::Row<'_>) -> rusqlite::Result<Cursor> {
    Ok(Cursor { delivered: uint(row.get(1)?), read: uint(row.get(2)?), read_at: uint(row.get(3)?) })
}
