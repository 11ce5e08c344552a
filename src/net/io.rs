//! One type for every transport, so that a server is compiled once, not once a transport.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

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
            Self::Memory(_) => None,
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
}

impl Io {
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
            _ => None,
        }
    }

    /// Whether the bytes are encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
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
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(cx))
    }
}
