//! How many bytes go a second at most.
//!
//! Bytes are counted when they have gone. Who has sent a block waits until it is paid for: a limit is kept to whatever the size of blocks, and none is ever torn in two.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

/// What may go at once after a pause.
const BURST: Duration = Duration::from_millis(100);

/// A limit that can be changed.
#[derive(Debug)]
pub(super) struct Throttle {
    state: Mutex<State>,
    /// Whose turn it is to let something go.
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct State {
    /// Bytes a second.
    rate: Option<u64>,
    /// When all that has gone is paid for.
    paid: Option<Instant>,
}

impl Throttle {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self { state: Mutex::new(State { rate, paid: None }), turns: Arc::new(Semaphore::new(1)) }
    }

    /// Sets the limit, in bytes a second.
    pub(super) fn set(&self, rate: Option<u64>) {
        *self.state() = State { rate, paid: None };
    }

    /// The limit.
    pub(super) fn rate(&self) -> Option<u64> {
        self.state().rate
    }

    /// Bytes have gone.
    pub(super) fn spend(&self, now: Instant, bytes: u64) {
        let mut state = self.state();
        let Some(rate) = state.rate else { return };
        let took = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        let begin = now.checked_sub(BURST).unwrap_or(now);
        state.paid = Some(state.paid.map_or(begin, |paid| paid.max(begin)) + took);
    }

    /// Waits for a turn and until more may go, in the order in which that was asked for. Without a limit there are none.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.rate()?;
        // It is never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        while let Some(at) = self.opens(Instant::now()) {
            sleep_until(at).await;
        }
        turn
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When more may go, if not now.
    pub(super) fn opens(&self, now: Instant) -> Option<Instant> {
        let state = self.state();
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

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_longest_is_next() {
        let throttle = Arc::new(Throttle::new(Some(1000)));
        let heard = Arc::new(Mutex::new(Vec::new()));
        throttle.spend(Instant::now(), 1000);
        // Each goes back to the end of the queue when it was its turn.
        let each = (0..4).map(|number| {
            let (throttle, heard) = (Arc::clone(&throttle), Arc::clone(&heard));
            async move {
                for _ in 0..10 {
                    let turn = throttle.turn().await;
                    assert!(turn.is_some());
                    heard.lock().unwrap().push(number);
                    throttle.spend(Instant::now(), 1000);
                }
            }
        });
        futures_util::future::join_all(each).await;
        let heard = heard.lock().unwrap().clone();
        assert!(heard.chunks(4).all(|round| round == [0, 1, 2, 3]), "{heard:?}");
        throttle.set(None);
        assert!(throttle.turn().await.is_none());
    }
}
