//! What the house counts, for its operator.

use std::sync::atomic::{AtomicU64, Ordering};

use super::House;

/// Counters of the way into the log.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) changes: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) failures: AtomicU64,
}

impl Counters {
    /// One transaction with so many changes.
    pub(super) fn committed(&self, changes: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.changes.fetch_add(changes as u64, Ordering::Relaxed);
    }

    /// So many changes that could not be written.
    pub(super) fn failed(&self, changes: usize) {
        self.failures.fetch_add(changes as u64, Ordering::Relaxed);
    }
}

/// How the house is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Users that are here.
    pub users: u64,
    /// Rooms, direct ones among them.
    pub rooms: u64,
    /// Changes that were written.
    pub changes: u64,
    /// Transactions in which they were written.
    pub commits: u64,
    /// Changes that the store did not write.
    pub failures: u64,
}

impl House {
    /// How the house is doing.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.0.counters;
        Stats {
            users: self.0.people().by_nick.len() as u64,
            rooms: self.0.rooms().by_id.len() as u64,
            changes: counters.changes.load(Ordering::Relaxed),
            commits: counters.commits.load(Ordering::Relaxed),
            failures: counters.failures.load(Ordering::Relaxed),
        }
    }
}
