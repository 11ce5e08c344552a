//! Tokens of buckets that several machines share: each machine takes some of a bucket at once, a *lease*, and hands them out by itself.
//!
//! A bucket is kept elsewhere, and asking for its tokens costs a round trip. A [`Leases`] says which requests have to ask, and for how many
//! tokens; time is an argument. A lease begins with one token. One that is used up in time is followed by one of twice the size, and one
//! that is not by one of what was used, so that tokens are where requests are.
//!
//! What the limit can be exceeded by: tokens of a lease that were not used are given up when the bucket has gained as many, so a
//! machine never holds more than one lease, and no longer than that. A bucket that was empty is not asked again before it has a token.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::bucket::Rate;

/// The part of a burst that a lease is at most: with some machines, no client loses much of its burst to those that it does not talk to.
const PART_OF_BURST: u32 = 8;

/// How long tokens are kept at least: a bucket that fills fast would otherwise be asked for each request.
const KEPT_AT_LEAST: Duration = Duration::from_millis(100);

/// How large leases are, and how long they last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    rate: Rate,
    largest: u32,
    patience: Duration,
}

impl Terms {
    /// Leases of buckets of this `rate`, of at most `largest` tokens and an eighth of the burst (but at least one token). An answer that
    /// has not come after `patience` is not waited for any longer.
    #[must_use]
    pub fn new(rate: Rate, largest: u32, patience: Duration) -> Self {
        Self { rate, largest: largest.min(rate.burst() / PART_OF_BURST).max(1), patience }
    }

    /// The rate of the buckets.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Tokens of a lease at most.
    #[must_use]
    pub fn largest(&self) -> u32 {
        self.largest
    }

    /// The time in which a bucket gains so many tokens.
    fn time_of(&self, tokens: u32) -> Duration {
        let seconds = f64::from(tokens) / self.rate.per_second();
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// It has a token.
    Granted,
    /// There is none: so long until the bucket has one.
    Refused(Duration),
    /// The bucket is to be asked for so many tokens, and [`Leases::settle`] told the answer.
    Ask(u32),
}

/// What a bucket has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Tokens: as many as were asked for, or fewer.
    pub tokens: u32,
    /// With no token: how long until the bucket has one.
    pub wait: Duration,
}

/// What is known of one bucket.
#[derive(Clone, Copy, Debug)]
struct Lease {
    /// Tokens in hand.
    left: u32,
    /// What the last lease had, and until when its tokens are kept.
    size: u32,
    until: Instant,
    /// Until when the bucket has no token.
    empty: Instant,
    /// Since when a lease is asked for, and of how many tokens, if that is not settled.
    asking: Option<(Instant, u32)>,
}

impl Lease {
    fn new(now: Instant) -> Self {
        Self { left: 0, size: 0, until: now, empty: now, asking: None }
    }

    fn take(&mut self, terms: &Terms, now: Instant) -> Take {
        if self.left > 0 && now < self.until {
            self.left -= 1;
            return Take::Granted;
        }
        if now < self.empty {
            return Take::Refused(self.empty - now);
        }
        // One asks for all; those that come meanwhile ask for themselves. If the one was given up, another will.
        if self.asking.is_some_and(|(since, _)| now < since + terms.patience) {
            return Take::Ask(1);
        }
        let size = match self.left {
            0 if now < self.until => self.size.saturating_mul(2),
            0 => self.size,
            unused => self.size.saturating_sub(unused),
        };
        let size = size.clamp(1, terms.largest);
        (self.left, self.asking) = (0, Some((now, size)));
        Take::Ask(size)
    }

    fn settle(&mut self, terms: &Terms, asked: u32, grant: Grant, now: Instant) -> Result<(), Duration> {
        let given = grant.tokens.min(asked);
        if self.asking.is_some_and(|(_, size)| size == asked) {
            (self.asking, self.size) = (None, given.max(1));
        }
        if given == 0 {
            self.empty = after(now, grant.wait);
            return Err(grant.wait);
        }
        self.left = self.left.saturating_add(given - 1).min(terms.largest);
        self.until = self.until.max(after(now, terms.time_of(given).max(KEPT_AT_LEAST)));
        Ok(())
    }
}

/// `now` and so long; a year later if no clock can add that up.
fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or(now + Duration::from_secs(365 * 86_400))
}

/// The leases of a machine, one for each key, for at most so many keys: those that were asked for last. What is forgotten of a key costs at
/// most the rest of its lease.
#[derive(Debug)]
pub struct Leases<K> {
    terms: Terms,
    /// Keys of a generation at most: there are two.
    half: usize,
    young: HashMap<K, Lease>,
    old: HashMap<K, Lease>,
}

impl<K: Eq + Hash> Leases<K> {
    /// No leases yet, and never those of more than `max_keys` keys (at least two).
    #[must_use]
    pub fn new(terms: Terms, max_keys: usize) -> Self {
        Self { terms, half: (max_keys / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// How large they are, and how long they last.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Takes a token of `key`'s lease, or says what else is to be done.
    pub fn take(&mut self, key: K, now: Instant) -> Take {
        let terms = self.terms;
        self.lease(key, now).take(&terms, now)
    }

    /// Notes what the bucket of `key` has given to one who `asked` for so many tokens, one of which is that request's.
    ///
    /// # Errors
    /// There was no token for the request: how long until there is one.
    pub fn settle(&mut self, key: K, asked: u32, grant: Grant, now: Instant) -> Result<(), Duration> {
        let terms = self.terms;
        self.lease(key, now).settle(&terms, asked, grant, now)
    }

    /// Keys of which something is known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether nothing is known of any key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lease(&mut self, key: K, now: Instant) -> &mut Lease {
        let mut known = None;
        if !self.young.contains_key(&key) {
            known = self.old.remove(&key);
            if self.young.len() >= self.half {
                self.old = std::mem::take(&mut self.young);
            }
        }
        self.young.entry(key).or_insert_with(|| known.unwrap_or_else(|| Lease::new(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(5);

    fn terms(per_second: f64, burst: u32, largest: u32) -> Terms {
        Terms::new(Rate::new(per_second, burst).unwrap(), largest, PATIENCE)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_lease_is_a_part_of_the_burst() {
        for (burst, largest, expected) in
            [(1, 50, 1), (15, 50, 1), (16, 50, 2), (200, 50, 25), (9999, 50, 50), (9999, 0, 1)]
        {
            assert_eq!(terms(1.0, burst, largest).largest(), expected, "{burst} {largest}");
        }
    }

    /// What happens to one key, in this order.
    enum Step {
        /// At so many milliseconds a request comes, and this becomes of it.
        Take(u64, Take),
        /// One that asked for so many gets so many, or none and a wait.
        Settle(u64, u32, u32, Result<(), Duration>),
    }

    #[test]
    fn a_life() {
        use Step::{Settle, Take as Comes};
        use Take::{Ask, Granted, Refused};
        // A token each 100 ms, and leases of 8 at most.
        let steps = [
            Comes(0, Ask(1)),
            Settle(1, 1, 1, Ok(())),
            // The token was used within its 100 ms: two.
            Comes(50, Ask(2)),
            Settle(51, 2, 2, Ok(())),
            Comes(52, Granted),
            Comes(53, Ask(4)),
            // One asks for four; the others for themselves.
            Comes(54, Ask(1)),
            Settle(55, 1, 1, Ok(())),
            Settle(56, 4, 4, Ok(())),
            Comes(57, Granted),
            Comes(58, Granted),
            Comes(59, Granted),
            Comes(60, Ask(8)),
            // Less than was asked for, and never more than the largest.
            Settle(61, 8, 3, Ok(())),
            Comes(62, Granted),
            Comes(63, Granted),
            Comes(64, Ask(6)),
            Settle(65, 6, 0, Err(millis(80))),
            Comes(66, Refused(millis(79))),
            Comes(144, Refused(millis(1))),
            Comes(145, Ask(2)),
            Settle(146, 2, 2, Ok(())),
            // The second token is kept as long as the bucket takes to gain two.
            Comes(345, Granted),
            Comes(346, Ask(4)),
            Settle(346, 4, 4, Ok(())),
            Comes(347, Granted),
            // Two of the four were used when the time was over.
            Comes(746, Ask(2)),
            // That one was given up: after a while another asks for all.
            Comes(750, Ask(1)),
            Comes(751, Ask(4)),
        ];
        let start = Instant::now();
        let mut leases = Leases::new(terms(10.0, 64, 50), 10);
        for (row, step) in steps.into_iter().enumerate() {
            match step {
                Comes(at, expected) => {
                    assert_eq!(leases.take("key", start + millis(at)), expected, "row {row}");
                }
                Settle(at, asked, given, expected) => {
                    let grant = Grant { tokens: given, wait: millis(80) };
                    assert_eq!(leases.settle("key", asked, grant, start + millis(at)), expected, "row {row}");
                }
            }
        }
    }

    #[test]
    fn no_more_than_the_bucket_gives_and_one_lease_is_handed_out() {
        // A bucket of 100 tokens that gains one in 10 ms, and three machines with a request each millisecond.
        let terms = terms(100.0, 100, 50);
        let start = Instant::now();
        let mut bucket = super::super::bucket::Bucket::full(terms.rate(), start);
        let mut machines = [0; 3].map(|_| Leases::new(terms, 10));
        let mut granted = 0;
        for at in 0..5_000 {
            let now = start + millis(at);
            for leases in &mut machines {
                granted += u32::from(match leases.take("key", now) {
                    Take::Granted => true,
                    Take::Refused(_) => false,
                    Take::Ask(wanted) => {
                        let mut grant = Grant { tokens: 0, wait: Duration::ZERO };
                        while grant.tokens < wanted {
                            match bucket.take(terms.rate(), now) {
                                Ok(()) => grant.tokens += 1,
                                Err(wait) => {
                                    grant.wait = wait;
                                    break;
                                }
                            }
                        }
                        leases.settle("key", wanted, grant, now).is_ok()
                    }
                });
            }
        }
        let limit = 100 + 500;
        assert!(granted <= limit, "{granted}");
        assert!(granted + 3 * terms.largest() >= limit, "{granted}: tokens were lost");
    }

    #[test]
    fn keys_are_bounded_and_those_in_use_stay() {
        let now = Instant::now();
        let mut leases = Leases::new(terms(1.0, 80, 50), 100);
        assert!(leases.is_empty());
        let empty = Grant { tokens: 0, wait: Duration::from_secs(60) };
        assert!(leases.settle(-1, 1, empty, now).is_err());
        for key in 0..10_000 {
            assert_eq!(leases.take(key, now), Take::Ask(1));
            assert_eq!(leases.take(-1, now), Take::Refused(empty.wait), "{key}");
            assert!(leases.len() <= 100);
        }
    }

    #[test]
    fn what_a_bucket_says_is_not_believed_beyond_reason() {
        let now = Instant::now();
        let mut leases = Leases::new(terms(1e-300, 64, 50), 10);
        assert_eq!(leases.take("key", now), Take::Ask(1));
        let grant = Grant { tokens: u32::MAX, wait: Duration::ZERO };
        assert_eq!(leases.settle("key", 1, grant, now), Ok(()));
        assert_eq!(leases.take("key", now), Take::Ask(2), "one was asked for");
        let never = Grant { tokens: 0, wait: Duration::MAX };
        assert_eq!(leases.settle("key", 2, never, now), Err(Duration::MAX));
        assert!(matches!(leases.take("key", now), Take::Refused(_)));
    }
}
