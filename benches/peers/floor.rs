//! The floor: what the kernel costs, and next to nothing else.
//!
//! One thread, one edge-triggered epoll, one `recv` and one `send` a turn. It parses nothing: it counts the blank lines
//! in what arrived, also across reads, and answers with that many copies of one ready-made response (so the date is a
//! constant). No server that answers over the same socket calls can be faster; the distance to it is a server's own
//! work. A short read ends a turn, as epoll(7) allows for edge triggers on streams. A peer that does not read its
//! answers is dropped, and `Connection: close` is not understood.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};

use crate::HELLO;

/// How much one `recv` takes.
const READ: usize = 16 * 1024;

/// A connection, and how many bytes of a blank line (`\r\n\r\n`) its last read ended with.
struct Conn {
    socket: OwnedFd,
    matched: usize,
}

/// Serves until an error of epoll or the listener.
pub(crate) fn run(listener: &TcpListener) -> io::Result<()> {
    let mut floor = Floor::new()?;
    let listening = EventData::new_u64(listener.as_raw_fd() as u64);
    epoll::add(&floor.epoll, listener, listening, EventFlags::IN)?;
    let mut events: Vec<Event> = Vec::with_capacity(256);
    loop {
        match epoll::wait(&floor.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            if event.data.u64() == listening.u64() {
                floor.accept(listener)?;
            } else {
                floor.turn(event);
            }
        }
    }
}

/// The loop's state. Connections are found by their descriptor's number.
struct Floor {
    epoll: OwnedFd,
    conns: Vec<Option<Conn>>,
    buffer: Box<[u8]>,
    /// Ready-made responses, as many as one read can ask for.
    responses: Vec<u8>,
    /// Bytes of one response.
    response: usize,
}

impl Floor {
    fn new() -> io::Result<Self> {
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ncontent-type: text/plain; charset=utf-8\r\n\
             date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n{HELLO}",
            HELLO.len()
        );
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            conns: Vec::new(),
            buffer: vec![0; READ].into_boxed_slice(),
            responses: response.repeat(READ / 4 + 1).into_bytes(),
            response: response.len(),
        })
    }

    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let socket = match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::CONNABORTED | Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            sockopt::set_tcp_nodelay(&socket, true)?;
            let number = socket.as_raw_fd() as usize;
            let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &socket, EventData::new_u64(number as u64), flags)?;
            if self.conns.len() <= number {
                self.conns.resize_with(number + 1, || None);
            }
            self.conns[number] = Some(Conn { socket, matched: 0 });
        }
    }

    /// Answers what a connection asks; drops it when it ends or fails.
    fn turn(&mut self, event: Event) {
        let number = event.data.u64() as usize;
        let flags = event.flags;
        let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        let alive = self.answer(number, ended).unwrap_or(false);
        if !alive && let Some(slot) = self.conns.get_mut(number) {
            *slot = None;
        }
    }

    /// Reads and answers once, or until the end when the peer has `ended`. Says whether the connection goes on.
    fn answer(&mut self, number: usize, ended: bool) -> rustix::io::Result<bool> {
        let Some(conn) = self.conns.get_mut(number).and_then(Option::as_mut) else {
            return Ok(true);
        };
        loop {
            let read = match recv(&conn.socket, &mut *self.buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Ok(false),
                Ok((read, _)) => read,
                Err(Errno::AGAIN) => return Ok(true),
                Err(error) => return Err(error),
            };
            let answers = conn.blank_lines(&self.buffer[..read]) * self.response;
            if answers > 0 && send(&conn.socket, &self.responses[..answers], SendFlags::NOSIGNAL)? < answers {
                return Ok(false);
            }
            if read < READ && !ended {
                return Ok(true);
            }
        }
    }
}

impl Conn {
    /// How many blank lines end in `bytes`, which follow those of the calls before.
    fn blank_lines(&mut self, bytes: &[u8]) -> usize {
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
