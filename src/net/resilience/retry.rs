//! Whether a call is tried again, and when: the retries of gRFC A6.
//!
//! A [`Policy`] is what an operator decides, a [`Retrying`] one call under it. The caller makes an attempt, says what became of it in
//! words of its own ([`Failure`]: is a repetition safe? did the server say when?), and is told what to do. There is one
//! deadline for all attempts, and a retry that could not even begin before it is not made. Once a part of an answer was
//! handed on, the call is committed and is never repeated.
//!
//! One thing is unlike the gRFC. There, what never left the client is repeated without end. Here such failures are repeated at once a few
//! times ([`Policy::transparent`]), and then like any other: a client whose servers are all gone should wait, not spin.

use std::time::{Duration, Instant};

use super::backoff::{self, Backoff, Growth, Jitter};
use super::budget::Budget;

/// How often a call is tried, and how long it waits in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts in all, the first included; those that are transparent are not counted. One, or none, means no retries.
    pub attempts: u32,
    /// What `attempts` is cut to, whoever set it.
    pub most: u32,
    /// How long to wait before each retry.
    pub backoff: backoff::Policy,
    /// How many failures that never reached a handler are repeated at once, beside the attempts and without asking the budget.
    pub transparent: u32,
    /// The longest wait that a server may ask for. A call that is asked to wait longer fails.
    pub patience: Duration,
}

impl Policy {
    /// Three attempts, five at most as in gRFC A6; waits up to 50 ms, 100 ms and so on to 1 s, with full jitter (Envoy 25 ms to
    /// 250 ms, the gRFC's example 100 ms to 1 s); one transparent retry, as the gRFC gives to what a server refused unseen;
    /// and patience for a minute (Envoy obeys `Retry-After` for up to 5).
    pub const DEFAULT: Self = Self {
        attempts: 3,
        most: 5,
        backoff: backoff::Policy {
            growth: Growth::Exponential { first: Duration::from_millis(50), jitter: Jitter::Full },
            cap: Duration::from_secs(1),
        },
        transparent: 1,
        patience: Duration::from_secs(60),
    };

    /// No retries of what a server may have begun. What never reached a handler is still repeated once.
    pub const NEVER: Self = Self { attempts: 1, ..Self::DEFAULT };
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Whether a failed attempt may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// No: it would fail again, or the server has done what was asked for.
    Never,
    /// If doing it twice is as good as once, for the server may have done it.
    IfIdempotent,
    /// Yes, whatever it was: it never reached a handler.
    Safe,
}

/// What a server says about the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushback {
    /// Not before this time has passed; zero for at once.
    Wait(Duration),
    /// There should be none.
    Stop,
}

/// An attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether it may be repeated.
    pub repeat: Repeat,
    /// What the server said, if anything.
    pub pushback: Option<Pushback>,
}

impl Failure {
    /// One about which the server said nothing.
    #[must_use]
    pub const fn new(repeat: Repeat) -> Self {
        Self { repeat, pushback: None }
    }
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Wait, and try again; elsewhere, if there is a choice.
    Retry {
        /// How long to wait.
        wait: Duration,
        /// Whether the failure does not count, since it never reached a handler.
        transparent: bool,
    },
    /// The failure is the call's.
    GiveUp(Why),
}

/// Why a failed attempt is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// A part of an answer was handed on already, or the request is not kept any longer.
    #[error("the answer had begun")]
    Committed,
    /// [`Repeat::Never`].
    #[error("no repetition would mend it")]
    Final,
    /// [`Repeat::IfIdempotent`], and the call is not.
    #[error("the server may have done it, and doing it twice is not safe")]
    NotIdempotent,
    /// The server asked for no retry, or for a longer wait than the policy has patience for.
    #[error("the server asked not to be tried again")]
    Pushback,
    /// All attempts were made.
    #[error("all attempts failed")]
    Attempts,
    /// The next attempt could not begin before the deadline.
    #[error("the deadline leaves no time for another attempt")]
    Deadline,
    /// Too many calls are tried again already.
    #[error("the retry budget is spent")]
    Budget,
}

/// What there is to know about a call before it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Whether doing it twice is as good as once.
    pub idempotent: bool,
    /// When it has to be over, all attempts together.
    pub deadline: Option<Instant>,
    /// Where chance comes from.
    pub seed: u64,
}

/// One call, from its first attempt to the last.
#[derive(Clone, Debug)]
pub struct Retrying {
    policy: Policy,
    call: Call,
    budget: Budget,
    backoff: Backoff,
    /// Attempts that were begun, those that are not counted left out.
    attempts: u32,
    /// Transparent retries that were made.
    transparent: u32,
    committed: bool,
}

impl Retrying {
    /// Begins a call: its first attempt is about to be made, and counted in `budget`.
    #[must_use]
    pub fn begin(policy: Policy, call: Call, budget: &Budget, now: Instant) -> Self {
        budget.deposit(now);
        Self::begun(policy, call, budget)
    }

    /// A call whose first attempt was made, and counted in `budget` before: for who needs none of this unless it fails.
    #[must_use]
    pub fn begun(policy: Policy, call: Call, budget: &Budget) -> Self {
        Self {
            policy,
            call,
            budget: budget.clone(),
            backoff: Backoff::new(policy.backoff, call.seed),
            attempts: 1,
            transparent: 0,
            committed: false,
        }
    }

    /// Attempts that failed so far and were repeated, for a server that wants to know (`previous-attempts` of gRFC A6).
    #[must_use]
    pub fn previous_attempts(&self) -> u32 {
        self.attempts - 1
    }

    /// Rules out further attempts: a part of the answer was handed on, or the request is not kept any longer.
    pub fn commit(&mut self) {
        self.committed = true;
    }

    /// Tells the budget that an attempt succeeded, and ends the call.
    pub fn succeeded(self) {
        self.budget.succeeded();
    }

    /// What to do after an attempt failed.
    pub fn after(&mut self, now: Instant, failure: Failure) -> Decision {
        self.judge(now, failure).unwrap_or_else(Decision::GiveUp)
    }

    /// In the order of gRFC A6, the budget last: it is spent by asking.
    fn judge(&mut self, now: Instant, failure: Failure) -> Result<Decision, Why> {
        if self.committed {
            return Err(Why::Committed);
        }
        let unseen = failure.repeat == Repeat::Safe && failure.pushback.is_none();
        if unseen && self.transparent < self.policy.transparent {
            self.before_deadline(now, Duration::ZERO)?;
            self.transparent += 1;
            return Ok(Decision::Retry { wait: Duration::ZERO, transparent: true });
        }
        if failure.counts() {
            self.budget.failed();
        }
        if failure.pushback == Some(Pushback::Stop) {
            return Err(Why::Pushback);
        }
        failure.allowed(self.call.idempotent)?;
        if self.attempts >= self.policy.attempts.min(self.policy.most) {
            return Err(Why::Attempts);
        }
        let wait = match failure.pushback {
            Some(Pushback::Wait(wait)) if wait > self.policy.patience => return Err(Why::Pushback),
            Some(Pushback::Wait(wait)) => {
                // The server knows better than our guesses, which begin anew.
                self.backoff.reset();
                wait
            }
            Some(Pushback::Stop) | None => self.backoff.wait(),
        };
        self.before_deadline(now, wait)?;
        if !self.budget.withdraw(now) {
            return Err(Why::Budget);
        }
        self.attempts += 1;
        Ok(Decision::Retry { wait, transparent: false })
    }

    fn before_deadline(&self, now: Instant, wait: Duration) -> Result<(), Why> {
        let Some(deadline) = self.call.deadline else {
            return Ok(());
        };
        // A moment that no clock can show is behind every deadline.
        let begins = now.checked_add(wait).is_some_and(|at| at < deadline);
        if begins { Ok(()) } else { Err(Why::Deadline) }
    }
}

impl Failure {
    /// Whether it counts against the budget: what asks for a repetition does, and what a server does not want repeated.
    pub(super) fn counts(self) -> bool {
        self.repeat != Repeat::Never || self.pushback == Some(Pushback::Stop)
    }

    /// Whether a call may be repeated after it.
    pub(super) fn allowed(self, idempotent: bool) -> Result<(), Why> {
        match self.repeat {
            Repeat::Never => Err(Why::Final),
            Repeat::IfIdempotent if !idempotent => Err(Why::NotIdempotent),
            Repeat::IfIdempotent | Repeat::Safe => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget;
    use super::*;

    const UNSEEN: Failure = Failure::new(Repeat::Safe);
    const MAYBE: Failure = Failure::new(Repeat::IfIdempotent);
    const FINAL: Failure = Failure::new(Repeat::Never);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn pushed(repeat: Repeat, pushback: Pushback) -> Failure {
        Failure { repeat, pushback: Some(pushback) }
    }

    fn unlimited(now: Instant) -> Budget {
        Budget::new(budget::Policy::Unlimited, now)
    }

    /// Waits of 100, 200 and 400 ms, known beforehand.
    fn policy(attempts: u32) -> Policy {
        let growth = Growth::Exponential { first: ms(100), jitter: Jitter::None };
        Policy { attempts, backoff: backoff::Policy { growth, cap: ms(10_000) }, ..Policy::DEFAULT }
    }

    fn retry(wait: u64) -> Decision {
        Decision::Retry { wait: ms(wait), transparent: false }
    }

    const TRANSPARENT: Decision = Decision::Retry { wait: Duration::ZERO, transparent: true };

    fn give_up(why: Why) -> Decision {
        Decision::GiveUp(why)
    }

    #[test]
    fn what_follows_a_failure() {
        let stop = |repeat| pushed(repeat, Pushback::Stop);
        let wait = |repeat, wait| pushed(repeat, Pushback::Wait(ms(wait)));
        let rows: &[(bool, &[(Failure, Decision)])] = &[
            (true, &[(FINAL, give_up(Why::Final))]),
            (true, &[(MAYBE, retry(100)), (MAYBE, retry(200)), (MAYBE, give_up(Why::Attempts))]),
            (true, &[(MAYBE, retry(100)), (FINAL, give_up(Why::Final))]),
            (false, &[(MAYBE, give_up(Why::NotIdempotent))]),
            // One transparent retry, and then it is a failure like others, even of what must not be done twice.
            (false, &[(UNSEEN, TRANSPARENT), (UNSEEN, retry(100)), (MAYBE, give_up(Why::NotIdempotent))]),
            (
                true,
                &[
                    (MAYBE, retry(100)),
                    (UNSEEN, TRANSPARENT),
                    (UNSEEN, retry(200)),
                    (UNSEEN, give_up(Why::Attempts)),
                ],
            ),
            // The server decides when, and whether.
            (true, &[(stop(Repeat::IfIdempotent), give_up(Why::Pushback))]),
            (true, &[(stop(Repeat::Safe), give_up(Why::Pushback))]),
            (true, &[(stop(Repeat::Never), give_up(Why::Pushback))]),
            (true, &[(wait(Repeat::Never, 5), give_up(Why::Final))]),
            (false, &[(wait(Repeat::IfIdempotent, 5), give_up(Why::NotIdempotent))]),
            (false, &[(wait(Repeat::Safe, 5), retry(5))]),
            (true, &[(wait(Repeat::IfIdempotent, 60_000), retry(60_000))]),
            (true, &[(wait(Repeat::IfIdempotent, 60_001), give_up(Why::Pushback))]),
            // After a wait that it chose, ours begin anew.
            (true, &[(MAYBE, retry(100)), (wait(Repeat::IfIdempotent, 0), retry(0))]),
        ];
        for (row, (idempotent, steps)) in rows.iter().enumerate() {
            let now = Instant::now();
            let call = Call { idempotent: *idempotent, ..Call::default() };
            let mut retrying = Retrying::begin(policy(3), call, &unlimited(now), now);
            for (step, (failure, decision)) in steps.iter().enumerate() {
                assert_eq!(retrying.after(now, *failure), *decision, "row {row}, step {step}");
            }
        }
    }

    #[test]
    fn push_back_resets_the_backoff() {
        let now = Instant::now();
        let call = Call { idempotent: true, ..Call::default() };
        let mut retrying = Retrying::begin(policy(5), call, &unlimited(now), now);
        assert_eq!(retrying.after(now, MAYBE), retry(100));
        assert_eq!(retrying.after(now, MAYBE), retry(200));
        let asked = pushed(Repeat::IfIdempotent, Pushback::Wait(ms(7)));
        assert_eq!(retrying.after(now, asked), retry(7));
        assert_eq!(retrying.previous_attempts(), 3);
        assert_eq!(retrying.after(now, MAYBE), retry(100));
    }

    #[test]
    fn attempts_have_a_cap_whoever_sets_them() {
        for (attempts, most, made) in [(0, 5, 1), (1, 5, 1), (2, 5, 2), (5, 5, 5), (99, 5, 5), (99, 8, 8)] {
            let now = Instant::now();
            let call = Call { idempotent: true, ..Call::default() };
            let policy = Policy { most, ..policy(attempts) };
            let mut retrying = Retrying::begin(policy, call, &unlimited(now), now);
            let mut count = 1;
            while let Decision::Retry { .. } = retrying.after(now, MAYBE) {
                count += 1;
            }
            assert_eq!((count, retrying.previous_attempts() + 1), (made, made), "{attempts} of {most}");
        }
    }

    #[test]
    fn a_committed_call_is_not_repeated() {
        let now = Instant::now();
        for failure in [UNSEEN, MAYBE, FINAL] {
            let call = Call { idempotent: true, ..Call::default() };
            let mut retrying = Retrying::begin(policy(3), call, &unlimited(now), now);
            retrying.commit();
            assert_eq!(retrying.after(now, failure), give_up(Why::Committed), "{failure:?}");
        }
    }

    #[test]
    fn a_retry_that_cannot_begin_before_the_deadline_is_not_made() {
        let start = Instant::now();
        for (failed_at, deadline, failure, expected) in [
            (0, 101, MAYBE, retry(100)),
            (0, 100, MAYBE, give_up(Why::Deadline)),
            (50, 151, MAYBE, retry(100)),
            (50, 150, MAYBE, give_up(Why::Deadline)),
            (100, 100, UNSEEN, give_up(Why::Deadline)),
            (99, 100, UNSEEN, TRANSPARENT),
            (0, 5_000, pushed(Repeat::IfIdempotent, Pushback::Wait(ms(5_000))), give_up(Why::Deadline)),
            (0, 5_001, pushed(Repeat::IfIdempotent, Pushback::Wait(ms(5_000))), retry(5_000)),
        ] {
            let budget = Budget::new(budget::Policy::DEFAULT, start);
            let call = Call { idempotent: true, deadline: Some(start + ms(deadline)), seed: 0 };
            let mut retrying = Retrying::begin(policy(3), call, &budget, start);
            let decision = retrying.after(start + ms(failed_at), failure);
            assert_eq!(decision, expected, "{failed_at} of {deadline}, {failure:?}");
            let spent = u64::from(matches!(expected, Decision::Retry { transparent: false, .. }));
            assert_eq!(budget.stats().retries, spent, "what is not made is not paid for");
        }
    }

    #[test]
    fn an_endless_wait_is_behind_every_deadline() {
        let now = Instant::now();
        let endless = pushed(Repeat::Safe, Pushback::Wait(Duration::MAX));
        let policy = Policy { patience: Duration::MAX, ..policy(3) };
        let deadline = now.checked_add(Duration::from_secs(86_400));
        let call = Call { deadline, ..Call::default() };
        let mut retrying = Retrying::begin(policy, call, &unlimited(now), now);
        assert_eq!(retrying.after(now, endless), give_up(Why::Deadline));
    }

    #[test]
    fn retries_are_paid_for_from_the_budget() {
        let now = Instant::now();
        // A reserve of one retry.
        let share = budget::Policy::Share { percent: 0, reserve: 1, window: ms(1_000) };
        let budget = Budget::new(share, now);
        let call = Call { idempotent: true, ..Call::default() };
        let mut retrying = Retrying::begin(policy(3), call, &budget, now);
        assert_eq!(retrying.after(now, UNSEEN), TRANSPARENT);
        assert_eq!(retrying.after(now, MAYBE), retry(100));
        assert_eq!(retrying.after(now, MAYBE), give_up(Why::Budget));
        assert_eq!(budget.stats(), budget::Stats { requests: 1, retries: 1, refused: 1 });
    }

    #[test]
    fn what_counts_as_a_failure_for_the_throttle() {
        let now = Instant::now();
        for (failure, lost) in [
            (FINAL, 0),
            (MAYBE, 1),
            (pushed(Repeat::Safe, Pushback::Wait(ms(1))), 1),
            (pushed(Repeat::Never, Pushback::Stop), 1),
            (UNSEEN, 0), // transparent
        ] {
            let budget = Budget::new(budget::Policy::THROTTLE, now);
            let call = Call { idempotent: true, ..Call::default() };
            let mut retrying = Retrying::begin(policy(3), call, &budget, now);
            let _ = retrying.after(now, failure);
            assert_eq!(budget.left(now), Some(5 - lost), "{failure:?}");
        }
        // While half of the attempts fail, nothing is repeated; when they succeed again, it is.
        let budget = Budget::new(budget::Policy::THROTTLE, now);
        let run = |fails: bool| {
            let call = Call { idempotent: true, ..Call::default() };
            let mut retrying = Retrying::begin(policy(2), call, &budget, now);
            match fails {
                true => Some(retrying.after(now, MAYBE)),
                false => {
                    retrying.succeeded();
                    None
                }
            }
        };
        let decisions: Vec<_> = (0..6).filter_map(|_| run(true)).collect();
        assert_eq!(decisions[..4], [retry(100); 4]);
        assert_eq!(decisions[4..], [give_up(Why::Budget); 2]);
        assert!((0..30).all(|_| run(false).is_none()));
        assert_eq!(run(true), Some(retry(100)));
    }

    /// The law of an outage: attempts are at most the calls, their share, and the reserve.
    #[test]
    fn a_total_outage_stays_within_the_budget() {
        let start = Instant::now();
        let budget = Budget::new(budget::Policy::DEFAULT, start);
        let mut attempts = 0_u64;
        for index in 0..30_000 {
            let now = start + ms(index);
            let call = Call { idempotent: true, deadline: Some(now + ms(2_000)), seed: index };
            let mut retrying = Retrying::begin(Policy::DEFAULT, call, &budget, now);
            let mut at = now;
            attempts += 1;
            while let Decision::Retry { wait, .. } = retrying.after(at, MAYBE) {
                at += wait;
                assert!(at < now + ms(2_000));
                attempts += 1;
            }
        }
        let most = 30_000 + 6_000 + 10 * (30 + 2 + 11);
        assert!(attempts <= most, "{attempts} of at most {most}");
        assert!(attempts > 35_000, "{attempts}: the budget is there to be used");
    }

    #[test]
    fn jitter_spreads_and_a_seed_says_all() {
        let now = Instant::now();
        let wait = |seed| {
            let call = Call { idempotent: true, deadline: None, seed };
            Retrying::begin(Policy::DEFAULT, call, &unlimited(now), now).after(now, MAYBE)
        };
        assert_eq!(wait(1), wait(1));
        let waits: Vec<_> = (0..100).map(wait).collect();
        assert!(waits.iter().any(|decision| *decision != waits[0]));
    }

    #[test]
    fn no_retries_still_repeat_what_was_never_seen() {
        let now = Instant::now();
        let call = Call { idempotent: true, ..Call::default() };
        let mut retrying = Retrying::begin(Policy::NEVER, call, &unlimited(now), now);
        assert_eq!(retrying.after(now, UNSEEN), TRANSPARENT);
        assert_eq!(retrying.after(now, UNSEEN), give_up(Why::Attempts));
        assert_eq!(retrying.after(now, MAYBE), give_up(Why::Attempts));
    }
}
