//! A WebSocket connection, at either end, as the task that owns it sees it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::runtime::Handle;

mod link;

pub(super) use self::link::About;
use self::link::Link;
pub use super::close::SocketError;
use super::metrics::{SocketMetrics, Tally};
use super::settings::Settings;
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::workers::Priority;
use crate::proto::ws::close::{CloseCode, CloseReason};
use crate::proto::ws::codec::{Codec, Role};
use crate::proto::ws::deflate::Agreed;
use crate::proto::ws::message::{Message, Outgoing};
use crate::server::peer::Peer;

/// A WebSocket connection.
///
/// One task owns it. All state is in the value: any of its futures may be dropped and nothing that arrived is lost.
///
/// What ends a connection is told once by [`turn`](Self::turn) and [`recv`](Self::recv), after the close handshake and the end of TCP are
/// done as well as they can be; then the same is told again. A socket that is dropped before goes on in the background to its end: what
/// was fed leaves, then 1001, or 1011 when its task panics. [`close`](Self::close) is the polite way.
///
/// It is a pointer: it can be moved and captured at will, and costs the futures that hold it nothing.
#[derive(Debug)]
pub struct Socket(Option<Box<Link>>);

/// What a turn brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer said something.
    Message(Message),
    /// The peer answered a ping, or says that it is alive.
    Pong(Bytes),
    /// There is room again for more to send, after [`has_room`](Socket::has_room) said that there was none.
    Room,
    /// The connection was closed in order, by whomever. The code and reason are the peer's; `None` when it gave none.
    Closed(Option<CloseReason>),
}

impl Socket {
    /// A socket over a connection whose handshake is done.
    pub(super) fn new(
        conn: Conn<Io, Codec>,
        role: Role,
        settings: Arc<Settings>,
        drain: Drain,
        about: About,
    ) -> Self {
        Self(Some(Box::new(Link::new(conn, role, settings, drain, about))))
    }

    /// Counts it from now on.
    pub(super) fn count(&mut self, metrics: &SocketMetrics) {
        self.link_mut().count(metrics);
    }

    fn link(&self) -> &Link {
        match &self.0 {
            Some(link) => link,
            None => unreachable!("it is taken by dropping alone"),
        }
    }

    fn link_mut(&mut self) -> &mut Link {
        match &mut self.0 {
            Some(link) => link,
            None => unreachable!("it is taken by dropping alone"),
        }
    }

    /// The next message; `None` after an orderly end. What was fed leaves meanwhile.
    ///
    /// # Errors
    /// How the connection failed.
    pub async fn recv(&mut self) -> Result<Option<Message>, SocketError> {
        loop {
            match self.turn().await? {
                Event::Message(message) => return Ok(Some(message)),
                Event::Pong(_) | Event::Room => {}
                Event::Closed(_) => return Ok(None),
            }
        }
    }

    /// The next thing that happens; what was fed leaves meanwhile. Cancel-safe: made for `select!`, beside whatever else a
    /// connection waits for.
    ///
    /// # Errors
    /// How the connection failed.
    pub async fn turn(&mut self) -> Result<Event, SocketError> {
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    /// [`turn`](Self::turn), for a task that polls.
    pub fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, SocketError>> {
        self.link_mut().poll_turn(cx)
    }

    /// Ends the connection, as the peer does not keep up: with 1013, as far as it still takes anything.
    pub fn give_up(&mut self) -> SocketError {
        self.link_mut().fail(SocketError::Slow);
        SocketError::Slow
    }

    /// Queues a message. It leaves with the next [`turn`](Self::turn), [`recv`](Self::recv) or [`flush`](Self::flush), together with what else is
    /// queued by then: the way to answer many messages in one write.
    ///
    /// # Errors
    /// [`SocketError::Closing`] at the end of the connection; [`SocketError::Slow`], which is its end, when the peer is
    /// [`max_unsent`](Settings::max_unsent) bytes behind. Ask [`has_room`](Self::has_room) before, and that does not happen.
    pub fn feed(&mut self, message: impl Into<Message>) -> Result<(), SocketError> {
        let message = message.into();
        let tally = Tally::one(message.len());
        self.link_mut().feed(Outgoing::Message(message), tally)
    }

    /// Queues a ping with up to 125 bytes. The answer is an [`Event::Pong`].
    ///
    /// # Errors
    /// As for [`feed`](Self::feed).
    pub fn ping(&mut self, payload: Bytes) -> Result<(), SocketError> {
        self.link_mut().feed(Outgoing::Ping(payload), Tally::default())
    }

    pub(super) fn role(&self) -> Role {
        self.link().role()
    }

    /// Queues whole frames of a server that were written elsewhere, without compression.
    pub(in crate::server) fn feed_frame(&mut self, frames: Bytes) -> Result<(), SocketError> {
        let tally = Tally::one(frames.len());
        self.feed_encoded(frames, tally)
    }

    /// Queues whole frames, with so many messages in them.
    pub(super) fn feed_encoded(&mut self, frames: Bytes, tally: Tally) -> Result<(), SocketError> {
        self.link_mut().feed(Outgoing::Frames(frames), tally)
    }

    /// Sends a message, and waits until it has left: the next one can be as slow as the peer reads. Messages that arrive meanwhile
    /// wait for the next [`recv`](Self::recv).
    ///
    /// A large message is compressed by the [workers](Settings::workers). When the future is dropped while they do, it is not sent.
    ///
    /// # Errors
    /// As for [`feed`](Self::feed) and [`flush`](Self::flush).
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), SocketError> {
        let message = message.into();
        if message.len() < self.link().settings.offload || self.link().settings.workers.is_none() {
            self.feed(message)?;
        } else {
            Box::pin(self.feed_large(message)).await?;
        }
        self.flush().await
    }

    /// Queues a message that is better compressed elsewhere.
    async fn feed_large(&mut self, message: Message) -> Result<(), SocketError> {
        let workers = self.link().settings.workers.clone();
        let deflater = self.link_mut().conn.codec_mut().lend_deflater(message.len());
        let (Some(workers), Some(mut deflater)) = (workers, deflater) else {
            return self.feed(message);
        };
        let shared = message.clone();
        let work = move || {
            let payload = deflater.deflate(shared.as_bytes());
            (payload, deflater)
        };
        let done = match workers.submit(Priority::Normal, work) {
            Ok(job) => job.await.ok(),
            Err(_) => None,
        };
        match done {
            Some((payload, deflater)) => {
                self.link_mut().conn.codec_mut().return_deflater(deflater);
                let text = matches!(message, Message::Text(_));
                let tally = Tally::one(message.len());
                self.link_mut().feed(Outgoing::Deflated { text, payload: payload.into() }, tally)
            }
            // They are busy, or going down.
            None => self.feed(message),
        }
    }

    /// Waits until everything that was queued has left.
    ///
    /// # Errors
    /// The stream failed, or the peer does not keep up.
    pub async fn flush(&mut self) -> Result<(), SocketError> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// [`flush`](Self::flush), for a task that polls.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.link_mut().poll_flush(cx)
    }

    /// Whether a producer may go on. If not, [`Event::Room`] comes.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.link().conn.has_room()
    }

    /// The clock of its shard: for deadlines of what is built upon it.
    pub(crate) fn clock(&self) -> &Clock {
        self.link().conn.clock()
    }

    /// Bytes that were queued and have not left.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.link().conn.unsent()
    }

    /// Closes the connection: says so, waits for the peer to say so too, at most for the close timeout, and ends TCP. What was queued
    /// leaves before; what the peer sends meanwhile is dropped.
    ///
    /// # Errors
    /// How the connection ended instead.
    pub async fn close(
        &mut self,
        reason: impl Into<CloseReason>,
    ) -> Result<Option<CloseReason>, SocketError> {
        let reason = reason.into();
        poll_fn(|cx| self.poll_close(cx, reason.clone())).await
    }

    /// [`close`](Self::close), for a task that polls. The reason counts when it is called first.
    pub fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        reason: CloseReason,
    ) -> Poll<Result<Option<CloseReason>, SocketError>> {
        self.link_mut().say_close(Some(reason));
        loop {
            if let Event::Closed(reason) = ready!(self.poll_turn(cx))? {
                return Poll::Ready(Ok(reason));
            }
        }
    }

    /// Waits for what a socket that is dropped leaves to the background: that its last word has left, and TCP is closed in order; at most for the close
    /// timeout. For a program that ends then. A connection that is open is closed as by its drop.
    pub async fn finish(mut self) {
        if let Some(link) = self.0.take().filter(|link| !link.is_over()) {
            link.finish(CloseCode::GOING_AWAY).await;
        }
    }

    /// Whether something can still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.link().is_open()
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.link().about.subprotocol.as_ref().and_then(|name| name.to_str().ok())
    }

    /// What was agreed on about compression, if it is used.
    #[must_use]
    pub fn compression(&self) -> Option<&Agreed> {
        self.link().conn.codec().agreed()
    }

    /// Who is at the other end; for the sockets of a server.
    #[must_use]
    pub fn peer(&self) -> Option<&Arc<Peer>> {
        self.link().about.peer.as_ref()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let Some(link) = self.0.take().filter(|link| !link.is_over()) else { return };
        let code = if std::thread::panicking() { CloseCode::INTERNAL } else { CloseCode::GOING_AWAY };
        // Without a runtime there is nobody left who could say it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(link.finish(code));
        }
    }
}

#[cfg(test)]
mod tests;
