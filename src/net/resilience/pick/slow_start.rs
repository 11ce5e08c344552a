//! The share of an endpoint that has just become available: little at first, so that it can fill its caches and compile its code.
//!
//! The share grows in a straight line, as in HAProxy and nginx, from a part that is not zero: an endpoint that got nothing would never be warm.
//! The pickers apply it without a new table: an endpoint at 30 % of its weight declines 70 % of the calls that would be its own. Those that go
//! by a key decline the same keys each time, fewer and fewer of them, so that a key moves to the endpoint once and then stays.

use std::time::{Duration, Instant};

/// How an endpoint comes to its full share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowStart {
    /// How long it takes; zero for no slow start.
    pub window: Duration,
    /// The part of its weight that an endpoint has at once, in percent.
    pub least: u8,
}

impl SlowStart {
    /// No slow start; 10 % at once if a window is set, as in Envoy.
    pub const DEFAULT: Self = Self { window: Duration::ZERO, least: 10 };

    /// The part of its weight that counts, from 0 to 1, of an endpoint that became available then; `None` for long ago.
    #[must_use]
    pub fn warmth(&self, since: Option<Instant>, now: Instant) -> f64 {
        let Some(since) = since else { return 1.0 };
        let passed = now.saturating_duration_since(since);
        if passed >= self.window {
            return 1.0;
        }
        let least = f64::from(self.least.min(100)) / 100.0;
        least + (1.0 - least) * passed.as_secs_f64() / self.window.as_secs_f64()
    }
}

impl Default for SlowStart {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_grows_in_a_straight_line() {
        let start = Instant::now();
        let slow = |window, least| SlowStart { window: Duration::from_secs(window), least };
        for (policy, since, seconds, expected) in [
            (slow(10, 10), Some(start), 0, 0.1),
            (slow(10, 10), Some(start), 5, 0.55),
            (slow(10, 10), Some(start), 9, 0.91),
            (slow(10, 10), Some(start), 10, 1.0),
            (slow(10, 10), Some(start), 1_000, 1.0),
            (slow(10, 10), None, 0, 1.0),
            (slow(10, 0), Some(start), 5, 0.5),
            (slow(10, 250), Some(start), 0, 1.0),
            (SlowStart::DEFAULT, Some(start), 0, 1.0),
        ] {
            let found = policy.warmth(since, start + Duration::from_secs(seconds));
            assert!((found - expected).abs() < 1e-9, "{policy:?} after {seconds} s: {found}");
        }
        let later = start + Duration::from_secs(5);
        let found = slow(10, 10).warmth(Some(later), start);
        assert!((found - 0.1).abs() < 1e-9, "a clock that goes back: {found}");
    }
}
