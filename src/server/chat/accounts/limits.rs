//! How often somebody may fail: for each account and for each address, by token bucket.
//!
//! An attempt takes a token before anything is checked, so that many at once gain nothing, and gives it back when it succeeds, or cannot be decided. An account that
//! does not exist has a bucket like any other.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::config::Attempts;
use super::refusal::Refusal;
use crate::net::bucket::{Buckets, Rate};
use crate::net::limits::Source;

/// Accounts and addresses that are remembered at most; beyond that the least busy are forgotten.
const MAX_KEYS: usize = Buckets::<u64>::MAX_KEYS;

#[derive(Debug)]
struct Limit<K>(Option<Mutex<Buckets<K>>>);

impl<K: Eq + std::hash::Hash + Clone> Limit<K> {
    fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(|rate| Mutex::new(Buckets::new(rate, MAX_KEYS))))
    }

    fn take(&self, key: K) -> Result<(), Refusal> {
        let Some(buckets) = &self.0 else { return Ok(()) };
        let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(key, Instant::now().into_std()).map_err(Refusal::Limited)
    }

    fn give_back(&self, key: &K) {
        if let Some(buckets) = &self.0 {
            buckets.lock().unwrap_or_else(PoisonError::into_inner).give_back(key, Instant::now().into_std());
        }
    }
}

/// The limits of all accounts and addresses.
#[derive(Debug)]
pub(super) struct Limits {
    /// By a hash of the folded name, with a seed that nobody knows.
    accounts: Limit<u64>,
    addresses: Limit<Source>,
    registrations: Limit<Source>,
    hasher: RandomState,
}

impl Limits {
    pub(super) fn new(attempts: Attempts) -> Self {
        Self {
            accounts: Limit::new(attempts.account),
            addresses: Limit::new(attempts.address),
            registrations: Limit::new(attempts.registrations),
            hasher: RandomState::new(),
        }
    }

    /// Counts an attempt to log in: to an account if it is known to which, and from an address.
    pub(super) fn attempt(
        self: &Arc<Self>,
        name: Option<&str>,
        source: Option<Source>,
    ) -> Result<Attempt, Refusal> {
        let account = name.map(|name| self.hasher.hash_one(name.to_ascii_lowercase()));
        let mut attempt = Attempt { limits: Arc::clone(self), account: None, source: None };
        if let Some(source) = source {
            self.addresses.take(source)?;
            attempt.source = Some(source);
        }
        if let Some(account) = account {
            self.accounts.take(account)?;
            attempt.account = Some(account);
        }
        Ok(attempt)
    }

    /// Counts an account that is to be made.
    pub(super) fn registration(&self, source: Option<Source>) -> Result<(), Refusal> {
        source.map_or(Ok(()), |source| self.registrations.take(source))
    }
}

/// An attempt, which counts as a failure unless it is given back: also if its client goes away before it is known.
#[derive(Debug)]
pub(super) struct Attempt {
    limits: Arc<Limits>,
    account: Option<u64>,
    source: Option<Source>,
}

impl Attempt {
    /// Goes on if `result` is good. An error of ours is no failure of the client's.
    pub(super) fn unless<T, E: Into<Refusal>>(self, result: Result<T, E>) -> Result<(Self, T), Refusal> {
        match result {
            Ok(good) => Ok((self, good)),
            Err(error) => {
                self.give_back();
                Err(error.into())
            }
        }
    }

    /// It was no failure.
    pub(super) fn give_back(self) {
        if let Some(account) = &self.account {
            self.limits.accounts.give_back(account);
        }
        if let Some(source) = &self.source {
            self.limits.addresses.give_back(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits(account: u32, address: u32) -> Arc<Limits> {
        let rate = |burst| (burst > 0).then(|| Rate::new(0.5, burst).unwrap());
        Arc::new(Limits::new(Attempts {
            account: rate(account),
            address: rate(address),
            registrations: rate(1),
        }))
    }

    fn from(last: u8) -> Option<Source> {
        Some(Source::V4([192, 0, 2, last]))
    }

    fn wait(result: Result<Attempt, Refusal>) -> Option<Duration> {
        result.err().and_then(|refusal| refusal.retry_after())
    }

    #[tokio::test(start_paused = true)]
    async fn failures_count_and_time_forgives() {
        let limits = limits(2, 0);
        for _ in 0..2 {
            limits.attempt(Some("Alice"), from(1)).unwrap();
        }
        assert_eq!(
            wait(limits.attempt(Some("alice"), from(2))),
            Some(Duration::from_secs(2)),
            "from anywhere"
        );
        assert_eq!(wait(limits.attempt(Some("bob"), from(1))), None, "another account");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(wait(limits.attempt(Some("alice"), None)), Some(Duration::from_millis(1500)));
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!(wait(limits.attempt(Some("alice"), None)), None);
        assert!(wait(limits.attempt(Some("alice"), None)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn successes_do_not_count_but_those_under_way_do() {
        let limits = limits(1, 2);
        for _ in 0..100 {
            limits.attempt(Some("alice"), from(1)).unwrap().give_back();
        }
        let under_way = limits.attempt(Some("alice"), from(1)).unwrap();
        assert!(wait(limits.attempt(Some("alice"), from(2))).is_some(), "many at once gain nothing");
        under_way.give_back();
        assert_eq!(wait(limits.attempt(Some("alice"), from(3))), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_is_limited_whatever_names_it_tries() {
        let limits = limits(0, 3);
        for name in ["a", "b", "c"] {
            limits.attempt(Some(name), from(1)).unwrap();
        }
        assert!(wait(limits.attempt(Some("d"), from(1))).is_some());
        assert!(wait(limits.attempt(None, from(1))).is_some());
        assert_eq!(wait(limits.attempt(Some("d"), from(2))), None);
        assert_eq!(wait(limits.attempt(Some("d"), None)), None, "a Unix socket has no address");
    }

    #[tokio::test(start_paused = true)]
    async fn registrations() {
        let limits = limits(0, 0);
        assert!(limits.registration(from(1)).is_ok() && limits.registration(None).is_ok());
        assert!(matches!(limits.registration(from(1)), Err(Refusal::Limited(_))));
        assert!(limits.registration(None).is_ok() && limits.registration(from(2)).is_ok());
        let none = Limits::new(Attempts::NONE);
        assert!((0..1000).all(|_| none.registration(from(1)).is_ok()));
    }
}
