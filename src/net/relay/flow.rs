//! One direction of a relay: bytes from a source to a sink, by whichever way costs least.
//!
//! Few bytes are read and written: two system calls. A source that fills its buffer gets a larger one, and when that is filled too, between two
//! plain sockets, the bytes go through a [pipe](crate::net::splice) from then on: splice needs two calls more for each piece, and saves two copies of
//! it. A flow that waits holds neither buffer nor pipe.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncWrite;
use tokio_util::io::poll_read_buf;

use crate::net::io::Io;
use crate::net::pool;
use crate::net::splice::{Pipe, Socket};

/// Bytes that a flow moves before the others of its thread have their turn.
const TURN: usize = 2 * 1024 * 1024;

/// Reads of what nobody hears before the other flows have their turn.
const DROPS: usize = 16;

/// One direction.
#[derive(Debug)]
pub(super) struct Flow {
    state: State,
    /// Bytes that were read and not yet written.
    buffer: BytesMut,
    pipe: Option<Pipe>,
    pace: Pace,
    /// Bytes written.
    pub(super) moved: u64,
    /// The connection of the source was reset: the end of what it said is no orderly one.
    cut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Open,
    /// The source has ended; the sink is to be told, after what is left.
    Ended,
    /// The sink takes no more: what the source says is dropped, up to its end.
    Unheard,
    /// The sink was told, or is not to be told any more.
    Over,
}

/// How much the source has to say.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pace {
    Little,
    /// It filled a small buffer.
    Much,
    /// It filled a large one.
    More,
}

/// Which of the two failed.
#[derive(Debug)]
pub(super) enum Broken {
    Source(io::Error),
    Sink(io::Error),
}

impl Flow {
    /// A flow that begins with bytes that were read already.
    pub(super) fn new(unread: BytesMut) -> Self {
        Self { state: State::Open, buffer: unread, pipe: None, pace: Pace::Little, moved: 0, cut: false }
    }

    /// Whether the source has ended and the sink knows; or the sink is gone.
    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Goes on without its sink, which takes no more: what the source says is dropped.
    pub(super) fn discard(&mut self) {
        if self.state != State::Over {
            self.state = State::Unheard;
        }
        self.forget();
    }

    /// Is over, as its sink takes no more.
    pub(super) fn give_up(&mut self) {
        self.state = State::Over;
        self.forget();
    }

    /// Notes how a write to its source failed: after a reset, the end of what is still to be read of it is not told as an orderly one.
    pub(super) fn cut_by(&mut self, error: &io::Error) {
        self.cut |= super::is_reset(error);
    }

    /// Drops what waits to be written.
    fn forget(&mut self) {
        self.buffer.clear();
        self.rest();
    }

    /// Moves what can be moved. Ready when the flow is over.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Io,
        sink: &mut Io,
        splices: bool,
    ) -> Poll<Result<(), Broken>> {
        let until = self.moved.saturating_add(TURN as u64);
        while self.state == State::Open {
            if self.moved >= until {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.pipe.is_some() || self.wants_pipe(source, sink, splices) {
                ready!(self.poll_splice(cx, source, sink))?;
            } else {
                ready!(self.poll_copy(cx, source, sink))?;
            }
        }
        if self.state == State::Unheard {
            ready!(self.poll_drop(cx, source));
        }
        while self.state == State::Ended {
            if self.cut {
                return Poll::Ready(Err(Broken::Source(io::ErrorKind::ConnectionReset.into())));
            }
            ready!(self.poll_write(cx, sink))?;
            ready!(Pin::new(&mut *sink).poll_shutdown(cx)).map_err(Broken::Sink)?;
            self.state = State::Over;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether it is time to splice. What was read before leaves first.
    fn wants_pipe(&mut self, source: &Io, sink: &Io, splices: bool) -> bool {
        let fits = splices && self.pace == Pace::More && self.buffer.is_empty();
        if !fits || Socket::of(source).is_none() || Socket::of(sink).is_none() {
            return false;
        }
        // Without one, as descriptors are short, bytes are copied.
        self.pipe = Pipe::take().ok();
        self.pipe.is_some()
    }

    /// Writes what waits, then reads once.
    fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        source: &mut Io,
        sink: &mut Io,
    ) -> Poll<Result<(), Broken>> {
        ready!(self.poll_write(cx, sink))?;
        if self.buffer.capacity() == 0 {
            self.buffer = if self.pace == Pace::Little { pool::take() } else { pool::take_large() };
        }
        let room = self.buffer.capacity();
        let read = poll_read_buf(Pin::new(source), cx, &mut self.buffer);
        if read.is_pending() {
            self.rest();
        }
        let n = ready!(read).map_err(Broken::Source)?;
        self.pace = match self.pace {
            _ if n < room => Pace::Little,
            Pace::Little => Pace::Much,
            Pace::Much | Pace::More => Pace::More,
        };
        if n == 0 {
            self.state = State::Ended;
            return Poll::Ready(Ok(()));
        }
        self.poll_write(cx, sink)
    }

    /// Reads what comes and drops it, until nothing follows.
    fn poll_drop(&mut self, cx: &mut Context<'_>, source: &mut Io) -> Poll<()> {
        for _ in 0..DROPS {
            if self.buffer.capacity() == 0 {
                self.buffer = pool::take_large();
            }
            let read = poll_read_buf(Pin::new(&mut *source), cx, &mut self.buffer);
            self.buffer.clear();
            match read {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => {
                    self.give_up();
                    return Poll::Ready(());
                }
                Poll::Pending => {
                    self.rest();
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes all that was read.
    fn poll_write(&mut self, cx: &mut Context<'_>, sink: &mut Io) -> Poll<Result<(), Broken>> {
        while !self.buffer.is_empty() {
            let written = ready!(Pin::new(&mut *sink).poll_write(cx, &self.buffer)).map_err(Broken::Sink)?;
            if written == 0 {
                return Poll::Ready(Err(Broken::Sink(io::ErrorKind::WriteZero.into())));
            }
            self.buffer.advance(written);
            self.moved += written as u64;
        }
        // TLS may hold records back until it is told; sockets do nothing.
        ready!(Pin::new(sink).poll_flush(cx)).map_err(Broken::Sink)?;
        // What was written is used again from its start, and may have to be of another size.
        if self.buffer.capacity() > 0 {
            pool::give(std::mem::take(&mut self.buffer));
        }
        Poll::Ready(Ok(()))
    }

    /// Moves bytes through the pipe until the source has none.
    fn poll_splice(&mut self, cx: &mut Context<'_>, source: &Io, sink: &Io) -> Poll<Result<(), Broken>> {
        let (Some(pipe), Some(from), Some(to)) = (&mut self.pipe, Socket::of(source), Socket::of(sink))
        else {
            return Poll::Ready(Ok(()));
        };
        while pipe.filled() > 0 {
            let drained = ready!(to.poll_drain(cx, pipe)).map_err(Broken::Sink)?;
            self.moved += drained as u64;
        }
        match from.poll_fill(cx, pipe, usize::MAX) {
            Poll::Pending => {
                self.rest();
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Broken::Source(error))),
            Poll::Ready(Ok(0)) => {
                self.state = State::Ended;
                self.rest();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(())),
        }
    }

    /// Gives back what a flow that waits does not need.
    fn rest(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            pool::give(std::mem::take(&mut self.buffer));
        }
        if let Some(pipe) = self.pipe.take() {
            // It has to show again that it has much to say.
            self.pace = Pace::Little;
            pipe.give();
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            pipe.give();
        }
    }
}
