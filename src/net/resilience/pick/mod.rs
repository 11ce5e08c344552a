//! Which endpoint gets the next call.
//!
//! An [`Endpoint`] says where it is in its life ([`State`]) and how loaded; a [`Picker`] chooses among those that are ready. An endpoint that
//! has no connection yet is not ready, although a connection could be tried: balancers that take "nothing is known to be wrong" for "ready"
//! send calls to the dead (tonic's did). So the dead are never picked while one is alive, and when none is, the answer
//! says what to do: connect, wait, or fail with a reason ([`Choice`]).
//!
//! The pickers: [`P2c`], the default, for calls of different length; [`RoundRobin`] for calls that are alike; [`Least`] for connections that last;
//! [`Rendezvous`] where the same key should meet the same endpoint.

mod least;
mod p2c;
mod rendezvous;
mod round_robin;

use std::time::{Duration, Instant};

use super::breaker;

pub use self::least::Least;
pub use self::p2c::P2c;
pub use self::rendezvous::{Rendezvous, key_of};
pub use self::round_robin::RoundRobin;

/// Where an endpoint is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is no connection, and nobody has asked for one.
    Idle,
    /// A connection is being made, or tried with a probe.
    Connecting,
    /// It takes calls.
    Ready,
    /// There is no connection, and the last attempt failed.
    Failed {
        /// When the next attempt may be made.
        until: Instant,
    },
    /// Its circuit breaker is open, or its health checks fail.
    Ejected {
        /// When it may be tried again.
        until: Instant,
    },
    /// It finishes what it has, and takes nothing new.
    Draining,
}

impl State {
    /// What an endpoint is whose circuit breaker is in this state: ejected while it is open. While it is half open it takes as many calls as there are
    /// places for probes, and when they are under way, what they find out is worth waiting for.
    #[must_use]
    pub fn behind(self, breaker: breaker::State) -> Self {
        match (self, breaker) {
            (Self::Draining, _) => Self::Draining,
            (_, breaker::State::Open { until }) => Self::Ejected { until },
            (_, breaker::State::HalfOpen { places: 0 }) => Self::Connecting,
            (state, breaker::State::Closed | breaker::State::HalfOpen { .. }) => state,
        }
    }
}

/// Somebody who can be called.
pub trait Endpoint {
    /// Where it is in its life.
    fn state(&self, now: Instant) -> State;

    /// What it is told from others by, for ever: its address, for example ([`key_of`]).
    fn key(&self) -> u64;

    /// How much of the work it should have, compared with the others. With zero it gets none.
    fn weight(&self) -> u32 {
        1
    }

    /// Calls under way.
    fn outstanding(&self) -> usize;

    /// What one more call costs, in any unit, the same for all; see [`Load::cost`](super::ewma::Load::cost).
    fn cost(&self, _now: Instant) -> f64 {
        self.outstanding() as f64 + 1.0
    }
}

/// A call that needs an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The time.
    pub now: Instant,
    /// What a hash is to go by: the client's address or a cookie, for example ([`key_of`]).
    pub key: u64,
    /// The keys of endpoints that have failed this call already. They get it again only if no other is ready.
    pub tried: &'a [u64],
}

impl Ask<'_> {
    /// The first attempt of a call that may go anywhere.
    #[must_use]
    pub const fn any(now: Instant) -> Self {
        Self { now, key: 0, tried: &[] }
    }
}

/// What to do with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Choice {
    /// Give it to the endpoint at this place.
    Use(usize),
    /// None is ready: connect to those at these places, and wait for the first.
    Connect(Vec<usize>),
    /// None is ready, and connections are being made: wait for one.
    Wait,
    /// None is ready, and none will be soon.
    Fail(Unavailable),
}

/// Why no endpoint can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct Unavailable {
    /// Endpoints whose connection failed.
    pub failed: usize,
    /// Endpoints that failed too many calls.
    pub ejected: usize,
    /// Endpoints that take nothing new.
    pub draining: usize,
    /// How long until one of them may be tried again; `None` if none may.
    pub retry_in: Option<Duration>,
}

impl Unavailable {
    fn sentence(&self) -> String {
        let counts = [(self.failed, "failed"), (self.ejected, "ejected"), (self.draining, "draining")];
        let all: usize = counts.iter().map(|(count, _)| count).sum();
        if all == 0 {
            return "there is no endpoint".into();
        }
        let parts = counts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts.map(|(count, word)| format!("{count} {word}")).collect();
        let next = self.retry_in.map(|wait| format!(", next attempt in {wait:?}")).unwrap_or_default();
        format!("none of {all} endpoints is available ({}{next})", parts.join(", "))
    }
}

/// A way to choose. A picker remembers little, and is not shared by itself: each thread has one, or a lock stands around it.
pub trait Picker {
    /// The place of the chosen one among those that `may` be chosen; `None` only if there are none.
    fn choose<E: Endpoint>(
        &mut self,
        endpoints: &[E],
        ask: &Ask<'_>,
        may: impl Fn(&E) -> bool,
    ) -> Option<usize>;

    /// What to do with a call.
    fn pick<E: Endpoint>(&mut self, endpoints: &[E], ask: &Ask<'_>) -> Choice {
        let ready = |endpoint: &E| endpoint.state(ask.now) == State::Ready && endpoint.weight() > 0;
        let fresh = |endpoint: &E| ready(endpoint) && !ask.tried.contains(&endpoint.key());
        let mut chosen = self.choose(endpoints, ask, fresh);
        if chosen.is_none() && !ask.tried.is_empty() {
            chosen = self.choose(endpoints, ask, ready);
        }
        chosen.map_or_else(|| without_ready(endpoints, ask.now), Choice::Use)
    }
}

/// The places of endpoints to which a connection may be made now. For who wants more of them ready than one.
pub fn connectable<E: Endpoint>(endpoints: &[E], now: Instant) -> impl Iterator<Item = usize> {
    let may = move |endpoint: &E| match endpoint.state(now) {
        _ if endpoint.weight() == 0 => false,
        State::Idle => true,
        State::Failed { until } | State::Ejected { until } => until <= now,
        State::Connecting | State::Ready | State::Draining => false,
    };
    endpoints.iter().enumerate().filter(move |(_, endpoint)| may(endpoint)).map(|(place, _)| place)
}

/// What to do when none is ready.
fn without_ready<E: Endpoint>(endpoints: &[E], now: Instant) -> Choice {
    let places: Vec<_> = connectable(endpoints, now).collect();
    if !places.is_empty() {
        return Choice::Connect(places);
    }
    let mut reason = Unavailable::default();
    let mut next = None;
    for endpoint in endpoints {
        let (count, until) = match endpoint.state(now) {
            _ if endpoint.weight() == 0 => (&mut reason.draining, None),
            State::Connecting => return Choice::Wait,
            State::Failed { until } => (&mut reason.failed, Some(until)),
            State::Ejected { until } => (&mut reason.ejected, Some(until)),
            State::Draining | State::Idle | State::Ready => (&mut reason.draining, None),
        };
        *count += 1;
        next = [next, until].into_iter().flatten().min();
    }
    reason.retry_in = next.map(|next| next.saturating_duration_since(now));
    Choice::Fail(reason)
}

/// Of those that `may` be chosen the one with the least `measure`, any of them if there are several.
fn least_of<E, M>(
    endpoints: &[E],
    may: impl Fn(&E) -> bool,
    measure: impl Fn(&E) -> M,
    compare: impl Fn(&M, &M) -> std::cmp::Ordering,
    rng: &mut fastrand::Rng,
) -> Option<usize> {
    let mut best: Option<(usize, M)> = None;
    let mut equals = 0;
    for (place, endpoint) in endpoints.iter().enumerate().filter(|(_, endpoint)| may(endpoint)) {
        let measured = measure(endpoint);
        let order = best.as_ref().map_or(std::cmp::Ordering::Less, |(_, best)| compare(&measured, best));
        equals = if order.is_eq() { equals + 1 } else { 1 };
        // The nth of equals replaces those before it once in n times.
        if order.is_lt() || order.is_eq() && rng.u32(0..equals) == 0 {
            best = Some((place, measured));
        }
    }
    best.map(|(place, _)| place)
}

#[cfg(test)]
mod tests;
