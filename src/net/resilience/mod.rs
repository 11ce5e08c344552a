//! What a client needs when servers fail: how long to wait, whether to try again, and whom to ask.
//!
//! Each part is a small pure state: no clock, no task, no waiting. Time is an argument, and chance comes from a seed, so that
//! an hour of outage is a table in a test. Where calls of many tasks share a part, a handle with clones stands around the
//! state. None of them knows a protocol: the caller says what a failure means.
//!
//! In each part a `Policy` is what an operator decides. Together they make one call:
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use wireworks::net::resilience::breaker::{self, Breaker, Verdict};
//! use wireworks::net::resilience::budget::{self, Budget};
//! use wireworks::net::resilience::ewma::{self, Load};
//! use wireworks::net::resilience::pick::{Ask, Choice, Endpoint, P2c, Picker, State};
//! use wireworks::net::resilience::retry::{self, Call, Decision, Failure, Repeat, Retrying};
//!
//! struct Server {
//!     key: u64,
//!     load: Load,
//!     breaker: Breaker,
//! }
//!
//! impl Endpoint for Server {
//!     fn state(&self, now: Instant) -> State {
//!         State::Ready.behind(self.breaker.state(now))
//!     }
//!     fn key(&self) -> u64 {
//!         self.key
//!     }
//!     fn outstanding(&self) -> usize {
//!         self.load.outstanding()
//!     }
//!     fn cost(&self, now: Instant) -> f64 {
//!         self.load.cost(now)
//!     }
//! }
//!
//! let mut now = Instant::now();
//! let servers: Vec<_> = (0..3)
//!     .map(|key| Server {
//!         key,
//!         load: Load::new(ewma::Policy::DEFAULT, now),
//!         breaker: Breaker::new(breaker::Policy::DEFAULT, key, now),
//!     })
//!     .collect();
//! let budget = Budget::new(budget::Policy::DEFAULT, now);
//! let picker = P2c::new(7);
//!
//! // One call. The first server that is asked does not answer.
//! let call = Call { idempotent: true, deadline: Some(now + Duration::from_secs(2)), seed: 7 };
//! let mut retrying = Retrying::begin(retry::Policy::DEFAULT, call, &budget, now);
//! let mut tried = Vec::new();
//! loop {
//!     let Choice::Use(place) = picker.pick(&servers, &Ask { tried: &tried, ..Ask::any(now) }) else {
//!         panic!("here a client connects, waits or fails");
//!     };
//!     let server = &servers[place];
//!     let (Ok(permit), outstanding) = (server.breaker.enter(now), server.load.begin(now)) else {
//!         continue;
//!     };
//!     now += Duration::from_millis(10);
//!     if !tried.is_empty() {
//!         permit.report(now, Verdict::Success);
//!         outstanding.answered(now);
//!         retrying.succeeded();
//!         break;
//!     }
//!     permit.report(now, Verdict::Failure);
//!     outstanding.failed(now);
//!     tried.push(server.key);
//!     match retrying.after(now, Failure::new(Repeat::IfIdempotent)) {
//!         Decision::Retry { wait, .. } => now += wait, // here a client sleeps
//!         Decision::GiveUp(why) => panic!("{why}"),
//!     }
//! }
//! assert_eq!(budget.stats().retries, 1);
//! ```

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod ewma;
pub mod hedge;
pub mod pick;
pub mod queue;
pub mod retry;
mod window;

#[cfg(test)]
mod tests;
