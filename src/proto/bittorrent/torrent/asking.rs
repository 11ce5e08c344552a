//! What we want of peers: whether we are interested, and which blocks each is asked for.

use std::time::{Duration, Instant};

use super::Torrent;
use super::peer::Asked;
use crate::proto::bittorrent::picker::{PeerKey, Wish};
use crate::proto::bittorrent::wire::Message;

/// A peer that sends a piece within this time has pieces to itself: libtorrent's `whole_pieces_threshold`.
const WHOLE: Duration = Duration::from_secs(20);

impl Torrent {
    /// Tells a peer whether it has anything that is wanted, if that has changed.
    pub(super) fn mind(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let interested = peer.wanted > 0;
        if peer.interested != interested {
            peer.interested = interested;
            peer.say(if interested { Message::Interested } else { Message::NotInterested });
            self.wake(key);
        }
    }

    /// Asks a peer, if it was asked for nothing.
    pub(super) fn ask_if_idle(&mut self, key: PeerKey, now: Instant) {
        if self.peers.get(&key).is_some_and(|peer| peer.asked.is_empty()) {
            self.ask(key, now);
        }
    }

    /// Asks a peer for as much as its pipeline has room for.
    pub(super) fn ask(&mut self, key: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if peer.wanted == 0 || !peer.gives && peer.allows.is_empty() {
            return;
        }
        let depth = peer.pipeline.depth() as usize;
        let room = depth.saturating_sub(peer.asked.len());
        // In batches: a request for each block that comes would be a message each.
        if room == 0 || room < depth / 4 && !peer.asked.is_empty() {
            return;
        }
        let length = f64::from(self.info.layout().piece_length());
        let wish = Wish {
            peer: key,
            has: &peer.has,
            only: (!peer.gives).then_some(&peer.allows),
            blocks: room as u32,
            whole: peer.runs || peer.down.per_second(now) * WHOLE.as_secs_f64() > length,
            run: peer.runs,
        };
        let mut blocks = Vec::new();
        self.picker.pick(self.info.layout(), &wish, &mut blocks);
        if blocks.is_empty() {
            return;
        }
        peer.pipeline.asked(now);
        for block in blocks {
            peer.asked.push_back(Asked { block, at: now });
            peer.say(Message::Request(block));
        }
        self.wake(key);
    }

    /// A peer that sends nothing need not send any more what it was asked for.
    pub(super) fn call_off(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.words.extend(peer.asked.iter().map(|asked| Message::Cancel(asked.block)));
        self.take_back(key);
        self.wake(key);
    }

    /// What a peer was asked for is asked of others.
    pub(super) fn take_back(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        for asked in peer.asked.drain(..) {
            self.picker.lost(asked.block, key);
        }
        self.picker.released(key);
        self.look_soon();
    }

    /// Counts again what each peer has that is wanted: priorities have changed.
    pub(super) fn mind_all(&mut self) {
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.wanted = peer.has.iter().filter(|piece| self.picker.wants(*piece)).count() as u32;
            }
            self.mind(key);
        }
    }

    /// Gives pieces a priority; one of 0 is not wanted.
    pub fn set_priorities(&mut self, priorities: impl IntoIterator<Item = (u32, u8)>) {
        for (piece, priority) in priorities {
            self.picker.set_priority(piece, priority);
        }
        self.count_missing();
        self.mind_all();
        self.look_soon();
    }

    /// Pieces that somebody waits for, the first of them most.
    pub fn set_urgent(&mut self, pieces: Vec<u32>) {
        self.picker.set_urgent(pieces);
        self.look_soon();
    }

    /// Chooses pieces in another way.
    pub fn set_strategy(&mut self, strategy: crate::proto::bittorrent::picker::Strategy) {
        self.picker.set_strategy(strategy);
    }
}
