//! How much unrest a peer may make: frames that cost us something and say nothing.
//!
//! Each kind has a bucket that fills with time. What honest peers do fits; a flood of PINGs, of calls that are reset at once ("rapid
//! reset", CVE-2023-44487), or of empty pieces does not.

use std::time::{Duration, Instant};

use crate::proto::rpc::reject::Reject;

/// Calls that a peer may open and reset, or have refused, at once; and again after each [`RESET_REFILL`].
pub const RESETS: u32 = 1_000;

/// How long until as many are allowed again.
pub const RESET_REFILL: Duration = Duration::from_secs(10);

/// Pieces of messages without a byte, likewise.
pub const EMPTY: u32 = 1_000;

/// PINGs that may come faster than the interval that was announced, before the connection ends.
pub const PING_STRIKES: u32 = 10;

/// A number that is used up, and fills evenly with time.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    most: u32,
    refill: Duration,
    /// When it was, or will be, full; never later than `refill` after now.
    full: Option<Instant>,
}

impl Allowance {
    fn new(most: u32, refill: Duration) -> Self {
        Self { most: most.max(1), refill, full: None }
    }

    /// Uses one; whether there was one.
    fn take(&mut self, now: Instant) -> bool {
        let one = self.refill / self.most;
        let full = self.full.map_or(now, |full| full.max(now)) + one;
        let fits = full.saturating_duration_since(now) <= self.refill;
        if fits {
            self.full = Some(full);
        }
        fits
    }
}

/// What a peer has left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calm {
    pings: Allowance,
    resets: Allowance,
    empty: Allowance,
}

impl Calm {
    /// For a peer that was asked to leave `ping_interval` between two PINGs.
    pub(super) fn new(ping_interval: Duration) -> Self {
        Self {
            pings: Allowance::new(PING_STRIKES, ping_interval * PING_STRIKES),
            resets: Allowance::new(RESETS, RESET_REFILL),
            empty: Allowance::new(EMPTY, RESET_REFILL),
        }
    }

    pub(super) fn ping(&mut self, now: Instant) -> Result<(), Reject> {
        if self.pings.take(now) { Ok(()) } else { Err(Reject::PingFlood) }
    }

    pub(super) fn reset(&mut self, now: Instant) -> Result<(), Reject> {
        if self.resets.take(now) { Ok(()) } else { Err(Reject::ResetFlood) }
    }

    pub(super) fn empty(&mut self, now: Instant) -> Result<(), Reject> {
        if self.empty.take(now) { Ok(()) } else { Err(Reject::EmptyFlood) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_one_more_for_each_share_of_time() {
        let start = Instant::now();
        let mut allowance = Allowance::new(10, Duration::from_secs(10));
        let at = |millis| start + Duration::from_millis(millis);
        assert!((0..10).all(|_| allowance.take(at(0))));
        assert!(!allowance.take(at(0)));
        assert!(!allowance.take(at(999)));
        assert!(allowance.take(at(1000)));
        assert!(!allowance.take(at(1000)));
        assert!((0..10).all(|_| allowance.take(at(60_000))));
        assert!(!allowance.take(at(60_000)), "what is full does not grow");
    }

    #[test]
    fn pings_at_the_announced_interval_are_always_fine_and_an_interval_of_nothing_has_no_limit() {
        let start = Instant::now();
        let mut calm = Calm::new(Duration::from_secs(10));
        for n in 0..100 {
            assert_eq!(calm.ping(start + Duration::from_secs(10 * n)), Ok(()), "{n}");
        }
        let mut calm = Calm::new(Duration::ZERO);
        assert!((0..10_000).all(|_| calm.ping(start).is_ok()));
        let mut calm = Calm::new(Duration::from_secs(10));
        assert_eq!((0..100).filter(|_| calm.ping(start).is_ok()).count(), PING_STRIKES as usize);
    }
}
