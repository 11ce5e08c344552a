//! Which peers are told of which others, and whom to believe (BEP 11, "peer exchange").
//!
//! Each peer is told what has changed since it was told last: who came, and who left, 50 of each at most, once a
//! minute. What peers tell is a hint and no more: addresses that could be none are passed over, those within a
//! private network are believed only to peers that are in one themselves, and those who left are not even looked at.
//! A private torrent has no gossip at all (BEP 27).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::addresses::{is_local, is_possible};
use super::picker::PeerKey;
use super::wire::pex::{Exchange, Flags, MAX_PEERS};

/// Between two messages to a peer (BEP 11, "no more than once a minute").
const PERIOD: Duration = Duration::from_secs(60);

/// Messages that may come early, as networks delay some and not others.
const EARLY: u32 = 2;

/// Messages in a row that come too often and are passed over, before their sender is to be left.
const IGNORED: u32 = 8;

/// Peers that others are told of at most; libtorrent has no more than 200 connections by default.
pub const MAX_TOLD: usize = 500;

/// A peer that tells of others much more often than once a minute. It is to be left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it tells of other peers all the time")]
pub struct TooOften;

/// A peer that knows `ut_pex`.
#[derive(Debug)]
struct Listener {
    addr: SocketAddr,
    /// Whom it was told of.
    told: BTreeSet<SocketAddr>,
    next: Instant,
    /// Of how many changes there is nothing more to tell it.
    seen: u64,
    /// Messages that it may send, and since when they are counted.
    allowance: u32,
    counted: Instant,
    ignored: u32,
}

/// The gossip of a torrent.
#[derive(Debug, Default)]
pub struct Gossip {
    /// Who is there.
    peers: BTreeMap<SocketAddr, Flags>,
    listeners: BTreeMap<PeerKey, Listener>,
    ours: BTreeSet<SocketAddr>,
    /// How often somebody has come or left.
    changes: u64,
}

impl Gossip {
    /// One in which nobody takes part. `ours` are the addresses at which we are called, as far as they are known:
    /// whoever tells of them tells nothing new.
    #[must_use]
    pub fn new(ours: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { ours: ours.into_iter().collect(), ..Self::default() }
    }

    /// There is a connection with a peer, which takes connections at this address; others are to hear of it. Of one
    /// that has called from a port that is not known to take connections, nobody should. More than [`MAX_TOLD`] are
    /// not kept.
    pub fn came(&mut self, addr: SocketAddr, flags: Flags) {
        if is_possible(addr) && (self.peers.len() < MAX_TOLD || self.peers.contains_key(&addr)) {
            let before = self.peers.insert(addr, flags);
            self.changes += u64::from(before.is_none());
        }
    }

    /// The connection with a peer has ended.
    pub fn left(&mut self, addr: SocketAddr) {
        self.changes += u64::from(self.peers.remove(&addr).is_some());
    }

    /// A peer knows `ut_pex`: it is told from now on. `addr` is where it takes connections, or else where it called
    /// from.
    pub fn join(&mut self, now: Instant, key: PeerKey, addr: SocketAddr) {
        self.listeners.entry(key).or_insert_with(|| Listener {
            addr,
            told: BTreeSet::new(),
            next: now,
            seen: 0,
            allowance: 1 + EARLY,
            counted: now,
            ignored: 0,
        });
    }

    /// A peer is not told any more.
    pub fn leave(&mut self, key: PeerKey) {
        self.listeners.remove(&key);
    }

    /// When [`poll`](Self::poll) may have something to say, if anybody has come or left.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let behind = self.listeners.values().filter(|listener| listener.seen != self.changes);
        behind.map(|listener| listener.next).min()
    }

    /// What is to be said to a peer now, until there is nothing.
    pub fn poll(&mut self, now: Instant) -> Option<(PeerKey, Exchange)> {
        let changes = self.changes;
        let behind = self.listeners.iter_mut().filter(|(_, listener)| listener.seen != changes);
        for (key, listener) in behind.filter(|(_, listener)| listener.next <= now) {
            let news = listener.news(&self.peers);
            if news.added.len().max(news.dropped.len()) < MAX_PEERS {
                listener.seen = changes;
            }
            if news != Exchange::default() {
                listener.next = now + PERIOD;
                return Some((*key, news));
            }
        }
        None
    }

    /// What a peer tells: addresses that may be called, at most 100. Nothing if it has told less than a minute ago.
    ///
    /// # Errors
    /// It does so all the time.
    pub fn heard(
        &mut self,
        now: Instant,
        key: PeerKey,
        said: &Exchange,
    ) -> Result<Vec<(SocketAddr, Flags)>, TooOften> {
        let Some(listener) = self.listeners.get_mut(&key) else { return Ok(Vec::new()) };
        if !listener.may_tell(now) {
            listener.ignored += 1;
            return if listener.ignored > IGNORED { Err(TooOften) } else { Ok(Vec::new()) };
        }
        listener.ignored = 0;
        let teller = listener.addr;
        let mut seen = BTreeSet::new();
        let is_new = |addr: SocketAddr| {
            is_possible(addr)
                && (!is_local(addr.ip()) || is_local(teller.ip()))
                && addr != teller
                && !self.ours.contains(&addr)
                && !self.peers.contains_key(&addr)
        };
        let told = said.added.iter().take(2 * MAX_PEERS).copied();
        Ok(told.filter(|(addr, _)| is_new(*addr) && seen.insert(*addr)).collect())
    }
}

impl Listener {
    /// What it was not told yet.
    fn news(&mut self, peers: &BTreeMap<SocketAddr, Flags>) -> Exchange {
        let may_hear =
            |addr: SocketAddr| addr != self.addr && (!is_local(addr.ip()) || is_local(self.addr.ip()));
        let fresh = peers.iter().filter(|(addr, _)| may_hear(**addr) && !self.told.contains(*addr));
        let added: Vec<_> = fresh.map(|(addr, flags)| (*addr, *flags)).take(MAX_PEERS).collect();
        let gone = self.told.iter().filter(|addr| !peers.contains_key(*addr)).copied();
        let dropped: Vec<_> = gone.take(MAX_PEERS).collect();
        self.told.extend(added.iter().map(|(addr, _)| *addr));
        dropped.iter().for_each(|addr| {
            self.told.remove(addr);
        });
        Exchange { added, dropped }
    }

    /// Whether it may tell something now: once a minute, and a few times early.
    fn may_tell(&mut self, now: Instant) -> bool {
        let minutes = now.saturating_duration_since(self.counted).as_secs() / PERIOD.as_secs();
        if minutes > 0 {
            let minutes = u32::try_from(minutes).unwrap_or(u32::MAX);
            self.allowance = self.allowance.saturating_add(minutes).min(1 + EARLY);
            self.counted += PERIOD * minutes;
        }
        let may = self.allowance > 0;
        self.allowance = self.allowance.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests;
