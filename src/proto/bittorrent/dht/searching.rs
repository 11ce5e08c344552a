//! What the owner wants: to begin, to find, to be found; and how searches go on, and end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::contact::Family;
use super::krpc::Method;
use super::lookup::Ask;
use super::search::{Aim, Search};
use super::table::K;
use super::transactions::Purpose;
use super::{Announce, Dht, Event, Repeated, SearchOptions};
use crate::proto::bittorrent::hash::Sha1;

/// After how long we begin anew if there is no node: at first, and at last.
pub(super) const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(5 * 60));

/// After how long an announce is repeated, at least: peers are kept for half an hour.
const REPEAT: Duration = Duration::from_secs(15 * 60);

/// Up to how many seconds it may be later, so that not all are repeated at once.
const SPREAD: u32 = 5 * 60;

/// After how long it is repeated if no node has taken it.
const REPEAT_SOON: Duration = Duration::from_secs(60);

/// A search sends about three queries to each of a dozen nodes. As many nodes as there are in the table share them
/// at least, so this many seconds for each node that we know lie between two searches: no node gets more than five
/// queries a second, after which nodes of libtorrent and ours do not read us any more.
const PACE: Duration = Duration::from_secs(8);

/// Searches that need not keep that pace, after a rest.
const BURST: u32 = 4;

impl Dht {
    /// Begins at these addresses, which are remembered for when there are no nodes later on: those of nodes that
    /// everybody knows, of a torrent's `nodes`, or of any node.
    pub fn bootstrap(&mut self, now: Instant, routers: impl IntoIterator<Item = SocketAddr>) {
        for addr in routers {
            let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
            if let Some(network) =
                self.networks.get_mut(&Family::of(addr.ip())).filter(|_| self.scope.takes(addr))
            {
                network.add_router(addr);
            }
        }
        if self.networks.values().any(super::Network::can_begin) {
            if !self.is_connected(now) {
                self.hurry(now);
            }
            self.bootstrap = Some(now);
            (self.pause, self.upkeep) = (RETRY.0, now);
        }
    }

    /// What was announced to nobody, as nobody was known, is due.
    fn hurry(&mut self, now: Instant) {
        for (info_hash, standing) in &mut self.announces {
            if self.due.remove(&(standing.due, *info_hash)) {
                standing.due = now;
                self.due.insert((now, *info_hash));
            }
        }
    }

    /// There may be a node at this address: a peer has said so, by the message `port` of BEP 5. It is asked whether
    /// it is.
    pub fn add_node(&mut self, now: Instant, addr: SocketAddr) {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        if self.scope.takes(addr) {
            self.ping(now, addr);
        }
    }

    /// Announces us as a peer of a torrent, now and every 15 to 20 minutes, until [`stop`](Self::stop). Peers are
    /// found along the way ([`Event::Peers`]). Another announce of the same torrent takes the place of this one.
    pub fn announce(&mut self, now: Instant, info_hash: Sha1, announce: Announce) {
        if let Some(before) = self.announces.insert(info_hash, Repeated { announce, due: now }) {
            self.due.remove(&(before.due, info_hash));
            let is_old = |aim: Aim| aim.is_for(info_hash) && matches!(aim, Aim::Peers(_, _, Some(_)));
            self.waiting.retain(|aim| !is_old(*aim));
            self.searches.retain(|_, search| !is_old(search.aim));
        }
        self.due.insert((now, info_hash));
        self.upkeep = now;
    }

    /// Searches for peers of a torrent, once.
    pub fn search(&mut self, now: Instant, info_hash: Sha1, options: SearchOptions) {
        let aim = Aim::Peers(info_hash, options, None);
        let is_there = self.waiting.contains(&aim) || self.searches.values().any(|search| search.aim == aim);
        if !is_there {
            self.waiting.push_back(aim);
            self.upkeep = now;
        }
    }

    /// Asks the nodes that are close to an id for torrents that they know (BEP 51): each tells some.
    pub fn sample(&mut self, now: Instant, target: Sha1) {
        self.waiting.push_back(Aim::Samples(target));
        self.upkeep = now;
    }

    /// Ends whatever there is for a torrent. Others forget us after half an hour.
    pub fn stop(&mut self, info_hash: Sha1) {
        if let Some(standing) = self.announces.remove(&info_hash) {
            self.due.remove(&(standing.due, info_hash));
        }
        self.waiting.retain(|aim| !aim.is_for(info_hash));
        self.searches.retain(|_, search| !search.aim.is_for(info_hash));
    }

    pub(super) fn is_bootstrapping(&self) -> bool {
        self.searches.values().any(|search| search.aim == Aim::Bootstrap)
    }

    /// Whether we know any node in any network.
    fn is_connected(&self, now: Instant) -> bool {
        self.networks.values().any(|network| network.table.len(now) > 0)
    }

    /// Announces that are due, to the end of those that wait.
    pub(super) fn queue_announces(&mut self, now: Instant) {
        while let Some((due, info_hash)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, info_hash));
            let Some(standing) = self.announces.get(&info_hash) else { continue };
            let options = SearchOptions { scrape: false, noseed: standing.announce.seed };
            self.waiting.push_back(Aim::Peers(info_hash, options, Some(standing.announce)));
        }
    }

    /// Begins searches that wait, as far as there may be so many. Until we know a node, and as long as we look for
    /// one, they wait.
    pub(super) fn begin_waiting(&mut self, now: Instant) {
        if !self.is_connected(now) && (self.bootstrap.is_some() || self.is_bootstrapping()) {
            return;
        }
        let wanted = |search: &&Search| search.aim.is_wanted();
        while !self.waiting.is_empty()
            && self.searches.values().filter(wanted).count() < self.settings.limits.searches
        {
            let nodes: usize = self.networks.values().map(|network| network.table.len(now)).sum();
            let pace = if nodes == 0 { Duration::ZERO } else { PACE / nodes.max(K) as u32 };
            let early = self.next_begin.checked_sub(pace * BURST).unwrap_or(self.next_begin);
            if now < early {
                self.upkeep = self.upkeep.min(early);
                return;
            }
            self.next_begin = self.next_begin.max(now) + pace;
            let Some(aim) = self.waiting.pop_front() else { return };
            self.begin(now, aim);
        }
    }

    /// Begins a search.
    pub(super) fn begin(&mut self, now: Instant, aim: Aim) {
        let target = |family: Family, own: Sha1| match aim {
            Aim::Bootstrap => Some(own),
            Aim::Refresh(of, target) => Some(target).filter(|_| of == family),
            Aim::Peers(target, ..) | Aim::Samples(target) => Some(target),
        };
        let lookups = self.networks.iter_mut().filter_map(|(family, network)| {
            let target = target(*family, network.table.own())?;
            Some((*family, network.lookup(now, target)))
        });
        let mut search = Search::new(aim, lookups.collect());
        if let Aim::Peers(info_hash, options, _) = aim {
            self.look_here(&mut search, info_hash, options);
        }
        self.last_search = self.last_search.wrapping_add(1);
        self.searches.insert(self.last_search, search);
        self.drive(now, self.last_search);
    }

    /// We may be among those who are close, and know peers.
    fn look_here(&mut self, search: &mut Search, info_hash: Sha1, options: SearchOptions) {
        self.store.filters(info_hash).iter().for_each(|filters| search.count(filters));
        for family in self.networks.keys() {
            let peers = self.store.peers(info_hash, *family, options.noseed, usize::MAX, &mut self.random);
            self.events.extend(search.find(self.scope, info_hash, peers));
        }
    }

    /// Asks whoever is next in a search. If there is nobody left, it ends.
    pub(super) fn drive(&mut self, now: Instant, key: u32) {
        for family in Family::ALL {
            while self.transactions.has_room() {
                let Some(search) = self.searches.get_mut(&key).filter(|search| search.awaited == 0) else {
                    return;
                };
                let Some(lookup) = search.lookups.get_mut(&family) else { break };
                let method = search.aim.method(lookup.target());
                let Some(ask) = lookup.next() else { break };
                self.ask(now, ask, Purpose::Step(key), method);
            }
        }
        if self.searches.get(&key).is_some_and(|search| search.awaited == 0 && search.is_done()) {
            self.conclude(now, key);
        }
    }

    /// All is found that will be.
    fn conclude(&mut self, now: Instant, key: u32) {
        let Some(search) = self.searches.get(&key) else { return };
        match search.aim {
            Aim::Bootstrap => self.bootstrapped(now),
            Aim::Refresh(..) => {}
            Aim::Samples(target) => self.events.push_back(Event::Sampled { target }),
            Aim::Peers(info_hash, options, announce) => {
                let scrape = search.scrape().filter(|_| options.scrape);
                let (nodes, peers) = (search.answers(), search.peers());
                self.events.push_back(Event::Searched { info_hash, nodes, peers, scrape });
                if let Some(announce) = announce {
                    return self.announce_to_closest(now, key, info_hash, announce);
                }
            }
        }
        self.searches.remove(&key);
    }

    fn announce_to_closest(&mut self, now: Instant, key: u32, info_hash: Sha1, announce: Announce) {
        let Some(search) = self.searches.get_mut(&key) else { return };
        let closest: Vec<Ask> = search.lookups.values().flat_map(super::lookup::Lookup::closest).collect();
        search.awaited = closest.len();
        if closest.is_empty() {
            return self.announced(now, key, info_hash, 0);
        }
        let Announce { port, implied_port, seed } = announce;
        let method = Method::AnnouncePeer { info_hash, port, implied_port, seed };
        // They are few, and not held back by the limit on transactions: their tokens do not last.
        closest.into_iter().for_each(|ask| self.ask(now, ask, Purpose::Announce(key), method));
    }

    /// A node has taken our announce, or has not.
    pub(super) fn announce_ended(&mut self, now: Instant, key: u32, taken: bool) {
        let Some(search) = self.searches.get_mut(&key) else { return };
        search.taken += usize::from(taken);
        search.awaited = search.awaited.saturating_sub(1);
        if let (0, taken, Aim::Peers(info_hash, ..)) = (search.awaited, search.taken, search.aim) {
            self.announced(now, key, info_hash, taken);
        }
    }

    fn announced(&mut self, now: Instant, key: u32, info_hash: Sha1, nodes: usize) {
        self.searches.remove(&key);
        self.events.push_back(Event::Announced { info_hash, nodes });
        let spread = Duration::from_secs(self.random.below(SPREAD).into());
        let due = now + if nodes == 0 { REPEAT_SOON } else { REPEAT + spread };
        if let Some(standing) = self.announces.get_mut(&info_hash) {
            self.due.remove(&(standing.due, info_hash));
            standing.due = due;
            self.due.insert((due, info_hash));
        }
    }

    /// Those that are close to us are found. If they are few, we look again, less and less often.
    fn bootstrapped(&mut self, now: Instant) {
        for (family, network) in &self.networks {
            let nodes = network.table.len(now);
            self.events.push_back(Event::Bootstrapped { family: *family, nodes });
        }
        let is_lonely = |network: &super::Network| network.table.len(now) < K && network.can_begin();
        if self.bootstrap.is_none() && self.networks.values().any(is_lonely) {
            self.bootstrap = Some(now + self.pause);
            self.pause = (self.pause * 2).min(RETRY.1);
        } else if self.bootstrap.is_some() {
            // Meanwhile there is another reason to.
            self.upkeep = now;
        }
    }
}
