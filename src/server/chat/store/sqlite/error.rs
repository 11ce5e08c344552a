//! What SQLite's errors mean to a user of the store.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi;

use super::super::StoreError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The file was written by a newer version of this program.
    #[error("{} has version {found} of the schema, and this program knows {known} at most: use the newer program", .file.display())]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest one that is known here.
        known: u32,
    },
    /// It is no SQLite database, not one of a chat, or it is damaged.
    #[error("{} is no chat database, or it is damaged: {why}", .file.display())]
    Broken {
        /// The database.
        file: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// A file or a folder cannot be created, read or written.
    #[error("cannot open {}: {source}", .file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl OpenError {
    /// What an error of SQLite means while `file` is being opened.
    pub(super) fn of(file: &Path, error: &rusqlite::Error) -> Self {
        let file = file.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Io { file, source: io::ErrorKind::StorageFull.into() },
            Some(
                ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::SystemIoFailure,
            ) => Self::Io { file, source: io::Error::other(error.to_string()) },
            _ => Self::Broken { file, why: error.to_string() },
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error.to_string()),
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OperationInterrupted
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen,
            ) => Self::Away(error.to_string()),
            // A page that cannot be read correctly is damage; other failures of the disk may pass.
            Some(ErrorCode::SystemIoFailure) => match error.sqlite_extended_error_code() {
                Some(ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA) => Self::Broken(error.to_string()),
                _ => Self::Away(error.to_string()),
            },
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// Whether the file system of `folder` takes no more bytes. SQLite says so for an exhausted disk but not for an exhausted quota.
pub(super) fn is_full(folder: &Path) -> bool {
    let probe = folder.join("probe");
    let outcome = std::fs::write(&probe, [0xa5; 64 * 1024]);
    // Nothing depends on it: the next probe overwrites what is left.
    let _ = std::fs::remove_file(&probe);
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
    outcome.is_err_and(|error| full.contains(&error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_by_what_the_caller_can_do() {
        let rows = [
            (ffi::SQLITE_FULL, "full"),
            (ffi::SQLITE_BUSY, "away"),
            (ffi::SQLITE_IOERR_WRITE, "away"),
            (ffi::SQLITE_IOERR_DATA, "broken"),
            (ffi::SQLITE_CORRUPT, "broken"),
            (ffi::SQLITE_NOTADB, "broken"),
            (ffi::SQLITE_CONSTRAINT, "broken"),
        ];
        for (code, expected) in rows {
            let error = StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
            assert!(error.to_string().starts_with(&format!("the store is {expected}: ")), "{code}: {error}");
        }
    }

    #[test]
    fn a_folder_with_room_is_not_full() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_full(folder.path()));
        assert!(!is_full(&folder.path().join("missing")), "what cannot be written at all is another fault");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
