//! A connection through a proxy: connect to it, ask for the far end, and keep the socket.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{AskError, ask};
use crate::net::client::{ConnectError, Connector};
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::proto::http::client::Opening;
use crate::proto::http::client::tunnel::{self, Proxy, Refusal};
use crate::proto::http::limits::Limits;

/// How long a proxy may take to answer. It connects to the far end meanwhile. nginx gives an upstream 60 s to be connected to,
/// Squid 1 minute, HAProxy what its user says.
pub const ANSWER: Duration = Duration::from_secs(30);

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    /// The proxy is not there.
    #[error("the proxy is not there: {0}")]
    Connect(#[from] ConnectError),
    /// No tunnel can be asked for to that place.
    #[error(transparent)]
    Request(#[from] tunnel::TunnelError),
    /// The proxy gives no answer, or none that is HTTP.
    #[error("the proxy {place} gives no answer: {error}")]
    Ask {
        /// The proxy's host and port.
        place: String,
        /// Why.
        error: AskError,
    },
    /// The proxy says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Bytes came through the tunnel before anybody spoke into it: they cannot be the far end's.
    #[error("the proxy {place} sent bytes before the tunnel was used")]
    Early {
        /// The proxy's host and port.
        place: String,
    },
}

impl TunnelError {
    /// Whether the same attempt may succeed later, with nothing changed here.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_retryable(),
            Self::Ask { error, .. } => error.is_retryable(),
            Self::Refused(refusal) => refusal.is_retryable(),
            Self::Request(_) | Self::Early { .. } => false,
        }
    }
}

/// Connects to `host` (an IPv6 address in brackets) and `port` through `proxy`. The far end is looked up by the proxy, and has to be
/// one that waits to be spoken to, as servers of HTTP and TLS do.
///
/// # Errors
/// There is no tunnel.
pub async fn tunnel(
    connector: &Connector,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<TcpStream, TunnelError> {
    let request = proxy.request(host, port)?;
    let tcp = connector.tcp(proxy.host(), proxy.port()).await?;
    let place = || format!("{}:{}", proxy.host(), proxy.port());
    let mut conn = Conn::new(tcp, Opening::new(Limits::default()), Clock::new().timer());
    conn.set_deadline(Instant::now() + ANSWER);
    let response =
        ask(&mut conn, request).await.map_err(|error| TunnelError::Ask { place: place(), error })?;
    Proxy::verdict(&response)?;
    match conn.into_raw() {
        (tcp, early) if early.is_empty() => Ok(tcp),
        _ => Err(TunnelError::Early { place: place() }),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A proxy that answers `answer` to whatever head it gets, and then echoes a byte. It gives what it was asked.
    async fn stand_in(listener: TcpListener, answer: &str) -> String {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(tcp.read_u8().await.unwrap());
        }
        tcp.write_all(answer.as_bytes()).await.unwrap();
        if !answer.ends_with("\r\n\r\n") {
            tcp.shutdown().await.unwrap();
        }
        // Whoever got no tunnel hangs up.
        if let Ok(byte) = tcp.read_u8().await {
            tcp.write_u8(byte).await.unwrap();
        }
        String::from_utf8(asked).unwrap()
    }

    async fn through(answer: &str, userinfo: &str) -> (String, Result<TcpStream, TunnelError>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let proxy: Proxy = format!("http://{userinfo}{addr}").parse().unwrap();
        let (asked, mut result) = tokio::join!(stand_in(listener, answer), async {
            let mut result = tunnel(&Connector::new(), &proxy, "far.test", 443).await;
            if let Ok(tcp) = &mut result {
                tcp.write_u8(b'?').await.unwrap();
            }
            result
        });
        if let Ok(tcp) = &mut result {
            assert_eq!(tcp.read_u8().await.unwrap(), b'?');
        }
        (asked, result, addr)
    }

    #[tokio::test]
    async fn any_2xx_is_a_tunnel() {
        for answer in [
            "HTTP/1.1 200 Connection established\r\n\r\n",
            "HTTP/1.1 299 X\r\nContent-Length: 99\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 X\r\n\r\n",
        ] {
            let (asked, result, _) = through(answer, "u:p@").await;
            result.unwrap();
            assert_eq!(
                asked,
                "CONNECT far.test:443 HTTP/1.1\r\nhost: far.test:443\r\nproxy-authorization: Basic dTpw\r\n\r\n"
            );
        }
    }

    #[tokio::test]
    async fn without_a_tunnel_it_is_said_why() {
        let rows = [
            ("HTTP/1.1 403 No\r\n\r\n", "the proxy refuses the tunnel: 403 Forbidden", false),
            ("HTTP/1.1 503 No\r\n\r\n", "the proxy refuses the tunnel: 503 Service Unavailable", true),
            (
                "SSH-2.0-OpenSSH\r\n",
                "the proxy PLACE gives no answer: the server does not speak HTTP/1.1",
                false,
            ),
            (
                "HTTP/1.1 200",
                "the proxy PLACE gives no answer: the connection was closed before there was an answer",
                true,
            ),
            (
                "",
                "the proxy PLACE gives no answer: the connection was closed before there was an answer",
                true,
            ),
            ("HTTP/1.1 200 OK\r\n\r\nhello", "the proxy PLACE sent bytes before the tunnel was used", false),
        ];
        for (answer, text, retryable) in rows {
            let (_, result, addr) = through(answer, "").await;
            let error = result.unwrap_err();
            assert_eq!(error.to_string(), text.replace("PLACE", &addr.to_string()));
            assert_eq!(error.is_retryable(), retryable, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_proxy_that_is_silent_or_away_is_given_up() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = silent.local_addr().unwrap();
        let proxy: Proxy = format!("http://{addr}").parse().unwrap();
        let start = Instant::now();
        let error = tunnel(&Connector::new(), &proxy, "far.test", 443).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the proxy {addr} gives no answer: there was no answer in time")
        );
        assert!(error.is_retryable() && start.elapsed() >= ANSWER);
        drop(silent);
        let error = tunnel(&Connector::new(), &proxy, "far.test", 443).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the proxy is not there: cannot connect to {addr}: connection refused")
        );
        assert!(error.is_retryable());
    }
}
