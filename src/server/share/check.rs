//! Which pieces are there: the files of a torrent, read and hashed.
//!
//! Pieces are looked at in batches of some megabytes, as many at a time as there are threads for it in the blocking lane. Four pieces of one length are hashed at once, where
//! the processor can.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};

use super::storage::Storage;
use crate::net::workers::{Blocking, JobError, Priority, QueueFull};
use crate::proto::bittorrent::lanes::{LANES, sha1_many};
use crate::proto::bittorrent::metainfo::{Expected, Info, Layers};
use crate::proto::bittorrent::verify::in_blocks;
use crate::proto::bittorrent::wire::Bitfield;

/// Bytes that a job reads at once.
const BATCH: u64 = 16 << 20;

/// Bytes of pieces that are hashed together at most: larger ones are hashed one by one.
const TOGETHER: u32 = 4 << 20;

/// Why pieces could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A job was lost.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Others have too much to do.
    #[error(transparent)]
    Full(#[from] QueueFull),
}

/// Looks at all pieces. `told` hears how many were looked at so far, and how many of them are right.
///
/// # Errors
/// The blocking lane does not do it.
pub async fn check(
    info: &Arc<Info>,
    layers: &Arc<Layers>,
    storage: &Arc<Storage>,
    lane: &Blocking,
    told: impl FnMut(u32, u32),
) -> Result<Bitfield, CheckError> {
    let pieces = info.layout().pieces();
    check_some(info, layers, storage, lane, (0..pieces).collect(), told).await
}

/// Looks at some pieces, as [`check`] does.
///
/// # Errors
/// The blocking lane does not do it.
pub(super) async fn check_some(
    info: &Arc<Info>,
    layers: &Arc<Layers>,
    storage: &Arc<Storage>,
    lane: &Blocking,
    pieces: Vec<u32>,
    mut told: impl FnMut(u32, u32),
) -> Result<Bitfield, CheckError> {
    let layout = info.layout();
    let step = (BATCH / u64::from(layout.piece_length())).clamp(1, u64::from(layout.pieces())) as usize;
    let batches = pieces.chunks(step).map(<[u32]>::to_vec);
    let jobs = batches.map(|batch| {
        let (info, layers, storage) = (Arc::clone(info), Arc::clone(layers), Arc::clone(storage));
        async move {
            let looked = batch.len();
            let job = lane.submit_cancellable(Priority::Low, {
                move |cancelled| {
                    let mut right = Vec::new();
                    look(&info, &layers, &storage, &batch, &mut right, &|| cancelled.is_cancelled());
                    right
                }
            })?;
            Ok::<_, CheckError>((looked, job.await?))
        }
    });
    let mut have = Bitfield::none(layout.pieces());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut jobs = stream::iter(jobs).buffer_unordered(threads);
    let (mut looked, mut right) = (0, 0);
    while let Some(done) = jobs.next().await {
        let (batch, found) = done?;
        // No more than there are pieces.
        looked += batch as u32;
        right += found.len() as u32;
        found.into_iter().for_each(|piece| {
            have.set(piece);
        });
        told(looked, right);
    }
    Ok(have)
}

/// Looks at some pieces, in groups that are hashed together.
fn look(
    info: &Info,
    layers: &Layers,
    storage: &Storage,
    pieces: &[u32],
    right: &mut Vec<u32>,
    stop: &dyn Fn() -> bool,
) {
    let layout = info.layout();
    let group = if layout.piece_length() <= TOGETHER { LANES } else { 1 };
    let mut buffers: Vec<Vec<u8>> = vec![Vec::new(); group];
    for group in pieces.chunks(group) {
        if stop() {
            return;
        }
        let mut read = Vec::new();
        for (piece, buffer) in group.iter().zip(&mut buffers) {
            buffer.resize(layout.piece_size(*piece) as usize, 0);
            if storage.read(*piece, 0, buffer).is_ok() {
                let content = layout.piece_content(*piece) as usize;
                read.push((*piece, info.expected(*piece, layers), &buffer[..], content));
            }
        }
        let hashed = if read.iter().all(|(_, expected, ..)| expected.v1.is_some()) {
            sha1_many(&read.iter().map(|(.., bytes, _)| *bytes).collect::<Vec<_>>())
        } else {
            Vec::new()
        };
        for (number, (piece, expected, bytes, content)) in read.into_iter().enumerate() {
            let blocks = in_blocks(&bytes[..content]);
            let is_right = match hashed.get(number) {
                Some(hash) => expected.v1 == Some(*hash) && expected.has_leaves(&blocks),
                None => Expected::is_met_by(&expected, &blocks, (bytes.len() - content) as u32),
            };
            if is_right {
                right.push(piece);
            }
        }
    }
}
