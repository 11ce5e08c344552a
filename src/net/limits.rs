//! How many connections there may be, in all and from one address.
//!
//! One [`Admission`] serves all shards and listeners. A connection asks once, when it is accepted, and holds a [`Permit`]
//! until it ends. The total is one atomic. Counts by address live in a few locked maps, which are not touched at all
//! when no limit by address is set. A customer of an IPv6 provider owns a /64 or more (RFC 6177), so IPv6 peers are
//! counted by their /64; peers on a Unix socket have no address and count only in the total.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::addr::PeerAddr;

/// Connections at most. Zero stands for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub total: usize,
    /// From one IPv4 address or one IPv6 /64.
    pub per_address: usize,
}

impl ConnectionLimits {
    /// 65536 in all (HAProxy derives its `maxconn` from the descriptor limit; nginx has 512 a worker), and no limit by
    /// address, because many users can share one.
    pub const DEFAULT: Self = Self { total: 65_536, per_address: 0 };
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Which limit refused a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are too many connections in all.
    #[error("too many connections")]
    Total,
    /// There are too many connections from this address.
    #[error("too many connections from this address")]
    Address,
}

/// The maps that counts by address are spread over, so that shards seldom wait for one another.
const MAPS: usize = 16;

/// Whom something is counted for: an IPv4 address, or the /64 of an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// An address.
    V4([u8; 4]),
    /// The first half of one.
    V6Net([u8; 8]),
}

impl Source {
    /// The source that an address belongs to.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6Net([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// The gate that every accepted connection passes. Clones share their counts.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    limits: ConnectionLimits,
    total: AtomicUsize,
    hasher: RandomState,
    by_source: [Mutex<HashMap<Source, usize>>; MAPS],
}

impl Counts {
    fn map(&self, source: Source) -> MutexGuard<'_, HashMap<Source, usize>> {
        let index = self.hasher.hash_one(source) % MAPS as u64;
        // A count is changed in one step, so a panic elsewhere cannot have left it half done.
        self.by_source[index as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    /// A gate with no connection in it.
    #[must_use]
    pub fn new(limits: ConnectionLimits) -> Self {
        Self(Arc::new(Counts {
            limits,
            total: AtomicUsize::new(0),
            hasher: RandomState::new(),
            by_source: Default::default(),
        }))
    }

    /// Counts a connection in, until its permit is dropped.
    ///
    /// # Errors
    /// Which limit it would exceed. Nothing is counted then.
    pub fn admit(&self, peer: &PeerAddr) -> Result<Permit, Refused> {
        let mut permit = self.admit_unknown()?;
        permit.attribute(peer)?;
        Ok(permit)
    }

    /// Counts a connection in whose client a proxy will name later: by the limit of all connections only.
    ///
    /// # Errors
    /// [`Refused::Total`].
    pub fn admit_unknown(&self) -> Result<Permit, Refused> {
        let before = self.0.total.fetch_add(1, Ordering::Relaxed);
        let permit = Permit { counts: Arc::clone(&self.0), source: None };
        let limit = self.0.limits.total;
        if limit > 0 && before >= limit { Err(Refused::Total) } else { Ok(permit) }
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.total.load(Ordering::Relaxed)
    }
}

/// A connection's place; dropping it gives the place back.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts nothing"]
pub struct Permit {
    counts: Arc<Counts>,
    source: Option<Source>,
}

impl Permit {
    /// Counts the connection for the address of `peer`. Once a permit.
    ///
    /// # Errors
    /// [`Refused::Address`].
    pub fn attribute(&mut self, peer: &PeerAddr) -> Result<(), Refused> {
        let limit = self.counts.limits.per_address;
        let (true, None, Some(ip)) = (limit > 0, self.source, peer.ip()) else {
            return Ok(());
        };
        let source = Source::of(ip);
        let mut map = self.counts.map(source);
        let count = map.entry(source).or_insert(0);
        if *count >= limit {
            return Err(Refused::Address);
        }
        *count += 1;
        self.source = Some(source);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counts.total.fetch_sub(1, Ordering::Relaxed);
        let Some(source) = self.source else { return };
        let mut map = self.counts.map(source);
        if let Some(count) = map.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                map.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(ip: &str) -> PeerAddr {
        PeerAddr::Ip((ip.parse::<IpAddr>().unwrap(), 1234).into())
    }

    fn admission(total: usize, per_address: usize) -> Admission {
        Admission::new(ConnectionLimits { total, per_address })
    }

    fn sources(admission: &Admission) -> usize {
        admission.0.by_source.iter().map(|map| map.lock().unwrap().len()).sum()
    }

    #[test]
    fn the_total_counts_all_and_a_permit_gives_its_place_back() {
        let admission = admission(2, 0);
        let first = admission.admit(&peer("192.0.2.1")).unwrap();
        let _second = admission.admit(&PeerAddr::Unix).unwrap();
        assert_eq!(admission.clone().admit(&peer("192.0.2.3")).unwrap_err(), Refused::Total);
        assert_eq!(admission.connections(), 2, "a refusal counts nothing");
        drop(first);
        let _third = admission.admit(&peer("192.0.2.3")).unwrap();
        assert_eq!(admission.connections(), 2);
        assert_eq!(sources(&admission), 0, "without a limit by address no map is touched");
    }

    #[test]
    fn one_address_has_its_share_and_no_more() {
        let rows = [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ];
        for (first, second, same) in rows {
            let admission = admission(0, 1);
            let held = admission.admit(&peer(first)).unwrap();
            let other = admission.admit(&peer(second));
            assert_eq!(other.as_ref().err(), same.then_some(&Refused::Address), "{first} and {second}");
            drop((held, other));
            assert_eq!((admission.connections(), sources(&admission)), (0, 0), "nothing is left behind");
        }
    }

    #[test]
    fn unix_peers_have_no_share() {
        let admission = admission(0, 1);
        let held: Vec<_> = (0..10).map(|_| admission.admit(&PeerAddr::Unix).unwrap()).collect();
        assert_eq!(admission.connections(), held.len());
    }

    #[test]
    fn many_threads_never_exceed_the_limits() {
        let admission = admission(8, 3);
        let most = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let (admission, most) = (&admission, &most);
                scope.spawn(move || {
                    let peer = peer(&format!("192.0.2.{}", thread % 4));
                    for _ in 0..2_000 {
                        let held: Vec<_> = (0..4).filter_map(|_| admission.admit(&peer).ok()).collect();
                        assert!(held.len() <= 3);
                        most.fetch_max(held.len(), Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(most.load(Ordering::Relaxed) > 0);
        assert_eq!((admission.connections(), sources(&admission)), (0, 0));
    }
}
