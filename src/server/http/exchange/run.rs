//! The connection, while a handler is at work or its reply is sent: the request's body moves to whoever reads it, what earlier
//! replies left behind goes out, and the deadlines are kept.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{After, end};
use crate::net::pace::Direction;
use crate::server::http::engine::Engine;
use crate::server::http::fault::Fault;
use crate::server::http::inbound::{HttpConn, Inbound, Pumped};
use crate::server::peer::Peer;

/// For whom the exchange waits.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Waiting {
    Nobody,
    Handler,
    Reading,
    Writing,
}

/// An exchange under way.
pub(super) struct Run<'a> {
    pub(super) conn: &'a mut HttpConn,
    pub(super) server: &'a Engine,
    peer: Arc<Peer>,
    pub(super) inbound: Inbound,
    waiting: Waiting,
    /// The handler has answered: its body may take its time, as event streams do.
    replying: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(conn: &'a mut HttpConn, server: &'a Engine, peer: Arc<Peer>, inbound: Inbound) -> Self {
        Self { conn, server, peer, inbound, waiting: Waiting::Nobody, replying: false }
    }

    /// Runs `future`, and the connection meanwhile.
    pub(super) async fn drive<F: Future>(&mut self, future: F) -> Result<F::Output, Fault> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(output) = future.as_mut().poll(cx) {
                    return Poll::Ready(Ok(output));
                }
                match self.turn(cx) {
                    Ok(true) => {}
                    Ok(false) => return Poll::Pending,
                    Err(fault) => {
                        // Before the handler is dropped, whose place in the log then says how it ended.
                        if let (false, Some((status, _))) = (self.replying, fault.answer()) {
                            self.peer.overrule(status.as_u16());
                        }
                        return Poll::Ready(Err(fault));
                    }
                }
            }
        })
        .await
    }

    /// Does what the connection can do without the handler. Whether the handler may go on.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Fault> {
        if self.server.drain.is_aborting() {
            return Err(Fault::Aborted);
        }
        let pumped = self.inbound.pump(self.conn, cx)?;
        if pumped == Pumped::Moved {
            return Ok(true);
        }
        let flushed = self.conn.poll_flush(cx);
        let waiting = match (&flushed, pumped) {
            (Poll::Pending, _) => Waiting::Writing,
            (_, Pumped::Waiting) => Waiting::Reading,
            _ if self.replying => Waiting::Nobody,
            _ => Waiting::Handler,
        };
        if let Poll::Ready(Err(error)) = flushed {
            return Err(error.into());
        }
        if self.server.settings.abort_on_close
            && !self.conn.codec().in_body()
            && self.conn.poll_end(cx)?.is_ready()
        {
            return Err(Fault::Lost(std::io::ErrorKind::UnexpectedEof.into()));
        }
        self.watch(waiting);
        match self.conn.poll_deadline(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(()) if waiting == Waiting::Handler => Err(Fault::HandlerTooSlow),
            Poll::Ready(()) => Err(Fault::TooSlow),
        }
    }

    /// Times the peer as long as it is waited for.
    pub(super) fn watch(&mut self, waiting: Waiting) {
        if self.waiting == waiting {
            return;
        }
        self.waiting = waiting;
        let settings = &self.server.settings;
        match waiting {
            Waiting::Nobody => self.conn.clear_deadline(),
            Waiting::Handler if settings.handler_timeout.is_zero() => self.conn.clear_deadline(),
            Waiting::Handler => self.conn.set_deadline(Instant::now() + settings.handler_timeout),
            Waiting::Reading => self.server.pace(self.conn, Direction::Reading),
            Waiting::Writing => self.server.pace(self.conn, Direction::Writing),
        }
    }

    /// Before the reply: a body that the handler did not want is checked as far as it is here; if the rest is too long to be
    /// read for nothing, or may never come, the connection ends with this reply.
    pub(super) async fn settle(&mut self) -> Result<(), Fault> {
        self.replying = true;
        if !self.conn.codec().in_body() {
            return Ok(());
        }
        let abandoned = poll_fn(|cx| Poll::Ready(self.inbound.is_abandoned(cx))).await;
        if !abandoned {
            return Ok(());
        }
        let limit = self.server.settings.drain_limit;
        self.inbound.discard_arrived(self.conn, limit)?;
        let too_long = self.conn.codec().body_left().is_some_and(|left| left > limit);
        if self.conn.codec().in_body() && (too_long || self.inbound.is_held_back()) {
            self.conn.codec_mut().close();
        }
        Ok(())
    }

    /// After the reply: the rest of an unwanted body, then the next request, or the end.
    pub(super) async fn after(&mut self) -> After {
        let persists = self.conn.codec().persists();
        // It was never told to send its body, and what it sends next could be either that or a request.
        if self.inbound.is_held_back() && self.conn.codec().in_body() {
            return After::Linger;
        }
        if self.server.drain.is_stopping() && self.conn.codec().in_body() {
            return After::Linger;
        }
        if persists && self.conn.codec().in_body() {
            let settings = &self.server.settings;
            self.server.pace(self.conn, Direction::Reading);
            let discard = self.inbound.discard(self.conn, settings.drain_limit);
            return match self.server.drain.unless_aborting(discard).await {
                Some(true) => After::Next,
                Some(false) => After::Linger,
                None => After::Gone,
            };
        }
        if persists { After::Next } else { end(self.conn) }
    }
}
