//! Opening a store: the lock of its folder, the settings of connections, and migrations of the schema.
//!
//! `user_version` is the number of the last migration that was applied. Each one is a file of SQL and runs in a transaction of its own, so a
//! crash leaves the version before or the version after.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::OpenError;
use super::{Durability, SqliteConfig, notices};

/// The database in its folder.
pub(super) const DATABASE: &str = "chat.db";

/// The file whose lock is held by the process that uses the folder.
const LOCK: &str = "chat.lock";

/// `application_id` of our databases: "wwch".
const APPLICATION: i32 = 0x7777_6368;

/// The steps from an empty file to the schema of this version.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
];

/// How long a connection waits for another one's lock. In WAL mode it is only held while the last connection closes.
const BUSY: Duration = Duration::from_secs(10);

/// Pages of the write-ahead log (of 4 KiB) before they are copied into the database. SQLite has 1000; more makes fewer and larger copies.
const CHECKPOINT_PAGES: i64 = 16_000;

/// Bytes to which the write-ahead log shrinks after it was longer.
const LOG_BYTES: i64 = 64 * 1024 * 1024;

/// KiB of pages that the writing connection keeps, and each reading one.
const WRITER_CACHE: i64 = 64 * 1024;
const READER_CACHE: i64 = 4 * 1024;

/// Prepared statements that a connection keeps: more than there are.
const STATEMENTS: usize = 128;

/// A folder that no other process uses as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is just being started by another thread has the file open, too, for a moment.
        let _ = self.file.unlock();
    }
}

/// Takes the lock of the folder, which is created if it is missing.
pub(super) fn lock(folder: &Path) -> Result<Lock, OpenError> {
    std::fs::create_dir_all(folder).map_err(|source| OpenError::Io { file: folder.to_owned(), source })?;
    let path = folder.join(LOCK);
    let failed = |source| OpenError::Io { file: path.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { file }),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The connection that writes, with the schema of this version.
pub(super) fn writer(folder: &Path, config: &SqliteConfig) -> Result<Connection, OpenError> {
    let file = folder.join(DATABASE);
    prepare(&file, config).map_err(|error| match error {
        Failure::Newer(found) => OpenError::Newer { file, found, known: known() },
        Failure::Foreign => OpenError::Broken { file, why: "it belongs to another program".to_owned() },
        Failure::Sqlite(error) => OpenError::of(&file, &error),
    })
}

/// A connection that only reads.
pub(super) fn reader(folder: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(folder.join(DATABASE), flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -READER_CACHE)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(connection)
}

enum Failure {
    Newer(u32),
    Foreign,
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(file: &PathBuf, config: &SqliteConfig) -> Result<Connection, Failure> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    check(&connection)?;
    // Answers with the mode that it is in, which is another one in the memory of a test only.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    synchronous(&connection, config.durability)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    if let Some(bytes) = config.max_bytes {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        connection.pragma_update_and_check(None, "max_page_count", pages.max(1), |_| Ok(()))?;
    }
    migrate(&mut connection)?;
    notices::release(&connection)?;
    Ok(connection)
}

/// How the next transactions of a connection are written.
pub(super) fn synchronous(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let value = match durability {
        Durability::Full => "full",
        Durability::Normal => "normal",
    };
    connection.pragma_update(None, "synchronous", value)
}

/// The newest version of the schema.
fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Refuses what is not ours before anything is written to it.
fn check(connection: &Connection) -> Result<(), Failure> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (tables > 0 || application != 0) {
        return Err(Failure::Foreign);
    }
    if version > known() { Err(Failure::Newer(version)) } else { Ok(()) }
}

fn migrate(connection: &mut Connection) -> Result<(), Failure> {
    let from: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (version, sql) in (1_u32..).zip(MIGRATIONS).skip(from as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &Path) -> Result<Connection, OpenError> {
        writer(folder, &SqliteConfig::default())
    }

    #[test]
    fn a_folder_is_used_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("a/b");
        let held = lock(&inside).unwrap();
        let error = lock(&inside).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is in use by another process", inside.display()));
        drop(held);
        lock(&inside).unwrap();
    }

    #[test]
    fn the_schema_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let connection = open(folder.path()).unwrap();
            let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(version, known());
            let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
        }
        assert!(reader(folder.path()).unwrap().execute("DELETE FROM rooms", []).is_err());
    }

    #[test]
    fn what_cannot_be_opened_is_said_in_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DATABASE);
        let write = |sql: &str| {
            let _ = std::fs::remove_file(&file);
            Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        };
        let said = || open(folder.path()).unwrap_err().to_string();
        let name = file.display().to_string();

        write(&format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = 99; CREATE TABLE a (b);"
        ));
        assert_eq!(
            said(),
            format!(
                "{name} has version 99 of the schema, and this program knows {} at most: use the newer program",
                known()
            )
        );
        write("CREATE TABLE a (b);");
        assert_eq!(
            said(),
            format!("{name} is no chat database, or it is damaged: it belongs to another program")
        );
        write("PRAGMA application_id = 5;");
        assert!(said().contains("belongs to another program"));

        std::fs::write(&file, "no database at all, but long enough to be taken for one".repeat(100)).unwrap();
        assert!(said().starts_with(&format!("{name} is no chat database, or it is damaged: ")), "{}", said());
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(said().starts_with(&format!("cannot open {name}: ")), "{}", said());
    }
}
