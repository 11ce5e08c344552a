//! What is known of one peer, and what is to be said to it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::reveal::Awaited;
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::pipeline::Pipeline;
use crate::proto::bittorrent::rate::Rate;
use crate::proto::bittorrent::wire::{Bitfield, Block, Message};

/// How long nothing is said until a keep-alive is: two minutes by BEP 3, and some time for the way.
const KEEP_ALIVE: Duration = Duration::from_secs(100);

/// The same for a peer that leaves after ten seconds of silence.
const KEEP_ALIVE_IMPATIENT: Duration = Duration::from_secs(8);

/// How long a peer may be silent until the connection is ended.
const SILENCE: Duration = Duration::from_secs(150);

/// Pieces that a peer may suggest or allow: the first so many count.
const MOST_ALLOWED: usize = 64;

/// A request of ours that waits for its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) block: Block,
    pub(super) at: Instant,
}

/// A peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) key: PeerKey,
    pub(super) addr: SocketAddr,
    /// Whether both know the fast extension (BEP 6).
    pub(super) fast: bool,
    impatient: bool,
    /// Whether pieces that follow each other are asked of it.
    pub(super) runs: bool,
    pub(super) since: Instant,
    /// Whether anything was heard but the handshake: what a peer has comes first, or not at all.
    pub(super) begun: bool,
    pub(super) has: Bitfield,
    /// Pieces of those that are wanted here.
    pub(super) wanted: u32,
    /// Whether we have told it that we are interested.
    pub(super) interested: bool,
    /// Whether it has unchoked us.
    pub(super) gives: bool,
    /// Whether it is interested.
    pub(super) wants: bool,
    /// Whether it wants nothing more, though it may not have all (BEP 21).
    pub(super) upload_only: bool,
    /// Pieces that it gives although it chokes us.
    pub(super) allows: Vec<u32>,
    /// Pieces that we give although we choke it.
    pub(super) allowed: Vec<u32>,
    pub(super) asked: VecDeque<Asked>,
    /// What it has asked for, with the number of the request among all of the torrent.
    pub(super) requests: VecDeque<(u64, Block)>,
    /// What it is told before any block.
    pub(super) words: VecDeque<Message>,
    /// How many of our pieces it was told of, in the order in which they came.
    pub(super) told: usize,
    /// Pieces that it was shown, if we pretend to have no others (BEP 16); and those of them that it has not got yet.
    pub(super) shown: Option<Bitfield>,
    pub(super) awaited: Vec<Awaited>,
    /// Seconds for which it has asked for nothing of them.
    pub(super) idle: u32,
    pub(super) down: Rate,
    pub(super) up: Rate,
    pub(super) pipeline: Pipeline,
    /// Blocks that were not asked for.
    pub(super) unasked: u32,
    heard_at: Instant,
    said_at: Instant,
}

impl Peer {
    pub(super) fn new(key: PeerKey, addr: SocketAddr, pieces: u32, now: Instant) -> Self {
        Self {
            key,
            addr,
            fast: false,
            impatient: false,
            runs: false,
            since: now,
            begun: false,
            has: Bitfield::none(pieces),
            wanted: 0,
            interested: false,
            gives: false,
            wants: false,
            upload_only: false,
            allows: Vec::new(),
            allowed: Vec::new(),
            asked: VecDeque::new(),
            requests: VecDeque::new(),
            words: VecDeque::new(),
            told: 0,
            shown: None,
            awaited: Vec::new(),
            idle: 0,
            down: Rate::new(now),
            up: Rate::new(now),
            pipeline: Pipeline::new(now),
            unasked: 0,
            heard_at: now,
            said_at: now,
        }
    }

    /// What is known of it from its handshake.
    pub(super) fn introduced(self, fast: bool, impatient: bool) -> Self {
        Self { fast, impatient, ..self }
    }

    pub(super) fn say(&mut self, message: Message) {
        self.words.push_back(message);
    }

    /// It allows a piece.
    pub(super) fn allow(&mut self, piece: u32) {
        if self.allows.len() < MOST_ALLOWED && !self.allows.contains(&piece) {
            self.allows.push(piece);
        }
    }

    /// Whether it may ask for a piece.
    pub(super) fn may_ask(&self, piece: u32, unchoked: bool) -> bool {
        unchoked || self.allowed.contains(&piece)
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    pub(super) fn said(&mut self, now: Instant) {
        self.said_at = now;
    }

    /// When it has to be told that we are still there.
    pub(super) fn keep_alive_at(&self) -> Instant {
        self.said_at + if self.impatient { KEEP_ALIVE_IMPATIENT } else { KEEP_ALIVE }
    }

    /// When it has been silent for too long.
    pub(super) fn silent_at(&self) -> Instant {
        self.heard_at + SILENCE
    }

    /// Takes a request of ours out of those that wait.
    pub(super) fn answered(&mut self, block: Block) -> Option<Asked> {
        let at = self.asked.iter().position(|asked| asked.block == block)?;
        self.asked.remove(at)
    }
}
