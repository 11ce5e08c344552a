//! What peers say, and what it changes.

use std::time::Instant;

use bytes::Bytes;

use super::Torrent;
use super::peer::Peer;
use crate::proto::bittorrent::picker::{Arrival, PeerKey};
use crate::proto::bittorrent::wire::{Bitfield, Block, Message};

/// Bytes that a peer may ask for at once: more than anybody does (BEP 3: "close connections to peers that ask for more than 128 KiB", by custom).
const MAX_REQUEST: u32 = 128 << 10;

/// Blocks that were not asked for, until a peer is taken for one that only wants to be a nuisance.
const MAX_UNASKED: u32 = 250;

/// What a peer has said that is more than a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that anybody else has to know.
    Nothing,
    /// A block that is wanted: it is to be kept. If its piece is `whole` now, it is to be checked.
    Block {
        /// The piece.
        piece: u32,
        /// Where the bytes begin in it.
        begin: u32,
        /// The bytes.
        data: Bytes,
        /// Whether all of the piece is there.
        whole: bool,
    },
    /// What is not about pieces: extensions, the DHT's port, hashes.
    Other(Message),
}

/// What nobody may say. The connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// That a peer has all or nothing comes first, and once.
    #[error("what it has comes too late, or again")]
    Late,
    /// Of another length than there are pieces, or with bits behind them.
    #[error("a bitfield that is none of this torrent")]
    Bitfield,
    /// There is no such piece.
    #[error("there is no piece {0}")]
    Piece(u32),
    /// There are no such bytes.
    #[error("there is no block of {0:?}")]
    Block(Block),
    /// A message of the fast extension, which was not agreed on.
    #[error("a message of the fast extension, which was not agreed on")]
    NotFast,
    /// Blocks that nobody wants.
    #[error("it sends what was not asked for")]
    Unasked,
}

impl Torrent {
    /// A peer has said something.
    ///
    /// # Errors
    /// Nobody may say that. The connection is to be ended, and [`leave`](Torrent::leave) called.
    pub fn heard(&mut self, now: Instant, key: PeerKey, message: Message) -> Result<Heard, Violation> {
        if let Message::Request(block) = &message {
            self.existing(*block)?;
        }
        let Some(peer) = self.peers.get_mut(&key) else { return Ok(Heard::Nothing) };
        peer.heard(now);
        let is_first = !peer.begun;
        let says_what_it_has = matches!(message, Message::HaveAll | Message::HaveNone);
        let is_aside = matches!(message, Message::Extended { .. } | Message::Port(_) | Message::KeepAlive);
        if says_what_it_has && !is_first {
            return Err(Violation::Late);
        }
        // Some send the handshake of extensions before anything else.
        peer.begun |= !is_aside;
        let needs_fast = matches!(
            message,
            Message::HaveAll
                | Message::HaveNone
                | Message::Suggest(_)
                | Message::Reject(_)
                | Message::AllowedFast(_)
        );
        if needs_fast && !peer.fast {
            return Err(Violation::NotFast);
        }
        let pieces = self.info.layout().pieces();
        let exists = |piece: u32| if piece < pieces { Ok(piece) } else { Err(Violation::Piece(piece)) };
        match message {
            Message::KeepAlive | Message::HaveNone => {}
            Message::Choke => self.choked(key),
            Message::Unchoke => {
                peer.gives = true;
                self.ask(key, now);
            }
            Message::Interested => {
                peer.wants = true;
                let candidate = super::candidate(peer, now);
                if let Some(verdict) = self.choker.interested(&candidate, now) {
                    self.carry_out(verdict);
                }
            }
            Message::NotInterested => {
                peer.wants = false;
                let candidates = self.candidates(now);
                for verdict in self.choker.satisfied(key, now, &candidates) {
                    self.carry_out(verdict);
                }
            }
            Message::Have(piece) => {
                self.has_got(key, exists(piece)?);
                self.ask_if_idle(key, now);
            }
            Message::Bitfield(bytes) => {
                let has = Bitfield::read(&bytes, pieces).ok_or(Violation::Bitfield)?;
                if is_first {
                    self.has(key, has);
                } else {
                    // In place of many messages of one piece each, as aria2 has it.
                    has.iter().for_each(|piece| self.has_got(key, piece));
                    self.ask_if_idle(key, now);
                }
            }
            Message::HaveAll => self.has(key, Bitfield::all(pieces)),
            // It would be given in any case, if it is rare.
            Message::Suggest(piece) => drop(exists(piece)?),
            Message::AllowedFast(piece) => {
                peer.allow(exists(piece)?);
                self.ask_if_idle(key, now);
            }
            Message::Request(block) => self.requested(key, block),
            Message::Cancel(block) => peer.cancelled(block),
            Message::Reject(block) => {
                if peer.answered(block).is_some() {
                    self.picker.lost(block, key);
                    self.look_soon();
                }
            }
            Message::Piece { piece, begin, data } => return self.came(now, key, exists(piece)?, begin, data),
            message => return Ok(Heard::Other(message)),
        }
        Ok(Heard::Nothing)
    }

    /// Whether there are such bytes.
    fn existing(&self, block: Block) -> Result<(), Violation> {
        let (layout, end) = (self.info.layout(), u64::from(block.begin) + u64::from(block.length));
        let exists =
            block.begin < layout.piece_size(block.piece) && end <= layout.piece_room(block.piece).into();
        let fits = (1..=MAX_REQUEST).contains(&block.length);
        if exists && fits { Ok(()) } else { Err(Violation::Block(block)) }
    }

    /// A peer has told what it has.
    fn has(&mut self, key: PeerKey, has: Bitfield) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        self.picker.peer_came(&has);
        peer.wanted = has.iter().filter(|piece| self.picker.wants(*piece)).count() as u32;
        let is_seed = has.is_all();
        peer.has = has;
        self.mind(key);
        if is_seed {
            self.show_all();
        }
    }

    /// A peer has got a piece.
    fn has_got(&mut self, key: PeerKey, piece: u32) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if !peer.has.set(piece) {
            return;
        }
        self.picker.peer_got(piece, &peer.has);
        peer.wanted += u32::from(self.picker.wants(piece));
        self.shown_has_come(key, piece);
        self.mind(key);
    }

    /// A peer answers no requests from now on. What it was asked for is lost, unless it says of each (BEP 6).
    fn choked(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.gives = false;
        if !peer.fast {
            self.take_back(key);
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.pipeline.cleared();
            }
        }
    }

    /// A block has come.
    fn came(
        &mut self,
        now: Instant,
        key: PeerKey,
        piece: u32,
        begin: u32,
        data: Bytes,
    ) -> Result<Heard, Violation> {
        let Some(peer) = self.peers.get_mut(&key) else { return Ok(Heard::Nothing) };
        peer.down.add(now, data.len() as u64);
        // Blocks are no longer than the codec allows.
        let block = Block { piece, begin, length: data.len() as u32 };
        let Some(asked) = peer.answered(block) else {
            // It may have been on its way when it was cancelled.
            peer.unasked += 1;
            return if peer.unasked > MAX_UNASKED { Err(Violation::Unasked) } else { Ok(Heard::Nothing) };
        };
        let took = now.saturating_duration_since(asked.at);
        peer.pipeline.came(now, took, &peer.down, !peer.asked.is_empty());
        let heard = match self.picker.came(block, key) {
            Arrival::Taken { cancel, whole } => {
                if let Some(other) = cancel {
                    self.cancel(other, block);
                }
                Heard::Block { piece, begin, data, whole }
            }
            Arrival::Again | Arrival::Unasked => Heard::Nothing,
        };
        self.ask(key, now);
        Ok(heard)
    }

    /// Another peer need not send a block any more.
    fn cancel(&mut self, key: PeerKey, block: Block) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if peer.answered(block).is_some() {
            peer.say(Message::Cancel(block));
            self.wake(key);
        }
    }
}

impl Peer {
    /// It does not want a block any more.
    fn cancelled(&mut self, block: Block) {
        let Some(at) = self.requests.iter().position(|(_, request)| *request == block) else { return };
        self.requests.remove(at);
        if self.fast {
            self.say(Message::Reject(block));
        }
    }
}
