//! WebSockets that we open: the other end of the same [`Socket`].
//!
//! [`connect`] opens one by its URL; a [`Connect`] does the same with further wishes, as often as it is asked. A [`Reconnect`] gives a fresh
//! socket each time the last one has ended, and waits between attempts that fail. Redirects are not followed: the error says where they
//! point.
//!
//! ```no_run
//! use wireworks::server::ws::client::connect;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut socket = connect("ws://127.0.0.1:8081/echo").await?;
//! socket.send("hello").await?;
//! if let Some(message) = socket.recv().await? {
//!     println!("{message:?}");
//! }
//! # Ok(())
//! # }
//! ```

mod error;
mod reconnect;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method};
use tokio::time::{Instant, timeout};

pub use self::error::{OpenError, Refused};
pub use self::reconnect::{Reconnect, STEADY};
use super::settings::Settings;
use super::socket::{About, Socket};
use crate::net::client::Connector;
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::random;
use crate::proto::http::client::tunnel::Proxy;
use crate::proto::http::client::{Excerpt, Opening, ResponseHead};
use crate::proto::http::limits::Limits;
use crate::proto::ws::codec::{Codec, Role};
use crate::proto::ws::deflate;
use crate::proto::ws::handshake::KEY;
use crate::proto::ws::handshake::client::{Asked, Mismatch, Wishes, ask};
use crate::proto::ws::handshake::url::{Place, Url, UrlError};
use crate::server::http::client as http_client;

/// How long it may take until a socket is open, unless [`Connect::deadline`] says otherwise: names, proxy, TLS and handshake. Python's
/// websockets has 10 s, browsers have minutes.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Bytes of a refusal's body that are kept, and how long they are waited for.
pub const EXCERPT: usize = 4 * 1024;
const EXCERPT_TIME: Duration = Duration::from_secs(2);

/// The only protocol within TLS that a WebSocket begins with (RFC 8441 is another handshake).
const ALPN: &[&[u8]] = &[b"http/1.1"];

/// Opens a socket.
///
/// # Errors
/// Why there is none.
pub async fn connect(url: &str) -> Result<Socket, OpenError> {
    Ok(Connect::to(url)?.connect().await?.0)
}

/// How to open sockets at one URL. Clones are cheap, and share a clock: make one in each runtime.
///
/// ```no_run
/// use http::{HeaderValue, header::COOKIE};
/// use wireworks::proto::ws::deflate;
/// use wireworks::server::ws::client::Connect;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let (socket, response) = Connect::to("wss://example.org/chat")?
///     .subprotocol("v1.chat")
///     .header(COOKIE, HeaderValue::from_static("session=1"))
///     .deflate(deflate::Terms::default())
///     .proxy("http://proxy.example:3128".parse()?)
///     .connect()
///     .await?;
/// println!("{:?} by {:?}", socket.subprotocol(), response.field_str("server"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Connect {
    url: Url,
    wishes: Wishes,
    proxy: Option<Proxy>,
    connector: Connector,
    settings: Arc<Settings>,
    deadline: Duration,
    clock: Clock,
    drain: Drain,
}

impl Connect {
    /// To `ws://`, `wss://` or `ws+unix:`, as [`Url`] says.
    ///
    /// # Errors
    /// The text is no such URL.
    pub fn to(url: &str) -> Result<Self, UrlError> {
        Ok(Self {
            url: url.parse()?,
            wishes: Wishes::default(),
            proxy: None,
            connector: Connector::new(),
            settings: Arc::default(),
            deadline: DEADLINE,
            clock: Clock::new(),
            drain: Drain::new(),
        })
    }

    /// Adds a field to the request, beside those of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.wishes.fields.append(name, value);
        self
    }

    /// Asks for a subprotocol; what is asked for first is preferred. A server may take none: see [`Socket::subprotocol`].
    #[must_use]
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.wishes.subprotocols.push(name.into());
        self
    }

    /// Says for which page we act. Servers need not be told, but some only let pages of their own in.
    #[must_use]
    pub fn origin(mut self, origin: HeaderValue) -> Self {
        self.wishes.origin = Some(origin);
        self
    }

    /// Offers to compress messages (`permessage-deflate`).
    #[must_use]
    pub fn deflate(mut self, terms: deflate::Terms) -> Self {
        self.wishes.deflate = Some(terms);
        self
    }

    /// Connects through a proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Sets what connects: names, TLS, and the deadline of each.
    #[must_use]
    pub fn connector(mut self, connector: Connector) -> Self {
        self.connector = connector;
        self
    }

    /// Sets what the sockets put up with.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Arc::new(settings);
        self
    }

    /// Sets how long it may take until the socket is open, in place of [`DEADLINE`]. A refusal's body is waited for up to two seconds more.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Ties the sockets to a shutdown: when it begins they are closed with 1001.
    #[must_use]
    pub fn drain(mut self, drain: Drain) -> Self {
        drain.attach(&self.clock);
        self.drain = drain;
        self
    }

    /// Where it connects to. `Display` shows no password.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Opens a socket, and gives the server's answer with it. Messages that came with the answer are heard first.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(&self) -> Result<(Socket, ResponseHead), OpenError> {
        let (conn, asked, response) = timeout(self.deadline, Box::pin(self.open()))
            .await
            .map_err(|_| OpenError::Deadline { url: self.url.to_string(), after: self.deadline })??;
        let agreement = match asked.judge(&response) {
            Ok(agreement) => agreement,
            Err(Mismatch::Status(_)) => return Err(self.refused(conn, &response).await),
            Err(mismatch) => return Err(OpenError::Mismatch { url: self.url.to_string(), mismatch }),
        };
        let mut codec = Codec::client(self.settings.limits, random::bytes()?);
        if let Some(agreed) = agreement.deflate {
            codec = codec.deflate(agreed);
        }
        let subprotocol =
            agreement.subprotocol.and_then(|name| HeaderValue::try_from(name).ok()).map(Box::new);
        let about = About { peer: None, subprotocol, _place: None, _context: None };
        let (settings, drain) = (Arc::clone(&self.settings), self.drain.clone());
        Ok((Socket::new(conn.switch(codec), Role::Client, settings, drain, about), response))
    }

    /// Opens a socket, and gives the stream with what came behind the answer, for those who read frames themselves. Compression must not have
    /// been offered.
    pub(in crate::server) async fn raw(&self) -> Result<(Io, BytesMut), OpenError> {
        let (conn, asked, response) = timeout(self.deadline, Box::pin(self.open()))
            .await
            .map_err(|_| OpenError::Deadline { url: self.url.to_string(), after: self.deadline })??;
        match asked.judge(&response) {
            Ok(_) => Ok(conn.into_raw()),
            Err(Mismatch::Status(_)) => Err(self.refused(conn, &response).await),
            Err(mismatch) => Err(OpenError::Mismatch { url: self.url.to_string(), mismatch }),
        }
    }

    /// The connection, with a request that was answered.
    async fn open(&self) -> Result<(Conn<Io, Opening>, Asked, ResponseHead), OpenError> {
        let key: [u8; KEY] = random::bytes()?;
        let (request, asked) = ask(&self.url, &self.wishes, key)?;
        let io = self.reach().await?;
        let mut conn = Conn::new(io, Opening::new(Limits::default()), self.clock.timer());
        match http_client::ask(&mut conn, request).await {
            Ok(response) => Ok((conn, asked, response)),
            Err(error) => Err(OpenError::Ask { url: self.url.to_string(), error }),
        }
    }

    async fn reach(&self) -> Result<Io, OpenError> {
        let (host, port, secure) = match (&self.url.place, &self.proxy) {
            (Place::Tcp { host, port, secure }, _) => (host, *port, *secure),
            (Place::Unix(path), None) => return Ok(self.connector.unix(path).await?),
            (Place::Unix(_), Some(_)) => return Err(OpenError::UnixByProxy),
        };
        let tls = secure.then_some(ALPN);
        let Some(proxy) = &self.proxy else {
            return Ok(self.connector.connect(host, port, tls).await?);
        };
        let tcp = http_client::tunnel(&self.connector, proxy, host, port).await?;
        match tls {
            None => Ok(Io::Tcp(tcp)),
            Some(alpn) => Ok(self.connector.tls(tcp, host, alpn).await?),
        }
    }

    /// What a server says that says no, with the beginning of the body in which it says why.
    async fn refused(&self, conn: Conn<Io, Opening>, response: &ResponseHead) -> OpenError {
        let body = match response.body(&Method::GET) {
            Ok(body) => {
                let mut conn = conn.switch(Excerpt::new(body, EXCERPT));
                conn.set_deadline(Instant::now() + EXCERPT_TIME);
                match conn.recv().await {
                    Ok(excerpt) => excerpt.unwrap_or_default(),
                    Err(_) => conn.codec_mut().take(),
                }
            }
            Err(_) => Bytes::new(),
        };
        let refused = Refused { url: self.url.to_string(), response: response.clone(), body };
        OpenError::Refused(Box::new(refused))
    }
}

#[cfg(test)]
mod tests;
