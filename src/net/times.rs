//! Durations, of which quantiles are wanted.
//!
//! A log-linear histogram of nanoseconds, by the crate that everybody compares with: what it holds is right to so many digits, and its
//! memory is bounded however much it counts. Benches want three digits; one digit is within 6 %, for 5 KB, and enough to decide by.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest time that is told from longer ones: a day, in nanoseconds. It bounds the memory of a histogram, to some 300 KB with
/// three digits.
const LONGEST: u64 = 86_400_000_000_000;

/// The most digits that a histogram can hold.
const MOST_DIGITS: u8 = 5;

/// Durations that were recorded.
#[derive(Clone, Debug)]
pub struct Times {
    histogram: Option<Histogram<u64>>,
    longest: Duration,
}

impl Times {
    /// None yet. They will be held to so many significant digits, from one to five.
    #[must_use]
    pub fn exact_to(digits: u8) -> Self {
        // It fails only for more digits than five.
        Self { histogram: Histogram::new(digits.min(MOST_DIGITS)).ok(), longest: Duration::ZERO }
    }

    /// Counts one.
    pub fn record(&mut self, time: Duration) {
        self.longest = self.longest.max(time);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(histogram) = &mut self.histogram {
            // It fails only for histograms that do not grow.
            let _ = histogram.record(nanos.min(LONGEST));
        }
    }

    /// Counts all of another histogram.
    pub fn add(&mut self, other: &Self) {
        self.longest = self.longest.max(other.longest);
        if let (Some(mine), Some(other)) = (&mut self.histogram, &other.histogram) {
            // As above.
            let _ = mine.add(other);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// Forgets all, and keeps the memory.
    pub fn clear(&mut self) {
        self.longest = Duration::ZERO;
        if let Some(histogram) = &mut self.histogram {
            histogram.reset();
        }
    }

    /// How many there are by length: rows of a time, by steps of 1, 2 and 5, and how many took no longer than it and longer than the row before.
    /// The first row and the last have some.
    #[must_use]
    pub fn histogram(&self) -> Vec<(Duration, u64)> {
        let mut rows: Vec<(Duration, u64)> = Vec::new();
        for found in self.histogram.iter().flat_map(Histogram::iter_recorded) {
            // A bucket counts where it begins, so that a round time counts in its own row.
            let least =
                self.histogram.as_ref().map_or(0, |all| all.lowest_equivalent(found.value_iterated_to()));
            let count = found.count_since_last_iteration();
            let mut up_to = rows.last().map_or_else(|| step(least), |row| row.0);
            if rows.is_empty() {
                rows.push((up_to, 0));
            }
            while up_to < Duration::from_nanos(least) {
                up_to = step(u64::try_from(up_to.as_nanos()).unwrap_or(u64::MAX).saturating_add(1));
                rows.push((up_to, 0));
            }
            if let Some(row) = rows.last_mut() {
                row.1 += count;
            }
        }
        rows
    }

    /// The time that this part of them did not take longer than, 1 for all; `None` when there are none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let histogram = self.histogram.as_ref().filter(|histogram| !histogram.is_empty())?;
        if part >= 1.0 {
            return Some(self.longest);
        }
        // The histogram gives the end of a bucket, which may lie behind the longest time.
        Some(Duration::from_nanos(histogram.value_at_quantile(part)).min(self.longest))
    }
}

/// The least of 1, 2, 5, 10, 20, 50 and so on nanoseconds that is not below.
fn step(nanos: u64) -> Duration {
    let mut power: u64 = 1;
    loop {
        let fits =
            [1, 2, 5].into_iter().filter_map(|digit| power.checked_mul(digit)).find(|step| *step >= nanos);
        match (fits, power.checked_mul(10)) {
            (Some(step), _) => return Duration::from_nanos(step),
            (None, Some(next)) => power = next,
            (None, None) => return Duration::from_nanos(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        for (digits, within) in [(1, 16), (2, 100), (3, 1_000), (5, 10_000), (9, 10_000)] {
            let mut times = Times::exact_to(digits);
            assert_eq!((times.quantile(0.5), times.count()), (None, 0));
            for ms in 1..=1000 {
                times.record(Duration::from_millis(ms));
            }
            assert_eq!(times.count(), 1_000);
            for (part, ms) in [(0.5, 500), (0.9, 900), (0.99, 990), (0.999, 999), (1.0, 1000)] {
                let (time, expected) = (times.quantile(part).unwrap(), Duration::from_millis(ms));
                assert!(time.abs_diff(expected) <= expected / within, "{time:?} to {digits} digits");
            }
            times.record(Duration::MAX);
            assert!(times.quantile(1.0).unwrap() > Duration::from_secs(3600));
            times.clear();
            assert_eq!((times.quantile(1.0), times.count()), (None, 0));
        }
    }

    #[test]
    fn a_histogram_has_round_steps() {
        let mut times = Times::exact_to(3);
        assert!(times.histogram().is_empty());
        for micros in [1, 100, 101, 150, 1_000, 86_400_000_000] {
            times.record(Duration::from_micros(micros));
        }
        let rows = times.histogram();
        let found: Vec<_> =
            rows.iter().filter(|row| row.1 > 0).map(|row| (row.0.as_micros(), row.1)).collect();
        assert_eq!(found, [(1, 1), (100, 1), (200, 2), (1_000, 1), (100_000_000_000, 1)]);
        assert_eq!((rows[0].0, rows[1]), (Duration::from_micros(1), (Duration::from_micros(2), 0)));
        assert_eq!(step(0), Duration::from_nanos(1));
        assert_eq!(step(u64::MAX), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn two_add_up() {
        let (mut few, mut many) = (Times::exact_to(3), Times::exact_to(3));
        few.record(Duration::from_secs(1));
        (0..3).for_each(|_| many.record(Duration::from_millis(1)));
        few.add(&many);
        assert_eq!((few.count(), few.quantile(1.0)), (4, Some(Duration::from_secs(1))));
        assert!(few.quantile(0.75).unwrap() < Duration::from_millis(2));
    }

    #[test]
    fn memory_is_bounded() {
        for (digits, most) in [(1, 6_000), (3, 320_000)] {
            let mut times = Times::exact_to(digits);
            for shift in 0..128 {
                times.record(Duration::from_secs(1 << (shift / 2)));
                times.record(Duration::from_nanos(1 << (shift / 2)));
            }
            let values = times.histogram.unwrap().distinct_values();
            assert!(values * 8 < most, "{values} values with {digits} digits");
        }
    }
}
