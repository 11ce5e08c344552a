//! How loaded an endpoint is: its latency, peaks above all, times the calls under way.
//!
//! The idea is Finagle's "peak EWMA", which Linkerd and tower use too. The latency is an average that forgets exponentially with
//! the time, not with the number of answers. An answer that took longer than the average becomes the average at once: bad news is
//! believed, good news has to be repeated. Nobody asks an endpoint that looks slow, so nothing would ever be heard of it again; that is
//! why the average falls while nothing is heard (Traefik's `leasttime` did not, and starved backends for ever). An endpoint that
//! fails is often quick about it, and must not look attractive: a failure makes it look several times as slow, which wears off. Ten
//! failures are no worse than the last of them, or an endpoint that comes back would wait for minutes to be asked.
//!
//! [`PeakEwma`] is the pure state, [`Load`] a handle around one with the count of calls under way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How latencies are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The time in which an average falls to 1/e, about a third, of what it was.
    pub decay: Duration,
    /// The latency of an endpoint about which nothing is known.
    pub unknown: Duration,
    /// An endpoint that has just failed counts as so many times as slow. That wears off like an average.
    pub penalty: u32,
}

impl Policy {
    /// 10 s, as in Finagle and Linkerd; 30 ms for the unknown, as in Linkerd; and tenfold after a failure: of two endpoints that are equally
    /// quick, the one that failed is asked again after 13 s, when nothing more was heard of it (Envoy ejects a host for 30 s).
    pub const DEFAULT: Self =
        Self { decay: Duration::from_secs(10), unknown: Duration::from_millis(30), penalty: 10 };
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The longest latency that an average can have, so that an endpoint that failed for long can recover: a minute.
pub const LONGEST: Duration = Duration::from_secs(60);

/// The shortest, so that what is unheard of for long is still told apart by the calls under way.
const SHORTEST: f64 = 1e-9;

/// An average of latencies that follows peaks at once.
#[derive(Clone, Debug)]
pub struct PeakEwma {
    policy: Policy,
    /// Seconds, at the time of the last answer.
    average: f64,
    heard: Instant,
    /// The last failure.
    failed: Option<Instant>,
    unknown: bool,
}

impl PeakEwma {
    /// The average of an endpoint about which nothing is known.
    #[must_use]
    pub fn new(policy: Policy, now: Instant) -> Self {
        Self {
            policy,
            average: bounded(policy.unknown.as_secs_f64()),
            heard: now,
            failed: None,
            unknown: true,
        }
    }

    /// Counts an answer that took so long.
    pub fn answered(&mut self, now: Instant, latency: Duration) {
        let kept = self.kept(self.heard, now);
        let expected = bounded(self.average * kept);
        let latency = bounded(latency.as_secs_f64());
        let average = self.average * kept + latency * (1.0 - kept);
        self.average = bounded(if latency > expected { latency } else { average });
        self.heard = self.heard.max(now);
        self.unknown = false;
    }

    /// Counts a failure after so long. A quick one is no sign of speed; a slow one is as bad as an answer that took so long.
    pub fn failed(&mut self, now: Instant, latency: Duration) {
        if latency.as_secs_f64() > self.seconds(now) {
            self.answered(now, latency);
        }
        self.failed = self.failed.max(Some(now));
        self.unknown = false;
    }

    /// Whether no call has been answered or has failed yet.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// The latency to expect of an answer. It falls while nothing is heard.
    #[must_use]
    pub fn latency(&self, now: Instant) -> Duration {
        Duration::from_secs_f64(self.seconds(now))
    }

    /// What a call costs, in seconds: the latency, and more than that after a failure. It falls while nothing is heard.
    #[must_use]
    pub fn cost(&self, now: Instant) -> f64 {
        let penalty = f64::from(self.policy.penalty.max(1)) - 1.0;
        let left = self.failed.map_or(0.0, |failed| self.kept(failed, now));
        self.seconds(now) * (1.0 + penalty * left)
    }

    fn seconds(&self, now: Instant) -> f64 {
        bounded(self.average * self.kept(self.heard, now))
    }

    /// Which part is left of what was so then. Time that runs backwards is no time.
    fn kept(&self, then: Instant, now: Instant) -> f64 {
        let decay = self.policy.decay.as_secs_f64().max(SHORTEST);
        let silence = now.saturating_duration_since(then).as_secs_f64();
        (-silence / decay).exp()
    }
}

fn bounded(seconds: f64) -> f64 {
    seconds.clamp(SHORTEST, LONGEST.as_secs_f64())
}

/// The load of one endpoint, which all calls to it share. Clones are the same load.
#[derive(Clone, Debug)]
pub struct Load(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    latency: Mutex<PeakEwma>,
    outstanding: AtomicUsize,
}

impl Load {
    /// The load of an endpoint about which nothing is known.
    #[must_use]
    pub fn new(policy: Policy, now: Instant) -> Self {
        let latency = Mutex::new(PeakEwma::new(policy, now));
        Self(Arc::new(Shared { latency, outstanding: AtomicUsize::new(0) }))
    }

    /// Counts a call in, until what this returns is dropped.
    pub fn begin(&self, now: Instant) -> Outstanding {
        self.0.outstanding.fetch_add(1, Ordering::Relaxed);
        Outstanding { load: self.clone(), begun: now }
    }

    /// Calls under way.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.0.outstanding.load(Ordering::Relaxed)
    }

    /// The latency to expect.
    #[must_use]
    pub fn latency(&self, now: Instant) -> Duration {
        self.average().latency(now)
    }

    /// What one more call costs: the [`cost`](PeakEwma::cost) of a call, once for each one under way and once for this. The first call to an endpoint about which
    /// nothing is known costs nothing, so that it is asked at once; while that is under way, a second one costs what the policy says.
    #[must_use]
    pub fn cost(&self, now: Instant) -> f64 {
        let (average, outstanding) = (self.average(), self.outstanding());
        if average.is_unknown() && outstanding == 0 {
            return 0.0;
        }
        average.cost(now) * (outstanding as f64 + 1.0)
    }

    fn average(&self) -> MutexGuard<'_, PeakEwma> {
        // Two numbers that nothing can leave half written.
        self.0.latency.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way. Dropped without a word, it is only no longer under way: a call that its caller gave up says nothing
/// about the endpoint. One that the deadline ended does; report it as [`failed`](Outstanding::failed).
#[derive(Debug)]
#[must_use = "a call that is dropped at once is not counted"]
pub struct Outstanding {
    load: Load,
    begun: Instant,
}

impl Outstanding {
    /// The call was answered.
    pub fn answered(self, now: Instant) {
        self.load.average().answered(now, now.saturating_duration_since(self.begun));
    }

    /// The answer has begun, and the call is under way until its end: how long it takes from here on is up to who reads it.
    pub fn began(&self, now: Instant) {
        self.load.average().answered(now, now.saturating_duration_since(self.begun));
    }

    /// The call failed, through no fault of its own.
    pub fn failed(self, now: Instant) {
        self.load.average().failed(now, now.saturating_duration_since(self.begun));
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.load.0.outstanding.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[track_caller]
    fn close(found: Duration, expected: Duration) {
        assert!(found.abs_diff(expected) <= expected / 1000, "{found:?}, not {expected:?}");
    }

    #[test]
    fn peaks_are_believed_at_once_and_good_news_in_time() {
        let start = Instant::now();
        let at = |millis| start + ms(millis);
        let policy = Policy { decay: ms(10_000), unknown: ms(30), penalty: 10 };
        let mut ewma = PeakEwma::new(policy, start);
        close(ewma.latency(start), ms(30));
        ewma.answered(start, ms(100));
        close(ewma.latency(start), ms(100));
        ewma.answered(start, ms(10));
        close(ewma.latency(start), ms(100)); // at the same moment it weighs nothing
        // After the time constant, 1/e of the old and the rest of the new.
        ewma.answered(at(10_000), ms(10));
        close(
            ewma.latency(at(10_000)),
            Duration::from_secs_f64(0.1 / 1f64.exp() + 0.01 * (1.0 - 1.0 / 1f64.exp())),
        );
        ewma.answered(at(10_000), ms(500));
        close(ewma.latency(at(10_000)), ms(500));
        close(ewma.latency(at(20_000)), ms(500).div_f64(1f64.exp()));
        // Answers that all take as long end at that.
        for second in 20..120 {
            ewma.answered(at(second * 1_000), ms(7));
        }
        close(ewma.latency(at(119_000)), ms(7));
    }

    #[test]
    fn an_answer_that_is_told_late_does_not_turn_the_time_back() {
        let start = Instant::now();
        let mut ewma = PeakEwma::new(Policy::DEFAULT, start);
        ewma.answered(start + ms(60_000), ms(100));
        ewma.answered(start, ms(100));
        close(ewma.latency(start + ms(60_000)), ms(100));
    }

    #[test]
    fn a_failure_makes_it_look_slow_however_quick_and_however_many() {
        let start = Instant::now();
        let cost = |failures: u32, latency, after| {
            let mut ewma = PeakEwma::new(Policy::DEFAULT, start);
            (0..failures).for_each(|_| ewma.failed(start, ms(latency)));
            Duration::from_secs_f64(ewma.cost(start + ms(after)))
        };
        for (failures, latency, after, expected) in [
            (0, 0, 0, 0.03),
            (1, 0, 0, 0.3),
            (1, 30, 0, 0.3),
            (1_000, 0, 0, 0.3),
            (1, 1_000, 0, 10.0), // a time-out
            (1, 1_000_000, 0, 600.0),
            (1, 0, 10_000, 0.03 / 1f64.exp() * (1.0 + 9.0 / 1f64.exp())),
            (1, 0, 12_644, 0.03), // as if nothing had been
        ] {
            close(cost(failures, latency, after), Duration::from_secs_f64(expected));
        }
    }

    #[test]
    fn silence_only_lowers_it() {
        for seed in 0..100 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut now = Instant::now();
            let mut ewma = PeakEwma::new(Policy::DEFAULT, now);
            for _ in 0..200 {
                let latency = ms(rng.u64(0..2_000));
                if rng.u8(0..5) == 0 {
                    ewma.failed(now, latency);
                } else {
                    ewma.answered(now, latency);
                }
                let mut last = (ewma.latency(now), ewma.cost(now));
                assert!(last.0 <= LONGEST && last.1 >= last.0.as_secs_f64() - 1e-8);
                for _ in 0..rng.u8(0..5) {
                    now += ms(rng.u64(0..5_000));
                    let next = (ewma.latency(now), ewma.cost(now));
                    assert!(next.0 <= last.0 && next.1 <= last.1, "{next:?} after {last:?}");
                    last = next;
                }
            }
        }
    }

    #[test]
    fn an_average_lies_between_what_it_was_and_what_is_new() {
        for seed in 0..100 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut now = Instant::now();
            let mut ewma = PeakEwma::new(Policy::DEFAULT, now);
            for _ in 0..500 {
                let before = ewma.average;
                now += ms(rng.u64(0..3_000));
                let latency = rng.f64();
                ewma.answered(now, Duration::from_secs_f64(latency));
                let (low, high) = (before.min(latency), before.max(latency));
                assert!((low - 1e-8..=high + 1e-8).contains(&ewma.average));
            }
        }
    }

    #[test]
    fn the_cost_is_the_latency_times_the_calls() {
        let start = Instant::now();
        let load = Load::new(Policy { unknown: ms(20), ..Policy::DEFAULT }, start);
        let cost = |calls: f64| {
            assert!(
                (load.cost(start) - 0.02 * (calls + 1.0)).abs() < 1e-9,
                "{} of {calls}",
                load.cost(start)
            );
        };
        assert_eq!(load.cost(start).to_bits(), 0, "who is unknown is asked at once, by one call");
        let (first, second, third) = (load.begin(start), load.begin(start), load.begin(start));
        assert_eq!(load.outstanding(), 3);
        cost(3.0);
        drop(first);
        cost(2.0);
        second.answered(start + ms(20));
        third.failed(start + ms(20));
        assert_eq!(load.outstanding(), 0);
        close(load.latency(start + ms(20)), ms(20));
        assert!((load.cost(start + ms(20)) - 0.2).abs() < 1e-3);
    }

    #[test]
    fn a_call_that_is_given_up_says_nothing() {
        let start = Instant::now();
        let load = Load::new(Policy::DEFAULT, start);
        drop(load.begin(start));
        assert_eq!((load.outstanding(), load.latency(start)), (0, ms(30)));
    }

    #[test]
    fn one_that_looked_slow_is_asked_again_in_time() {
        let start = Instant::now();
        let (slow, quick) = (Load::new(Policy::DEFAULT, start), Load::new(Policy::DEFAULT, start));
        slow.begin(start).failed(start + ms(1_000));
        let again = (0..600).find(|second| {
            let now = start + ms(1_000 * second);
            quick.begin(now).answered(now + ms(1));
            slow.cost(now + ms(1)) < quick.cost(now + ms(1))
        });
        // From 1 s to 1 ms by a factor of e each 10 s.
        assert!(again.is_some_and(|second| (65..75).contains(&second)), "{again:?}");
    }

    #[test]
    fn nothing_overflows() {
        let start = Instant::now();
        let most = Policy { decay: Duration::MAX, unknown: Duration::MAX, penalty: u32::MAX };
        let least = Policy { decay: Duration::ZERO, unknown: Duration::ZERO, penalty: 0 };
        for policy in [most, least] {
            let mut ewma = PeakEwma::new(policy, start + ms(1_000));
            for (now, latency) in [(0, Duration::MAX), (2_000, Duration::ZERO), (1 << 40, Duration::MAX)] {
                ewma.answered(start + ms(now), latency);
                ewma.failed(start + ms(now), latency);
                assert!(ewma.cost(start).is_finite() && ewma.latency(start + ms(now)) <= LONGEST);
            }
        }
    }
}
