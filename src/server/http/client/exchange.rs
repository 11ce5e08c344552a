//! One request and its response on a connection that we made, with bodies both ways.
//!
//! The request's body is sent while the response is awaited and read: a server may answer before it has heard all, and a client
//! that sends first and reads later would wait for it for ever. An [`Exchange`] holds its connection until the response is over, and gives
//! it back then, to be used again if it can be. Dropped before, it closes it.

use std::future::poll_fn;
use std::io;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use crate::net::client::pool::{Manager, Pooled};
use crate::net::conn::{Conn, ConnError, Turn};
use crate::net::io::Io;
use crate::net::splice::Pipe;
use crate::proto::http::client::{
    ClientCodec, ClientError, Fault, Incoming, Outgoing, ResponseHead, WireRequest,
};
use crate::proto::http::fields::Fields;
use crate::proto::http::head::BodyLength;
use crate::proto::http::reply::Misuse;
use crate::server::http::body::{Body, BodyError, BoxError, Frame, Splice};

/// A connection to a server.
pub type ClientConn = Conn<Io, ClientCodec>;

/// Whoever lends a connection for an exchange.
pub trait Lent: DerefMut<Target = ClientConn> + Send + Unpin + 'static {
    /// Takes it back. `reusable`: the exchange is complete, and the connection can take another.
    fn give_back(self, reusable: bool);
}

impl<M: Manager<Connection = ClientConn, Key: Unpin>> Lent for Pooled<M> {
    fn give_back(self, reusable: bool) {
        self.keep(reusable);
    }
}

/// A connection for one exchange.
impl Lent for Box<ClientConn> {
    fn give_back(self, _: bool) {}
}

/// How long the parts of an exchange may take. Each is counted from the last byte that moved either way, and only while the server is waited for: not while the
/// body of the request has yet to come from elsewhere, nor while nobody takes the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the head of the response.
    pub response: Duration,
    /// Between two pieces of the response's body.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// A minute each, as nginx's `proxy_read_timeout` has it.
    fn default() -> Self {
        Self { response: Duration::from_secs(60), idle: Duration::from_secs(60) }
    }
}

/// How far a request got: whether it can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// No byte of it has left.
    NothingSent,
    /// The server may have seen it, and has not answered.
    Sent,
    /// The response has begun.
    Answered,
}

/// Why there is no whole response.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The server broke the protocol.
    #[error(transparent)]
    Fault(Fault),
    /// The connection ended before the response.
    #[error("the connection was closed before there was a response")]
    Closed,
    /// Nothing moved for as long as [`Timeouts`] allow.
    #[error("the server took too long")]
    Timeout,
    /// The body of the request could not be read.
    #[error("the body of the request: {0}")]
    Body(BodyError),
    /// The body of the request is not as long as its head said, or a request came out of turn.
    #[error("the request: {0}")]
    Misuse(Misuse),
}

impl ExchangeError {
    /// Whether the connection failed, and not what the server said.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Io(_) | Self::Closed | Self::Timeout => true,
            Self::Fault(fault) => *fault == Fault::Incomplete,
            Self::Body(_) | Self::Misuse(_) => false,
        }
    }
}

impl From<ConnError<ClientError>> for ExchangeError {
    fn from(error: ConnError<ClientError>) -> Self {
        match error {
            ConnError::Io(error) => Self::Io(error),
            ConnError::Proto(error) => error.into(),
            ConnError::Torn => Self::Fault(Fault::Incomplete),
            ConnError::Idle => Self::Timeout,
        }
    }
}

impl From<ClientError> for ExchangeError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Fault(fault) => Self::Fault(fault),
            ClientError::Misuse(misuse) => Self::Misuse(misuse),
        }
    }
}

/// Bytes of a body that have to follow for it to be worth a pipe.
const SPLICE_FROM: u64 = 32 * 1024;

/// An exchange under way.
#[derive(Debug)]
pub struct Exchange<L: Lent> {
    /// `None` when it was given back.
    conn: Option<L>,
    /// What is still to be sent of the request.
    request: Option<Body>,
    timeouts: Timeouts,
    /// Bytes of the request that the connection was given, to tell whether any has left.
    fed: usize,
    /// Whether the deadline of the connection is that of what the server is to say next.
    timed: bool,
}

/// What was done about the body of a request.
#[derive(Clone, Copy, Debug, Default)]
struct Sending {
    /// The connection was given some of it.
    moved: bool,
    /// The next piece of it has not come.
    starved: bool,
}

/// A response: its head, and its body as far as it is here.
#[derive(Debug)]
pub struct Answer<L: Lent> {
    /// The head.
    pub head: Box<ResponseHead>,
    /// How its body is delimited.
    pub length: BodyLength,
    /// The body.
    pub body: AnswerBody<L>,
}

/// The body of a response.
#[derive(Debug)]
pub enum AnswerBody<L: Lent> {
    /// All of it, with its trailer fields. The connection was given back.
    Whole(Bytes, Fields),
    /// The first bytes, and the exchange to read the rest from.
    Rest(Bytes, Exchange<L>),
    /// There is none, and the connection speaks another protocol from here on.
    Switched(L),
}

/// Sends a request, and waits for the head of its response, beyond interim ones.
///
/// # Errors
/// There is no response, and how far the request got. The connection is closed.
pub async fn exchange<L: Lent>(
    conn: L,
    request: WireRequest,
    body: Body,
    timeouts: Timeouts,
) -> Result<Answer<L>, (ExchangeError, Progress)> {
    let mut exchange = Exchange { conn: Some(conn), request: Some(body), timeouts, fed: 0, timed: false };
    match exchange.begin(request).await {
        Ok((head, length)) => exchange.answer(head, length),
        Err(error) => {
            let progress = exchange.progress();
            Err((error, progress))
        }
    }
}

impl<L: Lent> Exchange<L> {
    async fn begin(
        &mut self,
        request: WireRequest,
    ) -> Result<(Box<ResponseHead>, BodyLength), ExchangeError> {
        let whole = request.body() == BodyLength::Empty;
        let conn = self.conn()?;
        conn.feed(Outgoing::Head(request))?;
        if whole {
            conn.feed(Outgoing::End(Fields::new()))?;
        }
        self.fed = conn.unsent();
        if whole {
            self.request = None;
        }
        let until = self.timeouts.response;
        self.wait(until);
        poll_fn(|cx| self.poll_head(cx)).await
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Box<ResponseHead>, BodyLength), ExchangeError>> {
        loop {
            let sending = self.poll_request(cx)?;
            if sending.moved {
                self.wait(self.timeouts.response);
            }
            let Some(turn) = ready!(self.poll_conn(cx, sending))? else { continue };
            match turn {
                Turn::Item(Incoming::Head(head, length)) => return Poll::Ready(Ok((head, length))),
                Turn::Item(Incoming::Interim(_)) | Turn::Room => {}
                Turn::Item(Incoming::Data(_) | Incoming::End(_)) | Turn::Closed => {
                    return Poll::Ready(Err(ExchangeError::Closed));
                }
            }
        }
    }

    /// Sends what the connection has room for of the request's body.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Result<Sending, ExchangeError> {
        let mut sending = Sending::default();
        let (Some(conn), Some(body)) = (&mut self.conn, &mut self.request) else { return Ok(sending) };
        while conn.has_room() {
            let before = conn.unsent();
            let end = match body.poll_next_frame(cx) {
                Poll::Pending => {
                    sending.starved = true;
                    break;
                }
                Poll::Ready(Some(Ok(Frame::Data(data)))) => {
                    conn.feed(Outgoing::Data(data))?;
                    self.fed += conn.unsent() - before;
                    sending.moved = true;
                    continue;
                }
                Poll::Ready(Some(Ok(Frame::Trailers(fields)))) => fields,
                Poll::Ready(None) => Fields::new(),
                Poll::Ready(Some(Err(error))) => return Err(ExchangeError::Body(error)),
            };
            conn.feed(Outgoing::End(end))?;
            self.fed += conn.unsent() - before;
            self.request = None;
            sending.moved = true;
            break;
        }
        Ok(sending)
    }

    /// What comes next on the connection, after what was `sending`; `None` when it has failed and may have more to say.
    fn poll_conn(
        &mut self,
        cx: &mut Context<'_>,
        sending: Sending,
    ) -> Poll<Result<Option<Turn<Incoming>>, ExchangeError>> {
        let Poll::Ready(turn) = self.conn()?.poll_turn(cx) else {
            self.rest(sending);
            return Poll::Pending;
        };
        Poll::Ready(match turn {
            Err(ConnError::Io(_)) if self.hears_on() => Ok(None),
            turn => Ok(Some(turn?)),
        })
    }

    /// Stops the clock while it is the body of the request that is waited for: the server has all that there is of it.
    fn rest(&mut self, sending: Sending) {
        if let Some(conn) = self.conn.as_deref_mut().filter(|conn| sending.starved && conn.is_flushed()) {
            conn.clear_deadline();
            self.timed = false;
        }
    }

    /// Whether the response can still be heard after the connection has failed: a server that answers before it has read the whole request, and closes, makes
    /// our next write fail, and what it has said is here to be read.
    fn hears_on(&mut self) -> bool {
        let progress = self.progress();
        let Some(conn) = self.conn.as_deref_mut() else { return false };
        if conn.is_flushed() || progress == Progress::NothingSent {
            return false;
        }
        conn.forget_unsent();
        self.request = None;
        true
    }

    /// Makes an answer of the head, with what is here of its body already.
    fn answer(
        mut self,
        head: Box<ResponseHead>,
        length: BodyLength,
    ) -> Result<Answer<L>, (ExchangeError, Progress)> {
        let body = match length {
            BodyLength::Empty if is_switch(&head) => match self.conn.take() {
                Some(conn) => AnswerBody::Switched(conn),
                None => return Err((ExchangeError::Closed, Progress::Answered)),
            },
            BodyLength::Empty => {
                self.give_back();
                AnswerBody::Whole(Bytes::new(), Fields::new())
            }
            _ => {
                let (first, end) = self.here().map_err(|error| (error, Progress::Answered))?;
                match end {
                    Some(trailers) => {
                        self.give_back();
                        AnswerBody::Whole(first, trailers)
                    }
                    None => {
                        self.timed = false;
                        AnswerBody::Rest(first, self)
                    }
                }
            }
        };
        Ok(Answer { head, length, body })
    }

    /// The first piece of the body, if it is here, and the trailer fields, if that was all.
    fn here(&mut self) -> Result<(Bytes, Option<Fields>), ExchangeError> {
        let conn = self.conn()?;
        let first = match conn.decode()? {
            Some(Incoming::Data(data)) => data,
            Some(Incoming::End(trailers)) => return Ok((Bytes::new(), Some(trailers))),
            _ => return Ok((Bytes::new(), None)),
        };
        // The end of a body of known length needs no further byte.
        let end = match conn.codec().body_left() {
            Some(0) => conn.decode()?,
            _ => None,
        };
        match end {
            Some(Incoming::End(trailers)) => Ok((first, Some(trailers))),
            _ => Ok((first, None)),
        }
    }

    /// The next piece of the response's body, or `None` at its end, when the connection is given back. What is left of the request
    /// is sent meanwhile.
    ///
    /// # Errors
    /// The response is incomplete. The connection is closed.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, ExchangeError>>> {
        if self.conn.is_none() {
            return Poll::Ready(None);
        }
        match self.poll_turn(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Frame::Trailers(fields))) => {
                self.give_back();
                Poll::Ready((!fields.is_empty()).then_some(Ok(Frame::Trailers(fields))))
            }
            Poll::Ready(Ok(data)) => {
                self.timed = false;
                Poll::Ready(Some(Ok(data)))
            }
            Poll::Ready(Err(error)) => {
                self.conn = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, ExchangeError>> {
        loop {
            // A server that has answered may have lost interest in the rest of the request: its answer counts.
            let sending = match self.poll_request(cx) {
                Err(ExchangeError::Body(_)) => {
                    self.request = None;
                    Sending::default()
                }
                sending => sending?,
            };
            // Only now: a client that takes its time is no fault of the server's.
            if sending.moved || !self.timed {
                self.wait(self.timeouts.idle);
            }
            let Some(turn) = ready!(self.poll_conn(cx, sending))? else { continue };
            return Poll::Ready(match turn {
                Turn::Item(Incoming::Data(data)) => Ok(Frame::Data(data)),
                Turn::Item(Incoming::End(trailers)) => Ok(Frame::Trailers(trailers)),
                Turn::Room => continue,
                Turn::Item(Incoming::Head(..) | Incoming::Interim(_)) | Turn::Closed => {
                    Err(ExchangeError::Closed)
                }
            });
        }
    }

    /// Moves bytes of the response's body into an empty pipe; `None` when the next ones had better be read, as there are few, or as they come
    /// in another way. How many.
    ///
    /// # Errors
    /// The response is incomplete. The connection is closed.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<Option<Result<usize, ExchangeError>>> {
        let left = match &self.conn {
            Some(conn) if self.request.is_none() => conn.codec().body_left().unwrap_or(0),
            _ => 0,
        };
        if left < SPLICE_FROM {
            return Poll::Ready(None);
        }
        let filled = self.poll_fill_of(cx, pipe, left);
        if let Poll::Ready(Some(Err(_))) = filled {
            self.conn = None;
        }
        filled
    }

    fn poll_fill_of(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        left: u64,
    ) -> Poll<Option<Result<usize, ExchangeError>>> {
        if !self.timed {
            self.wait(self.timeouts.idle);
        }
        let conn = self.conn()?;
        // The last byte is read, and the end of the body with it.
        let most = usize::try_from(left - 1).unwrap_or(usize::MAX);
        match conn.poll_fill(cx, pipe, most) {
            None => Poll::Ready(None),
            Some(Poll::Ready(Ok(0))) => Poll::Ready(Some(Err(ExchangeError::Fault(Fault::Incomplete)))),
            Some(Poll::Ready(Ok(count))) => {
                conn.codec_mut().pass(count as u64).map_err(ExchangeError::Misuse)?;
                self.timed = false;
                Poll::Ready(Some(Ok(count)))
            }
            Some(Poll::Ready(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Some(Poll::Pending) => conn.poll_deadline(cx).map(|()| Some(Err(ExchangeError::Timeout))),
        }
    }

    /// How far the request got.
    fn progress(&self) -> Progress {
        match &self.conn {
            Some(conn) if !conn.codec().awaits_response() => Progress::Answered,
            Some(conn) if conn.unsent() == self.fed => Progress::NothingSent,
            _ => Progress::Sent,
        }
    }

    fn conn(&mut self) -> Result<&mut ClientConn, ExchangeError> {
        self.conn.as_deref_mut().ok_or(ExchangeError::Closed)
    }

    /// Ends the waiting so long from now.
    fn wait(&mut self, timeout: Duration) {
        if let Some(conn) = &mut self.conn {
            conn.set_deadline(Instant::now() + timeout);
            self.timed = true;
        }
    }

    fn give_back(&mut self) {
        if let Some(mut conn) = self.conn.take() {
            conn.clear_deadline();
            conn.park();
            let reusable = conn.codec().is_ready();
            conn.give_back(reusable);
        }
    }
}

fn is_switch(head: &ResponseHead) -> bool {
    head.status() == http::StatusCode::SWITCHING_PROTOCOLS
}

impl<L: Lent> AnswerBody<L> {
    /// The same as a body for a reply. `length` is what the head said.
    #[must_use]
    pub fn into_body(self, length: BodyLength) -> Body {
        match self {
            Self::Whole(data, trailers) if trailers.is_empty() => data.into(),
            Self::Whole(data, trailers) => {
                let frames = [Ok(Frame::Data(data)), Ok(Frame::Trailers(trailers))];
                Body::frames(futures_util::stream::iter(frames), None)
            }
            Self::Rest(first, exchange) => {
                let length = match length {
                    BodyLength::Exactly(length) => Some(length),
                    _ => None,
                };
                let first = Some(first).filter(|first| !first.is_empty());
                Body::spliced(Frames { first, exchange }, length)
            }
            Self::Switched(_) => Body::empty(),
        }
    }
}

/// The frames of a response.
struct Frames<L: Lent> {
    first: Option<Bytes>,
    exchange: Exchange<L>,
}

impl<L: Lent> Stream for Frames<L> {
    type Item = Result<Frame, BoxError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::Data(first))));
        }
        this.exchange.poll_frame(cx).map_err(BoxError::from)
    }
}

impl<L: Lent> Splice for Frames<L> {
    fn poll_fill(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<Option<Result<usize, BoxError>>> {
        let this = self.get_mut();
        if this.first.is_some() {
            return Poll::Ready(None);
        }
        this.exchange.poll_fill(cx, pipe).map_err(BoxError::from)
    }
}

#[cfg(test)]
mod tests;
