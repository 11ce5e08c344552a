//! A tracker: what clients ask it, and what it answers, by HTTP and UDP.
//!
//! [`Server`] takes the query of an HTTP request, or a packet, and has the body or the packet that is the answer. Peers
//! are kept in [`Swarms`]. Who may ask how often is decided here, before anything is looked up, in memory that does not
//! grow with those who ask. By UDP an address that has not proved that it is the sender's gets a connection id, or that
//! its id is none, and never more bytes than were sent in its name (BEP 15).
//!
//! The address of a peer is the one that it asks from. What it says of itself is believed only where the caller says
//! so, as for those behind a proxy of its own: otherwise a tracker could be told to send a swarm to a stranger.

mod guard;
mod limits;
mod query;
mod swarm;
mod swarms;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use self::guard::{Guard, Meter};
pub use self::limits::{Limits, Refusal, Stats};
use self::query::{AnnounceQuery, hashes};
pub use self::query::{MAX_QUERY, QueryError};
pub use self::swarms::{Arrival, Families, Found, Full, Swarms};
use super::udp::{Request, Response};
use super::{Counts, Peer, Reply};
use crate::proto::bittorrent::addresses;
use crate::proto::bittorrent::bencode::Tree;
use crate::proto::bittorrent::hash::Sha1;

/// A tracker.
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    swarms: Swarms,
    listed: Option<BTreeSet<Sha1>>,
    guard: Guard,
    meter: Meter,
    stats: Stats,
}

impl Server {
    /// One that knows nobody. `secret` is by chance, and nobody else knows it: by it connection ids are made.
    #[must_use]
    pub fn new(limits: Limits, secret: [u8; 32], now: Instant) -> Self {
        let guard = Guard::new(secret, now);
        let swarms = Swarms::new(limits, now, guard.keyed(b"swarms", &[]));
        let meter = Meter::new(limits.requests_per_minute, now);
        Self { limits, swarms, listed: None, guard, meter, stats: Stats::default() }
    }

    /// Tracks these torrents only from now on, or all.
    pub fn list(&mut self, listed: Option<BTreeSet<Sha1>>) {
        self.listed = listed;
    }

    /// The body that answers an announce by HTTP, whose status is 200 also if it is refused. `trusted` is whether the
    /// peer may say which address it has.
    pub fn announce(&mut self, now: Instant, from: IpAddr, query: &[u8], trusted: bool) -> Vec<u8> {
        let answer = self.allow(now, from).and_then(|()| {
            let query = AnnounceQuery::read(query)?;
            let ip = query.ip.filter(|_| trusted).unwrap_or(from).to_canonical();
            let found = self.arrived(now, &query.arrival(ip), Families::Both)?;
            Ok(self.body(&found, from, query.compact))
        });
        answer.unwrap_or_else(|refusal| self.refuse(refusal))
    }

    /// The body that answers a scrape by HTTP.
    pub fn scrape(&mut self, now: Instant, from: IpAddr, query: &[u8]) -> Vec<u8> {
        let answer = self.allow(now, from).and_then(|()| {
            let hashes = hashes(query)?;
            let files = match hashes.is_empty() {
                true if self.limits.full_scrape == 0 => return Err(Refusal::FullScrape),
                true => self.swarms.all().take(self.limits.full_scrape).map(file).collect(),
                false => {
                    hashes.iter().filter_map(|hash| Some(file((*hash, self.swarms.counts(*hash)?)))).collect()
                }
            };
            Ok(Tree::dictionary([("files", Tree::Dictionary(files))]).to_bytes())
        });
        self.stats.scrapes += u64::from(answer.is_ok());
        answer.unwrap_or_else(|refusal| self.refuse(refusal))
    }

    /// The packet that answers a packet, if one does. `trusted` is whether the peer may say which address it has.
    pub fn packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &[u8],
        trusted: bool,
    ) -> Option<Vec<u8>> {
        let ip = from.ip().to_canonical();
        let request = Request::read(packet).ok();
        let (transaction, answer) = match request {
            None => {
                self.stats.ignored += 1;
                return None;
            }
            Some(Request::Connect { transaction }) => {
                self.stats.connects += 1;
                let connection = self.guard.connection(now, ip);
                (transaction, Ok(Response::Connect { transaction, connection }))
            }
            Some(
                Request::Announce { connection, transaction, .. }
                | Request::Scrape { connection, transaction, .. },
            ) if !self.guard.is_connection(now, ip, connection) => {
                self.stats.ignored += 1;
                let message = b"connection id is too old".to_vec();
                let error = Response::Error { transaction, message }.to_bytes(ip);
                // To whom it may concern: who did not ask gets no more than was sent in its name.
                return Some(error).filter(|error| error.len() <= packet.len());
            }
            Some(Request::Announce { transaction, announce, .. }) => {
                let arrival = Arrival {
                    info_hash: announce.info_hash,
                    addr: SocketAddr::new(announce.ip.filter(|_| trusted).unwrap_or(ip), announce.port),
                    left: Some(announce.left),
                    event: announce.event,
                    numwant: announce.numwant,
                };
                let found = self.allow(now, ip);
                let found = found.and_then(|()| self.arrived(now, &arrival, Families::Only(ip)));
                (
                    transaction,
                    found.map(|found| Response::Announce { transaction, reply: self.reply(&found) }),
                )
            }
            Some(Request::Scrape { transaction, hashes, .. }) => {
                let counts = self.allow(now, ip).map(|()| {
                    self.stats.scrapes += 1;
                    let counts = |hash: &Sha1| self.swarms.counts(*hash).unwrap_or_default();
                    Response::Scrape { transaction, counts: hashes.iter().map(counts).collect() }
                });
                (transaction, counts)
            }
        };
        let response = answer.unwrap_or_else(|refusal| {
            self.stats.refused += 1;
            Response::Error { transaction, message: refusal.to_string().into_bytes() }
        });
        Some(response.to_bytes(ip))
    }

    /// Time has gone by: forgets who is gone, some at a time.
    pub fn poll(&mut self, now: Instant) {
        self.swarms.poll(now);
    }

    /// When [`poll`](Self::poll) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.swarms.deadline()
    }

    /// What it has seen.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (torrents, seeders, leechers) = self.swarms.totals();
        Stats { torrents, seeders, leechers, completed: self.swarms.completed(), ..self.stats }
    }

    /// The torrents that have peers, and how many.
    pub fn torrents(&self) -> impl Iterator<Item = (Sha1, Counts)> {
        self.swarms.all()
    }

    fn allow(&mut self, now: Instant, from: IpAddr) -> Result<(), Refusal> {
        if self.meter.take(now, &self.guard, from) { Ok(()) } else { Err(Refusal::Often) }
    }

    fn arrived(&mut self, now: Instant, arrival: &Arrival, families: Families) -> Result<Found, Refusal> {
        if self.listed.as_ref().is_some_and(|listed| !listed.contains(&arrival.info_hash)) {
            return Err(Refusal::NotListed);
        }
        let found = self.swarms.announce(now, arrival, families)?;
        self.stats.announces += 1;
        Ok(found)
    }

    fn refuse(&mut self, refusal: Refusal) -> Vec<u8> {
        self.stats.refused += 1;
        let retry = match refusal.retry() {
            Some(minutes) => Tree::from(minutes),
            None => Tree::from("never"),
        };
        Tree::dictionary([("failure reason", Tree::from(refusal.to_string())), ("retry in", retry)])
            .to_bytes()
    }

    fn reply(&self, found: &Found) -> Reply {
        Reply {
            interval: Some(self.limits.interval),
            peers: found.peers.iter().map(|addr| Peer { addr: *addr, id: None }).collect(),
            complete: Some(found.counts.complete),
            incomplete: Some(found.counts.incomplete),
            ..Reply::default()
        }
    }

    /// The body of an answer (BEP 3, 7, 23, 24). Peers have no ids in it, which nobody needs to dial them.
    fn body(&self, found: &Found, from: IpAddr, compact: bool) -> Vec<u8> {
        let peers = || found.peers.iter().copied();
        let long = |peer: SocketAddr| {
            Tree::dictionary([("ip", Tree::from(peer.ip().to_string())), ("port", Tree::from(peer.port()))])
        };
        let external = match from.to_canonical() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let v6 = addresses::write_v6(peers());
        Tree::dictionary([
            ("complete", Tree::from(found.counts.complete)),
            ("downloaded", Tree::from(found.counts.downloaded)),
            ("external ip", Tree::from(external)),
            ("incomplete", Tree::from(found.counts.incomplete)),
            ("interval", Tree::from(self.limits.interval.as_secs())),
            ("min interval", Tree::from(self.limits.min_interval.as_secs())),
            (
                "peers",
                match compact {
                    true => Tree::from(addresses::write_v4(peers())),
                    false => Tree::list(peers().map(long)),
                },
            ),
        ])
        .with_some("peers6", Some(v6).filter(|v6| compact && !v6.is_empty()))
        .to_bytes()
    }
}

/// An entry of a scrape (BEP 48, BEP 21).
fn file((hash, counts): (Sha1, Counts)) -> (Vec<u8>, Tree) {
    let counts = Tree::dictionary([
        ("complete", counts.complete),
        ("downloaded", counts.downloaded),
        ("incomplete", counts.incomplete),
    ])
    .with_some("downloaders", counts.downloaders);
    (hash.0.to_vec(), counts)
}

#[cfg(test)]
mod tests;
