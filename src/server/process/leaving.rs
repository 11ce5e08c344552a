//! The time between the signal to stop and the shutdown: `/healthz` fails already and everything else is served, so that
//! whatever sends clients here can send them elsewhere before connections are refused.

use std::future::pending;
use std::pin::Pin;

use tokio::time::{Sleep, sleep};

use super::Process;

/// The delay of a shutdown, if it has begun.
#[derive(Default)]
pub(super) struct Leaving(Option<Pin<Box<Sleep>>>);

impl Leaving {
    /// Announces the shutdown of `process` and begins its delay. `false` if the shutdown is to begin at once: it has no delay, the delay has begun before, or
    /// the shutdown has begun without a signal.
    pub(super) fn begins(&mut self, process: &Process) -> bool {
        let delay = process.stop_delay;
        if self.0.is_some() || delay.is_zero() || process.drain.is_stopping() {
            return false;
        }
        process.drain.announce();
        tracing::info!(
            delay_s = delay.as_secs_f64(),
            "stopping after a delay; the health check fails from now on"
        );
        self.0 = Some(Box::pin(sleep(delay)));
        true
    }

    /// Resolves when the delay is over; never if it has not begun.
    pub(super) async fn over(&mut self) {
        match &mut self.0 {
            Some(delay) => delay.await,
            None => pending().await,
        }
    }
}
