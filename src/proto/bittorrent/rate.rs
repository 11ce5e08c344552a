//! How many bytes come or go a second: the average over the last twenty, which is what peers are judged by (BEP 3, "choking and optimistic unchoking").

use std::time::{Duration, Instant};

/// The seconds that count.
const WINDOW: usize = 20;

/// A rate.
#[derive(Clone, Debug)]
pub struct Rate {
    /// Bytes of each second, by its number modulo the window.
    seconds: [u64; WINDOW],
    begun: Instant,
    /// The number of the second that bytes were last added to.
    last: u64,
    total: u64,
}

impl Rate {
    /// One that begins to count now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { seconds: [0; WINDOW], begun: now, last: 0, total: 0 }
    }

    /// So many bytes more.
    pub fn add(&mut self, now: Instant, bytes: u64) {
        self.turn(now);
        self.seconds[self.last as usize % WINDOW] += bytes;
        self.total += bytes;
    }

    /// Bytes a second.
    #[must_use]
    pub fn per_second(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.begun);
        // Seconds that have passed without anything are not in the ring.
        let number = age.as_secs();
        let oldest = (number + 1).saturating_sub(WINDOW as u64);
        let counted = (oldest..=self.last).map(|second| self.seconds[second as usize % WINDOW]).sum::<u64>();
        // At the beginning a second is taken for a whole one: bytes of a moment are no rate.
        let span = age.saturating_sub(Duration::from_secs(oldest)).as_secs_f64().max(1.0);
        counted as f64 / span
    }

    /// All bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Forgets seconds that are not in the window any more.
    fn turn(&mut self, now: Instant) {
        let number = now.saturating_duration_since(self.begun).as_secs();
        let passed = number.saturating_sub(self.last).min(WINDOW as u64);
        for step in 0..passed {
            self.seconds[(number - step) as usize % WINDOW] = 0;
        }
        self.last = self.last.max(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_seconds_count() {
        let begun = Instant::now();
        let at = |millis| begun + Duration::from_millis(millis);
        let mut rate = Rate::new(begun);
        rate.add(at(10), 1000);
        assert_eq!(rate.per_second(at(10)), 1000.0, "as if in a second");
        for second in 1..10 {
            rate.add(at(second * 1000), 1000);
        }
        assert_eq!(rate.per_second(at(10_000)), 1000.0);
        assert_eq!(rate.per_second(at(19_999)).round(), 500.0);
        // Twenty seconds later, of which the nineteen last ones are whole, nothing is left of it.
        assert_eq!(rate.per_second(at(29_000)), 0.0);
        rate.add(at(100_000), 2000);
        assert_eq!((rate.per_second(at(100_000)), rate.total()), (2000.0 / 19.0, 12_000));
        assert_eq!(rate.per_second(at(125_000)), 0.0);
        rate.add(at(99_000), 1000);
        assert_eq!(rate.total(), 13_000, "a clock that goes back does no harm");
    }
}
