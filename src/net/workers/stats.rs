//! What the blocking lane counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a blocking lane has done, at one moment. Each number is right; together they may be of slightly different moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockingStats {
    /// Jobs in the queue, those that were cancelled there included.
    pub depth: usize,
    /// Jobs that run.
    pub running: usize,
    /// Jobs that ended by themselves.
    pub done: u64,
    /// Jobs that ended with a panic.
    pub panicked: u64,
    /// Jobs that were cancelled before they started.
    pub cancelled: u64,
    /// Jobs that found the queue full.
    pub refused: u64,
    /// How long the started jobs waited in the queue, summed up.
    pub waited: Duration,
    /// The longest such wait.
    pub waited_max: Duration,
}

/// The counters behind [`BlockingStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) done: AtomicU64,
    pub(super) panicked: AtomicU64,
    pub(super) cancelled: AtomicU64,
    pub(super) refused: AtomicU64,
    waited: AtomicU64,
    waited_max: AtomicU64,
}

impl Counters {
    /// Counts a job's time in the queue. Nanoseconds in 64 bits last for 584 years.
    pub(super) fn waited(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.waited.fetch_add(nanos, Ordering::Relaxed);
        self.waited_max.fetch_max(nanos, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self, depth: usize, running: usize) -> BlockingStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        BlockingStats {
            depth,
            running,
            done: load(&self.done),
            panicked: load(&self.panicked),
            cancelled: load(&self.cancelled),
            refused: load(&self.refused),
            waited: Duration::from_nanos(load(&self.waited)),
            waited_max: Duration::from_nanos(load(&self.waited_max)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_summed_and_the_longest_is_kept() {
        let counters = Counters::default();
        for millis in [3, 7, 5] {
            counters.waited(Duration::from_millis(millis));
        }
        counters.refused.fetch_add(2, Ordering::Relaxed);
        let expected = BlockingStats {
            depth: 4,
            running: 1,
            refused: 2,
            waited: Duration::from_millis(15),
            waited_max: Duration::from_millis(7),
            ..BlockingStats::default()
        };
        assert_eq!(counters.snapshot(4, 1), expected);
    }
}
