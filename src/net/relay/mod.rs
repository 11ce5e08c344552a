//! Two connections joined: what comes of one goes to the other, until both are through.
//!
//! An end passes as such: when one peer says that nothing follows, the other is told so, and may go on talking. Each direction is a
//! flow of its own. Silence has a limit, which either direction's bytes put off.

mod flow;

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use self::flow::{Broken, Flow};
use super::clock::Timer;
use super::io::Io;

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
}

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

    /// Moves what can be moved. Ready when it is over.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<RelayEnd> {
        let Self { first, second, there, back, settings, .. } = self;
        match there.poll(cx, first, second, settings.splice) {
            Poll::Ready(Err(Broken::Source(error))) => return Poll::Ready(RelayEnd::FirstFailed(error)),
            Poll::Ready(Err(Broken::Sink(error))) => return Poll::Ready(RelayEnd::SecondFailed(error)),
            _ => {}
        }
        match back.poll(cx, second, first, settings.splice) {
            Poll::Ready(Err(Broken::Source(error))) => return Poll::Ready(RelayEnd::SecondFailed(error)),
            Poll::Ready(Err(Broken::Sink(error))) => return Poll::Ready(RelayEnd::FirstFailed(error)),
            _ => {}
        }
        if there.is_over() && back.is_over() {
            return Poll::Ready(RelayEnd::Closed);
        }
        self.poll_deadline(cx)
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

#[cfg(test)]
mod tests;
