//! From a backend's response to that for the client; and, after 101, the tunnel.

use std::sync::Arc;

use http::header::UPGRADE;
use http::{HeaderValue, StatusCode};
use tokio::time::Instant;

use super::attempt::{Answered, Lent};
use super::passing::{Call, Passing};
use super::{Forward, onward};
use crate::net::relay::{Relay, RelaySettings, Side};
use crate::proto::http::head::BodyLength;
use crate::proto::http::list::FieldLines;
use crate::server::balance::backend::Backend;
use crate::server::balance::counters::Event;
use crate::server::balance::log::Note;
use crate::server::http::body::Body;
use crate::server::http::client::exchange::{Answer, AnswerBody};
use crate::server::http::response::Response;
use crate::server::http::upgrade::Upgraded;

impl Forward {
    /// The response. `head`: the request was HEAD.
    pub(super) fn reply(&self, answered: Answered, head: bool, note: Option<&Note>) -> Response {
        let Answered { answer, lease, request, latency } = answered;
        let Answer { head: of, length, body } = answer;
        let fields = onward::fields(&of);
        let mut response = match body {
            AnswerBody::Switched(conn) => {
                let (settings, note) = (self.settings.tunnel, note.cloned());
                let chosen = of.field("upgrade").and_then(|value| HeaderValue::from_bytes(value).ok());
                let protocol = chosen.unwrap_or_else(|| HeaderValue::from_static("unknown"));
                let mut response = Response::upgrade(protocol, move |upgraded| async move {
                    tunnel(upgraded, conn, lease.backend(), settings, note).await;
                    drop(lease);
                });
                fields
                    .iter()
                    .for_each(|(name, value)| response.fields_mut().append(name.clone(), value.clone()));
                return response;
            }
            AnswerBody::Rest(first, exchange) => {
                let length = match length {
                    BodyLength::Exactly(length) => Some(length),
                    _ => None,
                };
                let counted = request.passed();
                let call = Call {
                    upstream: Arc::clone(&self.upstream),
                    lease,
                    request: (request, counted),
                    note: note.cloned(),
                    latency: Some(latency).filter(|_| !of.status().is_server_error()),
                };
                let first = Some(first).filter(|first| !first.is_empty());
                let passing = Passing { first, exchange, call, received: 0 };
                Response::new(Body::spliced(passing, length)).status(of.status())
            }
            body @ AnswerBody::Whole(..) => {
                if let AnswerBody::Whole(data, _) = &body {
                    lease.backend().counters().add(Event::Received, data.len() as u64);
                }
                Response::new(body.into_body(length)).status(of.status())
            }
        };
        *response.fields_mut() = fields;
        if of.status() == StatusCode::UPGRADE_REQUIRED {
            // It has to name the protocols (RFC 9110 section 15.5.22), which otherwise are those of one connection.
            let protocols = of.lines("upgrade").filter_map(|line| HeaderValue::from_bytes(line).ok());
            protocols.for_each(|line| response.fields_mut().append(UPGRADE, line));
        }
        if head {
            match of.content_length() {
                Some(length) => response.length_of_get(length),
                // Nothing is said of a length that the backend has not said: it is not 0.
                None => *response.body_mut() = Body::frames(futures_util::stream::empty(), None),
            }
        }
        response
    }
}

/// Relays bytes between the client and the backend until both have finished.
async fn tunnel(upgraded: Upgraded, conn: Lent, of: &Backend, settings: RelaySettings, note: Option<Note>) {
    let Upgraded { conn: client, drain, place, .. } = upgraded;
    let begun = Instant::now();
    let (backend, slot) = conn.detach();
    // That of the client's thread, which a shutdown rings.
    let timer = client.clock().timer();
    let (client, backend) = (client.into_raw(), backend.into_raw());
    let side = |(io, unread)| Side { io, unread };
    let mut relay = Relay::new(side(client), side(backend), timer, settings);
    let end = drain.unless_aborting(std::future::poll_fn(|cx| relay.poll(cx))).await;
    let (there, back) = relay.moved();
    if let Some(note) = note {
        note.relayed((there, back), end.as_ref());
    }
    drop((relay, place, slot));
    let counters = of.counters();
    counters.add(Event::Sent, there);
    counters.add(Event::Received, back);
    counters.count(Event::Session);
    counters.add(Event::SessionMillis, u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
}
