//! Drafts become rows.
//!
//! The rooms of a call are locked at its beginning, in the order of their numbers, so that two nodes do not wait for each other; each draft then gets the next number of
//! its room, and the room's lock is held until all of it is committed: whoever reads number n finds those before it. Ids grow with the
//! numbers, whatever the clocks of the nodes say: one that is not above the last of its room is raised. Messages are gathered and written by
//! one statement; what an event makes of another message (`effects`) is written behind them.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::{Appended, Draft, StoreError};
use super::connect::Db;
use super::error::Fault;
use super::row::{RoomN, bits, clean, encode, id_bytes, id_of, int, kind, next, uint};
use super::{effects, words};
use crate::proto::chat::event::{Change, RoomKind, Who};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};
use crate::proto::chat::name::{Nick, RoomName};

/// How long it is known at least what a client has called a draft, in milliseconds: three days.
pub(super) const SENT_PERIOD: Millis = 3 * 24 * 60 * 60 * 1000;

/// Words of clients that are forgotten at once, at most.
const FORGET: i64 = 1000;

/// A room that is being written.
struct State {
    n: RoomN,
    head: Seq,
    last: MessageId,
    bytes: u64,
    closed: bool,
    changed: bool,
}

/// What has been decided and is not written yet.
#[derive(Default)]
struct Rows {
    room: Vec<i64>,
    seq: Vec<i64>,
    id: Vec<Vec<u8>>,
    kind: Vec<i16>,
    nick: Vec<String>,
    account: Vec<Option<i64>>,
    username: Vec<String>,
    host: Vec<String>,
    body: Vec<String>,
    bytes: Vec<i64>,
    thread: Vec<Option<Vec<u8>>>,
    words: Vec<Option<String>>,
}

/// What clients have called what was written.
#[derive(Default)]
struct Sent {
    account: Vec<i64>,
    client: Vec<String>,
    seq: Vec<i64>,
    id: Vec<Vec<u8>>,
}

/// A client's word, and whose.
type Word = (AccountId, String);

struct Call<'a> {
    db: &'a Db,
    rooms: HashMap<RoomId, State>,
    known: HashMap<Word, (Seq, MessageId)>,
    rows: Rows,
    sent: Sent,
}

/// Appends drafts in the transaction that is under way, which has nothing else in it.
pub(super) async fn append(db: Db, drafts: Arc<Vec<Draft>>) -> Result<Vec<Appended>, Fault> {
    let words: Vec<Word> = drafts.iter().filter_map(word).collect();
    let latest = drafts.iter().map(|draft| draft.id.time() / SENT_PERIOD).max().unwrap_or_default();
    let period = if words.is_empty() { latest } else { period(&db, latest).await? };
    let known = known(&db, &words, period).await?;
    let rooms = lock(&db, &drafts).await?;
    let mut call = Call { db: &db, rooms, known, rows: Rows::default(), sent: Sent::default() };
    let mut appended = Vec::with_capacity(drafts.len());
    for draft in drafts.iter() {
        appended.push(call.one(draft).await?);
    }
    call.finish(period).await?;
    Ok(appended)
}

fn word(draft: &Draft) -> Option<Word> {
    Some((draft.by.account?, clean(draft.client_id.as_deref()?).into_owned()))
}

/// The present period; what belongs to the ones before the last is forgotten little by little.
async fn period(db: &Db, latest: u64) -> Result<u64, Fault> {
    let row = db.row("SELECT min(period), max(period) FROM sent", &[]).await?;
    let (oldest, newest): (Option<i64>, Option<i64>) =
        row.map_or(Ok((None, None)), |row| Ok::<_, Fault>((row.try_get(0)?, row.try_get(1)?)))?;
    let period = newest.map_or(0, uint).max(latest);
    if oldest.is_some_and(|oldest| uint(oldest) + 1 < period) {
        let sql = "DELETE FROM sent WHERE ctid = ANY (ARRAY (SELECT ctid FROM sent WHERE period < $1 ORDER BY period LIMIT $2 FOR UPDATE SKIP LOCKED))";
        db.run(sql, &[&(int(period) - 1), &FORGET]).await?;
    }
    Ok(period)
}

async fn known(db: &Db, words: &[Word], period: u64) -> Result<HashMap<Word, (Seq, MessageId)>, Fault> {
    if words.is_empty() {
        return Ok(HashMap::new());
    }
    let accounts: Vec<i64> = words.iter().map(|(account, _)| bits(account.0)).collect();
    let clients: Vec<&str> = words.iter().map(|(_, client)| client.as_str()).collect();
    let sql = "SELECT s.account, s.client, s.seq, s.id
               FROM unnest($1::bigint[], $2::text[]) AS w (account, client)
               JOIN sent s ON s.account = w.account AND s.client = w.client WHERE s.period >= $3";
    let rows = db.rows(sql, &[&accounts, &clients, &(int(period) - 1)]).await?;
    let read = |row: &tokio_postgres::Row| {
        let account: i64 = row.try_get(0)?;
        let word = (AccountId(super::row::number(account)), row.try_get(1)?);
        Ok((word, (uint(row.try_get(2)?), id_of(row.try_get(3)?)?)))
    };
    rows.iter().map(read).collect()
}

/// Locks the rooms of the drafts that exist.
async fn lock(db: &Db, drafts: &[Draft]) -> Result<HashMap<RoomId, State>, Fault> {
    let mut ids: Vec<i64> = drafts.iter().map(|draft| bits(draft.room.0)).collect();
    ids.sort_unstable();
    ids.dedup();
    let sql = "SELECT id, n, head, last, bytes, closed FROM rooms
               WHERE id = ANY ($1) AND NOT dropped ORDER BY id FOR UPDATE";
    let mut rooms = HashMap::new();
    for row in db.rows(sql, &[&ids]).await? {
        let state = State {
            n: row.try_get(1)?,
            head: uint(row.try_get(2)?),
            last: id_of(row.try_get(3)?)?,
            bytes: uint(row.try_get(4)?),
            closed: row.try_get(5)?,
            changed: false,
        };
        rooms.insert(RoomId(super::row::number(row.try_get(0)?)), state);
    }
    Ok(rooms)
}

impl Call<'_> {
    async fn one(&mut self, draft: &Draft) -> Result<Appended, Fault> {
        let word = word(draft);
        if let Some((seq, id)) = word.as_ref().and_then(|word| self.known.get(word)) {
            return Ok(Appended::Known(*seq, *id));
        }
        if let Change::Create { kind, name, members } = &draft.change {
            self.create(draft, key(*kind, name.as_ref(), members)).await?;
        }
        let Some(room) = self.rooms.get_mut(&draft.room).filter(|room| !room.closed) else {
            return Ok(Appended::NoRoom);
        };
        let id = if draft.id > room.last { draft.id } else { next(room.last) };
        room.head += 1;
        room.last = id;
        room.changed = true;
        let (n, seq) = (room.n, room.head);
        let text = match &draft.change {
            Change::Message(message) => message.text.as_str(),
            _ => "",
        };
        room.bytes += draft.change.bytes();
        self.rows.push(n, seq, id, draft, text)?;
        if effects::has(&draft.change) {
            // They may concern what stands before them in this call.
            self.flush().await?;
            let grown = effects::of(self.db, n, seq, id, draft).await?;
            if let Some(room) = self.rooms.get_mut(&draft.room) {
                room.bytes = room.bytes.saturating_add_signed(grown);
            }
        }
        if matches!(draft.change, Change::Close)
            && let Some(room) = self.rooms.get_mut(&draft.room)
        {
            room.closed = true;
            self.db.run("UPDATE rooms SET closed = true, key = NULL WHERE n = $1", &[&n]).await?;
        }
        if let Some((account, client)) = word {
            self.sent.account.push(bits(account.0));
            self.sent.client.push(client.clone());
            self.sent.seq.push(int(seq));
            self.sent.id.push(id_bytes(id));
            self.known.insert((account, client), (seq, id));
        }
        Ok(if id == draft.id { Appended::New(seq) } else { Appended::Raised(seq, id) })
    }

    async fn create(&mut self, draft: &Draft, key: Option<String>) -> Result<(), Fault> {
        let none = MessageId::first_of(0);
        let sql = "INSERT INTO rooms (id, key, last) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING n";
        let row = self.db.row(sql, &[&bits(draft.room.0), &key, &id_bytes(none)]).await?;
        let n = row.ok_or(StoreError::Taken)?.try_get(0)?;
        let state = State { n, head: 0, last: none, bytes: 0, closed: false, changed: false };
        self.rooms.insert(draft.room, state);
        Ok(())
    }

    /// Writes the events.
    async fn flush(&mut self) -> Result<(), Fault> {
        let rows = std::mem::take(&mut self.rows);
        if rows.room.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO events (room, seq, id, kind, nick, account, username, host, body, bytes, thread, words)
                   SELECT a, b, c, d, e, f, g, h, i, j, k, l::tsvector
                   FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::smallint[], $5::text[], $6::bigint[],
                               $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bytea[], $12::text[])
                   AS u (a, b, c, d, e, f, g, h, i, j, k, l)";
        let Rows { room, seq, id, kind, nick, account, username, host, body, bytes, thread, words } = &rows;
        self.db
            .run(sql, &[room, seq, id, kind, nick, account, username, host, body, bytes, thread, words])
            .await?;
        Ok(())
    }

    async fn finish(mut self, period: u64) -> Result<(), Fault> {
        self.flush().await?;
        let changed: Vec<&State> = self.rooms.values().filter(|room| room.changed).collect();
        if !changed.is_empty() {
            let n: Vec<i64> = changed.iter().map(|room| room.n).collect();
            let head: Vec<i64> = changed.iter().map(|room| int(room.head)).collect();
            let last: Vec<Vec<u8>> = changed.iter().map(|room| id_bytes(room.last)).collect();
            let bytes: Vec<i64> = changed.iter().map(|room| int(room.bytes)).collect();
            let sql = "UPDATE rooms r SET head = u.head, last = u.last, bytes = u.bytes
                       FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[]) AS u (n, head, last, bytes)
                       WHERE r.n = u.n";
            self.db.run(sql, &[&n, &head, &last, &bytes]).await?;
        }
        let Sent { account, client, seq, id } = &self.sent;
        if !account.is_empty() {
            let sql = "INSERT INTO sent (account, client, seq, id, period)
                       SELECT a, b, c, d, $5 FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[]) AS u (a, b, c, d)
                       ON CONFLICT (account, client) DO UPDATE SET seq = excluded.seq, id = excluded.id, period = excluded.period
                       WHERE sent.period < excluded.period - 1";
            let written = self.db.run(sql, &[account, client, seq, id, &int(period)]).await?;
            if written < account.len() as u64 {
                // Another node has been sent the same one meanwhile.
                return Err(Fault::Again);
            }
        }
        Ok(())
    }
}

impl Rows {
    fn push(&mut self, n: RoomN, seq: Seq, id: MessageId, draft: &Draft, text: &str) -> Result<(), Fault> {
        self.room.push(n);
        self.seq.push(int(seq));
        self.id.push(id_bytes(id));
        self.kind.push(kind(&draft.change));
        self.nick.push(draft.by.nick.as_str().to_owned());
        self.account.push(draft.by.account.map(|account| bits(account.0)));
        self.username.push(clean(&draft.by.user).into_owned());
        self.host.push(clean(&draft.by.host).into_owned());
        self.body.push(encode(&draft.change)?);
        self.bytes.push(int(draft.change.bytes()));
        self.thread.push(match &draft.change {
            Change::Message(message) => message.thread.map(id_bytes),
            _ => None,
        });
        self.words.push(words::vector(n, text));
        Ok(())
    }
}

/// What is unique among the rooms that are not closed. Names begin with `#`.
fn key(kind: RoomKind, name: Option<&RoomName>, members: &[(Who, Nick)]) -> Option<String> {
    match (kind, name, members) {
        (RoomKind::Direct, _, [(Who::Account(one), _), (Who::Account(other), _)]) => {
            Some(format!("{} {}", one.0.min(other.0), one.0.max(other.0)))
        }
        (_, name, _) => name.map(|name| name.folded().to_string()),
    }
}
