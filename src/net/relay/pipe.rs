//! Pipes of the kernel, through which bytes go from socket to socket without passing through this process: splice(2).
//!
//! A pipe costs two descriptors, and of each user's pipes the kernel lets only so many be large (`fs.pipe-user-pages-soft`). So there is a
//! small stock of them a thread, and only a flow that has much to move takes one, for as long as there are bytes in it.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// Bytes that a pipe should hold. With the 64 KiB that it has by default a gigabyte costs a tenth more.
const CAPACITY: usize = 256 * 1024;

/// Empty pipes that a thread keeps.
const STOCK: usize = 16;

thread_local! {
    static PIPES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, and how many bytes are in it.
#[derive(Debug)]
pub(super) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    filled: usize,
}

impl Pipe {
    /// An empty pipe.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub(super) fn take() -> io::Result<Self> {
        if let Some(pipe) = PIPES.with_borrow_mut(Vec::pop) {
            return Ok(pipe);
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // A smaller one does, if the user has too many large ones.
        let _ = fcntl_setpipe_size(&write, CAPACITY);
        Ok(Self { read, write, filled: 0 })
    }

    /// Gives it back; one with bytes in it is closed instead.
    pub(super) fn give(self) {
        if self.filled == 0 {
            PIPES.with_borrow_mut(|pipes| {
                if pipes.len() < STOCK {
                    pipes.push(self);
                }
            });
        }
    }

    /// Bytes in it.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// Moves what `source` has into it, at most `most` bytes; only when it is empty: else a lack of room could not be told from a lack of bytes.
    /// How many came; 0 when nothing follows.
    pub(super) fn fill(&mut self, source: impl AsFd, most: usize) -> io::Result<usize> {
        debug_assert_eq!(self.filled, 0, "a full pipe looks like an empty socket");
        self.filled = splice(source, None, &self.write, None, most.min(CAPACITY), FLAGS)?;
        Ok(self.filled)
    }

    /// Moves what is in it to `sink`. How many bytes left.
    pub(super) fn drain(&mut self, sink: impl AsFd) -> io::Result<usize> {
        let moved = splice(&self.read, None, sink, None, self.filled, FLAGS)?;
        self.filled -= moved.min(self.filled);
        Ok(moved)
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
