//! One request and its reply.
//!
//! The handler runs inside the connection's task. While it waits, the connection moves the request's body to it, sends what
//! earlier replies left behind, and keeps the deadlines; while the reply is sent, the same goes on, so a handler may
//! answer with the body that it is still reading. A fault of the client's overrides a reply that has not begun.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::time::Instant;

use super::body::{Body, BodyError, Frame, Kind, Segment, Sent};
use super::fault::Fault;
use super::handler::HandlerFuture;
use super::inbound::{HttpConn, Inbound, Pumped, discard, no_trailers};
use super::now::date_text;
use super::problem::Problem;
use super::request::{Peer, Request};
use super::response::{IntoResponse, OnUpgrade, Response};
use super::serve::Server;
use crate::net::conn::MinRate;
use crate::proto::http::head::{Framing, Head};
use crate::proto::http::list;
use crate::proto::http::list::FieldLines;
use crate::proto::http::reply::{ReplyHead, may_have_body};
use crate::proto::http::server::{Misuse, Outgoing};

/// What follows an exchange.
pub(super) enum After {
    /// The next request.
    Next,
    /// The end; the client has said all.
    Close,
    /// The end; the client may be talking still.
    Linger,
    /// An error in place of the reply; whether a handler had begun to make one.
    Refuse(StatusCode, &'static str, bool),
    /// Another protocol.
    Upgrade(OnUpgrade),
    /// The end, at once: the reply is incomplete, and must look so.
    Cut,
    /// The end, at once, between two requests: the client is gone.
    Gone,
}

/// An exchange whose handler was polled once.
pub(super) enum Begun<'a> {
    /// The reply was at hand and is on its way: the common case, which costs no task of its own.
    Over(After),
    /// It takes longer.
    Open(Box<Open<'a>>),
}

/// An exchange that takes longer than one poll.
pub(super) struct Open<'a> {
    server: &'a Server,
    peer: Arc<Peer>,
    inbound: Inbound,
    offer: Offer,
    started: Instant,
    /// The handler's reply, or the handler that makes it.
    reply: Result<Response, HandlerFuture<'a>>,
}

/// Hands the request to the handler, polls it once, and feeds the reply when it is there.
pub(super) fn begin<'a>(
    conn: &mut HttpConn,
    server: &'a Server,
    peer: &Arc<Peer>,
    request: Option<(Box<Head>, Framing)>,
    cx: &mut Context<'_>,
) -> Begun<'a> {
    let Some((head, framing)) = request else {
        return Begun::Over(After::Cut);
    };
    let started = conn.heard();
    let offer = Offer::of(&head, &framing);
    let (inbound, body) = match Inbound::begin(conn, &framing) {
        Ok(begun) => begun,
        Err(fault) => return Begun::Over(refusal(&fault, None)),
    };
    let request = Request::new(head, body, Arc::clone(peer));
    let mut handler = server.handler.handle(request);
    let reply = match handler.as_mut().poll(cx) {
        Poll::Ready(mut response) if response.is_at_hand() && !conn.codec().in_body() => {
            server.settings.sign(&mut response.fields);
            return Begun::Over(reply_at_once(conn, response, started));
        }
        Poll::Ready(response) => Ok(response),
        Poll::Pending => Err(handler),
    };
    conn.clear_deadline();
    Begun::Open(Box::new(Open {
        server,
        peer: Arc::clone(peer),
        inbound,
        offer,
        started,
        reply,
    }))
}

/// Feeds a reply whose body is in memory.
fn reply_at_once(conn: &mut HttpConn, response: Response, started: Instant) -> After {
    let body = match response.body.0 {
        Kind::Full(data) => data,
        _ => Bytes::new(),
    };
    let (length_of_get, on_sent) = response
        .extra
        .map_or((None, Vec::new()), |extra| (extra.length, extra.on_sent));
    let length = body.len() as u64;
    let bytes = if conn.codec().sends_body(response.status) {
        length
    } else {
        0
    };
    let head = ReplyHead {
        status: response.status,
        fields: response.fields,
        length: length_of_get.or(Some(length)),
        date: date_text(),
    };
    let result = conn.feed(Outgoing::Whole(head, body));
    for on_sent in on_sent {
        on_sent(Sent {
            bytes,
            took: started.elapsed(),
            complete: result.is_ok(),
        });
    }
    match result {
        Err(_) => After::Cut,
        Ok(()) if conn.codec().persists() => After::Next,
        Ok(()) => end(conn),
    }
}

/// How to end a connection that does not persist: a client that did not ask for the end may have sent its next request
/// already, and closing over that would reset the connection under the reply.
fn end(conn: &HttpConn) -> After {
    if conn.codec().client_is_through() && !conn.has_input() {
        After::Close
    } else {
        After::Linger
    }
}

impl Open<'_> {
    /// Runs the handler to its end, sends the reply, and says what follows.
    pub(super) async fn finish(self, conn: &mut HttpConn) -> After {
        let mut run = Run {
            conn,
            server: self.server,
            peer: Arc::clone(&self.peer),
            inbound: self.inbound,
            waiting: Waiting::Nobody,
            replying: false,
        };
        let mut response = match self.reply {
            Ok(response) => response,
            Err(handler) => match run.drive(handler).await {
                Ok(response) => response,
                Err(fault) => return refusal(&fault, Some(&self.peer)),
            },
        };
        if response.status.is_informational() {
            let fits = self.offer.matches(&response, run.conn);
            match response.is_upgrade() {
                true if fits => {}
                true => {
                    response =
                        Problem::bad_request("the request does not offer this upgrade").into_response();
                }
                // It would be taken for the beginning of a reply that never comes.
                false => response = Problem::internal("an informational status is no reply").into_response(),
            }
        }
        run.replying = true;
        if let Err(fault) = run.settle().await {
            return refusal(&fault, Some(&self.peer));
        }
        run.reply(response, self.started).await
    }
}

/// What follows a fault before the reply has begun. `peer` is given when a handler has the request.
fn refusal(fault: &Fault, peer: Option<&Peer>) -> After {
    let Some((status, reason)) = fault.answer() else {
        return After::Cut;
    };
    if let Some(peer) = peer {
        peer.overrule(status);
    }
    After::Refuse(status, reason, peer.is_some())
}

/// The upgrade that a request offers (RFC 9110 section 7.8).
struct Offer(Option<Vec<Vec<u8>>>);

impl Offer {
    fn of(head: &Head, framing: &Framing) -> Self {
        Self(
            framing
                .offers_upgrade
                .then(|| head.lines("upgrade").map(<[u8]>::to_vec).collect()),
        )
    }

    fn matches(&self, response: &Response, conn: &HttpConn) -> bool {
        let chosen = response
            .fields
            .find("upgrade")
            .and_then(|value| value.to_str().ok());
        let (Some(lines), Some(chosen)) = (&self.0, chosen) else {
            return false;
        };
        list::contains_token(lines.iter().map(Vec::as_slice), chosen) && !conn.codec().in_body()
    }
}

/// For whom the exchange waits.
#[derive(Clone, Copy, PartialEq)]
enum Waiting {
    Nobody,
    Handler,
    Reading,
    Writing,
}

/// An exchange under way.
struct Run<'a> {
    conn: &'a mut HttpConn,
    server: &'a Server,
    peer: Arc<Peer>,
    inbound: Inbound,
    waiting: Waiting,
    /// The handler has answered: its body may take its time, as event streams do.
    replying: bool,
}

impl Run<'_> {
    /// The first frame of a reply that is made of the request's body, when the client still waits to be told to send that:
    /// `100 Continue` cannot follow the head of the reply.
    async fn first_frame(&mut self, body: &mut Body) -> Result<Option<Result<Frame, BodyError>>, Fault> {
        let made_of_it = matches!(body.0, Kind::Inbound(..) | Kind::Stream(..) | Kind::Limited(..));
        if !self.inbound.is_held_back() || !made_of_it {
            return Ok(None);
        }
        let abandoned = poll_fn(|cx| Poll::Ready(self.inbound.is_abandoned(cx))).await;
        if abandoned {
            Ok(None)
        } else {
            self.drive(body.frame()).await
        }
    }

    /// Runs `future`, and the connection meanwhile.
    async fn drive<F: Future>(&mut self, future: F) -> Result<F::Output, Fault> {
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
                            self.peer.overrule(status);
                        }
                        return Poll::Ready(Err(fault));
                    }
                }
            }
        })
        .await
    }

    /// Does what the connection can do without the handler. Whether the handler may go on.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Fault> {
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
        self.watch(waiting);
        match self.conn.poll_deadline(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(()) if waiting == Waiting::Handler => Err(Fault::HandlerTooSlow),
            Poll::Ready(()) => Err(Fault::TooSlow),
        }
    }

    /// Times the peer as long as it is waited for.
    fn watch(&mut self, waiting: Waiting) {
        if self.waiting == waiting {
            return;
        }
        self.waiting = waiting;
        let settings = &self.server.settings;
        let pace = |conn: &mut HttpConn, min: MinRate, gap: Duration| conn.set_pace(min, gap);
        match waiting {
            Waiting::Nobody => self.conn.clear_deadline(),
            Waiting::Handler if settings.handler_timeout.is_zero() => self.conn.clear_deadline(),
            Waiting::Handler => self.conn.set_deadline(Instant::now() + settings.handler_timeout),
            Waiting::Reading => pace(self.conn, settings.min_read_rate, settings.stall_timeout),
            Waiting::Writing => pace(self.conn, settings.min_write_rate, settings.stall_timeout),
        }
    }

    /// Before the reply: a body that the handler did not want is checked as far as it is here; if the rest is too long to be
    /// read for nothing, or may never come, the connection ends with this reply.
    async fn settle(&mut self) -> Result<(), Fault> {
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

    /// Sends the reply, and says what follows.
    async fn reply(&mut self, mut response: Response, started: Instant) -> After {
        let mut extra = response.extra.take().unwrap_or_default();
        if self.server.drain.is_stopping() {
            self.conn.codec_mut().close();
        }
        self.server.settings.sign(&mut response.fields);
        let mut bytes = 0;
        let result = self.send(&mut response, extra.length, &mut bytes).await;
        let complete = result.is_ok();
        for on_sent in std::mem::take(&mut extra.on_sent) {
            on_sent(Sent {
                bytes,
                took: started.elapsed(),
                complete,
            });
        }
        if let Err(fault) = result {
            tracing::debug!(%fault, "reply cut short");
            return After::Cut;
        }
        if let Some(then) = extra
            .upgrade
            .filter(|_| response.status == StatusCode::SWITCHING_PROTOCOLS)
        {
            let settings = &self.server.settings;
            self.conn
                .set_pace(settings.min_write_rate, settings.stall_timeout);
            return self
                .conn
                .flush()
                .await
                .map_or(After::Cut, |()| After::Upgrade(then));
        }
        self.after().await
    }

    async fn send(
        &mut self,
        response: &mut Response,
        length_of_get: Option<u64>,
        bytes: &mut u64,
    ) -> Result<(), Fault> {
        let mut body = std::mem::take(&mut response.body);
        let length = length_of_get.or_else(|| body.len());
        let first = self.first_frame(&mut body).await?;
        let head = ReplyHead {
            status: response.status,
            fields: std::mem::take(&mut response.fields),
            length,
            date: date_text(),
        };
        self.conn.feed(Outgoing::Head(head))?;
        if may_have_body(response.status) && self.conn.codec().reply_has_body() {
            match body {
                Body(Kind::Full(data)) => {
                    *bytes += data.len() as u64;
                    self.conn.feed(Outgoing::Data(data))?;
                }
                Body(Kind::Files(segments)) => self.files(segments, bytes).await?,
                body => return self.stream(first, body, bytes).await,
            }
        }
        Ok(self.conn.feed(Outgoing::End(no_trailers()))?)
    }

    async fn stream(
        &mut self,
        mut first: Option<Result<Frame, BodyError>>,
        mut body: Body,
        bytes: &mut u64,
    ) -> Result<(), Fault> {
        loop {
            let frame = match first.take() {
                Some(frame) => frame,
                None => match self.drive(body.frame()).await? {
                    Some(frame) => frame,
                    None => break,
                },
            };
            match frame.map_err(Fault::Body)? {
                Frame::Data(data) => {
                    *bytes += data.len() as u64;
                    self.conn.feed(Outgoing::Data(data))?;
                    self.room().await?;
                }
                Frame::Trailers(fields) => return Ok(self.conn.feed(Outgoing::End(fields))?),
            }
        }
        Ok(self.conn.feed(Outgoing::End(no_trailers()))?)
    }

    /// Waits until the client has taken enough for more.
    async fn room(&mut self) -> Result<(), Fault> {
        if self.conn.has_room() {
            return Ok(());
        }
        poll_fn(|cx| match self.turn(cx) {
            Err(fault) => Poll::Ready(Err(fault)),
            Ok(_) if self.conn.has_room() => Poll::Ready(Ok(())),
            Ok(true) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(false) => Poll::Pending,
        })
        .await
    }

    async fn files(&mut self, segments: Vec<Segment>, bytes: &mut u64) -> Result<(), Fault> {
        for segment in segments {
            match segment {
                Segment::File(part) if self.conn.io().as_tcp().is_some() => {
                    let (mut offset, mut left) = (part.offset, part.length);
                    while left > 0 {
                        let sent = self.send_file(&part.file, offset, left).await?;
                        // The file is shorter than it was: the reply cannot be finished.
                        if sent == 0 {
                            return Err(Misuse::BodyTooShort.into());
                        }
                        self.conn.feed(Outgoing::Aside(sent))?;
                        (offset, left, *bytes) = (offset + sent, left - sent, *bytes + sent);
                    }
                }
                segment => {
                    let mut body = Body::files(vec![segment]);
                    while let Some(data) = body.data().await {
                        let data = data.map_err(Fault::Body)?;
                        *bytes += data.len() as u64;
                        self.conn.feed(Outgoing::Data(data))?;
                        self.room().await?;
                        // A file in the page cache is always ready: let the others have their turn.
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends one slice of a file past this process.
    async fn send_file(&mut self, file: &std::fs::File, offset: u64, length: u64) -> Result<u64, Fault> {
        let sent = poll_fn(|cx| {
            if self.server.drain.is_aborting() {
                return Poll::Ready(Err(Fault::Aborted));
            }
            match self.conn.poll_file(cx, file, offset, length) {
                Some(Poll::Ready(sent)) => Poll::Ready(sent.map_err(Fault::from)),
                Some(Poll::Pending) => {
                    self.watch(Waiting::Writing);
                    self.conn.poll_deadline(cx).map(|()| Err(Fault::TooSlow))
                }
                None => Poll::Ready(Ok(0)),
            }
        })
        .await?;
        if sent < length {
            tokio::task::yield_now().await;
        }
        Ok(sent)
    }

    /// After the reply: the rest of an unwanted body, then the next request, or the end.
    async fn after(&mut self) -> After {
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
            self.conn.set_pace(settings.min_read_rate, settings.stall_timeout);
            if discard(self.conn, settings.drain_limit).await {
                return After::Next;
            }
            return After::Linger;
        }
        if persists { After::Next } else { end(self.conn) }
    }
}
