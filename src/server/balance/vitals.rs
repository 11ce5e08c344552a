//! What is known of a backend while the program runs: whether it is well, how loaded it is, and what an operator has decided.
//!
//! The vitals of a backend outlive its configuration: when that changes, they go over to the new one.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::counters::{Counters, Event};
use crate::net::resilience::ewma::{self, Load};
use crate::net::resilience::pick::SlowStart;
use crate::net::resilience::pick::pools::Standing;
use crate::proto::balance::health::{self, Condition, Health};
use crate::proto::balance::outlier::{self, Outcome, Reason, Record};

/// What an operator has decided about a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// It takes calls.
    Ready,
    /// It finishes what it has, and takes nothing new.
    Drain,
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

/// What is known of a backend.
#[derive(Debug)]
pub struct Vitals {
    admin: AtomicU8,
    load: Load,
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
            load: Load::new(ewma::Policy::DEFAULT, now),
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
        if self.admin.load(Ordering::Relaxed) == 0 { Admin::Ready } else { Admin::Drain }
    }

    /// Lets it finish what it has, or take calls again.
    pub fn set_admin(&self, admin: Admin) {
        self.admin.store(u8::from(admin == Admin::Drain), Ordering::Relaxed);
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
        match self.admin() {
            Admin::Drain => Standing::Leaving,
            Admin::Ready if self.up.load(Ordering::Relaxed) && !self.is_ejected(now) => Standing::Available,
            Admin::Ready => Standing::Unavailable,
        }
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

    /// The part of its weight that counts at present: see [`SlowStart`].
    pub(super) fn warmth(&self, slow_start: &SlowStart, now: Instant) -> f64 {
        match self.risen.load(Ordering::Relaxed) {
            NOT_RISEN => 1.0,
            millis => slow_start.warmth(Some(self.born + Duration::from_millis(millis)), now),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
