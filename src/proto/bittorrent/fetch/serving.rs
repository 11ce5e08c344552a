//! The side that has the `info` dictionary, and gives pieces of it to peers that ask.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::length;
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::wire::metadata::Metadata;

/// How often a peer is given each piece in a [`PERIOD`], on average.
const COPIES: u32 = 2;

/// Pieces that a peer is given in a [`PERIOD`] at least.
const FEW: u32 = 16;

/// For how long pieces are counted.
const PERIOD: Duration = Duration::from_secs(60);

/// An `info` dictionary that is given to others. That of a private torrent is not to be (BEP 27).
#[derive(Debug)]
pub struct Serving {
    info: Bytes,
    given: BTreeMap<PeerKey, Given>,
}

/// What a peer was given.
#[derive(Clone, Copy, Debug)]
struct Given {
    since: Instant,
    pieces: u32,
}

impl Serving {
    /// One of these bytes, as they are hashed; less than 4 GiB.
    #[must_use]
    pub fn new(info: Bytes) -> Self {
        Self { info, given: BTreeMap::new() }
    }

    /// Its bytes: the `metadata_size` of our handshake.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.info.len() as u32
    }

    /// What a peer is answered that asks for a piece: the piece, or, if there is none or it has got all of them twice
    /// in the last minute, a refusal.
    pub fn answer(&mut self, now: Instant, key: PeerKey, piece: u32) -> Metadata {
        let size = self.size();
        let length = length(size, piece);
        let most = size.div_ceil(BLOCK).saturating_mul(COPIES).max(FEW);
        let given = self.given.entry(key).or_insert(Given { since: now, pieces: 0 });
        if now.saturating_duration_since(given.since) >= PERIOD {
            *given = Given { since: now, pieces: 0 };
        }
        if length == 0 || given.pieces >= most {
            return Metadata::Reject { piece };
        }
        given.pieces += 1;
        // There are bytes, so the piece begins in the dictionary.
        let begin = piece as usize * BLOCK as usize;
        Metadata::Data { piece, total: size, data: self.info.slice(begin..begin + length) }
    }

    /// A peer has left.
    pub fn leave(&mut self, key: PeerKey) {
        self.given.remove(&key);
    }
}
