//! The load of the echo cases: each connection sends some messages in one write, waits for all their echoes, and begins anew.
//!
//! So every server finds batches of the same size, and how well it makes use of them is its own. Every byte of the echoes
//! is compared with what was sent.

use std::time::{Duration, Instant};

use crate::connect::{Deflate, Opening, connect_many, ready, watched};
use crate::frames::{masked, message, plain};
use crate::poll::Poll;
use crate::support::Result;
use crate::support::server::Server;

/// What an echo case sends.
#[derive(Clone, Copy)]
pub(crate) struct Echo {
    /// Bytes of a message.
    pub(crate) size: usize,
    /// Messages under way on each connection.
    pub(crate) depth: usize,
    pub(crate) connections: usize,
}

/// Connections, each at its place in a batch.
pub(crate) struct Load {
    poll: Poll,
    places: Vec<Place>,
    /// A batch on its way there.
    request: Vec<u8>,
    /// The same on its way back.
    reply: Vec<u8>,
    depth: usize,
}

/// Bytes of the batch that were sent, and that came back.
#[derive(Clone, Copy, Default)]
struct Place {
    sent: usize,
    got: usize,
}

impl Load {
    /// Opens the connections. With a `bare` server frames are nothing but bytes: it gets those that it has to send.
    pub(crate) fn open(server: &Server, echo: Echo, bare: bool) -> Result<Self> {
        let messages: Vec<_> = (0..echo.depth).map(|nth| message(echo.size, nth as u8)).collect();
        let reply: Vec<u8> = messages.iter().flat_map(|message| plain(message)).collect();
        let (request, opening) = match bare {
            true => (reply.clone(), Opening::Bare),
            false => (
                messages.iter().flat_map(|message| masked(message)).collect(),
                Opening::Handshake { path: "/echo", deflate: Deflate::Off },
            ),
        };
        let sockets = connect_many(server.addr, opening, echo.connections)?;
        let places = vec![Place::default(); sockets.len()];
        Ok(Self { poll: watched(sockets)?, places, request, reply, depth: echo.depth })
    }

    /// Keeps all connections busy for so long, and then until each has its last echo. Says how many messages came back.
    pub(crate) fn run(&mut self, time: Duration) -> Result<u64> {
        let end = Instant::now() + time;
        let mut batches: u64 = 0;
        for at in 0..self.places.len() {
            self.places[at] = Place::default();
            self.send(at)?;
        }
        let mut busy = self.places.len();
        while busy > 0 {
            let over = Instant::now() > end;
            for at in ready(&mut self.poll)? {
                self.send(at)?;
                if self.receive(at)? {
                    batches += 1;
                    if over {
                        busy -= 1;
                    } else {
                        self.places[at] = Place::default();
                        self.send(at)?;
                    }
                }
            }
        }
        Ok(batches * self.depth as u64)
    }

    /// Sends what is left of the batch, as far as the socket takes it.
    fn send(&mut self, at: usize) -> Result<()> {
        let place = &mut self.places[at];
        while place.sent < self.request.len() {
            match self.poll.write(at, &self.request[place.sent..])? {
                0 => break,
                sent => place.sent += sent,
            }
        }
        Ok(())
    }

    /// Takes what came, and says whether it ended the batch.
    fn receive(&mut self, at: usize) -> Result<bool> {
        let place = &mut self.places[at];
        while let Some((bytes, more)) = self.poll.read(at)? {
            let expected = self.reply.get(place.got..place.got + bytes.len());
            if expected != Some(bytes) {
                return Err(format!("a wrong echo on connection {at}, behind byte {}", place.got).into());
            }
            place.got += bytes.len();
            if place.got == self.reply.len() {
                return Ok(true);
            }
            if !more {
                break;
            }
        }
        Ok(false)
    }
}
