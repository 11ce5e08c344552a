//! Connections to others: from a name to a byte stream, with TLS or without.
//!
//! A [`Connector`] takes the steps that every client takes: look the name up, try its addresses after RFC 8305 ("Happy
//! Eyeballs"), shake hands. Each step can be taken alone, as a proxy needs it, which stands between connection and
//! handshake. Everything has a deadline, and every error names what was tried and where.
//!
//! How long to wait before the next attempt is said next door, by [`backoff`](super::resilience::backoff).

mod error;
mod eyeballs;
pub mod pool;
mod resolve;
mod target;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

pub(crate) use self::error::in_words;
pub use self::error::{ConnectError, Step};
pub use self::resolve::Resolver;
pub use self::target::{BadTarget, Target};
use super::io::Io;
use super::tls::{ClientTls, ClientTlsConfig, TlsError};

/// How long a connection may take until it stands, TLS and all, unless [`Connector::deadline`] says otherwise. Go's default
/// transport gives 30 s to the connection and 10 s to TLS, curl 300 s in all.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Protocols to be agreed on within TLS (ALPN, RFC 7301), the most wanted first.
pub type Alpn<'a> = &'a [&'a [u8]];

/// Makes connections. Clones are cheap, and share what was read from files and the TLS sessions.
#[derive(Clone, Debug)]
pub struct Connector {
    resolver: Resolver,
    screen: Option<Screen>,
    from: Option<IpAddr>,
    deadline: Duration,
    /// Made when it is needed first, if nobody gave one.
    tls: Arc<OnceCell<ClientTls>>,
}

/// Which addresses may be connected to.
#[derive(Clone)]
struct Screen(Arc<Screening>);

type Screening = dyn Fn(&str, SocketAddr) -> io::Result<()> + Send + Sync;

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Screen")
    }
}

impl Default for Connector {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector {
    /// A connector that looks names up as the system does and trusts whom the system trusts. No file is read until the
    /// first TLS handshake.
    #[must_use]
    pub fn new() -> Self {
        Self {
            resolver: Resolver::system(),
            screen: None,
            from: None,
            deadline: DEADLINE,
            tls: Arc::default(),
        }
    }

    /// Sets how long each step may take, and [`connect`](Connector::connect) for all of its steps, in place of
    /// [`DEADLINE`].
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets what names are looked up with.
    #[must_use]
    pub fn resolver(self, resolver: Resolver) -> Self {
        Self { resolver, ..self }
    }

    /// Connects to those addresses of a host only that `screen` lets pass, whether they were looked up or are named. Where others say what is to be connected to, this keeps
    /// them from reaching what only we can reach.
    #[must_use]
    pub fn screened<F>(self, screen: F) -> Self
    where
        F: Fn(&str, SocketAddr) -> io::Result<()> + Send + Sync + 'static,
    {
        Self { screen: Some(Screen(Arc::new(screen))), ..self }
    }

    /// Connects from this address of ours to addresses of its family.
    #[must_use]
    pub fn from_address(self, from: Option<IpAddr>) -> Self {
        Self { from, ..self }
    }

    /// Sets what TLS handshakes are made with.
    #[must_use]
    pub fn trusting(self, tls: ClientTls) -> Self {
        Self { tls: Arc::new(OnceCell::new_with(Some(tls))), ..self }
    }

    /// Connects to `host`, a name or an IP address (IPv6 with brackets or without), and makes the TLS handshake when there
    /// are protocols to agree on, or an empty list of them.
    ///
    /// # Errors
    /// Which step failed, where, and why.
    pub async fn connect(&self, host: &str, port: u16, tls: Option<Alpn<'_>>) -> Result<Io, ConnectError> {
        let until = Until::after(self.deadline);
        let tcp = self.tcp_until(host, port, until).await?;
        match tls {
            None => Ok(Io::Tcp(tcp)),
            Some(alpn) => self.tls_until(tcp, host, alpn, until).await,
        }
    }

    /// Looks `host` up: its addresses, in the order in which they are to be tried; at least one.
    ///
    /// # Errors
    /// As for [`connect`](Connector::connect).
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        self.resolve_until(host, port, Until::after(self.deadline)).await
    }

    /// Connects to `host` by TCP, with `TCP_NODELAY` set.
    ///
    /// # Errors
    /// As for [`connect`](Connector::connect).
    pub async fn tcp(&self, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        self.tcp_until(host, port, Until::after(self.deadline)).await
    }

    /// Makes the TLS handshake with `host` over a connection that stands, for example one through a proxy.
    ///
    /// # Errors
    /// As for [`connect`](Connector::connect).
    pub async fn tls(&self, tcp: TcpStream, host: &str, alpn: Alpn<'_>) -> Result<Io, ConnectError> {
        self.tls_until(tcp, host, alpn, Until::after(self.deadline)).await
    }

    /// Makes a connection to `place` by `dial`, a function of the caller's, within the deadline of a step; and the TLS handshake with a
    /// host over it when there is one, with the protocols to agree on.
    ///
    /// # Errors
    /// As for [`connect`](Connector::connect).
    pub async fn by<F, S>(
        &self,
        place: &str,
        dial: F,
        tls: Option<(&str, Alpn<'_>)>,
    ) -> Result<Io, ConnectError>
    where
        F: Future<Output = io::Result<S>>,
        S: Into<Io>,
    {
        let until = Until::after(self.deadline);
        let io = match timeout_at(until.at, dial).await {
            Err(_) => return Err(until.passed(Step::Connect, place.into())),
            Ok(Err(error)) => return Err(ConnectError::Dial { place: place.into(), error }),
            Ok(Ok(stream)) => stream.into(),
        };
        match (tls, io) {
            (None, io) => Ok(io),
            (Some((host, alpn)), Io::Tcp(tcp)) => self.tls_until(tcp, host, alpn, until).await,
            (Some((host, alpn)), io) => Ok(Io::client_tls(self.handshake(io, host, alpn, until).await?)),
        }
    }

    /// Connects to a Unix socket.
    ///
    /// # Errors
    /// As for [`connect`](Connector::connect).
    pub async fn unix(&self, path: &Path) -> Result<Io, ConnectError> {
        let until = Until::after(self.deadline);
        let place = || format!("unix:{}", path.display());
        match timeout_at(until.at, UnixStream::connect(path)).await {
            Err(_) => Err(until.passed(Step::Connect, place())),
            Ok(Err(error)) => Err(ConnectError::Unix { path: path.into(), error }),
            Ok(Ok(stream)) => Ok(Io::Unix(stream)),
        }
    }

    async fn resolve_until(
        &self,
        host: &str,
        port: u16,
        until: Until,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let resolving = timeout_at(until.at, self.resolver.resolve(host, port)).await;
        let addresses = resolving.map_err(|_| until.passed(Step::Resolve, host.into()))??;
        let Some(Screen(screen)) = &self.screen else { return Ok(addresses) };
        let (mut passed, mut refused) = (Vec::new(), None);
        for address in addresses {
            match screen(host, address) {
                Ok(()) => passed.push(address),
                Err(error) => refused = Some(error),
            }
        }
        match refused.filter(|_| passed.is_empty()) {
            Some(error) => Err(ConnectError::Dial { place: host.into(), error }),
            None => Ok(passed),
        }
    }

    async fn tcp_until(&self, host: &str, port: u16, until: Until) -> Result<TcpStream, ConnectError> {
        let addresses = self.resolve_until(host, port, until).await?;
        let from = self.from;
        let racing = eyeballs::race(&addresses, eyeballs::DELAY, async move |address| {
            let tcp = match from.filter(|from| from.is_ipv4() == address.is_ipv4()) {
                None => TcpStream::connect(address).await?,
                Some(from) => {
                    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
                    socket.bind(SocketAddr::new(from, 0))?;
                    socket.connect(address).await?
                }
            };
            tcp.set_nodelay(true)?;
            Ok(tcp)
        });
        let place = || format!("{host}:{port}");
        match timeout_at(until.at, racing).await {
            Err(_) => Err(until.passed(Step::Connect, place())),
            Ok(Err(refusals)) => Err(ConnectError::Refused { place: place(), refusals }),
            Ok(Ok(tcp)) => Ok(tcp),
        }
    }

    async fn tls_until(
        &self,
        tcp: TcpStream,
        host: &str,
        alpn: Alpn<'_>,
        until: Until,
    ) -> Result<Io, ConnectError> {
        Ok(Io::Tls(Box::new(self.handshake(tcp, host, alpn, until).await?.into())))
    }

    async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
        alpn: Alpn<'_>,
        until: Until,
    ) -> Result<TlsStream<S>, ConnectError> {
        let bare = resolve::without_brackets(host);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| ConnectError::Host(host.into()))?;
        let tls = self.tls.get_or_try_init(system_tls).await?;
        let alpn = alpn.iter().map(|&protocol| protocol.into()).collect();
        let connector = tls.connector();
        let handshake = connector.with_alpn(alpn).connect(name, stream);
        match timeout_at(until.at, handshake).await {
            Err(_) => Err(until.passed(Step::Handshake, host.into())),
            Ok(Err(error)) => Err(ConnectError::handshake(host, error)),
            Ok(Ok(stream)) => Ok(stream),
        }
    }
}

/// The TLS of who says nothing about it. It reads files, so not on a thread that drives connections.
async fn system_tls() -> Result<ClientTls, ConnectError> {
    let reading = tokio::task::spawn_blocking(|| ClientTls::new(&ClientTlsConfig::default()));
    match reading.await {
        Ok(tls) => Ok(tls?),
        Err(_) => Err(TlsError::NoAuthorities { reason: Some("interrupted".into()) }.into()),
    }
}

/// A deadline that knows how it came about.
#[derive(Clone, Copy, Debug)]
struct Until {
    at: Instant,
    after: Duration,
}

impl Until {
    fn after(after: Duration) -> Self {
        // A duration that no clock can add up is no deadline; some years are none either.
        let far = || Instant::now() + Duration::from_secs(86_400 * 365);
        Self { at: Instant::now().checked_add(after).unwrap_or_else(far), after }
    }

    fn passed(self, step: Step, place: String) -> ConnectError {
        ConnectError::Deadline { step, place, after: self.after }
    }
}

#[cfg(test)]
mod tests;
