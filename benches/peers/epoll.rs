//! One thread, one edge-triggered epoll, one listener: what the servers written by hand have in common.
//!
//! A short read ends a turn, as epoll(7) allows for edge triggers on streams.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

/// A connection, and what a server knows of it.
pub(crate) struct Conn<S> {
    pub(crate) socket: OwnedFd,
    pub(crate) state: S,
}

/// Connections by the numbers of their descriptors.
pub(crate) type Conns<S> = [Option<Conn<S>>];

/// What a server does with its connections.
pub(crate) trait Serve {
    /// What it knows of each.
    type State: Default;

    /// Does what can be done with connection `at`; when the peer has `ended`, all of it. Says whether it goes on.
    ///
    /// # Errors
    /// It does not.
    fn turn(&mut self, conns: &mut Conns<Self::State>, at: usize, ended: bool) -> rustix::io::Result<bool>;

    /// Comes after the turns of all connections that were ready.
    fn after(&mut self, _conns: &mut Conns<Self::State>) {}
}

/// Serves until an error of epoll or the listener.
pub(crate) fn run(listener: &TcpListener, mut server: impl Serve) -> io::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let listening = EventData::new_u64(listener.as_raw_fd() as u64);
    epoll::add(&epoll, listener, listening, EventFlags::IN)?;
    let mut conns = Vec::new();
    let mut events: Vec<Event> = Vec::with_capacity(256);
    loop {
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let at = event.data.u64() as usize;
            if at as u64 == listening.u64() {
                accept(listener, &epoll, &mut conns)?;
                continue;
            }
            let flags = event.flags;
            let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
            if conns.get(at).is_some_and(Option::is_some)
                && !server.turn(&mut conns, at, ended).unwrap_or(false)
            {
                conns[at] = None;
            }
        }
        server.after(&mut conns);
    }
}

fn accept<S: Default>(
    listener: &TcpListener,
    epoll: &OwnedFd,
    conns: &mut Vec<Option<Conn<S>>>,
) -> io::Result<()> {
    loop {
        let socket = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => socket,
            Err(Errno::AGAIN) => return Ok(()),
            Err(Errno::CONNABORTED | Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        sockopt::set_tcp_nodelay(&socket, true)?;
        let number = socket.as_raw_fd() as usize;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(epoll, &socket, EventData::new_u64(number as u64), flags)?;
        if conns.len() <= number {
            conns.resize_with(number + 1, || None);
        }
        conns[number] = Some(Conn { socket, state: S::default() });
    }
}

/// Bytes that a socket has, `None` when it has none now.
pub(crate) fn read(socket: &OwnedFd, buffer: &mut [u8]) -> rustix::io::Result<Option<usize>> {
    match recv(socket, buffer, RecvFlags::empty()) {
        Ok((read, _)) => Ok(Some(read)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends what a socket takes, and says how much that was.
pub(crate) fn write(socket: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<usize> {
    match send(socket, bytes, SendFlags::NOSIGNAL) {
        Err(Errno::AGAIN) => Ok(0),
        sent => sent,
    }
}

/// Bytes that a socket has not taken yet.
#[derive(Default)]
pub(crate) struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

impl Unsent {
    /// Sends what waits; says whether nothing is left.
    pub(crate) fn flush(&mut self, socket: &OwnedFd) -> rustix::io::Result<bool> {
        if !self.bytes.is_empty() {
            self.sent += write(socket, &self.bytes[self.sent..])?;
            if self.sent < self.bytes.len() {
                return Ok(false);
            }
            self.bytes.clear();
            self.sent = 0;
        }
        Ok(true)
    }

    /// Sends `bytes`, when nothing is in front of them, and keeps what is left; says whether nothing is.
    pub(crate) fn send(&mut self, socket: &OwnedFd, bytes: &[u8]) -> rustix::io::Result<bool> {
        let sent = if self.flush(socket)? { write(socket, bytes)? } else { 0 };
        self.bytes.extend_from_slice(&bytes[sent..]);
        Ok(sent == bytes.len())
    }
}
