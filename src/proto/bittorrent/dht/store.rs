//! Peers that were announced to us: what the network is for (BEP 5, "announce_peer").
//!
//! A peer is kept for half an hour; whoever is still there announces again. A torrent has one port an address; an
//! address has a number of torrents; and when there is no room for another torrent, that with the fewest peers
//! goes. So one host neither fills a torrent with peers that are none, nor drives out what others have announced.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::contact::Family;
use super::krpc::{Filters, Samples};
use super::scope;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::random::Random;

/// How long a peer is kept after its announce (BEP 33 counts those of the last 30 minutes).
pub(super) const KEPT: Duration = Duration::from_secs(30 * 60);

/// Info hashes in a sample. libtorrent has 20 (`dht_max_infohashes_sample_count`).
const SAMPLES: usize = 20;

/// How long a sample stays the same: six hours, as in libtorrent, and the most that BEP 51 allows.
const SAMPLED: Duration = Duration::from_secs(6 * 60 * 60);

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreLimits {
    /// Torrents.
    pub torrents: usize,
    /// Peers of a torrent.
    pub peers: usize,
    /// Torrents that peers of one address are in; of IPv6, of one /64.
    pub per_source: usize,
}

impl Default for StoreLimits {
    /// 2,000 torrents, as libtorrent has (`dht_max_torrents`), of 500 peers (`dht_max_peers`); 200 an address.
    fn default() -> Self {
        Self { torrents: 2000, peers: 500, per_source: 200 }
    }
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    addr: SocketAddr,
    seed: bool,
    at: Instant,
}

/// All peers that are known, by torrent and owner of the address.
#[derive(Debug)]
pub(super) struct Store {
    limits: StoreLimits,
    torrents: BTreeMap<Sha1, BTreeMap<IpAddr, Peer>>,
    /// How many torrents a source has.
    sources: BTreeMap<IpAddr, usize>,
    sample: Vec<Sha1>,
    sampled: Option<Instant>,
}

impl Store {
    pub(super) fn new(limits: StoreLimits) -> Self {
        Self {
            limits,
            torrents: BTreeMap::new(),
            sources: BTreeMap::new(),
            sample: Vec::new(),
            sampled: None,
        }
    }

    /// How many torrents, and how many peers in all.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.torrents.len(), self.torrents.values().map(BTreeMap::len).sum())
    }

    /// A peer of a torrent: whether it is kept.
    pub(super) fn announce(&mut self, now: Instant, info_hash: Sha1, addr: SocketAddr, seed: bool) -> bool {
        let source = scope::source(addr.ip());
        let peer = Peer { addr, seed, at: now };
        if let Some(known) = self.torrents.get_mut(&info_hash).and_then(|peers| peers.get_mut(&source)) {
            *known = peer;
            return true;
        }
        if self.sources.get(&source).copied().unwrap_or_default() >= self.limits.per_source {
            return false;
        }
        if !self.torrents.contains_key(&info_hash) && self.torrents.len() >= self.limits.torrents {
            self.drop_smallest();
        }
        let is_full = self.torrents.get(&info_hash).is_some_and(|peers| peers.len() >= self.limits.peers);
        if is_full {
            self.drop_oldest(info_hash);
        }
        self.torrents.entry(info_hash).or_default().insert(source, peer);
        *self.sources.entry(source).or_default() += 1;
        true
    }

    fn drop_smallest(&mut self) {
        let Some(smallest) = self.torrents.iter().min_by_key(|(_, peers)| peers.len()).map(|(hash, _)| *hash)
        else {
            return;
        };
        for source in self.torrents.remove(&smallest).into_iter().flat_map(BTreeMap::into_keys) {
            self.left(source);
        }
    }

    fn drop_oldest(&mut self, info_hash: Sha1) {
        let Some(peers) = self.torrents.get_mut(&info_hash) else { return };
        let Some(oldest) = peers.iter().min_by_key(|(_, peer)| peer.at).map(|(source, _)| *source) else {
            return;
        };
        peers.remove(&oldest);
        self.left(oldest);
    }

    /// A source is in a torrent less.
    fn left(&mut self, source: IpAddr) {
        if let Some(torrents) = self.sources.get_mut(&source) {
            *torrents -= 1;
            if *torrents == 0 {
                self.sources.remove(&source);
            }
        }
    }

    /// Up to `count` peers of a torrent, by chance; seeds only if there are no others, if those are not wanted.
    pub(super) fn peers(
        &self,
        info_hash: Sha1,
        family: Family,
        noseed: bool,
        count: usize,
        random: &mut Random,
    ) -> Vec<SocketAddr> {
        let all = self.torrents.get(&info_hash).into_iter().flat_map(BTreeMap::values);
        let mut peers: Vec<&Peer> = all.filter(|peer| Family::of(peer.addr.ip()) == family).collect();
        for at in 0..peers.len().min(count) {
            let other = at + random.below((peers.len() - at) as u32) as usize;
            peers.swap(at, other);
        }
        if noseed {
            peers.sort_by_key(|peer| peer.seed);
        }
        peers.into_iter().take(count).map(|peer| peer.addr).collect()
    }

    /// The peers of a torrent, counted (BEP 33). `None` if there is none.
    pub(super) fn filters(&self, info_hash: Sha1) -> Option<Filters> {
        let mut filters = Filters::default();
        for peer in self.torrents.get(&info_hash)?.values() {
            let filter = if peer.seed { &mut filters.seeds } else { &mut filters.peers };
            filter.insert(peer.addr.ip());
        }
        Some(filters)
    }

    /// Some of the torrents (BEP 51): the same ones for hours, if there are many, so that it is of no use to ask often.
    pub(super) fn samples(&mut self, now: Instant, random: &mut Random) -> Samples {
        let age = self.sampled.map(|at| now.saturating_duration_since(at));
        let is_full = self.sample.len() == SAMPLES;
        if age.is_none_or(|age| age >= SAMPLED) || !is_full {
            self.sampled = Some(now);
            self.sample = self.torrents.keys().copied().collect();
            for at in 0..self.sample.len().min(SAMPLES) {
                let other = at + random.below((self.sample.len() - at) as u32) as usize;
                self.sample.swap(at, other);
            }
            self.sample.truncate(SAMPLES);
        }
        let left = self.sampled.map_or(SAMPLED, |at| (at + SAMPLED).saturating_duration_since(now));
        let interval = if self.sample.len() < SAMPLES { 0 } else { left.as_secs() as u32 };
        Samples { interval, num: self.torrents.len() as u64, hashes: self.sample.clone() }
    }

    /// Forgets peers that have not announced for [`KEPT`].
    pub(super) fn expire(&mut self, now: Instant) {
        let mut gone = Vec::new();
        self.torrents.retain(|_, peers| {
            peers.retain(|source, peer| {
                let stays = now.saturating_duration_since(peer.at) < KEPT;
                if !stays {
                    gone.push(*source);
                }
                stays
            });
            !peers.is_empty()
        });
        gone.into_iter().for_each(|source| self.left(source));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use super::*;

    fn addr(number: u32) -> SocketAddr {
        (Ipv4Addr::from(0x0b00_0000 + number), 6881).into()
    }

    fn hash(number: u32) -> Sha1 {
        Sha1::of(&number.to_be_bytes())
    }

    fn peers(store: &Store, info_hash: Sha1, noseed: bool, count: usize) -> BTreeSet<SocketAddr> {
        store.peers(info_hash, Family::V4, noseed, count, &mut Random::new(7)).into_iter().collect()
    }

    #[test]
    fn peers_are_kept_for_half_an_hour() {
        let begun = Instant::now();
        let mut store = Store::new(StoreLimits::default());
        assert!(store.announce(begun, hash(1), addr(1), false));
        assert!(store.announce(begun + Duration::from_secs(60), hash(1), addr(2), false));
        assert_eq!(peers(&store, hash(1), false, 10), BTreeSet::from([addr(1), addr(2)]));
        store.expire(begun + KEPT);
        assert_eq!(peers(&store, hash(1), false, 10), BTreeSet::from([addr(2)]));
        store.announce(begun + KEPT, hash(1), addr(2), false);
        store.expire(begun + KEPT + Duration::from_secs(60));
        assert_eq!(store.len(), (1, 1), "it has announced again");
        store.expire(begun + KEPT * 2);
        assert_eq!((store.len(), store.sources.len()), ((0, 0), 0));
    }

    #[test]
    fn an_address_has_one_port_and_some_torrents() {
        let now = Instant::now();
        let limits = StoreLimits { torrents: 10, peers: 5, per_source: 3 };
        let mut store = Store::new(limits);
        for port in 1..100 {
            assert!(store.announce(now, hash(1), SocketAddr::new(addr(1).ip(), port), false));
        }
        assert_eq!(peers(&store, hash(1), false, 10), BTreeSet::from([SocketAddr::new(addr(1).ip(), 99)]));
        let kept = (0..100).filter(|number| store.announce(now, hash(*number), addr(1), false)).count();
        assert_eq!((kept, store.len()), (3, (3, 3)));
        // Of IPv6, a /64 is an address.
        for host in 1..100u16 {
            store.announce(now, hash(1), (IpAddr::from([0x2a00, 0, 0, 1, 0, 0, 0, host]), 1).into(), false);
        }
        assert_eq!(store.len(), (3, 4));
        assert_eq!(store.peers(hash(1), Family::V6, false, 10, &mut Random::new(1)).len(), 1);
    }

    #[test]
    fn there_is_no_more_than_the_limits_allow() {
        let begun = Instant::now();
        let limits = StoreLimits { torrents: 10, peers: 5, per_source: 3 };
        let mut store = Store::new(limits);
        for number in 0..4 {
            store.announce(begun, hash(0), addr(number), false);
        }
        for number in 0..1000 {
            let now = begun + Duration::from_secs(number.into());
            assert!(store.announce(now, hash(number), addr(number), false));
            assert!(store.len().0 <= 10);
        }
        assert!(peers(&store, hash(0), false, 10).len() == 4, "that with most peers is the last to go");
        for number in 0..100 {
            store.announce(
                begun + Duration::from_secs(number.into()),
                hash(5000),
                addr(1_000_000 + number),
                false,
            );
        }
        let last = (95..100).map(|number| addr(1_000_000 + number)).collect();
        assert_eq!(peers(&store, hash(5000), false, 10), last, "those that came last");
        let counted: usize = store.sources.values().sum();
        assert_eq!(counted, store.len().1, "what is counted is what there is");
    }

    #[test]
    fn seeds_are_told_apart() {
        let now = Instant::now();
        let mut store = Store::new(StoreLimits::default());
        for number in 0..30 {
            store.announce(now, hash(1), addr(number), number % 3 == 0);
        }
        assert_eq!(peers(&store, hash(1), false, 100).len(), 30);
        let some = peers(&store, hash(1), true, 20);
        assert!(some.len() == 20 && (0..30).step_by(3).all(|seed| !some.contains(&addr(seed))));
        assert_eq!(peers(&store, hash(1), true, 25).len(), 25, "some seeds, as there are no others");
        let filters = store.filters(hash(1)).unwrap();
        assert!(
            (filters.seeds.estimate() - 10.0).abs() < 1.0 && (filters.peers.estimate() - 20.0).abs() < 2.0
        );
        assert_eq!(store.filters(hash(2)), None);
        // By chance, each of them comes.
        let mut random = Random::new(1);
        let all: BTreeSet<_> =
            (0..50).flat_map(|_| store.peers(hash(1), Family::V4, false, 5, &mut random)).collect();
        assert_eq!(all.len(), 30);
    }

    #[test]
    fn samples_stay_the_same_for_hours() {
        let begun = Instant::now();
        let mut random = Random::new(1);
        let mut store = Store::new(StoreLimits::default());
        assert_eq!(store.samples(begun, &mut random), Samples { interval: 0, num: 0, hashes: vec![] });
        for number in 0..19 {
            store.announce(begun, hash(number), addr(number), false);
        }
        let few = store.samples(begun, &mut random);
        assert_eq!((few.interval, few.num, few.hashes.len()), (0, 19, 19), "all there are");
        for number in 0..100 {
            store.announce(begun, hash(number), addr(number), false);
        }
        let sample = store.samples(begun, &mut random);
        assert_eq!((sample.interval, sample.num, sample.hashes.len()), (21_600, 100, 20));
        assert_eq!(sample.hashes.iter().collect::<BTreeSet<_>>().len(), 20);
        let later = store.samples(begun + Duration::from_secs(600), &mut random);
        assert_eq!((later.interval, &later.hashes), (21_000, &sample.hashes));
        assert_ne!(store.samples(begun + SAMPLED, &mut random).hashes, sample.hashes);
    }
}
