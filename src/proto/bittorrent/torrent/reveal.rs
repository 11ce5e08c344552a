//! Super seeding: the only seed shows each peer a few pieces, others to each, so that all of them are out after it has sent little more than the torrent once (BEP 16).
//!
//! The piece that was shown least, and that the fewest have, is next. A peer is shown another one when it has got one; what others have got of it does not matter, so
//! that nobody waits.

use super::Torrent;
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::wire::{Bitfield, Message};

/// Pieces that a peer is shown and has not got yet: one that comes, and the next, so that there is no pause.
const AHEAD: usize = 2;

/// Pieces of a torrent at most that are shown one by one: all of them are looked at for each.
const MOST: u32 = 20_000;

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
    pub(super) fn left(&mut self, awaited: &[u32]) {
        for piece in awaited {
            if let Some(shown) = self.shown.get_mut(*piece as usize) {
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

    /// Shows a peer pieces, as many as it may be ahead.
    pub(super) fn show_more(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let Some(shown) = &mut peer.shown else { return };
        while peer.awaited.len() < AHEAD {
            let open = (0..shown.pieces()).filter(|piece| !shown.has(*piece) && !peer.has.has(*piece));
            let rank = |piece: &u32| (self.reveal.shown[*piece as usize], self.picker.available(*piece));
            // Each peer begins elsewhere, or all would be shown the same ones as nothing is known yet.
            let turn = key.0.wrapping_mul(0x9e37_79b9);
            let Some(piece) = open.min_by_key(|piece| (rank(piece), piece.wrapping_mul(0x85eb_ca6b) ^ turn))
            else {
                return;
            };
            shown.set(piece);
            self.reveal.shown[piece as usize] = self.reveal.shown[piece as usize].saturating_add(1);
            peer.awaited.push(piece);
            peer.words.push_back(Message::Have(piece));
            self.woken.insert(key);
        }
    }

    /// A peer has got a piece: if it was shown that, it is shown another one. When there is another seed, everybody sees everything.
    pub(super) fn shown_has_come(&mut self, key: PeerKey, piece: u32) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.awaited.retain(|awaited| *awaited != piece);
        if peer.shown.is_none() {
            return;
        }
        if peer.has.is_all() {
            self.show_all();
        } else {
            self.show_more(key);
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
