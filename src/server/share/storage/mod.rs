//! The files of a torrent on the disk: its pieces are read from them and written to them.
//!
//! All of it may wait for the disk, and belongs into the blocking lane. Files are made when their first byte comes, and are sparse until they are whole, unless they are to be
//! [allocated](Allocation) before. Padding is nowhere: it reads as zeros, and what is written to it is forgotten.

mod folder;
mod handles;

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

pub use self::folder::Folder;
pub use self::handles::{Handles, MOST as MOST_OPEN, OpenFile};
use crate::proto::bittorrent::metainfo::{FileKind, Layout, Span};

/// Slices of one write: what the system takes at once (`UIO_MAXIOV`).
const SLICES: usize = 1024;

/// How files get their room.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Allocation {
    /// When their bytes come
    #[default]
    Sparse,
    /// All of it when their first byte comes, so that the disk is not found to be full later
    Full,
}

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct StorageError {
    /// Its place.
    pub path: PathBuf,
    /// What it was.
    #[source]
    pub error: io::Error,
}

/// The size of a file and when it was changed, by which it is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// When it was changed.
    pub modified: SystemTime,
}

/// What is written within this time may not change the date of a file: dates have a grain, of 10 ms at most before Linux 6.13, and of two seconds on FAT.
const GRAIN: Duration = Duration::from_secs(2);

impl Stamp {
    /// The stamp itself; or one that no file has, if the file has been changed so lately that another change might not be seen.
    pub(in crate::server::share) fn unless_just_changed(self) -> Self {
        let is_old = self.modified.elapsed().is_ok_and(|age| age > GRAIN);
        if is_old { self } else { Self { size: u64::MAX - 1, modified: UNIX_EPOCH } }
    }
}

/// The files of a torrent.
#[derive(Debug)]
pub struct Storage {
    folder: Folder,
    layout: Arc<Layout>,
    handles: Handles,
    owner: handles::Owner,
    allocation: Allocation,
}

impl Storage {
    /// The files of a torrent, below a folder that is there.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub fn open(
        folder: &Path,
        layout: Arc<Layout>,
        handles: &Handles,
        allocation: Allocation,
    ) -> Result<Self, StorageError> {
        let opened = Folder::open(folder).map_err(|error| StorageError { path: folder.to_owned(), error })?;
        Ok(Self { folder: opened, layout, owner: handles.owner(), handles: handles.clone(), allocation })
    }

    /// The files, and how they are cut.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The folder that they are below.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a file is.
    #[must_use]
    pub fn path(&self, number: usize) -> PathBuf {
        let path = self.layout.files().get(number).map(|file| &file.path[..]).unwrap_or_default();
        self.folder.path().join(path.iter().collect::<PathBuf>())
    }

    /// Makes what has no bytes: empty files, and symbolic links, for those files that are `wanted`.
    ///
    /// # Errors
    /// One cannot be made.
    pub fn make_empty(&self, wanted: impl Fn(usize) -> bool) -> Result<(), StorageError> {
        for (number, file) in self.layout.files().iter().enumerate().filter(|(number, _)| wanted(*number)) {
            let made = match &file.kind {
                FileKind::Regular if file.length == 0 => {
                    self.folder.write(&file.path, file.executable).map(drop)
                }
                FileKind::Link(target) => self.folder.link(&file.path, &relative(&file.path, target)),
                _ => Ok(()),
            };
            made.map_err(|error| self.failed(number, error))?;
        }
        Ok(())
    }

    /// The files as they are now; `None` for those that are not there, and where nothing has to be.
    #[must_use]
    pub fn stamps(&self) -> Vec<Option<Stamp>> {
        let files = self.layout.files().iter().enumerate();
        let stamp = |number: usize| {
            let found = std::fs::metadata(self.path(number)).ok().filter(std::fs::Metadata::is_file)?;
            Some(Stamp { size: found.len(), modified: found.modified().ok()? })
        };
        let has_bytes = |kind: &FileKind, length: u64| *kind == FileKind::Regular && length > 0;
        files.map(|(number, file)| stamp(number).filter(|_| has_bytes(&file.kind, file.length))).collect()
    }

    /// Reads a part of a piece.
    ///
    /// # Errors
    /// A file is not there, too short, or the disk fails.
    pub fn read(&self, piece: u32, begin: u32, into: &mut [u8]) -> Result<(), StorageError> {
        let mut rest = into;
        // No longer than a piece.
        for Span { file, range } in self.layout.spans(piece, begin, rest.len() as u32) {
            let (now, behind) = rest.split_at_mut((range.end - range.start) as usize);
            rest = behind;
            if !self.is_on_disk(file) {
                now.fill(0);
                continue;
            }
            let read = self.handle(file, false).and_then(|handle| handle.read_exact_at(now, range.start));
            read.map_err(|error| self.failed(file, error))?;
        }
        // What is behind the end of a file that is aligned.
        rest.fill(0);
        Ok(())
    }

    /// Reads a part of a piece, if its files are open and its bytes in memory; whether that is so. It never waits.
    #[must_use]
    pub fn read_at_hand(&self, piece: u32, begin: u32, into: &mut [u8]) -> bool {
        let mut rest = into;
        // No longer than a piece.
        let is_read =
            self.layout.spans(piece, begin, rest.len() as u32).into_iter().all(|Span { file, range }| {
                let (now, behind) =
                    std::mem::take(&mut rest).split_at_mut((range.end - range.start) as usize);
                rest = behind;
                if !self.is_on_disk(file) {
                    now.fill(0);
                    return true;
                }
                self.handles
                    .at_hand(self.owner, file)
                    .is_some_and(|handle| handle.read_at_hand(now, range.start))
            });
        rest.fill(0);
        is_read
    }

    /// Writes bytes of a piece, from `begin` on.
    ///
    /// # Errors
    /// A file cannot be made, or written; the disk is full.
    pub fn write(&self, piece: u32, begin: u32, blocks: &[Bytes]) -> Result<(), StorageError> {
        let length: usize = blocks.iter().map(Bytes::len).sum();
        let mut blocks: Vec<&[u8]> = blocks.iter().map(AsRef::as_ref).collect();
        let mut blocks = &mut blocks[..];
        // No longer than a piece.
        for Span { file, range } in self.layout.spans(piece, begin, length as u32) {
            let (now, behind) = split(blocks, (range.end - range.start) as usize);
            if self.is_on_disk(file) {
                let written =
                    self.handle(file, true).and_then(|handle| write_all(&handle, range.start, &now));
                written.map_err(|error| self.failed(file, error))?;
            }
            blocks = behind;
        }
        Ok(())
    }

    /// Makes sure that all bytes that were written are on the disk, should the power fail.
    ///
    /// # Errors
    /// The disk fails.
    pub fn sync(&self) -> Result<(), StorageError> {
        for (number, file) in self.layout.files().iter().enumerate() {
            if self.is_on_disk(number) && file.length > 0 {
                match self.folder.read(&file.path).and_then(|file| file.sync_data()) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    done => done.map_err(|error| self.failed(number, error))?,
                }
            }
        }
        Ok(())
    }

    /// Closes what is open.
    pub fn close(&self) {
        self.handles.close(self.owner);
    }

    fn is_on_disk(&self, file: usize) -> bool {
        self.layout.files().get(file).is_some_and(|file| file.kind == FileKind::Regular)
    }

    fn handle(&self, number: usize, writes: bool) -> io::Result<Arc<OpenFile>> {
        let file = self.layout.files().get(number).ok_or(io::ErrorKind::NotFound)?;
        self.handles.get(self.owner, number, writes, || {
            if !writes {
                return self.folder.read(&file.path);
            }
            let opened = self.folder.write(&file.path, file.executable)?;
            if self.allocation == Allocation::Full {
                match rustix::fs::fallocate(&opened, FallocateFlags::empty(), 0, file.length) {
                    // Not every file system can.
                    Ok(()) | Err(Errno::OPNOTSUPP) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(opened)
        })
    }

    fn failed(&self, file: usize, error: io::Error) -> StorageError {
        let error = match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "it is shorter than it should be"),
            _ => error,
        };
        StorageError { path: self.path(file), error }
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.close();
    }
}

/// The way from the folder of a link to a place below the folder of all torrents: up as far as they share no level, and down.
fn relative(link: &[String], target: &[String]) -> PathBuf {
    let folder = &link[..link.len().saturating_sub(1)];
    let shared = folder.iter().zip(target).take_while(|(a, b)| a == b).count();
    let up = folder[shared..].iter().map(|_| "..");
    up.chain(target[shared..].iter().map(String::as_str)).collect()
}

/// The first so many bytes of some slices, and what is behind them.
fn split<'a, 'b>(blocks: &'b mut [&'a [u8]], mut length: usize) -> (Vec<&'a [u8]>, &'b mut [&'a [u8]]) {
    let mut first = Vec::new();
    let mut whole = 0;
    for block in blocks.iter_mut() {
        if block.len() > length {
            let (now, behind) = block.split_at(length);
            first.push(now);
            *block = behind;
            break;
        }
        length -= block.len();
        first.push(*block);
        whole += 1;
    }
    (first, &mut blocks[whole..])
}

/// Writes slices one behind the other.
fn write_all(file: &File, mut at: u64, slices: &[&[u8]]) -> io::Result<()> {
    let mut left: &[&[u8]] = slices;
    let mut sent = 0;
    while let Some(first) = left.first() {
        let head = IoSlice::new(first.get(sent..).unwrap_or_default());
        let now: Vec<IoSlice<'_>> = std::iter::once(head)
            .chain(left.iter().skip(1).map(|slice| IoSlice::new(slice)))
            .take(SLICES)
            .collect();
        if now.iter().all(|slice| slice.is_empty()) {
            left = left.get(now.len()..).unwrap_or_default();
            sent = 0;
            continue;
        }
        let mut written = match rustix::io::pwritev(file, &now, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        at += written as u64;
        while let Some(slice) = left.first() {
            let rest = slice.len() - sent;
            if written < rest {
                sent += written;
                break;
            }
            written -= rest;
            sent = 0;
            left = &left[1..];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
