//! The schema, brought up to the version of this program by the first node that starts with it.

use super::connect::Db;
use super::error::{Fault, OpenError};

/// The steps from an empty database to the schema of this version.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
];

/// The lock under which nodes migrate one after the other: "wwch".
const LOCK: i64 = 0x7777_6368;

/// The newest version of the schema.
fn known() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

/// Applies the steps that are missing, each in a transaction of its own. The tables stand in the first schema of the connection's `search_path`.
pub(super) async fn migrate(db: &Db, url: &str) -> Result<(), OpenError> {
    let failed = |fault: Fault| OpenError::Connect { url: url.to_owned(), why: fault.why() };
    loop {
        match step(db).await.map_err(failed)? {
            found if found > known() => {
                return Err(OpenError::Newer { url: url.to_owned(), found, known: known() });
            }
            found if found == known() => return Ok(()),
            _ => {}
        }
    }
}

/// Applies the next step, if there is one. Says which version there was before.
async fn step(db: &Db) -> Result<i32, Fault> {
    db.batch(&format!(
        "BEGIN; SELECT pg_advisory_xact_lock({LOCK});
         CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)"
    ))
    .await?;
    let row = db.row("SELECT coalesce(max(version), 0) FROM schema_version", &[]).await?;
    let found: i32 = row.map_or(Ok(0), |row| row.try_get(0))?;
    let next = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found));
    if let Some(sql) = next {
        db.batch(sql).await?;
        let version = found + 1;
        db.batch(&format!("DELETE FROM schema_version; INSERT INTO schema_version VALUES ({version})"))
            .await?;
    }
    db.batch("COMMIT").await?;
    Ok(found)
}
