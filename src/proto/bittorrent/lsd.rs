//! Peers on the same network find each other without a tracker: local service discovery (BEP 14).
//!
//! An [`Announcement`] is a datagram that looks like a request of HTTP, and goes to all on the network who listen.
//! [`Lsd`] decides when which torrents are announced: each every five minutes if that is possible, but never more
//! than one datagram a minute, of up to 1,400 bytes. Torrents wait in a row; who is new comes before those who had
//! their turn. What others announce is a hint that they are where it came from; a cookie tells what we have said
//! ourselves.
//!
//! Private torrents are not announced (BEP 27): whoever has an [`Lsd`] does not add them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use super::hash::Sha1;
use super::random::Random;

/// The port of both groups.
pub const PORT: u16 = 6771;

/// The group by IPv4. It reaches beyond the next router if the time to live is more than 1.
pub const GROUP_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 192, 152, 143)), PORT);

/// The group by IPv6.
pub const GROUP_V6: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f)), PORT);

/// Bytes of a datagram at most, ours and those of others (BEP 14, "should not exceed 1400 bytes").
pub const MAX_DATAGRAM: usize = 1400;

/// Torrents in one datagram, so that it is not too long: each takes 52 bytes of it.
pub const MAX_HASHES: usize = 24;

/// Bytes of a cookie at most that is looked at.
const MAX_COOKIE: usize = 64;

/// Between two announcements of one torrent (BEP 14, "every 5 minutes").
pub const INTERVAL: Duration = Duration::from_secs(300);

/// Between two datagrams (BEP 14, "no more than 1 announce per minute").
pub const PAUSE: Duration = Duration::from_secs(60);

/// Datagrams of others that are looked at in a minute; a network of thousands has fewer.
pub const MAX_HEARD: u32 = 2000;

/// Who shares what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Where the sender listens for peers.
    pub port: u16,
    /// What it shares, at most [`MAX_HASHES`] torrents.
    pub hashes: Vec<Sha1>,
    /// By which the sender knows its own datagrams.
    pub cookie: Option<String>,
}

/// Why a datagram is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LsdError {
    /// It has more than [`MAX_DATAGRAM`].
    #[error("a datagram of more than {MAX_DATAGRAM} bytes")]
    Long,
    /// It does not begin with `BT-SEARCH * HTTP/1.x`, or is no text.
    #[error("it is no search for peers")]
    Request,
    /// The port is missing, is none, or is said twice.
    #[error("it names no port, or several")]
    Port,
    /// No torrent, or one that is none.
    #[error("it names no torrent, or one that is none")]
    Hash,
}

impl Announcement {
    /// Reads a datagram. Names are of any case, blanks around values do not count, lines may end without a carriage
    /// return, and what is not known is left out. Torrents beyond [`MAX_HASHES`] are, too.
    ///
    /// # Errors
    /// It is none.
    pub fn read(datagram: &[u8]) -> Result<Self, LsdError> {
        if datagram.len() > MAX_DATAGRAM {
            return Err(LsdError::Long);
        }
        let text = std::str::from_utf8(datagram).map_err(|_| LsdError::Request)?;
        let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let version = lines.next().and_then(|line| line.strip_prefix("BT-SEARCH * HTTP/1."));
        version.filter(|minor| matches!(*minor, "0" | "1")).ok_or(LsdError::Request)?;
        let (mut port, mut hashes, mut cookie) = (None, Vec::new(), None);
        // An empty line ends the header.
        for line in lines.take_while(|line| !line.is_empty()) {
            let Some((name, value)) = line.split_once(':') else { return Err(LsdError::Request) };
            let value = value.trim();
            if name.eq_ignore_ascii_case("port") {
                let number = value.parse::<u16>().ok().filter(|number| *number != 0);
                if port.replace(number.ok_or(LsdError::Port)?).is_some() {
                    return Err(LsdError::Port);
                }
            } else if name.eq_ignore_ascii_case("infohash") {
                let hash = value.parse().map_err(|_| LsdError::Hash)?;
                if hashes.len() < MAX_HASHES && !hashes.contains(&hash) {
                    hashes.push(hash);
                }
            } else if name.eq_ignore_ascii_case("cookie") && value.len() <= MAX_COOKIE {
                cookie = Some(value.to_owned());
            }
        }
        if hashes.is_empty() {
            return Err(LsdError::Hash);
        }
        Ok(Self { port: port.ok_or(LsdError::Port)?, hashes, cookie })
    }

    /// The datagram for a group.
    #[must_use]
    pub fn to_bytes(&self, group: SocketAddr) -> Vec<u8> {
        let mut text = format!("BT-SEARCH * HTTP/1.1\r\nHost: {group}\r\nPort: {}\r\n", self.port);
        for hash in self.hashes.iter().take(MAX_HASHES) {
            // A string takes what is written to it.
            let _ = write!(text, "Infohash: {hash}\r\n");
        }
        if let Some(cookie) = &self.cookie {
            let _ = write!(text, "cookie: {cookie}\r\n");
        }
        // Two empty lines, as the proposal has it.
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }
}

/// When which torrents are announced, and who else has them.
#[derive(Debug)]
pub struct Lsd {
    port: u16,
    cookie: String,
    /// When each torrent is to be announced.
    torrents: BTreeMap<Sha1, Instant>,
    /// The same, in the order of time.
    row: BTreeSet<(Instant, Sha1)>,
    /// When the next datagram may be sent.
    next: Instant,
    /// Since when datagrams of others are counted, and how many there were.
    heard: (Instant, u32),
}

impl Lsd {
    /// One without torrents, of a client that listens at this port. The cookie comes from `seed`, which is to
    /// be another one in each client.
    #[must_use]
    pub fn new(port: u16, now: Instant, seed: u64) -> Self {
        Self {
            port,
            cookie: format!("{:016x}", Random::new(seed).next()),
            torrents: BTreeMap::new(),
            row: BTreeSet::new(),
            next: now,
            heard: (now, 0),
        }
    }

    /// Announces a torrent from now on. To be called for each of its swarms.
    pub fn add(&mut self, now: Instant, torrent: Sha1) {
        if let std::collections::btree_map::Entry::Vacant(place) = self.torrents.entry(torrent) {
            place.insert(now);
            self.row.insert((now, torrent));
        }
    }

    /// Does not any more.
    pub fn remove(&mut self, torrent: Sha1) {
        if let Some(at) = self.torrents.remove(&torrent) {
            self.row.remove(&(at, torrent));
        }
    }

    /// What is to be announced now, to each group on each interface. Those that wait longest come first.
    pub fn poll(&mut self, now: Instant) -> Option<Announcement> {
        if now < self.next {
            return None;
        }
        let waiting = self.row.iter().take_while(|(at, _)| *at <= now);
        let chosen: Vec<(Instant, Sha1)> = waiting.take(MAX_HASHES).copied().collect();
        if chosen.is_empty() {
            return None;
        }
        for (at, torrent) in &chosen {
            self.row.remove(&(*at, *torrent));
            self.row.insert((now + INTERVAL, *torrent));
            self.torrents.insert(*torrent, now + INTERVAL);
        }
        self.next = now + PAUSE;
        let hashes = chosen.into_iter().map(|(_, torrent)| torrent).collect();
        Some(Announcement { port: self.port, hashes, cookie: Some(self.cookie.clone()) })
    }

    /// When [`poll`](Self::poll) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.row.first().map(|(at, _)| (*at).max(self.next))
    }

    /// A datagram has come: a peer, and those of our torrents that it has. Whether it may be dialled is another
    /// question: see [`allowed`](super::tracker::allowed).
    pub fn heard(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
    ) -> Option<(SocketAddr, Vec<Sha1>)> {
        let (since, count) = &mut self.heard;
        if now.saturating_duration_since(*since) >= PAUSE {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        if *count > MAX_HEARD {
            // So it does not become more than 32 bits hold either.
            *count = MAX_HEARD;
            return None;
        }
        let Announcement { port, mut hashes, cookie } = Announcement::read(datagram).ok()?;
        hashes.retain(|hash| self.torrents.contains_key(hash));
        let ours = cookie.is_some_and(|cookie| cookie == self.cookie);
        let peer = match from {
            SocketAddr::V6(from) if from.ip().to_ipv4_mapped().is_none() => {
                // The interface is part of an address that only a link has.
                SocketAddrV6::new(*from.ip(), port, 0, from.scope_id()).into()
            }
            _ => SocketAddr::new(from.ip().to_canonical(), port),
        };
        (!ours && !hashes.is_empty()).then_some((peer, hashes))
    }
}

#[cfg(test)]
mod tests;
