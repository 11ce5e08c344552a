//! Searching messages for words.

use std::sync::Arc;

use super::super::history::{Entry, MAX_PAGE, Search};
use super::connect::Db;
use super::error::Fault;
use super::row::{COLUMNS, RoomN, bits, entry, id_bytes, int, number};
use super::{page, words};
use crate::proto::chat::id::{MessageId, RoomId};

/// Messages with the words, the newest first. The index is written with the messages, so it is never behind.
pub(super) async fn search(db: Db, search: Arc<Search>) -> Result<Vec<Entry>, Fault> {
    let ids: Vec<i64> = search.rooms.iter().map(|room| bits(room.0)).collect();
    let sql = "SELECT DISTINCT n FROM rooms WHERE id = ANY ($1) AND NOT dropped";
    let rooms: Vec<RoomN> =
        db.rows(sql, &[&ids]).await?.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let Some(question) = words::question(&rooms, &search.text) else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT {COLUMNS}, r.id, r.n FROM events e JOIN rooms r ON r.n = e.room
         WHERE e.words @@ $1::text::tsquery AND e.room = ANY ($2) AND e.kind = 0 AND e.deleted IS NULL
           AND ($3::bigint IS NULL OR e.account = $3) AND e.id >= $4 AND ($5::bytea IS NULL OR e.id < $5)
         ORDER BY e.id DESC LIMIT $6"
    );
    let by = search.by.map(|account| bits(account.0));
    let after = id_bytes(MessageId::first_of(search.after.unwrap_or(0)));
    let before = search.before.map(id_bytes);
    let limit = int(search.limit.min(MAX_PAGE) as u64);
    let mut entries = Vec::new();
    for row in db.rows(&sql, &[&question, &rooms, &by, &after, &before, &limit]).await? {
        let (found, has_reactions) = entry(RoomId(number(row.try_get(12)?)), &row)?;
        let mut one = [found];
        if has_reactions {
            let seq = int(one[0].event.seq);
            page::reactions(&db, row.try_get(13)?, &[(0, seq)], &mut one).await?;
        }
        entries.extend(one);
    }
    Ok(entries)
}
