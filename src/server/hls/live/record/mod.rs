//! A stream that is kept: its segments are written as they are completed, and its playlists when it has ended.
//!
//! All of it is written into a folder whose name begins with a dot, which is renamed when the playlists are in it: a folder with another name is whole. A disk that is full, or too slow, ends the recording where it
//! is; what was written before is kept as if the stream had ended there.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc::{self, OwnedPermit};

use crate::net::drain::Guard;
use crate::net::workers::{Blocking, Priority};
use crate::proto::hls::live::window::Complete;
use crate::proto::hls::playlist::media::{MediaPlaylist, PlaylistKind, Segment};
use crate::proto::hls::playlist::multivariant::MultivariantPlaylist;

/// Segments that wait for the disk. They are in memory anyway for half a minute.
const WAITING: usize = 32;

/// The name of the multivariant playlist of a recording, as `wireworks hls package` has it.
const MASTER: &str = "master.m3u8";

/// The version of the protocol that playlists of recordings need.
const VERSION: u32 = 7;

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
    Segment { rendition: String, complete: Complete, init: Option<Bytes> },
    End(MultivariantPlaylist),
}

impl Recording {
    /// Keeps a segment, with its initialization section. When the disk does not keep up, the recording is over.
    pub(super) fn segment(&mut self, rendition: &str, complete: Complete, init: Option<Bytes>) {
        if self.cut {
            return;
        }
        let piece = Piece::Segment { rendition: rendition.to_owned(), complete, init };
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
    let tape =
        Tape { aside: folder.join(format!(".{stem}.partial")), whole: folder.join(stem), ..Tape::default() };
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
        let (rendition, complete, init) = match piece {
            Piece::Segment { rendition, complete, init } => (rendition, complete, init),
            Piece::End(playlist) => {
                multivariant = Some(playlist);
                break;
            }
        };
        // What is behind a hole is not kept.
        if over {
            continue;
        }
        let (back, written) = on(workers, tape, move |tape| tape.segment(&rendition, complete, init)).await;
        let Some(back) = back else { return };
        tape = back;
        if let Err(error) = written {
            tracing::error!(folder = %tape.aside.display(), %error, "the recording ends here");
            over = true;
        }
    }
    drop(pieces);
    if tape.renditions.is_empty() {
        return;
    }
    let (tape, finished) = on(workers, tape, move |tape| tape.finish(multivariant)).await;
    let Some(tape) = tape else { return };
    match finished {
        Ok(()) => tracing::info!(folder = %tape.whole.display(), "the recording is complete"),
        Err(error) => {
            tracing::error!(folder = %tape.aside.display(), %error, "the recording cannot be completed");
        }
    }
}

/// Does something with the tape where it may block.
async fn on(
    workers: &Blocking,
    mut tape: Tape,
    work: impl FnOnce(&mut Tape) -> io::Result<()> + Send + 'static,
) -> (Option<Tape>, io::Result<()>) {
    let job = workers.submit(Priority::Normal, move || {
        let done = work(&mut tape);
        (tape, done)
    });
    let failed = |error: &dyn std::error::Error| {
        tracing::error!(%error, "the recording is lost");
        (None, Ok(()))
    };
    match job {
        Err(full) => failed(&full),
        Ok(job) => match job.await {
            Ok((tape, done)) => (Some(tape), done),
            Err(error) => failed(&error),
        },
    }
}

/// What was written so far.
#[derive(Debug, Default)]
struct Tape {
    aside: PathBuf,
    whole: PathBuf,
    renditions: BTreeMap<String, Written>,
}

#[derive(Debug, Default)]
struct Written {
    segments: Vec<Segment>,
    inits: Vec<String>,
    sizes: Vec<u64>,
}

impl Tape {
    fn segment(&mut self, rendition: &str, complete: Complete, init: Option<Bytes>) -> io::Result<()> {
        let folder = self.aside.join(rendition);
        if !self.renditions.contains_key(rendition) {
            fs::create_dir_all(&folder)?;
        }
        let written = self.renditions.entry(rendition.to_owned()).or_default();
        if let (Some(map), Some(init)) = (&complete.segment.map, init)
            && !written.inits.contains(&map.uri)
        {
            whole(&folder, &map.uri, &init)?;
            written.inits.push(map.uri.clone());
        }
        whole(&folder, &complete.segment.uri, &complete.bytes)?;
        written.sizes.push(complete.bytes.len() as u64);
        written.segments.push(complete.segment);
        Ok(())
    }

    fn finish(&mut self, multivariant: Option<MultivariantPlaylist>) -> io::Result<()> {
        self.renditions.retain(|_, written| !written.segments.is_empty());
        let mut rates = BTreeMap::new();
        for (name, written) in &self.renditions {
            let longest =
                written.segments.iter().map(|segment| segment.duration.as_secs_f64().round() as u64).max();
            let playlist = MediaPlaylist {
                version: VERSION,
                target_duration: longest.unwrap_or(0).max(1),
                kind: Some(PlaylistKind::Vod),
                ended: true,
                segments: written.segments.clone(),
                ..MediaPlaylist::default()
            };
            rates.insert(format!("{name}/{}", super::stream::PLAYLIST), playlist.rates(&written.sizes));
            let folder = self.aside.join(name);
            whole(&folder, super::stream::PLAYLIST, playlist.write().as_bytes())?;
        }
        if let Some(mut master) = multivariant {
            // What was kept may be less than what was shown.
            master.variants.retain(|variant| rates.contains_key(&variant.uri));
            for variant in &mut master.variants {
                if let Some(rates) = rates.get(&variant.uri).copied().flatten() {
                    (variant.bandwidth, variant.average_bandwidth) = (rates.peak, Some(rates.average));
                }
            }
            whole(&self.aside, MASTER, master.write().as_bytes())?;
        }
        fs::rename(&self.aside, &self.whole)
    }
}

/// Writes a file; what cannot be written whole is removed.
fn whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join(name);
    let written = fs::File::create(&path).and_then(|mut file| file.write_all(bytes));
    written.inspect_err(|_| drop(fs::remove_file(&path)))
}
