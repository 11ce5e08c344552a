//! One connection, from its first byte to its last: a loop of exchanges.
//!
//! While a connection waits for a request its task is small and holds no buffer; an exchange is boxed for as long as it
//! lasts. Replies are fed, and leave together when the input is dry.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use tokio::time::Instant;

use super::engine::{Engine, Refusal};
use super::exchange::{self, After, Begun};
use super::inbound::HttpConn;
use super::now::date_text;
use super::problem::Problem;
use super::response::{IntoResponse, OnUpgrade};
use super::upgrade::Upgraded;
use crate::codec::Raw;
use crate::net::clock::Timer;
use crate::net::conn::{Conn, ConnError, Turn};
use crate::net::pace::Direction;
use crate::net::serve::{Arrival, Place};
use crate::proto::http::fields::Fields;
use crate::proto::http::head::{Framing, Head};
use crate::proto::http::reply::ReplyHead;
use crate::proto::http::server::{HttpError, Incoming, Outgoing, ServerCodec};
use crate::server::peer::Peer;

/// A connection and what it belongs to.
pub(super) struct Connection {
    pub(super) conn: HttpConn,
    pub(super) server: Arc<Engine>,
    pub(super) peer: Arc<Peer>,
    /// Requests that were begun.
    served: u64,
    place: Place,
}

impl Connection {
    pub(super) fn new(server: Arc<Engine>, arrival: Arrival, timer: Timer) -> Self {
        let peer = Peer::of(&arrival);
        let codec = ServerCodec::new(server.settings.limits);
        let mut conn = Conn::new(arrival.io, codec, timer);
        conn.read_limit(server.settings.limits.head.max(crate::net::conn::READ_LIMIT));
        conn.set_deadline(conn.heard() + server.settings.head_timeout);
        Self { conn, server, peer: Arc::new(peer), served: 0, place: arrival.place }
    }

    /// All of its life. The future is what an idle connection costs, so whatever is not waiting for a request is boxed.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn holds twice what it has by value: once as its argument, once as its variable"
    )]
    pub(super) fn run(mut self) -> impl Future<Output = ()> + Send {
        async move {
            let after = loop {
                let mut request = match self.next_request().await {
                    Ok(request) => Some(request),
                    Err(after) => break after,
                };
                let Self { conn, server, peer, served, .. } = &mut self;
                *served += 1;
                if *served >= server.settings.requests_per_connection || server.drain.is_stopping() {
                    conn.codec_mut().close();
                }
                let begun =
                    poll_fn(|cx| Poll::Ready(exchange::begin(conn, server, peer, request.take(), cx)));
                let after = match begun.await {
                    Begun::Over(after) => after,
                    Begun::Open(exchange) => {
                        let after = Box::pin(exchange.finish(conn)).await;
                        conn.touch();
                        after
                    }
                };
                if !matches!(after, After::Next) {
                    break after;
                }
            };
            // How most connections end: when what waits has been sent, nothing is left to do.
            let plain_end = matches!(after, After::Close) && !self.peer.tls;
            let over = poll_fn(|cx| {
                Poll::Ready(plain_end && matches!(self.conn.poll_flush(cx), Poll::Ready(Ok(()))))
            });
            if !over.await {
                Box::pin(self.end(after)).await;
            }
        }
    }

    async fn end(self, after: After) {
        match after {
            After::Next | After::Close => self.close().await,
            After::Linger => self.linger().await,
            After::Refuse(status, reason, begun) => self.refuse(status, reason, begun).await,
            After::Upgrade(then) => self.upgrade(then),
            After::Cut => self.cut(),
            After::Gone if !self.conn.is_flushed() => self.cut(),
            After::Gone => {}
        }
    }

    /// Drops the connection within a reply, so that the client does not take the part for the whole.
    fn cut(self) {
        Engine::count(&self.server.stats.cut);
        if self.conn.codec().is_until_close() {
            self.conn.reset();
        }
    }

    /// Sends what is left of the replies, with the time that every reply has. Whether it was sent.
    async fn finish(&mut self) -> bool {
        self.server.pace(&mut self.conn, Direction::Writing);
        let flushed = self.server.drain.unless_aborting(self.conn.flush()).await;
        matches!(flushed, Some(Ok(())))
    }

    /// Waits for a head. The first one is timed from accept; later ones from their first byte, and the wait for that byte has
    /// a limit of its own.
    ///
    /// # Errors
    /// What follows instead.
    async fn next_request(&mut self) -> Result<(Box<Head>, Framing), After> {
        let Self { conn, server, served, .. } = self;
        let mut waiting = if *served == 0 {
            Waiting::Head
        } else {
            // That of the wait before may have passed while the handler was at work.
            conn.clear_deadline();
            Waiting::Unset
        };
        let turn = poll_fn(|cx| {
            if server.drain.is_aborting() {
                return Poll::Ready(None);
            }
            loop {
                // A client that asks and does not read is not answered ahead: its replies would pile up here.
                if !conn.has_room()
                    && let Poll::Ready(Err(error)) = conn.poll_flush(cx)
                {
                    return Poll::Ready(Some(Err(error.into())));
                }
                if !conn.has_room() {
                    break;
                }
                match conn.poll_turn(cx) {
                    Poll::Ready(Ok(Turn::Room)) => {}
                    Poll::Ready(turn) => return Poll::Ready(Some(turn)),
                    Poll::Pending => break,
                }
            }
            let wanted = Waiting::of(conn);
            if server.drain.is_sending_home() && wanted == Waiting::Idle {
                waiting = Waiting::Unset;
                return last_call(conn, cx).map(|()| Some(Ok(Turn::Closed)));
            }
            if waiting != wanted && !(waiting == Waiting::Head && *served == 0) {
                if waiting == Waiting::Writing {
                    conn.touch(); // it has just taken the last of a reply
                }
                waiting = wanted;
                let (settings, now) = (&server.settings, conn.heard());
                match wanted {
                    Waiting::Head => conn.set_deadline(now + settings.head_timeout),
                    Waiting::Writing => server.pace(conn, Direction::Writing),
                    Waiting::Idle | Waiting::Unset => conn.set_deadline(now + settings.idle_timeout),
                }
            }
            if wanted == Waiting::Writing && conn.poll_deadline(cx).is_ready() {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await;
        Err(match turn {
            Some(Ok(Turn::Item(Incoming::Head(head, framing)))) => return Ok((head, framing)),
            Some(Ok(Turn::Closed)) => After::Close,
            Some(Ok(Turn::Item(_) | Turn::Room)) | None => After::Gone,
            Some(Err(ConnError::Proto(HttpError::Reject(reject)))) => {
                After::Refuse(reject.status(), reject.name(), false)
            }
            Some(Err(ConnError::Idle)) if conn.has_input() => {
                After::Refuse(StatusCode::REQUEST_TIMEOUT, "head_timeout", false)
            }
            Some(Err(ConnError::Idle)) if conn.is_flushed() => After::Close,
            Some(Err(_)) => After::Gone,
        })
    }

    /// Answers with an error of the server's own, and closes so that the client can read it.
    async fn refuse(mut self, status: StatusCode, reason: &'static str, begun: bool) {
        tracing::debug!(peer = %self.peer.addr, %status, reason, "request refused");
        if let Some(on_refusal) = &self.server.on_refusal {
            on_refusal(&Refusal { peer: self.peer.addr, status, begun, reason });
        }
        let mut response = Problem::new(status, reason.replace('_', " ")).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response = response.with(RETRY_AFTER, http::HeaderValue::from_static("1"));
        }
        self.server.settings.sign(&mut response.fields);
        let body = response.body.as_bytes().map(bytes::Bytes::copy_from_slice).unwrap_or_default();
        self.conn.codec_mut().close();
        let head =
            ReplyHead { status, fields: response.fields, length: Some(body.len() as u64), date: date_text() };
        let said = [Outgoing::Head(head), Outgoing::Data(body), Outgoing::End(Fields::new())];
        if said.into_iter().all(|item| self.conn.feed(item).is_ok()) {
            self.linger().await;
        }
    }

    /// Ends a connection whose client has nothing more to say.
    async fn close(mut self) {
        if !self.finish().await {
            return self.cut();
        }
        // Nothing more is read; a client over TLS is told the end.
        self.server.drain.unless_aborting(self.conn.linger(0)).await;
    }

    /// Ends a connection whose client may be talking still (RFC 9112 section 9.6).
    async fn linger(mut self) {
        // Only then the client's talk is limited.
        if !self.finish().await {
            return self.cut();
        }
        let longest = self.server.settings.linger_timeout;
        let stopping = self.server.drain.is_stopping();
        let longest = if stopping { longest.min(LAST_LINGER) } else { longest };
        self.conn.set_deadline(Instant::now() + longest);
        let linger = self.conn.linger(self.server.settings.linger_limit);
        self.server.drain.unless_aborting(linger).await;
    }

    /// What comes after needs nothing of what HTTP needed, so it gets a task of its own size.
    fn upgrade(self, then: OnUpgrade) {
        let mut conn = self.conn.switch(Raw);
        conn.clear_deadline();
        then(Upgraded { conn, peer: self.peer, drain: self.server.drain.clone(), place: self.place });
    }
}

/// How long a refused client may go on talking during a shutdown.
const LAST_LINGER: Duration = Duration::from_secs(1);

/// How long a connection must have been quiet to count as idle when the shutdown begins. A client that is busy has its next
/// request on the way already.
const QUIET: Duration = Duration::from_millis(250);

/// Ready when a connection without a request in hand may be closed for the shutdown.
fn last_call(conn: &mut HttpConn, cx: &Context<'_>) -> Poll<()> {
    let since = conn.heard();
    if since.elapsed() >= QUIET {
        return Poll::Ready(());
    }
    conn.set_deadline(since + QUIET);
    conn.poll_deadline(cx)
}

/// What a connection without a request in hand waits for.
#[derive(Clone, Copy, PartialEq)]
enum Waiting {
    Unset,
    /// The rest of a head.
    Head,
    /// The client to take earlier replies.
    Writing,
    /// Anything.
    Idle,
}

impl Waiting {
    fn of(conn: &HttpConn) -> Self {
        if conn.has_input() && conn.has_room() {
            Self::Head
        } else if !conn.is_flushed() {
            Self::Writing
        } else {
            Self::Idle
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::handler::SharedHandler;
    use super::super::request::Request;
    use super::super::settings::Settings;
    use super::*;
    use crate::net::clock::Clock;

    /// Ten thousand of them wait most of the time.
    #[tokio::test]
    async fn a_connection_is_small() {
        let handler: SharedHandler = Arc::new(|_: Request| async { "" });
        let server = Arc::new(Engine::new(Settings::default(), handler));
        let arrival = Arrival::in_memory(tokio::io::duplex(1).0);
        let connection = Connection::new(server, arrival, Clock::new().timer());
        // The rest of a task of tokio has 112 bytes, and the whole is rounded up to a multiple of 128.
        let size = size_of_val(&connection.run());
        assert!(size <= 640 - 112, "{size} bytes");
    }
}
