//! One request and its reply: handing the request to the handler, and what follows.
//!
//! The handler runs inside the connection's task. Most answer at once, from memory: their reply is fed in the same breath.
//! The others have the connection driven meanwhile ([`run`]), and their reply sent piece by piece ([`reply`]). A fault of
//! the client's overrides a reply that has not begun.

mod reply;
mod run;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use tokio::time::Instant;

use self::run::Run;
use super::body::{Kind, Sent};
use super::engine::Engine;
use super::fault::Fault;
use super::handler::HandlerFuture;
use super::inbound::{HttpConn, Inbound};
use super::now::date_text;
use super::problem::Problem;
use super::request::Request;
use super::response::{IntoResponse, OnUpgrade, Response};
use crate::proto::http::head::{Framing, Head};
use crate::proto::http::list;
use crate::proto::http::list::FieldLines;
use crate::proto::http::reply::ReplyHead;
use crate::proto::http::server::Outgoing;
use crate::server::peer::Peer;

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
    server: &'a Engine,
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
    server: &'a Engine,
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
            return Begun::Over(reply_at_once(conn, response, inbound.received(), started));
        }
        Poll::Ready(response) => Ok(response),
        Poll::Pending => Err(handler),
    };
    conn.clear_deadline();
    Begun::Open(Box::new(Open { server, peer: Arc::clone(peer), inbound, offer, started, reply }))
}

/// Feeds a reply whose body is in memory.
fn reply_at_once(conn: &mut HttpConn, response: Response, received: u64, started: Instant) -> After {
    let body = match response.body.0 {
        Kind::Full(data) => data,
        _ => Bytes::new(),
    };
    let (length_of_get, on_sent) =
        response.extra.map_or((None, Vec::new()), |extra| (extra.length, extra.on_sent));
    let length = body.len() as u64;
    let bytes = if conn.codec().sends_body(response.status) { length } else { 0 };
    let head = ReplyHead {
        status: response.status,
        fields: response.fields,
        length: length_of_get.or(Some(length)),
        date: date_text(),
    };
    let result = conn.feed(Outgoing::Whole(head, body));
    for on_sent in on_sent {
        on_sent(Sent { bytes, received, took: started.elapsed(), complete: result.is_ok(), stalled: false });
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
    if conn.codec().client_is_through() && !conn.has_input() { After::Close } else { After::Linger }
}

impl Open<'_> {
    /// Runs the handler to its end, sends the reply, and says what follows.
    pub(super) async fn finish(self, conn: &mut HttpConn) -> After {
        let mut run = Run::new(conn, self.server, Arc::clone(&self.peer), self.inbound);
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
        peer.overrule(status.as_u16());
    }
    After::Refuse(status, reason, peer.is_some())
}

/// The upgrade that a request offers (RFC 9110 section 7.8).
struct Offer(Option<Vec<Vec<u8>>>);

impl Offer {
    fn of(head: &Head, framing: &Framing) -> Self {
        Self(framing.offers_upgrade.then(|| head.lines("upgrade").map(<[u8]>::to_vec).collect()))
    }

    fn matches(&self, response: &Response, conn: &HttpConn) -> bool {
        let chosen = response.fields.find("upgrade").and_then(|value| value.to_str().ok());
        let (Some(lines), Some(chosen)) = (&self.0, chosen) else {
            return false;
        };
        list::contains_token(lines.iter().map(Vec::as_slice), chosen) && !conn.codec().in_body()
    }
}
