//! Connections to backends that are kept for the next request: a pool for each thread.
//!
//! A thread uses the connections that it has opened: their sockets are registered with its own runtime, and no other thread is woken for
//! what they say.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use thread_local::ThreadLocal;
use tokio::time::Instant;

use super::backend::{Backend, HTTP_ALPN};
use super::dial::Way;
use crate::net::client::ConnectError;
use crate::net::client::pool::{Limits, Manager, Pool, PoolError, Pooled, Stats};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::net::resilience::pick::Endpoint;
use crate::proto::http::client::ClientCodec;
use crate::proto::http::limits;
use crate::server::http::client::exchange::ClientConn;

/// A backend as the key of its connections.
#[derive(Clone, Debug)]
pub struct Key(Arc<Backend>);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_reached_as(&other.0)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(Endpoint::key(&self.0));
    }
}

/// Opens connections on one thread.
#[derive(Debug)]
pub struct Opener {
    clock: Clock,
    limits: limits::Limits,
}

impl Manager for Opener {
    type Key = Key;
    type Connection = ClientConn;
    type Error = ConnectError;

    async fn open(&self, key: &Key) -> Result<ClientConn, ConnectError> {
        let io = key.0.connect(&Way { alpn: HTTP_ALPN, ..Way::default() }).await?;
        Ok(Conn::new(io, ClientCodec::new(self.limits), self.clock.timer()))
    }

    fn is_fresh(&self, connection: &mut ClientConn, _: Duration) -> bool {
        connection.is_quiet()
    }
}

/// The connections of all threads.
#[derive(Debug)]
pub struct Connections {
    pools: ThreadLocal<Pool<Opener>>,
    limits: Limits,
    heads: limits::Limits,
}

impl Connections {
    /// None yet. `limits` hold for each thread, `heads` for the responses.
    #[must_use]
    pub fn new(limits: Limits, heads: limits::Limits) -> Self {
        Self { pools: ThreadLocal::new(), limits, heads }
    }

    /// A connection to a backend, used before or new.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn get(
        &self,
        backend: &Arc<Backend>,
        deadline: Instant,
    ) -> Result<Pooled<Opener>, PoolError<ConnectError>> {
        self.pool().get(&Key(Arc::clone(backend)), deadline).await
    }

    /// What the pools have and did, all threads together.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.pools.iter().map(Pool::stats).fold(Stats::default(), Stats::plus)
    }

    /// The pool of this thread. It is made within the thread's runtime.
    fn pool(&self) -> &Pool<Opener> {
        self.pools.get_or(|| {
            let pool = Pool::new(Opener { clock: Clock::new(), limits: self.heads }, self.limits);
            tokio::spawn(pool.keeper());
            pool
        })
    }
}
