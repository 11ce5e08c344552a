//! How a backend is reached: TCP or a Unix socket, a PROXY header if it wants one, and TLS behind that.

use std::future::ready;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;

use crate::net::client::{Alpn, ConnectError, Connector, Target};
use crate::net::io::Io;

/// How backends are reached.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    /// Looks names up, and connects within a deadline.
    pub connector: Connector,
    /// TLS to the backend, and the name by which it is known then; `None` for none.
    pub tls: Option<Arc<str>>,
}

/// What is special about one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way<'a> {
    /// Another port than that of the target. A Unix socket has none.
    pub port: Option<u16>,
    /// What is sent before anything else, and before the TLS handshake: a PROXY header.
    pub header: &'a [u8],
    /// The protocols that are offered within TLS.
    pub alpn: Alpn<'a>,
}

impl Dial {
    /// Whether connections that were made by the other are as good as those by this one. With TLS they never are: its files may have been
    /// read again.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.tls.is_none() && other.tls.is_none()
    }

    /// Connects to a target.
    ///
    /// # Errors
    /// Which step failed, where, and why.
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
