//! What nodes share: leases, nicks, and the secret.

use std::sync::Arc;
use std::time::Duration;

use super::super::shared::{NodeId, Renewed};
use super::connect::Db;
use super::error::Fault;
use super::row::{bits, number};
use crate::proto::chat::id::AccountId;
use crate::proto::chat::name::Nick;

/// The secret of all nodes.
pub(super) async fn secret(db: Db, offered: Arc<Vec<u8>>) -> Result<Vec<u8>, Fault> {
    let sql = "INSERT INTO meta (name, value) VALUES ('secret', $1) ON CONFLICT (name) DO NOTHING";
    db.run(sql, &[&*offered]).await?;
    let row = db.row("SELECT value FROM meta WHERE name = 'secret'", &[]).await?;
    row.map_or(Ok(offered.to_vec()), |row| Ok(row.try_get(0)?))
}

/// Renews a lease, and ends those that are over.
pub(super) async fn renew(db: Db, about: Arc<(NodeId, Duration)>) -> Result<Renewed, Fault> {
    let (node, lease) = *about;
    let millis = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    let sql =
        "UPDATE nodes SET until = now() + $2 * interval '1 millisecond' WHERE id = $1 AND until >= now()";
    let millis = millis as f64;
    let kept = db.run(sql, &[&bits(node.0), &millis]).await? > 0;
    let rows = db.rows("DELETE FROM nodes WHERE until < now() RETURNING id", &[]).await?;
    let over: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let sql = "DELETE FROM nicks WHERE node = ANY ($1) RETURNING nick, account";
    let freed = db.rows(sql, &[&over]).await?;
    let free = |row: &tokio_postgres::Row| {
        let account = row.try_get::<_, Option<i64>>(1)?;
        Ok((row.try_get(0)?, account.map(|account| AccountId(number(account)))))
    };
    let freed = freed.iter().map(free).collect::<Result<_, Fault>>()?;
    if !kept {
        let sql = "INSERT INTO nodes (id, until) VALUES ($1, now() + $2 * interval '1 millisecond')";
        db.run(sql, &[&bits(node.0), &millis]).await?;
    }
    let rows = db.rows("SELECT id FROM nodes", &[]).await?;
    let alive = rows.iter().map(|row| Ok(NodeId(number(row.try_get(0)?)))).collect::<Result<_, Fault>>()?;
    Ok(Renewed { kept, alive, freed })
}

/// Takes a nick.
pub(super) async fn claim(db: Db, about: Arc<(NodeId, Nick, Option<AccountId>)>) -> Result<bool, Fault> {
    let (node, nick, account) = &*about;
    let (nick, account) = (&*nick.folded(), account.map(|account| bits(account.0)));
    // Two nodes that ask for the same one wait for each other, others seldom do.
    db.row("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))::text", &[&nick]).await?;
    let sql = "SELECT 1 FROM nicks c JOIN nodes n ON n.id = c.node AND n.until >= now()
               WHERE c.nick = $1 AND c.node <> $2 AND (c.account IS NULL OR c.account IS DISTINCT FROM $3) LIMIT 1";
    if db.row(sql, &[&nick, &bits(node.0), &account]).await?.is_some() {
        return Ok(false);
    }
    let sql = "INSERT INTO nicks (nick, node, account) VALUES ($1, $2, $3)
               ON CONFLICT (nick, node) DO UPDATE SET account = excluded.account";
    db.run(sql, &[&nick, &bits(node.0), &account]).await?;
    Ok(true)
}

/// Gives a nick back.
pub(super) async fn release(db: Db, about: Arc<(NodeId, Nick)>) -> Result<(), Fault> {
    let (node, nick) = &*about;
    db.run("DELETE FROM nicks WHERE nick = $1 AND node = $2", &[&&*nick.folded(), &bits(node.0)]).await?;
    Ok(())
}

/// The guests of living nodes.
pub(super) async fn guests(db: Db, _: Arc<()>) -> Result<Vec<String>, Fault> {
    let sql = "SELECT DISTINCT c.nick FROM nicks c JOIN nodes n ON n.id = c.node AND n.until >= now() WHERE c.account IS NULL";
    let rows = db.rows(sql, &[]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
