//! Token buckets: so many at once, and so many per second after that.
//!
//! A [`Bucket`] is two numbers; time is an argument. [`Buckets`] keeps one a key, for at most so many keys. A bucket that
//! has filled up again says nothing that a new one would not say, so when room is needed the oldest few are looked at: full
//! ones are forgotten, or else the fullest. A stranger with many addresses can push others out, which only makes them free.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How many tokens a bucket holds, and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    per_second: f64,
    burst: f64,
}

impl Rate {
    /// Events per second in the long run, and at most `burst` at once (at least one).
    ///
    /// `None` unless `per_second` is a positive number.
    #[must_use]
    pub fn new(per_second: f64, burst: u32) -> Option<Self> {
        let burst = f64::from(burst.max(1));
        (per_second.is_finite() && per_second > 0.0).then_some(Self { per_second, burst })
    }

    /// Events per second in the long run; more than 0.
    #[must_use]
    pub fn per_second(self) -> f64 {
        self.per_second
    }

    /// Events at once; at least 1.
    #[must_use]
    pub fn burst(self) -> u32 {
        // It was made of a u32.
        self.burst as u32
    }
}

/// A full bucket gives `burst` tokens at once, and fills at `per_second`.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn full(rate: Rate, now: Instant) -> Self {
        Self { tokens: rate.burst, at: now }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The bucket is empty: how long until it has a token, if nobody else takes it. Nothing is taken.
    pub fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.tokens = self.level(rate, now);
        // Time that runs backwards fills nothing, and is not counted twice when it comes again.
        self.at = self.at.max(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let seconds = (1.0 - self.tokens) / rate.per_second;
        Err(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// Gives a token back that was taken in vain; a full bucket stays full.
    pub fn give_back(&mut self, rate: Rate, now: Instant) {
        self.tokens = (self.level(rate, now) + 1.0).min(rate.burst);
        self.at = self.at.max(now);
    }

    /// Tokens in the bucket at `now`.
    #[must_use]
    pub fn level(&self, rate: Rate, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate.per_second;
        (self.tokens + gained).min(rate.burst)
    }
}

/// Keys that are looked at when room is needed; a bound on the work that one new key makes. Redis looks at 5.
const SAMPLE: usize = 16;

/// A bucket for each key, for at most so many keys.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    max_keys: usize,
    buckets: HashMap<K, Bucket>,
    /// The same keys; the one to look at next is in front.
    order: VecDeque<K>,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// Keys by default. About 8 MB with IP addresses as keys, which is what nginx's `limit_req_zone` takes for as many.
    pub const MAX_KEYS: usize = 65_536;

    /// Buckets of this rate for at most `max_keys` keys (at least one).
    #[must_use]
    pub fn new(rate: Rate, max_keys: usize) -> Self {
        Self { rate, max_keys: max_keys.max(1), buckets: HashMap::new(), order: VecDeque::new() }
    }

    /// Takes a token for `key`.
    ///
    /// # Errors
    /// How long until `key` has a token again, for example for a `Retry-After`.
    pub fn take(&mut self, key: K, now: Instant) -> Result<(), Duration> {
        if let Some(bucket) = self.buckets.get_mut(&key) {
            return bucket.take(self.rate, now);
        }
        if self.buckets.len() >= self.max_keys {
            self.make_room(now);
        }
        self.order.push_back(key.clone());
        let bucket = self.buckets.entry(key).or_insert(Bucket::full(self.rate, now));
        bucket.take(self.rate, now)
    }

    /// Gives a token of `key` back that was taken in vain.
    pub fn give_back(&mut self, key: &K, now: Instant) {
        if let Some(bucket) = self.buckets.get_mut(key) {
            bucket.give_back(self.rate, now);
        }
    }

    /// Keys that have a bucket.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether no key has a bucket.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Forgets the full buckets among the next few, or else the fullest of them.
    fn make_room(&mut self, now: Instant) {
        let (rate, buckets) = (self.rate, &mut self.buckets);
        let sample = SAMPLE.min(self.order.len());
        let level = |buckets: &HashMap<K, Bucket>, key: &K| {
            buckets.get(key).map_or(rate.burst, |bucket| bucket.level(rate, now))
        };
        let mut kept: Vec<(f64, K)> = Vec::with_capacity(sample);
        for key in self.order.drain(..sample) {
            match level(buckets, &key) {
                full if full >= rate.burst => drop(buckets.remove(&key)),
                tokens => kept.push((tokens, key)),
            }
        }
        if kept.len() == sample {
            let fullest = kept.iter().enumerate().max_by(|a, b| a.1.0.total_cmp(&b.1.0));
            if let Some(index) = fullest.map(|(index, _)| index) {
                buckets.remove(&kept.swap_remove(index).1);
            }
        }
        self.order.extend(kept.into_iter().map(|(_, key)| key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: f64, burst: u32) -> Rate {
        Rate::new(per_second, burst).unwrap()
    }

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = rate(2.0, 3);
        let start = Instant::now();
        let mut bucket = Bucket::full(rate, start);
        let wait = |millis| Err(Duration::from_millis(millis));
        let rows = [
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, wait(500)),
            (100, wait(400)),
            (500, Ok(())),
            (500, wait(500)),
            (750, wait(250)),
            (100_000, Ok(())),
            (100_000, Ok(())),
            (100_000, Ok(())),
            (100_000, wait(500)),
        ];
        for (row, (millis, expected)) in rows.into_iter().enumerate() {
            assert_eq!(bucket.take(rate, at(start, millis)), expected, "row {row}");
        }
    }

    #[test]
    fn time_that_runs_backwards_gives_nothing() {
        let rate = rate(1.0, 1);
        let start = Instant::now();
        let mut bucket = Bucket::full(rate, at(start, 5_000));
        bucket.take(rate, at(start, 5_000)).unwrap();
        assert_eq!(bucket.take(rate, start), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(rate, at(start, 5_500)), Err(Duration::from_millis(500)));
    }

    #[test]
    fn rates_that_are_none() {
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Rate::new(per_second, 5), None, "{per_second}");
        }
        let slow = rate(1e-300, 0);
        let mut bucket = Bucket::full(slow, Instant::now());
        assert_eq!(bucket.take(slow, Instant::now()), Ok(()), "a burst is at least one");
        assert_eq!(bucket.take(slow, Instant::now()), Err(Duration::MAX));
    }

    #[test]
    fn keys_do_not_share() {
        let start = Instant::now();
        let mut buckets = Buckets::new(rate(1.0, 1), 10);
        assert_eq!(buckets.take("a", start), Ok(()));
        assert_eq!(buckets.take("b", start), Ok(()));
        assert_eq!(buckets.take("a", start), Err(Duration::from_secs(1)));
        assert_eq!(buckets.take("a", at(start, 1_000)), Ok(()));
        assert_eq!(buckets.len(), 2);
    }

    #[test]
    fn a_token_that_is_given_back_can_be_taken_again() {
        let start = Instant::now();
        let mut buckets = Buckets::new(rate(1.0, 2), 10);
        buckets.give_back(&"a", start);
        assert!(buckets.is_empty(), "nothing was taken");
        for _ in 0..10 {
            assert_eq!(buckets.take("a", start), Ok(()));
            buckets.give_back(&"a", start);
        }
        buckets.give_back(&"a", start);
        let taken = (0..10).take_while(|_| buckets.take("a", start).is_ok()).count();
        assert_eq!(taken, 2, "not more than the burst");
        buckets.give_back(&"a", at(start, 500));
        assert_eq!(buckets.take("a", at(start, 500)), Ok(()));
        assert_eq!(buckets.take("a", at(start, 500)), Err(Duration::from_millis(500)), "time was not lost");
    }

    #[test]
    fn full_buckets_are_forgotten_first() {
        let start = Instant::now();
        let mut buckets = Buckets::new(rate(1.0, 1), 2);
        buckets.take("old", start).unwrap();
        buckets.take("new", at(start, 900)).unwrap();
        buckets.take("third", at(start, 1_000)).unwrap();
        assert_eq!(buckets.len(), 2);
        assert!(buckets.take("new", at(start, 1_000)).is_err(), "the one that was not full is remembered");
    }

    #[test]
    fn the_number_of_keys_is_bounded_when_none_is_full() {
        let start = Instant::now();
        let mut buckets = Buckets::new(rate(0.001, 2), 100);
        for key in 0..10_000 {
            assert_eq!(buckets.take(key, start), Ok(()));
            assert!(buckets.len() <= 100);
        }
        // One that is empty outlives those that are half full.
        let mut buckets = Buckets::new(rate(0.001, 2), 10);
        assert!(buckets.is_empty());
        while buckets.take(-1, start).is_ok() {}
        for key in 0..1_000 {
            buckets.take(key, start).unwrap();
        }
        assert!(buckets.take(-1, start).is_err());
        assert_eq!(buckets.order.len(), buckets.len());
    }
}
