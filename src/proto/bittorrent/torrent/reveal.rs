//! Super seeding: the only seed shows each peer a few pieces, others to each, so that all of them are out after it has sent little more than the torrent once (BEP 16).
//!
//! The piece that was shown least, and that the fewest have, is next. A peer is shown another one when it has got one, from whomever, or was sent all of it: some tell nobody
//! what they got whom they know to have it. What others have got of it does not matter, so that nobody waits. Who asks for nothing of what it was shown, as it
//! wants other files, is shown more and more.

use std::collections::BTreeSet;

use super::Torrent;
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::wire::{Bitfield, Block, Message};

/// Pieces that a peer is shown and has not got yet: one that comes, and the next, so that there is no pause.
const AHEAD: usize = 2;

/// Pieces of a torrent at most that are shown one by one: all of them are looked at for each.
const MOST: u32 = 20_000;

/// Pieces that are shown at a time, to all peers together, and have not come: our line sends one after the other, and those behind would be shown too early, when
/// not everything is out.
const AT_ONCE: usize = 8;

/// Looks in a row, one a second, at which a peer asks for nothing, until it is shown more; and one who is not even interested.
const PATIENCE: u32 = 3;
const PATIENCE_UNINTERESTED: u32 = 1;

/// A piece that a peer was shown, and has not got.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited {
    piece: u32,
    /// Bytes of it that it was sent.
    sent: u32,
}

/// How often pieces were shown.
#[derive(Debug)]
pub(super) struct Reveal {
    shown: Vec<u16>,
}

impl Reveal {
    pub(super) fn new(pieces: u32) -> Self {
        Self { shown: vec![0; pieces as usize] }
    }

    /// Somebody has left who has not got these.
    pub(super) fn left(&mut self, awaited: &[Awaited]) {
        for awaited in awaited {
            if let Some(shown) = self.shown.get_mut(awaited.piece as usize) {
                *shown = shown.saturating_sub(1);
            }
        }
    }
}

impl Torrent {
    /// Whether we have everything, and know of nobody else who does.
    pub(super) fn is_only_seed(&self) -> bool {
        self.picker.have().is_all()
            && self.info.layout().pieces() <= MOST
            && self.peers.values().all(|peer| !peer.has.is_all())
    }

    /// Whether pieces are shown one by one where we are the only seed, from now on. It serves those whose line is narrow: over a wide one, nothing is to be saved.
    pub fn set_super_seeding(&mut self, on: bool) {
        if self.settings.super_seeding && !on {
            self.show_all();
        }
        self.settings.super_seeding = on;
    }

    /// Shows pieces to those who were shown fewest, as many as may be awaited at a time.
    pub(super) fn show_more(&mut self) {
        let mut awaited: usize = self.peers.values().map(|peer| peer.awaited.len()).sum();
        let mut full = BTreeSet::new();
        while awaited < AT_ONCE {
            let open =
                self.peers.values().filter(|peer| peer.awaited.len() < AHEAD && !full.contains(&peer.key));
            let fewest =
                open.filter_map(|peer| Some((peer.shown.as_ref()?.count(), peer.key, peer.awaited.len())));
            let Some((_, key, has)) = fewest.min() else { return };
            if self.show(key, has + 1) {
                awaited += 1;
            } else {
                full.insert(key);
            }
        }
    }

    /// Shows a peer pieces until it awaits so many; whether there are as many.
    fn show(&mut self, key: PeerKey, ahead: usize) -> bool {
        let Some(peer) = self.peers.get_mut(&key) else { return false };
        let Some(shown) = &mut peer.shown else { return false };
        while peer.awaited.len() < ahead {
            let open = (0..shown.pieces()).filter(|piece| !shown.has(*piece) && !peer.has.has(*piece));
            let rank = |piece: &u32| (self.reveal.shown[*piece as usize], self.picker.available(*piece));
            // Each peer begins elsewhere, or all would be shown the same ones as nothing is known yet.
            let turn = key.0.wrapping_mul(0x9e37_79b9);
            let Some(piece) = open.min_by_key(|piece| (rank(piece), piece.wrapping_mul(0x85eb_ca6b) ^ turn))
            else {
                return false;
            };
            shown.set(piece);
            self.reveal.shown[piece as usize] = self.reveal.shown[piece as usize].saturating_add(1);
            peer.awaited.push(Awaited { piece, sent: 0 });
            peer.words.push_back(Message::Have(piece));
            self.woken.insert(key);
        }
        true
    }

    /// A peer has got a piece: if it was shown that, it is shown another one. When there is another seed, everybody sees everything.
    pub(super) fn shown_has_come(&mut self, key: PeerKey, piece: u32) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.awaited.retain(|awaited| awaited.piece != piece);
        if peer.shown.is_none() {
            return;
        }
        if peer.has.is_all() {
            self.show_all();
        } else {
            self.show_more();
        }
    }

    /// A peer was sent a block.
    pub(super) fn shown_was_sent(&mut self, key: PeerKey, block: Block) {
        let size = self.info.layout().piece_size(block.piece);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.idle = 0;
        let Some(awaited) = peer.awaited.iter_mut().find(|awaited| awaited.piece == block.piece) else {
            return;
        };
        awaited.sent = awaited.sent.saturating_add(block.length);
        if awaited.sent >= size {
            self.shown_has_come(key, block.piece);
        }
    }

    /// A second has gone by: those who ask for nothing are shown as many pieces again as they were so far.
    pub(super) fn show_idle(&mut self) {
        let mut idle = Vec::new();
        for peer in self.peers.values_mut().filter(|peer| peer.requests.is_empty()) {
            let Some(shown) = peer.shown.as_ref().filter(|_| !peer.awaited.is_empty()) else { continue };
            peer.idle += 1;
            if peer.idle >= if peer.wants { PATIENCE } else { PATIENCE_UNINTERESTED } {
                peer.idle = 0;
                peer.awaited.clear();
                idle.push((peer.key, shown.count().max(1) as usize));
            }
        }
        for (key, more) in idle {
            self.show(key, more);
        }
    }

    /// Shows everybody everything.
    pub(super) fn show_all(&mut self) {
        for peer in self.peers.values_mut() {
            let Some(shown) = peer.shown.take() else { continue };
            let all = Bitfield::all(shown.pieces());
            for piece in all.iter().filter(|piece| !shown.has(*piece) && !peer.has.has(*piece)) {
                peer.words.push_back(Message::Have(piece));
            }
            self.woken.insert(peer.key);
        }
    }
}
