//! What a node is like, and what there may be at most.
//!
//! Everything that others can make grow, or have us do, has its number here or in [`StoreLimits`]. What is part of
//! the protocol itself, as the eight nodes of a bucket, is a constant where it is used.

use std::collections::BTreeSet;
use std::time::Duration;

use super::contact::Family;
use super::store::StoreLimits;

/// What a node is like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The networks that it is in: those of which there is a socket.
    pub families: BTreeSet<Family>,
    /// Addresses of private networks and of this host are taken as well, and as many nodes of each as there are.
    /// For tests, and for networks of their own.
    pub local: bool,
    /// It asks, and does not answer: for those who cannot be reached, or pay for each byte (BEP 43).
    pub read_only: bool,
    /// Only nodes with an id of their address are taken (BEP 42). Off by default, as in libtorrent
    /// (`dht_enforce_node_id`): too many have none.
    pub enforce_ids: bool,
    /// What it takes of others, and does for them.
    pub limits: Limits,
}

impl Default for Settings {
    /// A node of both public networks.
    fn default() -> Self {
        let families = Family::ALL.into();
        Self { families, local: false, read_only: false, enforce_ids: false, limits: Limits::default() }
    }
}

/// What there may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Queries that wait for an answer.
    pub transactions: usize,
    /// Searches for torrents at a time; others wait.
    pub searches: usize,
    /// Queries a second of one address, over ten seconds. Who has more is not read for [`block`](Self::block).
    pub queries_per_second: u32,
    /// How long that is.
    pub block: Duration,
    /// Addresses whose queries are counted.
    pub sources: usize,
    /// Addresses that are known to be proven.
    pub proven: usize,
    /// Bytes of answers a second, in all.
    pub answers_per_second: u32,
    /// Peers that are kept for others.
    pub store: StoreLimits,
}

impl Default for Limits {
    /// 256 transactions, 8 searches, 5 queries a second and 5 minutes as in libtorrent (`dht_block_ratelimit`,
    /// `dht_block_timeout`), 2,048 sources, 4,096 proven, 16 kB/s of answers (libtorrent sends 8 kB/s of all kinds).
    fn default() -> Self {
        Self {
            transactions: 256,
            searches: 8,
            queries_per_second: 5,
            block: Duration::from_secs(5 * 60),
            sources: 2048,
            proven: 4096,
            answers_per_second: 16_000,
            store: StoreLimits::default(),
        }
    }
}
