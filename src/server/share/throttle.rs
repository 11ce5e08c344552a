//! How many bytes go a second at most.
//!
//! Bytes are counted when they have gone. Who has sent a block waits until it is paid for: a limit is kept to whatever the size of blocks, and none is ever torn in two.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What may go at once after a pause.
const BURST: Duration = Duration::from_millis(100);

/// A limit that can be changed.
#[derive(Debug)]
pub(super) struct Throttle(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Bytes a second.
    rate: Option<u64>,
    /// When all that has gone is paid for.
    paid: Option<Instant>,
}

impl Throttle {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self(Mutex::new(State { rate, paid: None }))
    }

    /// Sets the limit, in bytes a second.
    pub(super) fn set(&self, rate: Option<u64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State { rate, paid: None };
    }

    /// The limit.
    pub(super) fn rate(&self) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rate
    }

    /// Bytes have gone.
    pub(super) fn spend(&self, now: Instant, bytes: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rate) = state.rate else { return };
        let took = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        let begin = now.checked_sub(BURST).unwrap_or(now);
        state.paid = Some(state.paid.map_or(begin, |paid| paid.max(begin)) + took);
    }

    /// When more may go, if not now.
    pub(super) fn opens(&self, now: Instant) -> Option<Instant> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.paid.filter(|paid| *paid > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_kept_in_the_long_run() {
        let begin = Instant::now();
        let (mut now, throttle) = (begin, Throttle::new(Some(1_000_000)));
        let mut sent = 0;
        while now < begin + Duration::from_secs(10) {
            match throttle.opens(now) {
                Some(at) => now = at,
                None => {
                    throttle.spend(now, 16_384);
                    sent += 16_384;
                }
            }
        }
        assert!((10_000_000..10_200_000).contains(&sent), "{sent}");
        throttle.set(None);
        throttle.spend(now, 1 << 40);
        assert_eq!((throttle.opens(now), throttle.rate()), (None, None));
    }
}
