//! Pages of history.
//!
//! Every part of a log comes down to a range of numbers that is read from one of its ends. A place is two numbers: that of the first event which
//! is not before it, and that of the first one behind it.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::StoreError;
use super::super::history::{Entry, MAX_PAGE, Page, Part, Place, Query, Reaction, Which};
use super::row::{COLUMNS, Id, RoomN, entry, int, next, room_n, uint, who_of};
use crate::proto::chat::id::{MessageId, RoomId, Seq};

/// From which end a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Start,
    End,
}

/// A room that is read, and which of its events.
struct Log<'a> {
    db: &'a Connection,
    id: RoomId,
    n: RoomN,
    which: Which,
}

/// The page that is asked for. Of a room that does not exist it is empty.
pub(super) fn page(db: &Connection, query: &Query) -> Result<Page, StoreError> {
    let Some(n) = room_n(db, query.room)? else { return Ok(Page::default()) };
    let log = Log { db, id: query.room, n, which: query.which };
    let limit = query.limit.min(MAX_PAGE);
    match query.part {
        Part::Latest => log.read(0..Seq::MAX, From::End, limit),
        Part::LatestAfter(place) => log.read(log.place(place)?.end..Seq::MAX, From::End, limit),
        Part::Before(place) => log.read(0..log.place(place)?.start, From::End, limit),
        Part::After(place) => log.read(log.place(place)?.end..Seq::MAX, From::Start, limit),
        Part::Around(place) => {
            let start = log.place(place)?.start;
            let mut page = log.read(0..start, From::End, limit / 2)?;
            let rest = log.read(start..Seq::MAX, From::Start, limit - limit / 2)?;
            page.entries.extend(rest.entries);
            page.more |= rest.more;
            Ok(page)
        }
        Part::Between(one, other) => {
            let (one, other) = (log.place(one)?, log.place(other)?);
            if one.start <= other.start {
                log.read(one.end..other.start, From::Start, limit)
            } else {
                log.read(other.end..one.start, From::End, limit)
            }
        }
    }
}

/// One event of a room.
pub(super) fn event(db: &Connection, room: RoomId, id: MessageId) -> Result<Option<Entry>, StoreError> {
    let Some(n) = room_n(db, room)? else { return Ok(None) };
    let log = Log { db, id: room, n, which: Which::All };
    log.select("e.id = ?2", "LIMIT 1", params![n, Id(id)]).map(|entries| entries.into_iter().next())
}

/// The event of this number.
pub(super) fn at(db: &Connection, room: RoomId, n: RoomN, seq: Seq) -> Result<Option<Entry>, StoreError> {
    let log = Log { db, id: room, n, which: Which::All };
    log.select("e.seq = ?2", "LIMIT 1", params![n, int(seq)]).map(|entries| entries.into_iter().next())
}

/// The number of the first event of a room with this id or a larger one.
pub(super) fn first_from(db: &Connection, room: RoomN, id: MessageId) -> rusqlite::Result<Option<Seq>> {
    let mut statement = db.prepare_cached(
        "SELECT seq FROM events INDEXED BY events_id WHERE room = ?1 AND id >= ?2 ORDER BY id LIMIT 1",
    )?;
    statement.query_row(params![room, Id(id)], |row| row.get(0).map(uint)).optional()
}

impl Log<'_> {
    /// From the first event at this place to the first one behind it.
    fn place(&self, place: Place) -> rusqlite::Result<Range<Seq>> {
        let from = |id| first_from(self.db, self.n, id).map(|seq| seq.unwrap_or(Seq::MAX));

        Ok(match place {
            Place::Seq(seq) => seq..seq.saturating_add(1),
            Place::Id(id) => from(id)?..from(next(id))?,
            Place::Time(time) => {
                from(MessageId::first_of(time))?..from(MessageId::first_of(time.saturating_add(1)))?
            }
        })
    }

    /// At most `limit` events of a range from one of its ends, in their order.
    fn read(&self, range: Range<Seq>, from: From, limit: usize) -> Result<Page, StoreError> {
        if range.is_empty() {
            return Ok(Page::default());
        }
        let (start, end, count) = (int(range.start), int(range.end), int(limit as u64 + 1));
        let order = match from {
            From::Start => "ORDER BY e.seq LIMIT ?4",
            From::End => "ORDER BY e.seq DESC LIMIT ?4",
        };
        let span = "e.seq >= ?2 AND e.seq < ?3";
        let mut entries = match self.which {
            Which::All => self.select(span, order, params![self.n, start, end, count])?,
            Which::Messages => {
                self.select(&format!("{span} AND e.kind = 0"), order, params![self.n, start, end, count])?
            }
            Which::MessagesAndState => self.select(
                &format!("{span} AND e.kind IN (0, 2, 3, 5)"),
                order,
                params![self.n, start, end, count],
            )?,
            Which::Thread(first) => {
                let within = format!("{span} AND e.thread = ?5");
                let mut entries =
                    self.select(&within, order, params![self.n, start, end, count, Id(first)])?;
                let first = self.select("e.id = ?2 AND e.kind = 0", "LIMIT 1", params![self.n, Id(first)])?;
                entries.extend(first.into_iter().filter(|entry| range.contains(&entry.event.seq)));
                entries.sort_by_key(|entry| entry.event.seq);
                // A message whose thread is its own is there once.
                entries.dedup_by_key(|entry| entry.event.seq);
                if from == From::End {
                    entries.reverse();
                }
                entries
            }
        };
        let more = entries.len() > limit;
        entries.truncate(limit);
        if from == From::End {
            entries.reverse();
        }
        Ok(Page { entries, more })
    }

    fn select(
        &self,
        condition: &str,
        order: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<Entry>, StoreError> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM events e CROSS JOIN authors a ON a.n = e.author WHERE e.room = ?1 AND {condition} {order}"
        ))?;
        let mut rows = statement.query(values)?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let (mut entry, has_reactions) = entry(self.id, row)?;
            if has_reactions {
                entry.reactions = reactions(self.db, self.n, entry.event.seq)?;
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

fn reactions(db: &Connection, room: RoomN, message: Seq) -> Result<Vec<Reaction>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT reaction, who FROM reactions WHERE room = ?1 AND message = ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![room, int(message)])?;
    let mut reactions: Vec<Reaction> = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        let who = who_of(&row.get::<_, String>(1)?)?;
        match reactions.iter_mut().find(|reaction| reaction.text == text) {
            Some(reaction) => reaction.by.push(who),
            None => reactions.push(Reaction { text, by: vec![who] }),
        }
    }
    Ok(reactions)
}
