//! Notices in their tables, which several nodes deliver from.
//!
//! Who claims a notice holds it until some time; a node that dies with it lets it go by that alone, since the others cannot know what it has done.

use std::sync::Arc;

use tokio_postgres::Row;

use super::super::notices::{
    Counts, Device, Kind, Level, MAX_DEAD, MAX_DEVICES, MAX_WAITING, NewNotice, Notice, Settled,
};
use super::super::{Appended, Draft, StoreError};
use super::append;
use super::connect::{Db, Values};
use super::error::Fault;
use super::row::{bits, clean, id_bytes, id_of, int, number, room_n, uint};
use crate::proto::chat::id::{AccountId, MessageId, Millis, RoomId, Seq};

/// Drafts, and notices of them.
pub(super) type WithNotices = (Arc<Vec<Draft>>, Vec<NewNotice>);

/// Appends drafts, and notices of those that are new.
pub(super) async fn append_with(db: Db, about: Arc<WithNotices>) -> Result<Vec<Appended>, Fault> {
    let (drafts, notices) = &*about;
    let appended = append::append(db.clone(), Arc::clone(drafts)).await?;
    let (mut devices, mut webhooks) = (Queued::default(), Queued::default());
    for notice in notices {
        let (seq, id) = match (drafts.get(notice.draft), appended.get(notice.draft)) {
            (Some(draft), Some(Appended::New(seq))) => (*seq, draft.id),
            (Some(_), Some(Appended::Raised(seq, id))) => (*seq, *id),
            _ => continue,
        };
        let Some(draft) = drafts.get(notice.draft) else { continue };
        match &notice.webhook {
            None => devices.push(notice, draft, seq, id, String::new()),
            Some(url) => webhooks.push(notice, draft, seq, id, url.clone()),
        }
    }
    devices.insert(&db, "false, d.endpoint", "JOIN devices d ON d.account = u.account", ", d.n").await?;
    webhooks.insert(&db, "true, u.target", "", "").await?;
    Ok(appended)
}

/// Notices of one call, column by column.
#[derive(Default)]
struct Queued {
    account: Vec<i64>,
    kind: Vec<i16>,
    room: Vec<i64>,
    seq: Vec<i64>,
    id: Vec<Vec<u8>>,
    due: Vec<i64>,
    target: Vec<String>,
}

impl Queued {
    fn push(&mut self, notice: &NewNotice, draft: &Draft, seq: Seq, id: MessageId, target: String) {
        self.account.push(bits(notice.account.0));
        self.kind.push(number_of(notice.kind));
        self.room.push(bits(draft.room.0));
        self.seq.push(int(seq));
        self.id.push(id_bytes(id));
        self.due.push(int(draft.id.time()));
        self.target.push(target);
    }

    /// Whoever has too many waiting gets none of these; it is counted before any of them is written.
    async fn insert(&self, db: &Db, target: &str, join: &str, order: &str) -> Result<(), Fault> {
        if self.account.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "INSERT INTO notices (account, kind, room, seq, id, due, webhook, target)
             SELECT u.account, u.kind, r.n, u.seq, u.id, u.due, {target}
             FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[], $7::text[])
                  WITH ORDINALITY AS u (account, kind, room, seq, id, due, target, place)
             JOIN rooms r ON r.id = u.room AND NOT r.dropped {join}
             WHERE (SELECT count(*) FROM (SELECT 1 FROM notices w
                    WHERE w.account = u.account AND w.dead IS NULL LIMIT $8) few) < $8
             ORDER BY u.place{order}"
        );
        let Self { account, kind, room, seq, id, due, target } = self;
        db.run(&sql, &[account, kind, room, seq, id, due, target, &int(MAX_WAITING as u64)]).await?;
        Ok(())
    }
}

/// Keeps a device.
pub(super) async fn add_device(db: Db, device: Arc<Device>) -> Result<(), Fault> {
    let Device { account, session, endpoint, key, auth, created } = &*device;
    let account = bits(account.0);
    let sql =
        "INSERT INTO devices (account, session, endpoint, key, auth, created) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (endpoint) DO UPDATE SET account = excluded.account, session = excluded.session,
                   key = excluded.key, auth = excluded.auth";
    let (key, auth) = (key.as_slice(), auth.as_slice());
    db.run(sql, &[&account, &id_bytes(*session), endpoint, &key, &auth, &int(*created)]).await?;
    // What waits for another account at this device is not for the one that has it now.
    let sql = "DELETE FROM notices WHERE target = $1 AND account <> $2 AND NOT webhook";
    db.run(sql, &[endpoint, &account]).await?;
    let sql =
        "DELETE FROM devices WHERE n IN (SELECT n FROM devices WHERE account = $1 ORDER BY n DESC OFFSET $2)";
    db.run(sql, &[&account, &int(MAX_DEVICES as u64)]).await?;
    Ok(())
}

/// Forgets a device of an account.
pub(super) async fn remove_device(db: Db, about: Arc<(AccountId, String)>) -> Result<bool, Fault> {
    let sql = "DELETE FROM devices WHERE account = $1 AND endpoint = $2";
    Ok(db.run(sql, &[&bits(about.0.0), &about.1]).await? > 0)
}

/// Notes what an account wants to hear of a room.
pub(super) async fn set_level(db: Db, about: Arc<(RoomId, AccountId, Level)>) -> Result<(), Fault> {
    let (room, account, level) = *about;
    let room = room_n(&db, room).await?.ok_or(StoreError::None)?;
    let account = bits(account.0);
    let number: i16 = match level {
        Level::All => 0,
        Level::Mentions => {
            db.run("DELETE FROM levels WHERE room = $1 AND account = $2", &[&room, &account]).await?;
            return Ok(());
        }
        Level::None => 2,
    };
    let sql = "INSERT INTO levels (room, account, level) VALUES ($1, $2, $3)
               ON CONFLICT (room, account) DO UPDATE SET level = excluded.level";
    db.run(sql, &[&room, &account, &number]).await?;
    Ok(())
}

/// What accounts want to hear of rooms.
pub(super) async fn levels(db: Db, _: Arc<()>) -> Result<Vec<(RoomId, AccountId, Level)>, Fault> {
    let sql =
        "SELECT r.id, l.account, l.level FROM levels l JOIN rooms r ON r.n = l.room WHERE NOT r.dropped";
    let read = |row: &Row| {
        let level = if row.try_get::<_, i16>(2)? == 0 { Level::All } else { Level::None };
        Ok((RoomId(number(row.try_get(0)?)), AccountId(number(row.try_get(1)?)), level))
    };
    db.rows(sql, &[]).await?.iter().map(read).collect()
}

const COLUMNS: &str =
    "t.n, t.account, t.kind, t.seq, t.id, t.target, t.webhook, t.attempts, t.dead, t.error, r.id,
     c.read, d.session, d.key, d.auth, d.created";
const TABLES: &str = "notices t JOIN rooms r ON r.n = t.room
     LEFT JOIN cursors c ON c.room = t.room AND c.account = t.account
     LEFT JOIN devices d ON NOT t.webhook AND d.endpoint = t.target AND d.account = t.account";

/// Takes notices that are due: now, until when, and how many.
pub(super) async fn claim(db: Db, about: Arc<(Millis, Millis, usize)>) -> Result<Vec<Notice>, Fault> {
    let (now, until, limit) = *about;
    let now = int(now);
    // Rooms that were forgotten have nothing to be told.
    let sql = "DELETE FROM notices t WHERE t.dead IS NULL AND t.due <= $1
               AND NOT EXISTS (SELECT 1 FROM rooms r WHERE r.n = t.room AND NOT r.dropped)";
    db.run(sql, &[&now]).await?;
    // What another node is claiming just now is left to it.
    let sql = format!(
        "SELECT {COLUMNS} FROM {TABLES} WHERE t.dead IS NULL AND t.due <= $1 AND t.held <= $1
         ORDER BY t.due, t.n LIMIT $2 FOR UPDATE OF t SKIP LOCKED"
    );
    let notices = read_all(&db, &sql, &[&now, &int(limit as u64)]).await?;
    let numbers: Vec<i64> = notices.iter().map(|notice| int(notice.n)).collect();
    if !numbers.is_empty() {
        db.run("UPDATE notices SET held = $2 WHERE n = ANY ($1)", &[&numbers, &int(until)]).await?;
    }
    Ok(notices)
}

/// When the next one is due.
pub(super) async fn next_due(db: Db, _: Arc<()>) -> Result<Option<Millis>, Fault> {
    let sql = "SELECT min(greatest(due, held)) FROM notices WHERE dead IS NULL";
    let row = db.row(sql, &[]).await?;
    let due: Option<i64> = row.map_or(Ok(None), |row| row.try_get(0))?;
    Ok(due.map(uint))
}

/// Notes what became of a notice.
pub(super) async fn settle(db: Db, about: Arc<(u64, Settled)>) -> Result<(), Fault> {
    let (n, outcome) = &*about;
    let n = int(*n);
    match outcome {
        Settled::Done => {
            db.run("DELETE FROM notices WHERE n = $1", &[&n]).await?;
        }
        Settled::Gone => {
            let row = db.row("SELECT target FROM notices WHERE n = $1 AND NOT webhook", &[&n]).await?;
            if let Some(row) = row {
                let target: &str = row.try_get(0)?;
                db.run("DELETE FROM devices WHERE endpoint = $1", &[&target]).await?;
                db.run("DELETE FROM notices WHERE target = $1 AND NOT webhook", &[&target]).await?;
            }
        }
        Settled::Later(due) => {
            db.run("UPDATE notices SET due = $2, held = 0 WHERE n = $1", &[&n, &int(*due)]).await?;
        }
        Settled::Again(due, error) => {
            let sql =
                "UPDATE notices SET attempts = attempts + 1, due = $2, held = 0, error = $3 WHERE n = $1";
            db.run(sql, &[&n, &int(*due), &clean(error)]).await?;
        }
        Settled::Dead(now, error) => {
            let sql =
                "UPDATE notices SET attempts = attempts + 1, dead = $2, held = 0, error = $3 WHERE n = $1";
            db.run(sql, &[&n, &int(*now), &clean(error)]).await?;
            let sql = "DELETE FROM notices WHERE n IN
                       (SELECT n FROM notices WHERE dead IS NOT NULL ORDER BY n DESC OFFSET $1)";
            db.run(sql, &[&int(MAX_DEAD as u64)]).await?;
        }
    }
    Ok(())
}

/// Those that were given up, behind a number; at most so many.
pub(super) async fn dead(db: Db, about: Arc<(u64, usize)>) -> Result<Vec<Notice>, Fault> {
    let sql =
        format!("SELECT {COLUMNS} FROM {TABLES} WHERE t.dead IS NOT NULL AND t.n > $1 ORDER BY t.n LIMIT $2");
    read_all(&db, &sql, &[&int(about.0), &int(about.1 as u64)]).await
}

/// Tries those again that were given up.
pub(super) async fn revive(db: Db, about: Arc<(Option<u64>, Millis)>) -> Result<usize, Fault> {
    let sql = "UPDATE notices SET dead = NULL, attempts = 0, due = $2
               WHERE dead IS NOT NULL AND ($1::bigint IS NULL OR n = $1)";
    let revived = db.run(sql, &[&about.0.map(int), &int(about.1)]).await?;
    Ok(usize::try_from(revived).unwrap_or(usize::MAX))
}

/// Forgets those that were given up.
pub(super) async fn forget_dead(db: Db, which: Arc<Option<u64>>) -> Result<usize, Fault> {
    let sql = "DELETE FROM notices WHERE dead IS NOT NULL AND ($1::bigint IS NULL OR n = $1)";
    let forgotten = db.run(sql, &[&which.map(int)]).await?;
    Ok(usize::try_from(forgotten).unwrap_or(usize::MAX))
}

/// How many there are.
pub(super) async fn counts(db: Db, _: Arc<()>) -> Result<Counts, Fault> {
    let sql =
        "SELECT count(*) FILTER (WHERE dead IS NULL), count(*) FILTER (WHERE dead IS NOT NULL) FROM notices";
    let Some(row) = db.row(sql, &[]).await? else { return Ok(Counts::default()) };
    Ok(Counts { waiting: uint(row.try_get(0)?), dead: uint(row.try_get(1)?) })
}

fn number_of(kind: Kind) -> i16 {
    Kind::ALL.iter().position(|known| *known == kind).and_then(|at| i16::try_from(at).ok()).unwrap_or(0)
}

async fn read_all(db: &Db, sql: &str, values: Values<'_>) -> Result<Vec<Notice>, Fault> {
    db.rows(sql, values).await?.iter().map(notice).collect()
}

fn notice(row: &Row) -> Result<Notice, Fault> {
    let broken = |what: &str| Fault::Store(StoreError::Broken(format!("a notice {what}")));
    let account = AccountId(number(row.try_get(1)?));
    let target: String = row.try_get(5)?;
    let device = match row.try_get::<_, Option<&[u8]>>(12)? {
        Some(session) => Some(Device {
            account,
            session: id_of(session)?,
            endpoint: target.clone(),
            key: row.try_get::<_, &[u8]>(13)?.try_into().map_err(|_| broken("has no key of 65 bytes"))?,
            auth: row.try_get::<_, &[u8]>(14)?.try_into().map_err(|_| broken("has no secret of 16 bytes"))?,
            created: uint(row.try_get(15)?),
        }),
        None => None,
    };
    let kind = usize::try_from(row.try_get::<_, i16>(2)?).ok().and_then(|at| Kind::ALL.get(at));
    Ok(Notice {
        n: uint(row.try_get(0)?),
        account,
        kind: *kind.ok_or_else(|| broken("is of no known kind"))?,
        room: RoomId(number(row.try_get(10)?)),
        seq: uint(row.try_get(3)?),
        id: id_of(row.try_get(4)?)?,
        target,
        device,
        webhook: row.try_get(6)?,
        read: uint(row.try_get::<_, Option<i64>>(11)?.unwrap_or(0)),
        attempts: u32::try_from(row.try_get::<_, i64>(7)?).unwrap_or(u32::MAX),
        dead: row.try_get::<_, Option<i64>>(8)?.map(uint),
        error: row.try_get(9)?,
    })
}
