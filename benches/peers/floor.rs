//! The floor of the HTTP cases: what the kernel costs, and next to nothing else.
//!
//! One `recv` and one `send` a turn. It parses nothing: it counts the blank lines in what arrived, also across reads, and
//! answers with that many copies of one ready-made response (so the date is a constant). No server that answers over the
//! same socket calls can be faster; the distance to it is a server's own work. A peer that does not read its answers is
//! dropped, and `Connection: close` is not understood.

use crate::HELLO;
use crate::epoll::{Conns, Serve, read, write};

/// How much one `recv` takes.
const READ: usize = 16 * 1024;

/// The server's state.
pub(crate) struct Floor {
    buffer: Box<[u8]>,
    /// Ready-made responses, as many as one read can ask for.
    responses: Vec<u8>,
    /// Bytes of one response.
    response: usize,
}

impl Floor {
    pub(crate) fn new() -> Self {
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ncontent-type: text/plain; charset=utf-8\r\n\
             date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n{HELLO}",
            HELLO.len()
        );
        Self {
            buffer: vec![0; READ].into_boxed_slice(),
            responses: response.repeat(READ / 4 + 1).into_bytes(),
            response: response.len(),
        }
    }
}

impl Serve for Floor {
    type State = BlankLines;

    fn turn(&mut self, conns: &mut Conns<BlankLines>, at: usize, ended: bool) -> rustix::io::Result<bool> {
        let Some(conn) = &mut conns[at] else { return Ok(true) };
        loop {
            let Some(read) = read(&conn.socket, &mut self.buffer)? else { return Ok(true) };
            let answers = conn.state.count(&self.buffer[..read]) * self.response;
            if read == 0 || answers > 0 && write(&conn.socket, &self.responses[..answers])? < answers {
                return Ok(false);
            }
            if read < READ && !ended {
                return Ok(true);
            }
        }
    }
}

/// How many bytes of a blank line (`\r\n\r\n`) the last read of a connection ended with.
#[derive(Default)]
pub(crate) struct BlankLines {
    matched: usize,
}

impl BlankLines {
    /// How many blank lines end in `bytes`, which follow those of the calls before.
    fn count(&mut self, bytes: &[u8]) -> usize {
        const END: &[u8; 4] = b"\r\n\r\n";
        let mut rest = bytes;
        // The common case starts afresh; a head that was split goes on byte by byte until it is decided.
        let mut count = 0;
        while self.matched > 0 {
            let Some((&byte, tail)) = rest.split_first() else {
                return count;
            };
            rest = tail;
            self.matched = match byte {
                b if b == END[self.matched] => self.matched + 1,
                b'\r' => 1,
                _ => 0,
            };
            if self.matched == END.len() {
                self.matched = 0;
                count += 1;
            }
        }
        let mut unmatched = rest;
        for found in memchr::memmem::find_iter(rest, END) {
            count += 1;
            unmatched = &rest[found + END.len()..];
        }
        self.matched = (1..END.len()).rev().find(|&n| unmatched.ends_with(&END[..n])).unwrap_or(0);
        count
    }
}
