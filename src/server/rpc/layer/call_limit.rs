//! How many calls may be at work in a whole server. Over it a call ends at once with `resource_exhausted`: a server that has too much to do says so
//! in time and goes on reading, rather than let everybody wait.
//!
//! Who is refused is told how long to wait: as long as the server needs for what it has refused lately.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Answer, Incoming};
use crate::net::service::{Layer, Service};
use crate::proto::rpc::status::{Advice, Code, Status};

/// The layer that limits how many calls are at work at a time, on all connections together. A stream is at work until its end.
#[derive(Clone, Debug)]
pub struct CallLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    at_work: AtomicUsize,
    ended: AtomicU64,
    refused: AtomicU64,
    pressure: Mutex<Pressure>,
}

impl CallLimit {
    /// At most so many calls at a time; at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Shared {
            most: most.max(1),
            at_work: AtomicUsize::new(0),
            ended: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            pressure: Mutex::new(Pressure::new(tokio::time::Instant::now().into_std())),
        }))
    }

    /// Calls that are at work.
    #[must_use]
    pub fn at_work(&self) -> usize {
        self.0.at_work.load(Ordering::Relaxed)
    }

    /// Calls that were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for CallLimit {
    type Service = CallLimited<S>;

    fn layer(&self, inner: S) -> CallLimited<S> {
        CallLimited { inner, shared: Arc::clone(&self.0) }
    }
}

/// A service with a [`CallLimit`] around it.
#[derive(Debug)]
pub struct CallLimited<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S: Service<Incoming, Res = Answer>> Service<Incoming> for CallLimited<S> {
    type Res = Answer;

    async fn call(&self, incoming: Incoming) -> Answer {
        let Some(_place) = self.shared.place() else { return self.shared.busy() };
        self.inner.call(incoming).await
    }
}

impl Shared {
    fn place(&self) -> Option<Place<'_>> {
        if self.at_work.fetch_add(1, Ordering::Relaxed) < self.most {
            return Some(Place(self));
        }
        self.at_work.fetch_sub(1, Ordering::Relaxed);
        None
    }

    fn busy(&self) -> Answer {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let now = tokio::time::Instant::now().into_std();
        let ended = self.ended.load(Ordering::Relaxed);
        // Numbers only, which are right or wrong but never half written.
        let mut pressure = self.pressure.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = pressure.refused(now, ended, fastrand::f64());
        drop(pressure);
        Status::new(Code::ResourceExhausted, "the server is busy").advice(Advice::Later(wait)).into()
    }
}

/// The place of a call at work.
struct Place<'a>(&'a Shared);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::Relaxed);
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// How long who is refused should wait: as long as it takes to do what was refused lately too, at the pace of what was done lately. Half of that
/// is left to chance, so that they do not all come back at once.
#[derive(Debug)]
pub(in super::super) struct Pressure {
    this: Period,
    /// The one before; nothing happened in it when it is long ago.
    last: Period,
}

/// What is counted at a time.
#[derive(Clone, Copy, Debug)]
struct Period {
    since: Instant,
    /// What had been done by then.
    ended: u64,
    /// What was refused in it.
    refused: u64,
}

/// What "lately" means: the time that has passed of one such period, and the one before.
const PERIOD: Duration = Duration::from_millis(500);

/// The shortest and the longest wait, before chance.
const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(5);

impl Pressure {
    /// Nothing was refused yet.
    pub(in super::super) fn new(now: Instant) -> Self {
        let period = Period { since: now, ended: 0, refused: 0 };
        Self { this: period, last: period }
    }

    /// One more is refused, when `ended` were done so far. How long it should wait; `chance` is from 0 to 1.
    pub(in super::super) fn refused(&mut self, now: Instant, ended: u64, chance: f64) -> Duration {
        let passed = now.saturating_duration_since(self.this.since);
        if passed >= PERIOD {
            let fresh = Period { since: now, ended, refused: 0 };
            // Of what is long past nothing is told; the pace of the time since then is not known either.
            self.last = if passed < 2 * PERIOD { self.this } else { fresh };
            self.this = fresh;
        }
        self.this.refused += 1;
        let refused = self.this.refused + self.last.refused * u64::from(self.last.since < self.this.since);
        let done = ended.saturating_sub(self.last.ended).max(1);
        let time = now.saturating_duration_since(self.last.since);
        let wait = time.as_secs_f64() * refused as f64 / done as f64;
        let wait = wait.clamp(SHORTEST.as_secs_f64(), LONGEST.as_secs_f64());
        Duration::from_secs_f64(wait * (0.75 + 0.5 * chance.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wait after so many refusals at each of these times, when calls end at this pace.
    fn waits(rows: &[(u64, u32)], pace: f64) -> Vec<u128> {
        let start = Instant::now();
        let mut pressure = Pressure::new(start);
        let wait = |&(millis, refusals): &(u64, u32)| {
            let (now, ended) = (start + Duration::from_millis(millis), (millis as f64 * pace) as u64);
            (0..refusals).fold(0, |_, _| pressure.refused(now, ended, 0.5).as_millis())
        };
        rows.iter().map(wait).collect()
    }

    #[test]
    fn waits_grow_with_what_is_refused_and_fall_with_what_is_done() {
        type Row<'a> = (&'a [(u64, u32)], f64, &'a [u128]);
        let rows: [Row<'_>; 6] = [
            (&[(0, 1)], 1.0, &[20]),
            // As long as it takes to do as much again.
            (&[(400, 200)], 1.0, &[200]),
            (&[(400, 800)], 1.0, &[800]),
            (&[(400, 800)], 10.0, &[80]),
            // When nothing is done at all, nobody knows: not for ever.
            (&[(400, 1), (450, 1_000)], 0.0, &[400, 5_000]),
            // What is refused again and again, and what is past.
            (&[(400, 400), (600, 400), (60_000, 1)], 1.0, &[400, 800, 20]),
        ];
        for (times, pace, expected) in rows {
            assert_eq!(waits(times, pace), expected, "{times:?} at {pace}");
        }
    }

    #[test]
    fn chance_makes_a_quarter_less_or_more() {
        let start = Instant::now();
        for (chance, millis) in [(0.0, 300), (0.5, 400), (1.0, 500), (7.0, 500)] {
            let mut pressure = Pressure::new(start);
            let wait = pressure.refused(start + Duration::from_millis(400), 1, chance);
            assert_eq!(wait.as_millis(), millis, "{chance}");
        }
    }
}
