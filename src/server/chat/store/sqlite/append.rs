//! Drafts become rows.
//!
//! A draft gets the next number of its room. What it makes of another message is written in the same transaction (`effects`). The caller's
//! word for a draft is kept for [`SENT_PERIOD`] at least and twice as long at most: two tables take turns, and whenever a period begins,
//! the older one is emptied.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::{Appended, Draft, StoreError};
use super::effects;
use super::row::{Id, Kind, bits, encode, int, uint};
use super::state::{RoomState, State};
use crate::proto::chat::event::{Change, RoomKind, Who};
use crate::proto::chat::id::{AccountId, MessageId, Millis};
use crate::proto::chat::name::{Nick, RoomName};

/// How long it is known at least what a client has called a draft, in milliseconds: three days.
pub(in super::super) const SENT_PERIOD: Millis = 3 * 24 * 60 * 60 * 1000;

/// Appends drafts in the transaction that is under way. [`StoreError::Taken`] has changed nothing.
pub(super) fn append(
    db: &Connection,
    state: &mut State,
    drafts: &[Draft],
) -> Result<Vec<Appended>, StoreError> {
    state.trim();
    let creates = drafts.iter().any(|draft| matches!(draft.change, Change::Create { .. }));
    if !creates || drafts.len() == 1 {
        return each(db, state, drafts);
    }
    db.execute_batch("SAVEPOINT call")?;
    let outcome = each(db, state, drafts);
    match outcome {
        Ok(_) => {}
        Err(StoreError::Taken) => {
            db.execute_batch("ROLLBACK TO call")?;
            state.forget();
        }
        // The whole transaction is going to be rolled back, or has been.
        Err(_) => return outcome,
    }
    db.execute_batch("RELEASE call")?;
    outcome
}

fn each(db: &Connection, state: &mut State, drafts: &[Draft]) -> Result<Vec<Appended>, StoreError> {
    let appended = drafts.iter().map(|draft| one(db, state, draft)).collect::<Result<Vec<_>, _>>()?;
    state.flush(db, drafts.iter().map(|draft| draft.room))?;
    Ok(appended)
}

fn one(db: &Connection, state: &mut State, draft: &Draft) -> Result<Appended, StoreError> {
    let sent = draft.client_id.as_deref().zip(draft.by.account);
    if let Some((client, account)) = sent
        && let Some((seq, id)) = known(db, account, client)?
    {
        return Ok(Appended::Known(seq, id));
    }
    if let Change::Create { kind, name, members } = &draft.change {
        create(db, state, draft, key(*kind, name.as_ref(), members))?;
    }
    let author = state.author(db, &draft.by)?;
    let Some(room) = state.room(db, draft.room)?.filter(|room| !room.closed) else {
        return Ok(Appended::NoRoom);
    };
    room.head += 1;
    room.last = room.last.max(draft.id);
    room.changed = true;
    let (n, seq) = (room.n, room.head);
    let thread = match &draft.change {
        Change::Message(message) => message.thread,
        _ => None,
    };
    let bytes = draft.change.bytes();
    room.bytes += bytes;
    let mut insert = db.prepare_cached(
        "INSERT INTO events (room, seq, id, kind, author, body, bytes, thread) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let body = encode(&draft.change)?;
    insert.execute(params![
        n,
        int(seq),
        Id(draft.id),
        Kind::of(&draft.change),
        author,
        body,
        int(bytes),
        thread.map(Id)
    ])?;
    let grown = effects::of(db, n, seq, draft)?;
    room.bytes = room.bytes.saturating_add_signed(grown);
    if matches!(draft.change, Change::Close) {
        room.closed = true;
        db.prepare_cached("UPDATE rooms SET closed = 1, key = NULL WHERE n = ?1")?.execute([n])?;
    }
    if let Some((client, account)) = sent {
        remember(db, state, account, client, seq, draft.id)?;
    }
    Ok(Appended::New(seq))
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

fn create(db: &Connection, state: &mut State, draft: &Draft, key: Option<String>) -> Result<(), StoreError> {
    let id = bits(draft.room.0);
    let mut taken =
        db.prepare_cached("SELECT 1 FROM rooms WHERE id = ?1 UNION ALL SELECT 1 FROM rooms WHERE key = ?2")?;
    if taken.exists(params![id, key])? {
        return Err(StoreError::Taken);
    }
    let none = MessageId::first_of(0);
    let mut insert = db.prepare_cached(
        "INSERT INTO rooms (id, key, head, last, bytes, indexed) VALUES (?1, ?2, 0, ?3, 0, 0)",
    )?;
    let n = insert.insert(params![id, key, Id(none)])?;
    let n = super::index::room_number(n)?;
    state.insert(draft.room, RoomState { n, head: 0, last: none, bytes: 0, closed: false, changed: false });
    Ok(())
}

/// The event that a draft of this account has become, which its client called so.
fn known(db: &Connection, account: AccountId, client: &str) -> rusqlite::Result<Option<(u64, MessageId)>> {
    let mut statement = db.prepare_cached(
        "SELECT seq, id FROM sent_even WHERE account = ?1 AND client = ?2
         UNION ALL SELECT seq, id FROM sent_odd WHERE account = ?1 AND client = ?2",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((uint(row.get(0)?), row.get::<_, Id>(1)?.0));
    statement.query_row(params![bits(account.0), client], read).optional()
}

fn remember(
    db: &Connection,
    state: &mut State,
    account: AccountId,
    client: &str,
    seq: u64,
    id: MessageId,
) -> rusqlite::Result<()> {
    let even = turn(db, state, id.time() / SENT_PERIOD)?;
    let sql = if even {
        "INSERT INTO sent_even (account, client, seq, id) VALUES (?1, ?2, ?3, ?4)"
    } else {
        "INSERT INTO sent_odd (account, client, seq, id) VALUES (?1, ?2, ?3, ?4)"
    };
    db.prepare_cached(sql)?.execute(params![bits(account.0), client, int(seq), Id(id)]).map(drop)
}

/// Goes on to `period` if that is later. Says whether the table of even periods is the one to be filled.
fn turn(db: &Connection, state: &mut State, period: u64) -> rusqlite::Result<bool> {
    let current = match state.period {
        Some(current) => current,
        None => {
            let mut statement = db.prepare_cached("SELECT value FROM meta WHERE name = 'period'")?;
            uint(statement.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
        }
    };
    state.period = Some(current.max(period));
    if period > current {
        let (even, odd) = ("DELETE FROM sent_even", "DELETE FROM sent_odd");
        let (next, other) = if period.is_multiple_of(2) { (even, odd) } else { (odd, even) };
        db.execute(next, [])?;
        if period > current + 1 {
            db.execute(other, [])?;
        }
        db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('period', ?1)", [int(period)])?;
    }
    Ok(current.max(period).is_multiple_of(2))
}
