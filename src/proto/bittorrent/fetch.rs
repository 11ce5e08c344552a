//! The `info` dictionary of a torrent that is known by its hash only: which peer is asked for which piece of it (BEP
//! 9).
//!
//! Nothing but the hash over all of it tells right from wrong, and how long it is only peers say. So one length is
//! tried at a time, that which most peers say; pieces come from whoever is free. If the whole is wrong and came from
//! several, it is fetched from one peer alone, then from the next, until it is right. Who sent a wrong piece is known
//! by then, and banned. Who is asked and does not answer rests for a while. The other side, which gives pieces, is
//! [`Serving`].

mod attempt;
mod serving;

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::attempt::{Attempt, Came, Wrong};
pub use self::serving::Serving;
use super::BLOCK;
use super::hash::InfoHash;
use super::picker::PeerKey;
use super::wire::metadata::Metadata;

/// Bytes of an `info` dictionary at most: enough for 800,000 pieces of version 1. libtorrent takes 30 MB.
pub const MAX_METADATA: u32 = 16 << 20;

/// Requests that a peer has at a time.
const ASKED: usize = 4;

/// How long a peer may send nothing that it was asked for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a peer is not asked that has refused, or has sent nothing.
const REST: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Send this request to a peer.
    Ask(PeerKey, Metadata),
    /// Leave a peer, and refuse its address: it has sent a wrong piece.
    Ban(PeerKey),
    /// All is there, and has the hash: the bytes of the `info` dictionary. Nothing follows.
    Done(Bytes),
}

/// What a peer has done wrong. It is to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It has said two lengths of the same dictionary.
    #[error("metadata of {said} bytes, and then of {now}")]
    Total {
        /// In its handshake.
        said: u32,
        /// With a piece.
        now: u32,
    },
    /// A piece that is not as long as the pieces of a dictionary of that length are.
    #[error("piece {piece} of the metadata has {length} bytes")]
    Length {
        /// The piece.
        piece: u32,
        /// Its bytes.
        length: usize,
    },
}

/// Somebody who has the dictionary, or says so.
#[derive(Debug)]
struct Peer {
    /// Bytes of the dictionary, as it says.
    size: u32,
    asked: Vec<u32>,
    /// Since when it owes an answer.
    since: Instant,
    rests: Option<Instant>,
    /// How often it was tried, and nothing came of it.
    tried: u32,
}

/// An `info` dictionary that is fetched.
#[derive(Debug)]
pub struct Fetch {
    hash: InfoHash,
    peers: BTreeMap<PeerKey, Peer>,
    attempt: Option<Attempt>,
    /// What several peers have sent together, which was wrong.
    wrong: Option<Wrong>,
    todo: VecDeque<Todo>,
    done: bool,
}

impl Fetch {
    /// The dictionary that has this hash.
    #[must_use]
    pub fn new(hash: InfoHash) -> Self {
        let (peers, todo) = (BTreeMap::new(), VecDeque::new());
        Self { hash, peers, attempt: None, wrong: None, todo, done: false }
    }

    /// A peer that takes `ut_metadata` says how many bytes the dictionary has. One that says less than one byte or more
    /// than [`MAX_METADATA`] is not asked.
    pub fn join(&mut self, now: Instant, key: PeerKey, size: u32) {
        let says_the_same = self.peers.get(&key).is_some_and(|peer| peer.size == size);
        if self.done || says_the_same {
            return;
        }
        self.leave(key);
        if (1..=MAX_METADATA).contains(&size) {
            self.peers.insert(key, Peer { size, asked: Vec::new(), since: now, rests: None, tried: 0 });
        }
    }

    /// A peer has left.
    pub fn leave(&mut self, key: PeerKey) {
        self.peers.remove(&key);
        self.attempt.take_if(|attempt| attempt.alone == Some(key));
    }

    /// A peer has said something. Requests are not for this side, and pieces that nobody has asked for are passed over.
    ///
    /// # Errors
    /// It lies, and is not asked any more.
    pub fn heard(&mut self, now: Instant, key: PeerKey, said: Metadata) -> Result<(), FetchError> {
        let (Metadata::Data { piece, .. } | Metadata::Reject { piece } | Metadata::Request { piece }) = said;
        let Some(peer) = self.peers.get_mut(&key) else { return Ok(()) };
        let asked = peer.asked.iter().position(|asked| *asked == piece);
        match (said, asked) {
            (Metadata::Reject { .. }, Some(asked)) => {
                peer.asked.swap_remove(asked);
                peer.rests = Some(now + REST);
                Ok(())
            }
            (Metadata::Data { total, data, .. }, Some(asked)) => {
                peer.asked.swap_remove(asked);
                peer.since = now;
                let wrong = match () {
                    // Some leave it out.
                    () if total != 0 && total != peer.size => {
                        FetchError::Total { said: peer.size, now: total }
                    }
                    () if data.len() != length(peer.size, piece) => {
                        FetchError::Length { piece, length: data.len() }
                    }
                    () => {
                        let size = peer.size;
                        self.came(now, size, piece, Came { from: key, data });
                        return Ok(());
                    }
                };
                self.leave(key);
                Err(wrong)
            }
            _ => Ok(()),
        }
    }

    /// What is to be done next, until there is nothing: to be asked after each call, and at the
    /// [`deadline`](Self::deadline).
    pub fn poll(&mut self, now: Instant) -> Option<Todo> {
        if self.todo.is_empty() && !self.done {
            self.rest(now);
            self.decide(now);
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
        peers.chain(self.attempt.as_ref().map(Attempt::deadline)).min()
    }

    /// A piece has come that a peer was asked for.
    fn came(&mut self, now: Instant, size: u32, piece: u32, came: Came) {
        if let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.means(came.from, size)) {
            attempt.came(now, piece, came);
        }
        if let Some(attempt) = self.attempt.take_if(|attempt| attempt.is_whole()) {
            self.judge(attempt);
        }
    }

    /// All pieces have come: whether they are right, and who lies.
    fn judge(&mut self, attempt: Attempt) {
        let size = attempt.size;
        let (info, senders, pieces) = attempt.into_parts();
        self.done = self.hash.is_of(&info);
        let liars = match self.wrong.take() {
            wrong if self.done => wrong.map(|wrong| wrong.liars(&info)).unwrap_or_default(),
            wrong if senders.len() == 1 => {
                self.wrong = wrong;
                senders
            }
            _ => {
                self.wrong = Some(Wrong { size, pieces });
                return;
            }
        };
        for liar in liars {
            self.leave(liar);
            self.wrong.iter_mut().for_each(|wrong| wrong.forget(liar));
            self.todo.push_back(Todo::Ban(liar));
        }
        if self.done {
            self.peers.clear();
            self.todo.push_back(Todo::Done(info));
        }
    }

    /// Peers that owe an answer for too long rest; those that have rested go on.
    fn rest(&mut self, now: Instant) {
        for peer in self.peers.values_mut() {
            peer.rests.take_if(|until| *until <= now);
            if !peer.asked.is_empty() && peer.since + PATIENCE <= now {
                peer.asked.clear();
                peer.rests = Some(now + REST);
            }
        }
    }

    /// Begins an attempt, if there is none, or none of which something comes.
    fn decide(&mut self, now: Instant) {
        if let Some(attempt) = &mut self.attempt {
            if attempt.deadline() > now {
                return;
            }
            attempt.go_on(now);
            for (key, peer) in &mut self.peers {
                peer.tried = peer.tried.saturating_add(u32::from(attempt.means(*key, peer.size)));
            }
        }
        let Some((size, alone)) = self.choose() else { return };
        if self.attempt.as_ref().is_some_and(|attempt| (attempt.size, attempt.alone) == (size, alone)) {
            return;
        }
        self.attempt = match (alone, &self.wrong) {
            (Some(key), Some(wrong)) => {
                let tried = self.peers.get(&key).map_or(0, |peer| peer.tried);
                Some(Attempt::alone(now, size, key, tried, wrong))
            }
            _ => Some(Attempt::together(now, size)),
        };
    }

    /// The length to try, and the single peer if it is to be one: who was tried least, then what most say, then who
    /// has sent most of what was wrong, as that need not be sent again.
    fn choose(&self) -> Option<(u32, Option<PeerKey>)> {
        let least = self.peers.values().map(|peer| peer.tried).min()?;
        let fresh = self.peers.iter().filter(|(_, peer)| peer.tried == least);
        if let Some(wrong) = &self.wrong {
            let (key, peer) = fresh.max_by_key(|(key, _)| (wrong.sent(**key), Reverse(**key)))?;
            return Some((peer.size, Some(*key)));
        }
        let mut sizes: BTreeMap<u32, u32> = BTreeMap::new();
        fresh.for_each(|(_, peer)| *sizes.entry(peer.size).or_default() += 1);
        let (size, _) = sizes.into_iter().max_by_key(|(size, says)| (*says, Reverse(*size)))?;
        Some((size, None))
    }

    /// The next request: to who has the fewest.
    fn ask(&mut self, now: Instant) -> Option<Todo> {
        let attempt = self.attempt.as_ref()?;
        let meant = || self.peers.iter().filter(|(key, peer)| attempt.means(**key, peer.size));
        let asked: Vec<u32> = meant().flat_map(|(_, peer)| &peer.asked).copied().collect();
        let mut free: Vec<(usize, PeerKey)> = meant()
            .filter(|(_, peer)| peer.rests.is_none() && peer.asked.len() < ASKED)
            .map(|(key, peer)| (peer.asked.len(), *key))
            .collect();
        free.sort_unstable();
        for (_, key) in free {
            let Some(peer) = self.peers.get_mut(&key) else { continue };
            let Some(piece) = attempt.wanted(&peer.asked, &asked) else { continue };
            if peer.asked.is_empty() {
                peer.since = now;
            }
            peer.asked.push(piece);
            return Some(Todo::Ask(key, Metadata::Request { piece }));
        }
        None
    }
}

/// How many pieces a dictionary of so many bytes has.
fn count(size: u32) -> usize {
    size.div_ceil(BLOCK) as usize
}

/// Bytes of one of its pieces; 0 if there is no such piece.
fn length(size: u32, piece: u32) -> usize {
    let behind = u64::from(size).saturating_sub(u64::from(piece) * u64::from(BLOCK));
    behind.min(BLOCK.into()) as usize
}

#[cfg(test)]
mod tests;
