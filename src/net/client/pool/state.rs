//! The books of a pool: who has which place, which connections are idle, and who waits.
//!
//! Everything here happens under the pool's lock, and nothing here waits. What is to be closed or told is handed out, for after the lock.
//! A place is counted when it is promised, so the books say how many connections there are at most.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Limits, Manager, Offer, Stats};
use crate::net::resilience::backoff::{self, Backoff};

/// The part of its life by which that of a connection may be shorter.
const JITTER: f64 = 0.1;

/// A connection that nobody uses.
pub(super) struct Idle<C> {
    /// Boxed, as it goes from hand to hand with every call.
    pub(super) connection: Box<C>,
    pub(super) since: Instant,
    /// When its life is over.
    pub(super) ends: Instant,
}

/// Somebody who waits for a connection.
pub(super) struct Waiter<M: Manager> {
    number: u64,
    pub(super) key: M::Key,
    pub(super) offer: oneshot::Sender<Offer<M>>,
}

/// What somebody gets who asks for a connection. The place is counted where there is one.
pub(super) enum Claim<M: Manager> {
    /// One that was used before.
    Take(Idle<M::Connection>),
    /// The place for a new one.
    Open,
    /// The place of this one, which leads elsewhere and has to be closed first.
    Evict(Idle<M::Connection>),
    /// A number in the queue.
    Wait(u64, oneshot::Receiver<Offer<M>>),
    /// Not even that.
    Full,
}

/// Who gets a connection that is free.
pub(super) enum Heir<M: Manager> {
    /// One who waits for just this one.
    Here(oneshot::Sender<Offer<M>>),
    /// One who waits for another, and needs its place.
    Elsewhere,
    Nobody,
}

/// The connections of a key.
struct Shelf<C> {
    /// In use, idle and being opened.
    open: usize,
    /// The one used last is at the back.
    idle: VecDeque<Idle<C>>,
    warm: Warm,
}

/// How a key is kept warm.
#[derive(Default)]
struct Warm {
    /// Idle connections that there should be.
    least: usize,
    /// Those that are being opened for it.
    coming: usize,
    /// After a failure: when to try again.
    backoff: Option<(Backoff, Instant)>,
}

impl<C> Default for Shelf<C> {
    fn default() -> Self {
        Self { open: 0, idle: VecDeque::new(), warm: Warm::default() }
    }
}

pub(super) struct State<M: Manager> {
    pub(super) limits: Limits,
    pub(super) counts: Stats,
    total: usize,
    shelves: HashMap<M::Key, Shelf<M::Connection>>,
    /// First come, first served.
    waiters: VecDeque<Waiter<M>>,
    next: u64,
}

impl<M: Manager> State<M> {
    pub(super) fn new(limits: Limits) -> Self {
        let limits = Limits { total: limits.total.max(1), per_key: limits.per_key.max(1), ..limits };
        Self {
            limits,
            counts: Stats::default(),
            total: 0,
            shelves: HashMap::new(),
            waiters: VecDeque::new(),
            next: 0,
        }
    }

    /// The best that there is for somebody who needs a connection.
    pub(super) fn claim(&mut self, key: &M::Key) -> Claim<M> {
        if let Some(idle) = self.take_idle(key) {
            return Claim::Take(idle);
        }
        if self.has_room(key) {
            if self.total < self.limits.total {
                self.enter(key);
                return Claim::Open;
            }
            if let Some(victim) = self.evict() {
                self.enter(key);
                return Claim::Evict(victim);
            }
        }
        if self.waiters.len() >= self.limits.waiting {
            self.counts.refused += 1;
            return Claim::Full;
        }
        let (offer, waiting) = oneshot::channel();
        let number = self.next;
        self.next += 1;
        self.waiters.push_back(Waiter { number, key: key.clone(), offer });
        Claim::Wait(number, waiting)
    }

    /// The idle connection to `key` that was used last. Its place stays counted.
    pub(super) fn take_idle(&mut self, key: &M::Key) -> Option<Idle<M::Connection>> {
        self.shelves.get_mut(key)?.idle.pop_back()
    }

    /// Who gets a connection to `key` that is free, or its place: the first in the queue who can use one or the other.
    pub(super) fn heir(&mut self, key: &M::Key) -> Heir<M> {
        let full = self.total >= self.limits.total;
        let can_use = |waiter: &Waiter<M>| waiter.key == *key || full && self.has_room(&waiter.key);
        let place = self.waiters.iter().position(can_use);
        match place {
            None => Heir::Nobody,
            Some(place) if self.waiters[place].key != *key => {
                self.counts.evicted += 1;
                Heir::Elsewhere
            }
            Some(place) => self.waiters.remove(place).map_or(Heir::Nobody, |waiter| Heir::Here(waiter.offer)),
        }
    }

    /// Keeps a connection whose place is counted. Gives back the one that has to go for it, if there are too many.
    pub(super) fn keep(&mut self, key: &M::Key, idle: Idle<M::Connection>) -> Option<Idle<M::Connection>> {
        let shelf = self.shelves.entry(key.clone()).or_default();
        shelf.idle.push_back(idle);
        let too_many = shelf.idle.len() > self.limits.idle_per_key.max(shelf.warm.least);
        let oldest = if too_many { shelf.idle.pop_front() } else { None };
        self.counts.evicted += u64::from(oldest.is_some());
        oldest
    }

    /// A place is free. Counts it for the first who waits and can use it, and says who that is.
    pub(super) fn leave(&mut self, key: &M::Key) -> Option<Waiter<M>> {
        self.uncount(key);
        if self.total >= self.limits.total {
            return None;
        }
        let place = self.waiters.iter().position(|waiter| self.has_room(&waiter.key))?;
        let waiter = self.waiters.remove(place)?;
        self.enter(&waiter.key);
        Some(waiter)
    }

    /// Takes somebody out of the queue who does not wait any longer.
    pub(super) fn give_up(&mut self, number: u64) -> Option<Waiter<M>> {
        let place = self.waiters.iter().position(|waiter| waiter.number == number)?;
        self.waiters.remove(place)
    }

    /// A connection that was just opened, with the end of its life.
    pub(super) fn born(&self, connection: M::Connection, now: Instant) -> Idle<M::Connection> {
        let life = self.limits.lifetime;
        let life = life.saturating_sub(life.mul_f64(JITTER * fastrand::f64()));
        Idle { connection: Box::new(connection), since: now, ends: later(now, life) }
    }

    /// Takes out what is too old or was idle for too long. The places stay counted.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<(M::Key, Idle<M::Connection>)> {
        let mut expired = Vec::new();
        let limit = self.limits.idle;
        for (key, shelf) in &mut self.shelves {
            let young = |idle: &Idle<_>| now < idle.ends && now.saturating_duration_since(idle.since) < limit;
            for _ in 0..shelf.idle.len() {
                // Once around, so that the order stays.
                match shelf.idle.pop_front() {
                    Some(idle) if young(&idle) => shelf.idle.push_back(idle),
                    Some(idle) => expired.push((key.clone(), idle)),
                    None => {}
                }
            }
        }
        self.counts.expired += expired.len() as u64;
        expired
    }

    /// Sets how many idle connections to `key` there should be.
    pub(super) fn warm(&mut self, key: &M::Key, least: usize) {
        self.shelves.entry(key.clone()).or_default().warm.least = least;
        self.tidy(key);
    }

    /// Connections that should be opened to keep keys warm. Their places are counted. There are none while somebody waits for lack of
    /// places, as then all are taken.
    pub(super) fn cold(&mut self, now: Instant) -> Vec<M::Key> {
        let Limits { total, per_key, .. } = self.limits;
        let mut cold = Vec::new();
        for (key, shelf) in &mut self.shelves {
            let warm = &mut shelf.warm;
            let rests = warm.backoff.as_ref().is_some_and(|(_, until)| now < *until);
            while !rests
                && shelf.idle.len() + warm.coming < warm.least
                && shelf.open < per_key
                && self.total < total
            {
                (warm.coming, shelf.open, self.total) = (warm.coming + 1, shelf.open + 1, self.total + 1);
                cold.push(key.clone());
            }
        }
        cold
    }

    /// A connection that was to keep `key` warm has come, or could not be opened.
    pub(super) fn came(&mut self, key: &M::Key, opened: bool, now: Instant) {
        let Some(Shelf { warm, .. }) = self.shelves.get_mut(key) else {
            return;
        };
        warm.coming = warm.coming.saturating_sub(1);
        if opened {
            warm.backoff = None;
            return;
        }
        let fresh = || (Backoff::new(backoff::Policy::default(), fastrand::u64(..)), now);
        let (backoff, until) = warm.backoff.get_or_insert_with(fresh);
        // Those that were begun together fail together, and are one failure.
        if *until <= now {
            *until = later(now, backoff.wait());
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let idle = self.shelves.values().map(|shelf| shelf.idle.len()).sum();
        Stats { open: self.total, idle, waiting: self.waiters.len(), ..self.counts }
    }

    /// Connections of `key`, those that are being opened too, and the idle ones among them.
    pub(super) fn count(&self, key: &M::Key) -> (usize, usize) {
        self.shelves.get(key).map_or((0, 0), |shelf| (shelf.open, shelf.idle.len()))
    }

    /// Keys that are known.
    #[cfg(test)]
    pub(super) fn keys(&self) -> usize {
        self.shelves.len()
    }

    fn has_room(&self, key: &M::Key) -> bool {
        self.shelves.get(key).is_none_or(|shelf| shelf.open < self.limits.per_key)
    }

    fn enter(&mut self, key: &M::Key) {
        self.total += 1;
        self.shelves.entry(key.clone()).or_default().open += 1;
    }

    fn uncount(&mut self, key: &M::Key) {
        self.total = self.total.saturating_sub(1);
        if let Some(shelf) = self.shelves.get_mut(key) {
            shelf.open = shelf.open.saturating_sub(1);
        }
        self.tidy(key);
    }

    /// Forgets a key of which nothing is left.
    fn tidy(&mut self, key: &M::Key) {
        let empty = |shelf: &Shelf<_>| shelf.open == 0 && shelf.warm.least == 0;
        if self.shelves.get(key).is_some_and(empty) {
            self.shelves.remove(key);
        }
    }

    /// The connection that was idle longest, out of its place.
    fn evict(&mut self) -> Option<Idle<M::Connection>> {
        let oldest = |shelf: &Shelf<_>| shelf.idle.front().map(|idle: &Idle<_>| idle.since);
        let shelves = self.shelves.iter().filter_map(|(key, shelf)| Some((oldest(shelf)?, key)));
        let key = shelves.min_by_key(|(since, _)| *since)?.1.clone();
        let victim = self.shelves.get_mut(&key)?.idle.pop_front();
        self.uncount(&key);
        self.counts.evicted += 1;
        victim
    }
}

/// A time that no clock can show is in a year.
fn later(now: Instant, after: std::time::Duration) -> Instant {
    const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);
    now.checked_add(after.min(YEAR)).unwrap_or(now)
}
