//! What is known of a backend while the program runs: whether it is well, how loaded it is, and what an operator has decided.
//!
//! The vitals of a backend outlive its configuration: when that changes, they go over to the new one.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::counters::{Counters, Event};
use crate::net::resilience::ewma::{self, Load};
use crate::net::resilience::pick::SlowStart;
use crate::net::resilience::pick::pools::Standing;
use crate::proto::balance::agent;
use crate::proto::balance::health::{self, Condition, Health};
use crate::proto::balance::outlier::{self, Outcome, Reason, Record};

/// What an operator has decided about a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// It takes calls.
    Ready,
    /// It finishes what it has, and takes nothing new.
    Drain,
    /// The same, and it counts as down, whatever its checks say.
    Down,
}

impl Admin {
    /// A word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Down => "down",
        }
    }
}

/// How the last check ended.
#[derive(Clone, Debug)]
pub struct LastCheck {
    /// When.
    pub at: Instant,
    /// Why it failed; `None` if it passed.
    pub error: Option<String>,
    /// Since when checks have ended so: passed, or failed for whatever reason.
    pub since: Instant,
}

/// What an agent on the backend's machine has said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentState {
    /// Percent of its weight that it should have, at most 100.
    pub percent: u8,
    /// Whether it is well.
    pub up: bool,
    /// Whether it takes calls.
    pub ready: bool,
}

impl Default for AgentState {
    /// What holds without an agent, and before its first word.
    fn default() -> Self {
        Self { percent: 100, up: true, ready: true }
    }
}

impl AgentState {
    /// What holds after this: what is not spoken of stays as it was.
    #[must_use]
    pub fn after(self, report: &agent::Report) -> Self {
        Self {
            percent: report.percent.unwrap_or(self.percent),
            up: report.up.unwrap_or(self.up),
            ready: report.ready.unwrap_or(self.ready),
        }
    }

    fn written(self) -> u16 {
        u16::from(self.percent) | u16::from(self.up) << 8 | u16::from(self.ready) << 9
    }

    fn read(bits: u16) -> Self {
        Self { percent: bits.to_le_bytes()[0], up: bits & 1 << 8 != 0, ready: bits & 1 << 9 != 0 }
    }
}

/// What is known of a backend.
#[derive(Debug)]
pub struct Vitals {
    admin: AtomicU8,
    /// An [`AgentState`].
    agent: AtomicU16,
    load: Load,
    /// Calls that have one of its places; counted only where places are limited.
    held: AtomicUsize,
    /// When it was added: times below are counted from here.
    born: Instant,
    /// What checks say. Without checks it is up.
    up: AtomicBool,
    health: Mutex<Option<Health>>,
    record: Mutex<Record>,
    counters: Counters,
    last_check: Mutex<Option<LastCheck>>,
    /// Milliseconds from `born` until which it is ejected, and when it came up.
    ejected: AtomicU64,
    risen: AtomicU64,
    /// The next check is due sooner than was said.
    sooner: Notify,
}

const NOT_RISEN: u64 = u64::MAX;

impl Vitals {
    /// Those of a backend of which nothing is known yet. `chance`, from 0 to 1, spreads its first check.
    pub(super) fn new(
        checks: Option<health::Policy>,
        outlier: outlier::Policy,
        now: Instant,
        chance: f64,
    ) -> Self {
        let health = checks.map(|policy| Health::new(policy, now, chance));
        let up = health.as_ref().is_none_or(Health::is_up);
        Self {
            admin: AtomicU8::new(0),
            agent: AtomicU16::new(AgentState::default().written()),
            load: Load::new(ewma::Policy::DEFAULT, now),
            held: AtomicUsize::new(0),
            born: now,
            up: AtomicBool::new(up),
            health: Mutex::new(health),
            record: Mutex::new(Record::new(outlier, now)),
            counters: Counters::default(),
            last_check: Mutex::new(None),
            ejected: AtomicU64::new(0),
            risen: AtomicU64::new(NOT_RISEN),
            sooner: Notify::new(),
        }
    }

    /// Judges by other rules from now on. What is known by the old ones stays.
    pub(super) fn set_policies(
        &self,
        checks: Option<health::Policy>,
        outlier: outlier::Policy,
        now: Instant,
    ) {
        lock(&self.record).set_policy(outlier);
        let mut health = lock(&self.health);
        match (&mut *health, checks) {
            (Some(health), Some(policy)) => health.set_policy(policy, now, fastrand::f64()),
            (health, checks) => *health = checks.map(|policy| Health::new(policy, now, fastrand::f64())),
        }
        self.up.store(health.as_ref().is_none_or(Health::is_up), Ordering::Relaxed);
        self.sooner.notify_one();
    }

    /// What an operator has decided.
    #[must_use]
    pub fn admin(&self) -> Admin {
        match self.admin.load(Ordering::Relaxed) {
            0 => Admin::Ready,
            1 => Admin::Drain,
            _ => Admin::Down,
        }
    }

    /// Lets it finish what it has, or take calls again.
    pub fn set_admin(&self, admin: Admin) {
        self.admin.store(admin as u8, Ordering::Relaxed);
    }

    /// What its agent has said last.
    #[must_use]
    pub fn agent(&self) -> AgentState {
        AgentState::read(self.agent.load(Ordering::Relaxed))
    }

    /// Notes what its agent says; says whether that is something else than before.
    pub(super) fn set_agent(&self, state: AgentState) -> bool {
        self.agent.swap(state.written(), Ordering::Relaxed) != state.written()
    }

    /// What is under way, and how long it takes.
    #[must_use]
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How the last check ended; `None` before the first.
    #[must_use]
    pub fn last_check(&self) -> Option<LastCheck> {
        lock(&self.last_check).clone()
    }

    /// Since when its condition is what it is; `None` without checks.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        lock(&self.health).as_ref().map(Health::since)
    }

    /// Notes how a check ended.
    pub(super) fn note_check(&self, at: Instant, error: Option<String>) {
        self.counters.count(if error.is_none() { Event::CheckPassed } else { Event::CheckFailed });
        let mut last = lock(&self.last_check);
        let same = last.as_ref().filter(|last| last.error.is_some() == error.is_some());
        let since = same.map_or(at, |last| last.since);
        *last = Some(LastCheck { at, error, since });
    }

    /// How it stands among the others.
    #[must_use]
    pub fn standing(&self, now: Instant) -> Standing {
        let agent = self.agent();
        if self.admin() != Admin::Ready || !agent.ready || agent.percent == 0 {
            return Standing::Leaving;
        }
        let well = agent.up && self.is_up() && !self.is_ejected(now);
        if well { Standing::Available } else { Standing::Unavailable }
    }

    /// Whether it can go on with sessions that it has: it may be finishing what it has, but neither checks nor an agent nor an operator say that it is down,
    /// and it is not ejected.
    #[must_use]
    pub fn keeps_sessions(&self, now: Instant) -> bool {
        self.admin() != Admin::Down && self.agent().up && self.is_up() && !self.is_ejected(now)
    }

    /// Whether its checks pass; always without checks.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Whether its calls failed so often that it is left alone.
    #[must_use]
    pub fn is_ejected(&self, now: Instant) -> bool {
        let until = self.ejected.load(Ordering::Relaxed);
        until > 0 && self.millis(now) < until
    }

    /// How long it is left alone still; `None` if it is not.
    #[must_use]
    pub fn ejected_for(&self, now: Instant) -> Option<Duration> {
        let left = self.ejected.load(Ordering::Relaxed).checked_sub(self.millis(now))?;
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// Leaves it alone until then.
    pub(super) fn eject(&self, until: Instant) {
        self.ejected.store(self.millis(until).max(1), Ordering::Relaxed);
    }

    /// Counts a call that ended so; says why the backend is conspicuous, if it is.
    pub(super) fn report(&self, now: Instant, outcome: Outcome) -> Option<Reason> {
        // What ends while it is left alone was under way before, and known to be bad.
        if self.is_ejected(now) {
            return None;
        }
        let reason = lock(&self.record).report(now, outcome);
        // A connection that is refused is known here before any check.
        if outcome == Outcome::Fault
            && let Some(health) = &mut *lock(&self.health)
        {
            health.suspect(now, fastrand::f64());
            self.sooner.notify_one();
        }
        reason
    }

    /// Calls that have one of its places; 0 where places are not limited.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes one of so many places, if one is left. The lock of the line is held.
    pub(super) fn enter(&self, places: usize) -> bool {
        let free = self.held() < places;
        if free {
            self.held.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    /// Gives a place back. The lock of the line is held.
    pub(super) fn leave(&self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    /// What its calls came to, lately.
    #[must_use]
    pub fn stats(&self, now: Instant) -> outlier::Stats {
        lock(&self.record).stats(now)
    }

    /// Forgets what its calls came to.
    pub(super) fn forget(&self, now: Instant) {
        lock(&self.record).clear(now);
    }

    /// When its next check is due; `None` if it is not checked.
    pub(super) fn check_due(&self) -> Option<Instant> {
        lock(&self.health).as_ref().map(Health::due)
    }

    /// Resolves when the next check is due sooner than was said: there is a new policy, or calls failed.
    pub(super) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    /// Counts a check that has ended; says the new condition if it is another.
    pub(super) fn checked(&self, now: Instant, outcome: health::Outcome) -> Option<Condition> {
        let mut health = lock(&self.health);
        let health = health.as_mut()?;
        let change = health.checked(now, outcome, fastrand::f64())?;
        self.up.store(health.is_up(), Ordering::Relaxed);
        let risen = health.risen().map_or(NOT_RISEN, |at| self.millis(at));
        self.risen.store(risen, Ordering::Relaxed);
        Some(change)
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX)
    }

    /// The part of its weight that counts at present: by its [`SlowStart`], and by what its agent says.
    pub(super) fn warmth(&self, slow_start: &SlowStart, now: Instant) -> f64 {
        let part = f64::from(self.agent().percent) / 100.0;
        match self.risen.load(Ordering::Relaxed) {
            NOT_RISEN => part,
            millis => part * slow_start.warmth(Some(self.born + Duration::from_millis(millis)), now),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
