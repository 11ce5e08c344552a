//! A connection that goes on in another thread: its socket is registered with that thread's runtime.

use std::io;

use tokio::net::{TcpStream, UnixStream};

use super::Conn;
use crate::net::clock::Timer;
use crate::net::io::Io;

impl<C> Conn<Io, C> {
    /// Registers the connection's socket with the current runtime, and keeps its deadlines by `timer` from now on; `None` if it has no socket of its
    /// own, as with TLS. To be called while nothing is under way: no deadline is taken along.
    ///
    /// # Errors
    /// The system refused the registration.
    pub fn moved_here(self, timer: Timer) -> Option<io::Result<Self>> {
        let io = match self.io {
            Io::Tcp(stream) => stream.into_std().and_then(TcpStream::from_std).map(Io::Tcp),
            Io::Unix(stream) => stream.into_std().and_then(UnixStream::from_std).map(Io::Unix),
            _ => return None,
        };
        Some(io.map(|io| Self { io, timer, ..self }))
    }
}
