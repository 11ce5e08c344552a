//! How far accounts are in rooms, and which files are named.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_postgres::Row;

use super::super::Cursor;
use super::connect::Db;
use super::error::Fault;
use super::row::{bits, int, number, room_n, uint};
use crate::proto::chat::id::{AccountId, RoomId};

/// Moves cursors forward. Those of rooms that do not exist are left out.
pub(super) async fn advance(db: Db, cursors: Arc<Vec<(RoomId, AccountId, Cursor)>>) -> Result<(), Fault> {
    // One statement touches a row once, and all nodes touch them in one order.
    let mut furthest: BTreeMap<(i64, i64), Cursor> = BTreeMap::new();
    for (room, account, cursor) in cursors.iter() {
        let known = furthest.entry((bits(room.0), bits(account.0))).or_default();
        known.delivered = known.delivered.max(cursor.delivered);
        if cursor.read > known.read {
            (known.read, known.read_at) = (cursor.read, cursor.read_at);
        }
    }
    let rooms: Vec<i64> = furthest.keys().map(|(room, _)| *room).collect();
    let accounts: Vec<i64> = furthest.keys().map(|(_, account)| *account).collect();
    let delivered: Vec<i64> = furthest.values().map(|cursor| int(cursor.delivered)).collect();
    let read: Vec<i64> = furthest.values().map(|cursor| int(cursor.read)).collect();
    let read_at: Vec<i64> = furthest.values().map(|cursor| int(cursor.read_at)).collect();
    let sql = "INSERT INTO cursors AS c (room, account, delivered, read, read_at)
               SELECT r.n, u.account, u.delivered, u.read, CASE WHEN u.read > 0 THEN u.read_at ELSE 0 END
               FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
                   AS u (room, account, delivered, read, read_at)
               JOIN rooms r ON r.id = u.room AND NOT r.dropped ORDER BY r.n, u.account
               ON CONFLICT (room, account) DO UPDATE SET
                   delivered = greatest(c.delivered, excluded.delivered),
                   read_at = CASE WHEN excluded.read > c.read THEN excluded.read_at ELSE c.read_at END,
                   read = greatest(c.read, excluded.read)";
    db.run(sql, &[&rooms, &accounts, &delivered, &read, &read_at]).await?;
    Ok(())
}

/// The cursors of an account.
pub(super) async fn of_account(db: Db, account: Arc<AccountId>) -> Result<Vec<(RoomId, Cursor)>, Fault> {
    let sql = "SELECT r.id, c.delivered, c.read, c.read_at FROM cursors c JOIN rooms r ON r.n = c.room
               WHERE c.account = $1 AND NOT r.dropped ORDER BY r.n";
    let rows = db.rows(sql, &[&bits(account.0)]).await?;
    rows.iter().map(|row| Ok((RoomId(number(row.try_get(0)?)), cursor(row)?))).collect()
}

/// The cursors in a room.
pub(super) async fn of_room(db: Db, room: Arc<RoomId>) -> Result<Vec<(AccountId, Cursor)>, Fault> {
    let Some(n) = room_n(&db, *room).await? else { return Ok(Vec::new()) };
    let sql = "SELECT account, delivered, read, read_at FROM cursors WHERE room = $1";
    let rows = db.rows(sql, &[&n]).await?;
    rows.iter().map(|row| Ok((AccountId(number(row.try_get(0)?)), cursor(row)?))).collect()
}

fn cursor(row: &Row) -> Result<Cursor, Fault> {
    let (delivered, read, read_at) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    Ok(Cursor { delivered: uint(delivered), read: uint(read), read_at: uint(read_at) })
}

/// Those of the files that something names.
pub(super) async fn media_in_use(db: Db, digests: Arc<Vec<String>>) -> Result<Vec<String>, Fault> {
    let sql = "SELECT u.digest FROM unnest($1::text[]) WITH ORDINALITY AS u (digest, at)
               WHERE EXISTS (SELECT 1 FROM media m WHERE m.digest = u.digest)
                  OR u.digest <> '' AND EXISTS (SELECT 1 FROM accounts a WHERE a.avatar <> '' AND a.avatar = u.digest)
               ORDER BY u.at";
    let rows = db.rows(sql, &[&*digests]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
