//! What a connection in TCP mode says about its backend.
//!
//! That a backend has accepted says little: a proxy in front of a service that is down accepts too, and then resets. So a connection is judged by the first byte of its
//! backend, or by its end. One that is reset before that is a fault, like a connection that is refused; one that its client gives up says nothing.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;

use crate::net::clock::{Clock, Timer};
use crate::net::relay::RelayEnd;
use crate::proto::balance::outlier::Outcome;
use crate::server::balance::lease::Lease;
use crate::server::balance::upstream::Upstream;

/// After this time a backend that is probed by its circuit breaker has passed, though it says nothing: a log server never does.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a backend that may not have been judged yet.
pub(super) struct Trial<'a> {
    upstream: &'a Arc<Upstream>,
    /// The connection is under way until this is dropped.
    lease: Lease,
    /// How long connecting took; `None` if the backend was judged.
    latency: Option<Duration>,
    /// When a probe has passed.
    patience: Option<Timer>,
}

impl<'a> Trial<'a> {
    /// A connection that was opened just now, within `latency`.
    pub(super) fn begun(upstream: &'a Arc<Upstream>, lease: Lease, latency: Duration, clock: &Clock) -> Self {
        let patience = lease.is_probe().then(|| {
            let mut timer = clock.timer();
            timer.set(Instant::now() + PATIENCE);
            timer
        });
        Self { upstream, lease, latency: Some(latency), patience }
    }

    /// Judges the backend if it has answered, or the connection has lasted for long enough.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, answered: bool) {
        let Some(latency) = self.latency else { return };
        if answered || self.patience.as_mut().is_some_and(|timer| timer.poll(cx).is_ready()) {
            self.report(Outcome::Answered(latency));
        }
    }

    /// Judges the backend by the end of the connection, if it was not before. `None`: by an abort of ours.
    pub(super) fn ended(mut self, end: Option<&RelayEnd>) -> Lease {
        if let Some(latency) = self.latency {
            match end {
                Some(RelayEnd::Closed) => self.report(Outcome::Answered(latency)),
                Some(RelayEnd::SecondFailed(_)) => self.report(Outcome::Fault),
                _ => {}
            }
        }
        self.lease
    }

    fn report(&mut self, outcome: Outcome) {
        self.latency = None;
        self.patience = None;
        self.lease.report(self.upstream, Instant::now().into_std(), outcome);
    }
}
