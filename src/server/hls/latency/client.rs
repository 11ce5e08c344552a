//! Asks a web server for one thing after the other, over a connection that is kept.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HeaderValue, USER_AGENT};
use http::{Method, StatusCode, Uri};

use crate::net::client::{ConnectError, Connector};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::proto::http::client::{ClientCodec, Finish, RequestError, RequestWriter};
use crate::proto::http::limits::Limits;
use crate::server::http::body::{Body, BodyError};
use crate::server::http::client::exchange::{ClientConn, ExchangeError, Lent, Progress, Timeouts, exchange};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an address of the web.
    #[error("it does not begin with http:// or https://")]
    Scheme,
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It cannot be asked for.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The answer does not come.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// It breaks off, or is too long.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The server says no.
    #[error("the server answers {0}")]
    Status(StatusCode),
}

/// The connection that can be used again, and the server that it leads to.
type Slot = Arc<Mutex<Option<(String, Box<ClientConn>)>>>;

pub(super) struct Client {
    connector: Connector,
    clock: Clock,
    slot: Slot,
}

/// A connection that goes back to its slot.
struct Kept {
    conn: Box<ClientConn>,
    server: String,
    slot: Slot,
}

impl Deref for Kept {
    type Target = ClientConn;

    fn deref(&self) -> &ClientConn {
        &self.conn
    }
}

impl DerefMut for Kept {
    fn deref_mut(&mut self) -> &mut ClientConn {
        &mut self.conn
    }
}

impl Lent for Kept {
    fn give_back(self, reusable: bool) {
        if reusable {
            *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some((self.server, self.conn));
        }
    }
}

impl Client {
    pub(super) fn new() -> Self {
        Self { connector: Connector::new(), clock: Clock::new(), slot: Slot::default() }
    }

    /// What is at `uri`, of at most `limit` bytes.
    pub(super) async fn get(&self, uri: &Uri, limit: u64) -> Result<Bytes, FetchError> {
        match self.ask(uri, limit, true).await {
            // The server may have closed a connection that was kept, just as we used it.
            Err((_, true)) => self.ask(uri, limit, false).await.map_err(|(error, _)| error),
            outcome => outcome.map_err(|(error, _)| error),
        }
    }

    /// The same; why not, and whether it may be asked for again on another connection.
    async fn ask(&self, uri: &Uri, limit: u64, kept: bool) -> Result<Bytes, (FetchError, bool)> {
        let over = |error: FetchError| (error, false);
        let (conn, used) = self.connection(uri, kept).await.map_err(over)?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let path = uri.path_and_query().map_or("/", |target| target.as_str());
        let mut writer =
            RequestWriter::new(&Method::GET, path, authority).map_err(|error| over(error.into()))?;
        writer
            .field(&USER_AGENT, &HeaderValue::from_static(concat!("wireworks/", env!("CARGO_PKG_VERSION"))));
        writer.field(&ACCEPT_ENCODING, &HeaderValue::from_static("identity"));
        let request = writer.finish(Finish { length: None, upgrade: None, close: false });
        let answer = exchange(conn, request, Body::empty(), Timeouts::default()).await;
        let answer =
            answer.map_err(|(error, progress)| (error.into(), used && progress != Progress::Answered))?;
        let status = answer.head.status();
        let body =
            answer.body.into_body(answer.length).collect(limit).await.map_err(|error| over(error.into()))?;
        if status == StatusCode::OK { Ok(body) } else { Err(over(FetchError::Status(status))) }
    }

    /// A connection, and whether it was used before.
    async fn connection(&self, uri: &Uri, kept: bool) -> Result<(Kept, bool), FetchError> {
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(FetchError::Scheme);
        };
        let server = format!("{scheme}://{authority}");
        let idle = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((known, conn)) = idle.filter(|(known, _)| kept && *known == server) {
            return Ok((Kept { conn, server: known, slot: Arc::clone(&self.slot) }, true));
        }
        let is_tls = scheme == "https";
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let alpn: Option<&[&[u8]]> = if is_tls { Some(&[b"http/1.1"]) } else { None };
        let io = self.connector.connect(authority.host(), port, alpn).await?;
        let limits = Limits { body: u64::MAX, ..Limits::default() };
        let conn = Box::new(Conn::new(io, ClientCodec::new(limits), self.clock.timer()));
        Ok((Kept { conn, server, slot: Arc::clone(&self.slot) }, false))
    }
}
