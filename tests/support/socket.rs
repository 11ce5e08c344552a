//! A blocking socket with a deadline for each operation, and the knowledge of what its peer has read.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// One end of a connection, over TCP or a Unix socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// How the peer ended the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// It said that nothing follows.
    Eof,
    /// It reset the connection, so that bytes may have been lost.
    Reset,
}

impl Socket {
    pub(crate) fn connect(addr: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&addr, patience)?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    pub(crate) fn connect_unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).map(Self::Unix)
    }

    /// Sends all of `bytes`, until `deadline`.
    pub(crate) fn send(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let mut sent = 0;
        while sent < bytes.len() {
            let left = left(deadline)?;
            let step = match self {
                Self::Tcp(stream) => {
                    stream.set_write_timeout(Some(left)).and_then(|()| stream.write(&bytes[sent..]))
                }
                Self::Unix(stream) => {
                    stream.set_write_timeout(Some(left)).and_then(|()| stream.write(&bytes[sent..]))
                }
            };
            sent += again(step)?;
        }
        Ok(())
    }

    /// Appends what arrives next to `buffer`, or says how the peer ended.
    pub(crate) fn read(&mut self, buffer: &mut Vec<u8>, deadline: Instant) -> io::Result<Option<End>> {
        let mut chunk = [0; 64 * 1024];
        loop {
            let left = left(deadline)?;
            let step = match self {
                Self::Tcp(stream) => {
                    stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut chunk))
                }
                Self::Unix(stream) => {
                    stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut chunk))
                }
            };
            match step {
                Ok(0) => return Ok(Some(End::Eof)),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Some(End::Reset)),
                step => match again(step)? {
                    0 => {}
                    count => {
                        buffer.extend_from_slice(&chunk[..count]);
                        return Ok(None);
                    }
                },
            }
        }
    }

    /// Says that we send nothing more; reading goes on.
    pub(crate) fn half_close(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Whether the next thing to be read is the end, without waiting for anything. Over a Unix socket nobody asks.
    pub(crate) fn has_ended(&self) -> io::Result<bool> {
        let Self::Tcp(stream) = self else {
            return Err(ErrorKind::Unsupported.into());
        };
        stream.set_nonblocking(true)?;
        let next = stream.peek(&mut [0]);
        stream.set_nonblocking(false)?;
        match next {
            Ok(count) => Ok(count == 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Closes without a wait: a reset, after which neither end remembers the connection.
    pub(crate) fn reset(self) {
        if let Self::Tcp(stream) = self {
            // Fails only for a socket that is gone already.
            drop(socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
        }
    }

    /// Waits until the peer's program, on this machine, has read all that was sent. So the next bytes are a read of
    /// their own for it, which no delay could promise. Over a Unix socket it does not wait.
    pub(crate) fn wait_until_read(&self, deadline: Instant) -> io::Result<()> {
        let Self::Tcp(stream) = self else {
            return Ok(());
        };
        let (ours, theirs) = (stream.local_addr()?.port(), stream.peer_addr()?.port());
        while !all_read(&(fs::read_to_string("/proc/net/tcp")? + &ipv6_table()), ours, theirs) {
            left(deadline)?;
            thread::yield_now();
        }
        Ok(())
    }
}

/// The table of the sockets over IPv6; a machine without IPv6 has none.
fn ipv6_table() -> String {
    fs::read_to_string("/proc/net/tcp6").unwrap_or_default()
}

/// Whether nothing of what `ours` sent waits: neither in our queue, nor in the one that the peer reads from.
fn all_read(table: &str, ours: u16, theirs: u16) -> bool {
    let waiting = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().take(5).collect();
        let port = |field: &str| u16::from_str_radix(field.rsplit(':').next()?, 16).ok();
        let [_, local, remote, _, queues] = fields[..] else {
            return false;
        };
        let Some((unsent, unread)) = queues.split_once(':') else {
            return false;
        };
        let empty = |queue: &str| queue.bytes().all(|digit| digit == b'0');
        let ends = (port(local), port(remote));
        ends == (Some(ours), Some(theirs)) && !empty(unsent)
            || ends == (Some(theirs), Some(ours)) && !empty(unread)
    };
    !table.lines().any(waiting)
}

/// The time until `deadline`, or the error that it has passed.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The bytes moved; none when the call must be made again, which then sees whether the deadline has passed.
fn again(step: io::Result<usize>) -> io::Result<usize> {
    match step {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
            ) =>
        {
            Ok(0)
        }
        step => step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_bytes_are_seen_in_the_table() {
        let row = |local: &str, remote: &str, queues: &str| {
            format!("  0: {local} {remote} 01 {queues} 00:00000000 0\n")
        };
        let (a, b) = ("0100007F:0010", "0100007F:0020");
        assert!(
            all_read("", 0x10, 0x20),
            "a connection that is gone has been read as far as it ever will be"
        );
        for (rows, read) in [
            (row(a, b, "00000000:00000000") + &row(b, a, "00000000:00000000"), true),
            (row(a, b, "00000001:00000000"), false),
            (row(a, b, "00000000:00000001"), true),
            (row(b, a, "00000000:00000001"), false),
            (row(b, a, "00000001:00000000"), true),
            (row(b, "0100007F:0030", "00000000:00000001"), true),
        ] {
            assert_eq!(all_read(&rows, 0x10, 0x20), read, "{rows}");
        }
    }
}
