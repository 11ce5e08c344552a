//! The response cache: responses of backends, kept in memory and reused for other clients.
//!
//! [`proto::http::cache`](crate::proto::http::cache) decides what may be stored, for how long and for which requests. Here are the store
//! (`store`) with its limit in bytes, the keys (`key`), the stored responses (`object`), and the requests that are on their way to a backend: concurrent
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

/// The default memory limit.
pub const MEMORY: u64 = 256 << 20;

/// The default limit of a stored body.
pub const MAX_OBJECT: u64 = 4 << 20;

/// The smallest memory of a cache.
pub const MIN_MEMORY: u64 = 1 << 20;

/// A cache holds at least this many of the longest objects; otherwise a stored one could displace nearly all others.
pub const OBJECTS_AT_LEAST: u64 = 8;

/// How long a request waits for another one for the same key by default: nginx's `proxy_cache_lock_timeout`.
pub const COLLAPSE_TIMEOUT: Duration = Duration::from_secs(5);

/// For how long requests for a key whose response could not be stored are forwarded without waiting for each other.
pub const UNCACHEABLE_FOR: Duration = Duration::from_secs(10);

/// The most background refreshes at once; beyond it stale responses are used without being refreshed.
const MAX_BACKGROUND: usize = 256;

/// The settings of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The limit of stored bytes, including heads and keys.
    pub memory: u64,
    /// The longest body that is stored.
    pub max_object: u64,
    /// Lifetimes of responses without explicit ones, and the use of stale responses.
    pub policy: Policy,
    /// Whether the client's `no-cache`, `max-age` and `min-fresh` are ignored.
    pub ignore_client: bool,
    /// How long a request waits for another one for the same key; zero to forward each.
    pub collapse_timeout: Duration,
    /// What a key consists of.
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

/// A cache, shared by any number of routes.
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

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Removes the stored responses of a host, as clients send it (`example.com`, `example.com:8080`; `*` for all), and a target: `/a?b=c` for that
    /// query alone, `/a` for the path with any query, `/a/*` for all paths that begin with `/a/`. Returns how many URIs had any.
    pub fn purge(&self, host: &str, target: &str) -> usize {
        self.store.purge(host, target)
    }

    /// Removes everything.
    pub fn clear(&self) -> usize {
        self.store.purge("*", "/*")
    }

    /// Its counters and its size.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.counters.snapshot(&self.store)
    }
}

/// The time, with a precision of some milliseconds.
fn now() -> SystemTime {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
    let part = u32::try_from(time.tv_nsec).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), part)
}
