//! Files that are read while they come: what somebody waits for is fetched before all else.
//!
//! A reader has a window, some megabytes from where it is. The pieces in it are urgent, the first ones of all readers most. Who reads a file that was not chosen, wants it
//! now.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Swarm;
use super::sharing::{Sharing, State};
use crate::net::workers::{JobError, Priority, QueueFull};
use crate::proto::bittorrent::picker::PRIORITY;
use crate::server::share::storage::StorageError;

/// Bytes before a reader that are fetched first.
const WINDOW: u64 = 8 << 20;

/// Pieces that are fetched first at least, however long they are.
const FEWEST: u32 = 2;

/// Bytes that are read from the disk at once.
const CHUNK: u64 = 256 << 10;

/// Readers of a torrent at a time.
const MOST: usize = 64;

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk fails.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Nothing can be written, so nothing comes any more.
    #[error("{0}")]
    Failed(Arc<StorageError>),
    /// A job was lost.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The disk has too much to do.
    #[error(transparent)]
    Full(#[from] QueueFull),
    /// The torrent has stopped.
    #[error("the torrent has stopped")]
    Stopped,
    /// There are too many readers.
    #[error("{MOST} others read the torrent already")]
    TooMany,
}

/// Somebody who reads.
struct Reader {
    swarm: Arc<Swarm>,
    sharing: Arc<Sharing>,
    number: u64,
    /// Bytes of the torrent that are to be read.
    range: Range<u64>,
    _user: TaskTrackerToken,
}

impl Swarm {
    /// The bytes of a range of a file, as they come; `None` if there is no such file, or the metadata are not known.
    pub(in crate::server::share) fn read(
        self: &Arc<Self>,
        file: usize,
        range: Range<u64>,
    ) -> Option<impl Stream<Item = Result<Bytes, ReadError>> + Send + use<>> {
        let sharing = Arc::clone(self.sharing()?);
        let file = sharing.info.layout().files().get(file)?.range();
        let at = |place: u64| file.start.saturating_add(place).min(file.end);
        let range = at(range.start)..at(range.end);
        let (number, user) = (fastrand::u64(..), sharing.users.token());
        let reader = Reader { swarm: Arc::clone(self), sharing, number, range, _user: user };
        Some(stream::try_unfold(reader, |mut reader| async {
            if reader.range.is_empty() {
                return Ok(None);
            }
            let bytes = reader.next().await?;
            reader.range.start += bytes.len() as u64;
            Ok(Some((bytes, reader)))
        }))
    }
}

impl Reader {
    /// The next bytes, when they are there.
    async fn next(&mut self) -> Result<Bytes, ReadError> {
        let layout = Arc::clone(self.sharing.info.layout());
        let length = u64::from(layout.piece_length());
        // A torrent has fewer pieces than 32 bits tell.
        let piece = (self.range.start / length) as u32;
        let begin = self.range.start % length;
        self.come(piece).await?;
        let most =
            (u64::from(layout.piece_size(piece)) - begin).min(self.range.end - self.range.start).min(CHUNK);
        let storage = Arc::clone(&self.sharing.storage);
        let job = self.sharing.common.lane.submit(Priority::Normal, move || {
            let mut bytes = vec![0; most as usize];
            storage.read(piece, begin as u32, &mut bytes).map(|()| Bytes::from(bytes))
        })?;
        Ok(job.await??)
    }

    /// Waits until a piece is there.
    async fn come(&self, piece: u32) -> Result<(), ReadError> {
        let mut come = self.sharing.come.subscribe();
        self.ask(piece)?;
        loop {
            come.borrow_and_update();
            if self.sharing.with(None, |state, _| state.torrent.picker().have().has(piece)) {
                return Ok(());
            }
            if let Some(error) = self.sharing.failure() {
                return Err(ReadError::Failed(error));
            }
            tokio::select! {
                changed = come.changed() => changed.map_err(|_| ReadError::Stopped)?,
                () = self.swarm.stopping.cancelled() => return Err(ReadError::Stopped),
            }
        }
    }

    /// Has the window fetched that begins with a piece.
    fn ask(&self, piece: u32) -> Result<(), ReadError> {
        let layout = self.sharing.info.layout();
        let length = u64::from(layout.piece_length());
        let last = (self.range.end - 1) / length;
        // Fewer than 32 bits tell, as above.
        let end = (piece + (WINDOW / length).max(FEWEST.into()) as u32).min(last as u32 + 1);
        self.sharing.with(None, |state, _| {
            let window = piece..end;
            if state.readers.get(&self.number) == Some(&window) {
                return Ok(());
            }
            if state.readers.len() >= MOST && !state.readers.contains_key(&self.number) {
                return Err(ReadError::TooMany);
            }
            let unwanted = window.clone().filter(|piece| state.torrent.picker().priority(*piece) == 0);
            let unwanted: Vec<(u32, u8)> = unwanted.map(|piece| (piece, PRIORITY)).collect();
            if !unwanted.is_empty() {
                state.torrent.set_priorities(unwanted);
            }
            state.readers.insert(self.number, window);
            state.mind_readers();
            Ok(())
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.sharing.with(None, |state, _| {
            state.readers.remove(&self.number);
            state.mind_readers();
        });
    }
}

impl State {
    /// Tells which pieces somebody waits for.
    fn mind_readers(&mut self) {
        let have = self.torrent.picker().have();
        let urgent = urgent(&self.readers).into_iter().filter(|piece| !have.has(*piece)).collect();
        self.torrent.set_urgent(urgent);
    }
}

/// The windows of all readers, the first pieces of all first.
fn urgent(readers: &BTreeMap<u64, Range<u32>>) -> Vec<u32> {
    let longest = readers.values().map(ExactSizeIterator::len).max().unwrap_or_default();
    let mut pieces = Vec::new();
    for place in 0..longest {
        for window in readers.values() {
            let piece = window.clone().nth(place);
            pieces.extend(piece.filter(|piece| !pieces.contains(piece)));
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_readers_get_their_next_piece_before_one_gets_its_second() {
        let readers = BTreeMap::from([(1, 5..8), (2, 0..2), (3, 6..7)]);
        assert_eq!(urgent(&readers), [5, 0, 6, 1, 7]);
        assert!(urgent(&BTreeMap::new()).is_empty());
    }
}
