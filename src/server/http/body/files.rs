//! A body made of files, where it has to pass through this process: over TLS, through an adapter or a compressor.
//!
//! What the page cache holds is read in place. What the disk has to fetch first would hold up every connection of this
//! thread, so workers read it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags};

use super::{BodyError, Frame};
use crate::net::workers::{Blocking, Job, Priority};

/// Bytes read at once.
const STEP: u64 = 64 * 1024;

/// A range of an open file, sent without passing through this process where the connection allows it.
#[derive(Clone, Debug)]
pub struct FilePart {
    /// The file, which must not shrink meanwhile: if it does, the connection is cut.
    pub file: Arc<File>,
    /// The first byte's place in the file.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
    /// Who reads what is not in memory, where the bytes have to pass through this process; `None` to wait for the disk.
    pub workers: Option<Blocking>,
}

/// A piece of a body that is made of files.
#[derive(Clone, Debug)]
pub enum Segment {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes of a file.
    File(FilePart),
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(part) => part.length,
        }
    }
}

/// The segments that are left, in order.
#[derive(Debug)]
pub(in crate::server::http) struct FileBody {
    pub(in crate::server::http) segments: VecDeque<Segment>,
    /// The beginning of the first segment is being read by a worker.
    reading: Option<Job<io::Result<Bytes>>>,
}

impl FileBody {
    pub(super) fn new(segments: Vec<Segment>) -> Self {
        Self { segments: segments.into(), reading: None }
    }

    /// Bytes that are left.
    pub(super) fn len(&self) -> u64 {
        self.segments.iter().map(Segment::len).sum()
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, BodyError>>> {
        let Some(first) = self.segments.front_mut() else {
            return Poll::Ready(None);
        };
        let bytes = match first {
            Segment::Bytes(bytes) => Ok(std::mem::take(bytes)),
            Segment::File(part) => ready!(part.poll_read(&mut self.reading, cx)),
        };
        if first.len() == 0 {
            self.segments.pop_front();
        }
        Poll::Ready(Some(bytes.map(Frame::Data).map_err(|error| BodyError::Stream(error.into()))))
    }
}

impl FilePart {
    /// The next bytes, at most a [`STEP`].
    fn poll_read(
        &mut self,
        reading: &mut Option<Job<io::Result<Bytes>>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Bytes>> {
        let read = match reading {
            Some(job) => {
                let read = ready!(Pin::new(job).poll(cx));
                *reading = None;
                read.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
            None => {
                let length = usize::try_from(self.length.min(STEP)).unwrap_or_default();
                match self.read_now(length)? {
                    Some(bytes) => Ok(bytes),
                    None => match self.submit(length) {
                        Ok(job) => {
                            *reading = Some(job);
                            return self.poll_read(reading, cx);
                        }
                        Err(read) => read,
                    },
                }
            }
        }?;
        if read.is_empty() && self.length > 0 {
            return Poll::Ready(Err(io::Error::other("the file has shrunk")));
        }
        self.offset += read.len() as u64;
        self.length -= read.len() as u64;
        Poll::Ready(Ok(read))
    }

    /// What can be read without waiting for the disk, or, where there is nobody else to wait for it, at all.
    fn read_now(&self, length: usize) -> io::Result<Option<Bytes>> {
        if self.workers.is_none() {
            return read(&self.file, length, self.offset).map(Some);
        }
        let mut buffer = vec![0; length];
        let read = read_at_once(&self.file, &mut buffer, self.offset)?;
        Ok(read.map(|n| {
            buffer.truncate(n);
            buffer.into()
        }))
    }

    /// Has a worker read. Without room for a job it is done here and now.
    fn submit(&self, length: usize) -> Result<Job<io::Result<Bytes>>, io::Result<Bytes>> {
        let (file, offset) = (Arc::clone(&self.file), self.offset);
        let work = move || read(&file, length, offset);
        let job = self.workers.as_ref().and_then(|workers| workers.submit(Priority::Normal, work).ok());
        job.ok_or_else(|| read(&self.file, length, self.offset))
    }
}

/// Reads up to `length` bytes, however long the disk takes.
fn read(file: &File, length: usize, offset: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; length];
    let n = file.read_at(&mut buffer, offset)?;
    buffer.truncate(n);
    Ok(buffer.into())
}

/// Reads what of `file` is in memory at `offset`; `None` when the disk would have to fetch it.
///
/// # Errors
/// The file's.
pub(in crate::server::http) fn read_at_once(
    file: &File,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<Option<usize>> {
    let mut slices = [IoSliceMut::new(buffer)];
    match rustix::io::preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT) {
        Ok(n) => Ok(Some(n)),
        // The file system, or the kernel, cannot tell; then it is most likely one in memory or one over a network.
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::Body;
    use super::*;
    use crate::net::workers::BlockingConfig;

    fn ten_digits() -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        Arc::new(file)
    }

    fn part(file: &Arc<File>, offset: u64, length: u64, workers: Option<Blocking>) -> Segment {
        Segment::File(FilePart { file: Arc::clone(file), offset, length, workers })
    }

    #[tokio::test]
    async fn files_and_bytes_in_order() {
        let file = ten_digits();
        for workers in [None, Some(Blocking::new(BlockingConfig::default()))] {
            let body = Body::files(vec![
                part(&file, 2, 3, workers.clone()),
                Segment::Bytes(Bytes::from_static(b"--")),
                part(&file, 8, 2, workers.clone()),
            ]);
            assert_eq!(body.len(), Some(7));
            assert_eq!(body.collect(7).await.unwrap(), "234--89");
            let shrunk = Body::files(vec![part(&file, 8, 3, workers)]);
            assert!(matches!(shrunk.collect(9).await, Err(BodyError::Stream(_))));
        }
    }

    #[tokio::test]
    async fn a_worker_reads_what_is_not_in_memory() {
        let Segment::File(part) = part(&ten_digits(), 4, 3, Some(Blocking::new(BlockingConfig::default())))
        else {
            unreachable!()
        };
        let job = part.submit(3).unwrap();
        assert_eq!(job.await.unwrap().unwrap(), "456");
        // No worker has room any more: it is read all the same.
        let workers = part.workers.as_ref().unwrap();
        workers.drain(tokio::time::Instant::now()).await;
        assert_eq!(part.submit(3).unwrap_err().unwrap(), "456");
    }
}
