//! One type for every transport, so that a server is compiled once, not once a transport.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use super::addr::PeerAddr;
use super::queued::queued;
use super::tls::TlsSession;

/// A byte stream that a connection runs over.
pub trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Bytes that were sent, and wait in the system until the peer takes them; `None` when that is not known.
    fn queued(&self) -> Option<u64> {
        None
    }
}

impl Transport for DuplexStream {}

impl Transport for TcpStream {
    fn queued(&self) -> Option<u64> {
        queued(self)
    }
}

impl Transport for Io {
    fn queued(&self) -> Option<u64> {
        match self {
            Self::Tcp(stream) => queued(stream),
            Self::Tls(stream) => queued(stream.get_ref().0),
            Self::Unix(stream) => queued(stream),
            Self::Memory(_) | Self::Other(_) => None,
        }
    }
}

/// A byte stream to a peer.
#[derive(Debug)]
pub enum Io {
    /// TCP.
    Tcp(TcpStream),
    /// TLS over TCP, as the server or as the client. Boxed: it is twenty times the size of the others.
    Tls(Box<TlsStream<TcpStream>>),
    /// A Unix socket.
    Unix(UnixStream),
    /// Within the process, for tests.
    Memory(DuplexStream),
    /// Any other: see [`Io::other`].
    Other(Other),
}

/// A byte stream of a kind that this crate does not know. It costs a call through a table each time.
pub struct Other {
    stream: Pin<Box<dyn Stream>>,
    /// Boxed, as few streams have it, and every connection has room for it.
    known: Option<Box<Known>>,
}

/// What is known of the other end of a stream.
struct Known {
    tls: TlsSession,
    peer: Option<PeerAddr>,
}

/// What any byte stream has to be.
trait Stream: AsyncRead + AsyncWrite + Send + Sync {}

impl<S: AsyncRead + AsyncWrite + Send + Sync> Stream for S {}

impl fmt::Debug for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Other").field("tls", &self.known.is_some()).finish_non_exhaustive()
    }
}

impl From<TcpStream> for Io {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Io {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl From<DuplexStream> for Io {
    fn from(stream: DuplexStream) -> Self {
        Self::Memory(stream)
    }
}

impl Io {
    /// Any byte stream: one of a simulated network, of a proxy, of a transport of its user's. A socket of tokio's is better turned into
    /// an `Io` by `into()`, which costs nothing.
    pub fn other(stream: impl AsyncRead + AsyncWrite + Send + Sync + 'static) -> Self {
        Self::Other(Other { stream: Box::pin(stream), known: None })
    }

    /// The client's side of TLS over anything.
    pub(super) fn client_tls(stream: tokio_rustls::client::TlsStream<Self>) -> Self {
        let peer = stream.get_ref().0.peer_addr();
        let stream = TlsStream::Client(stream);
        let known = Some(Box::new(Known { tls: TlsSession::of(&stream), peer }));
        Self::Other(Other { stream: Box::pin(stream), known })
    }

    /// The bare TCP socket, when bytes written to it reach the peer as they are: where `sendfile` is allowed.
    #[must_use]
    pub fn as_tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            _ => None,
        }
    }

    /// What the TLS handshake has told of the peer, if there was one.
    #[must_use]
    pub fn tls_session(&self) -> Option<TlsSession> {
        match self {
            Self::Tls(stream) => Some(TlsSession::of(stream)),
            Self::Other(other) => other.known.as_ref().map(|known| known.tls.clone()),
            Self::Tcp(_) | Self::Unix(_) | Self::Memory(_) => None,
        }
    }

    /// The address of the socket's other end; `None` if the stream is no socket, or the peer has gone.
    #[must_use]
    pub fn peer_addr(&self) -> Option<PeerAddr> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().ok().map(PeerAddr::from),
            Self::Tls(stream) => stream.get_ref().0.peer_addr().ok().map(PeerAddr::from),
            Self::Unix(_) => Some(PeerAddr::Unix),
            Self::Memory(_) => None,
            Self::Other(other) => other.known.as_ref().and_then(|known| known.peer),
        }
    }

    /// Whether the bytes are encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::Other(Other { known: Some(_), .. }))
    }
}

/// Calls a method of whichever stream it is.
macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Io::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Io::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
            Io::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Io::Memory(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Io::Other(other) => {
                let $stream = other.stream.as_mut();
                $call
            }
        }
    };
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Memory(stream) => stream.is_write_vectored(),
            Self::Other(other) => other.stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, join};

    use super::*;

    #[tokio::test]
    async fn any_stream_is_as_good_as_a_socket() {
        let (near, mut far) = tokio::io::duplex(64);
        let (read, write) = tokio::io::split(near);
        let mut io = Io::other(join(read, write));
        assert!(!io.is_tls() && io.as_tcp().is_none() && io.queued().is_none());
        io.write_all(b"there").await.unwrap();
        far.write_all(b"back").await.unwrap();
        let (mut there, mut back) = ([0; 5], [0; 4]);
        far.read_exact(&mut there).await.unwrap();
        io.read_exact(&mut back).await.unwrap();
        io.shutdown().await.unwrap();
        assert_eq!((&there, &back, far.read(&mut [0]).await.unwrap()), (b"there", b"back", 0));
    }

    #[test]
    fn a_stream_of_any_kind_makes_no_other_larger() {
        assert!(size_of::<Io>() <= size_of::<TcpStream>() + size_of::<usize>());
    }
}
