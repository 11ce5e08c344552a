//! Two connections joined: what comes of one goes to the other, until both are through.
//!
//! An end passes as such: when one peer says that nothing follows, the other is told so, and may go on talking. Each direction is a
//! flow of its own. Silence has a limit, which either direction's bytes put off.
//!
//! A peer that takes no more bytes may have said something before: a server that refuses an upload answers and closes. So a write that fails ends
//! one direction, and the other goes on to its own end. A reset passes as a reset, as far as sockets allow: who hears an orderly end takes
//! what it got for the whole.

mod flow;

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use self::flow::{Broken, Flow};
use super::clock::Timer;
use super::io::{Io, Transport};

/// How two connections are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelaySettings {
    /// How long both may be silent.
    pub idle: Duration,
    /// How long, once one of them has said that nothing follows.
    pub half_closed: Duration,
    /// Whether large flows between plain sockets are spliced.
    pub splice: bool,
}

impl Default for RelaySettings {
    /// Ten minutes (nginx's `proxy_timeout`), a minute for half of a connection, and splicing.
    fn default() -> Self {
        Self { idle: Duration::from_secs(600), half_closed: Duration::from_secs(60), splice: true }
    }
}

/// One of the two connections.
#[derive(Debug)]
pub struct Side {
    /// The byte stream.
    pub io: Io,
    /// Bytes of it that were read already.
    pub unread: BytesMut,
}

impl From<Io> for Side {
    fn from(io: Io) -> Self {
        Self { io, unread: BytesMut::new() }
    }
}

/// What became of two joined connections.
#[derive(Debug)]
pub struct Relayed {
    /// Bytes from the first to the second.
    pub there: u64,
    /// Bytes from the second to the first.
    pub back: u64,
    /// How it ended.
    pub end: RelayEnd,
}

/// How a relay ended.
#[derive(Debug)]
pub enum RelayEnd {
    /// Both have said all.
    Closed,
    /// The first connection failed.
    FirstFailed(io::Error),
    /// The second connection failed.
    SecondFailed(io::Error),
    /// Both were silent for too long.
    Idle,
}

/// Two connections on their way to be joined. It may be dropped at any time, which closes both.
#[derive(Debug)]
pub struct Relay {
    first: Io,
    second: Io,
    there: Flow,
    back: Flow,
    timer: Timer,
    settings: RelaySettings,
    /// Bytes moved, and ends passed, when the deadline was set.
    seen: (u64, bool),
    /// How it will end, once something has failed and the rest is brought to its end.
    ending: Option<RelayEnd>,
    /// Which connection is to be reset when its peer has all bytes, and until when that is waited for.
    resetting: Option<(Which, Instant)>,
}

/// One of the two connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    First,
    Second,
}

/// Time between two looks at whether a peer has taken all bytes.
const LOOK: Duration = Duration::from_millis(100);

impl Relay {
    /// Joins two connections. `timer` keeps the deadline.
    #[must_use]
    pub fn new(first: Side, second: Side, mut timer: Timer, settings: RelaySettings) -> Self {
        timer.set(Instant::now() + settings.idle);
        Self {
            there: Flow::new(first.unread),
            back: Flow::new(second.unread),
            first: first.io,
            second: second.io,
            timer,
            settings,
            seen: (0, false),
            ending: None,
            resetting: None,
        }
    }

    /// Moves bytes until both are through, or one fails.
    pub async fn run(mut self) -> Relayed {
        let end = poll_fn(|cx| self.poll(cx)).await;
        Relayed { there: self.there.moved, back: self.back.moved, end }
    }

    /// Bytes moved so far, there and back.
    #[must_use]
    pub fn moved(&self) -> (u64, u64) {
        (self.there.moved, self.back.moved)
    }

    /// Whether the second connection has said something, or has ended in order without a word.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.back.moved > 0 || self.back.is_over() && self.ending.is_none()
    }

    /// Moves what can be moved. Ready when it is over.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<RelayEnd> {
        if let Some((which, until)) = self.resetting {
            return self.poll_reset(cx, which, until);
        }
        let Self { first, second, there, back, settings, ending, .. } = self;
        match there.poll(cx, first, second, settings.splice) {
            Poll::Ready(Err(Broken::Source(error))) => return self.failed(cx, Which::First, error),
            Poll::Ready(Err(Broken::Sink(error))) => {
                back.cut_by(&error);
                // The client may not hear the answer before it has said all: what it says on is dropped.
                there.discard();
                cx.waker().wake_by_ref();
                ending.get_or_insert(RelayEnd::SecondFailed(error));
            }
            _ => {}
        }
        match back.poll(cx, second, first, settings.splice) {
            Poll::Ready(Err(Broken::Source(error))) => return self.failed(cx, Which::Second, error),
            Poll::Ready(Err(Broken::Sink(error))) => {
                there.cut_by(&error);
                back.give_up();
                ending.get_or_insert(RelayEnd::FirstFailed(error));
            }
            _ => {}
        }
        if there.is_over() && back.is_over() {
            return Poll::Ready(self.ending.take().unwrap_or(RelayEnd::Closed));
        }
        self.poll_deadline(cx)
    }

    /// Nothing more can be read of one connection. The other is closed; after a reset, by a reset.
    fn failed(&mut self, cx: &Context<'_>, which: Which, error: io::Error) -> Poll<RelayEnd> {
        let (other, flow, end): (_, _, fn(_) -> _) = match which {
            Which::First => (Which::Second, &self.there, RelayEnd::FirstFailed),
            Which::Second => (Which::First, &self.back, RelayEnd::SecondFailed),
        };
        let unended = is_reset(&error) && !flow.is_over();
        let end = self.ending.take().unwrap_or(end(error));
        if !unended {
            return Poll::Ready(end);
        }
        self.ending = Some(end);
        let until = Instant::now() + self.settings.half_closed;
        self.resetting = Some((other, until));
        self.poll_reset(cx, other, until)
    }

    /// Ready when the peer has taken all bytes, which a reset would overtake, and the close of its connection is a reset.
    fn poll_reset(&mut self, cx: &Context<'_>, which: Which, until: Instant) -> Poll<RelayEnd> {
        let io = match which {
            Which::First => &self.first,
            Which::Second => &self.second,
        };
        loop {
            let now = Instant::now();
            if now >= until || io.queued().is_none_or(|bytes| bytes == 0) {
                reset(io);
                return Poll::Ready(self.ending.take().unwrap_or(RelayEnd::Closed));
            }
            self.timer.set(now + LOOK);
            std::task::ready!(self.timer.poll(cx));
        }
    }

    fn poll_deadline(&mut self, cx: &Context<'_>) -> Poll<RelayEnd> {
        let half = self.there.is_over() || self.back.is_over();
        let seen = (self.there.moved + self.back.moved, half);
        if self.seen != seen {
            self.seen = seen;
            let wait = if half { self.settings.half_closed } else { self.settings.idle };
            self.timer.set(Instant::now() + wait);
        }
        self.timer.poll(cx).map(|()| RelayEnd::Idle)
    }
}

/// Whether a connection was lost before its peer had said that nothing follows. A peer that had (Linux tells so by EPIPE) was understood to the end.
fn is_reset(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, TimedOut};
    matches!(error.kind(), ConnectionReset | ConnectionAborted | TimedOut)
}

/// Lets the close of a plain TCP socket be a reset. Others know no such end: TLS ends without `close_notify` anyway.
fn reset(io: &Io) {
    if let Some(socket) = io.as_tcp() {
        // Without it the peer sees an orderly end; there is nothing else to try.
        let _ = socket.set_zero_linger();
    }
}

#[cfg(test)]
mod tests;
