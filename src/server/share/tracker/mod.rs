//! A tracker as a server: `GET /announce` and `/scrape` over HTTP, packets over UDP, and what it has seen.
//!
//! All that is decided is decided by [`Server`], one value behind one lock: an answer takes microseconds, and the doors
//! of all shards ask the same one. `web` is the door of HTTP, `datagrams` that of UDP; `allow` reads which torrents
//! are tracked, `numbers` is what is told of it. Nothing is kept when the process ends: peers come back by themselves.

mod allow;
mod datagrams;
mod numbers;
mod page;
mod socket;
mod web;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

pub use self::allow::AllowError;
pub(super) use self::allow::allow_only;
pub(super) use self::datagrams::listen;
use self::numbers::Numbers;
pub(super) use self::numbers::register;
pub(super) use self::web::routes;
use crate::net::addr::Prefixes;
use crate::net::drain::Drain;
use crate::net::random;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::tracker::server::{Limits, Server};
use crate::server::process::Task;

/// The networks of this machine and of private ones (RFC 1918, 3927, 4193, 4291): whose peers may say which address they have.
const PRIVATE: &str =
    "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10";

/// Who may say which address it has, unless told otherwise: peers of this machine and of private networks.
#[must_use]
pub fn private() -> Prefixes {
    // The text is ours, and good.
    PRIVATE.parse().unwrap_or_default()
}

/// A tracker. Clones are the same.
#[derive(Clone)]
pub struct Tracker(Arc<Shared>);

struct Shared {
    server: Mutex<Server>,
    limits: Limits,
    trusted: Prefixes,
    begun: Instant,
    /// Torrents that are tracked; [`ALL`] if none is left out.
    listed: AtomicU64,
    packets: Packets,
}

/// No torrent is left out.
const ALL: u64 = u64::MAX;

/// What goes through the door of UDP.
#[derive(Debug, Default)]
struct Packets {
    received: AtomicU64,
    /// Answers for which the socket had no room.
    unsent: AtomicU64,
}

impl Tracker {
    /// One that knows nobody. What a peer says of its address is believed of those in `trusted`.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn new(limits: Limits, trusted: Prefixes) -> io::Result<Self> {
        let now = Instant::now();
        Ok(Self(Arc::new(Shared {
            server: Mutex::new(Server::new(limits, random::bytes()?, now)),
            limits,
            trusted,
            begun: now,
            listed: AtomicU64::new(ALL),
            packets: Packets::default(),
        })))
    }

    /// Tracks these torrents only from now on, or all.
    pub fn list(&self, listed: Option<BTreeSet<Sha1>>) {
        let count = listed.as_ref().map_or(ALL, |listed| listed.len() as u64);
        self.lock().list(listed);
        self.0.listed.store(count, Ordering::Relaxed);
    }

    /// The body that answers an announce by HTTP.
    fn announce(&self, from: IpAddr, query: &[u8]) -> Vec<u8> {
        let trusted = self.0.trusted.contains(from);
        self.lock().announce(Instant::now(), from, query, trusted)
    }

    /// The body that answers a scrape by HTTP.
    fn scrape(&self, from: IpAddr, query: &[u8]) -> Vec<u8> {
        self.lock().scrape(Instant::now(), from, query)
    }

    /// The packet that answers a packet, if one does.
    fn packet(&self, from: SocketAddr, packet: &[u8]) -> Option<Vec<u8>> {
        self.0.packets.received.fetch_add(1, Ordering::Relaxed);
        let trusted = self.0.trusted.contains(from.ip());
        self.lock().packet(Instant::now(), from, packet, trusted)
    }

    /// An answer could not be sent.
    fn unsent(&self) {
        self.0.packets.unsent.fetch_add(1, Ordering::Relaxed);
    }

    /// What it has seen so far.
    fn numbers(&self) -> Numbers {
        let listed = self.0.listed.load(Ordering::Relaxed);
        Numbers {
            stats: self.lock().stats(),
            received: self.0.packets.received.load(Ordering::Relaxed),
            unsent: self.0.packets.unsent.load(Ordering::Relaxed),
            listed: Some(listed).filter(|listed| *listed != ALL),
            interval: self.0.limits.interval,
            uptime: self.0.begun.elapsed(),
        }
    }

    /// Forgets peers that do not come back, until the drain begins. A few torrents at a time: nobody waits long for an answer.
    pub(super) fn sweeping(&self, drain: Drain) -> Task {
        let tracker = self.clone();
        Box::pin(async move {
            loop {
                let next = {
                    let mut server = tracker.lock();
                    server.poll(Instant::now());
                    server.deadline()
                };
                tokio::select! {
                    () = drain.stopping() => return,
                    () = tokio::time::sleep_until(next.into()) => {}
                }
                // When there is more to do at once, others come first.
                tokio::task::yield_now().await;
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Server> {
        self.0.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A tracker with these limits, which believes whom others would.
    pub(super) fn tracker(limits: Limits) -> Tracker {
        Tracker::new(limits, private()).unwrap()
    }

    /// The query of an announce of torrent `x...`.
    pub(super) fn query(rest: &str) -> String {
        format!("info_hash=xxxxxxxxxxxxxxxxxxxx&peer_id=-TT0000-000000000000&left=1{rest}")
    }

    #[test]
    fn only_private_networks_say_which_address_they_have() {
        let private = private();
        for (ip, expected) in [
            ("127.0.0.9", true),
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("192.168.1.1", true),
            ("169.254.1.1", true),
            ("::1", true),
            ("::ffff:10.0.0.1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("172.32.0.1", false),
            ("100.64.0.1", false),
            ("192.0.2.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(private.contains(ip.parse().unwrap()), expected, "{ip}");
        }
        let tracker = tracker(Limits::default());
        let rows = [("192.0.2.7", "a", [192, 0, 2, 7]), ("10.0.0.1", "b", [203, 0, 113, 5])];
        for (from, torrent, expected) in rows {
            let announced = format!("{}&port=7000&ip=203.0.113.5", query("").replace('x', torrent));
            tracker.announce(from.parse().unwrap(), announced.as_bytes());
            let asked = announced.replace("7000", "7001").replace("&ip=203.0.113.5", "");
            let body = tracker.announce("192.0.2.8".parse().unwrap(), asked.as_bytes());
            let peers = [&b"5:peers6:"[..], &expected, &7000_u16.to_be_bytes()].concat();
            assert!(body.windows(peers.len()).any(|part| part == peers), "{from}: {body:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_back_is_forgotten_and_the_end_is_not_waited_for() {
        let drain = Drain::new();
        let tracker = tracker(Limits { expiry: Duration::ZERO, ..Limits::default() });
        let sweeping = tokio::spawn(tracker.sweeping(drain.clone()));
        tracker.list(Some(BTreeSet::new()));
        assert_eq!(tracker.numbers().listed, Some(0));
        tracker.list(None);
        assert_eq!(tracker.numbers().listed, None);
        drain.stop();
        sweeping.await.unwrap();
    }
}
