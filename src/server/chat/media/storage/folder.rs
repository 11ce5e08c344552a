//! Files in a folder of this machine: one of 256 folders for each first byte of a digest, and in it a file for each part.
//!
//! What is written is written aside, brought to the disk, and then renamed, so that a name always stands for the whole. Everything is done by
//! threads that may wait for the disk.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use super::{Answer, Key, Listed, Storage, StorageError};
use crate::net::workers::{Blocking, Priority};
use crate::proto::chat::id::Millis;
use crate::server::http::files::Source;

/// A folder of files.
#[derive(Debug)]
pub struct Folder {
    root: Arc<Path>,
    /// On the same file system: what is written aside.
    aside: Arc<Path>,
    workers: Blocking,
}

impl Folder {
    /// Keeps files in `root`, and writes them aside in `aside`, which has to be of the same file system. Both are made if they are not there.
    ///
    /// # Errors
    /// A folder cannot be made.
    pub fn new(root: &Path, aside: &Path, workers: Blocking) -> io::Result<Self> {
        for folder in [root, aside] {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        Ok(Self { root: root.into(), aside: aside.into(), workers })
    }

    /// Has a worker do something.
    fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
    ) -> Answer<'_, T> {
        let job = self.workers.submit(Priority::Normal, work);
        Box::pin(async move {
            let job = job.map_err(|error| StorageError::Away(error.to_string()))?;
            job.await.map_err(|error| StorageError::Broken(error.to_string()))?
        })
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.shard()).join(key.name())
    }
}

impl Storage for Folder {
    fn put_file(&self, key: Key, from: PathBuf, _length: u64) -> Answer<'_, ()> {
        let to = self.path(&key);
        self.work(move || {
            File::open(&from)?.sync_all()?;
            Ok(settle(&from, &to)?)
        })
    }

    fn put(&self, key: Key, bytes: Bytes) -> Answer<'_, ()> {
        let to = self.path(&key);
        let aside = Arc::clone(&self.aside);
        self.work(move || {
            let name: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
            let from = aside.join(name);
            let written = write(&from, &bytes).and_then(|()| settle(&from, &to));
            if written.is_err() {
                // It may not even be there.
                let _ = fs::remove_file(&from);
            }
            Ok(written?)
        })
    }

    fn read(&self, key: Key, limit: u64) -> Answer<'_, Option<Bytes>> {
        let path = self.path(&key);
        self.work(move || {
            let Some(file) = open(&path)? else { return Ok(None) };
            let mut bytes = Vec::new();
            file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > limit {
                return Err(StorageError::Broken(format!("{} is longer than {limit} bytes", path.display())));
            }
            Ok(Some(bytes.into()))
        })
    }

    fn open(&self, key: Key, length: u64) -> Answer<'_, Option<Source>> {
        // To open a file costs less than a hop to another thread.
        let opened = self.source(&key, length);
        Box::pin(std::future::ready(opened))
    }

    fn remove(&self, key: Key) -> Answer<'_, ()> {
        let path = self.path(&key);
        self.work(move || match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        })
    }

    fn list(&self, shard: u8) -> Answer<'_, Vec<Listed>> {
        let folder = self.root.join(format!("{shard:02x}"));
        self.work(move || Ok(list(&folder)?))
    }
}

impl Folder {
    fn source(&self, key: &Key, length: u64) -> Result<Option<Source>, StorageError> {
        let path = self.path(key);
        let Some(file) = open(&path)? else { return Ok(None) };
        let there = file.metadata()?.len();
        if there != length {
            return Err(StorageError::Broken(format!("{} has {there} bytes, not {length}", path.display())));
        }
        Ok(Some(Source::File(Arc::new(file), self.workers.clone())))
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Writes a file that is not there yet, and brings it to the disk.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Moves a file to its place, and brings the move to the disk.
fn settle(from: &Path, to: &Path) -> io::Result<()> {
    let Some(shard) = to.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
    match DirBuilder::new().mode(0o700).create(shard) {
        Ok(()) => {
            if let Some(root) = shard.parent() {
                File::open(root)?.sync_all()?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    fs::rename(from, to)?;
    File::open(shard)?.sync_all()
}

fn list(folder: &Path) -> io::Result<Vec<Listed>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut listed = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Some(key) = entry.file_name().to_str().and_then(Key::of_name) else { continue };
        let modified = match entry.metadata().and_then(|metadata| metadata.modified()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            modified => modified?,
        };
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        listed.push(Listed { key, modified: Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX) });
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, workers};
    use super::super::{Digest, Part};
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let folder =
            Folder::new(&place.path().join("files"), &place.path().join("aside"), workers()).unwrap();
        (place, folder)
    }

    #[tokio::test]
    async fn a_folder_keeps_what_it_is_given() {
        let (place, folder) = folder();
        check(&folder, &place.path().join("aside")).await;
        assert_eq!(fs::read_dir(place.path().join("aside")).unwrap().count(), 0, "nothing is left aside");
    }

    #[tokio::test]
    async fn what_others_have_put_there_is_passed_over() {
        let (place, folder) = folder();
        let key = Key { digest: Digest::new([1; 32]), part: Part::Content };
        folder.put(key, Bytes::from_static(b"12345")).await.unwrap();
        fs::write(place.path().join("files/01/notes.txt"), b"mine").unwrap();
        assert_eq!(folder.list(1).await.unwrap().len(), 1);
        assert!(matches!(folder.open(key, 4).await, Err(StorageError::Broken(_))), "a file that was cut");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_leaves_nothing() {
        let (place, folder) = folder();
        let key = Key { digest: Digest::new([1; 32]), part: Part::Record };
        fs::write(place.path().join("files/01"), b"in the way").unwrap();
        assert!(matches!(folder.put(key, Bytes::from_static(b"x")).await, Err(StorageError::Broken(_))));
        assert_eq!(fs::read_dir(place.path().join("aside")).unwrap().count(), 0);
    }
}
