//! The life of a connection: what it hears and answers on its own account, its deadlines, and its end.
//!
//! It speaks; then our last word is said, or the peer's; then TCP is closed in order; then it is over, and how it ended stays.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::{Event, SocketError};
use crate::net::conn::{Conn, ConnError, Linger, Turn};
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::net::pace::Direction;
use crate::net::serve::Place;
use crate::proto::ws::close::{CloseCode, CloseReason};
use crate::proto::ws::codec::{Codec, Role, WsError};
use crate::proto::ws::keeper::{Keeper, Verdict};
use crate::proto::ws::message::{Incoming, Outgoing};
use crate::server::peer::Peer;
use crate::server::ws::metrics::{Counting, SocketMetrics, Tally};
use crate::server::ws::settings::Settings;

/// Bytes that are read from a peer after our last word, before its end is no longer waited for.
const LINGER_LIMIT: usize = 1 << 20;

/// A connection after its handshake.
#[derive(Debug)]
pub(in super::super) struct Link {
    pub(super) conn: Conn<Io, Codec>,
    pub(super) settings: Arc<Settings>,
    drain: Drain,
    keeper: Keeper,
    state: State,
    /// The peer is held to the pace of a reader.
    pacing: bool,
    role: Role,
    /// The last ping that was not answered yet, because the peer did not read.
    owed: Option<Bytes>,
    pub(super) about: About,
    counting: Option<Box<Counting>>,
}

/// What is rarely asked for.
#[derive(Debug)]
pub(in super::super) struct About {
    pub(in super::super) peer: Option<Arc<Peer>>,
    pub(in super::super) subprotocol: Option<Box<HeaderValue>>,
    /// Held until the connection is over.
    pub(in super::super) _place: Option<Place>,
    /// The right to compressors of its own.
    pub(in super::super) _context: Option<OwnedSemaphorePermit>,
}

/// Where it is in its life.
#[derive(Debug)]
enum State {
    Open,
    /// Our last word is on its way, or was said; nothing of the peer counts but its close frame.
    Closing,
    /// Nobody says anything any more: TCP is closed in order. An error is told at once, and the rest is done when the socket is
    /// dropped.
    Lingering(Linger, End),
    Over(End),
}

/// What a deadline has led to.
enum Due {
    /// Something to be sent.
    Sent,
    /// The end.
    End(SocketError),
}

/// How it ends: with the reason that the peer gave, or with an error.
type End = Result<Option<CloseReason>, SocketError>;

impl Link {
    pub(super) fn new(
        mut conn: Conn<Io, Codec>,
        role: Role,
        settings: Arc<Settings>,
        drain: Drain,
        about: About,
    ) -> Self {
        conn.read_limit(Codec::READ_LIMIT);
        Self {
            conn,
            settings,
            drain,
            keeper: Keeper::default(),
            state: State::Open,
            pacing: false,
            role,
            owed: None,
            about,
            counting: None,
        }
    }

    /// Counts it from now on.
    pub(super) fn count(&mut self, metrics: &SocketMetrics) {
        self.counting = Some(Box::new(metrics.opened()));
    }

    pub(super) fn role(&self) -> Role {
        self.role
    }

    /// Whether something can still be sent.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// The next thing that happens; what was fed leaves meanwhile.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, SocketError>> {
        loop {
            if self.drain.is_aborting() && !matches!(self.state, State::Over(_)) {
                self.over(SocketError::Stopped);
            }
            match &mut self.state {
                State::Open | State::Closing => {
                    if let Some(event) = ready!(self.poll_speaking(cx)) {
                        return Poll::Ready(Ok(event));
                    }
                }
                State::Lingering(_, Err(error)) => return Poll::Ready(Err(error.clone())),
                State::Lingering(_, Ok(_)) => {
                    ready!(self.poll_lingering(cx));
                    if let State::Lingering(_, end) = &mut self.state {
                        self.state = State::Over(std::mem::replace(end, Ok(None)));
                    }
                }
                State::Over(end) => return Poll::Ready(end.clone().map(Event::Closed)),
            }
        }
    }

    /// A turn before the end. Ready with `None` when the state has changed.
    fn poll_speaking(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if self.drain.is_stopping() && self.is_open() {
            self.say_close(Some(CloseCode::GOING_AWAY.into()));
        }
        loop {
            self.pay();
            match self.conn.poll_turn(cx) {
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
                    if self.is_open() {
                        return Poll::Ready(Some(Event::Room));
                    }
                }
                Poll::Ready(Ok(Turn::Closed) | Err(ConnError::Torn)) => {
                    let closing = matches!(self.state, State::Closing);
                    self.over(if closing { SocketError::Unclosed } else { SocketError::Torn });
                    return Poll::Ready(None);
                }
                Poll::Ready(Err(ConnError::Io(error))) => {
                    self.over(error.into());
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
                    let slow = self.pacing && !self.conn.is_flushed();
                    let due =
                        if slow { Some(Due::End(SocketError::Slow)) } else { self.watch(Instant::now()) };
                    if let Some(Due::End(error)) = due {
                        self.fail(error);
                        return Poll::Ready(None);
                    }
                }
                // It is at least as late as when the peer was heard, and that need not be looked up.
                Poll::Pending => match self.watch(self.conn.heard()) {
                    None => {
                        if let Some(counting) = &mut self.counting {
                            counting.settle();
                        }
                        return Poll::Pending;
                    }
                    Some(Due::Sent) => {}
                    Some(Due::End(error)) => {
                        self.fail(error);
                        return Poll::Ready(None);
                    }
                },
            }
        }
    }

    /// Sends what is left, at the pace of a reader after an orderly end, and closes TCP.
    fn poll_lingering(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.conn.is_flushed() && matches!(self.state, State::Lingering(_, Ok(_))) {
            self.pace();
            match self.conn.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return self.conn.poll_deadline(cx),
            }
        }
        if self.pacing {
            self.pacing = false;
            self.conn.set_deadline(Instant::now() + self.settings.patience.close_timeout);
        }
        match &mut self.state {
            State::Lingering(linger, _) => self.conn.poll_linger(cx, linger),
            _ => Poll::Ready(()),
        }
    }

    /// What an item means, if it means anything to the task.
    fn hear(&mut self, item: Incoming) -> Option<Event> {
        let open = self.is_open();
        match item {
            Incoming::Message(message) => {
                self.keeper.message_done();
                if let Some(counting) = &mut self.counting {
                    counting.received(Tally::one(message.len()));
                }
                open.then_some(Event::Message(message))
            }
            Incoming::Ping(payload) => {
                self.count_control();
                if self.is_open() {
                    self.owed = Some(payload);
                    self.pay();
                }
                None
            }
            Incoming::Pong(payload) => {
                self.count_control();
                self.is_open().then_some(Event::Pong(payload))
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
        let now = self.conn.heard().into_std();
        if let Err(reject) = self.keeper.control(now, &self.settings.patience) {
            self.fail(reject.into());
        }
    }

    /// Answers the last ping. While the peer does not read, earlier ones are let go: section 5.5.3 allows that.
    fn pay(&mut self) {
        if self.owed.is_some()
            && self.conn.has_room()
            && let Some(payload) = self.owed.take()
        {
            // Refused only behind our close frame, where it is not missed.
            let _ = self.conn.feed(Outgoing::Pong(payload));
        }
    }

    /// Sets the deadline of what comes next, unless something is due at `now`.
    fn watch(&mut self, now: Instant) -> Option<Due> {
        if !self.conn.is_flushed() {
            self.pace();
            return None;
        }
        self.pacing = false;
        if matches!(self.state, State::Closing) {
            // Our last word has left; only now the peer can answer it.
            self.keeper.close(Instant::now().into_std());
        }
        let unfinished = self.conn.codec().unfinished();
        let heard = self.conn.heard().into_std();
        match self.keeper.look(now.into_std(), heard, unfinished, &self.settings.patience) {
            Verdict::Wait(Some(at)) => self.conn.set_deadline(at.into()),
            Verdict::Wait(None) => self.conn.clear_deadline(),
            Verdict::Ping => {
                // Refused only behind our close frame, where none is due.
                let _ = self.conn.feed(Outgoing::Ping(Bytes::new()));
                return Some(Due::Sent);
            }
            Verdict::Silent => return Some(Due::End(SocketError::Silent)),
            Verdict::Unclosed => return Some(Due::End(SocketError::Unclosed)),
            Verdict::Refuse(reject) => return Some(Due::End(reject.into())),
        }
        None
    }

    /// Holds the peer to the pace of a reader.
    fn pace(&mut self) {
        if !self.pacing {
            self.pacing = true;
            let Settings { min_write_rate, stall_timeout, .. } = *self.settings;
            self.conn.set_pace(Direction::Writing, min_write_rate, stall_timeout);
        }
    }

    fn is_speaking(&self) -> bool {
        matches!(self.state, State::Open | State::Closing)
    }

    /// Says our last word, once.
    pub(super) fn say_close(&mut self, reason: Option<CloseReason>) {
        if self.is_open() {
            // It is the first, so it cannot be refused.
            let _ = self.conn.feed(Outgoing::Close(reason));
            self.state = State::Closing;
        }
    }

    /// Ends the connection with an error, of which the peer is told if it can be.
    pub(super) fn fail(&mut self, error: SocketError) {
        match error.reason() {
            Some(reason) => {
                self.say_close(Some(reason));
                self.linger(Err(error));
            }
            None => self.over(error),
        }
    }

    /// It is over at once, without another word.
    fn over(&mut self, error: SocketError) {
        self.end(State::Over(Err(error)));
    }

    /// Notes how it ends.
    fn end(&mut self, state: State) {
        if let (Some(counting), State::Lingering(_, end) | State::Over(end)) = (&mut self.counting, &state) {
            counting.ended(end);
        }
        self.state = state;
    }

    /// Closes TCP: a server at once, a client after the server (section 7.1.1).
    fn linger(&mut self, end: End) {
        self.pacing = false;
        self.conn.set_deadline(Instant::now() + self.settings.patience.close_timeout);
        let linger = match self.role {
            Role::Client if end.is_ok() => Linger::after_peer(LINGER_LIMIT),
            Role::Client | Role::Server => Linger::new(LINGER_LIMIT),
        };
        self.end(State::Lingering(linger, end));
    }

    /// Queues an item with so many messages in it, if the connection is open and the peer not too far behind.
    pub(super) fn feed(&mut self, item: Outgoing, tally: Tally) -> Result<(), SocketError> {
        match &self.state {
            State::Open => {}
            State::Over(Err(error)) | State::Lingering(_, Err(error)) => return Err(error.clone()),
            _ => return Err(SocketError::Closing),
        }
        if self.conn.unsent() > self.settings.max_unsent {
            self.fail(SocketError::Slow);
            return Err(SocketError::Slow);
        }
        self.conn.feed(item).map_err(|_| SocketError::Closing)?;
        if let Some(counting) = &mut self.counting {
            counting.sent(tally);
        }
        Ok(())
    }

    /// Sends what was fed, as slowly as the peer may be.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        match &self.state {
            State::Over(Err(error)) | State::Lingering(_, Err(error)) => {
                return Poll::Ready(Err(error.clone()));
            }
            _ => {}
        }
        let error = match self.conn.poll_flush(cx) {
            Poll::Ready(flushed) => match flushed {
                Ok(()) => {
                    if self.pacing {
                        // Time that passes until the next one does not count against the peer.
                        self.pacing = false;
                        self.conn.clear_deadline();
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) => error.into(),
            },
            Poll::Pending if self.drain.is_aborting() => SocketError::Stopped,
            Poll::Pending => {
                let due = self.watch(self.conn.heard());
                ready!(self.conn.poll_deadline(cx));
                match due {
                    Some(Due::End(error)) => error,
                    _ => SocketError::Slow,
                }
            }
        };
        self.fail(error.clone());
        Poll::Ready(Err(error))
    }

    /// Whether nothing is left to be done.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    /// Goes on to the end on its own: nobody listens any more.
    pub(super) async fn finish(mut self: Box<Self>, code: CloseCode) {
        self.say_close(Some(code.into()));
        poll_fn(|cx| {
            loop {
                match &mut self.state {
                    _ if self.drain.is_aborting() => return Poll::Ready(()),
                    // What comes is dropped.
                    State::Open | State::Closing => drop(ready!(self.poll_turn(cx))),
                    State::Lingering(..) => return self.poll_lingering(cx),
                    State::Over(_) => return Poll::Ready(()),
                }
            }
        })
        .await;
    }
}
