//! Bytes from socket to socket without passing through this process, through a pipe of the kernel: splice(2).
//!
//! It needs two calls more for each piece than a read and a write, and saves two copies: it pays from some ten KiB on.
//!
//! A pipe costs two descriptors, and of each user's pipes the kernel lets only so many be large (`fs.pipe-user-pages-soft`). So there is a
//! small stock of them a thread, and only a flow that has much to move takes one, for as long as there are bytes in it.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use super::io::Io;

/// Bytes that a pipe should hold. With the 64 KiB that it has by default a gigabyte costs a tenth more.
const CAPACITY: usize = 256 * 1024;

/// Empty pipes that a thread keeps.
const STOCK: usize = 16;

thread_local! {
    static PIPES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, and how many bytes are in it.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    filled: usize,
}

impl Pipe {
    /// An empty pipe.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn take() -> io::Result<Self> {
        if let Some(pipe) = PIPES.with_borrow_mut(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one does, if the user has too many large ones.
        let _ = fcntl_setpipe_size(&write, CAPACITY);
        Ok(Self { read, write, filled: 0 })
    }

    /// Gives it back; one with bytes in it is closed instead.
    pub fn give(self) {
        if self.filled == 0 {
            PIPES.with_borrow_mut(|pipes| {
                if pipes.len() < STOCK {
                    pipes.push(self);
                }
            });
        }
    }

    /// Bytes in it.
    #[must_use]
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// Moves what `source` has into it, at most `most` bytes; only when it is empty: else a lack of room could not be told from a lack of bytes.
    /// How many came; 0 when nothing follows.
    fn fill(&mut self, source: impl AsFd, most: usize) -> io::Result<usize> {
        debug_assert_eq!(self.filled, 0, "a full pipe looks like an empty socket");
        self.filled = splice(source, None, &self.write, None, most.min(CAPACITY), FLAGS)?;
        Ok(self.filled)
    }

    /// Moves what is in it to `sink`. How many bytes left.
    fn drain(&mut self, sink: impl AsFd) -> io::Result<usize> {
        let moved = splice(&self.read, None, sink, None, self.filled, FLAGS)?;
        self.filled -= moved.min(self.filled);
        Ok(moved)
    }
}

/// A plain socket: bytes that are written to it reach the peer as they are.
#[derive(Clone, Copy, Debug)]
pub enum Socket<'a> {
    /// Over TCP.
    Tcp(&'a TcpStream),
    /// A Unix socket.
    Unix(&'a UnixStream),
}

impl<'a> Socket<'a> {
    /// The socket of a stream, if it is a plain one.
    #[must_use]
    pub fn of(io: &'a Io) -> Option<Self> {
        match io {
            Io::Tcp(stream) => Some(Self::Tcp(stream)),
            Io::Unix(stream) => Some(Self::Unix(stream)),
            _ => None,
        }
    }

    /// Moves bytes that have come into an empty pipe, at most `most`. How many; 0 when nothing follows.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_fill(self, cx: &mut Context<'_>, pipe: &mut Pipe, most: usize) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Interest::READABLE, || match self {
            Self::Tcp(stream) => pipe.fill(stream, most),
            Self::Unix(stream) => pipe.fill(stream, most),
        })
    }

    /// Moves bytes out of a pipe to the peer. How many.
    ///
    /// # Errors
    /// The socket's.
    pub fn poll_drain(self, cx: &mut Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        self.poll_io(cx, Interest::WRITABLE, || match self {
            Self::Tcp(stream) => pipe.drain(stream),
            Self::Unix(stream) => pipe.drain(stream),
        })
    }

    fn poll_ready(self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        match (self, interest.is_readable()) {
            (Self::Tcp(stream), true) => stream.poll_read_ready(cx),
            (Self::Tcp(stream), false) => stream.poll_write_ready(cx),
            (Self::Unix(stream), true) => stream.poll_read_ready(cx),
            (Self::Unix(stream), false) => stream.poll_write_ready(cx),
        }
    }

    /// Does `call` when the socket is ready, until it says something else than that it would block.
    fn poll_io(
        self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut call: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_ready(cx, interest))?;
            let outcome = match self {
                Self::Tcp(stream) => stream.try_io(interest, &mut call),
                Self::Unix(stream) => stream.try_io(interest, &mut call),
            };
            match outcome {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn bytes_pass_and_an_empty_pipe_is_used_again() {
        let (mut source, near) = UnixStream::pair().unwrap();
        let (far, mut sink) = UnixStream::pair().unwrap();
        let mut pipe = Pipe::take().unwrap();
        source.write_all(b"hello").unwrap();
        assert_eq!(pipe.fill(&near, 4).unwrap(), 4);
        assert_eq!(pipe.drain(&far).unwrap(), 4);
        let mut heard = [0; 4];
        sink.read_exact(&mut heard).unwrap();
        assert_eq!((&heard, pipe.filled()), (b"hell", 0));
        let stock = || PIPES.with_borrow(Vec::len);
        let before = stock();
        pipe.give();
        assert_eq!(stock(), before + 1);
        let mut pipe = Pipe::take().unwrap();
        assert_eq!(pipe.fill(&near, 99).unwrap(), 1);
        pipe.give();
        assert_eq!(stock(), before, "a pipe with bytes in it is nobody else's");
    }
}
