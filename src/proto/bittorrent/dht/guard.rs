//! What keeps others from having us work for them: limits on queries of an address, on bytes of answers, and on
//! what is sent to addresses that nobody has proven.
//!
//! The source of a datagram can be anything that its sender writes there. An address is proven when a token that
//! was sent to it comes back, or when it answers a query of ours.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::scope;

/// Over which queries of a source are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// How long a proof is good.
const PROOF: Duration = Duration::from_secs(10 * 60);

/// How many queries come from where.
#[derive(Debug)]
pub(super) struct Sources {
    counts: BTreeMap<IpAddr, Count>,
    /// Queries in a [`WINDOW`].
    most: u32,
    block: Duration,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    /// When the window began, or, of one that is blocked, when that ends.
    at: Instant,
    queries: u32,
    blocked: bool,
}

impl Sources {
    /// One that takes so many queries a second, blocks for so long, and remembers so many sources.
    pub(super) fn new(per_second: u32, block: Duration, limit: usize) -> Self {
        Self {
            counts: BTreeMap::new(),
            most: per_second.saturating_mul(WINDOW.as_secs() as u32),
            block,
            limit,
        }
    }

    /// Whether nothing of a source is read.
    pub(super) fn is_blocked(&self, now: Instant, ip: IpAddr) -> bool {
        self.counts.get(&scope::source(ip)).is_some_and(|count| count.blocked && now < count.at)
    }

    /// A datagram that answers nothing has come: whether it is dealt with.
    pub(super) fn admits(&mut self, now: Instant, ip: IpAddr) -> bool {
        let ip = scope::source(ip);
        if self.counts.len() >= self.limit && !self.counts.contains_key(&ip) {
            self.make_room(now);
        }
        let fresh = Count { at: now, queries: 0, blocked: false };
        if self.counts.len() >= self.limit && !self.counts.contains_key(&ip) {
            // As long as all who are remembered are blocked, the limit on bytes is what is left.
            return true;
        }
        let count = self.counts.entry(ip).or_insert(fresh);
        if count.blocked && now < count.at {
            return false;
        }
        if count.blocked || now.saturating_duration_since(count.at) >= WINDOW {
            *count = fresh;
        }
        count.queries += 1;
        if count.queries > self.most {
            *count = Count { at: now + self.block, queries: 0, blocked: true };
        }
        !count.blocked
    }

    /// Forgets those who are not blocked, and first of all those whose window is over.
    fn make_room(&mut self, now: Instant) {
        self.counts.retain(|_, count| if count.blocked { now < count.at } else { now < count.at + WINDOW });
        if self.counts.len() >= self.limit {
            self.counts.retain(|_, count| count.blocked);
        }
    }
}

/// Addresses that are proven.
#[derive(Debug)]
pub(super) struct Proven {
    until: BTreeMap<IpAddr, Instant>,
    limit: usize,
}

impl Proven {
    /// One that remembers so many.
    pub(super) fn new(limit: usize) -> Self {
        Self { until: BTreeMap::new(), limit }
    }

    pub(super) fn prove(&mut self, now: Instant, ip: IpAddr) {
        if self.until.len() >= self.limit && !self.until.contains_key(&ip) {
            self.until.retain(|_, until| now < *until);
        }
        // Who finds no room proves itself by its token each time.
        if self.until.len() < self.limit || self.until.contains_key(&ip) {
            self.until.insert(ip, now + PROOF);
        }
    }

    pub(super) fn is_proven(&self, now: Instant, ip: IpAddr) -> bool {
        self.until.get(&ip).is_some_and(|until| now < *until)
    }
}

/// A budget that fills up with time: a token bucket.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: f64,
    most: f64,
    left: f64,
    at: Instant,
}

impl Budget {
    /// So many units a second, of which those of `burst` seconds can be saved up. It is full at first.
    pub(super) fn new(now: Instant, per_second: u32, burst: u32) -> Self {
        let most = f64::from(per_second) * f64::from(burst);
        Self { per_second: per_second.into(), most, left: most, at: now }
    }

    /// Takes so many, if there are.
    pub(super) fn takes(&mut self, now: Instant, units: usize) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.at, self.left) = (now.max(self.at), (self.left + passed * self.per_second).min(self.most));
        let units = units as f64;
        let enough = units <= self.left;
        if enough {
            self.left -= units;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(0x0100_0000 + number).into()
    }

    #[test]
    fn who_floods_is_blocked() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut sources = Sources::new(5, Duration::from_secs(300), 100);
        // Five a second are taken for ever.
        for query in 0..1000 {
            assert!(sources.admits(at(query * 200), ip(1)), "{query}");
        }
        let now = at(1_000_000);
        let taken = (0..1000).filter(|_| sources.admits(now, ip(1))).count();
        assert_eq!(taken, 50);
        assert!(
            sources.is_blocked(now, ip(1)) && !sources.is_blocked(now, ip(2)) && sources.admits(now, ip(2))
        );
        assert!(!sources.admits(now + Duration::from_secs(299), ip(1)));
        assert!(sources.admits(now + Duration::from_secs(300), ip(1)));
        assert!(!sources.is_blocked(now + Duration::from_secs(300), ip(1)));
        // All of a network of IPv6 count as one.
        let v6 = |number: u16| IpAddr::from([0x2a00, 0, 0, 1, 0, 0, 0, number]);
        assert_eq!((0..100).filter(|number| sources.admits(now, v6(*number))).count(), 50);
    }

    #[test]
    fn what_is_remembered_of_sources_is_limited() {
        let now = Instant::now();
        let mut sources = Sources::new(1, Duration::from_secs(300), 10);
        for _ in 0..11 {
            sources.admits(now, ip(0));
        }
        for number in 1..1000 {
            assert!(sources.admits(now, ip(number)));
            assert!(sources.counts.len() <= 10);
        }
        assert!(sources.is_blocked(now, ip(0)), "nobody is freed by others");
        for query in 0..20 * 11 {
            sources.admits(now, ip(query / 11));
        }
        assert_eq!(sources.counts.values().filter(|count| count.blocked).count(), 10);
        assert!((0..100).all(|_| sources.admits(now, ip(5000))), "there is no room to count it");
        assert!(sources.admits(now + Duration::from_secs(300), ip(5000)));
        assert_eq!(sources.counts.len(), 1, "and then there is");
    }

    #[test]
    fn a_proof_is_good_for_ten_minutes() {
        let now = Instant::now();
        let mut proven = Proven::new(10);
        assert!(!proven.is_proven(now, ip(1)));
        (0..20).for_each(|number| proven.prove(now, ip(number)));
        assert_eq!((0..20).filter(|number| proven.is_proven(now, ip(*number))).count(), 10);
        assert!(!proven.is_proven(now + PROOF, ip(1)));
        proven.prove(now + PROOF, ip(15));
        assert!(proven.is_proven(now + PROOF, ip(15)));
        assert_eq!(proven.until.len(), 1);
    }

    #[test]
    fn a_budget_fills_up() {
        let now = Instant::now();
        let mut budget = Budget::new(now, 1000, 2);
        assert!(budget.takes(now, 2000) && !budget.takes(now, 1));
        assert!(budget.takes(now + Duration::from_millis(100), 100));
        assert!(!budget.takes(now, 1), "a clock that goes back fills nothing");
        assert!(!budget.takes(now + Duration::from_secs(100), 2001));
        assert!(budget.takes(now + Duration::from_secs(100), 2000));
        let mut none = Budget::new(now, 0, 2);
        assert!(!none.takes(now + Duration::from_secs(100), 1));
    }
}
