//! The response cache: what backends have answered, kept in memory and given to the next client that asks for the same.
//!
//! What may be stored, for how long and for whom is decided by [`proto::http::cache`](crate::proto::http::cache). Here are the store
//! (`store`) with its bound in bytes, the keys (`key`), what is stored (`object`), and the requests that are on their way to a backend: concurrent
//! requests for the same key wait for one of them (`flight`), and a response that arrives piece by piece is read by all of them (`filling`). A [`Cached`]
//! is the layer around the handler of a route, a [`Cache`] what such layers share.

mod answer;
mod counters;
mod fetch;
mod filling;
mod flight;
mod key;
mod layer;
mod object;
mod onward;
mod settle;
mod store;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;

use self::counters::Counters;
use self::filling::Budget;
use self::flight::Flights;
use self::store::Store;
use crate::proto::http::cache::freshness::Policy;

pub use self::counters::{CacheCount, Snapshot};
pub use self::key::KeyRule;
pub use self::layer::Cached;

/// Bytes that a cache holds unless told otherwise.
pub const MEMORY: u64 = 256 << 20;

/// The longest body that is stored unless told otherwise.
pub const MAX_OBJECT: u64 = 4 << 20;

/// The smallest memory of a cache.
pub const MIN_MEMORY: u64 = 1 << 20;

/// A cache holds at least so many of the longest objects, or one that is stored could drive out nearly all others.
pub const OBJECTS_AT_LEAST: u64 = 8;

/// How long a request waits for another one for the same key unless told otherwise: nginx's `proxy_cache_lock_timeout`.
pub const COLLAPSE_TIMEOUT: Duration = Duration::from_secs(5);

/// For how long requests for a key whose response could not be stored are sent on without waiting for each other.
pub const UNCACHEABLE_FOR: Duration = Duration::from_secs(10);

/// Requests that refresh stale responses in the background at once; beyond it stale responses are given without being refreshed.
const MAX_BACKGROUND: usize = 256;

/// What an operator decides about a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes that are stored at most, heads and keys included.
    pub memory: u64,
    /// The longest body that is stored.
    pub max_object: u64,
    /// Lifetimes of responses that do not say theirs, and stale content.
    pub policy: Policy,
    /// Whether clients may not ask for less than is stored (`no-cache`, `max-age`, `min-fresh`).
    pub ignore_client: bool,
    /// How long a request waits for another one for the same key; zero to send each on.
    pub collapse_timeout: Duration,
    /// What a key is made of.
    pub key: KeyRule,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory: MEMORY,
            max_object: MAX_OBJECT,
            policy: Policy::default(),
            ignore_client: false,
            collapse_timeout: COLLAPSE_TIMEOUT,
            key: KeyRule::default(),
        }
    }
}

/// A cache, which any number of routes share.
#[derive(Debug)]
pub struct Cache {
    name: Box<str>,
    settings: Settings,
    store: Store,
    flights: Arc<Flights>,
    counters: Counters,
    budget: Arc<Budget>,
    background: Arc<Semaphore>,
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(name: &str, settings: Settings) -> Self {
        Self {
            name: name.into(),
            store: Store::new(settings.memory, settings.max_object),
            flights: Arc::default(),
            counters: Counters::default(),
            // What is arriving is bound apart from what is stored.
            budget: Arc::new(Budget::new((settings.memory / 4).max(settings.max_object))),
            background: Arc::new(Semaphore::new(MAX_BACKGROUND)),
            settings,
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was decided about it.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Forgets what is stored for a host, as clients write it (`example.com`, `example.com:8080`; `*` for all), and a target: `/a?b=c` for that
    /// query alone, `/a` for the path with any query, `/a/*` for all paths that begin with `/a/`. Says how many URIs were stored there.
    pub fn purge(&self, host: &str, target: &str) -> usize {
        self.store.purge(host, target)
    }

    /// Forgets everything.
    pub fn clear(&self) -> usize {
        self.store.purge("*", "/*")
    }

    /// What it has done since it was made, and what it holds.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.counters.snapshot(&self.store)
    }
}

/// The time, to some milliseconds.
fn now() -> SystemTime {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let part = u32::try_from(time.tv_nsec).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), part)
}
