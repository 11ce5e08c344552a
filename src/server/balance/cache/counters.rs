//! What a cache has done, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::store::Store;

/// What is counted: requests, but for [`Refreshed`](Self::Refreshed) and [`Invalidated`](Self::Invalidated).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum CacheCount {
    /// Answered by a fresh stored response.
    Hit,
    /// Answered by a stale one.
    Stale,
    /// Sent on, as nothing stored would do.
    Miss,
    /// Sent on to confirm a stored response, and confirmed by a 304.
    Revalidated,
    /// Answered by what another request brought.
    Collapsed,
    /// Sent on, as the cache is not for them: other methods, bodies, ranges of what is not stored.
    Bypass,
    /// Stored responses that were asked for anew in the background.
    Refreshed,
    /// Responses that were stored.
    Stored,
    /// URIs that a change or an operator made the cache forget.
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

    /// Its name, where operators see it.
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
    /// Counts one.
    pub(super) fn count(&self, what: CacheCount) {
        self.add(what, 1);
    }

    /// Counts so many.
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

/// What a cache has done, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    counts: [u64; COUNTS],
    /// URIs of which something is known.
    pub uris: u64,
    /// Bytes that are stored, heads and keys included.
    pub bytes: u64,
    /// URIs that were forgotten to make room.
    pub evictions: u64,
}

impl Snapshot {
    /// How often it happened.
    #[must_use]
    pub fn count(&self, what: CacheCount) -> u64 {
        self.counts[what as usize]
    }
}
