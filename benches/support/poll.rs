//! Sockets by their number, with one edge-triggered epoll, to which more can come at any time.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::support::{Result, reset};

/// How much one `recv` takes.
const READ: usize = 256 * 1024;

/// Sockets that do not block, reset when dropped.
pub(crate) struct Poll {
    epoll: OwnedFd,
    sockets: Vec<TcpStream>,
    events: Vec<Event>,
    buffer: Box<[u8]>,
}

impl Poll {
    /// Without sockets.
    pub(crate) fn new() -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let buffer = vec![0; READ].into_boxed_slice();
        Ok(Self { epoll, sockets: Vec::new(), events: Vec::with_capacity(256), buffer })
    }

    /// One socket more. Its number is that of those before it.
    pub(crate) fn add(&mut self, socket: TcpStream) -> Result<usize> {
        socket.set_nonblocking(true)?;
        let at = self.sockets.len();
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
        epoll::add(&self.epoll, &socket, EventData::new_u64(at as u64), flags)?;
        self.sockets.push(socket);
        Ok(at)
    }

    /// Numbers of sockets that may have become readable or writable; none when time is up.
    pub(crate) fn wait(&mut self, time: Duration) -> Result<Vec<usize>> {
        let time = Timespec::try_from(time)?;
        loop {
            self.events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&time)) {
                Ok(_) => return Ok(self.events.iter().map(|event| event.data.u64() as usize).collect()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What the socket has now, and whether there may be more at once; `None` when it has nothing.
    pub(crate) fn read(&mut self, at: usize) -> Result<Option<(&[u8], bool)>> {
        match recv(&self.sockets[at], &mut *self.buffer, RecvFlags::empty()) {
            Ok((0, _)) => Err(format!("the server closed connection {at}").into()),
            Ok((read, _)) => Ok(Some((&self.buffer[..read], read == READ))),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(format!("connection {at}: {error}").into()),
        }
    }

    /// Sends as much as the socket takes, and says how much that was.
    pub(crate) fn write(&self, at: usize, bytes: &[u8]) -> Result<usize> {
        match send(&self.sockets[at], bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => Ok(sent),
            Err(Errno::AGAIN) => Ok(0),
            Err(error) => Err(format!("connection {at}: {error}").into()),
        }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        reset(std::mem::take(&mut self.sockets));
    }
}
