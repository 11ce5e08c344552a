//! How long to wait before the next attempt: pure, with no clock, and with chance from a seed.
//!
//! A [`Policy`] is what an operator decides, a [`Backoff`] one run of it. The words are those of the article "Exponential
//! Backoff And Jitter" of AWS's architecture blog. Jitter is for the day on which a server with ten thousand clients
//! restarts: without it they come back in the same moments, each time.

use std::time::Duration;

/// How waits grow, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How they grow.
    pub growth: Growth,
    /// No wait is longer. What would be longer is cut before jitter.
    pub cap: Duration,
}

/// How waits grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Not at all.
    Fixed {
        /// Each wait.
        wait: Duration,
        /// Chance.
        jitter: Jitter,
    },
    /// By the same step each time: `step`, `2 * step`, `3 * step`.
    Linear {
        /// The first wait, and by how much each one is longer than the one before.
        step: Duration,
        /// Chance.
        jitter: Jitter,
    },
    /// To the double each time: `first`, `2 * first`, `4 * first`.
    Exponential {
        /// The first wait.
        first: Duration,
        /// Chance.
        jitter: Jitter,
    },
    /// By chance: anything from `first` to three times the wait before ("decorrelated jitter").
    Decorrelated {
        /// The shortest wait.
        first: Duration,
    },
}

/// What chance makes of a wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Nothing.
    None,
    /// Anything from nothing to all of it. It spreads best, by the article's measurements.
    #[default]
    Full,
    /// One half of it, and anything up to the other half.
    Equal,
}

impl Default for Policy {
    /// From half a second to half a minute, doubling, with full jitter. Precedents: gRPC 1 s to 120 s by 1.6, Kubernetes 10 s to
    /// 5 min by 2, the AWS SDKs up to 20 s with full jitter.
    fn default() -> Self {
        let growth = Growth::Exponential { first: Duration::from_millis(500), jitter: Jitter::Full };
        Self { growth, cap: Duration::from_secs(30) }
    }
}

/// The waits of one who tries again and again.
#[derive(Clone, Debug)]
pub struct Backoff {
    policy: Policy,
    rng: fastrand::Rng,
    /// Waits since the last success.
    waits: u32,
    /// The last of them.
    last: Duration,
}

impl Backoff {
    /// A run of `policy`. The same seed gives the same waits.
    #[must_use]
    pub fn new(policy: Policy, seed: u64) -> Self {
        Self { policy, rng: fastrand::Rng::with_seed(seed), waits: 0, last: Duration::ZERO }
    }

    /// How long to wait after one more failure; never more than the policy's cap.
    pub fn wait(&mut self) -> Duration {
        let (ceiling, jitter) = match self.policy.growth {
            Growth::Fixed { wait, jitter } => (wait, jitter),
            Growth::Linear { step, jitter } => (step.saturating_mul(self.waits.saturating_add(1)), jitter),
            Growth::Exponential { first, jitter } => (doubled(first, self.waits), jitter),
            Growth::Decorrelated { first } => {
                let longest = self.last.max(first).saturating_mul(3);
                (self.between(first, longest), Jitter::None)
            }
        };
        let ceiling = ceiling.min(self.policy.cap);
        self.last = match jitter {
            Jitter::None => ceiling,
            Jitter::Full => self.between(Duration::ZERO, ceiling),
            Jitter::Equal => self.between(ceiling / 2, ceiling),
        };
        self.waits = self.waits.saturating_add(1);
        self.last
    }

    /// Begins anew, after a success.
    pub fn reset(&mut self) {
        (self.waits, self.last) = (0, Duration::ZERO);
    }

    /// Waits since the last success.
    #[must_use]
    pub fn waits(&self) -> u32 {
        self.waits
    }

    fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let (low, high) = (nanos(low), nanos(high));
        Duration::from_nanos(self.rng.u64(low..=high.max(low)))
    }
}

/// `first`, doubled `times` times.
fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn waits(growth: Growth, cap: u64) -> Vec<Duration> {
        let mut backoff = Backoff::new(Policy { growth, cap: ms(cap) }, 7);
        (0..6).map(|_| backoff.wait()).collect()
    }

    #[test]
    fn without_jitter_waits_are_known() {
        let jitter = Jitter::None;
        let rows = [
            (Growth::Fixed { wait: ms(100), jitter }, 1000, [100, 100, 100, 100, 100, 100]),
            (Growth::Fixed { wait: ms(100), jitter }, 50, [50, 50, 50, 50, 50, 50]),
            (Growth::Linear { step: ms(100), jitter }, 450, [100, 200, 300, 400, 450, 450]),
            (Growth::Exponential { first: ms(100), jitter }, 2000, [100, 200, 400, 800, 1600, 2000]),
            (Growth::Exponential { first: ms(0), jitter }, 2000, [0, 0, 0, 0, 0, 0]),
        ];
        for (growth, cap, expected) in rows {
            assert_eq!(waits(growth, cap), expected.map(ms), "{growth:?} up to {cap}");
        }
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_reaches_all_of_them() {
        for seed in 0..2_000 {
            let mut last = ms(100);
            for (jitter, low) in [(Jitter::None, 1.0), (Jitter::Full, 0.0), (Jitter::Equal, 0.5)] {
                for growth in [
                    Growth::Fixed { wait: ms(100), jitter },
                    Growth::Linear { step: ms(100), jitter },
                    Growth::Exponential { first: ms(100), jitter },
                ] {
                    let mut backoff = Backoff::new(Policy { growth, cap: ms(1000) }, seed);
                    let sure = |jitter| match growth {
                        Growth::Fixed { wait, .. } => Growth::Fixed { wait, jitter },
                        Growth::Linear { step, .. } => Growth::Linear { step, jitter },
                        Growth::Exponential { first, .. } => Growth::Exponential { first, jitter },
                        Growth::Decorrelated { .. } => growth,
                    };
                    let mut ceilings =
                        Backoff::new(Policy { growth: sure(Jitter::None), cap: ms(1000) }, seed);
                    for _ in 0..8 {
                        let (wait, ceiling) = (backoff.wait(), ceilings.wait());
                        assert!(
                            wait <= ceiling && wait >= ceiling.mul_f64(low),
                            "{growth:?}: {wait:?} of {ceiling:?}"
                        );
                    }
                }
            }
            let mut backoff =
                Backoff::new(Policy { growth: Growth::Decorrelated { first: ms(100) }, cap: ms(1000) }, seed);
            for _ in 0..8 {
                let wait = backoff.wait();
                assert!(wait >= ms(100) && wait <= ms(1000).min(last * 3), "{wait:?} after {last:?}");
                last = wait;
            }
        }
        let first = |jitter| {
            let growth = Growth::Fixed { wait: ms(1000), jitter };
            (0..2_000).map(move |seed| Backoff::new(Policy { growth, cap: ms(1000) }, seed).wait())
        };
        for (jitter, low) in [(Jitter::Full, 0), (Jitter::Equal, 500)] {
            let (least, most) = (first(jitter).min().unwrap(), first(jitter).max().unwrap());
            assert!(least < ms(low + 20) && most > ms(980), "{jitter:?}: {least:?} to {most:?}");
            let mean = first(jitter).sum::<Duration>() / 2_000;
            assert!(mean.abs_diff(ms(u64::midpoint(low, 1000))) < ms(30), "{jitter:?}: {mean:?}");
        }
    }

    #[test]
    fn a_success_begins_anew_and_a_seed_says_all() {
        let policy = Policy {
            growth: Growth::Exponential { first: ms(100), jitter: Jitter::None },
            cap: Duration::from_secs(60),
        };
        let mut backoff = Backoff::new(policy, 1);
        assert_eq!([backoff.wait(), backoff.wait()], [ms(100), ms(200)]);
        assert_eq!(backoff.waits(), 2);
        backoff.reset();
        assert_eq!((backoff.waits(), backoff.wait()), (0, ms(100)));
        let run = |seed| {
            let mut backoff = Backoff::new(Policy::default(), seed);
            [(); 5].map(|()| backoff.wait())
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }

    #[test]
    fn nothing_overflows() {
        for growth in [
            Growth::Fixed { wait: Duration::MAX, jitter: Jitter::Full },
            Growth::Linear { step: Duration::MAX, jitter: Jitter::Equal },
            Growth::Exponential { first: Duration::MAX, jitter: Jitter::None },
            Growth::Exponential { first: ms(1), jitter: Jitter::Full },
            Growth::Decorrelated { first: Duration::MAX },
            Growth::Decorrelated { first: ms(1) },
        ] {
            let mut backoff = Backoff::new(Policy { growth, cap: Duration::MAX }, 5);
            for _ in 0..200 {
                backoff.wait();
            }
            let mut capped = Backoff::new(Policy { growth, cap: ms(10) }, 5);
            assert!((0..200).all(|_| capped.wait() <= ms(10)), "{growth:?}");
        }
    }
}
