//! The way down: stop accepting, tell, wait, abort, and say how many.
//!
//! A [`Drain`] is shared by everything that serves. Whoever accepts stops when [`stopping`](Drain::stopping) resolves;
//! a connection sees [`is_stopping`](Drain::is_stopping) when the bell of its clock rings, and ends as soon as its
//! protocol allows; after the deadline what is left is dropped where it stands.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;

/// The shared state of a shutdown. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Drain(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    stop: CancellationToken,
    /// Clients that have not said anything yet are shown the door.
    home: CancellationToken,
    /// `stop`, for a look that costs nothing.
    stopping: AtomicBool,
    aborting: AtomicBool,
    /// The shutdown is announced, and has not begun.
    announced: AtomicBool,
    /// Clients are not shown the door while they are silent.
    patient: AtomicBool,
    live: AtomicUsize,
    /// Those among them that accept: nobody loses anything when they end.
    accepting: AtomicUsize,
    empty: Notify,
    clocks: Mutex<Vec<Clock>>,
}

/// Something that a shutdown waits for. Dropping it ends the wait.
#[derive(Debug)]
pub struct Guard(Drain);

/// The guard of an accept loop: waited for, but not counted among what was aborted.
#[derive(Debug)]
pub struct Accepting(Guard);

impl Drain {
    /// Nothing is stopping yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the bell of `clock` ring when the shutdown begins, and when it aborts.
    pub fn attach(&self, clock: &Clock) {
        self.0.clocks.lock().unwrap_or_else(PoisonError::into_inner).push(clock.clone());
    }

    /// The output of `future`, or `None` when the shutdown aborts before it has one. The future has to wait at a timer of an
    /// attached clock, as a [`Conn`](super::conn::Conn) does: the clock's bell wakes it then.
    pub async fn unless_aborting<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Pending if self.is_aborting() => Poll::Ready(None),
            polled => polled.map(Some),
        })
        .await
    }

    /// Counts one thing more to wait for.
    #[must_use]
    pub fn guard(&self) -> Guard {
        self.0.live.fetch_add(1, Ordering::Relaxed);
        Guard(self.clone())
    }

    /// Lets the shutdown wait for an accept loop, which ends by itself when it begins.
    #[must_use]
    pub fn accepting(&self) -> Accepting {
        self.0.accepting.fetch_add(1, Ordering::Relaxed);
        Accepting(self.guard())
    }

    /// How many guards there are.
    #[must_use]
    pub fn live(&self) -> usize {
        self.0.live.load(Ordering::Relaxed)
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::Relaxed)
    }

    /// Announces the shutdown: it begins later, and whoever chooses among servers should choose others from now on.
    pub fn announce(&self) {
        self.0.announced.store(true, Ordering::Relaxed);
    }

    /// Whether the shutdown is announced or has begun.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        self.0.announced.load(Ordering::Relaxed) || self.is_stopping()
    }

    /// Whether the deadline has passed: drop everything.
    #[must_use]
    pub fn is_aborting(&self) -> bool {
        self.0.aborting.load(Ordering::Relaxed)
    }

    /// Resolves when the shutdown begins.
    pub async fn stopping(&self) {
        self.0.stop.cancelled().await;
    }

    /// Resolves when clients are sent home that have not said enough to be served: at the beginning of a shutdown, or at the end of the patience of one that
    /// is [patient](Self::stop_patiently).
    pub async fn sending_home(&self) {
        self.0.home.cancelled().await;
    }

    /// Begins the shutdown.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        self.0.stop.cancel();
        if self.is_sending_home() {
            self.0.home.cancel();
        }
        self.ring();
    }

    /// Begins the shutdown, and leaves connections that wait for their client's next word open until [`hurry`](Self::hurry), those in a handshake among them: for a
    /// server whose successor accepts already. So no client writes into a connection that is just being closed.
    pub fn stop_patiently(&self) {
        self.0.patient.store(true, Ordering::SeqCst);
        self.stop();
    }

    /// Ends the patience.
    pub fn hurry(&self) {
        self.0.patient.store(false, Ordering::SeqCst);
        self.0.home.cancel();
        self.ring();
    }

    /// Whether connections that wait for their client's next word should end now.
    #[must_use]
    pub fn is_sending_home(&self) -> bool {
        self.is_stopping() && !self.0.patient.load(Ordering::Relaxed)
    }

    /// Begins the shutdown, waits at most `deadline` for every guard, then aborts. Says how many were aborted.
    pub async fn finish(&self, deadline: Duration) -> usize {
        self.stop();
        if tokio::time::timeout(deadline, self.wait()).await.is_ok() {
            return 0;
        }
        self.abort().await
    }

    /// Drops what is left, now. Says how many there were.
    pub async fn abort(&self) -> usize {
        let left = self.live().saturating_sub(self.0.accepting.load(Ordering::Relaxed));
        self.0.aborting.store(true, Ordering::SeqCst);
        self.stop();
        self.0.home.cancel();
        // A connection that cannot end, as its handler blocks its thread, is left to the end of the process.
        let _ = tokio::time::timeout(ABORT_GRACE, self.wait()).await;
        left
    }

    /// Resolves when there is no guard.
    pub async fn wait(&self) {
        loop {
            let empty = self.0.empty.notified();
            tokio::pin!(empty);
            empty.as_mut().enable();
            if self.live() == 0 {
                return;
            }
            empty.await;
        }
    }

    fn ring(&self) {
        for clock in &*self.0.clocks.lock().unwrap_or_else(PoisonError::into_inner) {
            clock.ring();
        }
    }
}

/// What an aborted connection gets to drop its state.
const ABORT_GRACE: Duration = Duration::from_secs(1);

impl Drop for Guard {
    fn drop(&mut self) {
        if self.0.0.live.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.0.empty.notify_waiters();
        }
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.0.0.accepting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_last_guard_and_no_longer() {
        let drain = Drain::new();
        let guard = drain.guard();
        let start = Instant::now();
        let work = async {
            drain.stopping().await;
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(guard);
        };
        let (aborted, ()) = tokio::join!(drain.finish(Duration::from_secs(10)), work);
        assert_eq!((aborted, start.elapsed().as_secs()), (0, 3));
        assert!(drain.is_stopping() && !drain.is_aborting());
    }

    #[tokio::test]
    async fn a_patient_shutdown_sends_nobody_home_before_it_hurries() {
        let sent_home = |drain: &Drain| drain.sending_home().now_or_never().is_some();
        let drain = Drain::new();
        assert!(!sent_home(&drain));
        drain.stop_patiently();
        assert!(drain.is_stopping() && !drain.is_sending_home() && !sent_home(&drain));
        drain.hurry();
        assert!(drain.is_sending_home() && sent_home(&drain));
        let (stopped, aborted) = (Drain::new(), Drain::new());
        stopped.stop();
        aborted.stop_patiently();
        aborted.abort().await;
        assert!(sent_home(&stopped) && sent_home(&aborted));
    }

    #[tokio::test(start_paused = true)]
    async fn aborts_what_is_left_and_says_how_many() {
        let drain = Drain::new();
        let _guards = (drain.guard(), drain.guard(), drain.accepting());
        assert_eq!(drain.finish(Duration::from_secs(10)).await, 2);
        assert!(drain.is_aborting());
    }
}
