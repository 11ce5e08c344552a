//! The counters of a cache.

use std::sync::atomic::{AtomicU64, Ordering};

use super::store::Store;

/// The events: requests, except [`Refreshed`](Self::Refreshed) and [`Invalidated`](Self::Invalidated).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum CacheCount {
    /// Answered by a fresh stored response.
    Hit,
    /// Answered by a stale one.
    Stale,
    /// Forwarded, as no stored response could be used.
    Miss,
    /// Forwarded to revalidate a stored response, which a 304 confirmed.
    Revalidated,
    /// Answered by the response to another request.
    Collapsed,
    /// Forwarded, as the cache does not apply: other methods, bodies, ranges of what is not stored.
    Bypass,
    /// Stored responses that were refreshed in the background.
    Refreshed,
    /// Stored responses.
    Stored,
    /// URIs that were invalidated by a request or purged by an operator.
    Invalidated,
}

const COUNTS: usize = CacheCount::Invalidated as usize + 1;

impl CacheCount {
    /// All of them.
    pub const ALL: [Self; COUNTS] = [
        Self::Hit,
        Self::Stale,
        Self::Miss,
        Self::Revalidated,
        Self::Collapsed,
        Self::Bypass,
        Self::Refreshed,
        Self::Stored,
        Self::Invalidated,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Revalidated => "revalidated",
            Self::Collapsed => "collapsed",
            Self::Bypass => "bypass",
            Self::Refreshed => "refreshed",
            Self::Stored => "stored",
            Self::Invalidated => "invalidated",
        }
    }
}

/// The counts of a cache.
#[derive(Debug, Default)]
pub(super) struct Counters([AtomicU64; COUNTS]);

impl Counters {
    /// Counts an event.
    pub(super) fn count(&self, what: CacheCount) {
        self.add(what, 1);
    }

    /// Counts several events.
    pub(super) fn add(&self, what: CacheCount, count: u64) {
        self.0[what as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self, store: &Store) -> Snapshot {
        let mut counts = [0; COUNTS];
        for (count, counter) in counts.iter_mut().zip(&self.0) {
            *count = counter.load(Ordering::Relaxed);
        }
        let (uris, bytes, evictions) = store.size();
        Snapshot { counts, uris, bytes, evictions }
    }
}

/// The counters and the size of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    counts: [u64; COUNTS],
    /// URIs with an entry.
    pub uris: u64,
    /// Stored bytes, including heads and keys.
    pub bytes: u64,
    /// URIs that were evicted for lack of memory.
    pub evictions: u64,
}

impl Snapshot {
    /// The count of an event.
    #[must_use]
    pub fn count(&self, what: CacheCount) -> u64 {
        self.counts[what as usize]
    }
}
