//! Requests over connections that are kept.
//!
//! A [`Client`] opens connections, by TLS where the server is one that wants it, keeps them by server, and sends requests over them: one at a time over each. A
//! connection that was kept and is found closed is replaced without a word, if the request can have done nothing yet or can be sent twice (RFC 9110 section 9.2.2): that tells
//! nothing of the server.
//!
//! A thread uses the connections that it has opened, as their sockets and timers belong to its runtime: a client may be made anywhere, and asked by all threads of a
//! process.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Response, StatusCode, request};
use thread_local::ThreadLocal;
use tokio::time::Instant;

use super::address::{Address, AddressError, Server};
use super::exchange::{ClientConn, ExchangeError, Progress, Timeouts, exchange};
use crate::net::client::pool::{Limits, Manager, Pool, PoolError, Stats};
use crate::net::client::{Alpn, ConnectError, Connector};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::proto::http::client::{ClientCodec, Finish, RequestError, ResponseHead, WireRequest};
use crate::proto::http::limits;
use crate::server::http::body::Body;

/// Nothing but HTTP/1.1 is spoken.
const HTTP_ALPN: Alpn<'static> = &[b"http/1.1"];

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There is nobody to be asked.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It cannot be asked for.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] PoolError<ConnectError>),
    /// There is no answer.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// A field of the answer cannot be taken as one.
    #[error("a field of the answer: {0}")]
    Field(http::Error),
}

impl SendError {
    /// Whether the same request may be answered if it is sent again: it was lost on the way, or the server is away.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect(PoolError::Open(error)) => error.is_retryable(),
            Self::Connect(_) => true,
            Self::Exchange(error) => error.is_passing(),
            Self::Address(_) | Self::Request(_) | Self::Field(_) => false,
        }
    }
}

/// A response. Its connection is kept when the body has been read to its end, and closed when it is dropped before.
#[derive(Debug)]
pub struct Reply {
    /// The head.
    pub head: Box<ResponseHead>,
    /// The body, as it comes.
    pub body: Body,
    /// Whether it came over a connection that was used before, so that none had to be made.
    pub reused: bool,
}

impl Reply {
    /// What the server makes of the request.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.head.status()
    }

    /// The same in the types that others share.
    ///
    /// # Errors
    /// A field of it cannot be said in them.
    pub fn into_http(self) -> Result<Response<Body>, SendError> {
        let mut response = Response::builder().status(self.head.status());
        for (name, value) in self.head.fields() {
            response = response.header(name, value);
        }
        response.body(self.body).map_err(SendError::Field)
    }
}

/// What sends requests. Clones have the same connections.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connector: Connector,
    limits: Limits,
    /// One for each thread.
    pools: ThreadLocal<Pool<Opener>>,
}

impl Client {
    /// One that connects by `connector`, and keeps as many connections on each thread as `limits` say.
    #[must_use]
    pub fn new(connector: Connector, limits: Limits) -> Self {
        Self(Arc::new(Shared { connector, limits, pools: ThreadLocal::new() }))
    }

    /// What became of its connections, on all threads.
    #[must_use]
    pub fn connections(&self) -> Stats {
        self.0.pools.iter().map(Pool::stats).fold(Stats::default(), Stats::plus)
    }

    /// Sends a request, with what `body` makes, which is asked for once more for each connection that was found closed. The time for an answer is the time to connect as
    /// well, each from its beginning.
    ///
    /// # Errors
    /// There is no response.
    pub async fn send(
        &self,
        server: &Server,
        request: WireRequest,
        body: impl Fn() -> Body,
        timeouts: Timeouts,
    ) -> Result<Reply, SendError> {
        let mut stale = 0;
        loop {
            let conn = self.pool().get(server, Instant::now() + timeouts.response).await?;
            let reused = conn.is_reused();
            match exchange(conn, request.clone(), body(), timeouts).await {
                Ok(answer) => {
                    let body = answer.body.into_body(answer.length);
                    return Ok(Reply { head: answer.head, body, reused });
                }
                // The server may have closed it just as we used it, and others that it kept for us as well.
                Err((error, progress))
                    if reused
                        && stale < self.0.limits.idle_per_key
                        && is_stale(&error, progress, &request) =>
                {
                    stale += 1;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Sends what others made of a request: method, address and fields of `parts`, and `length` bytes that `body` makes. A name and a password in the address
    /// are shown to the server, if no field says who asks.
    ///
    /// # Errors
    /// There is no response.
    pub async fn call(
        &self,
        parts: &request::Parts,
        length: u64,
        body: impl Fn() -> Body,
        timeouts: Timeouts,
    ) -> Result<Reply, SendError> {
        let address = Address::of(&parts.uri)?;
        let mut writer = address.request(&parts.method)?;
        let own = address.credentials.filter(|_| !parts.headers.contains_key(AUTHORIZATION));
        let own: Option<(&HeaderName, &HeaderValue)> = own.as_ref().map(|value| (&AUTHORIZATION, value));
        parts.headers.iter().chain(own).for_each(|(name, value)| writer.field(name, value));
        let request = writer.finish(Finish { length: Some(length), ..Finish::default() });
        self.send(&address.server, request, body, timeouts).await
    }

    /// The pool of this thread, made within the thread's runtime.
    fn pool(&self) -> &Pool<Opener> {
        self.0.pools.get_or(|| {
            let opener = Opener { connector: self.0.connector.clone(), clock: Clock::new() };
            let pool = Pool::new(opener, self.0.limits);
            tokio::spawn(pool.keeper());
            pool
        })
    }
}

/// Whether a connection was closed before the server said anything, and the request can be sent over another one.
fn is_stale(error: &ExchangeError, progress: Progress, request: &WireRequest) -> bool {
    let again = match progress {
        Progress::NothingSent => true,
        Progress::Sent => request.method().is_idempotent(),
        Progress::Answered => false,
    };
    again && matches!(error, ExchangeError::Io(_) | ExchangeError::Closed)
}

/// Opens connections.
#[derive(Debug)]
struct Opener {
    connector: Connector,
    clock: Clock,
}

impl Manager for Opener {
    type Key = Server;
    type Connection = ClientConn;
    type Error = ConnectError;

    async fn open(&self, server: &Server) -> Result<ClientConn, ConnectError> {
        let io = match server {
            Server::Tcp { tls, host, port } => {
                self.connector.connect(host, *port, tls.then_some(HTTP_ALPN)).await?
            }
            Server::Unix(path) => self.connector.unix(path).await?,
        };
        // How much is too much is known to whoever takes it.
        let limits = limits::Limits { body: u64::MAX, ..limits::Limits::default() };
        Ok(Conn::new(io, ClientCodec::new(limits), self.clock.timer()))
    }

    fn is_fresh(&self, connection: &mut ClientConn, _: Duration) -> bool {
        connection.is_quiet()
    }
}

#[cfg(test)]
mod tests;
