//! Connections that are kept for the next call: a pool, by key.
//!
//! A key is where a connection leads, an address for example. The pool is LIFO: who needs a connection takes the one that was used last, so that idle
//! ones age out; opens one if there are none and the limits allow it, or waits: first come, first served, until a deadline. What comes out
//! is a guard, [`Pooled`]. It closes its connection when it is dropped, for whoever is interrupted in the middle of an exchange leaves a
//! connection behind that nobody can use; [`Pooled::keep`] gives it back.
//!
//! A server may close a connection just as we take it. The pool asks the [`Manager`] before it hands out a used one, which narrows that gap; closing
//! it takes a retry (a call that failed on a [reused](Pooled::is_reused) connection before the first byte of an answer), or an idle timeout
//! that is shorter than the server's.
//!
//! Three things are easy to get wrong. A waiter may be cancelled just when it is handed something: then that goes on to the next. A pool that is
//! full of idle connections to one place must not starve another: the one idle longest makes room. And a connection that
//! ends must be closed before its place is given away, or there are more than the limit.

mod keeper;
mod state;

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use self::state::{Claim, Heir, Idle, State, Waiter};

/// How many connections a pool has, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all, in use, idle and being opened; at least one.
    pub total: usize,
    /// Those of one key; at least one.
    pub per_key: usize,
    /// Idle ones of one key. Of more, those idle longest are closed.
    pub idle_per_key: usize,
    /// Calls that wait for a connection. More are refused.
    pub waiting: usize,
    /// How long a connection may be idle. It should be less than the server's time.
    pub idle: Duration,
    /// How long a connection may live; less by up to a tenth, by chance, so that those that were opened together do not end together. One
    /// in use is not cut: it is not kept when it is given back.
    pub lifetime: Duration,
}

impl Limits {
    /// 1024 in all and 128 a key (Go has no limit, HikariCP 10), 32 of them idle (nginx's examples 16 to 32, Go 2), 1024 that wait (Envoy's
    /// `max_pending_requests`), a minute idle (nginx 60 s to upstreams, Go 90 s), half an hour of life (HikariCP 30 min, nginx 1 h).
    pub const DEFAULT: Self = Self {
        total: 1024,
        per_key: 128,
        idle_per_key: 32,
        waiting: 1024,
        idle: Duration::from_secs(60),
        lifetime: Duration::from_secs(30 * 60),
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Opens connections, and knows when one is of no use any more.
pub trait Manager: Send + Sync + 'static {
    /// Where a connection leads.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// A connection.
    type Connection: Send + 'static;
    /// Why there is none.
    type Error: Send + 'static;

    /// Opens a connection. Dropping the future gives it up.
    fn open(&self, key: &Self::Key) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Whether a connection that was idle for this time can be used again: that the other end has not closed it and has said nothing
    /// unasked ([`Conn::is_quiet`](crate::net::conn::Conn::is_quiet)). It must not wait.
    fn is_fresh(&self, connection: &mut Self::Connection, idle: Duration) -> bool;
}

/// Why a pool gives no connection.
#[derive(Debug, thiserror::Error)]
pub enum PoolError<E> {
    /// It could not be opened.
    #[error(transparent)]
    Open(E),
    /// The deadline passed while it was opened.
    #[error("the connection could not be opened in time")]
    Slow,
    /// The deadline passed while all connections were in use.
    #[error("all connections were in use until the deadline")]
    Busy,
    /// All connections are in use, and too many wait already.
    #[error("all connections are in use, and too many calls wait for one")]
    Full,
}

/// What a pool has and did, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections in use, idle and being opened.
    pub open: usize,
    /// Idle ones.
    pub idle: usize,
    /// Calls that wait for one.
    pub waiting: usize,
    /// Connections that were opened.
    pub opened: u64,
    /// Connections that could not be opened, or not in time.
    pub failed: u64,
    /// Times that a connection was used again.
    pub reused: u64,
    /// Those that were closed for their age, or for being idle too long.
    pub expired: u64,
    /// Those that were found closed before they could be used again.
    pub stale: u64,
    /// Those that made room for others.
    pub evicted: u64,
    /// Calls that waited until their deadline, or were refused.
    pub refused: u64,
}

impl Stats {
    /// Those of two pools together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            open: self.open + other.open,
            idle: self.idle + other.idle,
            waiting: self.waiting + other.waiting,
            opened: self.opened + other.opened,
            failed: self.failed + other.failed,
            reused: self.reused + other.reused,
            expired: self.expired + other.expired,
            stale: self.stale + other.stale,
            evicted: self.evicted + other.evicted,
            refused: self.refused + other.refused,
        }
    }
}

/// Connections by key. Clones are the same pool.
pub struct Pool<M: Manager>(Arc<Shared<M>>);

impl<M: Manager> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Manager> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.stats()).finish()
    }
}

struct Shared<M: Manager> {
    manager: M,
    state: Mutex<State<M>>,
    /// Told when a key is to be kept warm.
    warmed: Arc<Notify>,
}

impl<M: Manager> Pool<M> {
    /// An empty pool. Nothing is closed for its age and nothing is kept warm unless the [`keeper`](Pool::keeper) runs; what is too old
    /// is never handed out all the same.
    #[must_use]
    pub fn new(manager: M, limits: Limits) -> Self {
        Self(Arc::new(Shared { manager, state: Mutex::new(State::new(limits)), warmed: Arc::default() }))
    }

    /// A connection to `key`: a used one, a new one, or the first that can be had until the deadline.
    ///
    /// # Errors
    /// Why there is none. Nothing is left behind.
    pub async fn get(&self, key: &M::Key, deadline: Instant) -> Result<Pooled<M>, PoolError<M::Error>> {
        let claim = self.0.state().claim(key);
        let offer = match claim {
            Claim::Take(idle) => Offer { idle: Some(idle), slot: self.slot(key) },
            Claim::Open => Offer { idle: None, slot: self.slot(key) },
            Claim::Evict(victim) => {
                // Closed before another is opened in its place.
                drop(victim);
                Offer { idle: None, slot: self.slot(key) }
            }
            Claim::Wait(number, waiting) => Box::pin(self.wait(number, waiting, deadline)).await?,
            Claim::Full => return Err(PoolError::Full),
        };
        self.redeem(offer, deadline).await
    }

    /// Takes an idle connection to `key` away for good, for use elsewhere: the one that was used last. Its place goes to whoever waits. Whether
    /// it can be used is not asked.
    #[must_use]
    pub fn take_idle(&self, key: &M::Key) -> Option<M::Connection> {
        let idle = self.0.state().take_idle(key)?;
        // Not before the connection is out: there may be a limit on both together.
        drop(self.slot(key));
        Some(*idle.connection)
    }

    /// How many connections of a key there are, those that are being opened too, and how many of them are idle.
    #[must_use]
    pub fn count(&self, key: &M::Key) -> (usize, usize) {
        self.0.state().count(key)
    }

    /// What it has and did.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.state().stats()
    }

    /// A place that was counted already.
    fn slot(&self, key: &M::Key) -> Slot<M> {
        Slot { pool: Some(self.clone()), key: key.clone() }
    }

    async fn wait(
        &self,
        number: u64,
        waiting: oneshot::Receiver<Offer<M>>,
        deadline: Instant,
    ) -> Result<Offer<M>, PoolError<M::Error>> {
        let place = Place { pool: self, number };
        let offer = timeout_at(deadline, waiting).await;
        drop(place);
        match offer {
            Ok(Ok(offer)) => Ok(offer),
            _ => {
                self.0.state().counts.refused += 1;
                Err(PoolError::Busy)
            }
        }
    }

    /// Makes a guard of an offer: of its connection if that is good, or else of a new one.
    async fn redeem(&self, mut offer: Offer<M>, deadline: Instant) -> Result<Pooled<M>, PoolError<M::Error>> {
        let now = Instant::now();
        if let Some(mut idle) = offer.idle.take() {
            let limit = self.0.state().limits.idle;
            let since = now.saturating_duration_since(idle.since);
            let young = now < idle.ends && since < limit;
            if young && self.0.manager.is_fresh(&mut idle.connection, since) {
                self.0.state().counts.reused += 1;
                return Ok(Pooled::new(idle, true, offer));
            }
            let mut state = self.0.state();
            let count = if young { &mut state.counts.stale } else { &mut state.counts.expired };
            *count += 1;
        }
        // Boxed, so that a call that finds a connection does not carry the state of opening one.
        Box::pin(self.open(offer, deadline)).await
    }

    /// Opens a connection at the place that is offered.
    async fn open(&self, offer: Offer<M>, deadline: Instant) -> Result<Pooled<M>, PoolError<M::Error>> {
        let opened = timeout_at(deadline, self.0.manager.open(&offer.slot.key)).await;
        let mut state = self.0.state();
        let connection = match opened {
            Ok(Ok(connection)) => connection,
            failed => {
                state.counts.failed += 1;
                // The place is given back, which needs the lock.
                drop(state);
                return Err(match failed {
                    Ok(Err(error)) => PoolError::Open(error),
                    _ => PoolError::Slow,
                });
            }
        };
        state.counts.opened += 1;
        let idle = state.born(connection, Instant::now());
        drop(state);
        Ok(Pooled::new(idle, false, offer))
    }

    /// Gives a connection with its place to whoever waits for one, or keeps it.
    fn give(&self, mut idle: Idle<M::Connection>, mut slot: Slot<M>) {
        idle.since = Instant::now();
        loop {
            let mut state = self.0.state();
            let waiter = match state.heir(&slot.key) {
                Heir::Here(waiter) => waiter,
                Heir::Elsewhere => {
                    drop(state);
                    return drop((idle, slot));
                }
                Heir::Nobody => {
                    let oldest = state.keep(&slot.key, idle);
                    drop(state);
                    match oldest {
                        // The place is that of the idle connection now.
                        None => slot.pool = None,
                        Some(oldest) => drop((oldest, slot)),
                    }
                    return;
                }
            };
            drop(state);
            match waiter.send(Offer { idle: Some(idle), slot }) {
                Ok(()) => return,
                Err(mut offer) => {
                    let Some(back) = offer.idle.take() else { return };
                    (idle, slot) = (back, offer.into_slot());
                }
            }
        }
    }

    /// Gives a place to whoever waits for one, or does without it. Its connection is closed.
    fn release(&self, key: &M::Key) {
        let mut waiter = self.0.state().leave(key);
        while let Some(Waiter { key, offer, .. }) = waiter {
            match offer.send(Offer { idle: None, slot: self.slot(&key) }) {
                Ok(()) => return,
                Err(mut refused) => {
                    // Not by the drop of the slot, which would call this function again, as often as there are waiters.
                    refused.slot.pool = None;
                    waiter = self.0.state().leave(&key);
                }
            }
        }
    }
}

impl<M: Manager> Shared<M> {
    fn state(&self) -> MutexGuard<'_, State<M>> {
        // No code of others runs under the lock but the drop of a key.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a waiter in the queue, which it leaves on every way out.
struct Place<'a, M: Manager> {
    pool: &'a Pool<M>,
    number: u64,
}

impl<M: Manager> Drop for Place<'_, M> {
    fn drop(&mut self) {
        let left = self.pool.0.state().give_up(self.number);
        drop(left);
    }
}

/// A place among the connections of a key; dropping it gives it to whoever waits.
struct Slot<M: Manager> {
    /// `None` when the place is held by something else.
    pool: Option<Pool<M>>,
    key: M::Key,
}

impl<M: Manager> Drop for Slot<M> {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.release(&self.key);
        }
    }
}

/// What a waiter is handed: a place, with a connection or without. If nobody takes it, it goes on to the next.
struct Offer<M: Manager> {
    idle: Option<Idle<M::Connection>>,
    slot: Slot<M>,
}

impl<M: Manager> Offer<M> {
    fn into_slot(mut self) -> Slot<M> {
        Slot { pool: self.slot.pool.take(), key: self.slot.key.clone() }
    }
}

impl<M: Manager> Drop for Offer<M> {
    fn drop(&mut self) {
        // Without a connection the place goes on by itself.
        if let Some(idle) = self.idle.take()
            && let Some(pool) = self.slot.pool.take()
        {
            let slot = pool.slot(&self.slot.key);
            pool.give(idle, slot);
        }
    }
}

/// A connection of a pool, in use. Dropped, it is closed; [`keep`](Pooled::keep) gives it back.
pub struct Pooled<M: Manager> {
    // In this order: the connection is closed, and then its place is given away.
    connection: Box<M::Connection>,
    slot: Slot<M>,
    ends: Instant,
    reused: bool,
}

impl<M: Manager> Pooled<M> {
    /// Ends the use. A connection that can be used again is kept for the next call or handed to one that waits, unless it is too old; another
    /// is closed. Say yes only when the exchange is complete.
    pub fn keep(self, reusable: bool) {
        let Self { connection, slot, ends, .. } = self;
        let now = Instant::now();
        let Some(pool) = slot.pool.clone().filter(|_| reusable) else {
            return drop((connection, slot));
        };
        if now < ends {
            return pool.give(Idle { connection, since: now, ends }, slot);
        }
        drop((connection, slot));
        pool.0.state().counts.expired += 1;
    }

    /// Takes the connection out of the pool for good, as when it goes on in another protocol. It counts as one of its key until what comes
    /// with it is dropped.
    #[must_use]
    pub fn detach(self) -> (M::Connection, Detached<M>) {
        (*self.connection, Detached { _slot: self.slot })
    }

    /// Whether it was used before. A call on it that fails before the first byte of an answer may have met a server that was just
    /// closing it.
    #[must_use]
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Where it leads.
    #[must_use]
    pub fn key(&self) -> &M::Key {
        &self.slot.key
    }

    fn new(idle: Idle<M::Connection>, reused: bool, offer: Offer<M>) -> Self {
        let Idle { connection, ends, .. } = idle;
        Self { connection, slot: offer.into_slot(), ends, reused }
    }
}

/// The place of a connection that was [detached](Pooled::detach).
pub struct Detached<M: Manager> {
    _slot: Slot<M>,
}

impl<M: Manager> fmt::Debug for Detached<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Detached")
    }
}

impl<M: Manager> Deref for Pooled<M> {
    type Target = M::Connection;

    fn deref(&self) -> &M::Connection {
        &self.connection
    }
}

impl<M: Manager> DerefMut for Pooled<M> {
    fn deref_mut(&mut self) -> &mut M::Connection {
        &mut self.connection
    }
}

impl<M: Manager> fmt::Debug for Pooled<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").field("reused", &self.reused).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
