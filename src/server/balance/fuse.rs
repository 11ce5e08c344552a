//! The circuit breaker of one backend, with a flag that tells without a lock whether it is closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::net::resilience::breaker::{self, Breaker, Permit, Refused, State, Stats};

/// The circuit breaker of one backend. It survives a new configuration of the backend as long as its policy stays the same.
#[derive(Debug)]
pub struct Fuse {
    policy: breaker::Policy,
    breaker: Breaker,
    /// Whether it has tripped, and has not closed since.
    tripped: AtomicBool,
}

impl Fuse {
    /// A closed breaker. `seed` makes its randomness.
    #[must_use]
    pub fn new(policy: breaker::Policy, seed: u64, now: Instant) -> Self {
        Self { policy, breaker: Breaker::new(policy, seed, now), tripped: AtomicBool::new(false) }
    }

    /// Its rules.
    #[must_use]
    pub fn policy(&self) -> &breaker::Policy {
        &self.policy
    }

    /// Its current state.
    #[must_use]
    pub fn state(&self, now: Instant) -> State {
        if self.tripped.load(Ordering::Relaxed) { self.breaker.state(now) } else { State::Closed }
    }

    /// Its counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.breaker.stats()
    }

    /// Whether a request may pass.
    #[must_use]
    pub fn lets_pass(&self, now: Instant) -> bool {
        match self.state(now) {
            State::Closed => true,
            State::HalfOpen { places } => places > 0,
            State::Open { .. } => false,
        }
    }

    /// Asks to send a request.
    ///
    /// # Errors
    /// The breaker refuses.
    pub(super) fn enter(&self, now: Instant) -> Result<Permit, Refused> {
        self.breaker.enter(now)
    }

    /// Publishes the state after a request.
    pub(super) fn switched(&self, state: State) {
        self.tripped.store(state != State::Closed, Ordering::Relaxed);
    }
}
