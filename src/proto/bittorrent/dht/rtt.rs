//! How long to wait for an answer, by how long answers have taken so far (the estimator of RFC 6298).
//!
//! Two times: after the short one a lookup asks another node instead, without giving this one up; after the long
//! one there will be no answer. Most nodes that do not answer are not there, and a lookup would spend its time on
//! them.

use std::time::Duration;

/// The short time, as long as nothing is known, and at most.
const LATE: Duration = Duration::from_secs(1);

/// The short time at least.
const LATE_LEAST: Duration = Duration::from_millis(250);

/// The long time at least, and at most. libtorrent gives a node up after 5 s (`traversal_algorithm`: 1 s, 5 s).
const LOST: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(5));

/// The measure of round trips.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rtt {
    smoothed: Option<(Duration, Duration)>,
}

impl Rtt {
    /// An answer took this long.
    pub(super) fn measured(&mut self, took: Duration) {
        self.smoothed = Some(match self.smoothed {
            None => (took, took / 2),
            Some((mean, deviation)) => ((mean * 7 + took) / 8, (deviation * 3 + mean.abs_diff(took)) / 4),
        });
    }

    /// The short time.
    pub(super) fn late(&self) -> Duration {
        self.smoothed.map_or(LATE, |(mean, deviation)| (mean + deviation * 4).clamp(LATE_LEAST, LATE))
    }

    /// The long time.
    pub(super) fn lost(&self) -> Duration {
        (self.late() * 4).clamp(LOST.0, LOST.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_follow_round_trips() {
        let millis = Duration::from_millis;
        let mut rtt = Rtt::default();
        assert_eq!((rtt.late(), rtt.lost()), (millis(1000), millis(4000)));
        rtt.measured(millis(100));
        assert_eq!((rtt.late(), rtt.lost()), (millis(300), millis(3000)));
        (0..50).for_each(|_| rtt.measured(millis(100)));
        assert_eq!(rtt.late(), LATE_LEAST);
        (0..50).for_each(|at| rtt.measured(millis(if at % 2 == 0 { 500 } else { 1500 })));
        assert_eq!((rtt.late(), rtt.lost()), (LATE, millis(4000)), "a node that is slow is not waited for");
        (0..100).for_each(|_| rtt.measured(Duration::from_secs(10)));
        assert_eq!(rtt.lost(), millis(4000));
    }
}
