//! One backend: where it is, how it is reached, and what is known of it while the program runs.
//!
//! A backend outlives the configuration that names it: when the file is read again, those that are still in it keep their health, their
//! load and their connections.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::net::client::{Alpn, ConnectError, Connector, Target};
use crate::net::io::Io;
use crate::net::resilience::ewma::{self, Load};
use crate::net::resilience::pick::pools::Standing;
use crate::net::resilience::pick::{self, Endpoint, SlowStart, key_of};
use crate::proto::balance::health::{self, Condition, Health};
use crate::proto::balance::outlier::{self, Outcome, Reason, Record};

/// The protocol that is agreed on within TLS to a backend that speaks HTTP.
pub const HTTP_ALPN: Alpn<'static> = &[b"http/1.1"];

/// How backends are reached.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    /// Looks names up, and connects within a deadline.
    pub connector: Connector,
    /// TLS to the backend, and the name by which it is known then; `None` for none.
    pub tls: Option<Arc<str>>,
}

/// What an operator has decided about a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// It takes calls.
    Ready,
    /// It finishes what it has, and takes nothing new.
    Drain,
}

/// A backend.
pub struct Backend {
    target: Target,
    name: Arc<str>,
    key: u64,
    priority: u32,
    dial: Dial,
    weight: u32,
    admin: AtomicU8,
    load: Load,
    slow_start: SlowStart,
    /// When it was added: times below are counted from here.
    born: Instant,
    /// What checks say. Without checks it is up.
    up: AtomicBool,
    health: Mutex<Option<Health>>,
    record: Mutex<Record>,
    /// Milliseconds from `born` until which it is ejected, and until which its slow start lasts.
    ejected: AtomicU64,
    risen: AtomicU64,
}

/// What a backend is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its address.
    pub target: Target,
    /// How much of the work it should have.
    pub weight: u32,
    /// Backends of a higher number are used only when those of lower ones are not enough.
    pub priority: u32,
    /// How it is reached.
    pub dial: Dial,
    /// How its share grows after it came up.
    pub slow_start: SlowStart,
    /// How it is judged by its calls.
    pub outlier: outlier::Policy,
    /// How it is checked, if it is.
    pub checks: Option<health::Policy>,
}

impl Setup {
    /// A backend with a weight of 1, plain TCP, and no checks.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            weight: 1,
            priority: 0,
            dial: Dial::default(),
            slow_start: SlowStart::DEFAULT,
            outlier: outlier::Policy::DEFAULT,
            checks: None,
        }
    }
}

const NOT_RISEN: u64 = u64::MAX;

impl Backend {
    /// A backend of which nothing is known yet. `chance`, from 0 to 1, spreads its first check.
    #[must_use]
    pub fn new(setup: Setup, now: Instant, chance: f64) -> Self {
        let name: Arc<str> = setup.target.to_string().into();
        let health = setup.checks.map(|policy| Health::new(policy, now, chance));
        let up = health.as_ref().is_none_or(Health::is_up);
        Self {
            key: key_of(name.as_bytes()),
            name,
            priority: setup.priority,
            dial: setup.dial,
            weight: setup.weight,
            admin: AtomicU8::new(0),
            load: Load::new(ewma::Policy::DEFAULT, now),
            slow_start: setup.slow_start,
            born: now,
            up: AtomicBool::new(up),
            health: Mutex::new(health),
            record: Mutex::new(Record::new(setup.outlier, now)),
            ejected: AtomicU64::new(0),
            risen: AtomicU64::new(NOT_RISEN),
            target: setup.target,
        }
    }

    /// Its address, by which operators know it.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Its place in the order of pools.
    #[must_use]
    pub fn priority(&self) -> u32 {
        self.priority
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
        let reason = self.record.lock().unwrap_or_else(PoisonError::into_inner).report(now, outcome);
        // A connection that is refused is known here before any check.
        if outcome == Outcome::Fault
            && let Some(health) = &mut *self.health()
        {
            health.suspect(now, fastrand::f64());
        }
        reason
    }

    /// When its next check is due; `None` if it is not checked.
    pub(super) fn check_due(&self) -> Option<Instant> {
        self.health().as_ref().map(Health::due)
    }

    /// Counts a check that has ended; says the new condition if it is another.
    pub(super) fn checked(&self, now: Instant, outcome: health::Outcome) -> Option<Condition> {
        let mut health = self.health();
        let health = health.as_mut()?;
        let change = health.checked(now, outcome, fastrand::f64())?;
        self.up.store(health.is_up(), Ordering::Relaxed);
        let risen = health.risen().map_or(NOT_RISEN, |at| self.millis(at));
        self.risen.store(risen, Ordering::Relaxed);
        Some(change)
    }

    fn health(&self) -> MutexGuard<'_, Option<Health>> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX)
    }

    /// Connects to it.
    ///
    /// # Errors
    /// Which step failed, where, and why.
    pub async fn connect(&self, alpn: Alpn<'_>) -> Result<Io, ConnectError> {
        let Dial { connector, tls } = &self.dial;
        let (host, port) = match (&self.target, tls) {
            (Target::Tcp { host, port }, None) => return connector.connect(host, *port, None).await,
            (Target::Unix(path), None) => return connector.unix(path).await,
            (Target::Tcp { host, port }, Some(_)) => (host, *port),
            (Target::Unix(path), Some(name)) => {
                let dial = tokio::net::UnixStream::connect(path);
                return connector.by(&self.name, dial, Some((name, alpn))).await;
            }
        };
        let name = tls.as_deref().unwrap_or(host);
        let tcp = connector.tcp(host, port).await?;
        connector.tls(tcp, name, alpn).await
    }
}

/// Whoever chooses among backends has asked for their standing already.
impl Endpoint for Arc<Backend> {
    fn state(&self, _: Instant) -> pick::State {
        pick::State::Ready
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn warmth(&self, now: Instant) -> f64 {
        match self.risen.load(Ordering::Relaxed) {
            NOT_RISEN => 1.0,
            millis => self.slow_start.warmth(Some(self.born + Duration::from_millis(millis)), now),
        }
    }

    fn outstanding(&self) -> usize {
        self.load.outstanding()
    }

    fn cost(&self, now: Instant) -> f64 {
        self.load.cost(now)
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("name", &self.name).finish_non_exhaustive()
    }
}
