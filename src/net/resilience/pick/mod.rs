//! Which endpoint gets the next call.
//!
//! An [`Endpoint`] says where it is in its life ([`State`]) and how loaded; a [`Picker`] chooses among those that are ready. An endpoint that
//! has no connection yet is not ready, although a connection could be tried: balancers that take "nothing is known to be wrong" for "ready"
//! send calls to the dead (tonic's did). So the dead are never picked while one is alive, and when none is, the answer
//! says what to do: connect, wait, or fail with a reason ([`Choice`]).
//!
//! | picker | for | looks at |
//! |---|---|---|
//! | [`P2c`], the default | calls of different length | two endpoints |
//! | [`RoundRobin`] | calls that are alike | one |
//! | [`Random`] | the same without any memory, when many clients choose apart | one |
//! | [`Least`] | connections that last | [`least::SCAN`] at most |
//! | [`Ring`], [`Maglev`] | the same key to the same endpoint, among many endpoints | one |
//! | [`Rendezvous`] | the same with the least movement, among some hundreds | all |
//!
//! Some pickers keep a table. It is built by [`Picker::update`], when the set of endpoints or a weight changes, and never when an endpoint
//! fails or recovers: those that may not be chosen are passed over. So a choice costs the same among one, ten and a thousand endpoints
//! while most of them are available. The tables of the keyed pickers follow from the endpoints' keys, their weights and a seed only: two
//! machines with the same configuration choose alike, in whatever order they list the endpoints.
//!
//! [`Pools`] stand above the pickers: priorities, backups, and what happens when too few endpoints are available. [`SlowStart`] gives an endpoint that
//! has just become available its share little by little. [`Algorithm`] chooses a picker by its name.

mod any;
mod bound;
mod chance;
mod key;
pub mod least;
mod maglev;
mod p2c;
mod places;
pub mod pools;
mod random;
mod rendezvous;
mod ring;
mod round_robin;
mod slow_start;

use std::time::{Duration, Instant};

use super::breaker;

pub use self::any::{Algorithm, AnyPicker, Setup, UnknownAlgorithm};
pub use self::bound::{Bound, Total};
pub use self::key::{key_of, key_of_address};
pub use self::least::Least;
pub use self::maglev::{DEFAULT_SIZE as MAGLEV_SIZE, Maglev, SIZES as MAGLEV_SIZES};
pub use self::p2c::P2c;
pub use self::pools::Pools;
pub use self::random::Random;
pub use self::rendezvous::Rendezvous;
pub use self::ring::{POINTS as RING_POINTS, Ring};
pub use self::round_robin::{MOST_SLOTS, RoundRobin};
pub use self::slow_start::SlowStart;

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

    /// The part of its weight that counts at present, from 0 to 1: less than 1 while it starts slowly ([`SlowStart::warmth`]).
    fn warmth(&self, _now: Instant) -> f64 {
        1.0
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
    /// What the endpoints that may be chosen have together, for pickers with a bound on the load: those of the pool in use, with [`Pools`]. If it is `None`,
    /// such a picker counts it, by a look at every endpoint.
    pub total: Option<Total>,
}

impl Ask<'_> {
    /// The first attempt of a call that may go anywhere.
    #[must_use]
    pub const fn any(now: Instant) -> Self {
        Self { now, key: 0, tried: &[], total: None }
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

/// A way to choose. Threads may share a picker: a choice takes no lock, and what a picker remembers is a few counters.
pub trait Picker {
    /// Builds the picker's table, if it has one, for these endpoints. Called before the first choice, and whenever an endpoint comes or goes, moves
    /// within the slice or changes its weight. It is not called when an endpoint fails, recovers or starts slowly.
    fn update<E: Endpoint>(&mut self, _endpoints: &[E]) {}

    /// The place of the chosen one among those that `may` be chosen; `None` only if there are none. The endpoints are those that
    /// [`update`](Self::update) was told of; with others, the choice is one that `may` be chosen, but not by the rule of the picker.
    fn choose<E: Endpoint>(&self, endpoints: &[E], ask: &Ask<'_>, may: impl Fn(&E) -> bool) -> Option<usize>;

    /// What to do with a call.
    fn pick<E: Endpoint>(&self, endpoints: &[E], ask: &Ask<'_>) -> Choice {
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

/// How well an endpoint suits a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It may be chosen, but has its share of the calls already.
    Full,
    /// It may be chosen and has room, but this call is beyond what it gets while it starts slowly.
    Warming,
    /// Nothing speaks against it.
    Good,
}

/// The first of these places whose endpoint is [`Fit::Good`]; if there is none, the first of those that fit best.
fn first_good(
    places: impl Iterator<Item = usize>,
    fit: impl Fn(usize) -> Option<Fit>,
) -> Result<usize, Option<usize>> {
    let mut best: Option<(Fit, usize)> = None;
    for place in places {
        match fit(place) {
            Some(Fit::Good) => return Ok(place),
            Some(fit) if best.is_none_or(|(other, _)| fit > other) => best = Some((fit, place)),
            _ => {}
        }
    }
    Err(best.map(|(_, place)| place))
}

/// Whether an endpoint gets a call with this ticket, a number that is as good as random: always, unless it starts slowly.
fn admits<E: Endpoint>(endpoint: &E, now: Instant, ticket: u64) -> bool {
    let warmth = endpoint.warmth(now);
    warmth >= 1.0 || key::fraction(ticket) < warmth
}

/// One of those that `may` be chosen, by their weights, for a number that is as good as random. It looks at all of them.
fn by_weight<E: Endpoint>(
    endpoints: &[E],
    now: Instant,
    number: u64,
    may: impl Fn(&E) -> bool,
) -> Option<usize> {
    let weight = |endpoint: &E| f64::from(endpoint.weight()) * endpoint.warmth(now);
    let live = || endpoints.iter().enumerate().filter(|(_, endpoint)| may(endpoint));
    let sum: f64 = live().map(|(_, endpoint)| weight(endpoint)).sum();
    let mut left = key::fraction(number) * sum;
    let mut last = None;
    for (place, endpoint) in live() {
        last = Some(place);
        left -= weight(endpoint);
        if left < 0.0 {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests;
