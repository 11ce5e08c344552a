//! The recent outcomes of one backend's requests.

use std::time::{Duration, Instant};

use super::{Policy, Reason};

/// How a request ended, as far as its backend is judged by it. Requests that the client cancelled are not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It succeeded, after this time.
    Answered(Duration),
    /// The response blames the backend: 5xx.
    Error,
    /// There was no response: the connection was refused, reset, or timed out.
    Fault,
}

/// The window is counted in this many parts; old requests leave it part by part.
const PARTS: usize = 10;

/// The recent requests of one backend.
#[derive(Clone, Debug)]
pub struct Record {
    policy: Policy,
    /// In a row, so far.
    faults: u32,
    failures: u32,
    parts: [Part; PARTS],
    /// The current part, and when it began.
    current: usize,
    begun: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    calls: u32,
    failed: u32,
    /// The total latency of successful requests.
    latency: Duration,
}

/// The requests of a backend in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// All that have ended.
    pub calls: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that succeeded.
    pub answered: u32,
    /// Their average latency.
    pub latency: Duration,
}

impl Record {
    /// The record of a backend without requests.
    #[must_use]
    pub fn new(policy: Policy, now: Instant) -> Self {
        Self { policy, faults: 0, failures: 0, parts: Default::default(), current: 0, begun: now }
    }

    /// Records a request; returns why the backend is an outlier, if it is, and starts counting again then.
    pub fn report(&mut self, now: Instant, outcome: Outcome) -> Option<Reason> {
        self.advance(now);
        let part = &mut self.parts[self.current];
        part.calls = part.calls.saturating_add(1);
        let reason = match outcome {
            Outcome::Answered(latency) => {
                part.latency = part.latency.saturating_add(latency);
                (self.faults, self.failures) = (0, 0);
                // A success makes no rate worse, so it is no ground.
                return None;
            }
            // Whoever says 500 has answered.
            Outcome::Error => self.failed(0),
            Outcome::Fault => self.failed(self.faults.saturating_add(1)),
        };
        if reason.is_some() {
            self.clear(now);
        }
        reason
    }

    fn failed(&mut self, faults: u32) -> Option<Reason> {
        let part = &mut self.parts[self.current];
        part.failed = part.failed.saturating_add(1);
        self.faults = faults;
        self.failures = self.failures.saturating_add(1);
        let reached = |count: u32, limit: u32| limit > 0 && count >= limit;
        if reached(self.faults, self.policy.faults) {
            return Some(Reason::Faults);
        }
        if reached(self.failures, self.policy.failures) {
            return Some(Reason::Failures);
        }
        if self.policy.rate == 0 {
            return None;
        }
        let Stats { calls, failed, .. } = self.sum();
        let too_many = u64::from(failed) * 100 >= u64::from(calls) * u64::from(self.policy.rate);
        (calls >= self.policy.least_calls && too_many).then_some(Reason::Rate)
    }

    /// Forgets everything. Also to be called when an ejection ends: requests that were in progress may have failed meanwhile.
    pub fn clear(&mut self, now: Instant) {
        *self = Self::new(self.policy, now);
    }

    /// Changes the policy; counters stay.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// The requests in the window.
    pub fn stats(&mut self, now: Instant) -> Stats {
        self.advance(now);
        self.sum()
    }

    fn sum(&self) -> Stats {
        let (mut stats, mut latency) = (Stats::default(), Duration::ZERO);
        for part in &self.parts {
            stats.calls = stats.calls.saturating_add(part.calls);
            stats.failed = stats.failed.saturating_add(part.failed);
            latency = latency.saturating_add(part.latency);
        }
        stats.answered = stats.calls - stats.failed.min(stats.calls);
        stats.latency = latency.checked_div(stats.answered).unwrap_or_default();
        stats
    }

    /// Drops the parts that are older than the window.
    fn advance(&mut self, now: Instant) {
        let window = self.policy.window.clamp(Duration::from_millis(100), Duration::from_secs(3_600));
        let part = window / PARTS as u32;
        let passed = now.saturating_duration_since(self.begun);
        if passed < part {
            return;
        }
        let steps = (passed.as_nanos() / part.as_nanos()) as u64;
        for _ in 0..steps.min(PARTS as u64) {
            self.current = (self.current + 1) % PARTS;
            self.parts[self.current] = Part::default();
        }
        // After a long silence the parts begin anew, now.
        self.begun = if steps > PARTS as u64 { now } else { self.begun + part * steps as u32 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const POLICY: Policy = Policy {
        faults: 3,
        failures: 5,
        rate: 50,
        least_calls: 20,
        window: Duration::from_secs(10),
        ..Policy::DEFAULT
    };

    /// Reports calls, all at once: `+` answered, `5` an error, `x` a fault. After which call it is conspicuous, and why.
    fn run(policy: Policy, calls: &str) -> Vec<(usize, Reason)> {
        let now = Instant::now();
        let mut record = Record::new(policy, now);
        let mut found = Vec::new();
        for (number, call) in (1..).zip(calls.chars()) {
            let outcome = match call {
                '+' => Outcome::Answered(ms(10)),
                '5' => Outcome::Error,
                _ => Outcome::Fault,
            };
            found.extend(record.report(now, outcome).map(|reason| (number, reason)));
        }
        found
    }

    #[test]
    fn when_it_is_conspicuous() {
        let only = |faults, failures, rate| Policy { faults, failures, rate, ..POLICY };
        for (policy, calls, expected) in [
            (POLICY, "xxx", vec![(3, Reason::Faults)]),
            (POLICY, "xx+xx+xx+", vec![]),
            (POLICY, "55555", vec![(5, Reason::Failures)]),
            (POLICY, "5555+5555", vec![]),
            (POLICY, "xx5xx", vec![(5, Reason::Failures)]),
            (POLICY, "55xx5", vec![(5, Reason::Failures)]),
            // It begins anew then.
            (POLICY, "xxxxxx", vec![(3, Reason::Faults), (6, Reason::Faults)]),
            (POLICY, "55555xx55", vec![(5, Reason::Failures)]),
            // Half of twenty.
            (POLICY, "+5+5+5+5+5+5+5+5+5+5", vec![(20, Reason::Rate)]),
            (POLICY, "+5+5+5+5+5+5+5+5+5+", vec![]),
            (POLICY, "++5+5+5+5+5+5+5+5+5+5+5", vec![]),
            (POLICY, "++5+5+5+5+5+5+5+5+5+5+55", vec![(24, Reason::Rate)]),
            // Each rule alone, and none.
            (only(0, 0, 50), "5555555555x555555555", vec![(20, Reason::Rate)]),
            (only(0, 5, 0), "xxxxx", vec![(5, Reason::Failures)]),
            (only(3, 0, 0), "5555555xx5xx5xxx", vec![(16, Reason::Faults)]),
            (only(1, 1, 1), "5x", vec![(1, Reason::Failures), (2, Reason::Faults)]),
            (only(0, 0, 0), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", vec![]),
        ] {
            assert_eq!(run(policy, calls), expected, "{calls} by {policy:?}");
        }
    }

    #[test]
    fn what_is_old_does_not_count() {
        let start = Instant::now();
        let at = |millis| start + ms(millis);
        let mut record = Record::new(Policy { failures: 0, faults: 0, ..POLICY }, start);
        for _ in 0..15 {
            assert_eq!(record.report(at(0), Outcome::Error), None);
        }
        record.report(at(9_999), Outcome::Answered(ms(20)));
        assert_eq!(record.stats(at(9_999)), Stats { calls: 16, failed: 15, answered: 1, latency: ms(20) });
        assert_eq!(record.stats(at(10_000)), Stats { calls: 1, failed: 0, answered: 1, latency: ms(20) });
        // Without the fifteen, these four are too few for a judgement.
        for _ in 0..4 {
            assert_eq!(record.report(at(10_001), Outcome::Error), None);
        }
        assert_eq!(record.stats(at(3_600_000)), Stats::default());
        assert_eq!(record.stats(at(0)), Stats::default(), "a clock that goes back");
    }

    #[test]
    fn the_latency_is_that_of_answers() {
        let start = Instant::now();
        let mut record = Record::new(POLICY, start);
        record.report(start, Outcome::Answered(ms(10)));
        record.report(start + ms(3_000), Outcome::Answered(ms(30)));
        record.report(start + ms(3_000), Outcome::Error);
        let stats = record.stats(start + ms(3_000));
        assert_eq!(stats, Stats { calls: 3, failed: 1, answered: 2, latency: ms(20) });
        // Numbers that are absurd are no fault of ours.
        record.report(start + ms(3_000), Outcome::Answered(Duration::MAX));
        record.report(start + ms(3_000), Outcome::Answered(Duration::MAX));
        assert!(record.stats(start + ms(3_000)).latency > ms(1_000));
    }

    #[test]
    fn a_row_goes_on_however_long_it_takes() {
        let start = Instant::now();
        let mut record = Record::new(POLICY, start);
        let hours = |number: u32| start + Duration::from_secs(3_600) * number;
        assert_eq!(record.report(hours(1), Outcome::Fault), None);
        assert_eq!(record.report(hours(2), Outcome::Fault), None);
        assert_eq!(record.report(hours(3), Outcome::Fault), Some(Reason::Faults));
    }

    #[test]
    fn another_policy_keeps_what_was_counted() {
        let start = Instant::now();
        let mut record = Record::new(POLICY, start);
        record.report(start, Outcome::Fault);
        record.set_policy(Policy { faults: 2, ..POLICY });
        assert_eq!(record.report(start, Outcome::Fault), Some(Reason::Faults));
    }
}
