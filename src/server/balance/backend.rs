//! One backend as configured: its address, how to connect to it, and its share of the load.
//!
//! A `Backend` is replaced when its configuration changes. Its run-time state, the [`Vitals`], and its connections, if they are made in the same way,
//! are handed to its successor.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::counters::Counters;
use super::dial::Way;
use super::fuse::Fuse;
use super::vitals::Vitals;
use crate::net::client::{Alpn, ConnectError, Target};
use crate::net::io::Io;
use crate::net::resilience::breaker;
use crate::net::resilience::ewma::{Load, Outstanding};
use crate::net::resilience::pick::pools::Standing;
use crate::net::resilience::pick::{self, Endpoint, SlowStart, key_of};
use crate::proto::balance::{health, outlier};

pub use super::dial::Dial;

/// The ALPN protocol for TLS to an HTTP backend.
pub const HTTP_ALPN: Alpn<'static> = &[b"http/1.1"];

/// Where a backend comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The configuration.
    Configured,
    /// Service discovery.
    Discovered,
    /// An operator, at run time.
    Operator,
}

/// The configuration of a backend.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its address.
    pub target: Target,
    /// Where it comes from.
    pub origin: Origin,
    /// Its share of the load relative to the others; 0 means none.
    pub weight: u32,
    /// The number of its pool: a pool is used only when not enough backends of lower ones are available.
    pub priority: u32,
    /// How to connect to it.
    pub dial: Arc<Dial>,
    /// How its share grows after it became available.
    pub slow_start: SlowStart,
    /// The rules of its outlier ejection.
    pub outlier: outlier::Policy,
    /// The most requests, or TCP connections, at once; `None` for any number.
    pub limit: Option<usize>,
    /// The rules of its circuit breaker, if it has one.
    pub breaker: Option<breaker::Policy>,
    /// How it is checked, if it is.
    pub checks: Option<health::Policy>,
}

impl Setup {
    /// A configured backend with a weight of 1, plain TCP, and no checks.
    #[must_use]
    pub fn new(target: Target) -> Self {
        Self {
            target,
            origin: Origin::Configured,
            weight: 1,
            priority: 0,
            dial: Arc::default(),
            slow_start: SlowStart::DEFAULT,
            outlier: outlier::Policy::DEFAULT,
            limit: None,
            breaker: None,
            checks: None,
        }
    }

    /// One of the same address, origin, weight and priority that is otherwise like the other.
    #[must_use]
    pub fn like(&self, other: &Self) -> Self {
        let Self { target, origin, weight, priority, .. } = self;
        Self {
            target: target.clone(),
            origin: *origin,
            weight: *weight,
            priority: *priority,
            ..other.clone()
        }
    }
}

/// The key of the backend with this address: that of its name.
pub(super) fn key_of_target(target: &Target) -> u64 {
    key_of(target.to_string().as_bytes())
}

/// A backend.
pub struct Backend {
    setup: Setup,
    name: Arc<str>,
    key: u64,
    /// The configured weight, unless an operator has set another.
    weight: u32,
    vitals: Arc<Vitals>,
    fuse: Option<Arc<Fuse>>,
}

impl Backend {
    /// A backend without state. `chance`, from 0 to 1, spreads its first check.
    #[must_use]
    pub fn new(setup: Setup, now: Instant, chance: f64) -> Self {
        let name: Arc<str> = setup.target.to_string().into();
        let vitals = Arc::new(Vitals::new(setup.checks, setup.outlier, now, chance));
        let key = key_of_target(&setup.target);
        let fuse = setup.breaker.map(|policy| Arc::new(Fuse::new(policy, fastrand::u64(..), now)));
        Self { key, name, weight: setup.weight, setup, vitals, fuse }
    }

    /// The successor of `before`, which has the same address: it takes over the state. A weight that an
    /// operator has set stays until the configured one changes.
    #[must_use]
    pub fn succeeding(before: &Self, mut setup: Setup, now: Instant) -> Self {
        if setup.dial.is_like(&before.setup.dial) {
            setup.dial = Arc::clone(&before.setup.dial);
        }
        before.vitals.set_policies(setup.checks, setup.outlier, now);
        let weight = if setup.weight == before.setup.weight { before.weight } else { setup.weight };
        let fuse = setup.breaker.map(|policy| match &before.fuse {
            Some(fuse) if *fuse.policy() == policy => Arc::clone(fuse),
            _ => Arc::new(Fuse::new(policy, fastrand::u64(..), now)),
        });
        Self {
            fuse,
            name: Arc::clone(&before.name),
            key: before.key,
            weight,
            vitals: Arc::clone(&before.vitals),
            setup,
        }
    }

    /// The same with another weight.
    #[must_use]
    pub fn weighing(&self, weight: u32) -> Self {
        Self {
            setup: self.setup.clone(),
            name: Arc::clone(&self.name),
            key: self.key,
            weight,
            vitals: Arc::clone(&self.vitals),
            fuse: self.fuse.clone(),
        }
    }

    /// Its address, by which operators identify it.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The host to send in requests: its address, or `localhost` for a Unix socket.
    #[must_use]
    pub fn host(&self) -> &str {
        match self.setup.target {
            Target::Tcp { .. } => &self.name,
            Target::Unix(_) => "localhost",
        }
    }

    /// Its configuration.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Its run-time state.
    #[must_use]
    pub fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// Its requests in progress and their latency.
    #[must_use]
    pub fn load(&self) -> &Load {
        self.vitals.load()
    }

    /// Its counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        self.vitals.counters()
    }

    /// Counts a request in progress until the result is dropped.
    pub fn begin(&self, now: Instant) -> Outstanding {
        let call = self.load().begin(now);
        self.counters().under_way(self.load().outstanding());
        call
    }

    /// Its standing for the choice of a backend.
    #[must_use]
    pub fn standing(&self, now: Instant) -> Standing {
        match self.vitals.standing(now) {
            Standing::Available if self.fuse.as_ref().is_some_and(|fuse| !fuse.lets_pass(now)) => {
                Standing::Unavailable
            }
            Standing::Available if self.is_full() => Standing::Full,
            standing => standing,
        }
    }

    /// The most requests, or TCP connections, at once; `None` for any number.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.setup.limit
    }

    /// Whether it has as many calls as it may have.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.limit().is_some_and(|limit| self.vitals.held() >= limit)
    }

    /// Its circuit breaker, if it has one.
    #[must_use]
    pub fn breaker(&self) -> Option<&Fuse> {
        self.fuse.as_deref()
    }

    /// Publishes the state of its circuit breaker after a request.
    pub(super) fn fused(&self, state: breaker::State) {
        if let Some(fuse) = &self.fuse {
            fuse.switched(state);
        }
    }

    /// Whether connections to the other backend can be used for this one.
    #[must_use]
    pub fn is_reached_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.vitals, &other.vitals) && Arc::ptr_eq(&self.setup.dial, &other.setup.dial)
    }

    /// Connects to it.
    ///
    /// Which step failed, on which address, and why.
    /// Which step failed, where, and why.
    pub async fn connect(&self, way: &Way<'_>) -> Result<Io, ConnectError> {
        self.setup.dial.connect(&self.setup.target, way).await
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
        self.vitals.warmth(&self.setup.slow_start, now)
    }

    fn outstanding(&self) -> usize {
        self.load().outstanding()
    }

    fn cost(&self, now: Instant) -> f64 {
        self.load().cost(now)
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("name", &self.name).finish_non_exhaustive()
    }
}
