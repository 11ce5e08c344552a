//! The circuit breaker of one backend, and a mark that says without a lock that it is closed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::net::resilience::breaker::{self, Breaker, Permit, Refused, State, Stats};

/// The circuit breaker of one backend. It outlives the backend's configuration as long as its policy stays.
#[derive(Debug)]
pub struct Fuse {
    policy: breaker::Policy,
    breaker: Breaker,
    /// Whether it has tripped, and has not closed since.
    tripped: AtomicBool,
}

impl Fuse {
    /// A closed one. Chance comes from `seed`.
    #[must_use]
    pub fn new(policy: breaker::Policy, seed: u64, now: Instant) -> Self {
        Self { policy, breaker: Breaker::new(policy, seed, now), tripped: AtomicBool::new(false) }
    }

    /// By which rules it trips.
    #[must_use]
    pub fn policy(&self) -> &breaker::Policy {
        &self.policy
    }

    /// What it does with calls.
    #[must_use]
    pub fn state(&self, now: Instant) -> State {
        if self.tripped.load(Ordering::Relaxed) { self.breaker.state(now) } else { State::Closed }
    }

    /// What it did.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.breaker.stats()
    }

    /// Whether a call may pass.
    #[must_use]
    pub fn lets_pass(&self, now: Instant) -> bool {
        match self.state(now) {
            State::Closed => true,
            State::HalfOpen { places } => places > 0,
            State::Open { .. } => false,
        }
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn enter(&self, now: Instant) -> Result<Permit, Refused> {
        self.breaker.enter(now)
    }

    /// Notes a state that a call has led to.
    pub(super) fn switched(&self, state: State) {
        self.tripped.store(state != State::Closed, Ordering::Relaxed);
    }
}
