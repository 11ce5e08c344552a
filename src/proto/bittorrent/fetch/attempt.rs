//! One way to get the whole dictionary: a length, and either all peers that say it or one of them alone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::{count, length};
use crate::proto::bittorrent::picker::PeerKey;

/// Peers that are asked for the same piece at a time, if there is no other to ask for.
const ASKERS: u32 = 2;

/// How long nothing may come before another length, or another single peer, is tried.
const STALL: Duration = Duration::from_secs(20);

/// How long a single peer may take for all, when others could; twice as long each time that it has its turn again.
const ALONE: Duration = Duration::from_secs(60);

/// A piece, and who has sent it.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) from: PeerKey,
    pub(super) data: Bytes,
}

/// The pieces of a dictionary, as far as they have come.
pub(super) type Pieces = Vec<Option<Came>>;

/// Pieces that have come together, and were wrong.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) size: u32,
    pub(super) pieces: Pieces,
}

/// One way to get the whole.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) size: u32,
    /// The only peer that is asked, if several together were wrong.
    pub(super) alone: Option<PeerKey>,
    pieces: Pieces,
    /// When something came last.
    moved: Instant,
    /// When another peer is tried alone.
    ends: Option<Instant>,
}

impl Attempt {
    pub(super) fn together(now: Instant, size: u32) -> Self {
        Self { size, alone: None, pieces: vec![None; count(size)], moved: now, ends: None }
    }

    /// One with a single peer, which was tried so often. What it has sent already need not be sent again.
    pub(super) fn alone(now: Instant, size: u32, key: PeerKey, tried: u32, wrong: &Wrong) -> Self {
        let ends = Some(now + ALONE * (1 << tried.min(6)));
        let mut attempt = Self { alone: Some(key), ends, ..Self::together(now, size) };
        if wrong.size == size {
            for (place, came) in attempt.pieces.iter_mut().zip(&wrong.pieces) {
                *place = came.clone().filter(|came| came.from == key);
            }
        }
        attempt
    }

    /// Whether this peer is asked, which says so many bytes.
    pub(super) fn means(&self, key: PeerKey, size: u32) -> bool {
        self.size == size && self.alone.is_none_or(|alone| alone == key)
    }

    /// A piece has come.
    pub(super) fn came(&mut self, now: Instant, piece: u32, came: Came) {
        if let Some(place @ None) = self.pieces.get_mut(piece as usize) {
            *place = Some(came);
            self.moved = now;
        }
    }

    /// Whether all of it has come.
    pub(super) fn is_whole(&self) -> bool {
        self.pieces.iter().all(Option::is_some)
    }

    /// All that has come, and who has sent it.
    pub(super) fn into_parts(self) -> (Bytes, BTreeSet<PeerKey>, Pieces) {
        let come = || self.pieces.iter().flatten();
        let mut info = BytesMut::with_capacity(come().map(|came| came.data.len()).sum());
        come().for_each(|came| info.extend_from_slice(&came.data));
        let senders = come().map(|came| came.from).collect();
        (info.freeze(), senders, self.pieces)
    }

    /// The piece to ask a peer for that was asked for others already, when peers were asked for all these: one that
    /// the fewest were asked for.
    pub(super) fn wanted(&self, of_it: &[u32], of_all: &[u32]) -> Option<u32> {
        let mut askers = vec![0; self.pieces.len()];
        for piece in of_all {
            askers.get_mut(*piece as usize).into_iter().for_each(|askers| *askers += 1);
        }
        let missing = self.pieces.iter().zip(askers).zip(0..).filter(|((came, _), _)| came.is_none());
        let may = missing.map(|((_, askers), piece)| (askers, piece));
        may.filter(|(askers, piece)| *askers < ASKERS && !of_it.contains(piece)).min().map(|(_, piece)| piece)
    }

    /// When another way is to be tried.
    pub(super) fn deadline(&self) -> Instant {
        let stalls = self.moved + STALL;
        self.ends.map_or(stalls, |ends| ends.min(stalls))
    }

    /// There is no other way: it goes on.
    pub(super) fn go_on(&mut self, now: Instant) {
        self.moved = now;
        self.ends.take_if(|ends| *ends <= now);
    }
}

impl Wrong {
    /// Who has sent what is not part of the right bytes.
    pub(super) fn liars(self, info: &Bytes) -> BTreeSet<PeerKey> {
        let is_right = |piece: u32, came: &Came| {
            let begin = piece as usize * super::BLOCK as usize;
            let right = info.get(begin..begin + length(self.size, piece));
            self.size as usize == info.len() && right == Some(&came.data[..])
        };
        let come = self.pieces.iter().zip(0..).filter_map(|(came, piece)| Some((came.as_ref()?, piece)));
        come.filter(|(came, piece)| !is_right(*piece, came)).map(|(came, _)| came.from).collect()
    }

    /// Forgets what a peer has sent.
    pub(super) fn forget(&mut self, key: PeerKey) {
        for place in &mut self.pieces {
            place.take_if(|came| came.from == key);
        }
    }

    /// How many pieces a peer has sent.
    pub(super) fn sent(&self, key: PeerKey) -> usize {
        self.pieces.iter().flatten().filter(|came| came.from == key).count()
    }
}
