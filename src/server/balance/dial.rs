//! How to connect to a backend: TCP or a Unix socket, a PROXY header if configured, and then TLS.

use std::future::ready;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use crate::net::client::{Alpn, ConnectError, Connector, Target};
use crate::net::io::Io;

/// How to connect to backends.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    /// Resolves names and connects within a deadline.
    pub connector: Connector,
    /// TLS to the backend, with the name that its certificate must have; `None` for none.
    pub tls: Option<Arc<str>>,
}

/// What is special about one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way<'a> {
    /// Another port than that of the target. A Unix socket has none.
    pub port: Option<u16>,
    /// Bytes to send before anything else, and before the TLS handshake: a PROXY header.
    pub header: &'a [u8],
    /// The ALPN protocols to offer.
    pub alpn: Alpn<'a>,
}

impl Dial {
    /// Whether connections made by the other can be used in place of those of this one. With TLS they never can: its files may have been
    /// read again.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.tls.is_none() && other.tls.is_none()
    }

    /// Connects to a target.
    ///
    /// # Errors
    /// Which step failed, on which address, and why.
    pub async fn connect(&self, target: &Target, way: &Way<'_>) -> Result<Io, ConnectError> {
        let connector = &self.connector;
        let mut io = match target {
            Target::Tcp { host, port } => Io::Tcp(connector.tcp(host, way.port.unwrap_or(*port)).await?),
            Target::Unix(path) => connector.unix(path).await?,
        };
        if !way.header.is_empty() {
            // A few bytes into an empty buffer of the system: that does not wait.
            let written = io.write_all(way.header).await;
            written.map_err(|error| ConnectError::Dial { place: target.to_string(), error })?;
        }
        match (&self.tls, io) {
            (None, io) => Ok(io),
            (Some(name), Io::Tcp(tcp)) => connector.tls(tcp, name, way.alpn).await,
            (Some(name), io) => {
                connector.by(&target.to_string(), ready(Ok(io)), Some((name, way.alpn))).await
            }
        }
    }
}
