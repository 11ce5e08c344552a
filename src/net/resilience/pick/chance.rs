//! Random numbers that threads can share: splitmix64, whose state is a counter.

use std::sync::atomic::{AtomicU64, Ordering};

use super::key::{GOLDEN, finished};

/// Numbers that look random, from a seed. Taking one is one atomic addition.
#[derive(Debug)]
pub(super) struct Chance(AtomicU64);

impl Chance {
    pub(super) const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(super) fn next(&self) -> u64 {
        finished(self.0.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN))
    }
}

impl Clone for Chance {
    fn clone(&self) -> Self {
        Self::new(self.0.load(Ordering::Relaxed))
    }
}
