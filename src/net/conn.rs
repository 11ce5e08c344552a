//! One connection, driven: it moves bytes between a stream and a codec, for every server alike.
//!
//! All state is in the value and no method awaits between taking bytes and storing what they mean, so any of its futures
//! may be dropped by `select!` and nothing is lost. Three rules, each learned by breaking it:
//!
//! 1. Write before sleep: what was fed leaves when the input is dry, so pipelined replies share one `writev`.
//! 2. [`turn`](Conn::turn) never stops reading because the outbox is full: two peers that both ask and both serve would
//!    wait for each other. Producers ask [`has_room`](Conn::has_room) instead, and [`Turn::Room`] tells when to go on.
//! 3. [`switch`](Conn::switch) keeps every byte that was read: a handshake and the first frame can share a segment.
//!
//! A connection that waits holds no buffer ([`pool`]).

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

use super::clock::{Clock, Timer};
use super::io::Transport;
use super::pace::{Direction, MinRate, Pace};
use super::pool;
use crate::codec::{Codec, Outbox};

mod linger;
mod moved;
mod tcp;

pub use self::linger::Linger;

/// Bytes in the outbox from which a producer should wait.
pub const HIGH_WATER: usize = 64 * 1024;

/// Bytes that wait to be decoded, from which nothing more is read until some were. A codec that needs longer items
/// refuses them by its own limits first, or raises this by [`Conn::read_limit`].
pub const READ_LIMIT: usize = 64 * 1024;

/// Slices of one `writev`.
const SLICES: usize = 32;

/// A connection.
#[derive(Debug)]
pub struct Conn<S, C> {
    io: S,
    codec: C,
    rbuf: BytesMut,
    out: Outbox,
    timer: Timer,
    read_limit: usize,
    /// The last read filled its buffer: the next one gets a large one.
    greedy: bool,
    /// The codec found nothing more in `rbuf`.
    dry: bool,
    /// The peer has said that nothing follows.
    eof: bool,
    /// When bytes were read last; at first, when the connection was made.
    heard: Instant,
    /// The outbox was full, and nobody was told that it is not.
    was_full: bool,
    /// The peer is to be heard before anybody is told so again.
    hear_first: bool,
    /// The stream took bytes that it may hold back still, as TLS does.
    held: bool,
    /// Boxed, as few connections are ever held to one, and an idle one should be small.
    pace: Option<Box<Pace>>,
}

/// What a turn brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn<T> {
    /// The peer said something.
    Item(T),
    /// The outbox, which was full, has room again.
    Room,
    /// The peer said that nothing follows, between two items.
    Closed,
}

/// What [`Conn::poll_turn`] gives.
pub type PollTurn<C> = Poll<Result<Turn<<C as Codec>::In>, ConnError<<C as Codec>::Error>>>;

/// How a connection can fail.
#[derive(Debug, thiserror::Error)]
pub enum ConnError<E> {
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The peer broke the protocol.
    #[error(transparent)]
    Proto(E),
    /// The peer stopped in the middle of an item.
    #[error("the connection ended in the middle of a message")]
    Torn,
    /// The deadline passed.
    #[error("the deadline passed")]
    Idle,
}

impl<S: Transport, C: Codec> Conn<S, C> {
    /// A connection over `io`. `timer` keeps its deadline, which is not set yet.
    pub fn new(io: S, codec: C, timer: Timer) -> Self {
        Self {
            io,
            codec,
            rbuf: BytesMut::new(),
            out: Outbox::new(),
            timer,
            read_limit: READ_LIMIT,
            greedy: false,
            dry: false,
            eof: false,
            heard: Instant::now(),
            was_full: false,
            hear_first: false,
            held: false,
            pace: None,
        }
    }

    /// The next thing that happens: reads, decodes, and drains the outbox meanwhile. Cancel-safe.
    ///
    /// # Errors
    /// The four ends of a connection; nothing can follow any of them but a last reply to [`ConnError::Proto`] and
    /// [`ConnError::Idle`].
    pub async fn turn(&mut self) -> Result<Turn<C::In>, ConnError<C::Error>> {
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    /// The next item, or `None` when the peer is through: [`turn`](Conn::turn) for protocols that answer item by item.
    ///
    /// # Errors
    /// As for [`turn`](Conn::turn).
    pub async fn recv(&mut self) -> Result<Option<C::In>, ConnError<C::Error>> {
        loop {
            match self.turn().await? {
                Turn::Item(item) => return Ok(Some(item)),
                Turn::Room => {}
                Turn::Closed => return Ok(None),
            }
        }
    }

    /// [`turn`](Conn::turn), for a task that polls.
    pub fn poll_turn(&mut self, cx: &mut Context<'_>) -> PollTurn<C> {
        loop {
            if let Some(item) = self.decode().map_err(ConnError::Proto)? {
                return Poll::Ready(Ok(Turn::Item(item)));
            }
            let flushed = self.poll_flush(cx)?;
            if self.was_full && self.has_room() {
                // A peer that takes everything at once would never be heard: every other time it is, first.
                self.hear_first = !self.hear_first;
                let hears = !self.hear_first && !self.eof && self.rbuf.len() < self.read_limit;
                if hears && self.poll_read(cx)?.is_ready() {
                    continue;
                }
                self.was_full = false;
                return Poll::Ready(Ok(Turn::Room));
            }
            if self.eof {
                return Poll::Ready(if self.rbuf.is_empty() {
                    Ok(Turn::Closed)
                } else {
                    Err(ConnError::Torn)
                });
            }
            if self.rbuf.len() >= self.read_limit || self.poll_read(cx)?.is_pending() {
                if flushed.is_ready() {
                    self.rest();
                }
                return self.poll_deadline(cx).map(|()| Err(ConnError::Idle));
            }
        }
    }

    /// What is already here: decodes without reading.
    ///
    /// # Errors
    /// What the peer did wrong.
    pub fn decode(&mut self) -> Result<Option<C::In>, C::Error> {
        if self.dry {
            return Ok(None);
        }
        let item =
            if self.eof { self.codec.decode_eof(&mut self.rbuf) } else { self.codec.decode(&mut self.rbuf) }?;
        self.dry = item.is_none();
        Ok(item)
    }

    /// Encodes `item` into the outbox; never sends by itself.
    ///
    /// # Errors
    /// The item cannot be said in this state of the protocol.
    pub fn feed(&mut self, item: C::Out) -> Result<(), C::Error> {
        if self.out.is_bare() {
            self.out.lend(pool::take());
        }
        let result = self.codec.encode(item, &mut self.out);
        self.was_full |= !self.has_room();
        // Saying something can free the codec to hear the next.
        self.dry = false;
        result
    }

    /// Whether a producer may go on. If not, [`Turn::Room`] comes.
    pub fn has_room(&self) -> bool {
        self.out.len() < HIGH_WATER
    }

    /// Bytes that were fed and have not left.
    pub fn unsent(&self) -> usize {
        self.out.len()
    }

    /// Forgets what was fed and has not left. After the stream has failed to take it, what the peer has said before that may still be read.
    pub fn forget_unsent(&mut self) {
        self.out.clear();
        self.held = false;
    }

    /// Waits until everything fed has left, without reading.
    ///
    /// # Errors
    /// The stream's error; of kind `TimedOut` when the deadline passed.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| match self.poll_flush(cx) {
            Poll::Pending => self.poll_deadline(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            done => done,
        })
        .await
    }

    /// Sends what it can of the outbox. Ready when the outbox is empty.
    ///
    /// # Errors
    /// The stream's error.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_flushed() {
            return Poll::Ready(Ok(()));
        }
        while !self.out.is_empty() {
            let io = Pin::new(&mut self.io);
            let sent = match self.out.single() {
                Some(chunk) => ready!(io.poll_write(cx, chunk))?,
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    let used = self.out.slices(&mut slices);
                    ready!(io.poll_write_vectored(cx, &slices[..used]))?
                }
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(sent);
            self.held = true;
            self.sent(sent);
        }
        // A no-op for sockets; TLS may hold records back until the socket takes them.
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.held = false;
        Poll::Ready(Ok(()))
    }

    /// Whether everything that was fed has left.
    pub fn is_flushed(&self) -> bool {
        self.out.is_empty() && !self.held
    }

    /// Ready when the peer has said that nothing follows. What it says before that is read ahead, up to the read limit, and decoded later.
    ///
    /// # Errors
    /// The stream's error.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.eof {
            if self.rbuf.len() >= self.read_limit {
                return Poll::Pending;
            }
            ready!(self.poll_read(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once, into `rbuf`. Ready when bytes came, or the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wanted = if self.greedy { pool::LARGE } else { pool::BUFFER };
        if self.rbuf.capacity() == 0 {
            self.rbuf = if self.greedy { pool::take_large() } else { pool::take() };
        } else if self.rbuf.capacity() - self.rbuf.len() < wanted / 4 {
            self.rbuf.reserve(wanted);
        }
        let room = self.rbuf.capacity() - self.rbuf.len();
        let read = poll_read_buf(Pin::new(&mut self.io), cx, &mut self.rbuf);
        if read.is_pending() && self.rbuf.is_empty() {
            pool::give(std::mem::take(&mut self.rbuf));
        }
        let n = ready!(read)?;
        self.eof = n == 0;
        // Hesitates to go back: a large message is rarely alone.
        self.greedy = n == room || (self.greedy && n > pool::BUFFER / 4);
        self.dry = false;
        self.heard = Instant::now();
        self.received(n);
        Poll::Ready(Ok(()))
    }

    /// Gives back what the connection read into, if nothing is in it: nobody waits for its peer now, who may be silent for long.
    pub fn park(&mut self) {
        if self.rbuf.is_empty() {
            pool::give(std::mem::take(&mut self.rbuf));
        }
    }

    /// Gives back what an idle connection does not need.
    fn rest(&mut self) {
        if let Some(buffer) = self.out.reclaim() {
            pool::give(buffer);
        }
    }

    /// Ends the connection's waiting at `at`.
    pub fn set_deadline(&mut self, at: Instant) {
        self.pace = None;
        self.timer.set(at);
    }

    /// Lets the connection wait for as long as it takes.
    pub fn clear_deadline(&mut self) {
        self.pace = None;
        self.timer.clear();
    }

    /// Sets a deadline that each byte of `direction` puts off, when it arrives or when the peer has taken it: `min.grace` from
    /// now, then `1 / min.rate` seconds a byte, yet never more than `gap` ahead. A peer that stalls and one that trickles
    /// both meet it.
    pub fn set_pace(&mut self, direction: Direction, min: MinRate, gap: Duration) {
        let queued = match direction {
            Direction::Reading => 0,
            Direction::Writing => self.io.queued().unwrap_or(0),
        };
        let pace = Pace::new(direction, min, gap, queued, Instant::now());
        self.timer.set(pace.deadline());
        self.pace = Some(Box::new(pace));
    }

    /// The peer sent so many bytes.
    fn received(&mut self, n: usize) {
        if let Some(pace) = &mut self.pace {
            pace.received(bytes(n), Instant::now());
            self.timer.set(pace.deadline());
        }
    }

    /// The stream took so many bytes.
    fn sent(&mut self, n: usize) {
        if let Some(pace) = &mut self.pace {
            pace.gave(bytes(n));
        }
    }

    /// The clock that its deadline is kept by: for what goes on with the stream alone.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.timer.clock()
    }

    /// Ready when the deadline has passed.
    pub fn poll_deadline(&mut self, cx: &Context<'_>) -> Poll<()> {
        ready!(self.timer.poll(cx));
        let Some(pace) = self.pace.as_mut().filter(|pace| pace.direction() == Direction::Writing) else {
            return Poll::Ready(());
        };
        // A stream that cannot say what the peer has taken has no buffer worth the name.
        let queued = self.io.queued().unwrap_or(0);
        if !pace.look(queued, Instant::now()) {
            return Poll::Ready(());
        }
        self.timer.set(pace.deadline());
        self.timer.poll(cx)
    }

    /// Sets how many bytes may wait to be decoded, in place of [`READ_LIMIT`].
    pub fn read_limit(&mut self, bytes: usize) {
        self.read_limit = bytes;
    }

    /// When the peer was heard last: the time of the last read, which is looked at anyway. A deadline counted from here costs
    /// no further look at the clock.
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// Counts the peer as heard just now: after something that took time and was not its fault.
    pub fn touch(&mut self) {
        self.heard = Instant::now();
    }

    /// Whether bytes were read that were not decoded yet.
    pub fn has_input(&self) -> bool {
        self.unread() > 0
    }

    /// Bytes that were read and not decoded yet.
    pub fn unread(&self) -> usize {
        self.rbuf.len()
    }

    /// Whether nothing is under way in either direction, and the peer has neither said anything nor closed: what a connection
    /// has to be to be kept for the next call, or to be used for it. It reads what is there, and does not wait.
    pub fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.poll_turn(&mut cx).is_pending() && self.is_flushed() && !self.has_input()
    }

    /// The codec.
    pub fn codec(&self) -> &C {
        &self.codec
    }

    /// The codec, to tell it something.
    pub fn codec_mut(&mut self) -> &mut C {
        // It may find something in the same bytes now.
        self.dry = false;
        &mut self.codec
    }

    /// The stream.
    pub fn io(&self) -> &S {
        &self.io
    }

    /// Goes on in another protocol. Every byte that was read, and every byte that was fed, stays.
    pub fn switch<D: Codec>(self, codec: D) -> Conn<S, D> {
        Conn {
            io: self.io,
            codec,
            rbuf: self.rbuf,
            out: self.out,
            timer: self.timer,
            read_limit: self.read_limit,
            greedy: self.greedy,
            dry: false,
            eof: self.eof,
            heard: self.heard,
            was_full: self.was_full,
            hear_first: self.hear_first,
            held: self.held,
            pace: self.pace,
        }
    }

    /// The stream, and the bytes that were read and not decoded. Flush first: what was fed is lost.
    pub fn into_raw(self) -> (S, BytesMut) {
        (self.io, self.rbuf)
    }
}

fn bytes(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
