//! A file that arrives: written aside and hashed piece by piece, by a thread that may wait for the disk.
//!
//! What is dropped before [`Incoming::keep`] leaves nothing behind. What a crash has left is removed by [`clear`].

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ring::digest::{Context, SHA256};

use super::digest::Digest;
use super::sniff::HEADER;

/// A file that is being written.
pub(super) struct Incoming {
    file: File,
    path: PathBuf,
    hash: Context,
    length: u64,
    /// Its first bytes.
    header: Vec<u8>,
}

/// A file whose bytes are all here. It is removed when this is dropped, unless it was moved away.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) file: File,
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    pub(super) length: u64,
    pub(super) header: Vec<u8>,
}

impl Incoming {
    /// A new file in `folder`.
    pub(super) fn begin(folder: &Path) -> io::Result<Self> {
        let name: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
        let path = folder.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path, hash: Context::new(&SHA256), length: 0, header: Vec::new() })
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = HEADER - self.header.len();
        self.header.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// There are no more bytes.
    pub(super) fn finish(mut self) -> io::Result<Arrived> {
        let hash = std::mem::replace(&mut self.hash, Context::new(&SHA256)).finish();
        Ok(Arrived {
            file: self.file.try_clone()?,
            path: std::mem::take(&mut self.path),
            digest: digest_of(hash),
            length: self.length,
            header: std::mem::take(&mut self.header),
        })
    }
}

impl Arrived {
    /// Hashes the file again, after it was changed in place.
    pub(super) fn hash_again(&mut self) -> io::Result<()> {
        let mut hash = Context::new(&SHA256);
        let mut buffer = vec![0; 64 * 1024];
        self.file.rewind()?;
        loop {
            match self.file.read(&mut buffer)? {
                0 => break,
                n => hash.update(&buffer[..n]),
            }
        }
        self.digest = digest_of(hash.finish());
        Ok(())
    }
}

fn digest_of(hash: ring::digest::Digest) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(hash.as_ref());
    Digest::new(bytes)
}

impl Drop for Incoming {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove(path: &Path) {
    if path.as_os_str().is_empty() {
        return;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "cannot remove an upload that has ended");
        }
        _ => {}
    }
}

/// Removes the files of `folder` that nothing was written to for `age`: what a crash has left.
pub(super) fn clear(folder: &Path, age: Duration, now: SystemTime) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let modified = match entry.metadata().and_then(|metadata| metadata.modified()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            modified => modified?,
        };
        if now.duration_since(modified).is_ok_and(|since| since >= age) {
            remove(&entry.path());
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether there is no room for more: on the disk, in a quota of the system, or in the size of a file.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_arrives_is_hashed_however_it_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..10_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut digests = Vec::new();
        for size in [1, 4095, 4096, 4097, 10_000] {
            let mut incoming = Incoming::begin(folder.path()).unwrap();
            for piece in bytes.chunks(size) {
                incoming.write(piece).unwrap();
            }
            let mut arrived = incoming.finish().unwrap();
            assert_eq!(fs::read(&arrived.path).unwrap(), bytes);
            assert_eq!((arrived.length, &arrived.header[..]), (10_000, &bytes[..HEADER]));
            digests.push(arrived.digest);
            arrived.hash_again().unwrap();
            digests.push(arrived.digest);
        }
        let expected = digest_of(ring::digest::digest(&SHA256, &bytes));
        assert_eq!(digests, [expected; 10]);
        assert_eq!(count(folder.path()), 0, "nothing stays that was dropped");
    }

    #[test]
    fn what_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut incoming = Incoming::begin(folder.path()).unwrap();
        incoming.write(b"half").unwrap();
        assert_eq!(count(folder.path()), 1);
        drop(incoming);
        assert_eq!(count(folder.path()), 0);
    }

    #[test]
    fn what_a_crash_has_left_goes_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("left"), b"x").unwrap();
        let hour = Duration::from_secs(3600);
        assert_eq!(clear(folder.path(), hour, SystemTime::now()).unwrap(), 0);
        assert_eq!(clear(folder.path(), hour, SystemTime::now() + 2 * hour).unwrap(), 1);
        assert_eq!(count(folder.path()), 0);
    }
}
