//! How much a tracker takes, whom it refuses, and what it has seen.

use std::time::Duration;

use super::{Full, QueryError};

/// Bounds of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Torrents. When there are as many, others are refused.
    pub torrents: usize,
    /// Peers of all torrents. When there are as many, others are answered, but not told of.
    pub peers: usize,
    /// Peers of one torrent; likewise.
    pub peers_per_torrent: usize,
    /// Peers of one torrent at one address (one network of 64 bits by IPv6); a new one takes the place of the oldest.
    pub peers_per_address: usize,
    /// Requests a minute from one address (or network).
    pub requests_per_minute: u16,
    /// Peers that are told to who does not say how many it wants.
    pub numwant: u32,
    /// Peers that are told at most.
    pub max_numwant: u32,
    /// After how long peers are to come back.
    pub interval: Duration,
    /// Before what they are not to come back.
    pub min_interval: Duration,
    /// After how long a peer that has not come back is gone.
    pub expiry: Duration,
    /// Torrents that are told to who scrapes without saying which; at 0 nobody can.
    pub full_scrape: usize,
}

impl Default for Limits {
    /// 100,000 torrents and a million peers, which take about 34 MiB by IPv4; 100,000 peers of a torrent, 32 of them
    /// at one address; 600 requests a minute, so that who shares 10,000 torrents can; 50 peers, at most 200; half an
    /// hour and 45 minutes as in opentracker, and a minute at least; no full scrape.
    fn default() -> Self {
        Self {
            torrents: 100_000,
            peers: 1_000_000,
            peers_per_torrent: 100_000,
            peers_per_address: 32,
            requests_per_minute: 600,
            numwant: 50,
            max_numwant: 200,
            interval: Duration::from_secs(1800),
            min_interval: Duration::from_secs(60),
            expiry: Duration::from_secs(2700),
            full_scrape: 0,
        }
    }
}

/// Why somebody is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request is none.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// It asks too often.
    #[error("too many requests from your address")]
    Often,
    /// The torrent is none of those that are tracked here.
    #[error("this torrent is not tracked here")]
    NotListed,
    /// There are too many torrents.
    #[error(transparent)]
    Full(#[from] Full),
    /// It wants to know of all torrents.
    #[error("scrapes have to name torrents here")]
    FullScrape,
}

impl Refusal {
    /// When to come back, in minutes; `None` for never (BEP 31).
    #[must_use]
    pub fn retry(self) -> Option<u32> {
        match self {
            Self::Often => Some(1),
            Self::Full(_) => Some(30),
            Self::Query(_) | Self::NotListed | Self::FullScrape => None,
        }
    }
}

/// What a tracker has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Torrents that have peers.
    pub torrents: usize,
    /// Peers that have all.
    pub seeders: usize,
    /// Peers that have not.
    pub leechers: usize,
    /// Announces that were answered.
    pub announces: u64,
    /// Scrapes that were answered.
    pub scrapes: u64,
    /// Torrents that were got.
    pub completed: u64,
    /// Connection ids that were given.
    pub connects: u64,
    /// Requests that were refused, with a reason.
    pub refused: u64,
    /// Packets that were not served: no requests, or without a connection id that counts.
    pub ignored: u64,
}
