//! Hedging: a second copy of a call while the first is still under way, for the few that take too long.
//!
//! After "The Tail at Scale" (Dean and Barroso) and gRFC A6. Only calls that may be done twice are hedged. The next copy is sent
//! when no answer has come after a fixed time, or after a time that most calls do not take: with the 95th percentile one call in
//! twenty is sent twice. The first good answer wins, and the caller drops the others. A copy that fails in a way that a
//! repetition may mend is followed by the next one at once; any other failure ends the call. Copies are paid for from
//! the same budget as retries, so a service that slows down for all is not given twice the load.
//!
//! A [`Hedge`] is shared by all calls of one method, and remembers how long they took; a [`Hedging`] is one call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::retry::{self, Call, Failure, Pushback, Why};
use crate::net::times::Times;

/// How many copies of a call there may be, and when they are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Copies in all, the first included. One, or none, means no hedging.
    pub copies: u32,
    /// What `copies` is cut to, whoever set it.
    pub most: u32,
    /// When the next one is sent.
    pub delay: Delay,
    /// The longest wait that a server may ask for; with a longer one there are no more copies.
    pub patience: Duration,
}

/// When the next copy of a call is sent, if nothing was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delay {
    /// After this time.
    Fixed(Duration),
    /// After the time that this part of the calls did not take lately. Nothing is hedged before enough calls were measured.
    Quantile {
        /// Between 0 and 1.
        part: f64,
        /// Calls that are enough.
        calls: u64,
        /// Calls are remembered for this time at least, and twice as long at most.
        period: Duration,
    },
}

impl Policy {
    /// Two copies, five at most as in gRFC A6; the second after the 95th percentile, as Dean and Barroso have it, of at least 100 calls
    /// in the last half minute.
    pub const DEFAULT: Self = Self {
        copies: 2,
        most: 5,
        delay: Delay::Quantile { part: 0.95, calls: 100, period: Duration::from_secs(30) },
        patience: retry::Policy::DEFAULT.patience,
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The hedging of one method, which all calls of it share. Clones are the same.
#[derive(Clone, Debug)]
pub struct Hedge {
    policy: Policy,
    /// What calls took, if the policy goes by that.
    recent: Option<Arc<Mutex<Recent>>>,
}

impl Hedge {
    /// Hedging of a method of which no call was made yet.
    #[must_use]
    pub fn new(policy: Policy, now: Instant) -> Self {
        let recent = match policy.delay {
            Delay::Fixed(_) => None,
            Delay::Quantile { part, calls, period } => Some(Recent::new(part, calls, period, now)),
        };
        Self { policy, recent: recent.map(|recent| Arc::new(Mutex::new(recent))) }
    }

    /// Counts what a call took, from its first copy to the answer, whichever copy that came from. So measured, hedging does not
    /// change the quantile that it goes by: a call that was slow enough to be hedged still counts among the slow ones.
    pub fn record(&self, now: Instant, took: Duration) {
        if let Some(mut recent) = self.recent() {
            recent.record(now, took);
        }
    }

    /// After which time the next copy is sent; `None` while that is not known.
    #[must_use]
    pub fn delay(&self, now: Instant) -> Option<Duration> {
        match self.policy.delay {
            Delay::Fixed(delay) => Some(delay),
            Delay::Quantile { .. } => self.recent()?.delay(now),
        }
    }

    /// Begins a call: its first copy is about to be sent, and counted in `budget`.
    #[must_use]
    pub fn begin(&self, call: Call, budget: &Budget, now: Instant) -> Hedging {
        budget.deposit(now);
        let copies = if call.idempotent { self.policy.copies.min(self.policy.most) } else { 1 };
        let mut hedging = Hedging {
            call,
            budget: budget.clone(),
            copies,
            delay: self.delay(now),
            patience: self.policy.patience,
            sent: 1,
            under_way: 1,
            next: None,
        };
        hedging.schedule(now);
        hedging
    }

    fn recent(&self) -> Option<MutexGuard<'_, Recent>> {
        // Counts, of which a panic could lose one at most.
        self.recent.as_ref().map(|recent| recent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What to do when a copy has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Send another one now; elsewhere, if there is a choice.
    Send,
    /// Wait for those under way, and for the time of the [`next`](Hedging::next) if there is one.
    Wait,
    /// The failure is the call's. Copies that are still under way are dropped.
    GiveUp(Why),
}

/// One call, from its first copy to the last.
#[derive(Clone, Debug)]
pub struct Hedging {
    call: Call,
    budget: Budget,
    copies: u32,
    delay: Option<Duration>,
    patience: Duration,
    sent: u32,
    under_way: u32,
    next: Option<Instant>,
}

impl Hedging {
    /// When to ask whether another copy is [`due`](Hedging::due); `None` if there will be none by itself.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Copies that were sent before the last one, for a server that wants to know.
    #[must_use]
    pub fn previous_attempts(&self) -> u32 {
        self.sent - 1
    }

    /// Copies under way.
    #[must_use]
    pub fn under_way(&self) -> u32 {
        self.under_way
    }

    /// Whether to send another copy now. What is allowed counts as sent.
    #[must_use = "the copy counts as sent"]
    pub fn due(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|next| now < next) {
            return false;
        }
        let sent = self.send(now);
        // When all are under way, a refusal is no reason to fail, only one to leave it at them.
        if sent.is_err() {
            self.next = None;
        }
        sent.is_ok()
    }

    /// Rules out more copies: a part of an answer was handed on.
    pub fn commit(&mut self) {
        (self.copies, self.next) = (0, None);
    }

    /// Tells the budget that a copy succeeded, and ends the call.
    pub fn succeeded(self) {
        self.budget.succeeded();
    }

    /// What to do after a copy failed.
    pub fn after(&mut self, now: Instant, failure: Failure) -> Step {
        self.under_way = self.under_way.saturating_sub(1);
        if failure.counts() {
            self.budget.failed();
        }
        if let Err(why) = failure.allowed(self.call.idempotent) {
            return Step::GiveUp(why);
        }
        let refusal = match failure.pushback {
            None => match self.send(now) {
                Ok(()) => return Step::Send,
                Err(why) => why,
            },
            Some(Pushback::Wait(wait)) if wait <= self.patience => match self.postpone(now, wait) {
                Ok(()) => return Step::Wait,
                Err(why) => why,
            },
            Some(Pushback::Wait(_) | Pushback::Stop) => Why::Pushback,
        };
        self.next = None;
        if self.under_way > 0 { Step::Wait } else { Step::GiveUp(refusal) }
    }

    /// Counts another copy as sent, if it may be.
    fn send(&mut self, now: Instant) -> Result<(), Why> {
        self.may(now)?;
        if !self.budget.withdraw(now) {
            return Err(Why::Budget);
        }
        (self.sent, self.under_way) = (self.sent + 1, self.under_way + 1);
        self.schedule(now);
        Ok(())
    }

    /// Puts the next copy off until a server has had its rest.
    fn postpone(&mut self, now: Instant, wait: Duration) -> Result<(), Why> {
        let next = now.checked_add(wait).ok_or(Why::Deadline)?;
        self.may(next)?;
        self.next = Some(next);
        Ok(())
    }

    /// Whether another copy may be sent at `at`, apart from the budget.
    fn may(&self, at: Instant) -> Result<(), Why> {
        if self.copies == 0 {
            return Err(Why::Committed);
        }
        if self.sent >= self.copies {
            return Err(Why::Attempts);
        }
        let in_time = self.call.deadline.is_none_or(|deadline| at < deadline);
        if in_time { Ok(()) } else { Err(Why::Deadline) }
    }

    fn schedule(&mut self, now: Instant) {
        let next = self.delay.and_then(|delay| now.checked_add(delay));
        self.next = next.filter(|next| self.may(*next).is_ok());
    }
}

/// Digits of what calls took: 6 % is enough to tell the slow ones, for 5 KB.
const DIGITS: u8 = 1;

/// The quantile is computed anew that often in a period. It costs some microseconds, and each call asks.
const LOOKS: u32 = 32;

/// The shortest period.
const SHORTEST: Duration = Duration::from_millis(100);

/// What calls took lately: in this period, and in the last one.
#[derive(Debug)]
struct Recent {
    part: f64,
    enough: u64,
    period: Duration,
    /// When this period began.
    since: Instant,
    this: Times,
    last: Times,
    /// The quantile, and when it was computed.
    known: Option<(Instant, Duration)>,
}

impl Recent {
    fn new(part: f64, enough: u64, period: Duration, now: Instant) -> Self {
        Self {
            part,
            enough: enough.max(1),
            period: period.max(SHORTEST),
            since: now,
            this: Times::exact_to(DIGITS),
            last: Times::exact_to(DIGITS),
            known: None,
        }
    }

    fn record(&mut self, now: Instant, took: Duration) {
        self.turn(now);
        self.this.record(took);
    }

    fn delay(&mut self, now: Instant) -> Option<Duration> {
        self.turn(now);
        if self.this.count().saturating_add(self.last.count()) < self.enough {
            self.known = None;
            return None;
        }
        let fresh = |at: Instant| now.saturating_duration_since(at) < self.period / LOOKS;
        if let Some((_, delay)) = self.known.filter(|(at, _)| fresh(*at)) {
            return Some(delay);
        }
        let mut both = self.last.clone();
        both.add(&self.this);
        let delay = both.quantile(self.part)?;
        self.known = Some((now, delay));
        Some(delay)
    }

    /// Begins a new period when it is time.
    fn turn(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed < self.period {
            return;
        }
        std::mem::swap(&mut self.this, &mut self.last);
        self.this.clear();
        if passed / 2 >= self.period {
            // Nothing happened for a whole period, or longer.
            self.last.clear();
        }
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget;
    use super::super::retry::Repeat;
    use super::*;

    const MAYBE: Failure = Failure::new(Repeat::IfIdempotent);
    const UNSEEN: Failure = Failure::new(Repeat::Safe);
    const FINAL: Failure = Failure::new(Repeat::Never);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn pushed(pushback: Pushback) -> Failure {
        Failure { repeat: Repeat::IfIdempotent, pushback: Some(pushback) }
    }

    fn fixed(copies: u32, delay: u64) -> Policy {
        Policy { copies, delay: Delay::Fixed(ms(delay)), ..Policy::DEFAULT }
    }

    const IDEMPOTENT: Call = Call { idempotent: true, deadline: None, seed: 0 };

    /// What happens to a call, and what is expected of it then.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        /// No answer so far: is another copy due?
        Due(bool),
        Fails(Failure, Step),
        Commit,
    }

    /// The time in milliseconds, what happens, and when the next copy is to be sent after that.
    type Moment = (u64, Event, Option<u64>);

    use Event::{Commit, Due, Fails};
    use Step::{GiveUp, Send, Wait};

    #[test]
    fn the_life_of_a_call() {
        let stop = pushed(Pushback::Stop);
        let wait = |millis| pushed(Pushback::Wait(ms(millis)));
        // The delay is 100 ms.
        let rows: &[(&str, u32, &[Moment])] = &[
            (
                "slow",
                3,
                &[
                    (99, Due(false), Some(100)),
                    (100, Due(true), Some(200)),
                    (150, Due(false), Some(200)),
                    (200, Due(true), None),
                    (900, Due(false), None),
                ],
            ),
            ("no hedging", 1, &[(500, Due(false), None), (600, Fails(MAYBE, GiveUp(Why::Attempts)), None)]),
            (
                "a failure is followed at once",
                3,
                &[
                    (10, Fails(MAYBE, Send), Some(110)),
                    (20, Fails(UNSEEN, Send), None),
                    (30, Fails(MAYBE, GiveUp(Why::Attempts)), None),
                ],
            ),
            (
                "others are under way",
                2,
                &[
                    (100, Due(true), None),
                    (110, Fails(MAYBE, Wait), None),
                    (120, Fails(MAYBE, GiveUp(Why::Attempts)), None),
                ],
            ),
            (
                "a final failure ends it",
                3,
                &[(100, Due(true), Some(200)), (110, Fails(FINAL, GiveUp(Why::Final)), Some(200))],
            ),
            (
                "the server wants no more",
                3,
                &[
                    (100, Due(true), Some(200)),
                    (110, Fails(stop, Wait), None),
                    (500, Due(false), None),
                    (510, Fails(stop, GiveUp(Why::Pushback)), None),
                ],
            ),
            (
                "the server wants a rest",
                3,
                &[
                    (10, Fails(wait(500), Wait), Some(510)),
                    (100, Due(false), Some(510)),
                    (510, Due(true), Some(610)),
                ],
            ),
            ("too long a rest", 3, &[(10, Fails(wait(60_001), GiveUp(Why::Pushback)), None)]),
            (
                "committed",
                3,
                &[
                    (10, Commit, None),
                    (100, Due(false), None),
                    (110, Fails(MAYBE, GiveUp(Why::Committed)), None),
                ],
            ),
        ];
        for (name, copies, events) in rows {
            let start = Instant::now();
            let budget = Budget::new(budget::Policy::Unlimited, start);
            let mut hedging = Hedge::new(fixed(*copies, 100), start).begin(IDEMPOTENT, &budget, start);
            for (millis, event, next) in *events {
                let now = start + ms(*millis);
                match *event {
                    Due(due) => assert_eq!(hedging.due(now), due, "{name} at {millis} ms"),
                    Fails(failure, step) => {
                        assert_eq!(hedging.after(now, failure), step, "{name} at {millis} ms");
                    }
                    Commit => hedging.commit(),
                }
                assert_eq!(hedging.next(), next.map(|next| start + ms(next)), "{name} at {millis} ms");
            }
        }
    }

    #[test]
    fn what_may_not_be_done_twice_is_not_hedged() {
        let start = Instant::now();
        let budget = Budget::new(budget::Policy::Unlimited, start);
        let mut hedging = Hedge::new(fixed(3, 0), start).begin(Call::default(), &budget, start);
        assert_eq!(hedging.next(), None);
        assert!(!hedging.due(start));
        assert_eq!(hedging.after(start, MAYBE), GiveUp(Why::NotIdempotent));
    }

    #[test]
    fn copies_have_a_cap_and_a_deadline() {
        let start = Instant::now();
        for (copies, deadline, sent) in
            [(0, 10_000, 1), (2, 10_000, 2), (99, 10_000, 5), (99, 200, 2), (99, 201, 3)]
        {
            let budget = Budget::new(budget::Policy::Unlimited, start);
            let call = Call { deadline: Some(start + ms(deadline)), ..IDEMPOTENT };
            let mut hedging = Hedge::new(fixed(copies, 100), start).begin(call, &budget, start);
            while let Some(next) = hedging.next() {
                assert!(hedging.due(next));
            }
            assert_eq!(
                (hedging.under_way(), hedging.previous_attempts()),
                (sent, sent - 1),
                "{copies} in {deadline} ms"
            );
        }
    }

    #[test]
    fn copies_are_paid_for_from_the_budget() {
        let start = Instant::now();
        let share = budget::Policy::Share { percent: 0, reserve: 1, window: ms(1_000) };
        let budget = Budget::new(share, start);
        let mut hedging = Hedge::new(fixed(5, 100), start).begin(IDEMPOTENT, &budget, start);
        assert!(hedging.due(start + ms(100)));
        assert!(!hedging.due(start + ms(200)), "it is spent");
        assert_eq!(hedging.next(), None);
        assert_eq!(hedging.after(start + ms(300), MAYBE), Wait);
        assert_eq!(hedging.after(start + ms(310), MAYBE), GiveUp(Why::Budget));
        assert_eq!(budget.stats(), budget::Stats { requests: 1, retries: 1, refused: 3 });
    }

    #[test]
    fn the_delay_is_a_quantile_of_what_calls_took_lately() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let delay = Delay::Quantile { part: 0.9, calls: 100, period: Duration::from_secs(10) };
        let hedge = Hedge::new(Policy { delay, ..Policy::DEFAULT }, start);
        let close = |now, expected: u64| {
            let delay = hedge.delay(now).unwrap();
            assert!(delay.abs_diff(ms(expected)) <= ms(expected) / 16, "{delay:?}, not {expected} ms");
        };
        (1..100).for_each(|millis| hedge.record(start, ms(millis)));
        assert_eq!(hedge.delay(start), None, "not enough");
        hedge.record(start, ms(100));
        close(start, 90);
        // All get slower. What was computed holds for a moment.
        (0..900).for_each(|_| hedge.record(at(1), ms(200)));
        close(start + ms(300), 90);
        close(at(1), 200);
        // In the next period the last one still counts, and after that no longer.
        (0..9_000).for_each(|_| hedge.record(at(11), ms(10)));
        close(at(12), 10);
        close(at(30), 10);
        assert_eq!(hedge.delay(at(60)), None, "all is too long ago");
        (0..100).for_each(|_| hedge.record(at(60), ms(10)));
        assert_eq!(hedge.delay(at(80)), None, "also when nobody asked for two periods");
    }

    #[test]
    fn without_a_delay_nothing_is_hedged_but_failures_are_followed() {
        let start = Instant::now();
        let budget = Budget::new(budget::Policy::Unlimited, start);
        let mut hedging = Hedge::new(Policy::DEFAULT, start).begin(IDEMPOTENT, &budget, start);
        assert_eq!(hedging.next(), None);
        assert_eq!(hedging.after(start, MAYBE), Send);
        assert_eq!(hedging.after(start, MAYBE), GiveUp(Why::Attempts));
    }

    /// The law: hedging at a quantile costs what is left of it, and measuring hedged calls does not move the quantile.
    #[test]
    fn one_call_in_twenty_is_sent_twice() {
        let mut rng = fastrand::Rng::with_seed(1);
        let start = Instant::now();
        let budget = Budget::new(budget::Policy::DEFAULT, start);
        let hedge = Hedge::new(Policy::DEFAULT, start);
        // One call in ten takes a hundred times as long.
        let mut latency = || ms(rng.u64(5..15) * if rng.u8(0..10) == 0 { 100 } else { 1 });
        let (mut copies, mut slow) = (0_u32, 0);
        for call in 0..20_000_u64 {
            let now = start + ms(call * 10);
            let mut hedging = hedge.begin(IDEMPOTENT, &budget, now);
            let mut took = latency();
            if let Some(next) = hedging.next().filter(|next| *next < now + took) {
                assert!(hedging.due(next));
                copies += 1;
                took = took.min(next - now + latency());
            }
            slow += u32::from(took > ms(1_200));
            hedge.record(now, took);
            hedging.succeeded();
        }
        assert!((600..1_400).contains(&copies), "{copies} of 20000");
        assert!(slow < 400, "{slow}");
    }

    #[test]
    fn nothing_overflows() {
        let start = Instant::now();
        let budget = Budget::new(budget::Policy::Unlimited, start);
        for delay in [
            Delay::Fixed(Duration::MAX),
            Delay::Quantile { part: f64::NAN, calls: 0, period: Duration::ZERO },
            Delay::Quantile { part: 9.0, calls: 1, period: Duration::MAX },
            Delay::Quantile { part: -1.0, calls: 1, period: Duration::MAX },
        ] {
            let policy = Policy { copies: u32::MAX, most: u32::MAX, delay, patience: Duration::MAX };
            let hedge = Hedge::new(policy, start);
            hedge.record(start, Duration::MAX);
            let mut hedging = hedge.begin(IDEMPOTENT, &budget, start);
            assert_eq!(hedging.after(start, pushed(Pushback::Wait(Duration::MAX))), GiveUp(Why::Deadline));
            let _ = hedging.after(start, MAYBE);
            let _ = hedging.due(start);
        }
    }
}
