//! The connection to Redis: opened, used until it fails, and opened again.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use tokio::time::{Instant, sleep, timeout};

use super::Client;
use super::bucket::{CallError, Connection};
use super::settings::CONNECT_TIMEOUT;
use crate::net::bucket::Rate;
use crate::net::client::ConnectError;
use crate::net::resilience::backoff::{Backoff, Growth, Jitter, Policy};
use crate::server::balance::dial::Way;

/// The wait before reconnecting: from 0.1 s to 5 s, so that limits are shared again soon.
const AGAIN: Policy = Policy {
    growth: Growth::Exponential { first: Duration::from_millis(200), jitter: Jitter::Equal },
    cap: Duration::from_secs(5),
};

/// The task of a connection; it ends with the connection.
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why connecting failed.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error("it did not answer within {CONNECT_TIMEOUT:?}")]
    Late,
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Greeting(#[from] RedisError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the connection was closed")]
    Closed,
    #[error("it does not answer")]
    Silent,
}

/// The state that was logged last.
#[derive(PartialEq, Eq)]
enum Told {
    Nothing,
    There,
    Away,
}

/// Redis counts as there as long as this exists.
struct There<'a>(&'a Client);

impl<'a> There<'a> {
    fn new(client: &'a Client, connection: Connection) -> Self {
        client.failures.store(0, Ordering::Relaxed);
        client.current.store(Some(Arc::new(connection)));
        Self(client)
    }
}

impl Drop for There<'_> {
    fn drop(&mut self) {
        self.0.current.store(None);
    }
}

impl Client {
    /// Keeps the client connected as long as this is polled. Each change between there and away is logged once.
    pub async fn keep(&self) {
        let server = &self.settings.server.target;
        let mut backoff = Backoff::new(AGAIN, fastrand::u64(..));
        let mut told = Told::Nothing;
        loop {
            let error = match timeout(CONNECT_TIMEOUT, self.connect()).await {
                Err(_) => KeepError::Late,
                Ok(Err(error)) => error,
                Ok(Ok((connection, driver))) => {
                    let _there = There::new(self, connection);
                    tracing::info!(redis = %server, "Redis is there: limits on rates are shared");
                    told = Told::There;
                    let since = Instant::now();
                    let error = tokio::select! {
                        () = driver => KeepError::Closed,
                        () = self.silent.notified() => KeepError::Silent,
                    };
                    // One that fails again and again as soon as it is used is left alone longer and longer.
                    if since.elapsed() > AGAIN.cap {
                        backoff.reset();
                    }
                    error
                }
            };
            if told != Told::Away {
                tracing::warn!(redis = %server, %error, "Redis is away: each balancer counts requests for itself");
                told = Told::Away;
            }
            sleep(backoff.wait()).await;
        }
    }

    /// A connection on which the script has answered once.
    async fn connect(&self) -> Result<(Connection, Driver), KeepError> {
        let settings = &self.settings;
        let io = settings.dial.connect(&settings.server.target, &Way::default()).await?;
        // Who calls has a shorter limit of its own.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let login = &settings.server.login;
        let (redis, driver) = MultiplexedConnection::new_with_config(login, io, config).await?;
        let mut driver: Driver = Box::pin(driver);
        let prepared = async {
            let connection = Connection::prepare(redis).await?;
            // Whether it writes, too: a replica, or one whose memory is full, does not.
            let key = format!("{}:probe", settings.prefix);
            if let Some(rate) = Rate::new(1e6, 1) {
                connection.call(&key, rate, 1).await?;
            }
            Ok::<_, KeepError>(connection)
        };
        let connection = tokio::select! {
            prepared = prepared => prepared?,
            () = &mut driver => return Err(KeepError::Closed),
        };
        Ok((connection, driver))
    }
}
