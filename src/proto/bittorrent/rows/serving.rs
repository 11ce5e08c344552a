//! The side that has piece layers, and gives parts of them to peers that ask.
//!
//! Only piece layers are given: no client has to give others but leaves (BEP 52, "hash request"), and those could be
//! computed only from the bytes of files, which are not here. What is above a row is kept once it was needed, as far
//! as it is above [`MAX_LENGTH`] pieces: so no request is answered with more than about 512 hashes' work.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};

use super::{MAX_LENGTH, uncles};
use crate::proto::bittorrent::hash::Sha256;
use crate::proto::bittorrent::merkle;
use crate::proto::bittorrent::metainfo::{Layers, Layout, piece_height};
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::wire::{HashRange, Message};

/// How often a peer is given all rows in a [`PERIOD`], on average. libtorrent has no limit, and asks at once again
/// when it is refused: who asks for what it needs should not meet one.
const COPIES: u32 = 2;

/// Requests that a peer is answered with hashes in a [`PERIOD`] at least: a MiB of them.
const FEW: u32 = 64;

/// For how long requests are counted.
const PERIOD: Duration = Duration::from_secs(60);

/// Levels above the pieces from which nodes are kept.
const KEPT: u32 = MAX_LENGTH.trailing_zeros();

/// Piece layers that are given to others.
#[derive(Debug, Default)]
pub struct Serving {
    given: BTreeMap<PeerKey, Given>,
    /// What is above rows, by root: the levels from [`KEPT`] up, a 256th of the row together.
    above: HashMap<Sha256, Vec<Vec<Sha256>>>,
}

/// What a peer was given.
#[derive(Clone, Copy, Debug)]
struct Given {
    since: Instant,
    /// Requests that are answered until a [`PERIOD`] has passed.
    left: u32,
}

impl Serving {
    /// One that has given nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a peer is answered that asks for nodes: [`Message::Hashes`], or [`Message::HashReject`] if there are none, or
    /// it has asked for all of them twice in the last minute. `layers` have to be those of the same torrent each time.
    pub fn answer(
        &mut self,
        now: Instant,
        key: PeerKey,
        layout: &Layout,
        layers: &Layers,
        range: HashRange,
    ) -> Message {
        let layer = piece_height(layout.piece_length());
        match layers.get(range.root).filter(|row| range.layer == layer && is_there(row, range)) {
            Some(row) if self.may(now, key, layers) => {
                Message::Hashes { range, hashes: self.hashes(row, layer, range) }
            }
            _ => Message::HashReject(range),
        }
    }

    /// A peer has left.
    pub fn leave(&mut self, key: PeerKey) {
        self.given.remove(&key);
    }

    /// Whether a peer may have one more.
    fn may(&mut self, now: Instant, key: PeerKey, layers: &Layers) -> bool {
        let fresh = self.given.get(&key).filter(|given| now.saturating_duration_since(given.since) < PERIOD);
        let mut given = fresh.copied().unwrap_or_else(|| {
            let all = layers.iter().map(|(_, row)| row.len().div_ceil(MAX_LENGTH as usize)).sum::<usize>();
            let all = u32::try_from(all).unwrap_or(u32::MAX);
            Given { since: now, left: all.saturating_mul(COPIES).max(FEW) }
        });
        let may = given.left > 0;
        given.left = given.left.saturating_sub(1);
        self.given.insert(key, given);
        may
    }

    /// The nodes, with those of no piece behind the end of the row; then the uncles, the lowest first.
    fn hashes(&mut self, row: &[Sha256], layer: u32, range: HashRange) -> Bytes {
        let (index, length) = (range.index as usize, range.length as usize);
        let (first, count) = uncles(range);
        let mut hashes = BytesMut::with_capacity((length + count as usize) * 32);
        let nodes = row.get(index..).unwrap_or_default();
        let padding = std::iter::repeat(merkle::nothing(layer));
        nodes.iter().copied().chain(padding).take(length).for_each(|node| hashes.put_slice(&node.0));
        let above = self.above.entry(range.root).or_insert_with(|| above(row, layer));
        for level in first..first + count {
            let at = (index >> level) ^ 1;
            let uncle = match level.checked_sub(KEPT) {
                Some(level) => above.get(level as usize).and_then(|nodes| nodes.get(at)).copied(),
                None => below(row, at, layer, level),
            };
            hashes.put_slice(&uncle.unwrap_or_else(|| merkle::nothing(layer + level)).0);
        }
        hashes.freeze()
    }
}

/// Whether nodes of a piece layer are such that they may be asked for (BEP 52): a power of two of them, but at the end
/// of the row, from 2 to [`MAX_LENGTH`]; the first of them a multiple of that; and uncles below the root.
fn is_there(row: &[Sha256], range: HashRange) -> bool {
    let HashRange { index, length, proofs, .. } = range;
    // There are less than 2^32 pieces.
    let (pieces, height) = (row.len() as u64, merkle::height(row.len()));
    let end = u64::from(index) + u64::from(length);
    let is_cut = end == pieces;
    (1..=MAX_LENGTH).contains(&length)
        && (length.is_power_of_two() && length > 1 || is_cut)
        && index.is_multiple_of(length.next_power_of_two())
        && u64::from(index) < pieces
        && end <= pieces.next_power_of_two()
        && proofs < height
}

/// The levels above a row from [`KEPT`] up; none if it is not longer than that.
fn above(row: &[Sha256], layer: u32) -> Vec<Vec<Sha256>> {
    if row.len() <= MAX_LENGTH as usize {
        return Vec::new();
    }
    let nodes = row.chunks(MAX_LENGTH as usize).map(|part| merkle::root_of(part, layer, KEPT));
    let mut levels = vec![nodes.collect::<Vec<_>>()];
    while let Some(nodes) = levels.last().filter(|nodes| nodes.len() > 1) {
        // The height of these nodes above the leaves. A missing sibling is one above no piece.
        let level = layer + KEPT + levels.len() as u32 - 1;
        let parents = nodes.chunks(2).map(|pair| merkle::root_of(pair, level, 1)).collect();
        levels.push(parents);
    }
    levels
}

/// A node of a level above a row, computed from the nodes of pieces below it; `None` if there are none.
fn below(row: &[Sha256], at: usize, layer: u32, level: u32) -> Option<Sha256> {
    let begin = at.checked_mul(1 << level)?;
    let nodes = row.get(begin..row.len().min(begin.saturating_add(1 << level)))?;
    (!nodes.is_empty()).then(|| merkle::root_of(nodes, layer, level))
}
