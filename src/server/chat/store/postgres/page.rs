//! Pages of history: ranges of numbers, read from one of their ends.

use std::ops::Range;

use tokio_postgres::types::ToSql;

use super::super::StoreError;
use super::super::history::{Entry, MAX_PAGE, Page, Part, Place, Query, Reaction, Which};
use super::connect::{Db, Values};
use super::error::Fault;
use super::row::{COLUMNS, RoomN, entry, id_bytes, int, next, room_n, uint, who_of};
use crate::proto::chat::id::{MessageId, RoomId, Seq};

/// From which end a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Start,
    End,
}

/// A room that is read, and which of its events.
struct Log<'a> {
    db: &'a Db,
    id: RoomId,
    n: RoomN,
    which: Which,
}

/// The page that is asked for. Of a room that does not exist it is empty.
pub(super) async fn page(db: &Db, query: &Query) -> Result<Page, Fault> {
    let Some(n) = room_n(db, query.room).await? else { return Ok(Page::default()) };
    let log = Log { db, id: query.room, n, which: query.which };
    let limit = query.limit.min(MAX_PAGE);
    match query.part {
        Part::Latest => log.read(0..Seq::MAX, From::End, limit).await,
        Part::LatestAfter(place) => {
            let start = log.place(place).await?.end;
            log.read(start..Seq::MAX, From::End, limit).await
        }
        Part::Before(place) => {
            let end = log.place(place).await?.start;
            log.read(0..end, From::End, limit).await
        }
        Part::After(place) => {
            let start = log.place(place).await?.end;
            log.read(start..Seq::MAX, From::Start, limit).await
        }
        Part::Around(place) => {
            let start = log.place(place).await?.start;
            let mut page = log.read(0..start, From::End, limit / 2).await?;
            let rest = log.read(start..Seq::MAX, From::Start, limit - limit / 2).await?;
            page.entries.extend(rest.entries);
            page.more |= rest.more;
            Ok(page)
        }
        Part::Between(one, other) => {
            let (one, other) = (log.place(one).await?, log.place(other).await?);
            if one.start <= other.start {
                log.read(one.end..other.start, From::Start, limit).await
            } else {
                log.read(other.end..one.start, From::End, limit).await
            }
        }
    }
}

/// One event of a room.
pub(super) async fn event(db: &Db, room: RoomId, id: MessageId) -> Result<Option<Entry>, Fault> {
    let Some(n) = room_n(db, room).await? else { return Ok(None) };
    let log = Log { db, id: room, n, which: Which::All };
    Ok(log.select("e.id = $2", "LIMIT 1", &[&n, &id_bytes(id)]).await?.into_iter().next())
}

impl Log<'_> {
    /// From the first event at this place to the first one behind it.
    async fn place(&self, place: Place) -> Result<Range<Seq>, Fault> {
        let (first, behind) = match place {
            Place::Seq(seq) => return Ok(seq..seq.saturating_add(1)),
            Place::Id(id) => (id, next(id)),
            Place::Time(time) => (MessageId::first_of(time), MessageId::first_of(time.saturating_add(1))),
        };
        Ok(self.first_from(first).await?..self.first_from(behind).await?)
    }

    /// The number of the first event with this id or a larger one.
    async fn first_from(&self, id: MessageId) -> Result<Seq, Fault> {
        let sql = "SELECT seq FROM events WHERE room = $1 AND id >= $2 ORDER BY id LIMIT 1";
        let row = self.db.row(sql, &[&self.n, &id_bytes(id)]).await?;
        row.map_or(Ok(Seq::MAX), |row| Ok(uint(row.try_get(0)?)))
    }

    /// At most `limit` events of a range from one of its ends, in their order.
    async fn read(&self, range: Range<Seq>, from: From, limit: usize) -> Result<Page, Fault> {
        if range.is_empty() {
            return Ok(Page::default());
        }
        let (start, end, count) = (int(range.start), int(range.end), int(limit as u64 + 1));
        let order = match from {
            From::Start => "ORDER BY e.seq LIMIT $4",
            From::End => "ORDER BY e.seq DESC LIMIT $4",
        };
        let span = "e.seq >= $2 AND e.seq < $3";
        let values: [&(dyn ToSql + Sync); 4] = [&self.n, &start, &end, &count];
        let mut entries = match self.which {
            Which::All => self.select(span, order, &values).await?,
            Which::Messages => self.select(&format!("{span} AND e.kind = 0"), order, &values).await?,
            Which::MessagesAndState => {
                self.select(&format!("{span} AND e.kind IN (0, 2, 3, 5)"), order, &values).await?
            }
            Which::Thread(first) => {
                let id = id_bytes(first);
                let with: [&(dyn ToSql + Sync); 5] = [&self.n, &start, &end, &count, &id];
                let mut entries = self.select(&format!("{span} AND e.thread = $5"), order, &with).await?;
                let first = self.select("e.id = $2 AND e.kind = 0", "LIMIT 1", &[&self.n, &id]).await?;
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

    async fn select(&self, condition: &str, order: &str, values: Values<'_>) -> Result<Vec<Entry>, Fault> {
        let sql = format!("SELECT {COLUMNS} FROM events e WHERE e.room = $1 AND {condition} {order}");
        let mut entries = Vec::new();
        let mut reacted = Vec::new();
        for row in self.db.rows(&sql, values).await? {
            let (entry, has_reactions) = entry(self.id, &row)?;
            if has_reactions {
                reacted.push((entries.len(), int(entry.event.seq)));
            }
            entries.push(entry);
        }
        reactions(self.db, self.n, &reacted, &mut entries).await?;
        Ok(entries)
    }
}

/// Reads the reactions of those of the entries that have some.
pub(super) async fn reactions(
    db: &Db,
    room: RoomN,
    of: &[(usize, i64)],
    entries: &mut [Entry],
) -> Result<(), Fault> {
    if of.is_empty() {
        return Ok(());
    }
    let messages: Vec<i64> = of.iter().map(|(_, seq)| *seq).collect();
    let sql =
        "SELECT message, reaction, who FROM reactions WHERE room = $1 AND message = ANY ($2) ORDER BY seq";
    for row in db.rows(sql, &[&room, &messages]).await? {
        let (message, text, who): (i64, String, &str) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let who = who_of(who)?;
        let at = of.iter().find(|(_, seq)| *seq == message).map(|(at, _)| *at);
        let entry = at.and_then(|at| entries.get_mut(at));
        let entry = entry.ok_or_else(|| StoreError::Broken("a reaction to nothing".to_owned()))?;
        match entry.reactions.iter_mut().find(|reaction| reaction.text == text) {
            Some(reaction) => reaction.by.push(who),
            None => entry.reactions.push(Reaction { text, by: vec![who] }),
        }
    }
    Ok(())
}
