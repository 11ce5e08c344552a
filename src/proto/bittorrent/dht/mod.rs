//! The DHT: a tracker that is made of everybody (BEP 5, and its extensions 32, 33, 42, 43 and 51).
//!
//! A [`Dht`] is one node in the network of IPv4, in that of IPv6, or in both. It is fed with datagrams, with the
//! time and with what its owner wants; it gives out datagrams to be sent ([`Transmit`]) and what it has found
//! ([`Event`]):
//!
//! * whenever a datagram comes, [`receive`](Dht::receive); at [`deadline`](Dht::deadline), [`poll`](Dht::poll);
//! * after each call of any kind, [`transmit`](Dht::transmit) and [`event`](Dht::event), until there is nothing.
//!
//! Of everything that others can make grow there is a limit ([`Limits`]). Nothing that a node says of itself, or of
//! others, is believed further than it can be seen: only those who have answered are kept, and told to others.
//! Torrents that are private are not for the DHT (BEP 27): its owner does not ask for them here.

mod answering;
mod asking;
pub mod bloom;
pub mod contact;
mod guard;
pub mod id;
pub mod krpc;
mod lookup;
mod network;
mod rtt;
mod saved;
mod scope;
mod search;
mod searching;
mod secret;
mod settings;
mod store;
mod table;
mod token;
mod transactions;
mod upkeep;
mod votes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use self::contact::Family;
use self::guard::{Budget, Proven, Sources};
use self::network::Network;
pub use self::saved::{NoState, Saved};
use self::scope::Scope;
use self::search::{Aim, Search};
use self::secret::Secrets;
pub use self::settings::{Limits, Settings};
use self::store::Store;
pub use self::store::StoreLimits;
use self::token::Tokens;
use self::transactions::Transactions;
use super::hash::Sha1;
use super::random::Random;

/// A datagram to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to, over UDP.
    pub to: SocketAddr,
    /// Its bytes: 1,400 at most.
    pub bytes: Vec<u8>,
}

/// What is announced of us as a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The port that peers can connect to.
    pub port: u16,
    /// It is that of our datagrams as others see it, whatever it is: behind a router that changes ports, a peer with
    /// uTP at the same socket does not know it.
    pub implied_port: bool,
    /// We have everything (BEP 33).
    pub seed: bool,
}

/// What is looked for, apart from peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchOptions {
    /// How many peers and seeds there are (BEP 33). libtorrent then answers with that, and without peers: to have
    /// both, search twice.
    pub scrape: bool,
    /// Seeds are of no use to us.
    pub noseed: bool,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A search for nodes that are close to us is over, and there are so many nodes now. Without any, it is
    /// repeated: after five seconds at first, after five minutes at last.
    Bootstrapped {
        /// In which network.
        family: Family,
        /// Nodes in the routing table.
        nodes: usize,
    },
    /// Peers of a torrent, each once in a search. They are hints: nobody has seen them.
    Peers {
        /// The torrent.
        info_hash: Sha1,
        /// The peers.
        peers: Vec<SocketAddr>,
    },
    /// A search is over.
    Searched {
        /// The torrent.
        info_hash: Sha1,
        /// Nodes that have answered.
        nodes: usize,
        /// Peers that were found.
        peers: usize,
        /// How many there are, if that was asked, and anybody knew.
        scrape: Option<Scrape>,
    },
    /// We are announced: it is repeated after 15 to 20 minutes, or after one if no node has taken it.
    Announced {
        /// The torrent.
        info_hash: Sha1,
        /// Nodes that have taken it.
        nodes: usize,
    },
    /// Torrents that a node has peers for (BEP 51).
    Samples {
        /// The node. It is not to be asked again before `interval` is over.
        from: SocketAddr,
        /// When it may be asked again.
        interval: Duration,
        /// How many torrents it has in all.
        total: u64,
        /// Some of them.
        info_hashes: Vec<Sha1>,
    },
    /// A survey is over.
    Sampled {
        /// What was close to the nodes that were asked.
        target: Sha1,
    },
    /// Our address, as others see it, is this from now on.
    External(IpAddr),
}

/// Peers of a torrent, roughly (BEP 33).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scrape {
    /// Those that have everything.
    pub seeds: f64,
    /// The others.
    pub peers: f64,
}

/// An announce that is repeated until it is withdrawn.
#[derive(Clone, Copy, Debug)]
struct Repeated {
    announce: Announce,
    due: Instant,
}

/// A node of the DHT.
#[derive(Debug)]
pub struct Dht {
    settings: Settings,
    scope: Scope,
    networks: BTreeMap<Family, Network>,
    secrets: Secrets,
    random: Random,
    tokens: Tokens,
    store: Store,
    sources: Sources,
    proven: Proven,
    /// Bytes of answers.
    answers: Budget,
    /// Pings of nodes that have asked something, and have not proven that they are there.
    pings: Budget,
    transactions: Transactions,
    searches: BTreeMap<u32, Search>,
    last_search: u32,
    waiting: VecDeque<Aim>,
    /// When the next of them begins, if it is not early.
    next_begin: Instant,
    announces: BTreeMap<Sha1, Repeated>,
    /// When announces are due.
    due: BTreeSet<(Instant, Sha1)>,
    /// When to bootstrap, and how long to wait after the next failure.
    bootstrap: Option<Instant>,
    pause: Duration,
    upkeep: Instant,
    expire: Instant,
    out: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl Dht {
    /// A node that has been before as `saved` says, or has not. `seed` has to be drawn by a generator that nobody
    /// foretells: tokens and transaction ids are made of it.
    #[must_use]
    pub fn new(settings: Settings, saved: Saved, now: Instant, seed: [u8; 32]) -> Self {
        let limits = settings.limits;
        let scope = Scope { local: settings.local, enforce: settings.enforce_ids };
        let mut secrets = Secrets::new(seed);
        let mut families = saved.families;
        let networks = settings.families.iter().map(|family| {
            let (id, nodes) = families.remove(family).unwrap_or_else(|| (secrets.id(), Vec::new()));
            (*family, Network::new(id, nodes, scope, now))
        });
        let networks: BTreeMap<Family, Network> = networks.collect();
        let is_known = networks.values().any(Network::can_begin);
        Self {
            scope,
            networks,
            random: secrets.random(),
            tokens: Tokens::new(now, &mut secrets),
            store: Store::new(limits.store),
            sources: Sources::new(limits.queries_per_second, limits.block, limits.sources),
            proven: Proven::new(limits.proven),
            answers: Budget::new(now, limits.answers_per_second, answering::BURST),
            pings: Budget::new(now, answering::PINGS, answering::BURST),
            transactions: Transactions::new(limits.transactions),
            searches: BTreeMap::new(),
            last_search: 0,
            waiting: VecDeque::new(),
            next_begin: now,
            announces: BTreeMap::new(),
            due: BTreeSet::new(),
            bootstrap: is_known.then_some(now),
            pause: searching::RETRY.0,
            upkeep: now,
            expire: now,
            out: VecDeque::new(),
            events: VecDeque::new(),
            secrets,
            settings,
        }
    }

    /// The next datagram to be sent.
    pub fn transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// What has happened, in its order.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Our id in a network.
    #[must_use]
    pub fn id(&self, family: Family) -> Option<Sha1> {
        Some(self.networks.get(&family)?.table.own())
    }

    /// Nodes that we know in a network and that are not bad.
    #[must_use]
    pub fn nodes(&self, now: Instant, family: Family) -> usize {
        self.networks.get(&family).map_or(0, |network| network.table.len(now))
    }

    /// Torrents and peers that we keep for others.
    #[must_use]
    pub fn stored(&self) -> (usize, usize) {
        self.store.len()
    }

    /// What is to be kept for the next start: worth saving every few minutes, and at the end.
    #[must_use]
    pub fn save(&self, now: Instant) -> Saved {
        Saved {
            families: self.networks.iter().map(|(family, network)| (*family, network.save(now))).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
