//! Passive health checks: backends that fail or are slow on real requests are ejected for a while.
//!
//! Two states work together. A [`Record`] counts the outcomes of one backend's requests; it is the cheap part, run for every request, and reports when the backend
//! is an outlier: too many failures in a row, or too many in a window of time. A group of backends has one [`Ejections`],
//! which is asked only then. It knows which backends are ejected and until when, and refuses when too many are already: a fault that all backends
//! share, such as an unavailable database, must not eject all of them. The third rule, a latency far above that of the others, needs the whole group;
//! [`laggards`] finds those.
//!
//! An ejection ends after its time and not by a check: a check that passes says that the backend answers checks, and it was failing requests a moment ago. Each further
//! ejection lasts longer; time without one is forgiven step by step.

mod ejections;
mod record;

use std::time::Duration;

pub use self::ejections::{Ejections, Group, Spared};
pub use self::record::{Outcome, Record, Stats};

/// When a backend is ejected, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// This many connection faults in a row (refused, reset, timed out) eject a backend; 0 disables the rule.
    pub faults: u32,
    /// This many failures in a row, faults and errors (such as 5xx responses) together, eject a backend; 0 disables the rule.
    pub failures: u32,
    /// A backend with this percentage of failures in the [`window`](Self::window) is ejected; 0 disables the rule.
    pub rate: u8,
    /// A backend whose average latency is this percentage of the median of its group is ejected; 0 disables the rule.
    pub lag: u32,
    /// An average latency below this never causes an ejection.
    pub lag_least: Duration,
    /// The time in which [`rate`](Self::rate) and [`lag`](Self::lag) are measured, at least 100 ms and at most an hour.
    pub window: Duration,
    /// With fewer requests of a backend in the window, rate and lag do not apply to it.
    pub least_calls: u32,
    /// How long a first ejection lasts. The nth lasts n times as long.
    pub time: Duration,
    /// The longest ejection.
    pub longest: Duration,
    /// After each interval of this length without an ejection, one is forgiven.
    pub forgive: Duration,
    /// The percentage of a group that may be ejected at once, rounded down, but at least one backend; 0 for none. One backend always stays.
    pub most: u8,
}

impl Policy {
    /// 5 failures in a row, as in Envoy, 3 if they are connection faults; half of the requests in 10 s, if there were 20; no latency rule,
    /// as only an operator knows whether backends do the same work. 30 s, up to 300 s, as in Envoy. Half of the group: Envoy's 10 %
    /// of a small group is no backend at all.
    pub const DEFAULT: Self = Self {
        faults: 3,
        failures: 5,
        rate: 50,
        lag: 0,
        lag_least: Duration::from_millis(50),
        window: Duration::from_secs(10),
        least_calls: 20,
        time: Duration::from_secs(30),
        longest: Duration::from_secs(300),
        forgive: Duration::from_secs(60),
        most: 50,
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why a backend is an outlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// [`Policy::faults`].
    Faults,
    /// [`Policy::failures`].
    Failures,
    /// [`Policy::rate`].
    Rate,
    /// [`Policy::lag`].
    Lag,
}

impl Reason {
    /// Its name in logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Faults => "faults",
            Self::Failures => "failures",
            Self::Rate => "rate",
            Self::Lag => "lag",
        }
    }
}

/// The backends of a group that are far slower than the others: more than [`Policy::lag`] percent of the median of the averages, of those with enough requests. At
/// least three backends need enough requests, as of two nobody can say which is the outlier. The slowest comes first. To be called about once per
/// window, not for each request.
#[must_use]
pub fn laggards(policy: &Policy, group: &[(u64, Stats)]) -> Vec<u64> {
    let enough = |stats: &Stats| stats.answered >= policy.least_calls.max(1);
    let averages = group.iter().filter(|(_, stats)| enough(stats)).map(|(id, stats)| (stats.latency, *id));
    let mut averages: Vec<_> = averages.collect();
    if policy.lag == 0 || averages.len() < 3 {
        return Vec::new();
    }
    averages.sort_unstable();
    // The lower of the two in the middle, so that half of a group can lag.
    let median = averages[(averages.len() - 1) / 2].0;
    let most = median.as_nanos() * u128::from(policy.lag.max(100)) / 100;
    let lags = |latency: Duration| latency.as_nanos() > most && latency >= policy.lag_least;
    averages.into_iter().rev().filter(|(latency, _)| lags(*latency)).map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::health::{self, Health};
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn who_lags() {
        let policy = Policy { lag: 300, least_calls: 10, lag_least: ms(50), ..Policy::DEFAULT };
        let stats = |millis, answered| Stats { calls: answered, failed: 0, answered, latency: ms(millis) };
        for (policy, latencies, expected) in [
            (policy, &[(20, 10), (20, 10), (20, 10)][..], vec![]),
            (policy, &[(20, 10), (20, 10), (61, 10)], vec![2]),
            (policy, &[(20, 10), (20, 10), (60, 10)], vec![]),
            // Enough calls, of three at least.
            (policy, &[(20, 10), (20, 10), (900, 9)], vec![]),
            (policy, &[(20, 10), (900, 10)], vec![]),
            (policy, &[(20, 10), (20, 9), (900, 10)], vec![]),
            // Quick enough is quick enough.
            (policy, &[(1, 10), (1, 10), (49, 10)], vec![]),
            (policy, &[(1, 10), (1, 10), (50, 10)], vec![2]),
            // Several: the slowest first. Of four two may lag.
            (policy, &[(20, 10), (20, 10), (20, 10), (100, 10), (200, 10)], vec![4, 3]),
            (policy, &[(100, 10), (20, 10), (20, 10), (200, 10)], vec![3, 0]),
            // Without the rule nobody lags, and nobody by less than the median.
            (Policy { lag: 0, ..policy }, &[(20, 10), (20, 10), (900, 10)], vec![]),
            (Policy { lag: 1, ..policy }, &[(60, 10), (60, 10), (60, 10)], vec![]),
            (policy, &[], vec![]),
        ] {
            let group: Vec<_> = (0..)
                .zip(latencies)
                .map(|(id, (millis, answered))| (id, stats(*millis, *answered)))
                .collect();
            assert_eq!(laggards(&policy, &group), expected, "{latencies:?}");
        }
    }

    /// A backend that answers its checks and fails calls: it stays ejected for its time.
    #[test]
    fn a_check_that_passes_does_not_lift_an_ejection() {
        let start = Instant::now();
        let at = |millis| start + ms(millis);
        let policy = Policy { time: ms(30_000), ..Policy::DEFAULT };
        let mut health = Health::new(health::Policy::DEFAULT, start, 0.0);
        let mut record = Record::new(policy, start);
        let mut ejections = Ejections::new(policy);
        let reason = (1..=5).find_map(|_| record.report(at(1), Outcome::Error));
        assert_eq!(reason, Some(Reason::Failures));
        let until = ejections.eject(7, at(1), Group { members: 4, available: 4 });
        assert_eq!(until, Ok(at(30_001)));
        let available =
            |health: &Health, ejections: &Ejections, now| health.is_up() && ejections.until(7, now).is_none();
        for second in 0..30 {
            health.checked(at(second * 1_000), health::Outcome::Passed, 0.5);
            assert!(health.is_up() && (second == 0 || !available(&health, &ejections, at(second * 1_000))));
        }
        assert!(available(&health, &ejections, at(30_001)));
    }
}
