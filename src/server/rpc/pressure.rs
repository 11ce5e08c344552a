//! The retry advice of a refused call: how long its caller should wait before it tries again.
//!
//! Calls are refused at the limit of calls at work, and when the queue of the workers is full. The wait is the time that it takes to do
//! as much as was refused lately, at the pace of what was done lately. Half of it is left to chance, so that the refused do not all
//! come back at once.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts of what was refused and done lately.
#[derive(Debug)]
pub(super) struct Pressure(Mutex<Counts>);

impl Pressure {
    /// Nothing was refused yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Counts::new(tokio::time::Instant::now().into_std())))
    }

    /// One more is refused, when so much was done so far. How long it should wait.
    pub(super) fn refused(&self, done: u64) -> Duration {
        let now = tokio::time::Instant::now().into_std();
        // Numbers only, which are right or wrong but never half written.
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.refused(now, done, fastrand::f64())
    }
}

#[derive(Debug)]
struct Counts {
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

impl Counts {
    fn new(now: Instant) -> Self {
        let period = Period { since: now, ended: 0, refused: 0 };
        Self { this: period, last: period }
    }

    /// One more is refused, when `ended` were done so far. How long it should wait; `chance` is from 0 to 1.
    fn refused(&mut self, now: Instant, ended: u64, chance: f64) -> Duration {
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
        let mut counts = Counts::new(start);
        let wait = |&(millis, refusals): &(u64, u32)| {
            let (now, ended) = (start + Duration::from_millis(millis), (millis as f64 * pace) as u64);
            (0..refusals).fold(0, |_, _| counts.refused(now, ended, 0.5).as_millis())
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
            let mut counts = Counts::new(start);
            let wait = counts.refused(start + Duration::from_millis(400), 1, chance);
            assert_eq!(wait.as_millis(), millis, "{chance}");
        }
    }
}
