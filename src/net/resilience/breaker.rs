//! A circuit breaker: an endpoint that fails is left alone for a while, and then tried with care.
//!
//! A [`Breaker`] lets calls pass ([`State::Closed`]) until so many fail in a row, or too small a part of them succeeds; then it refuses
//! all ([`State::Open`]) for a time that grows from trip to trip; then a few probes may pass ([`State::HalfOpen`]), and what
//! becomes of them decides. Successes are counted exactly, in ten buckets over a window: an average that decays hides
//! bursts, as the authors of Linkerd found. Three things are easy to get wrong:
//!
//! 1. A probe may never come back: its task is dropped, or it hangs. A [`Permit`] that is dropped gives its place to another
//!    probe and counts as neither success nor failure, and a probe that takes too long is a failed one.
//! 2. Answers may be late. What was asked before a change of state says nothing about the state after it, so each permit carries
//!    the generation that it was given in.
//! 3. "Too busy" is an answer. It does not trip a breaker, as the endpoint lives; but a probe that gets it has failed.
//!
//! A [`Breaker`] is a handle; the pure state behind it, the circuit, is private.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::backoff::{self, Backoff, Growth, Jitter};
use super::window::Window;

/// When a breaker trips, for how long, and what it takes to close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Failures in a row that trip it; zero for never.
    pub consecutive: u32,
    /// It trips when less than this part of the calls in the window succeeds, in hundredths; zero for never.
    pub percent: u32,
    /// Calls that the window must have for that: one failure of one call is no rate.
    pub requests: u32,
    /// For how long calls are remembered, in steps of a tenth; at least 10 ms.
    pub window: Duration,
    /// For how long it is open. The times grow from trip to trip, and begin anew when it was closed for a window.
    pub open: backoff::Policy,
    /// Probes at once, and as many successes as close it; at least one.
    pub probes: u32,
    /// A probe that takes longer has failed.
    pub patience: Duration,
}

impl Policy {
    /// Five failures in a row (Envoy 5, Linkerd 7), or less than half of at least 20 calls in 10 s (Hystrix); open from 0.5 s to 60 s (Linkerd
    /// 1 s to 60 s) by half the time and as much by chance; one probe, of at most 30 s.
    pub const DEFAULT: Self = Self {
        consecutive: 5,
        percent: 50,
        requests: 20,
        window: Duration::from_secs(10),
        open: backoff::Policy {
            growth: Growth::Exponential { first: Duration::from_secs(1), jitter: Jitter::Equal },
            cap: Duration::from_secs(60),
        },
        probes: 1,
        patience: Duration::from_secs(30),
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Policy {
    fn probes(&self) -> usize {
        self.probes.max(1) as usize
    }
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They pass.
    Closed,
    /// They are refused.
    Open {
        /// Until then.
        until: Instant,
    },
    /// A few pass, as probes.
    HalfOpen {
        /// How many may pass now, beside those under way.
        places: usize,
    },
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint did what it is for, be it to say that the request was wrong.
    Success,
    /// It did not: no connection, no answer, an answer that says that it is broken.
    Failure,
    /// It is too busy, and may have said for how long.
    Overload(Option<Duration>),
    /// The call says nothing about the endpoint: it was cancelled, for example.
    Neither,
}

/// Why a call may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The breaker is open.
    #[error("the endpoint failed too often, and is left alone for {0:?} more")]
    Open(Duration),
    /// Others are probing.
    #[error("the endpoint failed too often, and is being probed")]
    Probing,
}

/// What a breaker did, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Times that it opened, after failed probes as well.
    pub trips: u64,
    /// Times that it closed.
    pub recoveries: u64,
    /// Probes that passed.
    pub probes: u64,
    /// Calls that it refused.
    pub refused: u64,
}

/// The breaker of one endpoint, which all calls to it share. Clones are the same breaker.
#[derive(Clone, Debug)]
pub struct Breaker(Arc<Mutex<Circuit>>);

impl Breaker {
    /// A closed breaker. Chance comes from `seed`.
    #[must_use]
    pub fn new(policy: Policy, seed: u64, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Circuit::new(policy, seed, now))))
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// Why not. Nothing is counted but the refusal.
    pub fn enter(&self, now: Instant) -> Result<Permit, Refused> {
        let ticket = self.circuit().enter(now)?;
        Ok(Permit { breaker: self.clone(), ticket: Some(ticket) })
    }

    /// What it does with calls.
    #[must_use]
    pub fn state(&self, now: Instant) -> State {
        self.circuit().state(now)
    }

    /// What it did.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.circuit().stats
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        // Nothing in a circuit can panic half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to make one call. Dropped without a report it counts as neither success nor failure.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once says nothing about the endpoint"]
pub struct Permit {
    breaker: Breaker,
    ticket: Option<Ticket>,
}

impl Permit {
    /// Whether the call is a probe.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.ticket.is_some_and(|ticket| ticket.probe.is_some())
    }

    /// Tells what became of the call; gives the new state if that changed it, for a log.
    pub fn report(mut self, now: Instant, verdict: Verdict) -> Option<State> {
        let ticket = self.ticket.take()?;
        self.breaker.circuit().leave(now, ticket, verdict)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.circuit().give_back(ticket);
        }
    }
}

/// What a circuit gives out for a call, and wants back exactly once.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    generation: u64,
    /// When it began, if it is a probe.
    probe: Option<Instant>,
}

/// Where a circuit is.
#[derive(Debug)]
enum Phase {
    Closed {
        since: Instant,
    },
    Open {
        until: Instant,
    },
    HalfOpen {
        /// When each probe under way began.
        out: Vec<Instant>,
        /// Those that succeeded.
        good: usize,
    },
}

/// Calls of one step of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    good: u64,
    all: u64,
}

/// The pure state of a breaker: told the time, and never waiting.
#[derive(Debug)]
struct Circuit {
    policy: Policy,
    phase: Phase,
    /// Counts the changes of phase.
    generation: u64,
    /// Failures in a row.
    failures: u32,
    recent: Window<Calls>,
    backoff: Backoff,
    stats: Stats,
}

impl Circuit {
    fn new(policy: Policy, seed: u64, now: Instant) -> Self {
        Self {
            policy,
            phase: Phase::Closed { since: now },
            generation: 0,
            failures: 0,
            recent: Window::new(policy.window, now),
            backoff: Backoff::new(policy.open, seed),
            stats: Stats::default(),
        }
    }

    fn state(&mut self, now: Instant) -> State {
        self.expire(now);
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { until } => State::Open { until },
            Phase::HalfOpen { ref out, good } => {
                State::HalfOpen { places: self.policy.probes().saturating_sub(out.len() + good) }
            }
        }
    }

    fn enter(&mut self, now: Instant) -> Result<Ticket, Refused> {
        self.expire(now);
        let probe = match &mut self.phase {
            Phase::Closed { .. } => Ok(None),
            Phase::Open { until } => Err(Refused::Open(until.saturating_duration_since(now))),
            Phase::HalfOpen { out, good } if out.len() + *good < self.policy.probes() => {
                out.push(now);
                Ok(Some(now))
            }
            Phase::HalfOpen { .. } => Err(Refused::Probing),
        };
        match probe {
            Ok(probe) => self.stats.probes += u64::from(probe.is_some()),
            Err(_) => self.stats.refused += 1,
        }
        probe.map(|probe| Ticket { generation: self.generation, probe })
    }

    fn leave(&mut self, now: Instant, ticket: Ticket, verdict: Verdict) -> Option<State> {
        self.expire(now);
        if ticket.generation != self.generation {
            return None;
        }
        let before = self.generation;
        match self.phase {
            Phase::Closed { .. } => self.count(now, verdict),
            Phase::HalfOpen { .. } => self.probed(now, ticket, verdict),
            Phase::Open { .. } => {}
        }
        (self.generation != before).then(|| self.state(now))
    }

    fn give_back(&mut self, ticket: Ticket) {
        if let Phase::HalfOpen { out, .. } = &mut self.phase
            && ticket.generation == self.generation
            && let Some(place) = out.iter().position(|began| Some(*began) == ticket.probe)
        {
            out.swap_remove(place);
        }
    }

    /// A call of a closed circuit is over.
    fn count(&mut self, now: Instant, verdict: Verdict) {
        match verdict {
            Verdict::Success => {
                self.failures = 0;
                let calls = self.recent.at(now);
                (calls.good, calls.all) = (calls.good + 1, calls.all + 1);
            }
            Verdict::Failure => {
                self.failures = self.failures.saturating_add(1);
                self.recent.at(now).all += 1;
                if self.too_many() {
                    self.trip(now, None);
                }
            }
            Verdict::Overload(_) | Verdict::Neither => {}
        }
    }

    /// Whether what was counted last trips the circuit.
    fn too_many(&self) -> bool {
        let Policy { consecutive, percent, requests, .. } = self.policy;
        let (good, all) =
            self.recent.iter().fold((0, 0), |sum, calls| (sum.0 + calls.good, sum.1 + calls.all));
        let in_a_row = consecutive > 0 && self.failures >= consecutive;
        in_a_row || all >= u64::from(requests) && good * 100 < u64::from(percent) * all
    }

    /// A probe is over.
    fn probed(&mut self, now: Instant, ticket: Ticket, verdict: Verdict) {
        self.give_back(ticket);
        match (verdict, &mut self.phase) {
            (Verdict::Success, Phase::HalfOpen { good, .. }) => {
                *good += 1;
                if *good >= self.policy.probes() {
                    self.stats.recoveries += 1;
                    self.failures = 0;
                    self.recent = Window::new(self.policy.window, now);
                    self.turn(Phase::Closed { since: now });
                }
            }
            (Verdict::Failure, _) => self.trip(now, None),
            (Verdict::Overload(wish), _) => self.trip(now, wish),
            _ => {}
        }
    }

    /// Opens the circuit, for at least as long as the endpoint wishes, within the policy's cap.
    fn trip(&mut self, now: Instant, wish: Option<Duration>) {
        if let Phase::Closed { since } = self.phase
            && now.saturating_duration_since(since) > self.policy.window
        {
            self.backoff.reset();
        }
        let wait = self.backoff.wait().max(wish.unwrap_or_default()).min(self.policy.open.cap);
        self.stats.trips += 1;
        self.turn(Phase::Open { until: after(now, wait) });
    }

    /// Does what time does: an open circuit becomes half open, and probes become too old.
    fn expire(&mut self, now: Instant) {
        let patience = self.policy.patience;
        match &self.phase {
            Phase::Open { until } if *until <= now => {
                self.turn(Phase::HalfOpen { out: Vec::new(), good: 0 });
            }
            Phase::HalfOpen { out, .. } if out.iter().any(|began| after(*began, patience) < now) => {
                self.trip(now, None);
            }
            _ => {}
        }
    }

    fn turn(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}

/// A wait that no clock can show ends in a century.
fn after(now: Instant, wait: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    now.checked_add(wait.min(CENTURY)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Open for 100, 200, 400 ms and so on, known beforehand.
    const POLICY: Policy = Policy {
        consecutive: 3,
        percent: 50,
        requests: 10,
        window: Duration::from_millis(1_000),
        open: backoff::Policy {
            growth: Growth::Exponential { first: Duration::from_millis(100), jitter: Jitter::None },
            cap: Duration::from_millis(1_000),
        },
        probes: 1,
        patience: Duration::from_millis(5_000),
    };

    /// A breaker whose time is told in milliseconds.
    struct Bench {
        breaker: Breaker,
        start: Instant,
    }

    impl Bench {
        fn new(policy: Policy) -> Self {
            let start = Instant::now();
            Self { breaker: Breaker::new(policy, 1, start), start }
        }

        fn at(&self, millis: u64) -> Instant {
            self.start + ms(millis)
        }

        fn enter(&self, millis: u64) -> Permit {
            self.breaker.enter(self.at(millis)).unwrap()
        }

        #[track_caller]
        fn refused(&self, millis: u64) -> Refused {
            self.breaker.enter(self.at(millis)).unwrap_err()
        }

        fn call(&self, millis: u64, verdict: Verdict) -> Option<State> {
            self.enter(millis).report(self.at(millis), verdict)
        }

        fn state(&self, millis: u64) -> State {
            self.breaker.state(self.at(millis))
        }

        fn open(&self, until: u64) -> State {
            State::Open { until: self.at(until) }
        }

        /// Trips it by failures in a row.
        fn trip(&self, millis: u64) -> State {
            (0..10).find_map(|_| self.call(millis, Verdict::Failure)).unwrap()
        }
    }

    use Verdict::{Failure as Bad, Neither, Success as Good};
    const BUSY: Verdict = Verdict::Overload(None);

    #[test]
    fn what_trips_it() {
        let off = Policy { consecutive: 0, percent: 0, ..POLICY };
        let rows = Policy { percent: 0, ..POLICY };
        let rate = Policy { consecutive: 0, ..POLICY };
        let many = |good: usize, bad: usize| [vec![Good; good], vec![Bad; bad]].concat();
        for (name, policy, calls, trips) in [
            ("in a row", rows, vec![Bad, Bad, Bad], true),
            ("too few", rows, vec![Bad, Bad], false),
            ("a success between", rows, vec![Bad, Bad, Good, Bad, Bad], false),
            ("busy between says nothing", rows, vec![Bad, BUSY, Bad, Neither, Bad], true),
            ("half of them is enough", rate, many(5, 5), false),
            ("less than half", rate, many(5, 6), true),
            ("too few for a rate", rate, many(0, 9), false),
            ("enough for a rate", rate, many(0, 10), true),
            ("busy is no failure", rate, vec![BUSY; 100], false),
            ("off", off, many(0, 1_000), false),
        ] {
            let bench = Bench::new(policy);
            let changes: Vec<_> = calls.iter().filter_map(|verdict| bench.call(0, *verdict)).collect();
            let expected = if trips { vec![bench.open(100)] } else { vec![] };
            assert_eq!(changes, expected, "{name}");
            assert_eq!(bench.breaker.stats().trips, u64::from(trips), "{name}");
        }
    }

    #[test]
    fn a_burst_is_seen_whatever_came_before_the_window() {
        let bench = Bench::new(Policy { consecutive: 0, ..POLICY });
        for millis in 0..1_000 {
            bench.call(millis, Good);
        }
        // An hour of success weighs nothing after the window.
        let change = (2_000..2_020).find_map(|millis| bench.call(millis, Bad));
        assert_eq!(change, Some(bench.open(2_109)), "by the tenth failure");
    }

    #[test]
    fn open_refuses_then_one_probe_decides() {
        let bench = Bench::new(POLICY);
        assert_eq!(bench.trip(0), bench.open(100));
        assert_eq!(bench.refused(0), Refused::Open(ms(100)));
        assert_eq!(bench.refused(99), Refused::Open(ms(1)));
        assert_eq!(bench.state(100), State::HalfOpen { places: 1 });
        let probe = bench.enter(100);
        assert!(probe.is_probe());
        assert_eq!(bench.refused(100), Refused::Probing);
        // It fails: twice as long.
        assert_eq!(probe.report(bench.at(110), Bad), Some(bench.open(310)));
        assert_eq!(bench.refused(309), Refused::Open(ms(1)));
        assert_eq!(bench.call(310, Good), Some(State::Closed));
        assert!(!bench.enter(310).is_probe());
        let expected = Stats { trips: 2, recoveries: 1, probes: 2, refused: 4 };
        assert_eq!(bench.breaker.stats(), expected);
    }

    #[test]
    fn what_a_probe_hears_decides() {
        let wish = |millis| Verdict::Overload(Some(ms(millis)));
        for (verdict, until) in [
            (Bad, Some(300)),
            (BUSY, Some(300)),
            (wish(5), Some(300)),
            (wish(700), Some(800)),
            (wish(70_000), Some(1_100)), // the policy's cap
        ] {
            let bench = Bench::new(POLICY);
            bench.trip(0);
            assert_eq!(bench.call(100, verdict), until.map(|until| bench.open(until)), "{verdict:?}");
        }
        let bench = Bench::new(POLICY);
        bench.trip(0);
        assert_eq!(bench.call(100, Neither), None);
        assert_eq!(bench.state(100), State::HalfOpen { places: 1 });
        assert_eq!(bench.call(100, Good), Some(State::Closed));
    }

    #[test]
    fn a_probe_that_is_dropped_gives_its_place_to_another() {
        let bench = Bench::new(Policy { probes: 2, ..POLICY });
        bench.trip(0);
        for round in 0..100 {
            let (first, second) = (bench.enter(200), bench.enter(200));
            assert_eq!(bench.refused(200), Refused::Probing, "round {round}");
            drop(first);
            drop(bench.enter(200));
            drop(second);
            assert_eq!(bench.state(200), State::HalfOpen { places: 2 });
        }
        assert_eq!(bench.call(200, Good), None, "it takes two");
        let last = bench.enter(200);
        assert_eq!(bench.refused(200), Refused::Probing, "one succeeded, one is under way");
        assert_eq!(last.report(bench.at(201), Good), Some(State::Closed));
    }

    #[test]
    fn a_probe_that_hangs_has_failed() {
        let bench = Bench::new(POLICY);
        bench.trip(0);
        let hanging = bench.enter(100);
        assert_eq!(bench.refused(5_100), Refused::Probing);
        assert_eq!(bench.state(5_101), bench.open(5_301));
        assert_eq!(bench.call(5_301, Good), Some(State::Closed));
        assert_eq!(hanging.report(bench.at(5_302), Bad), None, "too late to be heard");
        assert_eq!(bench.state(5_302), State::Closed);
    }

    #[test]
    fn late_answers_say_nothing() {
        let bench = Bench::new(POLICY);
        let late: Vec<_> = (0..20).map(|_| bench.enter(0)).collect();
        bench.trip(0);
        let mut late = late.into_iter();
        // They neither open it for longer, nor take a probe's place, nor close it, nor trip it again.
        for millis in [50, 150] {
            assert_eq!(late.next().unwrap().report(bench.at(millis), Bad), None);
            assert_eq!(late.next().unwrap().report(bench.at(millis), Good), None);
            drop(late.next());
        }
        assert_eq!(bench.state(150), State::HalfOpen { places: 1 });
        let probe = bench.enter(150);
        drop(late.next());
        assert_eq!(bench.refused(150), Refused::Probing);
        assert_eq!(probe.report(bench.at(151), Good), Some(State::Closed));
        for permit in late {
            assert_eq!(permit.report(bench.at(152), Bad), None);
        }
        assert_eq!(bench.state(152), State::Closed);
    }

    #[test]
    fn a_probe_of_before_gives_no_place_of_now_back() {
        // Nothing takes any time, so that the moments are the same.
        let open = backoff::Policy { cap: Duration::ZERO, ..POLICY.open };
        let bench = Bench::new(Policy { probes: 2, open, ..POLICY });
        bench.trip(0);
        let (first, second) = (bench.enter(0), bench.enter(0));
        assert_eq!(first.report(bench.at(0), Bad), Some(State::HalfOpen { places: 2 }));
        let _probes = (bench.enter(0), bench.enter(0));
        drop(second);
        assert_eq!(bench.refused(0), Refused::Probing);
    }

    #[test]
    fn times_grow_until_it_was_closed_for_a_window() {
        let bench = Bench::new(POLICY);
        assert_eq!(bench.trip(0), bench.open(100));
        assert_eq!(bench.call(100, Good), Some(State::Closed));
        // It fails again at once: the next time is longer, so that it is not run at.
        assert_eq!(bench.trip(200), bench.open(400));
        assert_eq!(bench.call(400, Good), Some(State::Closed));
        assert_eq!(bench.trip(1_401), bench.open(1_501));
        for (now, until) in [(1_501, 1_701), (1_701, 2_101), (2_101, 2_901), (2_901, 3_901), (3_901, 4_901)] {
            assert_eq!(bench.call(now, Bad), Some(bench.open(until)));
        }
    }

    #[test]
    fn a_new_start_forgets_what_was_counted() {
        let bench = Bench::new(Policy { consecutive: 0, ..POLICY });
        bench.trip(0);
        assert_eq!(bench.call(100, Good), Some(State::Closed));
        for _ in 0..9 {
            assert_eq!(bench.call(101, Bad), None, "the failures before are not counted again");
        }
    }

    #[test]
    fn chance_comes_from_the_seed() {
        let until = |seed| {
            let start = Instant::now();
            let breaker = Breaker::new(Policy::DEFAULT, seed, start);
            let change = (0..5).find_map(|_| breaker.enter(start).unwrap().report(start, Bad));
            match change {
                Some(State::Open { until }) => until - start,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(until(7), until(7));
        let times: Vec<_> = (0..50).map(until).collect();
        assert!(times.iter().all(|time| (ms(500)..=ms(1_000)).contains(time)), "{times:?}");
        assert!(times.iter().any(|time| *time != times[0]));
    }

    /// The law: whatever happens to its permits, a breaker whose endpoint is well again closes.
    #[test]
    fn it_is_never_stuck() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let policy = Policy { probes: rng.u32(0..4), ..POLICY };
            let bench = Bench::new(policy);
            let (mut permits, mut now) = (Vec::new(), 0);
            for _ in 0..500 {
                now += rng.u64(0..60);
                if let Ok(permit) = bench.breaker.enter(bench.at(now)) {
                    permits.push(permit);
                }
                if permits.is_empty() || rng.bool() {
                    continue;
                }
                let permit = permits.swap_remove(rng.usize(0..permits.len()));
                match rng.u8(0..6) {
                    0 => drop(permit),
                    1 => drop(permit.report(bench.at(now), Good)),
                    2 => drop(permit.report(bench.at(now), BUSY)),
                    3 => drop(permit.report(bench.at(now), Neither)),
                    _ => drop(permit.report(bench.at(now), Bad)),
                }
            }
            // Some permits are never given back, as if their calls hung for ever.
            std::mem::forget(permits);
            now += 5_000;
            let closed = (0..200).any(|_| {
                now += 100;
                if let Ok(permit) = bench.breaker.enter(bench.at(now)) {
                    permit.report(bench.at(now), Good);
                }
                bench.state(now) == State::Closed
            });
            assert!(closed, "seed {seed}: {:?}", bench.state(now));
        }
    }

    #[test]
    fn nothing_overflows() {
        let open = backoff::Policy {
            growth: Growth::Fixed { wait: Duration::MAX, jitter: Jitter::None },
            cap: Duration::MAX,
        };
        let policy = Policy {
            consecutive: 1,
            percent: u32::MAX,
            requests: 0,
            window: Duration::MAX,
            open,
            probes: u32::MAX,
            patience: Duration::MAX,
        };
        let bench = Bench::new(policy);
        assert!(matches!(bench.call(0, Bad), Some(State::Open { .. })));
        assert!(matches!(bench.refused(1 << 40), Refused::Open(_)));
    }
}
