//! The health of one backend, as determined by active checks.
//!
//! A backend is [`Up`](Condition::Up), [`Down`](Condition::Down), or [`Unknown`](Condition::Unknown) until its first check. One check changes nothing by
//! itself: [`Policy::fall`] failures in a row take a backend down, [`Policy::rise`] passes in a row bring it up. Only the first
//! check of an unknown backend takes effect at once. Checks run at one of three intervals, as with HAProxy's `inter`, `fastinter` and `downinter`: fast while
//! the last check contradicts the condition, so that a change is noticed early without frequent checks all the time. Jitter spreads the
//! checks of many balancers and backends.
//!
//! The state machine takes the outcome of each check and says when the next one is due. What a check does, and how long it may take, is up to the caller.

use std::time::{Duration, Instant};

/// The shortest and the longest interval between checks; others are clamped to these.
pub const INTERVALS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(86_400));

/// How a backend is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long to wait between checks of a backend that is up.
    pub interval: Duration,
    /// The same while the last check contradicts its condition, and before its first check.
    pub fast: Duration,
    /// The same for a backend that is down.
    pub down: Duration,
    /// How many passes in a row bring it up; at least 1.
    pub rise: u32,
    /// How many failures in a row take it down; at least 1.
    pub fall: u32,
    /// By how much an interval may be longer or shorter, in percent; at most 100.
    pub jitter: u8,
    /// The condition of a backend before its first check.
    pub initial: Initial,
    /// Failed checks within this time after a backend was added do not count: it may be starting.
    pub grace: Duration,
}

impl Policy {
    /// Every 2 s, up after 2 passes and down after 3 failures, as in HAProxy; every second while it changes, so that a dead backend is detected after
    /// 2 to 4 s; 10 % of jitter.
    pub const DEFAULT: Self = Self {
        interval: Duration::from_secs(2),
        fast: Duration::from_secs(1),
        down: Duration::from_secs(2),
        rise: 2,
        fall: 3,
        jitter: 10,
        initial: Initial::Up,
        grace: Duration::ZERO,
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The condition of a backend before its first check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
    /// It takes requests until `fall` checks have failed. For the backends that a balancer starts with, which can then serve at once.
    Up,
    /// It takes no requests until its first check, which is due at once and decides. For backends that are added later.
    Unknown,
    /// It takes no requests until `rise` checks have passed; the first is due at once.
    Down,
}

/// The condition of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No check has been completed.
    Unknown,
    /// It takes requests.
    Up,
    /// It takes no requests.
    Down,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The backend answered as expected, in time.
    Passed,
    /// It did not.
    Failed,
}

/// The health of one backend.
#[derive(Clone, Debug)]
pub struct Health {
    policy: Policy,
    condition: Condition,
    /// How many checks in a row contradict the condition.
    against: u32,
    due: Instant,
    added: Instant,
    since: Instant,
    /// When a passing check brought it up.
    risen: Option<Instant>,
}

impl Health {
    /// A backend that has not been checked yet. `chance` is a number from 0 to 1: the first check of a backend that counts as up runs after this part of
    /// an interval.
    #[must_use]
    pub fn new(policy: Policy, now: Instant, chance: f64) -> Self {
        let (condition, wait) = match policy.initial {
            Initial::Up => (Condition::Up, bounded(policy.interval).mul_f64(clamped(chance))),
            Initial::Unknown => (Condition::Unknown, Duration::ZERO),
            Initial::Down => (Condition::Down, Duration::ZERO),
        };
        Self { policy, condition, against: 0, due: now + wait, added: now, since: now, risen: None }
    }

    /// Its condition.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        self.condition
    }

    /// Whether it takes requests, as far as checks decide.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.condition == Condition::Up
    }

    /// Since when it is in this condition.
    #[must_use]
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// When a check made it available, which is where a slow start begins. `None` while it is unavailable, and if it counted as up from the beginning: the backends that
    /// a balancer starts with share the load as they are, as nobody else could take it.
    #[must_use]
    pub const fn risen(&self) -> Option<Instant> {
        self.risen
    }

    /// When the next check is due.
    #[must_use]
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// Records the outcome of a check; returns the new condition if it has changed. `chance`, from 0 to 1, decides the jitter of the next check.
    pub fn checked(&mut self, now: Instant, outcome: Outcome, chance: f64) -> Option<Condition> {
        let young = now.saturating_duration_since(self.added) < self.policy.grace;
        if young && outcome == Outcome::Failed && self.condition != Condition::Down {
            self.due = now + jittered(self.policy.fast, self.policy.jitter, chance);
            return None;
        }
        let agrees = match outcome {
            Outcome::Passed => Condition::Up,
            Outcome::Failed => Condition::Down,
        };
        let needed = match (self.condition, outcome) {
            (Condition::Unknown, _) => 1,
            (_, Outcome::Passed) => self.policy.rise,
            (_, Outcome::Failed) => self.policy.fall,
        };
        self.against = if self.condition == agrees { 0 } else { self.against.saturating_add(1) };
        let changed = self.against >= needed.max(1);
        if changed {
            self.condition = agrees;
            self.against = 0;
            self.since = now;
            self.risen = (agrees == Condition::Up).then_some(now);
        }
        self.due = now + self.wait(chance);
        changed.then_some(agrees)
    }

    /// Something else indicates a fault, a refused connection for example: the next check comes after a fast interval at the latest.
    pub fn suspect(&mut self, now: Instant, chance: f64) {
        self.due = self.due.min(now + jittered(self.policy.fast, self.policy.jitter, chance));
    }

    /// Changes the policy and keeps the state. For a configuration reload.
    pub fn set_policy(&mut self, policy: Policy, now: Instant, chance: f64) {
        self.policy = policy;
        self.due = self.due.min(now + self.wait(chance));
    }

    /// How long to wait until the next check.
    fn wait(&self, chance: f64) -> Duration {
        let Policy { interval, fast, down, jitter, .. } = self.policy;
        let interval = match self.condition {
            Condition::Unknown => fast,
            _ if self.against > 0 => fast,
            Condition::Up => interval,
            Condition::Down => down,
        };
        jittered(interval, jitter, chance)
    }
}

/// An interval, varied by up to `jitter` percent: shortest for a chance of 0, longest for 1.
fn jittered(interval: Duration, percent: u8, chance: f64) -> Duration {
    let part = f64::from(percent.min(100)) / 100.0;
    bounded(bounded(interval).mul_f64(1.0 + part * (2.0 * clamped(chance) - 1.0)))
}

fn bounded(interval: Duration) -> Duration {
    interval.clamp(INTERVALS.0, INTERVALS.1)
}

/// NaN counts as 0.
fn clamped(chance: f64) -> f64 {
    if chance.is_nan() { 0.0 } else { chance.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Condition::{Down, Unknown, Up};

    const POLICY: Policy = Policy {
        interval: Duration::from_millis(2_000),
        fast: Duration::from_millis(500),
        down: Duration::from_millis(5_000),
        rise: 2,
        fall: 3,
        jitter: 0,
        initial: Initial::Up,
        grace: Duration::ZERO,
    };

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Runs a backend through checks, each when it is due: `+` passes, `-` fails. What it is after each, and how long until the next.
    fn run(policy: Policy, checks: &str) -> Vec<(Condition, u64)> {
        let mut health = Health::new(policy, Instant::now(), 0.5);
        let step = |check| {
            let (now, before) = (health.due(), health.condition());
            let outcome = if check == '+' { Outcome::Passed } else { Outcome::Failed };
            let change = health.checked(now, outcome, 0.5);
            assert_eq!(change, (before != health.condition()).then_some(health.condition()));
            (health.condition(), (health.due() - now).as_millis() as u64)
        };
        checks.chars().map(step).collect()
    }

    #[test]
    fn conditions_and_intervals() {
        let with = |initial| Policy { initial, ..POLICY };
        for (initial, checks, expected) in [
            (Initial::Up, "++", vec![(Up, 2_000), (Up, 2_000)]),
            (Initial::Up, "---", vec![(Up, 500), (Up, 500), (Down, 5_000)]),
            // A pass in between, and counting begins anew.
            (Initial::Up, "--+--", vec![(Up, 500), (Up, 500), (Up, 2_000), (Up, 500), (Up, 500)]),
            (
                Initial::Up,
                "----++",
                vec![(Up, 500), (Up, 500), (Down, 5_000), (Down, 5_000), (Down, 500), (Up, 2_000)],
            ),
            (Initial::Unknown, "+", vec![(Up, 2_000)]),
            (Initial::Unknown, "-", vec![(Down, 5_000)]),
            (
                Initial::Unknown,
                "-+-++",
                vec![(Down, 5_000), (Down, 500), (Down, 5_000), (Down, 500), (Up, 2_000)],
            ),
            (Initial::Down, "+", vec![(Down, 500)]),
            (Initial::Down, "++", vec![(Down, 500), (Up, 2_000)]),
            (Initial::Down, "--", vec![(Down, 5_000), (Down, 5_000)]),
        ] {
            assert_eq!(run(with(initial), checks), expected, "{initial:?} {checks}");
        }
        let impatient = Policy { rise: 0, fall: 0, ..POLICY };
        assert_eq!(run(impatient, "-+-"), [(Down, 5_000), (Up, 2_000), (Down, 5_000)], "0 is 1");
    }

    #[test]
    fn what_it_is_at_first_and_when_it_is_checked_first() {
        let now = Instant::now();
        for (initial, chance, condition, wait) in [
            (Initial::Up, 0.0, Up, 0),
            (Initial::Up, 0.25, Up, 500),
            (Initial::Up, 1.0, Up, 2_000),
            (Initial::Up, f64::NAN, Up, 0),
            (Initial::Up, 7.0, Up, 2_000),
            (Initial::Unknown, 0.9, Unknown, 0),
            (Initial::Down, 0.9, Down, 0),
        ] {
            let health = Health::new(Policy { initial, ..POLICY }, now, chance);
            assert_eq!(
                (health.condition(), health.due() - now),
                (condition, ms(wait)),
                "{initial:?} {chance}"
            );
            assert_eq!((health.risen(), health.is_up()), (None, condition == Up));
        }
    }

    #[test]
    fn failures_of_a_young_backend_do_not_count() {
        let start = Instant::now();
        let at = |millis| start + ms(millis);
        for (initial, before) in [(Initial::Up, Up), (Initial::Unknown, Unknown)] {
            let policy = Policy { grace: ms(10_000), initial, fall: 2, ..POLICY };
            let mut health = Health::new(policy, start, 0.0);
            for second in 0..10 {
                assert_eq!(health.checked(at(second * 1_000), Outcome::Failed, 0.5), None);
                assert_eq!((health.condition(), health.due()), (before, at(second * 1_000 + 500)));
            }
            let failures =
                (0..3).filter_map(|n| health.checked(at(10_000 + n), Outcome::Failed, 0.5).map(|to| (n, to)));
            let expected = if initial == Initial::Up { (1, Down) } else { (0, Down) };
            assert_eq!(failures.collect::<Vec<_>>(), [expected], "from the end of the grace on they do");
        }
        let policy = Policy { grace: ms(10_000), initial: Initial::Unknown, ..POLICY };
        let mut health = Health::new(policy, start, 0.0);
        assert_eq!(health.checked(at(1_000), Outcome::Passed, 0.5), Some(Up), "a pass counts at once");
    }

    #[test]
    fn a_slow_start_begins_with_the_check_that_makes_it_available() {
        let start = Instant::now();
        let at = |millis| start + ms(millis);
        // Added long before its first check: what counts is the check.
        let mut health = Health::new(Policy { initial: Initial::Unknown, ..POLICY }, start, 0.0);
        assert_eq!(health.checked(at(90_000), Outcome::Passed, 0.5), Some(Up));
        assert_eq!(health.risen(), Some(at(90_000)));
        // Further passes do not put it off.
        health.checked(at(92_000), Outcome::Passed, 0.5);
        assert_eq!((health.risen(), health.since()), (Some(at(90_000)), at(90_000)));
        // A failure that takes nobody down ends nothing; being down does.
        health.checked(at(94_000), Outcome::Failed, 0.5);
        assert_eq!(health.risen(), Some(at(90_000)));
        health.checked(at(95_000), Outcome::Failed, 0.5);
        assert_eq!(health.checked(at(96_000), Outcome::Failed, 0.5), Some(Down));
        assert_eq!((health.risen(), health.since()), (None, at(96_000)));
        health.checked(at(97_000), Outcome::Passed, 0.5);
        assert_eq!(health.checked(at(98_000), Outcome::Passed, 0.5), Some(Up));
        assert_eq!(health.risen(), Some(at(98_000)));
        // Who was up from the beginning starts at full speed.
        let mut health = Health::new(POLICY, start, 0.0);
        health.checked(at(10), Outcome::Passed, 0.5);
        assert_eq!(health.risen(), None);
    }

    #[test]
    fn jitter_makes_intervals_longer_and_shorter() {
        for (percent, chance, expected) in [
            (10, 0.0, 1_800),
            (10, 0.5, 2_000),
            (10, 1.0, 2_200),
            (50, 0.25, 1_500),
            (0, 1.0, 2_000),
            (100, 0.0, 10), // never at once: that would be a busy loop
            (255, 1.0, 4_000),
            (10, -3.0, 1_800),
            (10, f64::NAN, 1_800),
        ] {
            let mut health = Health::new(Policy { jitter: percent, ..POLICY }, Instant::now(), 0.0);
            let now = health.due();
            health.checked(now, Outcome::Passed, chance);
            assert_eq!((health.due() - now).as_millis(), expected, "{percent} % of {chance}");
        }
    }

    #[test]
    fn intervals_have_limits() {
        for (interval, expected) in [(Duration::ZERO, INTERVALS.0), (Duration::MAX, INTERVALS.1)] {
            let policy = Policy { interval, fast: interval, down: interval, ..POLICY };
            let mut health = Health::new(policy, Instant::now(), 1.0);
            let now = health.due();
            health.checked(now, Outcome::Passed, 0.5);
            assert_eq!(health.due() - now, expected);
        }
    }

    #[test]
    fn a_suspicion_brings_the_next_check_forward_and_changes_nothing_else() {
        let start = Instant::now();
        let mut health = Health::new(POLICY, start, 0.0);
        health.checked(start, Outcome::Passed, 0.5);
        health.suspect(start + ms(100), 0.5);
        assert_eq!((health.due(), health.condition()), (start + ms(600), Up));
        health.suspect(start + ms(500), 0.5);
        assert_eq!(health.due(), start + ms(600), "never later than it was");
        // Many suspicions are no more than one check: only a check takes a backend down.
        (0..100).for_each(|_| health.suspect(start + ms(550), 0.5));
        assert_eq!(health.condition(), Up);
    }

    #[test]
    fn another_policy_keeps_what_is_known() {
        let start = Instant::now();
        let mut health = Health::new(POLICY, start, 0.0);
        for _ in 0..2 {
            health.checked(start, Outcome::Failed, 0.5);
        }
        let faster = Policy { interval: ms(100), fast: ms(50), ..POLICY };
        health.set_policy(faster, start, 0.5);
        assert_eq!(health.due(), start + ms(50));
        assert_eq!(health.checked(start, Outcome::Failed, 0.5), Some(Down), "the third in a row");
    }
}
