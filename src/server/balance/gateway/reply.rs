//! From a backend's answer to the reply; and, after 101, from request and response to bytes both ways.

use http::HeaderValue;

use super::attempt::Answered;
use super::onward;
use crate::net::clock::Clock;
use crate::net::relay::{Relay, RelaySettings, Side};
use crate::server::balance::gateway::attempt::Lent;
use crate::server::http::client::exchange::{Answer, AnswerBody};
use crate::server::http::response::Response;
use crate::server::http::upgrade::Upgraded;

/// The reply. `head`: the request was HEAD.
pub(super) fn reply(answered: Answered, head: bool, settings: RelaySettings) -> Response {
    let Answered { answer: Answer { head: of, length, body }, under_way } = answered;
    let fields = onward::fields(&of);
    let mut response = match body {
        AnswerBody::Switched(conn) => {
            let chosen = of.field("upgrade").and_then(|value| HeaderValue::from_bytes(value).ok());
            let protocol = chosen.unwrap_or_else(|| HeaderValue::from_static("unknown"));
            let mut response = Response::upgrade(protocol, move |upgraded| async move {
                tunnel(upgraded, conn, settings).await;
                drop(under_way);
            });
            fields.iter().for_each(|(name, value)| response.fields_mut().append(name.clone(), value.clone()));
            return response;
        }
        body => {
            let arriving = matches!(body, AnswerBody::Rest(..));
            let mut response = Response::new(body.into_body(length)).status(of.status());
            if arriving {
                response.on_sent(move |_| drop(under_way));
            }
            response
        }
    };
    *response.fields_mut() = fields;
    if head && let Some(length) = of.field_str("content-length").and_then(|text| text.parse().ok()) {
        response.length_of_get(length);
    }
    response
}

/// Moves bytes between the client and the backend until both are through.
async fn tunnel(upgraded: Upgraded, conn: Lent, settings: RelaySettings) {
    let Upgraded { conn: client, drain, place, .. } = upgraded;
    let (backend, slot) = conn.detach();
    let (client, backend) = (client.into_raw(), backend.into_raw());
    let side = |(io, unread)| Side { io, unread };
    let relay = Relay::new(side(client), side(backend), Clock::new().timer(), settings);
    let _ = drain.unless_aborting(relay.run()).await;
    drop((place, slot));
}
