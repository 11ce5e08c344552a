//! The output, written aside: a folder beside the one that is wanted, which takes its place when it is whole. What was there before goes then, and not before.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::{LADDER, PackageError};
use crate::server::durable;

/// The file by which an older package is known.
pub(super) const MASTER: &str = "master.m3u8";

/// A folder that is not in its place yet. Dropped before it is, it is removed.
#[derive(Debug)]
pub(super) struct Aside {
    wanted: PathBuf,
    folder: PathBuf,
    placed: bool,
}

impl Aside {
    /// A folder beside `wanted`, which is not there, is empty, or holds a package.
    pub(super) fn new(wanted: &Path) -> Result<Self, PackageError> {
        let wanted = std::path::absolute(wanted).map_err(|source| PackageError::write(wanted, source))?;
        // A link stays, and where it leads is replaced.
        let wanted = fs::canonicalize(&wanted).unwrap_or(wanted);
        let (Some(parent), Some(name)) = (wanted.parent(), wanted.file_name()) else {
            return Err(PackageError::Mounted(wanted));
        };
        let is_free = match fs::read_dir(&wanted) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(source) => return Err(PackageError::write(&wanted, source)),
            Ok(mut entries) => entries.next().is_none() || wanted.join(MASTER).is_file(),
        };
        if !is_free {
            return Err(PackageError::Occupied(wanted));
        }
        let device = |path: &Path| fs::metadata(path).ok().map(|about| about.dev());
        if device(&wanted).is_some_and(|own| device(parent) != Some(own)) {
            return Err(PackageError::Mounted(wanted));
        }
        let name = name.to_string_lossy();
        fs::create_dir_all(parent).map_err(|source| PackageError::write(parent, source))?;
        remove_left(parent, &name);
        let folder = parent.join(format!(".{name}.{}.part", std::process::id()));
        fs::create_dir(&folder).map_err(|source| PackageError::write(&folder, source))?;
        Ok(Self { wanted, folder, placed: false })
    }

    /// Where to write.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a path will be written that is in the folder when that is in its place; `None` for one elsewhere.
    pub(super) fn within(&self, path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        let path = fs::canonicalize(&path).unwrap_or(path);
        Some(self.folder.join(path.strip_prefix(&self.wanted).ok()?))
    }

    /// Puts the folder into its place.
    pub(super) fn place(mut self) -> Result<(), PackageError> {
        let failed = |source: io::Error| PackageError::write(&self.wanted, source);
        // An empty folder is replaced, too.
        match fs::rename(&self.folder, &self.wanted) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                ) =>
            {
                let exchanged = renameat_with(CWD, &self.folder, CWD, &self.wanted, RenameFlags::EXCHANGE);
                if exchanged.is_err() {
                    // File systems that cannot exchange: there is a moment without either.
                    let old = self.folder.with_extension("old");
                    fs::rename(&self.wanted, &old).map_err(failed)?;
                    if let Err(error) = fs::rename(&self.folder, &self.wanted) {
                        // The old one stays, where it was.
                        let _ = fs::rename(&old, &self.wanted);
                        return Err(failed(error));
                    }
                    let _ = fs::remove_dir_all(&old);
                }
                // The new one is in its place whatever becomes of the old one, which the next command removes.
                let _ = fs::remove_dir_all(&self.folder);
            }
            Err(error) => return Err(failed(error)),
        }
        self.placed = true;
        durable::settle(&self.wanted).map_err(|source| PackageError::write(&self.wanted, source))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if !self.placed {
            // What cannot be removed now is removed by the next one.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Removes what commands have left that were killed.
fn remove_left(parent: &Path, name: &str) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let file = entry.file_name();
        let file = file.to_string_lossy();
        let rest = file.strip_prefix('.').and_then(|rest| rest.strip_prefix(name));
        let process = rest.and_then(|rest| {
            let (process, kind) = rest.strip_prefix('.')?.split_once('.')?;
            matches!(kind, "part" | "old" | LADDER).then(|| process.parse::<u32>().ok())?
        });
        if process.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
