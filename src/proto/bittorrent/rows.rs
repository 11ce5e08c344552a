//! The piece layers of a torrent of version 2 that is known by its `info` dictionary only, as after a magnet link: who is
//! asked for which nodes of which file (BEP 52, "hash request", "hashes", "hash reject").
//!
//! A piece cannot be checked until the row of its file is there. A row is asked for in parts of [`MAX_LENGTH`] nodes,
//! each with its uncles up to the root, which the dictionary has: so every answer is checked alone, and who sends a
//! wrong one is known at once. Peers have to give what covers the pieces that they have; others need not, and are not
//! asked. Who refuses or does not answer rests for a while. The other side, which gives nodes, is [`Serving`].

mod choice;
mod parts;
mod serving;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::parts::{Parts, Whole};
pub use self::serving::Serving;
use super::hash::Sha256;
use super::merkle;
use super::metainfo::{Layers, Layout};
use super::picker::PeerKey;
use super::wire::{Bitfield, HashRange};

/// Nodes that are asked for at once, and given: BEP 52 says that there should not be more. libtorrent asks for as many.
pub const MAX_LENGTH: u32 = 512;

/// Requests that a peer has at a time. libtorrent has 2.
const ASKED: usize = 4;

/// Peers that are asked for the same part at a time, if there is no other to ask for.
const ASKERS: u32 = 2;

/// How long a peer may send nothing that it was asked for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a peer is not asked for what it has refused; or for anything, if it has sent nothing.
const REST: Duration = Duration::from_secs(30);

/// Parts that a peer may refuse until it is not asked for others either, for the rest of its [`REST`].
const REFUSED: usize = 16;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Send this request to a peer.
    Ask(PeerKey, HashRange),
    /// The row of the file of this number is among the layers now, and its pieces can be checked.
    Known(usize),
    /// The file of this number has a root above no row of as many pieces as it has: its metainfo is wrong, no peer is to
    /// blame, and it will never be known.
    Never(usize),
    /// All files that need a row have it. Nothing follows.
    Done,
}

/// What a peer has answered wrong. It is to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// Not as many nodes as were asked for, with their uncles.
    #[error("{found} bytes of hashes, where {expected} were asked for")]
    Length {
        /// Bytes that it has sent.
        found: usize,
        /// Bytes of what was asked for.
        expected: usize,
    },
    /// Nodes that are not below the root.
    #[error("hashes from {index} on that are not of the tree {root}")]
    Proof {
        /// Of which tree they should be.
        root: Sha256,
        /// The first of them in its row.
        index: u32,
    },
}

/// Somebody who speaks version 2.
#[derive(Debug)]
struct Peer {
    /// Parts that it can be asked for: it has a piece of each, and has not refused it.
    parts: Bitfield,
    asked: Vec<u32>,
    /// What it was asked for, and has not answered in time: it may still come.
    late: Vec<u32>,
    /// Since when it owes an answer.
    since: Instant,
    refused: Vec<u32>,
    rests: Option<Instant>,
    /// Whether it is asked for nothing while it rests.
    muted: bool,
    /// Whether nothing that nobody is asked for can be asked of it, as far as was seen.
    dry: bool,
}

/// Piece layers that are fetched.
///
/// It has room for rows of files that have begun to come, 32 bytes a piece: 128 MiB at most.
#[derive(Debug)]
pub struct Rows {
    layout: Arc<Layout>,
    parts: Parts,
    peers: BTreeMap<PeerKey, Peer>,
    /// Parts that nobody is asked for.
    open: Bitfield,
    /// No part before this one is open.
    first: u32,
    /// How many are asked for a part.
    flight: BTreeMap<u32, u32>,
    todo: VecDeque<Todo>,
    done: bool,
}

impl Rows {
    /// The rows of all files that need one, and have none among these.
    #[must_use]
    pub fn new(layout: Arc<Layout>, layers: &Layers) -> Self {
        let parts = Parts::new(&layout, layers);
        let open = Bitfield::all(parts.count());
        let done = parts.count() == 0;
        let todo = done.then_some(Todo::Done).into_iter().collect();
        let (peers, flight) = (BTreeMap::new(), BTreeMap::new());
        Self { layout, parts, peers, open, first: 0, flight, todo, done }
    }

    /// A peer that speaks version 2 has these pieces. A bitfield of another number of pieces is passed over.
    pub fn join(&mut self, now: Instant, key: PeerKey, has: &Bitfield) {
        self.leave(key);
        if self.done || has.pieces() != self.layout.pieces() {
            return;
        }
        let parts = self.parts.of_pieces(has);
        let (asked, late, refused) = (Vec::new(), Vec::new(), Vec::new());
        let peer = Peer { parts, asked, late, since: now, refused, rests: None, muted: false, dry: false };
        self.peers.insert(key, peer);
    }

    /// A peer has got a piece.
    pub fn has(&mut self, key: PeerKey, piece: u32) {
        let (Some(peer), Some(part)) = (self.peers.get_mut(&key), self.parts.of_piece(piece)) else { return };
        if !peer.refused.contains(&part) && peer.parts.set(part) {
            peer.dry = false;
        }
    }

    /// A peer has left.
    pub fn leave(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.remove(&key) {
            peer.asked.into_iter().for_each(|part| self.release(part));
            self.stir();
        }
    }

    /// A peer has sent nodes: [`Message::Hashes`](super::wire::Message::Hashes). A row that is whole goes to the layers.
    /// What nobody has asked for is passed over.
    ///
    /// # Errors
    /// They are wrong, and it is not asked any more.
    pub fn heard(
        &mut self,
        now: Instant,
        key: PeerKey,
        range: HashRange,
        hashes: &[u8],
        layers: &mut Layers,
    ) -> Result<(), RowsError> {
        let Some(part) = self.answered(now, key, range) else { return Ok(()) };
        if !self.open.has(part) && !self.flight.contains_key(&part) {
            return Ok(());
        }
        let nodes = check(range, hashes).inspect_err(|_| self.leave(key))?;
        self.open.clear(part);
        self.flight.remove(&part);
        if let Some(whole) = self.parts.put(part, &nodes) {
            self.complete(whole, layers);
        }
        Ok(())
    }

    /// A peer will not send nodes: [`Message::HashReject`](super::wire::Message::HashReject).
    pub fn refused(&mut self, now: Instant, key: PeerKey, range: HashRange) {
        let Some(part) = self.answered(now, key, range) else { return };
        self.stir();
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if peer.parts.clear(part) {
            peer.refused.push(part);
        }
        peer.muted |= peer.refused.len() >= REFUSED;
        peer.rests.get_or_insert(now + REST);
    }

    /// What is to be done next, until there is nothing: to be asked after each call, and at the
    /// [`deadline`](Self::deadline).
    pub fn poll(&mut self, now: Instant) -> Option<Todo> {
        if self.todo.is_empty() && !self.done {
            self.rest(now);
            return self.ask(now);
        }
        self.todo.pop_front()
    }

    /// When [`poll`](Self::poll) has something to do even if nothing is heard.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let peers = self.peers.values().flat_map(|peer| {
            let late = (!peer.asked.is_empty()).then(|| peer.since + PATIENCE);
            late.into_iter().chain(peer.rests)
        });
        peers.min()
    }
    /// A row is whole: whether it belongs to its file, and whether it was the last one.
    fn complete(&mut self, whole: Whole, layers: &mut Layers) {
        let pieces = whole.nodes.len();
        let file = self.layout.files().get(whole.file);
        let fits = file.is_some_and(|file| layers.insert(&self.layout, file, whole.nodes));
        for file in self.parts.files(whole.file) {
            // Of files that have the same root, but not as many pieces, one is wrong.
            let is_known = fits && self.layout.pieces_of(file).len() == pieces;
            self.todo.push_back(if is_known { Todo::Known(file) } else { Todo::Never(file) });
        }
        if self.open.count() == 0 && self.flight.is_empty() && layers.is_complete(&self.layout) {
            self.done = true;
            self.peers.clear();
            self.todo.push_back(Todo::Done);
        }
    }
}

/// For how many levels above its row an uncle is sent, beginning with which: the first `log2(length) - 1` proof layers
/// are left out, as they can be computed from the nodes (BEP 52, "hashes"). The proof layers begin with that of the
/// parents; an uncle is the sibling of an ancestor, and that of level 0 the sibling of the only node itself.
fn uncles(range: HashRange) -> (u32, u32) {
    let first = range.length.checked_next_power_of_two().map_or(u32::BITS, u32::trailing_zeros);
    (first, range.proofs.saturating_add(1).saturating_sub(first))
}

/// The nodes of an answer, if they are below the root with their uncles. Those who asked did so for all uncles.
fn check(range: HashRange, hashes: &[u8]) -> Result<Vec<Sha256>, RowsError> {
    let HashRange { root, index, length, .. } = range;
    let (_, count) = uncles(range);
    let expected = (length as usize).saturating_add(count as usize).saturating_mul(32);
    if hashes.len() != expected {
        return Err(RowsError::Length { found: hashes.len(), expected });
    }
    let (hashes, _) = hashes.as_chunks::<32>();
    let mut nodes: Vec<Sha256> = hashes.iter().copied().map(Sha256).collect();
    let uncles = nodes.split_off(nodes.len().min(length as usize));
    let is_right = merkle::proves(&nodes, index as usize, &uncles, root);
    if is_right { Ok(nodes) } else { Err(RowsError::Proof { root, index }) }
}

#[cfg(test)]
mod tests;
