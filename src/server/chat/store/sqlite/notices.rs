//! Notices in their tables. All SQL about them stands here.
//!
//! Who claims a notice holds it until some time, so that it is taken again if nobody settles it; what a process held that has ended is let go when the folder is
//! opened ([`release`]), since then nobody works on it.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::notices::{
    Counts, Device, Kind, Level, MAX_DEAD, MAX_DEVICES, MAX_WAITING, NewNotice, Notice, Settled,
};
use super::super::{Appended, Draft, StoreError};
use super::append;
use super::row::{Id, bits, int, number, room_n, uint};
use super::state::State;
use crate::proto::chat::id::{AccountId, Millis, RoomId, Seq};

/// Appends drafts, and notices of those that are new.
pub(super) fn append_with(
    db: &Connection,
    state: &mut State,
    drafts: &[Draft],
    notices: &[NewNotice],
) -> Result<Vec<Appended>, StoreError> {
    let appended = append::append(db, state, drafts)?;
    for notice in notices {
        let draft = drafts.get(notice.draft);
        if let (Some(draft), Some(Appended::New(seq))) = (draft, appended.get(notice.draft)) {
            queue(db, draft, *seq, notice)?;
        }
    }
    Ok(appended)
}

fn queue(db: &Connection, draft: &Draft, seq: Seq, notice: &NewNotice) -> Result<(), StoreError> {
    let Some(room) = room_n(db, draft.room)? else { return Ok(()) };
    let account = bits(notice.account.0);
    let mut waiting = db.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM notices WHERE account = ?1 AND dead IS NULL LIMIT ?2)",
    )?;
    let waiting: i64 = waiting.query_row(params![account, int(MAX_WAITING as u64)], |row| row.get(0))?;
    if uint(waiting) >= MAX_WAITING as u64 {
        return Ok(());
    }
    let (kind, due) = (number_of(notice.kind), int(draft.id.time()));
    match &notice.webhook {
        None => {
            let mut insert = db.prepare_cached(
                "INSERT INTO notices (account, kind, room, seq, id, due, webhook, target)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0, endpoint FROM devices WHERE account = ?1 ORDER BY n",
            )?;
            insert.execute(params![account, kind, room, int(seq), Id(draft.id), due])?;
        }
        Some(url) => {
            let mut insert = db.prepare_cached(
                "INSERT INTO notices (account, kind, room, seq, id, due, webhook, target)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7)",
            )?;
            insert.execute(params![account, kind, room, int(seq), Id(draft.id), due, url])?;
        }
    }
    Ok(())
}

/// Keeps a device.
pub(super) fn add_device(db: &Connection, device: &Device) -> Result<(), StoreError> {
    let Device { account, session, endpoint, key, auth, created } = device;
    let account = bits(account.0);
    let mut insert = db.prepare_cached(
        "INSERT INTO devices (account, session, endpoint, key, auth, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (endpoint) DO UPDATE SET account = excluded.account, session = excluded.session,
             key = excluded.key, auth = excluded.auth",
    )?;
    insert.execute(params![account, Id(*session), endpoint, key, auth, int(*created)])?;
    // What waits for another account at this device is not for the one that has it now.
    db.prepare_cached("DELETE FROM notices WHERE target = ?1 AND account <> ?2 AND webhook = 0")?
        .execute(params![endpoint, account])?;
    let mut most = db.prepare_cached(
        "DELETE FROM devices WHERE n IN (SELECT n FROM devices WHERE account = ?1 ORDER BY n DESC LIMIT -1 OFFSET ?2)",
    )?;
    most.execute(params![account, int(MAX_DEVICES as u64)])?;
    Ok(())
}

/// Forgets a device of an account.
pub(super) fn remove_device(db: &Connection, account: AccountId, endpoint: &str) -> Result<bool, StoreError> {
    let mut delete = db.prepare_cached("DELETE FROM devices WHERE account = ?1 AND endpoint = ?2")?;
    Ok(delete.execute(params![bits(account.0), endpoint])? > 0)
}

/// Notes what an account wants to hear of a room.
pub(super) fn set_level(
    db: &Connection,
    room: RoomId,
    account: AccountId,
    level: Level,
) -> Result<(), StoreError> {
    let room = room_n(db, room)?.ok_or(StoreError::None)?;
    let account = bits(account.0);
    let number = match level {
        Level::All => 0,
        Level::Mentions => {
            let mut delete = db.prepare_cached("DELETE FROM levels WHERE room = ?1 AND account = ?2")?;
            delete.execute(params![room, account])?;
            return Ok(());
        }
        Level::None => 2,
    };
    let mut insert =
        db.prepare_cached("INSERT OR REPLACE INTO levels (room, account, level) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![room, account, number])?;
    Ok(())
}

/// What accounts want to hear of rooms.
pub(super) fn levels(db: &Connection) -> Result<Vec<(RoomId, AccountId, Level)>, StoreError> {
    let mut select = db.prepare_cached(
        "SELECT r.id, l.account, l.level FROM levels l JOIN rooms r ON r.n = l.room WHERE NOT r.dropped",
    )?;
    let read = |row: &Row<'_>| {
        let level = if row.get::<_, i64>(2)? == 0 { Level::All } else { Level::None };
        Ok((RoomId(number(row.get(0)?)), AccountId(number(row.get(1)?)), level))
    };
    Ok(select.query_map([], read)?.collect::<Result<_, _>>()?)
}

const COLUMNS: &str =
    "t.n, t.account, t.kind, t.seq, t.id, t.target, t.webhook, t.attempts, t.dead, t.error, r.id,
     c.read, d.session, d.key, d.auth, d.created";
const TABLES: &str = "notices t JOIN rooms r ON r.n = t.room
     LEFT JOIN cursors c ON c.room = t.room AND c.account = t.account
     LEFT JOIN devices d ON t.webhook = 0 AND d.endpoint = t.target AND d.account = t.account";

/// Takes notices that are due.
pub(super) fn claim(
    db: &Connection,
    now: Millis,
    until: Millis,
    limit: usize,
) -> Result<Vec<Notice>, StoreError> {
    // Rooms that were forgotten have nothing to be told.
    db.prepare_cached(
        "DELETE FROM notices WHERE dead IS NULL AND due <= ?1 AND NOT EXISTS (SELECT 1 FROM rooms r WHERE r.n = room AND NOT r.dropped)",
    )?
    .execute([int(now)])?;
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE t.dead IS NULL AND t.due <= ?1 AND t.held <= ?1 ORDER BY t.due, t.n LIMIT ?2"
    );
    let notices = read_all(db, &sql, params![int(now), int(limit as u64)])?;
    let mut hold = db.prepare_cached("UPDATE notices SET held = ?2 WHERE n = ?1")?;
    for notice in &notices {
        hold.execute(params![int(notice.n), int(until)])?;
    }
    Ok(notices)
}

/// Lets notices be claimed that a process held which has ended.
pub(super) fn release(db: &Connection) -> rusqlite::Result<()> {
    db.execute("UPDATE notices SET held = 0 WHERE held > 0", []).map(drop)
}

/// When the next one is due.
pub(super) fn next_due(db: &Connection) -> Result<Option<Millis>, StoreError> {
    let mut select = db.prepare_cached("SELECT min(max(due, held)) FROM notices WHERE dead IS NULL")?;
    let due: Option<Option<i64>> = select.query_row([], |row| row.get(0)).optional()?;
    Ok(due.flatten().map(uint))
}

/// Notes what became of a notice.
pub(super) fn settle(db: &Connection, n: u64, outcome: &Settled) -> Result<(), StoreError> {
    let n = int(n);
    match outcome {
        Settled::Done => {
            db.prepare_cached("DELETE FROM notices WHERE n = ?1")?.execute([n])?;
        }
        Settled::Gone => {
            let mut select = db.prepare_cached("SELECT target FROM notices WHERE n = ?1 AND webhook = 0")?;
            let target: Option<String> = select.query_row([n], |row| row.get(0)).optional()?;
            if let Some(target) = target {
                db.prepare_cached("DELETE FROM devices WHERE endpoint = ?1")?.execute([&target])?;
                db.prepare_cached("DELETE FROM notices WHERE target = ?1 AND webhook = 0")?
                    .execute([&target])?;
            }
        }
        Settled::Later(due) => {
            let mut update = db.prepare_cached("UPDATE notices SET due = ?2, held = 0 WHERE n = ?1")?;
            update.execute(params![n, int(*due)])?;
        }
        Settled::Again(due, error) => {
            let mut update = db.prepare_cached(
                "UPDATE notices SET attempts = attempts + 1, due = ?2, held = 0, error = ?3 WHERE n = ?1",
            )?;
            update.execute(params![n, int(*due), error])?;
        }
        Settled::Dead(now, error) => {
            let mut update = db.prepare_cached(
                "UPDATE notices SET attempts = attempts + 1, dead = ?2, held = 0, error = ?3 WHERE n = ?1",
            )?;
            update.execute(params![n, int(*now), error])?;
            let mut most = db.prepare_cached(
                "DELETE FROM notices WHERE n IN
                 (SELECT n FROM notices WHERE dead IS NOT NULL ORDER BY n DESC LIMIT -1 OFFSET ?1)",
            )?;
            most.execute([int(MAX_DEAD as u64)])?;
        }
    }
    Ok(())
}

/// Those that were given up.
pub(super) fn dead(db: &Connection, after: u64, limit: usize) -> Result<Vec<Notice>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM {TABLES} WHERE t.dead IS NOT NULL AND t.n > ?1 ORDER BY t.n LIMIT ?2");
    read_all(db, &sql, params![int(after), int(limit as u64)])
}

/// Tries those again that were given up.
pub(super) fn revive(db: &Connection, which: Option<u64>, now: Millis) -> Result<usize, StoreError> {
    let mut update = db.prepare_cached(
        "UPDATE notices SET dead = NULL, attempts = 0, due = ?2 WHERE dead IS NOT NULL AND (?1 IS NULL OR n = ?1)",
    )?;
    Ok(update.execute(params![which.map(int), int(now)])?)
}

/// Forgets those that were given up.
pub(super) fn forget_dead(db: &Connection, which: Option<u64>) -> Result<usize, StoreError> {
    let mut delete =
        db.prepare_cached("DELETE FROM notices WHERE dead IS NOT NULL AND (?1 IS NULL OR n = ?1)")?;
    Ok(delete.execute([which.map(int)])?)
}

/// How many there are.
pub(super) fn counts(db: &Connection) -> Result<Counts, StoreError> {
    let sql =
        "SELECT count(*) FILTER (WHERE dead IS NULL), count(*) FILTER (WHERE dead IS NOT NULL) FROM notices";
    let mut select = db.prepare_cached(sql)?;
    Ok(select.query_row([], |row| Ok(Counts { waiting: uint(row.get(0)?), dead: uint(row.get(1)?) }))?)
}

/// Forgets what is kept of an account here.
pub(super) fn forget_account(db: &Connection, account: i64) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM devices WHERE account = ?1",
        "DELETE FROM levels WHERE account = ?1",
        "DELETE FROM notices WHERE account = ?1",
    ] {
        db.prepare_cached(sql)?.execute([account])?;
    }
    Ok(())
}

fn number_of(kind: Kind) -> i64 {
    Kind::ALL.iter().position(|known| *known == kind).and_then(|at| i64::try_from(at).ok()).unwrap_or(0)
}

fn read_all(
    db: &Connection,
    sql: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Notice>, StoreError> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(parameters)?;
    let mut notices = Vec::new();
    while let Some(row) = rows.next()? {
        notices.push(notice(row)?);
    }
    Ok(notices)
}

fn notice(row: &Row<'_>) -> Result<Notice, StoreError> {
    let account = AccountId(number(row.get(1)?));
    let target: String = row.get(5)?;
    let session: Option<Id> = row.get(12)?;
    let device = match session {
        Some(Id(session)) => Some(Device {
            account,
            session,
            endpoint: target.clone(),
            key: row.get(13)?,
            auth: row.get(14)?,
            created: uint(row.get(15)?),
        }),
        None => None,
    };
    let kind = usize::try_from(row.get::<_, i64>(2)?).ok().and_then(|at| Kind::ALL.get(at));
    let id: Id = row.get(4)?;
    Ok(Notice {
        n: uint(row.get(0)?),
        account,
        kind: *kind.ok_or_else(|| StoreError::Broken("a notice is of no known kind".to_owned()))?,
        room: RoomId(number(row.get(10)?)),
        seq: uint(row.get(3)?),
        id: id.0,
        target,
        device,
        webhook: row.get(6)?,
        read: uint(row.get::<_, Option<i64>>(11)?.unwrap_or(0)),
        attempts: u32::try_from(row.get::<_, i64>(7)?).unwrap_or(u32::MAX),
        dead: row.get::<_, Option<i64>>(8)?.map(uint),
        error: row.get(9)?,
    })
}
