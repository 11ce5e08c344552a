//! What the daemon knows, in a folder: an SQLite database, so that each change is there as a whole or not at all.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::record::Record;
use super::settings::DaemonSettings;
use crate::proto::bittorrent::hash::Sha1;

/// The database in its folder, and the file whose lock is held by the process that uses it.
const DATABASE: &str = "share.db";
const LOCK: &str = "share.lock";

/// `application_id` of our databases: "wwsh".
const APPLICATION: i32 = 0x7777_7368;

/// The schema, and its number (`user_version`).
const VERSION: i32 = 1;
const SCHEMA: &str = "
    CREATE TABLE torrents (id BLOB PRIMARY KEY, record TEXT NOT NULL, metainfo BLOB, resume BLOB) WITHOUT ROWID;
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
";

/// How long the database may be in use by somebody who looks at it.
const BUSY: Duration = Duration::from_secs(10);

/// Why the folder is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be made or opened.
    #[error("{}: {source}", path.display())]
    Io {
        /// The folder, or the file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error("{} is in use by another daemon", .0.display())]
    InUse(PathBuf),
    /// The database is of another program, or of a later version of this one.
    #[error("{} is not a database of this version", .0.display())]
    Foreign(PathBuf),
    /// The database fails.
    #[error("{}: {source}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
    /// What was kept cannot be read.
    #[error("{}: {what} cannot be read: {source}", path.display())]
    Broken {
        /// The database.
        path: PathBuf,
        /// What it is.
        what: String,
        /// Why not.
        source: serde_json::Error,
    },
}

/// A torrent as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) id: Sha1,
    pub(super) record: Record,
    /// The torrent file, once it is known.
    pub(super) metainfo: Option<Vec<u8>>,
    /// What is there, as [`Resume`](crate::server::share::resume::Resume) writes it.
    pub(super) resume: Option<Vec<u8>>,
}

/// What has changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// A torrent is new, or its metainfo has come.
    Put(Box<Kept>),
    /// What is kept of a torrent has changed.
    Record(Sha1, Box<Record>),
    /// What is there of it.
    Resume(Sha1, Option<Vec<u8>>),
    /// A torrent is gone.
    Remove(Sha1),
    Settings(Box<DaemonSettings>),
}

/// The database.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    connection: Mutex<Connection>,
    _lock: File,
}

impl Store {
    /// Opens the folder, which is made if it is not there.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        let lock = folder.join(LOCK);
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(io(&lock))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io(&lock)(error)),
        }
        let path = folder.join(DATABASE);
        let opened = open(&path).map_err(|source| StoreError::Sqlite { path: path.clone(), source })?;
        let connection = opened.ok_or_else(|| StoreError::Foreign(path.clone()))?;
        Ok(Self { path, connection: Mutex::new(connection), _lock: file })
    }

    /// All that is kept.
    pub(super) fn load(&self) -> Result<(Option<DaemonSettings>, Vec<Kept>), StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || -> rusqlite::Result<_> {
            let settings: Option<String> = connection
                .query_row("SELECT value FROM settings WHERE name = 'daemon'", [], |row| row.get(0))
                .optional()?;
            let mut all = connection.prepare("SELECT id, record, metainfo, resume FROM torrents")?;
            let rows = all.query_map([], |row| {
                Ok((row.get::<_, [u8; 20]>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
            })?;
            Ok((settings, rows.collect::<rusqlite::Result<Vec<_>>>()?))
        };
        let (settings, rows) = read().map_err(|source| self.failed(source))?;
        let broken = |what: String| {
            let path = self.path.clone();
            move |source| StoreError::Broken { path, what, source }
        };
        let settings = settings.map(|text| serde_json::from_str(&text)).transpose();
        let settings = settings.map_err(broken("its settings".to_owned()))?;
        let torrents = rows.into_iter().map(|(id, record, metainfo, resume)| {
            let id = Sha1(id);
            let record = serde_json::from_str(&record).map_err(broken(format!("the torrent {id}")))?;
            Ok(Kept { id, record, metainfo, resume })
        });
        Ok((settings, torrents.collect::<Result<_, _>>()?))
    }

    /// Keeps changes: all of them, or none.
    pub(super) fn keep(&self, changes: &[Change]) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut write = || -> rusqlite::Result<()> {
            let transaction = connection.transaction()?;
            for change in changes {
                apply(&transaction, change)?;
            }
            transaction.commit()
        };
        write().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Sqlite { path: self.path.clone(), source }
    }
}

/// Opens the database; `None` if it is not ours.
fn open(path: &Path) -> rusqlite::Result<Option<Connection>> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    match (application, version) {
        (0, 0) => {
            let transaction = connection.transaction()?;
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            transaction.commit()?;
        }
        (APPLICATION, VERSION) => {}
        _ => return Ok(None),
    }
    // Answers with the mode that it is in.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "normal")?;
    Ok(Some(connection))
}

fn apply(connection: &Connection, change: &Change) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        connection.prepare_cached(sql)?.execute(values).map(drop)
    };
    // These have no keys that are no text, and so can always be written.
    let json = |value: serde_json::Result<String>| value.unwrap_or_default();
    match change {
        Change::Put(kept) => {
            let Kept { id, record, metainfo, resume } = &**kept;
            run(
                "INSERT OR REPLACE INTO torrents (id, record, metainfo, resume) VALUES (?, ?, ?, ?)",
                params![id.0, json(serde_json::to_string(record)), metainfo, resume],
            )
        }
        Change::Record(id, record) => {
            let record = json(serde_json::to_string(record));
            run("UPDATE torrents SET record = ? WHERE id = ?", params![record, id.0])
        }
        Change::Resume(id, resume) => {
            run("UPDATE torrents SET resume = ? WHERE id = ?", params![resume, id.0])
        }
        Change::Remove(id) => run("DELETE FROM torrents WHERE id = ?", params![id.0]),
        Change::Settings(settings) => {
            let settings = json(serde_json::to_string(settings));
            run("INSERT OR REPLACE INTO settings (name, value) VALUES ('daemon', ?)", params![settings])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(id: u8) -> Kept {
        let record = Record { folder: "/srv".into(), uploaded: u64::from(id), ..Record::default() };
        Kept { id: Sha1([id; 20]), record, metainfo: Some(vec![id; 3]), resume: None }
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let store = Store::open(&path).unwrap();
        assert_eq!(store.load().unwrap(), (None, Vec::new()));
        assert!(matches!(Store::open(&path), Err(StoreError::InUse(_))));
        let settings = DaemonSettings { downloads: 3, ..DaemonSettings::default() };
        let [one, two] = [1, 2].map(kept);
        let changed = Record { paused: true, ..one.record.clone() };
        store
            .keep(&[
                Change::Put(Box::new(one.clone())),
                Change::Put(Box::new(two.clone())),
                Change::Settings(Box::new(settings.clone())),
            ])
            .unwrap();
        store
            .keep(&[
                Change::Record(one.id, Box::new(changed.clone())),
                Change::Resume(one.id, Some(vec![7])),
                Change::Remove(two.id),
            ])
            .unwrap();
        drop(store);
        let store = Store::open(&path).unwrap();
        let expected = Kept { record: changed, resume: Some(vec![7]), ..one };
        assert_eq!(store.load().unwrap(), (Some(settings), vec![expected]));
    }

    #[test]
    fn the_database_of_another_program_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let other = Connection::open(folder.path().join(DATABASE)).unwrap();
        other.execute_batch("CREATE TABLE t (a); PRAGMA application_id = 7").unwrap();
        drop(other);
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Foreign(_))));
    }
}
