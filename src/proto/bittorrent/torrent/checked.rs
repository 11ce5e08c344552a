//! Whether a piece is right, and who lied if it is not.
//!
//! Who has sent all of a wrong piece has lied. If several have, the hashes of their blocks are kept, and the piece comes again, from one peer alone. When it is right, the
//! blocks that were different are those of the liar (libtorrent calls this "smart ban").

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Event, Reason, Torrent};
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::picker::PeerKey;

/// Pieces of which wrong blocks are kept in mind at most.
const MOST: usize = 64;

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Whether the piece is right.
    pub right: bool,
    /// The hash of each of its blocks, if it is wrong, or [`Torrent::is_suspicious`].
    pub blocks: Vec<Sha1>,
}

/// What becomes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there.
    Kept,
    /// It comes again.
    Again,
}

/// A block that was part of a wrong piece.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    sender: IpAddr,
    hash: Sha1,
}

/// Blocks that may be wrong, by their piece and their number.
#[derive(Debug, Default)]
pub(super) struct Suspects(BTreeMap<u32, Vec<Option<Suspect>>>);

impl Torrent {
    /// Whether the hashes of a piece's blocks are wanted, even if it is right: it has been wrong before.
    #[must_use]
    pub fn is_suspicious(&self, piece: u32) -> bool {
        self.suspects.0.contains_key(&piece)
    }

    /// A piece that is whole was checked.
    pub fn checked(&mut self, piece: u32, checked: &Checked) -> Fate {
        if checked.right {
            self.judge(piece, &checked.blocks);
            self.has_come(piece);
            return Fate::Kept;
        }
        let senders = self.picker.senders(piece);
        self.picker.failed(piece);
        self.look_soon();
        let addresses: Vec<Option<IpAddr>> =
            senders.iter().map(|sender| Some(self.peers.get(sender.as_ref()?)?.addr.ip())).collect();
        // Each block has a sender, who may have left.
        let first = addresses.first().copied().flatten();
        if let Some(liar) = first.filter(|first| addresses.iter().all(|other| *other == Some(*first))) {
            self.ban(liar, piece);
        } else {
            let suspects = addresses.into_iter().zip(&checked.blocks);
            let suspects =
                suspects.map(|(sender, hash)| Some(Suspect { sender: sender?, hash: *hash })).collect();
            while self.suspects.0.len() >= MOST {
                self.suspects.0.pop_first();
            }
            self.suspects.0.insert(piece, suspects);
        }
        Fate::Again
    }

    /// A piece that was wrong is right: those whose blocks were others have lied.
    fn judge(&mut self, piece: u32, blocks: &[Sha1]) {
        let Some(suspects) = self.suspects.0.remove(&piece) else { return };
        let liars = suspects.into_iter().zip(blocks).filter_map(|(suspect, right)| {
            let suspect = suspect?;
            (suspect.hash != *right).then_some(suspect.sender)
        });
        let mut liars: Vec<IpAddr> = liars.collect();
        liars.sort_unstable();
        liars.dedup();
        liars.into_iter().for_each(|liar| self.ban(liar, piece));
    }

    fn ban(&mut self, ip: IpAddr, piece: u32) {
        self.events.push_back(Event::Banned { ip, piece });
        let peers = self.peers.values().filter(|peer| peer.addr.ip() == ip);
        let leaving: Vec<Event> = peers.map(|peer| Event::Leave(peer.key, Reason::Liar)).collect();
        self.events.extend(leaving);
    }

    /// A piece that was there cannot be read any more: it is fetched again.
    pub fn vanished(&mut self, piece: u32) {
        if !self.picker.have().has(piece) {
            return;
        }
        self.picker.vanished(piece);
        self.count_missing();
        self.mind_all();
        self.look_soon();
    }

    /// A piece is there, from peers or from elsewhere.
    pub fn has_come(&mut self, piece: u32) {
        let wanted = self.picker.wants(piece);
        if !self.picker.verified(piece) {
            return;
        }
        self.come.push(piece);
        self.events.push_back(Event::Piece(piece));
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            if let Some(peer) = self.peers.get_mut(&key)
                && wanted
                && peer.has.has(piece)
            {
                peer.wanted = peer.wanted.saturating_sub(1);
            }
            self.mind(key);
            self.wake(key);
        }
        if self.count_missing() && self.finished {
            self.events.push_back(Event::Finished);
            self.look_soon();
        }
    }
}
