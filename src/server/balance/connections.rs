//! Keep-alive connections to backends: a pool for each thread.
//!
//! A thread uses the connections that it has opened: their sockets are registered with its own runtime, and their events wake no other
//! thread. When a thread has no idle connection to a backend, it takes over one of another thread before it opens a new one: so there are as many
//! connections as needed, and not as many for each thread.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};
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

/// The pools of all threads.
type Pools = ThreadLocal<Pool<Opener>>;

/// Opens connections on one thread.
#[derive(Debug)]
pub struct Opener {
    clock: Clock,
    limits: limits::Limits,
    /// Weak, as it is in one of them.
    pools: Weak<Pools>,
}

impl Opener {
    /// An idle connection of another thread. The pool of this thread has none.
    fn take_over(&self, key: &Key) -> Option<ClientConn> {
        // A session of TLS cannot be given another socket.
        if key.0.setup().dial.tls.is_some() {
            return None;
        }
        let pools = self.pools.upgrade()?;
        let taken = pools.iter().find_map(|pool| pool.take_idle(key))?;
        let mut conn = taken.moved_here(self.clock.timer())?.ok()?;
        conn.is_quiet().then_some(conn)
    }
}

impl Manager for Opener {
    type Key = Key;
    type Connection = ClientConn;
    type Error = ConnectError;

    async fn open(&self, key: &Key) -> Result<ClientConn, ConnectError> {
        if let Some(conn) = self.take_over(key) {
            return Ok(conn);
        }
        // Few requests come here, and all would have to carry the state of it.
        let way = Way { alpn: HTTP_ALPN, ..Way::default() };
        let io = Box::pin(key.0.connect(&way)).await?;
        Ok(Conn::new(io, ClientCodec::new(self.limits), self.clock.timer()))
    }

    fn is_fresh(&self, connection: &mut ClientConn, _: Duration) -> bool {
        connection.is_quiet()
    }
}

/// The connections of all threads.
#[derive(Debug)]
pub struct Connections {
    pools: Arc<Pools>,
    limits: Limits,
    heads: limits::Limits,
}

impl Connections {
    /// Empty pools. `limits` apply to each thread, `heads` to responses.
    #[must_use]
    pub fn new(limits: Limits, heads: limits::Limits) -> Self {
        Self { pools: Arc::default(), limits, heads }
    }

    /// A connection to a backend, reused or new.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn get(
        &self,
        backend: &Arc<Backend>,
        deadline: Instant,
    ) -> Result<Pooled<Opener>, PoolError<ConnectError>> {
        self.pool().get(&Key(Arc::clone(backend)), deadline).await
    }

    /// The number of connections to a backend, and of the idle ones among them.
    #[must_use]
    pub fn of(&self, backend: &Arc<Backend>) -> (usize, usize) {
        let key = Key(Arc::clone(backend));
        let counts = self.pools.iter().map(|pool| pool.count(&key));
        counts.fold((0, 0), |(open, idle), (more, of_them)| (open + more, idle + of_them))
    }

    /// Counters, summed over all threads.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.pools.iter().map(Pool::stats).fold(Stats::default(), Stats::plus)
    }

    /// The pool of this thread. It is created within the thread's runtime.
    fn pool(&self) -> &Pool<Opener> {
        self.pools.get_or(|| {
            let pool = Pool::new(
                Opener { clock: Clock::new(), limits: self.heads, pools: Arc::downgrade(&self.pools) },
                self.limits,
            );
            tokio::spawn(pool.keeper());
            pool
        })
    }
}
