//! Files that are open: as few as possible of those that there are, the last used ones.
//!
//! A torrent may have a hundred thousand files, and a process a thousand descriptors. One opens a file when it is needed, and closes the one that was not needed for longest.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::ops::Deref;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::fstatfs;
use rustix::io::{ReadWriteFlags, preadv2};

/// Files that are open at most: libtorrent's `file_pool_size` is 40, of which users with many torrents complain.
pub const MOST: usize = 256;

/// What the system calls file systems in memory, tmpfs and ramfs (`statfs(2)`).
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// A file that is open.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    /// Whether it is in memory, wherever one reads it.
    in_memory: bool,
}

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
    file: Arc<OpenFile>,
    writes: bool,
    used: u64,
}

impl OpenFile {
    fn new(file: File) -> Self {
        let kind = fstatfs(&file).map(|stat| u64::try_from(stat.f_type).unwrap_or_default());
        Self { file, in_memory: kind.is_ok_and(|kind| IN_MEMORY.contains(&kind)) }
    }

    /// Reads bytes that are in memory; whether all of them were. It never waits for a disk.
    #[must_use]
    pub fn read_at_hand(&self, into: &mut [u8], at: u64) -> bool {
        if self.in_memory {
            return self.file.read_exact_at(into, at).is_ok();
        }
        let length = into.len();
        preadv2(&self.file, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT)
            .is_ok_and(|read| read == length)
    }
}

impl Deref for OpenFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
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
    ) -> io::Result<Arc<OpenFile>> {
        if let Some(file) = self.lock().use_again(owner, number, writes) {
            return Ok(file);
        }
        // Not under the lock: a disk may take long.
        let file = Arc::new(OpenFile::new(open()?));
        let mut table = self.lock();
        table.clock += 1;
        let handle = Handle { file: Arc::clone(&file), writes, used: table.clock };
        table.files.insert((owner, number), handle);
        let closed = table.close_eldest(self.0.most);
        drop(table);
        drop(closed);
        Ok(file)
    }

    /// A file for reading, if it is open.
    #[must_use]
    pub fn at_hand(&self, owner: Owner, number: usize) -> Option<Arc<OpenFile>> {
        self.lock().use_again(owner, number, false)
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
    fn use_again(&mut self, owner: Owner, number: usize, writes: bool) -> Option<Arc<OpenFile>> {
        self.clock += 1;
        let handle = self.files.get_mut(&(owner, number)).filter(|handle| handle.writes || !writes)?;
        handle.used = self.clock;
        Some(Arc::clone(&handle.file))
    }

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
        assert!(handles.at_hand(owner, 1).is_some() && handles.at_hand(owner, 2).is_none());
        handles.close(owner);
        assert_eq!(handles.len(), 1);
        assert!(handles.get(owner, 9, false, || Err(io::ErrorKind::NotFound.into())).is_err());
    }

    #[test]
    fn what_was_just_written_is_at_hand() {
        for folder in [std::env::temp_dir(), "/dev/shm".into()] {
            let path = tempfile::NamedTempFile::new_in(folder).unwrap();
            std::fs::write(&path, b"some bytes").unwrap();
            let handles = Handles::default();
            let file = handles.get(handles.owner(), 0, false, || File::open(&path)).unwrap();
            let mut bytes = [0; 4];
            assert!(file.read_at_hand(&mut bytes, 5));
            assert_eq!(&bytes, b"byte");
            assert!(!file.read_at_hand(&mut bytes, 7), "it is shorter");
        }
    }
}
