//! What is counted.

use std::time::Duration;

use crate::net::times::Times;
use crate::server::load::DIGITS;
use crate::server::load::faults::Faults;

/// What happened. Tallies of several threads add up.
#[derive(Debug)]
pub(super) struct Tally {
    /// Sockets that were opened.
    pub(super) opened: u64,
    /// Sockets that could not be opened.
    pub(super) failed: u64,
    /// Sockets that ended before we closed them.
    pub(super) lost: u64,
    /// How long each took to open.
    pub(super) opening: Times,
    /// When the last one was open, from the beginning on.
    pub(super) opened_after: Duration,
    /// Messages that were sent and came back.
    pub(super) messages: u64,
    /// How long each took.
    pub(super) latency: Times,
    /// When the last one came back, from the first moment of sending on; or how long idle sockets were held.
    pub(super) measured: Duration,
    /// Messages that did not come back.
    pub(super) unanswered: u64,
    /// Messages that were due by the rate, and were not sent.
    pub(super) behind: u64,
    /// What went wrong, how often.
    pub(super) faults: Faults,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            opened: 0,
            failed: 0,
            lost: 0,
            opening: Times::exact_to(DIGITS),
            opened_after: Duration::ZERO,
            messages: 0,
            latency: Times::exact_to(DIGITS),
            measured: Duration::ZERO,
            unanswered: 0,
            behind: 0,
            faults: Faults::default(),
        }
    }
}

impl Tally {
    /// Counts something that went wrong.
    pub(super) fn fault(&mut self, kind: String, times: u64) {
        self.faults.count(kind, times);
    }

    /// How much went wrong.
    pub(super) fn failures(&self) -> u64 {
        self.faults.total()
    }

    /// Adds another one.
    pub(super) fn add(&mut self, other: Self) {
        self.opened += other.opened;
        self.failed += other.failed;
        self.lost += other.lost;
        self.opening.add(&other.opening);
        self.opened_after = self.opened_after.max(other.opened_after);
        self.messages += other.messages;
        self.latency.add(&other.latency);
        self.measured = self.measured.max(other.measured);
        self.unanswered += other.unanswered;
        self.behind += other.behind;
        self.faults.add(other.faults);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up() {
        let tally = |n: u64| {
            let mut tally = Tally { opened: n, messages: 10 * n, lost: n, ..Tally::default() };
            tally.latency.record(Duration::from_millis(n));
            tally.measured = Duration::from_secs(n);
            tally.fault("a".into(), n);
            tally
        };
        let mut sum = tally(1);
        sum.add(tally(3));
        assert_eq!((sum.opened, sum.messages, sum.lost, sum.failures()), (4, 40, 4, 4));
        assert_eq!(sum.measured, Duration::from_secs(3));
        assert!(sum.latency.quantile(1.0).unwrap() >= Duration::from_millis(3));
    }
}
