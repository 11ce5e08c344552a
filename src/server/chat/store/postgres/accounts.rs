//! Accounts and sessions.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;

use super::super::StoreError;
use super::super::account::{Account, AccountChange, NewAccount, Session};
use super::connect::Db;
use super::error::Fault;
use super::row::{bits, clean, id_bytes, id_of, int, number, uint};
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
pub(super) async fn create(db: Db, new: Arc<NewAccount>) -> Result<Account, Fault> {
    let password = new.password.as_ref().map(to_json).transpose()?;
    let sql =
        "INSERT INTO accounts (id, name, folded, password, profile, avatar, operator, certificates, created)
               VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8) ON CONFLICT DO NOTHING";
    let made = db
        .run(
            sql,
            &[
                &bits(new.id.0),
                &new.name.as_str(),
                &&*new.name.folded(),
                &password,
                &to_json(&new.profile)?,
                &clean(&new.profile.avatar),
                &new.operator,
                &int(new.created),
            ],
        )
        .await?;
    if made == 0 {
        return Err(StoreError::Taken.into());
    }
    by_id(&db, new.id).await?.ok_or(StoreError::None.into())
}

/// The account of this name.
pub(super) async fn by_name(db: Db, name: Arc<Nick>) -> Result<Option<Account>, Fault> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts a WHERE a.folded = $1");
    db.row(&sql, &[&&*name.folded()]).await?.map(|row| account(&row, 0)).transpose()
}

async fn by_id(db: &Db, id: AccountId) -> Result<Option<Account>, Fault> {
    let sql = format!("SELECT {ACCOUNT} FROM accounts a WHERE a.id = $1");
    db.row(&sql, &[&bits(id.0)]).await?.map(|row| account(&row, 0)).transpose()
}

/// These accounts, as far as they exist, in this order.
pub(super) async fn by_ids(db: Db, ids: Arc<Vec<AccountId>>) -> Result<Vec<Account>, Fault> {
    let numbers: Vec<i64> = ids.iter().map(|id| bits(id.0)).collect();
    let sql = format!(
        "SELECT {ACCOUNT} FROM unnest($1::bigint[]) WITH ORDINALITY AS u (id, at)
         JOIN accounts a ON a.id = u.id ORDER BY u.at"
    );
    db.rows(&sql, &[&numbers]).await?.iter().map(|row| account(row, 0)).collect()
}

/// Accounts by name, behind one.
pub(super) async fn list(db: Db, about: Arc<(Option<Nick>, usize)>) -> Result<Vec<Account>, Fault> {
    let (after, limit) = &*about;
    let sql = format!("SELECT {ACCOUNT} FROM accounts a WHERE a.folded > $1 ORDER BY a.folded LIMIT $2");
    let after = after.as_ref().map(Nick::folded).unwrap_or_default();
    db.rows(&sql, &[&&*after, &int(*limit as u64)]).await?.iter().map(|row| account(row, 0)).collect()
}

/// Changes an account.
pub(super) async fn change(db: Db, about: Arc<(AccountId, AccountChange)>) -> Result<Account, Fault> {
    let (id, change) = &*about;
    let row = bits(id.0);
    match change {
        AccountChange::Password(password) => {
            let password = password.as_ref().map(to_json).transpose()?;
            db.run("UPDATE accounts SET password = $2 WHERE id = $1", &[&row, &password]).await?;
        }
        AccountChange::Profile(profile) => {
            let sql = "UPDATE accounts SET profile = $2, avatar = $3 WHERE id = $1";
            db.run(sql, &[&row, &to_json(profile)?, &clean(&profile.avatar)]).await?;
        }
        AccountChange::Operator(operator) => {
            db.run("UPDATE accounts SET operator = $2 WHERE id = $1", &[&row, operator]).await?;
        }
        AccountChange::Suspended(suspended) => {
            let (since, why) = suspended.as_ref().map(|(since, why)| (int(*since), clean(why))).unzip();
            let sql = "UPDATE accounts SET suspended = $2, suspended_why = $3 WHERE id = $1";
            db.run(sql, &[&row, &since, &why]).await?;
        }
        AccountChange::Certificates(certificates) => certify(&db, *id, certificates).await?,
    }
    by_id(&db, *id).await?.ok_or(StoreError::None.into())
}

/// Forgets an account, with all that is its own. Says whether there was one.
pub(super) async fn remove(db: Db, id: Arc<AccountId>) -> Result<bool, Fault> {
    let row = bits(id.0);
    for table in ["certificates", "sessions", "cursors", "seen", "sent", "devices", "levels", "notices"] {
        db.run(&format!("DELETE FROM {table} WHERE account = $1"), &[&row]).await?;
    }
    Ok(db.run("DELETE FROM accounts WHERE id = $1", &[&row]).await? > 0)
}

/// Says which certificates open an account. One that opens another account is [`StoreError::Taken`].
async fn certify(db: &Db, id: AccountId, certificates: &[[u8; DIGEST]]) -> Result<(), Fault> {
    let row = bits(id.0);
    db.row("SELECT id FROM accounts WHERE id = $1 FOR UPDATE", &[&row]).await?.ok_or(StoreError::None)?;
    let digests: Vec<&[u8]> = certificates.iter().map(<[u8; DIGEST]>::as_slice).collect();
    let sql = "SELECT 1 FROM certificates WHERE digest = ANY ($1) AND account <> $2 LIMIT 1";
    if db.row(sql, &[&digests, &row]).await?.is_some() {
        return Err(StoreError::Taken.into());
    }
    let sql = "UPDATE accounts SET certificates = $2 WHERE id = $1";
    db.run(sql, &[&row, &certificates.concat()]).await?;
    db.run("DELETE FROM certificates WHERE account = $1", &[&row]).await?;
    // One that another node inserts meanwhile violates the key, and this is done again.
    let sql = "INSERT INTO certificates (digest, account) SELECT DISTINCT digest, $2::bigint FROM unnest($1::bytea[]) AS u (digest)";
    db.run(sql, &[&digests, &row]).await?;
    Ok(())
}

/// The account that a certificate opens.
pub(super) async fn by_certificate(db: Db, digest: Arc<[u8; DIGEST]>) -> Result<Option<Account>, Fault> {
    let sql = format!(
        "SELECT {ACCOUNT} FROM certificates c JOIN accounts a ON a.id = c.account WHERE c.digest = $1"
    );
    db.row(&sql, &[&digest.as_slice()]).await?.map(|row| account(&row, 0)).transpose()
}

/// Keeps a session, and deletes some that had expired when it began.
pub(super) async fn create_session(db: Db, session: Arc<Session>) -> Result<(), Fault> {
    let sql = "DELETE FROM sessions WHERE ctid = ANY (ARRAY (
                   SELECT ctid FROM sessions WHERE expires <= $1 ORDER BY expires LIMIT $2 FOR UPDATE SKIP LOCKED))";
    db.run(sql, &[&int(session.created), &EXPIRED_STEP]).await?;
    let sql = "INSERT INTO sessions (id, account, digest, device, created, used, expires)
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let Session { id, account, digest, device, created, used, expires } = &*session;
    let (id, account, device) = (id_bytes(*id), bits(account.0), clean(device));
    let times = (int(*created), int(*used), int(*expires));
    db.run(sql, &[&id, &account, &digest.as_slice(), &device, &times.0, &times.1, &times.2]).await?;
    Ok(())
}

/// The session whose token has this digest, and its account.
pub(super) async fn session_by_digest(
    db: Db,
    about: Arc<([u8; DIGEST], Millis)>,
) -> Result<Option<(Session, Account)>, Fault> {
    let (digest, now) = *about;
    let sql = format!(
        "SELECT {ACCOUNT}, {SESSION} FROM sessions s JOIN accounts a ON a.id = s.account
         WHERE s.digest = $1 AND s.expires > $2"
    );
    let row = db.row(&sql, &[&digest.as_slice(), &int(now)]).await?;
    row.map(|row| Ok((session(&row, ACCOUNT_COLUMNS)?, account(&row, 0)?))).transpose()
}

/// The sessions of an account, the oldest first.
pub(super) async fn sessions(db: Db, about: Arc<(AccountId, Millis)>) -> Result<Vec<Session>, Fault> {
    let (account, now) = *about;
    let sql =
        format!("SELECT {SESSION} FROM sessions s WHERE s.account = $1 AND s.expires > $2 ORDER BY s.id");
    db.rows(&sql, &[&bits(account.0), &int(now)]).await?.iter().map(|row| session(row, 0)).collect()
}

/// Notes when sessions were used.
pub(super) async fn touch(db: Db, used: Arc<Vec<(MessageId, Millis)>>) -> Result<(), Fault> {
    let mut used: Vec<_> = used.iter().map(|(id, time)| (id_bytes(*id), int(*time))).collect();
    // In one order on all nodes, and the last one wins.
    used.sort_unstable();
    let mut latest: Vec<(Vec<u8>, i64)> = Vec::with_capacity(used.len());
    for (id, time) in used {
        match latest.last_mut().filter(|(last, _)| *last == id) {
            Some((_, last)) => *last = time,
            None => latest.push((id, time)),
        }
    }
    let (ids, times): (Vec<_>, Vec<_>) = latest.into_iter().unzip();
    let sql = "UPDATE sessions s SET used = greatest(s.used, u.used)
               FROM unnest($1::bytea[], $2::bigint[]) AS u (id, used) WHERE s.id = u.id";
    db.run(sql, &[&ids, &times]).await?;
    Ok(())
}

/// Notes when accounts were here.
pub(super) async fn note_seen(db: Db, seen: Arc<Vec<(AccountId, Millis)>>) -> Result<(), Fault> {
    let (accounts, times): (Vec<i64>, Vec<i64>) =
        seen.iter().map(|(account, time)| (bits(account.0), int(*time))).unzip();
    // In one order on all nodes, and each once.
    let sql = "INSERT INTO seen (account, at)
               SELECT a.id, max(u.at) FROM unnest($1::bigint[], $2::bigint[]) AS u (account, at)
               JOIN accounts a ON a.id = u.account GROUP BY a.id ORDER BY a.id
               ON CONFLICT (account) DO UPDATE SET at = greatest(seen.at, excluded.at)";
    db.run(sql, &[&accounts, &times]).await?;
    Ok(())
}

/// When an account was here the last time.
pub(super) async fn last_seen(db: Db, account: Arc<AccountId>) -> Result<Option<Millis>, Fault> {
    let row = db.row("SELECT at FROM seen WHERE account = $1", &[&bits(account.0)]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.map(uint))
}

/// Ends one session of an account, or all but one.
pub(super) async fn end(
    db: Db,
    about: Arc<(AccountId, Option<MessageId>, Option<MessageId>)>,
) -> Result<usize, Fault> {
    let (account, only, except) = *about;
    let sql = "DELETE FROM sessions WHERE account = $1 AND ($2::bytea IS NULL OR id = $2) AND ($3::bytea IS NULL OR id <> $3)";
    let ended = db.run(sql, &[&bits(account.0), &only.map(id_bytes), &except.map(id_bytes)]).await?;
    Ok(usize::try_from(ended).unwrap_or(usize::MAX))
}

/// The account whose columns begin at `at`.
fn account(row: &Row, at: usize) -> Result<Account, Fault> {
    let name: &str = row.try_get(at + 1)?;
    let broken = |error: &dyn std::fmt::Display| StoreError::Broken(format!("account {name:?}: {error}"));
    let certificates: &[u8] = row.try_get(at + 7)?;
    let (certificates, rest) = certificates.as_chunks::<DIGEST>();
    if !rest.is_empty() {
        return Err(broken(&"a certificate's digest is incomplete").into());
    }
    let suspended = row.try_get::<_, Option<i64>>(at + 5)?.map(uint).zip(row.try_get(at + 6)?);
    Ok(Account {
        id: AccountId(number(row.try_get(at)?)),
        name: name.parse().map_err(|error| broken(&error))?,
        password: row.try_get::<_, Option<&str>>(at + 2)?.map(from_json).transpose()?,
        profile: from_json(row.try_get(at + 3)?)?,
        operator: row.try_get(at + 4)?,
        suspended,
        certificates: certificates.to_vec(),
        created: uint(row.try_get(at + 8)?),
    })
}

/// The session whose columns begin at `at`.
fn session(row: &Row, at: usize) -> Result<Session, Fault> {
    let digest: &[u8] = row.try_get(at + 2)?;
    let incomplete = |_| StoreError::Broken("a session's digest is incomplete".to_owned());
    Ok(Session {
        id: id_of(row.try_get(at)?)?,
        account: AccountId(number(row.try_get(at + 1)?)),
        digest: digest.try_into().map_err(incomplete)?,
        device: row.try_get(at + 3)?,
        created: uint(row.try_get(at + 4)?),
        used: uint(row.try_get(at + 5)?),
        expires: uint(row.try_get(at + 6)?),
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
