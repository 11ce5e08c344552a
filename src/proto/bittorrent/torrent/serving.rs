//! What peers want of us, and what is to be done for each when its connection has room.

use std::time::Instant;

use super::Torrent;
use super::peer::Peer;
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::wire::{Block, Message};

/// Something to do for a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Say this.
    Say(Message),
    /// Send this block, and tell of it by [`Torrent::sent`].
    Send(Block),
}

impl Torrent {
    /// What is to be done next for a peer. Blocks are to be sent only if there is `room` for them.
    pub fn next(&mut self, now: Instant, key: PeerKey, room: bool) -> Option<Todo> {
        let peer = self.peers.get_mut(&key)?;
        let word = peer.words.pop_front().or_else(|| {
            // Who is shown pieces one by one is told of no others.
            let piece = self.come.get(peer.told).filter(|_| peer.shown.is_none())?;
            peer.told += 1;
            Some(Message::Have(*piece))
        });
        if let Some(word) = word {
            peer.said(now);
            return Some(Todo::Say(word));
        }
        let (_, block) = if room { peer.requests.pop_front() } else { None }?;
        peer.said(now);
        Some(Todo::Send(block))
    }

    /// Whose block is to be sent first, of those whose connections have room, where our own line is the narrow place: that of the piece that is under way, or else of who has
    /// waited longest. Pieces then leave one after the other, and are soon passed on, instead of all at once and late.
    #[must_use]
    pub fn first_in_line(&self, has_room: impl Fn(PeerKey) -> bool) -> Option<PeerKey> {
        let goes_on = self.under_way.filter(|(key, piece)| {
            let next = self.peers.get(key).and_then(|peer| peer.requests.front());
            next.is_some_and(|(_, block)| block.piece == *piece) && has_room(*key)
        });
        let waiting = self.peers.values().filter_map(|peer| Some((peer.requests.front()?.0, peer.key)));
        let eldest = || waiting.filter(|(_, key)| has_room(*key)).min().map(|(_, key)| key);
        goes_on.map(|(key, _)| key).or_else(eldest)
    }

    /// A block was sent.
    pub fn sent(&mut self, now: Instant, key: PeerKey, block: Block) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.up.add(now, block.length.into());
            self.under_way = Some((key, block.piece));
            self.shown_was_sent(key, block);
        }
    }

    /// A block could not be read: the peer hears that it will not come.
    pub fn refuse(&mut self, key: PeerKey, block: Block) {
        if let Some(peer) = self.peers.get_mut(&key)
            && peer.fast
        {
            peer.say(Message::Reject(block));
            self.wake(key);
        }
    }

    /// A peer wants a block, which exists.
    pub(super) fn requested(&mut self, key: PeerKey, block: Block) {
        let unchoked = self.choker.is_unchoked(key);
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let shown = peer.shown.as_ref().is_none_or(|shown| shown.has(block.piece));
        let has = self.picker.have().has(block.piece) && shown;
        if has && peer.may_ask(block.piece, unchoked) && peer.requests.len() < self.settings.requests {
            self.requests += 1;
            peer.requests.push_back((self.requests, block));
        } else if peer.fast {
            peer.say(Message::Reject(block));
        }
        self.wake(key);
    }
}

impl Peer {
    /// It is choked: what it has asked for will not come, but of pieces that it is allowed (BEP 6).
    pub(super) fn refuse_all(&mut self) {
        let requests = std::mem::take(&mut self.requests);
        for (number, block) in requests {
            if self.fast && self.allowed.contains(&block.piece) {
                self.requests.push_back((number, block));
            } else if self.fast {
                self.say(Message::Reject(block));
            }
        }
    }
}
