//! Who looks after a pool while nobody calls: closes what is too old, and opens what should be there.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, timeout};

use super::{Manager, Pool, Slot};
use crate::net::client::DEADLINE;

/// How often it looks. Connections live that much longer at most.
const SWEEP: Duration = Duration::from_secs(1);

impl<M: Manager> Pool<M> {
    /// Keeps at least so many idle connections to `key`, within the limits, from now on; zero for none. It is the
    /// [`keeper`](Pool::keeper) that opens them. When they cannot be opened, it waits longer from failure to failure.
    pub fn warm(&self, key: &M::Key, least: usize) {
        self.0.state().warm(key, least);
        self.0.warmed.notify_one();
    }

    /// Looks after the pool until its last handle is gone. To be run as a task, once.
    pub fn keeper(&self) -> impl Future<Output = ()> + Send + 'static {
        let (pool, warmed) = (Arc::downgrade(&self.0), Arc::clone(&self.0.warmed));
        async move {
            let mut coming = FuturesUnordered::new();
            while let Some(pool) = pool.upgrade().map(Pool) {
                pool.sweep();
                coming.extend(pool.cold().map(Slot::fill));
                drop(pool);
                tokio::select! {
                    () = sleep(SWEEP) => {}
                    () = warmed.notified() => {}
                    Some(()) = coming.next() => {}
                }
            }
        }
    }

    /// Closes what is too old.
    fn sweep(&self) {
        let expired = self.0.state().expired(Instant::now());
        for (key, idle) in expired {
            // Closed before its place is given away.
            drop((idle, self.slot(&key)));
        }
    }

    /// Places for connections that should be there.
    fn cold(&self) -> impl Iterator<Item = Slot<M>> {
        let cold = self.0.state().cold(Instant::now());
        cold.into_iter().map(|key| self.slot(&key))
    }
}

impl<M: Manager> Slot<M> {
    /// Opens a connection that nobody asked for yet.
    async fn fill(self) {
        let Some(pool) = self.pool.clone() else {
            return;
        };
        let opened = timeout(DEADLINE, pool.0.manager.open(&self.key)).await.ok().and_then(Result::ok);
        let now = Instant::now();
        let mut state = pool.0.state();
        state.came(&self.key, opened.is_some(), now);
        let Some(connection) = opened else {
            state.counts.failed += 1;
            return;
        };
        state.counts.opened += 1;
        let idle = state.born(connection, now);
        drop(state);
        pool.give(idle, self);
    }
}
