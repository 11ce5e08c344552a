//! The run-time state of a backend: its health, its load, and what an operator has set.
//!
//! The state survives a new configuration of the backend: it is handed to the successor.

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

/// The state that an operator has set for a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// It takes requests.
    Ready,
    /// It completes what it has, and gets nothing new.
    Drain,
    /// The same, and it is shown as down whatever its checks say.
    Down,
}

impl Admin {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Down => "down",
        }
    }
}

/// The outcome of the last check.
#[derive(Clone, Debug)]
pub struct LastCheck {
    /// When.
    pub at: Instant,
    /// Why it failed; `None` if it passed.
    pub error: Option<String>,
    /// Since when checks have passed, or have failed for whatever reason.
    pub since: Instant,
}

/// The last report of the backend's agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentState {
    /// The percentage of the configured weight, at most 100.
    pub percent: u8,
    /// Whether it is healthy.
    pub up: bool,
    /// Whether it takes requests.
    pub ready: bool,
}

impl Default for AgentState {
    /// The state without an agent, and before its first report.
    fn default() -> Self {
        Self { percent: 100, up: true, ready: true }
    }
}

impl AgentState {
    /// The state after a report: what was not mentioned is unchanged.
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

/// The run-time state of a backend.
#[derive(Debug)]
pub struct Vitals {
    admin: AtomicU8,
    /// An [`AgentState`].
    agent: AtomicU16,
    load: Load,
    /// Requests that hold a slot; counted only with a limit.
    held: AtomicUsize,
    /// When it was added: the origin of the times below.
    born: Instant,
    /// The health by checks. Up without checks.
    up: AtomicBool,
    health: Mutex<Option<Health>>,
    record: Mutex<Record>,
    counters: Counters,
    last_check: Mutex<Option<LastCheck>>,
    /// Milliseconds from `born` until which it is ejected, and when it came up.
    ejected: AtomicU64,
    risen: AtomicU64,
    /// Notified when the next check is due earlier than before.
    sooner: Notify,
}

const NOT_RISEN: u64 = u64::MAX;

impl Vitals {
    /// The state of a new backend. `chance`, from 0 to 1, spreads its first check.
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

    /// Changes the rules and keeps the state.
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

    /// The state that an operator has set.
    #[must_use]
    pub fn admin(&self) -> Admin {
        match self.admin.load(Ordering::Relaxed) {
            0 => Admin::Ready,
            1 => Admin::Drain,
            _ => Admin::Down,
        }
    }

    /// Sets the state for an operator.
    pub fn set_admin(&self, admin: Admin) {
        self.admin.store(admin as u8, Ordering::Relaxed);
    }

    /// The last report of its agent.
    #[must_use]
    pub fn agent(&self) -> AgentState {
        AgentState::read(self.agent.load(Ordering::Relaxed))
    }

    /// Records a report of its agent; returns whether it changed anything.
    pub(super) fn set_agent(&self, state: AgentState) -> bool {
        self.agent.swap(state.written(), Ordering::Relaxed) != state.written()
    }

    /// Its requests in progress and their latency.
    #[must_use]
    pub fn load(&self) -> &Load {
        &self.load
    }

    /// Its counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The outcome of the last check; `None` before the first.
    #[must_use]
    pub fn last_check(&self) -> Option<LastCheck> {
        lock(&self.last_check).clone()
    }

    /// Since when it has been in this condition; `None` without checks.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        lock(&self.health).as_ref().map(Health::since)
    }

    /// Records the outcome of a check.
    pub(super) fn note_check(&self, at: Instant, error: Option<String>) {
        self.counters.count(if error.is_none() { Event::CheckPassed } else { Event::CheckFailed });
        let mut last = lock(&self.last_check);
        let same = last.as_ref().filter(|last| last.error.is_some() == error.is_some());
        let since = same.map_or(at, |last| last.since);
        *last = Some(LastCheck { at, error, since });
    }

    /// Its standing for the choice of a backend.
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

    /// Whether it is ejected.
    #[must_use]
    pub fn is_ejected(&self, now: Instant) -> bool {
        let until = self.ejected.load(Ordering::Relaxed);
        until > 0 && self.millis(now) < until
    }

    /// How long it stays ejected; `None` if it is not.
    #[must_use]
    pub fn ejected_for(&self, now: Instant) -> Option<Duration> {
        let left = self.ejected.load(Ordering::Relaxed).checked_sub(self.millis(now))?;
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// Ejects it until then.
    pub(super) fn eject(&self, until: Instant) {
        self.ejected.store(self.millis(until).max(1), Ordering::Relaxed);
    }

    /// Records how a request ended; returns why the backend is an outlier, if it is.
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

    /// Requests that hold a slot; 0 without a limit.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes one of `places` slots, if one is free. The lock of the queue is held.
    pub(super) fn enter(&self, places: usize) -> bool {
        let free = self.held() < places;
        if free {
            self.held.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    /// Releases a slot. The lock of the queue is held.
    pub(super) fn leave(&self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    /// The recent outcomes of its requests.
    #[must_use]
    pub fn stats(&self, now: Instant) -> outlier::Stats {
        lock(&self.record).stats(now)
    }

    /// Forgets the recent outcomes.
    pub(super) fn forget(&self, now: Instant) {
        lock(&self.record).clear(now);
    }

    /// When its next check is due; `None` if it is not checked.
    pub(super) fn check_due(&self) -> Option<Instant> {
        lock(&self.health).as_ref().map(Health::due)
    }

    /// Resolves when the next check is due earlier than before: there is a new policy, or requests failed.
    pub(super) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    /// Records the outcome of a check; returns the new condition if it has changed.
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

    /// The share of its weight that applies at present: by its [`SlowStart`], and by the report of its agent.
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
