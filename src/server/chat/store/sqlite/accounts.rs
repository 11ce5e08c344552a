//! Accounts and sessions.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::StoreError;
use super::super::account::{Account, AccountChange, NewAccount, Session};
use super::row::{Id, bits, int, number, uint};
use crate::proto::chat::id::{AccountId, MessageId, Millis};
use crate::proto::chat::name::Nick;

/// Sessions that have expired, and are deleted whenever one is made.
const EXPIRED_STEP: i64 = 100;

/// Bytes of a certificate's digest.
const DIGEST: usize = 32;

const ACCOUNT: &str = "a.id, a.name, a.password, a.profile, a.operator, a.suspended, a.suspended_why, a.certificates, a.created";
const ACCOUNT_COLUMNS: usize = 9;
const SESSION: &str = "s.id, s.account, s.digest, s.device, s.created, s.used, s.expires";

/// Makes an account.
pub(super) fn create(db: &Connection, new: &NewAccount) -> Result<Account, StoreError> {
    let (id, folded) = (bits(new.id.0), new.name.folded());
    let mut taken = db.prepare_cached("SELECT 1 FROM accounts WHERE folded = ?1 OR id = ?2")?;
    if taken.exists(params![folded, id])? {
        return Err(StoreError::Taken);
    }
    let password = new.password.as_ref().map(to_json).transpose()?;
    let mut insert = db.prepare_cached(
        "INSERT INTO accounts (id, name, folded, password, profile, operator, certificates, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, x'', ?7)",
    )?;
    insert.execute(params![
        id,
        new.name.as_str(),
        folded,
        password,
        to_json(&new.profile)?,
        new.operator,
        int(new.created)
    ])?;
    by_id(db, new.id)?.ok_or(StoreError::None)
}

/// The account of this name.
pub(super) fn by_name(db: &Connection, name: &Nick) -> Result<Option<Account>, StoreError> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts a WHERE a.folded = ?1");
    one(db.prepare_cached(&sql)?.query([name.folded()])?, |row| account(row, 0))
}

fn by_id(db: &Connection, id: AccountId) -> Result<Option<Account>, StoreError> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts a WHERE a.id = ?1");
    one(db.prepare_cached(&sql)?.query([bits(id.0)])?, |row| account(row, 0))
}

/// These accounts, as far as they exist, in this order.
pub(super) fn by_ids(db: &Connection, ids: &[AccountId]) -> Result<Vec<Account>, StoreError> {
    ids.iter().filter_map(|id| by_id(db, *id).transpose()).collect()
}

/// Accounts by name, behind `after`.
pub(super) fn list(db: &Connection, after: Option<&Nick>, limit: usize) -> Result<Vec<Account>, StoreError> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts a WHERE a.folded > ?1 ORDER BY a.folded LIMIT ?2");
    let after = after.map(Nick::folded).unwrap_or_default();
    all(db.prepare_cached(&sql)?.query(params![after, int(limit as u64)])?, |row| account(row, 0))
}

/// Changes an account.
pub(super) fn change(db: &Connection, id: AccountId, change: &AccountChange) -> Result<Account, StoreError> {
    let row = bits(id.0);
    match change {
        AccountChange::Password(password) => {
            let password = password.as_ref().map(to_json).transpose()?;
            db.prepare_cached("UPDATE accounts SET password = ?2 WHERE id = ?1")?
                .execute(params![row, password])?
        }
        AccountChange::Profile(profile) => {
            let profile = to_json(profile)?;
            db.prepare_cached("UPDATE accounts SET profile = ?2 WHERE id = ?1")?
                .execute(params![row, profile])?
        }
        AccountChange::Operator(operator) => db
            .prepare_cached("UPDATE accounts SET operator = ?2 WHERE id = ?1")?
            .execute(params![row, operator])?,
        AccountChange::Suspended(suspended) => {
            let (since, why) = suspended.as_ref().map(|(since, why)| (int(*since), why)).unzip();
            let sql = "UPDATE accounts SET suspended = ?2, suspended_why = ?3 WHERE id = ?1";
            db.prepare_cached(sql)?.execute(params![row, since, why])?
        }
        AccountChange::Certificates(certificates) => return certify(db, id, certificates),
    };
    by_id(db, id)?.ok_or(StoreError::None)
}

/// Says which certificates open an account. One that opens another account is [`StoreError::Taken`].
fn certify(db: &Connection, id: AccountId, certificates: &[[u8; DIGEST]]) -> Result<Account, StoreError> {
    by_id(db, id)?.ok_or(StoreError::None)?;
    let row = bits(id.0);
    let mut taken = db.prepare_cached("SELECT 1 FROM certificates WHERE digest = ?1 AND account <> ?2")?;
    for digest in certificates {
        if taken.exists(params![digest, row])? {
            return Err(StoreError::Taken);
        }
    }
    let sql = "UPDATE accounts SET certificates = ?2 WHERE id = ?1";
    db.prepare_cached(sql)?.execute(params![row, certificates.concat()])?;
    db.prepare_cached("DELETE FROM certificates WHERE account = ?1")?.execute([row])?;
    let mut insert =
        db.prepare_cached("INSERT OR IGNORE INTO certificates (digest, account) VALUES (?1, ?2)")?;
    for digest in certificates {
        insert.execute(params![digest, row])?;
    }
    by_id(db, id)?.ok_or(StoreError::None)
}

/// Forgets an account.
pub(super) fn remove(db: &Connection, id: AccountId) -> Result<bool, StoreError> {
    let row = bits(id.0);
    for sql in [
        "DELETE FROM certificates WHERE account = ?1",
        "DELETE FROM sessions WHERE account = ?1",
        "DELETE FROM cursors WHERE account = ?1",
        "DELETE FROM seen WHERE account = ?1",
    ] {
        db.prepare_cached(sql)?.execute([row])?;
    }
    super::notices::forget_account(db, row)?;
    Ok(db.prepare_cached("DELETE FROM accounts WHERE id = ?1")?.execute([row])? > 0)
}

/// The account that a certificate opens.
pub(super) fn by_certificate(db: &Connection, digest: &[u8; DIGEST]) -> Result<Option<Account>, StoreError> {
    let sql = format!(
        "SELECT {ACCOUNT} FROM certificates c JOIN accounts a ON a.id = c.account WHERE c.digest = ?1"
    );
    one(db.prepare_cached(&sql)?.query([digest])?, |row| account(row, 0))
}

/// Keeps a session, and deletes some that had expired when it began.
pub(super) fn create_session(db: &Connection, session: &Session) -> Result<(), StoreError> {
    let expired = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires <= ?1 ORDER BY expires LIMIT ?2)";
    db.prepare_cached(expired)?.execute(params![int(session.created), EXPIRED_STEP])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO sessions (id, account, digest, device, created, used, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let Session { id, account, digest, device, created, used, expires } = session;
    insert.execute(params![
        Id(*id),
        bits(account.0),
        digest,
        device,
        int(*created),
        int(*used),
        int(*expires)
    ])?;
    Ok(())
}

/// The session whose token has this digest, and its account.
pub(super) fn session_by_digest(
    db: &Connection,
    digest: &[u8; DIGEST],
    now: Millis,
) -> Result<Option<(Session, Account)>, StoreError> {
    let sql = format!(
        "SELECT {ACCOUNT}, {SESSION} FROM sessions s JOIN accounts a ON a.id = s.account WHERE s.digest = ?1 AND s.expires > ?2"
    );
    let rows = &mut db.prepare_cached(&sql)?;
    one(rows.query(params![digest, int(now)])?, |row| Ok((session(row, ACCOUNT_COLUMNS)?, account(row, 0)?)))
}

/// The sessions of an account, the oldest first.
pub(super) fn sessions(db: &Connection, account: AccountId, now: Millis) -> Result<Vec<Session>, StoreError> {
    let sql =
        format!("SELECT {SESSION} FROM sessions s WHERE s.account = ?1 AND s.expires > ?2 ORDER BY s.id");
    all(db.prepare_cached(&sql)?.query(params![bits(account.0), int(now)])?, |row| session(row, 0))
}

/// Notes when sessions were used.
pub(super) fn touch(db: &Connection, used: &[(MessageId, Millis)]) -> Result<(), StoreError> {
    let mut update = db.prepare_cached("UPDATE sessions SET used = max(used, ?2) WHERE id = ?1")?;
    for (id, time) in used {
        update.execute(params![Id(*id), int(*time)])?;
    }
    Ok(())
}

/// Notes when accounts were here.
pub(super) fn note_seen(db: &Connection, seen: &[(AccountId, Millis)]) -> Result<(), StoreError> {
    let sql = "INSERT INTO seen (account, at) SELECT id, ?2 FROM accounts WHERE id = ?1
               ON CONFLICT (account) DO UPDATE SET at = max(at, excluded.at)";
    let mut note = db.prepare_cached(sql)?;
    for (account, time) in seen {
        note.execute(params![bits(account.0), int(*time)])?;
    }
    Ok(())
}

/// When an account was here the last time.
pub(super) fn last_seen(db: &Connection, account: AccountId) -> Result<Option<Millis>, StoreError> {
    let mut select = db.prepare_cached("SELECT at FROM seen WHERE account = ?1")?;
    Ok(select.query_row([bits(account.0)], |row| row.get(0)).optional()?.map(uint))
}

/// Ends one session of an account, or all but one.
pub(super) fn end(
    db: &Connection,
    account: AccountId,
    only: Option<MessageId>,
    except: Option<MessageId>,
) -> Result<usize, StoreError> {
    let sql =
        "DELETE FROM sessions WHERE account = ?1 AND (?2 IS NULL OR id = ?2) AND (?3 IS NULL OR id <> ?3)";
    Ok(db.prepare_cached(sql)?.execute(params![bits(account.0), only.map(Id), except.map(Id)])?)
}

fn one<T>(
    mut rows: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    rows.next()?.map(read).transpose()
}

fn all<T>(
    mut rows: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(read(row)?);
    }
    Ok(values)
}

/// The account whose columns begin at `at`.
fn account(row: &Row<'_>, at: usize) -> Result<Account, StoreError> {
    let name: String = row.get(at + 1)?;
    let broken = |error: &dyn std::fmt::Display| StoreError::Broken(format!("account {name:?}: {error}"));
    let certificates: Vec<u8> = row.get(at + 7)?;
    let (certificates, rest) = certificates.as_chunks::<DIGEST>();
    if !rest.is_empty() {
        return Err(broken(&"a certificate's digest is incomplete"));
    }
    let suspended = row.get::<_, Option<i64>>(at + 5)?.map(uint).zip(row.get(at + 6)?);
    Ok(Account {
        id: AccountId(number(row.get(at)?)),
        name: name.parse().map_err(|error| broken(&error))?,
        password: row.get::<_, Option<String>>(at + 2)?.map(|json| from_json(&json)).transpose()?,
        profile: from_json(&row.get::<_, String>(at + 3)?)?,
        operator: row.get(at + 4)?,
        suspended,
        certificates: certificates.to_vec(),
        created: uint(row.get(at + 8)?),
    })
}

/// The session whose columns begin at `at`.
fn session(row: &Row<'_>, at: usize) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.get::<_, Id>(at)?.0,
        account: AccountId(number(row.get(at + 1)?)),
        digest: row.get(at + 2)?,
        device: row.get(at + 3)?,
        created: uint(row.get(at + 4)?),
        used: uint(row.get(at + 5)?),
        expires: uint(row.get(at + 6)?),
    })
}

fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Broken(format!("an account cannot be written: {error}")))
}

fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json)
        .map_err(|error| StoreError::Broken(format!("an account cannot be read: {error}")))
}
