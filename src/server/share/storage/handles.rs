//! Files that are open: as few as possible of those that there are, the last used ones.
//!
//! A torrent may have a hundred thousand files, and a process a thousand descriptors. One opens a file when it is needed, and closes the one that was not needed for longest.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files that are open at most: libtorrent's `file_pool_size` is 40, of which users with many torrents complain.
pub const MOST: usize = 256;

/// The files that are open, of all torrents. Clones are the same.
#[derive(Clone, Debug)]
pub struct Handles(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    owners: AtomicU64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    files: HashMap<(Owner, usize), Handle>,
    /// Counts uses.
    clock: u64,
}

/// Whose files they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner(u64);

#[derive(Debug)]
struct Handle {
    file: Arc<File>,
    writes: bool,
    used: u64,
}

impl Default for Handles {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl Handles {
    /// None is open; `most` are at a time.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most: most.max(1), owners: AtomicU64::new(0), open: Mutex::default() }))
    }

    /// A torrent whose files will be here.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner(self.0.owners.fetch_add(1, Ordering::Relaxed))
    }

    /// A file, which is opened if it is not, or cannot be written and has to be.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn get(
        &self,
        owner: Owner,
        number: usize,
        writes: bool,
        open: impl FnOnce() -> io::Result<File>,
    ) -> io::Result<Arc<File>> {
        {
            let mut table = self.lock();
            table.clock += 1;
            let used = table.clock;
            if let Some(handle) = table.files.get_mut(&(owner, number))
                && (handle.writes || !writes)
            {
                handle.used = used;
                return Ok(Arc::clone(&handle.file));
            }
        }
        // Not under the lock: a disk may take long.
        let file = Arc::new(open()?);
        let mut table = self.lock();
        table.clock += 1;
        let handle = Handle { file: Arc::clone(&file), writes, used: table.clock };
        table.files.insert((owner, number), handle);
        let closed = table.close_eldest(self.0.most);
        drop(table);
        drop(closed);
        Ok(file)
    }

    /// Closes all files of a torrent.
    pub fn close(&self, owner: Owner) {
        let mut table = self.lock();
        let closed: Vec<Handle> =
            table.files.extract_if(|(other, _), _| *other == owner).map(|(_, handle)| handle).collect();
        drop(table);
        drop(closed);
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().files.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn close_eldest(&mut self, most: usize) -> Option<Handle> {
        if self.files.len() <= most {
            return None;
        }
        let eldest = self.files.iter().min_by_key(|(_, handle)| handle.used).map(|(key, _)| *key);
        eldest.and_then(|key| self.files.remove(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_used_ones_stay_open() {
        let dir = tempfile::tempdir().unwrap();
        let handles = Handles::new(2);
        let (owner, other) = (handles.owner(), handles.owner());
        let opened = std::cell::Cell::new(0);
        let get = |owner, number: usize, writes| {
            handles.get(owner, number, writes, || {
                opened.set(opened.get() + 1);
                File::create(dir.path().join(number.to_string()))
            })
        };
        get(owner, 1, false).unwrap();
        get(owner, 2, false).unwrap();
        get(owner, 1, false).unwrap();
        assert_eq!(opened.get(), 2);
        get(other, 1, false).unwrap();
        assert_eq!((opened.get(), handles.len()), (3, 2), "2 was closed");
        get(owner, 1, false).unwrap();
        assert_eq!(opened.get(), 3);
        get(owner, 1, true).unwrap();
        assert_eq!(opened.get(), 4, "what is only read cannot be written");
        get(owner, 1, false).unwrap();
        assert_eq!(opened.get(), 4);
        handles.close(owner);
        assert_eq!(handles.len(), 1);
        assert!(handles.get(owner, 9, false, || Err(io::ErrorKind::NotFound.into())).is_err());
    }
}
