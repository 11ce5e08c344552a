//! Priorities: which of several pools of endpoints is used, and what is done when too few are available.
//!
//! Pools stand in the order of their priority; a backup is a pool behind another. The first pool of which enough is available gets
//! all calls, as with HAProxy's `backup`: a backup that only says "sorry" gets none while anybody else can answer. Envoy moves calls
//! over little by little, from the moment when 71 % are available, which is right for two data centres and surprising for a page that says sorry. What is enough
//! is a number here ([`Policy::enough`]), so that calls leave a pool before its last endpoint is overrun.
//!
//! When no pool has enough, the pool with the largest part available is used: those of its endpoints that are available, unless they are fewer than
//! [`Policy::panic`] says. Then health is not believed any longer (checks that fail everywhere are more often a fault of the checks, or of
//! the load that a few are left with), and all endpoints of the pool get calls, but those that are leaving. By default that happens only when
//! none is available: an attempt that may fail is better than none.
//!
//! Endpoints are counted, not weighed, as with the limit on ejections, so that both numbers can be compared. Those that are leaving count
//! as gone: who takes half of the endpoints away for maintenance has not lost half of them. Which pool is used is decided by [`Pools::refresh`],
//! when the state of an endpoint changes, and not for each call.
//!
//! ```
//! use std::time::Instant;
//!
//! use wireworks::net::resilience::pick::pools::{Plan, Policy, Standing};
//! use wireworks::net::resilience::pick::{Algorithm, Ask, Endpoint, Pools, Setup, State, key_of};
//!
//! struct Backend {
//!     name: &'static str,
//!     is_backup: bool,
//!     is_up: bool,
//! }
//!
//! impl Endpoint for Backend {
//!     fn state(&self, _: Instant) -> State {
//!         State::Ready // connections are made when they are needed
//!     }
//!     fn key(&self) -> u64 {
//!         key_of(self.name.as_bytes())
//!     }
//!     fn outstanding(&self) -> usize {
//!         0
//!     }
//! }
//!
//! let backend = |name, is_backup, is_up| Backend { name, is_backup, is_up };
//! let mut backends =
//!     [backend("10.0.0.1:80", false, true), backend("10.0.0.2:80", false, true), backend("10.0.9.9:80", true, true)];
//! let priority = |backend: &Backend| u32::from(backend.is_backup);
//! let pools = Pools::new(Policy::default(), &backends, priority, || Algorithm::Maglev.picker(Setup::default()));
//!
//! let standing = |backend: &Backend| if backend.is_up { Standing::Available } else { Standing::Unavailable };
//! let ask = Ask { key: key_of(b"203.0.113.7"), ..Ask::any(Instant::now()) };
//! assert!(pools.choose(&backends, &ask, standing) < Some(2));
//!
//! backends[0].is_up = false;
//! backends[1].is_up = false;
//! assert_eq!(pools.refresh(&backends, standing), Plan::Use(1));
//! assert_eq!(pools.choose(&backends, &ask, standing), Some(2));
//! ```

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Ask, Endpoint, Picker};

/// What is enough, in percent of the endpoints of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// A pool is used while at least so many of its endpoints are available, and one at least. Otherwise the next is asked. 0 by default:
    /// backups are used when nobody else is available.
    pub enough: u8,
    /// When fewer than so many are available, and no other pool has enough, all endpoints are used. 0 by default: only when none is available.
    pub panic: u8,
}

/// How an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can take calls.
    Available,
    /// It could, but has as many as it may have: it counts as available, and gets no call. None goes to another pool for that.
    Full,
    /// Its checks fail, or it was ejected. It is used in a panic.
    Unavailable,
    /// It finishes what it has, or has no weight: it counts for nothing and gets no call, in a panic either.
    Leaving,
}

/// The endpoints of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Those that can take calls.
    pub available: usize,
    /// All but those that are leaving.
    pub members: usize,
}

impl Census {
    /// Whether so many percent are available.
    fn has(self, percent: u8) -> bool {
        self.available as u128 * 100 >= self.members as u128 * u128::from(percent)
    }
}

/// Who gets calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The endpoints of the pool of this number that are available.
    Use(usize),
    /// All endpoints of the pool of this number, whatever is said of their health.
    Panic(usize),
    /// There is no endpoint, or all are leaving.
    Nobody,
}

/// Who gets calls, when this is what the pools have.
#[must_use]
pub fn plan(policy: Policy, pools: &[Census]) -> Plan {
    let enough = policy.enough.max(policy.panic);
    let serves = |pool: &Census| pool.available > 0 && pool.has(enough);
    if let Some(first) = pools.iter().position(serves) {
        return Plan::Use(first);
    }
    let mut best: Option<(usize, Census)> = None;
    for (number, pool) in pools.iter().enumerate().filter(|(_, pool)| pool.members > 0) {
        // a/b > c/d where a*d > c*b.
        let larger = |other: Census| {
            pool.available as u128 * other.members as u128 > other.available as u128 * pool.members as u128
        };
        if best.is_none_or(|(_, other)| larger(other)) {
            best = Some((number, *pool));
        }
    }
    match best {
        None => Plan::Nobody,
        Some((number, pool)) if pool.available > 0 && pool.has(policy.panic) => Plan::Use(number),
        Some((number, _)) => Plan::Panic(number),
    }
}

/// Endpoints in pools, each with a picker of its own. Threads may share them.
#[derive(Debug)]
pub struct Pools<P> {
    policy: Policy,
    pools: Vec<(Range<usize>, P)>,
    plan: AtomicUsize,
}

impl<P: Picker> Pools<P> {
    /// The pools of these endpoints: a pool ends where the `priority` changes, so those of one priority stand together, the most important
    /// first. `picker` makes the picker of each pool. All count as available until [`refresh`](Self::refresh) is called.
    pub fn new<E: Endpoint>(
        policy: Policy,
        endpoints: &[E],
        priority: impl Fn(&E) -> u32,
        picker: impl Fn() -> P,
    ) -> Self {
        let mut pools = Vec::new();
        let mut begin = 0;
        for pool in endpoints.chunk_by(|a, b| priority(a) == priority(b)) {
            let mut picker = picker();
            picker.update(pool);
            pools.push((begin..begin + pool.len(), picker));
            begin += pool.len();
        }
        let this = Self { policy, pools, plan: AtomicUsize::new(0) };
        this.refresh(endpoints, |endpoint| standing_of(endpoint, Standing::Available));
        this
    }

    /// Decides anew who gets calls. To be called when an endpoint becomes available or unavailable, or leaves; the endpoints are those that the pools were
    /// made of. If the answer is another than before, an operator wants to know.
    pub fn refresh<E: Endpoint>(&self, endpoints: &[E], standing: impl Fn(&E) -> Standing) -> Plan {
        let pools: Vec<_> = self
            .pools
            .iter()
            .map(|(range, _)| census(&endpoints[bounded(range, endpoints)], &standing))
            .collect();
        let plan = plan(self.policy, &pools);
        self.plan.store(written(plan), Ordering::Relaxed);
        plan
    }

    /// The endpoints that get calls, by the last [`refresh`](Self::refresh).
    pub fn used<'a, E>(&self, endpoints: &'a [E]) -> &'a [E] {
        let range = match self.plan() {
            Plan::Use(pool) | Plan::Panic(pool) => self.pools.get(pool).map(|(range, _)| range),
            Plan::Nobody => None,
        };
        range.map_or(&[], |range| &endpoints[bounded(range, endpoints)])
    }

    /// Who gets calls, by the last [`refresh`](Self::refresh).
    #[must_use]
    pub fn plan(&self) -> Plan {
        read(self.plan.load(Ordering::Relaxed))
    }

    /// The place of the endpoint that gets the call; `None` if there is none but such as are leaving, or if those that could take it are full. Endpoints that were tried get it again only if
    /// no other can. When the pool that is to be used has none, as it has become unavailable since the last refresh, all pools are asked in their order.
    pub fn choose<E: Endpoint>(
        &self,
        endpoints: &[E],
        ask: &Ask<'_>,
        standing: impl Fn(&E) -> Standing,
    ) -> Option<usize> {
        let standing = |endpoint: &E| standing_of(endpoint, standing(endpoint));
        let available = |endpoint: &E| standing(endpoint) == Standing::Available;
        let staying = |endpoint: &E| !matches!(standing(endpoint), Standing::Leaving | Standing::Full);
        let (pool, found) = match self.plan() {
            Plan::Nobody => (0, None),
            Plan::Use(pool) => (pool, self.choose_in(pool, endpoints, ask, available)),
            Plan::Panic(pool) => (pool, self.choose_in(pool, endpoints, ask, staying)),
        };
        let range = self.pools.get(pool).map_or(0..0, |(range, _)| bounded(range, endpoints));
        if found.is_none() && endpoints[range].iter().any(|endpoint| standing(endpoint) == Standing::Full) {
            return None;
        }
        let all = || 0..self.pools.len();
        let found = found.or_else(|| all().find_map(|pool| self.choose_in(pool, endpoints, ask, available)));
        let found = found.or_else(|| self.choose_in(pool, endpoints, ask, staying));
        found.or_else(|| all().find_map(|pool| self.choose_in(pool, endpoints, ask, staying)))
    }

    fn choose_in<E: Endpoint>(
        &self,
        pool: usize,
        endpoints: &[E],
        ask: &Ask<'_>,
        may: impl Fn(&E) -> bool,
    ) -> Option<usize> {
        let (range, picker) = self.pools.get(pool)?;
        let range = bounded(range, endpoints);
        let (begin, endpoints) = (range.start, &endpoints[range]);
        let fresh = |endpoint: &E| may(endpoint) && !ask.tried.contains(&endpoint.key());
        let mut found = picker.choose(endpoints, ask, fresh);
        if found.is_none() && !ask.tried.is_empty() {
            found = picker.choose(endpoints, ask, may);
        }
        Some(begin + found?)
    }
}

/// The part of the range that exists, should there be fewer endpoints than the pools were made of.
fn bounded<E>(range: &Range<usize>, endpoints: &[E]) -> Range<usize> {
    range.start.min(endpoints.len())..range.end.min(endpoints.len())
}

fn standing_of<E: Endpoint>(endpoint: &E, standing: Standing) -> Standing {
    if endpoint.weight() == 0 { Standing::Leaving } else { standing }
}

fn census<E: Endpoint>(endpoints: &[E], standing: impl Fn(&E) -> Standing) -> Census {
    let mut census = Census::default();
    for endpoint in endpoints {
        let standing = standing_of(endpoint, standing(endpoint));
        census.available += usize::from(matches!(standing, Standing::Available | Standing::Full));
        census.members += usize::from(standing != Standing::Leaving);
    }
    census
}

/// A plan as one number, which threads can share.
const fn written(plan: Plan) -> usize {
    match plan {
        Plan::Nobody => 0,
        Plan::Use(pool) => pool * 2 + 2,
        Plan::Panic(pool) => pool * 2 + 3,
    }
}

const fn read(number: usize) -> Plan {
    match number {
        0 | 1 => Plan::Nobody,
        _ if number.is_multiple_of(2) => Plan::Use(number / 2 - 1),
        _ => Plan::Panic(number / 2 - 1),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::{RoundRobin, key_of};
    use super::*;
    use Standing::{Available, Leaving, Unavailable};

    /// One pool: how many are available, of how many.
    const fn of(available: usize, members: usize) -> Census {
        Census { available, members }
    }

    #[test]
    fn who_gets_calls() {
        let policy = |enough, panic| Policy { enough, panic };
        for (policy, pools, expected) in [
            // By default, backups wait until nobody else is available, and all are used when none is.
            (policy(0, 0), &[of(3, 3)][..], Plan::Use(0)),
            (policy(0, 0), &[of(1, 3), of(2, 2)], Plan::Use(0)),
            (policy(0, 0), &[of(0, 3), of(2, 2)], Plan::Use(1)),
            (policy(0, 0), &[of(0, 3), of(0, 2), of(1, 9)], Plan::Use(2)),
            (policy(0, 0), &[of(0, 3), of(0, 2)], Plan::Panic(0)),
            (policy(0, 0), &[of(0, 1)], Plan::Panic(0)),
            // Enough: the next pool is used before the first is empty, and the better of them when neither has enough.
            (policy(50, 0), &[of(5, 10), of(2, 2)], Plan::Use(0)),
            (policy(50, 0), &[of(4, 10), of(2, 2)], Plan::Use(1)),
            (policy(50, 0), &[of(4, 10), of(1, 10)], Plan::Use(0)),
            (policy(50, 0), &[of(1, 10), of(4, 10)], Plan::Use(1)),
            (policy(50, 0), &[of(4, 10), of(4, 10)], Plan::Use(0)),
            (policy(50, 0), &[of(4, 10)], Plan::Use(0)),
            (policy(50, 0), &[of(0, 10)], Plan::Panic(0)),
            (policy(100, 0), &[of(9, 10), of(1, 1)], Plan::Use(1)),
            (policy(100, 0), &[of(9, 10), of(8, 10)], Plan::Use(0)),
            // Panic: below the threshold all are used, but never while another pool has enough.
            (policy(0, 50), &[of(5, 10)], Plan::Use(0)),
            (policy(0, 50), &[of(4, 10)], Plan::Panic(0)),
            (policy(0, 50), &[of(4, 10), of(1, 2)], Plan::Use(1)),
            (policy(0, 50), &[of(4, 10), of(3, 10)], Plan::Panic(0)),
            (policy(0, 50), &[of(3, 10), of(4, 10)], Plan::Panic(1)),
            (policy(70, 50), &[of(6, 10), of(8, 10)], Plan::Use(1)),
            (policy(70, 50), &[of(6, 10), of(5, 10)], Plan::Use(0)),
            (policy(70, 50), &[of(4, 10), of(5, 10)], Plan::Use(1)),
            (policy(0, 100), &[of(9, 10)], Plan::Panic(0)),
            (policy(0, 255), &[of(10, 10)], Plan::Panic(0)),
            // Pools that have left do not exist.
            (policy(0, 0), &[of(0, 0), of(0, 2)], Plan::Panic(1)),
            (policy(50, 50), &[of(0, 0), of(1, 2)], Plan::Use(1)),
            (policy(0, 0), &[of(0, 0), of(0, 0)], Plan::Nobody),
            (policy(0, 0), &[], Plan::Nobody),
        ] {
            assert_eq!(plan(policy, pools), expected, "{policy:?} of {pools:?}");
            assert_eq!(read(written(expected)), expected);
        }
    }

    struct Server {
        key: u64,
        priority: u32,
        weight: u32,
        standing: Standing,
    }

    impl Endpoint for Server {
        fn state(&self, _: Instant) -> super::super::State {
            super::super::State::Ready
        }
        fn key(&self) -> u64 {
            self.key
        }
        fn weight(&self) -> u32 {
            self.weight
        }
        fn outstanding(&self) -> usize {
            0
        }
    }

    fn servers(rows: &[(u32, u32, Standing)]) -> Vec<Server> {
        let server = |(number, &(priority, weight, standing)): (usize, &(u32, u32, Standing))| Server {
            key: key_of(&number.to_le_bytes()),
            priority,
            weight,
            standing,
        };
        rows.iter().enumerate().map(server).collect()
    }

    /// Which places get calls, of a hundred.
    fn chosen(pools: &Pools<RoundRobin>, servers: &[Server], tried: &[u64]) -> Vec<usize> {
        let ask = Ask { tried, ..Ask::any(Instant::now()) };
        let mut places: Vec<_> =
            (0..100).filter_map(|_| pools.choose(servers, &ask, |server| server.standing)).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn pools(servers: &[Server], policy: Policy) -> Pools<RoundRobin> {
        Pools::new(policy, servers, |server| server.priority, || RoundRobin::new(0))
    }

    #[test]
    fn calls_go_to_the_pool_of_the_plan() {
        let policy = Policy { enough: 50, panic: 0 };
        let up = Available;
        for (rows, plan, expected) in [
            (vec![(0, 1, up), (0, 1, up), (1, 1, up)], Plan::Use(0), vec![0, 1]),
            (vec![(0, 1, up), (0, 1, Unavailable), (1, 1, up)], Plan::Use(0), vec![0]),
            (vec![(0, 1, Unavailable), (0, 1, Unavailable), (1, 1, up)], Plan::Use(1), vec![2]),
            (vec![(0, 1, Unavailable), (0, 1, Leaving), (1, 1, Unavailable)], Plan::Panic(0), vec![0]),
            (vec![(0, 1, Unavailable), (0, 0, up), (1, 1, Unavailable)], Plan::Panic(0), vec![0]),
            (vec![(0, 1, Leaving), (5, 1, up), (7, 1, up)], Plan::Use(1), vec![1]),
            (vec![(0, 1, Leaving), (0, 0, up)], Plan::Nobody, vec![]),
            (vec![], Plan::Nobody, vec![]),
        ] {
            let servers = servers(&rows);
            let pools = pools(&servers, policy);
            assert_eq!(pools.refresh(&servers, |server| server.standing), plan, "{rows:?}");
            assert_eq!(pools.plan(), plan);
            assert_eq!(chosen(&pools, &servers, &[]), expected, "{rows:?}");
        }
    }

    #[test]
    fn a_plan_that_is_old_finds_somebody_all_the_same() {
        let mut servers = servers(&[(0, 1, Available), (0, 1, Available), (1, 1, Available)]);
        let pools = pools(&servers, Policy::default());
        servers[0].standing = Unavailable;
        servers[1].standing = Unavailable;
        assert_eq!(chosen(&pools, &servers, &[]), [2], "the other pool, before any refresh");
        servers[2].standing = Unavailable;
        assert_eq!(chosen(&pools, &servers, &[]), [0, 1], "all of the first, when nobody is available");
        assert_eq!(chosen(&pools, &servers[..1], &[]), [0], "fewer endpoints than there were");
        servers[0].standing = Leaving;
        servers[1].standing = Leaving;
        assert_eq!(chosen(&pools, &servers, &[]), [2], "the other pool, when those of the first are leaving");
        servers[2].standing = Leaving;
        assert_eq!(pools.refresh(&servers, |server| server.standing), Plan::Nobody);
        assert!(chosen(&pools, &servers, &[]).is_empty());
        servers[1].standing = Unavailable;
        assert_eq!(chosen(&pools, &servers, &[]), [1], "one that came back, before the next refresh");
    }

    #[test]
    fn those_that_were_tried_come_last() {
        let servers = servers(&[(0, 1, Available), (0, 1, Available), (1, 1, Available)]);
        let pools = pools(&servers, Policy::default());
        assert_eq!(chosen(&pools, &servers, &[servers[0].key]), [1]);
        // Within the pool: another pool is for when this one is down, not for a call that failed.
        assert_eq!(chosen(&pools, &servers, &[servers[0].key, servers[1].key]), [0, 1]);
    }
}
