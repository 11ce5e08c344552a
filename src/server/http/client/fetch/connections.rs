//! The connections of a fetcher: a pool of them by server, scheme and port included.

use std::time::Duration;

use http::{HeaderValue, Uri};

use super::FetchError;
use crate::net::client::pool::{Manager, Pooled};
use crate::net::client::{Alpn, ConnectError, Connector};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::proto::http::client::{Authority, ClientCodec};
use crate::proto::http::limits::Limits;
use crate::server::http::client::exchange::ClientConn;

/// Nothing but HTTP/1.1 is spoken.
const HTTP_ALPN: Alpn<'static> = &[b"http/1.1"];

/// A connection that goes back to its pool when its exchange is complete.
pub(super) type Kept = Pooled<Opener>;

/// Where connections lead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    tls: bool,
    /// An IPv6 address in brackets.
    host: String,
    port: u16,
}

impl Server {
    /// The server of an address, what it is called in requests (`Host`), and what is shown to it of the address (`Authorization`).
    pub(super) fn of(uri: &Uri) -> Result<(Self, String, Option<HeaderValue>), FetchError> {
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(FetchError::Scheme),
        };
        let authority = uri.authority().ok_or(FetchError::Scheme)?;
        let Authority { credentials, host, port } = authority.as_str().parse()?;
        let credentials = credentials.map(|credentials| credentials.field_value()).transpose()?;
        let name = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        Ok((Self { tls, host, port }, name, credentials))
    }
}

/// Opens connections.
#[derive(Debug)]
pub(super) struct Opener {
    connector: Connector,
    clock: Clock,
}

impl Opener {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, clock: Clock::new() }
    }
}

impl Manager for Opener {
    type Key = Server;
    type Connection = ClientConn;
    type Error = ConnectError;

    async fn open(&self, server: &Server) -> Result<ClientConn, ConnectError> {
        let Server { tls, host, port } = server;
        let io = self.connector.connect(host, *port, tls.then_some(HTTP_ALPN)).await?;
        // How much is too much is known to whoever takes it.
        let limits = Limits { body: u64::MAX, ..Limits::default() };
        Ok(Conn::new(io, ClientCodec::new(limits), self.clock.timer()))
    }

    fn is_fresh(&self, connection: &mut ClientConn, _: Duration) -> bool {
        connection.is_quiet()
    }
}
