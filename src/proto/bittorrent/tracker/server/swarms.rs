//! All torrents of a tracker, and who shares them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Bound;
use std::time::{Duration, Instant};

use super::Limits;
use super::swarm::{Kind, Swarm};
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::random::Random;
use crate::proto::bittorrent::tracker::{Counts, Event};

/// Between two times that everybody is looked at.
const SWEEP: Duration = Duration::from_secs(60);

/// Torrents that are looked at in one go, so that nobody waits long for an answer.
const PART: usize = 1000;

/// A peer that comes, or comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The torrent.
    pub info_hash: Sha1,
    /// Where it is. With port 0 it is answered, but not told of.
    pub addr: SocketAddr,
    /// Bytes that it misses, if it says so. It may not be so: some say 0 while they know of nothing but a magnet link.
    pub left: Option<u64>,
    /// What has happened.
    pub event: Option<Event>,
    /// How many peers it wants.
    pub numwant: Option<u32>,
}

/// Which peers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// Those of the family of this address: there is room for no others in a packet (BEP 15).
    Only(IpAddr),
    /// Those of the peer's own family first, then those of the other.
    Both,
}

/// Who else shares a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many.
    pub counts: Counts,
    /// Where some of them are.
    pub peers: Vec<SocketAddr>,
}

/// There are as many torrents as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tracker is full")]
pub struct Full;

/// Torrents and their peers.
#[derive(Debug)]
pub struct Swarms {
    limits: Limits,
    torrents: BTreeMap<Sha1, Swarm>,
    peers: usize,
    seeds: usize,
    completed: u64,
    begun: Instant,
    /// Up to where everybody was looked at, and when to go on.
    swept: Option<Sha1>,
    next: Instant,
    /// When the present look at everybody has begun.
    sweep: Instant,
    random: Random,
}

impl Swarms {
    /// None yet. `seed` decides who is told of whom.
    #[must_use]
    pub fn new(limits: Limits, now: Instant, seed: u64) -> Self {
        Self {
            limits,
            torrents: BTreeMap::new(),
            peers: 0,
            seeds: 0,
            completed: 0,
            begun: now,
            swept: None,
            next: now + SWEEP,
            sweep: now + SWEEP,
            random: Random::new(seed),
        }
    }

    /// A peer comes, stays or goes; who else is there.
    ///
    /// # Errors
    /// The torrent is new, and there are too many.
    pub fn announce(&mut self, now: Instant, arrival: &Arrival, families: Families) -> Result<Found, Full> {
        let Arrival { info_hash, addr, event, .. } = *arrival;
        let stops = event == Some(Event::Stopped);
        if !self.torrents.contains_key(&info_hash) {
            if stops {
                return Ok(Found { counts: Counts::default(), peers: Vec::new() });
            }
            if self.torrents.len() >= self.limits.torrents {
                return Err(Full);
            }
        }
        let seen = self.second(now);
        let room = self.peers < self.limits.peers;
        let swarm = self.torrents.entry(info_hash).or_default();
        let before = (swarm.len(), swarm.seeds());
        let known = swarm.kind(addr);
        let kind = match (arrival.left, event) {
            (Some(0), _) => Kind::Seed,
            (_, Some(Event::Paused)) => Kind::Partial,
            _ => Kind::Leecher,
        };
        // Only who was seen to miss something can have got it.
        if event == Some(Event::Completed) && matches!(known, Some(Kind::Leecher | Kind::Partial)) {
            swarm.completed = swarm.completed.saturating_add(1);
            self.completed += 1;
        }
        if stops {
            swarm.remove(addr);
        } else if addr.port() != 0 && (known.is_some() || room && swarm.len() < self.limits.peers_per_torrent)
        {
            swarm.put(addr, kind, seen, self.limits.peers_per_address.max(1));
        }
        let mut peers = Vec::new();
        if !stops {
            let wanted = arrival.numwant.unwrap_or(self.limits.numwant).min(self.limits.max_numwant) as usize;
            let own = match families {
                Families::Only(ip) => ip.is_ipv4(),
                Families::Both => addr.is_ipv4(),
            };
            swarm.choose(own, wanted, addr, &mut self.random, &mut peers);
            if families == Families::Both {
                swarm.choose(!own, wanted, addr, &mut self.random, &mut peers);
            }
        }
        let counts = swarm.counts();
        let after = (swarm.len(), swarm.seeds());
        if after.0 == 0 {
            // With the last peer it is forgotten how often the torrent was got.
            self.torrents.remove(&info_hash);
        }
        self.count(before, after);
        Ok(Found { counts, peers })
    }

    /// How many share a torrent, if somebody does.
    #[must_use]
    pub fn counts(&self, torrent: Sha1) -> Option<Counts> {
        self.torrents.get(&torrent).map(Swarm::counts)
    }

    /// All torrents that somebody shares, in the order of their hashes.
    pub fn all(&self) -> impl Iterator<Item = (Sha1, Counts)> {
        self.torrents.iter().map(|(hash, swarm)| (*hash, swarm.counts()))
    }

    /// Torrents, seeds, and peers that are none.
    #[must_use]
    pub fn totals(&self) -> (usize, usize, usize) {
        (self.torrents.len(), self.seeds, self.peers - self.seeds)
    }

    /// How often torrents were got.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// Forgets those who have not come back, of some torrents, if it is time.
    pub fn poll(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        if self.swept.is_none() {
            self.sweep = now;
        }
        let expiry = u32::try_from(self.limits.expiry.as_secs()).unwrap_or(u32::MAX);
        let before = self.second(now).saturating_sub(expiry);
        let begin = self.swept.map_or(Bound::Unbounded, Bound::Excluded);
        let mut empty = Vec::new();
        let (mut was, mut is) = ((0, 0), (0, 0));
        self.swept = None;
        for (place, (hash, swarm)) in self.torrents.range_mut((begin, Bound::Unbounded)).enumerate() {
            if place == PART {
                break;
            }
            was = (was.0 + swarm.len(), was.1 + swarm.seeds());
            swarm.expire(before);
            is = (is.0 + swarm.len(), is.1 + swarm.seeds());
            if swarm.len() == 0 {
                empty.push(*hash);
            }
            self.swept = Some(*hash).filter(|_| place + 1 == PART);
        }
        empty.iter().for_each(|hash| drop(self.torrents.remove(hash)));
        self.count(was, is);
        self.next = if self.swept.is_some() { now } else { self.sweep + SWEEP };
    }

    /// When [`poll`](Self::poll) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// The number of a second since it has begun.
    fn second(&self, now: Instant) -> u32 {
        let age = now.saturating_duration_since(self.begun).as_secs();
        u32::try_from(age).unwrap_or(u32::MAX)
    }

    fn count(&mut self, before: (usize, usize), after: (usize, usize)) {
        self.peers = (self.peers + after.0).saturating_sub(before.0);
        self.seeds = (self.seeds + after.1).saturating_sub(before.1);
    }
}
