//! A limit that several processes count together, in a store that all of them can reach.
//!
//! Most requests are counted without the store, by [`Leases`]. One that has to ask waits as long as the store lets it; when the store has no
//! answer, the request is counted by this process alone, as one without a store is.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::Key;
use crate::net::bucket::Rate;
use crate::net::leases::{Grant, Leases, Take, Terms};
use crate::net::service::Limited;

/// What a store gives, once it has answered; `None` if it does not in time.
pub type Leasing<'a> = Pin<Box<dyn Future<Output = Option<Grant>> + Send + 'a>>;

/// Where tokens are kept that several processes share.
pub trait TokenStore: Debug + Send + Sync {
    /// Whether it can be asked at present. What it has given before is not used either while it cannot.
    fn is_there(&self) -> bool;

    /// Takes up to `tokens` of a bucket with this name, which fills at `rate`. It decides itself how long that may take.
    fn lease(&self, bucket: String, rate: Rate, tokens: u32) -> Leasing<'_>;

    /// Notes that a request is counted by this process alone.
    fn passed_over(&self);
}

/// The state of such a limit.
#[derive(Debug)]
pub(super) struct Shared {
    /// What tells it from other limits in the store.
    name: String,
    leases: Mutex<Leases<Key>>,
    store: Arc<dyn TokenStore>,
}

impl Shared {
    pub(super) fn new(name: String, terms: Terms, max_keys: usize, store: Arc<dyn TokenStore>) -> Self {
        Self { name, leases: Mutex::new(Leases::new(terms, max_keys)), store }
    }

    /// Counts a request; `None` if the store cannot say.
    pub(super) async fn count(&self, key: Key) -> Option<Result<(), Limited>> {
        let refused = |retry_after| Limited { retry_after };
        if !self.store.is_there() {
            self.store.passed_over();
            return None;
        }
        let (taken, rate) = {
            let mut leases = self.leases();
            (leases.take(key, now()), leases.terms().rate())
        };
        let asked = match taken {
            Take::Granted => return Some(Ok(())),
            Take::Refused(wait) => return Some(Err(refused(wait))),
            Take::Ask(tokens) => tokens,
        };
        let bucket = format!("{}:{key}", self.name);
        let Some(grant) = self.store.lease(bucket, rate, asked).await else {
            self.store.passed_over();
            return None;
        };
        Some(self.leases().settle(key, asked, grant, now()).map_err(refused))
    }

    fn leases(&self) -> MutexGuard<'_, Leases<Key>> {
        // A lease holds numbers only, which are right or wrong but never half written.
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// tokio's clock, so that tests can move it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::super::*;
    use super::*;
    use crate::net::bucket::Bucket;
    use crate::server::http::middleware::test_support::{get, peer};

    /// A store in memory.
    #[derive(Debug, Default)]
    struct Memory {
        buckets: Mutex<HashMap<String, Bucket>>,
        away: AtomicBool,
        silent: AtomicBool,
        alone: AtomicUsize,
    }

    impl TokenStore for Memory {
        fn is_there(&self) -> bool {
            !self.away.load(Ordering::Relaxed)
        }

        fn lease(&self, bucket: String, rate: Rate, tokens: u32) -> Leasing<'_> {
            Box::pin(async move {
                if self.silent.load(Ordering::Relaxed) {
                    return None;
                }
                let mut buckets = self.buckets.lock().unwrap();
                let bucket = buckets.entry(bucket).or_insert(Bucket::full(rate, now()));
                let mut grant = Grant { tokens: 0, wait: Duration::ZERO };
                while grant.tokens < tokens {
                    match bucket.take(rate, now()) {
                        Ok(()) => grant.tokens += 1,
                        Err(wait) => {
                            grant.wait = wait;
                            break;
                        }
                    }
                }
                Some(grant)
            })
        }

        fn passed_over(&self) {
            self.alone.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn limits<const N: usize>(by: &RateKey, burst: u32, store: &Arc<Memory>) -> [RateLimit; N] {
        let rate = Rate::new(0.5, burst).unwrap();
        let terms = Terms::new(rate, 50, Duration::from_millis(5));
        [(); N].map(|()| {
            RateLimit::new(rate, by.clone(), 100).sharing("1.0.0".to_owned(), terms, Arc::clone(store) as _)
        })
    }

    async fn asks(limit: &RateLimit, addr: &str, fields: &[(&str, &str)]) -> Result<(), u64> {
        let mut request = get("/", fields);
        request.peer = peer(addr, false);
        let key = limit.key(&request).unwrap();
        limit.count(key).await.map_err(|limited| retry_after::seconds(limited.retry_after))
    }

    #[tokio::test(start_paused = true)]
    async fn two_count_together() {
        let store = Arc::default();
        let limits: [_; 2] = limits(&RateKey::Peer, 40, &store);
        let mut passed = 0;
        for number in 0..200 {
            passed += u32::from(asks(&limits[number % 2], "192.0.2.1:1", &[]).await.is_ok());
        }
        assert_eq!(passed, 40, "leases are used up");
        assert!(asks(&limits[0], "[2001:db8:0:1::7]:1", &[]).await.is_ok());
        let mut names: Vec<_> = store.buckets.lock().unwrap().keys().cloned().collect();
        names.sort();
        assert_eq!(names, ["1.0.0:192.0.2.1", "1.0.0:2001:db8:0:1::/64"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_has_one_name_in_all_processes() {
        let store = Arc::default();
        let limits: [_; 2] = limits(&RateKey::Field(HeaderName::from_static("x-key")), 2, &store);
        for (limit, expected) in [(0, Ok(())), (1, Ok(())), (0, Err(2)), (1, Err(2))] {
            assert_eq!(asks(&limits[limit], "192.0.2.1:1", &[("X-Key", "a")]).await, expected);
        }
        // The first half of `printf a | sha256sum`.
        let names: Vec<_> = store.buckets.lock().unwrap().keys().cloned().collect();
        assert_eq!(names, ["1.0.0:ca978112ca1bbdcafac231b39a23dc4d"]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_store_each_counts_for_itself() {
        let store: Arc<Memory> = Arc::default();
        let limits: [_; 2] = limits(&RateKey::Peer, 2, &store);
        let client = "192.0.2.1:1";
        for expected in [Ok(()), Ok(()), Err(2)] {
            assert_eq!(asks(&limits[0], client, &[]).await, expected);
        }
        let alone = || store.alone.load(Ordering::Relaxed);
        assert_eq!(alone(), 0);
        store.away.store(true, Ordering::Relaxed);
        for (limit, expected) in [(0, Ok(())), (0, Ok(())), (0, Err(2)), (1, Ok(()))] {
            assert_eq!(asks(&limits[limit], client, &[]).await, expected, "limit {limit}");
        }
        assert_eq!(alone(), 4);
        store.away.store(false, Ordering::Relaxed);
        store.silent.store(true, Ordering::Relaxed);
        for expected in [Ok(()), Err(2)] {
            assert_eq!(asks(&limits[1], client, &[]).await, expected, "one was used before");
        }
        assert_eq!(alone(), 6);
        store.silent.store(false, Ordering::Relaxed);
        assert_eq!(asks(&limits[0], client, &[]).await, Err(2), "the store remembers");
    }
}
