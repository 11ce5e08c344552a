//! A stream that is kept: its segments are written as they are completed, and its playlists when it has ended.
//!
//! A disk that is full, or too slow, ends the recording where it is; what was written before is kept as if the stream had ended there. So is what a process had written that was killed, when the next one starts. `tape` has
//! what stands where on the disk.

mod tape;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{self, OwnedPermit};

use self::tape::Tape;
use crate::net::drain::Guard;
use crate::net::workers::{Blocking, Priority};
use crate::proto::hls::live::window::Complete;
use crate::proto::hls::playlist::multivariant::MultivariantPlaylist;

/// Segments that wait for the disk. They are in memory anyway for half a minute.
const WAITING: usize = 32;

/// How long to wait for a place where work may block.
const BUSY: Duration = Duration::from_millis(50);

/// How often to ask for one: for a minute, in which a queue that has an end is through.
const ASKED: u32 = 1200;

/// What keeps a stream. Dropped without an end, it keeps what was written.
#[derive(Debug)]
pub(super) struct Recording {
    pieces: mpsc::Sender<Piece>,
    /// A place for the end, whatever waits in front of it.
    end: OwnedPermit<Piece>,
    /// A segment was lost: those behind it are not kept.
    cut: bool,
}

#[derive(Debug)]
enum Piece {
    Segment { rendition: String, complete: Complete, init: Option<Bytes>, shown: Box<MultivariantPlaylist> },
    End(MultivariantPlaylist),
}

impl Recording {
    /// Keeps a segment, with its initialization section, and what is shown of the stream now. When the disk does not keep up, the recording is over.
    pub(super) fn segment(
        &mut self,
        rendition: &str,
        complete: Complete,
        init: Option<Bytes>,
        shown: MultivariantPlaylist,
    ) {
        if self.cut {
            return;
        }
        let shown = Box::new(shown);
        let piece = Piece::Segment { rendition: rendition.to_owned(), complete, init, shown };
        if let Err(mpsc::error::TrySendError::Full(_)) = self.pieces.try_send(piece) {
            tracing::error!("the disk does not keep up: the recording ends here");
            self.cut = true;
        }
    }

    /// The stream has ended.
    pub(super) fn finish(self, multivariant: MultivariantPlaylist) {
        drop(self.end.send(Piece::End(multivariant)));
    }
}

/// Begins to keep a stream in `folder`. The guard is held until all is written.
pub(super) fn start(
    folder: &Path,
    name: &str,
    run: u64,
    workers: Blocking,
    guard: Guard,
) -> Option<Recording> {
    let (sender, pieces) = mpsc::channel(WAITING + 1);
    // The channel is new: there is room.
    let end = sender.clone().try_reserve_owned().ok()?;
    let stamp = chrono::DateTime::from_timestamp(i64::try_from(run).unwrap_or(0), 0).unwrap_or_default();
    let stem = format!("{name}-{}", stamp.format("%Y%m%dT%H%M%SZ"));
    let tape = Tape::new(folder, &stem);
    tokio::spawn(async move {
        keep(tape, pieces, &workers).await;
        drop(guard);
    });
    Some(Recording { pieces: sender, end, cut: false })
}

/// Writes pieces until there are no more, each when the one before is written.
async fn keep(mut tape: Tape, mut pieces: mpsc::Receiver<Piece>, workers: &Blocking) {
    let mut multivariant = None;
    let mut over = false;
    while let Some(piece) = pieces.recv().await {
        let (rendition, complete, init, shown) = match piece {
            Piece::Segment { rendition, complete, init, shown } => (rendition, complete, init, shown),
            Piece::End(playlist) => {
                multivariant = Some(playlist);
                break;
            }
        };
        // What is behind a hole is not kept.
        if over {
            continue;
        }
        let work = move |tape: &mut Tape| tape.segment(&rendition, complete, init, *shown);
        let (back, written) = on(workers, tape, work).await;
        let Some(back) = back else { return };
        tape = back;
        if let Err(error) = written {
            tracing::error!(folder = %tape.folder().display(), %error, "the recording ends here");
            over = true;
        }
    }
    drop(pieces);
    if tape.is_empty() {
        return;
    }
    let (tape, finished) = on(workers, tape, move |tape| tape.finish(multivariant)).await;
    let Some(tape) = tape else { return };
    match finished {
        Ok(()) => tracing::info!(folder = %tape.folder().display(), "the recording is complete"),
        Err(error) => {
            tracing::error!(folder = %tape.folder().display(), %error, "the recording cannot be completed");
        }
    }
}

/// Does something with the tape where it may block, as soon as there is a place.
async fn on(
    workers: &Blocking,
    tape: Tape,
    work: impl FnOnce(&mut Tape) -> io::Result<()> + Send + 'static,
) -> (Option<Tape>, io::Result<()>) {
    // A lane that has no place drops what it is given.
    let waits = Arc::new(Mutex::new(Some((tape, work))));
    for _ in 0..ASKED {
        let taken = Arc::clone(&waits);
        let job = workers.submit(Priority::Normal, move || {
            let (mut tape, work) = taken.lock().unwrap_or_else(PoisonError::into_inner).take()?;
            let done = work(&mut tape);
            Some((tape, done))
        });
        match job {
            Err(_) => tokio::time::sleep(BUSY).await,
            Ok(job) => match job.await {
                Ok(Some((tape, done))) => return (Some(tape), done),
                Ok(None) => return (None, Ok(())),
                Err(error) => {
                    tracing::error!(%error, "the recording is cut off");
                    return (None, Ok(()));
                }
            },
        }
    }
    tracing::error!("there is no place to write from: the recording is cut off");
    (None, Ok(()))
}

/// Completes recordings in `folder` that were cut off with their process. The guard is held until that is done.
pub(super) async fn recover(folder: PathBuf, workers: Blocking, guard: Guard) {
    let job = workers.submit(Priority::Normal, move || tape::recover(&folder));
    let failed = |error: &dyn std::error::Error| {
        tracing::warn!(%error, "recordings that were cut off are not looked for");
    };
    match job {
        Err(full) => failed(&full),
        Ok(job) => drop(job.await.inspect_err(|error| failed(error))),
    }
    drop(guard);
}
