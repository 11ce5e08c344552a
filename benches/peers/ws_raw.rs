//! The floor of the WebSocket cases: bytes that come go back, and nobody looks at them.
//!
//! One `recv` and one `send` a turn. While a peer takes nothing, nothing is read from it.

use crate::epoll::{Conns, Serve, Unsent, read};

/// How much one `recv` takes.
const READ: usize = 256 * 1024;

/// The server's state.
pub(crate) struct Raw {
    buffer: Box<[u8]>,
}

impl Raw {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; READ].into_boxed_slice() }
    }
}

impl Serve for Raw {
    type State = Unsent;

    fn turn(&mut self, conns: &mut Conns<Unsent>, at: usize, ended: bool) -> rustix::io::Result<bool> {
        let Some(conn) = &mut conns[at] else { return Ok(true) };
        if !conn.state.flush(&conn.socket)? {
            return Ok(!ended);
        }
        loop {
            let Some(read) = read(&conn.socket, &mut self.buffer)? else { return Ok(true) };
            if read == 0 {
                return Ok(false);
            }
            let all = conn.state.send(&conn.socket, &self.buffer[..read])?;
            if !all || read < READ && !ended {
                return Ok(true);
            }
        }
    }
}
