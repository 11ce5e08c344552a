//! A copy of everything, while others go on.
//!
//! `VACUUM INTO` writes what one snapshot of the database holds, without the space of what was deleted. It has its own connection, so readers and the
//! writer go on; only the write-ahead log is not emptied meanwhile. (SQLite's backup API begins anew whenever another connection writes.) The
//! file gets its name when it is complete and on disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::super::StoreError;
use super::open;

/// Writes the copy. [`StoreError::Taken`] if the file exists.
pub(super) fn backup(folder: &Path, to: &Path) -> Result<(), StoreError> {
    let failed = |error: io::Error| failure(to, &error);
    match OpenOptions::new().write(true).create_new(true).open(to) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(StoreError::Taken),
        Err(error) => return Err(failed(error)),
    }
    let partial = partial(to);
    let outcome = copy(folder, &partial).and_then(|()| finish(&partial, to).map_err(failed));
    if outcome.is_err() {
        // The error is the news; that these could not be removed either adds nothing.
        let _ = fs::remove_file(&partial);
        let _ = fs::remove_file(to);
    }
    outcome
}

fn copy(folder: &Path, partial: &Path) -> Result<(), StoreError> {
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failure(partial, &error)),
        _ => {}
    }
    let name =
        partial.to_str().ok_or_else(|| StoreError::Away(format!("{} is not UTF-8", partial.display())))?;
    open::reader(folder)?.execute("VACUUM INTO ?1", [name])?;
    Ok(())
}

fn finish(partial: &Path, to: &Path) -> io::Result<()> {
    File::open(partial)?.sync_all()?;
    fs::rename(partial, to)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// What the file is called until it is complete.
fn partial(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn failure(file: &Path, error: &io::Error) -> StoreError {
    let line = format!("{}: {error}", file.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full(line),
        _ => StoreError::Away(line),
    }
}
