//! The bytes of a file: in memory when they are few, else by an open descriptor, or on another machine.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::root::{Stamp, stamp};
use crate::net::workers::Blocking;
use crate::server::http::body::{Body, FilePart, Segment, read_at_once};

/// The content of a file in one state.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Memory(Bytes),
    /// With those who read what is not in memory of it.
    File(Arc<File>, Option<Blocking>),
    /// On another machine, which is asked for them.
    Fetched(Arc<dyn Fetch>),
}

/// Whoever gets bytes from another machine.
pub trait Fetch: std::fmt::Debug + Send + Sync {
    /// The bytes of this range of the content, as they come. Where it cannot get them the body fails, and so the connection is cut.
    fn fetch(&self, range: Range<u64>) -> Body;
}

impl Content {
    /// All of it.
    pub(super) fn body(&self, length: u64) -> Body {
        match self {
            Self::Memory(bytes) => bytes.clone().into(),
            Self::File(file, workers) => Body::files(vec![file_segment(file, workers, 0..length)]),
            Self::Fetched(from) => from.fetch(0..length),
        }
    }

    /// Whether ranges of it can stand among others in one body.
    pub(super) fn has_segments(&self) -> bool {
        !matches!(self, Self::Fetched(_))
    }

    /// A range of it.
    pub(super) fn part(&self, range: Range<u64>) -> Body {
        match self {
            Self::Memory(bytes) => piece(bytes, range).into(),
            Self::File(file, workers) => Body::files(vec![file_segment(file, workers, range)]),
            Self::Fetched(from) => from.fetch(range),
        }
    }

    /// A range of it, to stand among others; `None` if it [has no segments](Self::has_segments).
    pub(super) fn segment(&self, range: Range<u64>) -> Option<Segment> {
        match self {
            Self::Memory(bytes) => Some(Segment::Bytes(piece(bytes, range))),
            Self::File(file, workers) => Some(file_segment(file, workers, range)),
            Self::Fetched(_) => None,
        }
    }
}

fn piece(bytes: &Bytes, range: Range<u64>) -> Bytes {
    let at = |place: u64| usize::try_from(place).map_or(bytes.len(), |at| at.min(bytes.len()));
    bytes.slice(at(range.start)..at(range.end))
}

fn file_segment(file: &Arc<File>, workers: &Option<Blocking>, range: Range<u64>) -> Segment {
    Segment::File(FilePart {
        file: Arc::clone(file),
        offset: range.start,
        length: range.end.saturating_sub(range.start),
        workers: workers.clone(),
    })
}

/// What an attempt to read a file gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The whole file, in the state of the stamp.
    Whole(Bytes),
    /// It would have to be fetched from the disk.
    NotInMemory,
    /// It changed meanwhile.
    Changed,
}

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Take what is in memory.
    None,
    /// Wait for the disk.
    Any,
}

/// Reads a whole file, which is in the state of `before`.
///
/// # Errors
/// The disk's.
pub(super) fn read(file: &File, before: &Stamp, patience: Patience) -> io::Result<Read> {
    let Ok(length) = usize::try_from(before.size) else {
        return Ok(Read::Changed);
    };
    let mut buffer = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let rest = &mut buffer[filled..];
        match read_some(file, rest, filled as u64, patience)? {
            Some(0) => return Ok(Read::Changed),
            Some(n) => filled += n,
            None => return Ok(Read::NotInMemory),
        }
    }
    // Whoever writes in place may have been at it while we read.
    if stamp(file)? == *before { Ok(Read::Whole(buffer.into())) } else { Ok(Read::Changed) }
}

/// `None` when the bytes are not in memory and there is no patience.
fn read_some(file: &File, buffer: &mut [u8], offset: u64, patience: Patience) -> io::Result<Option<usize>> {
    if patience == Patience::Any {
        return file.read_at(buffer, offset).map(Some);
    }
    read_at_once(file, buffer, offset)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn a_file_is_read_in_the_state_of_its_stamp() {
        for content in [&b""[..], b"x", &[7; 65536]] {
            let file = file(content);
            let now = stamp(&file).unwrap();
            assert_eq!(
                read(&file, &now, Patience::Any).unwrap(),
                Read::Whole(Bytes::copy_from_slice(content))
            );
        }
    }

    #[test]
    fn a_file_that_changed_is_not_taken_for_what_it_was() {
        let mut file = file(b"before");
        let before = stamp(&file).unwrap();
        file.write_all(b" and after").unwrap();
        assert_eq!(read(&file, &before, Patience::Any).unwrap(), Read::Changed, "longer");
        file.set_len(3).unwrap();
        assert_eq!(read(&file, &before, Patience::Any).unwrap(), Read::Changed, "shorter");
    }

    #[tokio::test]
    async fn parts_of_memory_and_of_files_are_the_same() {
        let bytes = Content::Memory(Bytes::from_static(b"0123456789"));
        let descriptor = Content::File(Arc::new(file(b"0123456789")), None);
        for content in [bytes, descriptor] {
            assert_eq!(content.body(10).collect(99).await.unwrap(), "0123456789");
            assert_eq!(content.part(2..5).collect(99).await.unwrap(), "234");
            assert_eq!(content.part(9..10).len(), Some(1));
        }
        let short = Content::Memory(Bytes::from_static(b"01"));
        assert_eq!(short.part(1..9).len(), Some(1), "never past the end");
    }
}
