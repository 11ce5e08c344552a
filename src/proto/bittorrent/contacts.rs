//! Addresses of peers that were heard of: whom to connect to next, and when again.
//!
//! What trackers, other peers and the DHT say are hints only. Each address is tried, and tried again later, a little less often each time; who answered before comes before
//! those who never did. It is BEP 40 that says in which order: by a hash of both addresses, so that all peers of a swarm agree on who should know whom. That keeps the graph of
//! connections even; here chance does the same.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::random::Random;

/// Addresses that are kept at most: libtorrent's `max_peerlist_size`.
pub const MOST: usize = 3000;

/// Failures in a row until an address is forgotten: libtorrent's `max_failcount`.
const FAILURES: u32 = 3;

/// How long an address rests after its first failure, or after its connection has ended. It doubles with each failure.
const REST: Duration = Duration::from_secs(60);

/// How long an address rests whose peer has nothing for us, nor we for it.
const REST_LONG: Duration = Duration::from_secs(20 * 60);

/// How long after a connection that did work for both, or to whom a person has named.
const REST_SHORT: Duration = Duration::from_secs(10);

/// Where an address was heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Its peer has connected to us, and told where it listens.
    Itself,
    /// A person, or a magnet link.
    Given,
    /// On this network (BEP 14).
    Local,
    /// A tracker.
    Tracker,
    /// Another peer (BEP 11).
    Exchange,
    /// The DHT.
    Dht,
    /// From before the restart.
    Resumed,
}

/// What is known of an address.
#[derive(Clone, Copy, Debug)]
struct Contact {
    source: Source,
    failures: u32,
    /// When it may be tried.
    at: Instant,
    busy: bool,
    /// Whether neither had anything for the other.
    useless: bool,
    order: u64,
}

/// The addresses of one torrent.
#[derive(Debug)]
pub struct Contacts {
    known: HashMap<SocketAddr, Contact>,
    random: Random,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It never stood.
    Failed,
    /// It stood.
    Left,
    /// It stood, and neither had anything for the other.
    Useless,
    /// It is of no use: it is our own, or of somebody who is banned.
    Never,
}

impl Contacts {
    /// Nobody is known.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { known: HashMap::new(), random: Random::new(seed) }
    }

    /// How many addresses are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// An address was heard of; whether that is new. If there are too many, one that nobody is connected to, and that has failed most, makes room.
    pub fn heard(&mut self, now: Instant, addr: SocketAddr, source: Source) -> bool {
        if let Some(contact) = self.known.get_mut(&addr) {
            contact.source = contact.source.min(source);
            return false;
        }
        if self.known.len() >= MOST && !self.make_room() {
            return false;
        }
        let order = self.random.next();
        self.known.insert(addr, Contact { source, failures: 0, at: now, busy: false, useless: false, order });
        true
    }

    fn make_room(&mut self) -> bool {
        let idle = self.known.iter().filter(|(_, contact)| !contact.busy);
        let worst = idle.max_by_key(|(_, contact)| (contact.failures, contact.source, contact.order));
        let worst = worst.map(|(addr, _)| *addr);
        worst.is_some_and(|addr| self.known.remove(&addr).is_some())
    }

    /// Whom to connect to now; it counts as connected until [`ended`](Self::ended).
    pub fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        let ready = self.known.iter_mut().filter(|(_, contact)| !contact.busy && contact.at <= now);
        let (addr, contact) =
            ready.min_by_key(|(_, contact)| (contact.failures, contact.source, contact.order))?;
        contact.busy = true;
        Some(*addr)
    }

    /// This one is connected to now, whatever was heard of it before; whether it was not already. It counts as connected
    /// until [`ended`](Self::ended).
    pub fn take(&mut self, now: Instant, addr: SocketAddr, source: Source) -> bool {
        self.heard(now, addr, source);
        self.known.get_mut(&addr).is_some_and(|contact| !std::mem::replace(&mut contact.busy, true))
    }

    /// More is wanted than before: who had nothing for us may have now.
    pub fn want_more(&mut self, now: Instant) {
        for contact in self.known.values_mut().filter(|contact| contact.useless && !contact.busy) {
            contact.useless = false;
            contact.at = contact.at.min(now + REST_SHORT);
        }
    }

    /// Somebody has come from there, and listens there.
    pub fn came(&mut self, now: Instant, addr: SocketAddr) {
        self.heard(now, addr, Source::Itself);
        if let Some(contact) = self.known.get_mut(&addr) {
            contact.busy = true;
            contact.failures = 0;
        }
    }

    /// The connection to an address has ended.
    pub fn ended(&mut self, now: Instant, addr: SocketAddr, ending: Ending) {
        let Some(contact) = self.known.get_mut(&addr) else { return };
        contact.busy = false;
        contact.useless = ending == Ending::Useless;
        match ending {
            Ending::Left => {
                contact.failures = 0;
                contact.at = now + REST_SHORT;
            }
            Ending::Useless => {
                contact.failures = 0;
                contact.at = now + REST_LONG;
            }
            Ending::Failed if contact.failures + 1 < FAILURES || contact.source <= Source::Given => {
                // Whoever was named may be about to begin.
                let rest = if contact.source <= Source::Given { REST_SHORT } else { REST };
                contact.at = now + rest * (1 << contact.failures.min(5));
                contact.failures += 1;
            }
            Ending::Failed | Ending::Never => {
                self.known.remove(&addr);
            }
        }
    }

    /// When the next address may be tried.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.known.values().filter(|contact| !contact.busy).map(|contact| contact.at).min()
    }

    /// Addresses that are worth keeping for another time, those of connections first.
    #[must_use]
    pub fn to_keep(&self, most: usize) -> Vec<SocketAddr> {
        let mut good: Vec<_> = self.known.iter().filter(|(_, contact)| contact.failures == 0).collect();
        good.sort_by_key(|(_, contact)| (!contact.busy, contact.order));
        good.into_iter().map(|(addr, _)| *addr).take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u32) -> SocketAddr {
        SocketAddr::from(((0x0a00_0000 + number).to_be_bytes(), 6881))
    }

    #[test]
    fn each_is_tried_once_and_rests() {
        let now = Instant::now();
        let mut contacts = Contacts::new(1);
        assert_eq!((contacts.next(now), contacts.deadline(), contacts.is_empty()), (None, None, true));
        assert!(contacts.heard(now, at(1), Source::Dht));
        assert!(contacts.heard(now, at(2), Source::Tracker));
        assert!(!contacts.heard(now, at(2), Source::Exchange));
        assert_eq!(contacts.next(now), Some(at(2)), "trackers know better than the DHT");
        assert_eq!((contacts.next(now), contacts.next(now)), (Some(at(1)), None));
        contacts.ended(now, at(1), Ending::Failed);
        contacts.ended(now, at(2), Ending::Left);
        assert_eq!(contacts.next(now), None);
        assert_eq!(contacts.deadline(), Some(now + REST_SHORT));
        assert_eq!(contacts.next(now + REST_SHORT), Some(at(2)));
        assert_eq!(contacts.next(now + REST), Some(at(1)));
    }

    #[test]
    fn who_never_answers_is_forgotten_unless_a_person_knows_better() {
        let mut now = Instant::now();
        let mut contacts = Contacts::new(1);
        contacts.heard(now, at(1), Source::Tracker);
        contacts.heard(now, at(2), Source::Given);
        let mut tries = [0, 0];
        for _ in 0..1000 {
            while let Some(addr) = contacts.next(now) {
                tries[usize::from(addr == at(2))] += 1;
                contacts.ended(now, addr, Ending::Failed);
            }
            now += Duration::from_secs(60);
        }
        assert_eq!(tries[0], FAILURES);
        assert!((150..=190).contains(&tries[1]), "{} tries, the longest wait is five minutes", tries[1]);
        contacts.next(now + REST * 64);
        contacts.ended(now, at(2), Ending::Never);
        assert_eq!(contacts.len(), 0);
    }

    #[test]
    fn who_has_nothing_for_us_rests_long_unless_more_is_wanted() {
        let now = Instant::now();
        let mut contacts = Contacts::new(1);
        contacts.heard(now, at(1), Source::Tracker);
        assert!(!contacts.next(now).is_none_or(|addr| contacts.take(now, addr, Source::Dht)), "it is busy");
        contacts.ended(now, at(1), Ending::Useless);
        assert_eq!(contacts.deadline(), Some(now + REST_LONG));
        contacts.want_more(now);
        assert_eq!(contacts.deadline(), Some(now + REST_SHORT));
        assert!(contacts.take(now, at(1), Source::Exchange), "somebody else says when");
        contacts.ended(now, at(1), Ending::Left);
        contacts.want_more(now + REST);
        assert_eq!(contacts.deadline(), Some(now + REST_SHORT), "it is tried again in any case");
        assert!(contacts.take(now, at(2), Source::Exchange));
    }

    #[test]
    fn a_flood_of_addresses_does_not_push_out_who_is_connected() {
        let now = Instant::now();
        let mut contacts = Contacts::new(1);
        contacts.came(now, at(0));
        for number in 1..2 * MOST as u32 {
            contacts.heard(now, at(number), Source::Exchange);
        }
        assert_eq!(contacts.len(), MOST);
        assert!(!contacts.heard(now, at(0), Source::Dht), "it is still known");
        assert_eq!(contacts.to_keep(2)[0], at(0));
    }
}
