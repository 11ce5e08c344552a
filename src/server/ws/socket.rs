//! A WebSocket connection, at either end, as the task that owns it sees it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

pub use super::close::SocketError;
use super::settings::Settings;
use crate::net::conn::{Conn, ConnError, HIGH_WATER, Linger, Turn};
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::pace::Direction;
use crate::net::serve::Place;
use crate::net::workers::Priority;
use crate::proto::ws::close::{CloseCode, CloseReason};
use crate::proto::ws::codec::{Codec, Role, WsError};
use crate::proto::ws::deflate::Agreed;
use crate::proto::ws::keeper::{Keeper, Verdict};
use crate::proto::ws::message::{Incoming, Message, Outgoing};
use crate::server::http::request::Peer;

/// Bytes that are read from a peer after our last word, before its end is no longer waited for.
const LINGER_LIMIT: usize = 1 << 20;

/// A WebSocket connection.
///
/// One task owns it. All state is in the value: any of its futures may be dropped and nothing that arrived is lost.
///
/// What ends a connection is told once by [`turn`](Self::turn) and [`recv`](Self::recv), after the close handshake and the end of TCP are
/// done as well as they can be; then the same is told again. A socket that is dropped before says 1001 as it goes, or 1011 when its
/// task panics; [`close`](Self::close) is the polite way.
///
/// It is a pointer: it can be moved and captured at will, and costs the futures that hold it nothing.
#[derive(Debug)]
pub struct Socket(Box<Inner>);

#[derive(Debug)]
struct Inner {
    conn: Conn<Io, Codec>,
    settings: Arc<Settings>,
    drain: Drain,
    keeper: Keeper,
    state: State,
    /// The peer is held to the pace of a reader.
    pacing: bool,
    role: Role,
    /// The last ping that was not answered yet, because the peer did not read.
    owed: Option<Bytes>,
    about: About,
}

/// What is rarely asked for.
#[derive(Debug)]
pub(super) struct About {
    pub(super) peer: Option<Arc<Peer>>,
    pub(super) subprotocol: Option<Box<HeaderValue>>,
    /// Held until the connection is over.
    pub(super) _place: Option<Place>,
    /// The right to compressors of its own.
    pub(super) _context: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum State {
    Open,
    /// Our last word is on its way, or was said; nothing of the peer counts but its close frame.
    Closing,
    /// Both have said their last word: TCP is closed in order.
    Lingering(Linger, End),
    Over(End),
}

/// How it ends: with the reason that the peer gave, or with an error.
type End = Result<Option<CloseReason>, SocketError>;

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
        let mut conn = conn;
        conn.read_limit(Codec::READ_LIMIT);
        Self(Box::new(Inner {
            conn,
            settings,
            drain,
            keeper: Keeper::default(),
            state: State::Open,
            pacing: false,
            role,
            owed: None,
            about,
        }))
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
        loop {
            if self.0.drain.is_aborting() && !matches!(self.0.state, State::Over(_)) {
                self.0.state = State::Over(Err(SocketError::Stopped));
            }
            match &mut self.0.state {
                State::Open | State::Closing => {
                    if let Some(event) = ready!(self.poll_speaking(cx)) {
                        return Poll::Ready(Ok(event));
                    }
                }
                State::Lingering(linger, _) => {
                    ready!(self.0.conn.poll_linger(cx, linger));
                    if let State::Lingering(_, end) =
                        std::mem::replace(&mut self.0.state, State::Over(Ok(None)))
                    {
                        self.0.state = State::Over(end);
                    }
                }
                State::Over(end) => return Poll::Ready(end.clone().map(Event::Closed)),
            }
        }
    }

    /// A turn before the end. Ready with `None` when the state has changed.
    fn poll_speaking(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.0.drain.is_stopping() && matches!(self.0.state, State::Open) {
            self.say_close(Some(CloseCode::GOING_AWAY.into()));
        }
        loop {
            self.pay();
            match self.0.conn.poll_turn(cx) {
                Poll::Ready(Ok(Turn::Item(item))) => {
                    if let Some(event) = self.hear(item) {
                        return Poll::Ready(Some(event));
                    }
                    if !self.is_speaking() {
                        return Poll::Ready(None);
                    }
                }
                Poll::Ready(Ok(Turn::Room)) => {
                    self.pay();
                    if matches!(self.0.state, State::Open) {
                        return Poll::Ready(Some(Event::Room));
                    }
                }
                Poll::Ready(Ok(Turn::Closed) | Err(ConnError::Torn)) => {
                    let closing = matches!(self.0.state, State::Closing);
                    self.0.state =
                        State::Over(Err(if closing { SocketError::Unclosed } else { SocketError::Torn }));
                    return Poll::Ready(None);
                }
                Poll::Ready(Err(ConnError::Io(error))) => {
                    self.0.state = State::Over(Err(error.into()));
                    return Poll::Ready(None);
                }
                Poll::Ready(Err(ConnError::Proto(WsError::Peer(reject)))) => {
                    self.fail(reject.into());
                    return Poll::Ready(None);
                }
                Poll::Ready(Err(ConnError::Proto(WsError::Closing))) => {
                    self.fail(SocketError::Closing); // no decoder says so
                    return Poll::Ready(None);
                }
                Poll::Ready(Err(ConnError::Idle)) => {
                    if let Some(error) = self.overdue() {
                        self.fail(error);
                        return Poll::Ready(None);
                    }
                }
                Poll::Pending => {
                    let heard = self.0.conn.heard();
                    if self.arm(heard).is_none() {
                        return Poll::Pending;
                    }
                    // Something is due already: look at the real time.
                    if let Some(error) = self.overdue() {
                        self.fail(error);
                        return Poll::Ready(None);
                    }
                }
            }
        }
    }

    /// What an item means, if it means anything to the task.
    fn hear(&mut self, item: Incoming) -> Option<Event> {
        let open = matches!(self.0.state, State::Open);
        match item {
            Incoming::Message(message) => open.then_some(Event::Message(message)),
            Incoming::Ping(payload) => {
                self.count_control();
                if matches!(self.0.state, State::Open) {
                    self.0.owed = Some(payload);
                    self.pay();
                }
                None
            }
            Incoming::Pong(payload) => {
                self.count_control();
                matches!(self.0.state, State::Open).then_some(Event::Pong(payload))
            }
            Incoming::Close(reason) => {
                if open {
                    // Section 5.5.1: answered with the code that came.
                    let echo = reason.as_ref().map(|reason| reason.code().into());
                    self.say_close(echo);
                }
                self.linger(Ok(reason));
                None
            }
        }
    }

    fn count_control(&mut self) {
        let now = self.0.conn.heard().into_std();
        if let Err(reject) = self.0.keeper.control(now, &self.0.settings.patience) {
            self.fail(reject.into());
        }
    }

    /// Answers the last ping. While the peer does not read, earlier ones are let go: section 5.5.3 allows that.
    fn pay(&mut self) {
        if self.0.owed.is_some()
            && self.0.conn.has_room()
            && let Some(payload) = self.0.owed.take()
        {
            // Refused only behind our close frame, where it is not missed.
            let _ = self.0.conn.feed(Outgoing::Pong(payload));
        }
    }

    /// Sets the deadline of what comes next, when it was `now` at the least. Gives what is due at once.
    fn arm(&mut self, now: Instant) -> Option<Verdict> {
        if !self.0.conn.is_flushed() && matches!(self.0.state, State::Open) {
            if !self.0.pacing {
                self.0.pacing = true;
                self.0.conn.set_pace(
                    Direction::Writing,
                    self.0.settings.min_write_rate,
                    self.0.settings.stall_timeout,
                );
            }
            return None;
        }
        self.0.pacing = false;
        let unfinished = self.0.conn.codec().unfinished();
        let heard = self.0.conn.heard().into_std();
        match self.0.keeper.look(now.into_std(), heard, unfinished, &self.0.settings.patience) {
            Verdict::Wait(Some(at)) => self.0.conn.set_deadline(at.into()),
            Verdict::Wait(None) => self.0.conn.clear_deadline(),
            due => return Some(due),
        }
        None
    }

    /// A deadline has passed: what it means, if anything.
    fn overdue(&mut self) -> Option<SocketError> {
        if self.0.pacing && !self.0.conn.is_flushed() {
            return Some(SocketError::Slow);
        }
        match self.arm(Instant::now())? {
            Verdict::Wait(_) => None,
            Verdict::Ping => {
                // Refused only behind our close frame, where none is sent.
                let _ = self.0.conn.feed(Outgoing::Ping(Bytes::new()));
                None
            }
            Verdict::Silent => Some(SocketError::Silent),
            Verdict::Unclosed => Some(SocketError::Unclosed),
            Verdict::Refuse(reject) => Some(reject.into()),
        }
    }

    fn is_speaking(&self) -> bool {
        matches!(self.0.state, State::Open | State::Closing)
    }

    /// Says our last word, once.
    fn say_close(&mut self, reason: Option<CloseReason>) {
        if matches!(self.0.state, State::Open) {
            // It is the first, so it cannot be refused.
            let _ = self.0.conn.feed(Outgoing::Close(reason));
            self.0.keeper.close(Instant::now().into_std());
            self.0.state = State::Closing;
        }
    }

    /// Ends the connection with an error, of which the peer is told if it can be.
    fn fail(&mut self, error: SocketError) {
        match error.reason() {
            Some(reason) if !matches!(error, SocketError::Slow | SocketError::Silent) => {
                self.say_close(Some(reason));
                self.linger(Err(error));
            }
            reason => {
                // A peer that takes nothing would have to be waited for: it gets what its window still takes.
                self.say_close(reason);
                let _ = self.0.conn.poll_flush(&mut Context::from_waker(std::task::Waker::noop()));
                self.0.state = State::Over(Err(error));
            }
        }
    }

    /// Closes TCP: a server at once, a client after the server (section 7.1.1).
    fn linger(&mut self, end: End) {
        let close_timeout = self.0.settings.patience.close_timeout;
        self.0.conn.set_deadline(Instant::now() + close_timeout);
        let linger = match self.0.role {
            Role::Client if end.is_ok() => Linger::after_peer(LINGER_LIMIT),
            Role::Client | Role::Server => Linger::new(LINGER_LIMIT),
        };
        self.0.state = State::Lingering(linger, end);
    }

    /// Ends the connection, as the peer does not keep up: with 1013, as far as it still takes anything.
    pub fn give_up(&mut self) -> SocketError {
        self.fail(SocketError::Slow);
        SocketError::Slow
    }

    /// Queues a message. It leaves with the next [`turn`](Self::turn), [`recv`](Self::recv) or [`flush`](Self::flush), together with what else is
    /// queued by then: the way to answer many messages in one write.
    ///
    /// # Errors
    /// [`SocketError::Closing`] at the end of the connection; [`SocketError::Slow`], which is its end, when the peer is
    /// [`max_unsent`](Settings::max_unsent) bytes behind. Ask [`has_room`](Self::has_room) before, and that does not happen.
    pub fn feed(&mut self, message: impl Into<Message>) -> Result<(), SocketError> {
        self.feed_item(Outgoing::Message(message.into()))
    }

    /// Queues a ping with up to 125 bytes. The answer is an [`Event::Pong`].
    ///
    /// # Errors
    /// As for [`feed`](Self::feed).
    pub fn ping(&mut self, payload: Bytes) -> Result<(), SocketError> {
        self.feed_item(Outgoing::Ping(payload))
    }

    pub(super) fn feed_item(&mut self, item: Outgoing) -> Result<(), SocketError> {
        match &self.0.state {
            State::Open => {}
            State::Over(Err(error)) | State::Lingering(_, Err(error)) => return Err(error.clone()),
            _ => return Err(SocketError::Closing),
        }
        if self.0.conn.unsent() > self.0.settings.max_unsent {
            return Err(self.give_up());
        }
        self.0.conn.feed(item).map_err(|_| SocketError::Closing)
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
        if message.len() < self.0.settings.offload || self.0.settings.workers.is_none() {
            self.feed(message)?;
        } else {
            Box::pin(self.feed_large(message)).await?;
        }
        self.flush().await
    }

    /// Queues a message that is better compressed elsewhere.
    async fn feed_large(&mut self, message: Message) -> Result<(), SocketError> {
        let (Some(workers), Some(mut deflater)) =
            (&self.0.settings.workers, self.0.conn.codec_mut().lend_deflater(message.len()))
        else {
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
                self.0.conn.codec_mut().return_deflater(deflater);
                let text = matches!(message, Message::Text(_));
                self.feed_item(Outgoing::Deflated { text, payload: payload.into() })
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
        if let State::Over(Err(error)) = &self.0.state {
            return Poll::Ready(Err(error.clone()));
        }
        match self.0.conn.poll_flush(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => self.0.state = State::Over(Err(error.into())),
            Poll::Pending if self.0.drain.is_aborting() => {
                self.0.state = State::Over(Err(SocketError::Stopped))
            }
            Poll::Pending => {
                let heard = self.0.conn.heard();
                self.arm(heard);
                ready!(self.0.conn.poll_deadline(cx));
                self.fail(SocketError::Slow);
            }
        }
        match &self.0.state {
            State::Over(Err(error)) => Poll::Ready(Err(error.clone())),
            _ => Poll::Ready(Err(SocketError::Closing)),
        }
    }

    /// Whether a producer may go on. If not, [`Event::Room`] comes.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.0.conn.has_room()
    }

    /// Bytes that were queued and have not left.
    #[must_use]
    pub fn unsent(&self) -> usize {
        self.0.conn.unsent()
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
        self.say_close(Some(reason));
        loop {
            if let Event::Closed(reason) = ready!(self.poll_turn(cx))? {
                return Poll::Ready(Ok(reason));
            }
        }
    }

    /// Whether something can still be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.0.state, State::Open)
    }

    /// The subprotocol that was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.0.about.subprotocol.as_ref().and_then(|name| name.to_str().ok())
    }

    /// What was agreed on about compression, if it is used.
    #[must_use]
    pub fn compression(&self) -> Option<&Agreed> {
        self.0.conn.codec().agreed()
    }

    /// Who is at the other end; for the sockets of a server.
    #[must_use]
    pub fn peer(&self) -> Option<&Arc<Peer>> {
        self.0.about.peer.as_ref()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !matches!(self.0.state, State::Open) {
            return;
        }
        let code = if std::thread::panicking() { CloseCode::INTERNAL } else { CloseCode::GOING_AWAY };
        self.say_close(Some(code.into()));
        // There is nobody to wait for the rest.
        let _ = self.0.conn.poll_flush(&mut Context::from_waker(std::task::Waker::noop()));
    }
}

const _: () = assert!(HIGH_WATER < 4 << 20, "a producer that asks for room stays below `max_unsent`");

#[cfg(test)]
mod tests;
