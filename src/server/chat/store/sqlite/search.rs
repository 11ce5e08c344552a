//! Searching messages for words.
//!
//! The index is asked once for each room, newest first, so that nothing is read of rooms that were not asked for. It holds no texts: the
//! snippets are made by a small index in memory, of the messages that were found, which also sees that they still contain the words.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::StoreError;
use super::super::history::{Found, MAX_PAGE, Search};
use super::super::snippet;
use super::super::words::{expression, word_of};
use super::index::row_number;
use super::page;
use super::row::{Id, RoomN, room_n, uint};
use crate::proto::chat::event::Change;
use crate::proto::chat::id::{MessageId, RoomId, Seq};

/// A message that the index has found.
struct Hit {
    id: MessageId,
    room: RoomId,
    n: RoomN,
    seq: Seq,
}

/// Messages with the words, the newest first.
pub(super) fn search(db: &Connection, search: &Search) -> Result<Vec<Found>, StoreError> {
    let Some(text) = expression(&search.text) else { return Ok(Vec::new()) };
    let asked = match search.by {
        Some(account) => format!("{text} AND who : \"{}\"", word_of(account)),
        None => text.clone(),
    };
    let limit = search.limit.min(MAX_PAGE);
    let mut hits = Vec::new();
    for room in &search.rooms {
        if let Some(n) = room_n(db, *room)? {
            in_room(db, search, *room, n, &asked, limit, &mut hits)?;
        }
    }
    hits.sort_unstable_by_key(|hit| std::cmp::Reverse(hit.id));
    hits.truncate(limit);
    let found = hits.iter().map(|hit| show(db, hit, &text)).collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().flatten().collect())
}

fn in_room(
    db: &Connection,
    search: &Search,
    room: RoomId,
    n: RoomN,
    asked: &str,
    limit: usize,
    hits: &mut Vec<Hit>,
) -> Result<(), StoreError> {
    let from = |id: MessageId| page::first_from(db, n, id).map(|seq| seq.unwrap_or(Seq::MAX));
    let start = search.after.map_or(Ok(0), |time| from(MessageId::first_of(time)))?;
    let end = search.before.map_or(Ok(Seq::MAX), from)?;
    if start >= end {
        return Ok(());
    }
    let mut select = db.prepare_cached(
        "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid >= ?2 AND rowid <= ?3 ORDER BY rowid DESC",
    )?;
    let mut message = db.prepare_cached(
        "SELECT id FROM events WHERE room = ?1 AND seq = ?2 AND kind = 0 AND deleted IS NULL",
    )?;
    let last = row_number(n, end.saturating_sub(1));
    let mut rows = select.query(params![asked, row_number(n, start), last])?;
    let mut count = 0;
    while count < limit
        && let Some(row) = rows.next()?
    {
        let seq = row.get::<_, i64>(0)? - row_number(n, 0);
        if let Some(Id(id)) = message.query_row(params![n, seq], |row| row.get(0)).optional()? {
            hits.push(Hit { id, room, n, seq: uint(seq) });
            count += 1;
        }
    }
    Ok(())
}

/// A hit with its snippet, unless it was edited meanwhile and has the words no longer.
fn show(db: &Connection, hit: &Hit, text: &str) -> Result<Option<Found>, StoreError> {
    let Some(entry) = page::at(db, hit.room, hit.n, hit.seq)? else { return Ok(None) };
    let Change::Message(message) = &entry.event.change else { return Ok(None) };
    let snippet = snippet::cut(db, &message.text, text)?;
    Ok(snippet.map(|snippet| Found { entry, snippet }))
}
