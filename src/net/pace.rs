//! Minimum rates: how slowly a peer may send, and take what is sent.
//!
//! A deadline that each byte puts off. A byte that arrives counts at once. A byte that is sent counts when the peer has taken
//! it, not when the system has: a socket's buffer holds megabytes, which a slow and honest client takes minutes for, and a
//! client that takes nothing at all leaves standing there. Nobody has to look before the deadline passes.

use std::time::Duration;

use tokio::time::Instant;

/// A minimum rate: each byte that moves buys time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    /// Bytes per second.
    pub rate: u32,
    /// Time that is given for free.
    pub grace: Duration,
}

/// Which bytes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those that the peer sends.
    Reading,
    /// Those that the peer takes.
    Writing,
}

/// The deadline of a peer that is held to a minimum rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    direction: Direction,
    deadline: Instant,
    /// Nanoseconds that a byte buys.
    per_byte: u64,
    /// Where the deadline lies at most, from now.
    gap: Duration,
    /// Bytes that the system has been given for the peer.
    given: u64,
    /// Those of them that the peer has taken, and that were counted.
    taken: u64,
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

impl Pace {
    /// `min.grace` from `now`, then `1 / min.rate` seconds a byte, yet never more than `gap` ahead. `queued` bytes wait in the
    /// system for the peer to take them.
    pub(super) fn new(direction: Direction, min: MinRate, gap: Duration, queued: u64, now: Instant) -> Self {
        Self {
            direction,
            deadline: now + min.grace.min(gap),
            per_byte: NANOS_PER_SECOND / u64::from(min.rate.max(1)),
            gap,
            given: queued,
            taken: 0,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    /// The peer sent so many bytes.
    pub(super) fn received(&mut self, bytes: u64, now: Instant) {
        if self.direction == Direction::Reading {
            self.moved(bytes, now);
        }
    }

    fn moved(&mut self, bytes: u64, now: Instant) {
        let bought = Duration::from_nanos(self.per_byte.saturating_mul(bytes));
        self.deadline = (self.deadline + bought.min(self.gap)).min(now + self.gap);
    }

    /// The system took so many bytes for the peer.
    pub(super) fn gave(&mut self, bytes: u64) {
        self.given = self.given.saturating_add(bytes);
    }

    /// Counts what the peer has taken since the last look, when `queued` bytes still wait for it. Whether that was any.
    pub(super) fn look(&mut self, queued: u64, now: Instant) -> bool {
        let taken = self.given.saturating_sub(queued);
        let more = taken.saturating_sub(self.taken);
        self.taken = self.taken.max(taken);
        self.moved(more, now);
        more > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: MinRate = MinRate { rate: 100, grace: Duration::from_secs(5) };
    const GAP: Duration = Duration::from_secs(30);

    /// Milliseconds from `start` to the deadline.
    fn left(pace: &Pace, start: Instant) -> u128 {
        (pace.deadline() - start).as_millis()
    }

    #[test]
    fn each_byte_buys_time_up_to_the_gap() {
        let start = Instant::now();
        let mut pace = Pace::new(Direction::Reading, MIN, GAP, 0, start);
        assert_eq!(left(&pace, start), 5_000);
        pace.received(50, start);
        assert_eq!(left(&pace, start), 5_500);
        pace.received(u64::MAX, start);
        assert_eq!(left(&pace, start), 30_000);
        pace.received(1, start + Duration::from_secs(10));
        assert_eq!(left(&pace, start), 30_010, "never put forward");
        assert_eq!(left(&Pace::new(Direction::Reading, MIN, Duration::from_secs(1), 0, start), start), 1_000);
    }

    #[test]
    fn what_is_sent_counts_when_it_was_taken() {
        let start = Instant::now();
        let mut pace = Pace::new(Direction::Writing, MIN, GAP, 1_000, start);
        pace.gave(500);
        pace.received(u64::MAX, start);
        assert!(!pace.look(1_500, start), "the system has it all");
        assert_eq!(left(&pace, start), 5_000);
        assert!(pace.look(1_400, start));
        assert_eq!(left(&pace, start), 6_000);
        assert!(!pace.look(1_400, start), "the same bytes count once");
        pace.gave(100);
        assert!(!pace.look(1_500, start));
        assert!(pace.look(0, start));
        assert_eq!(left(&pace, start), 21_000);
    }
}
