//! Redis, where several balancers count together: the tokens of rate limits with `shared = true`.
//!
//! A [`Client`] has one connection, which [`keep`](Client::keep) opens and reopens. Each request that needs a lease sends one call of a
//! script, and waits no longer than [`Settings::timeout`]. Redis is *there* or *away*: away until it has answered a first
//! call of the script, and again as soon as its connection is lost or several calls in a row have failed. While it is away no request asks
//! it, and each balancer counts by itself.

mod bucket;
mod keep;
mod metrics;
mod settings;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use self::bucket::{CallError, Connection};
pub(super) use self::metrics::encode;
pub use self::settings::{
    BadUrl, CONNECT_TIMEOUT, DEFAULT_LEASE, DEFAULT_PREFIX, DEFAULT_TIMEOUT, Server, Settings,
};
use crate::net::bucket::Rate;
use crate::server::http::middleware::rate_limit::{Leasing, TokenStore};

/// Failed calls in a row after which Redis counts as away although its connection is open. One or two may be a pause of its machine.
const FAILURES: u32 = 3;

/// Counters of calls.
#[derive(Debug, Default)]
pub struct Counters {
    /// Calls that were granted at least one token.
    pub granted: AtomicU64,
    /// Calls that were granted none.
    pub refused: AtomicU64,
    /// Calls without an answer in time.
    pub timeouts: AtomicU64,
    /// Calls that failed otherwise.
    pub errors: AtomicU64,
    /// Requests that this balancer counted alone.
    pub alone: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A client of one Redis, with its connection.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    /// `None` while it is away.
    current: ArcSwapOption<Connection>,
    /// Failed calls in a row.
    failures: AtomicU32,
    /// Notified when there were too many of them.
    silent: Notify,
    counters: Counters,
}

impl Client {
    /// A client that is not connected: [`keep`](Self::keep) connects it.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            current: ArcSwapOption::empty(),
            failures: AtomicU32::new(0),
            silent: Notify::new(),
            counters: Counters::default(),
        }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether Redis is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.current.load().is_some()
    }

    async fn lease(&self, bucket: &str, rate: Rate, tokens: u32) -> Option<crate::net::leases::Grant> {
        let connection = self.current.load_full()?;
        let key = format!("{}:{bucket}", self.settings.prefix);
        let answer = tokio::time::timeout(self.settings.timeout, connection.call(&key, rate, tokens)).await;
        let counters = &self.counters;
        match answer {
            Ok(Ok(grant)) => {
                self.failures.store(0, Ordering::Relaxed);
                count(if grant.tokens > 0 { &counters.granted } else { &counters.refused });
                return Some(grant);
            }
            Ok(Err(error)) => self.failed(&counters.errors, &connection, &error),
            Err(_) => self.failed(&counters.timeouts, &connection, &CallError::Late),
        }
        None
    }

    /// Records a failed call.
    fn failed(&self, counter: &AtomicU64, connection: &Arc<Connection>, error: &CallError) {
        count(counter);
        tracing::debug!(%error, "Redis has not said how many requests a client may make");
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 == FAILURES {
            // Of the others that fail on this connection, none asks any longer.
            self.current.compare_and_swap(connection, None);
            self.silent.notify_one();
        }
    }
}

/// The Redis of a configuration: limits refer to it as soon as they are read, and it gets a client when they are used.
#[derive(Debug)]
pub struct Redis {
    settings: Settings,
    client: OnceLock<Arc<Client>>,
}

impl Redis {
    /// Without a client.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, client: OnceLock::new() }
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its client: that of the previous configuration if it can be used, or a new one.
    #[must_use]
    pub fn client(&self, before: Option<&Arc<Client>>) -> &Arc<Client> {
        self.client.get_or_init(|| {
            let same = before.filter(|client| client.settings.is_like(&self.settings));
            same.map_or_else(|| Arc::new(Client::new(self.settings.clone())), Arc::clone)
        })
    }
}

impl TokenStore for Redis {
    fn is_there(&self) -> bool {
        self.client.get().is_some_and(|client| client.is_there())
    }

    fn lease(&self, bucket: String, rate: Rate, tokens: u32) -> Leasing<'_> {
        Box::pin(async move { self.client.get()?.lease(&bucket, rate, tokens).await })
    }

    fn passed_over(&self) {
        if let Some(client) = self.client.get() {
            count(&client.counters.alone);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::server::balance::dial::Dial;

    fn redis(url: &str, lease: u32) -> Redis {
        let server = Server::parse(url).unwrap();
        let prefix = DEFAULT_PREFIX.to_owned();
        Redis::new(Settings {
            server,
            dial: Dial::default(),
            timeout: Duration::from_millis(5),
            lease,
            prefix,
        })
    }

    #[test]
    fn a_client_stays_while_nothing_else_is_configured() {
        let first = Arc::clone(redis("redis://a", 50).client(None));
        for (url, lease, stays) in
            [("redis://a", 50, true), ("redis://b", 50, false), ("redis://a", 9, false)]
        {
            let next = redis(url, lease);
            assert!(!next.is_there(), "without a client nobody is asked");
            assert_eq!(Arc::ptr_eq(next.client(Some(&first)), &first), stays, "{url} {lease}");
        }
    }
}
