//! The innermost handler of a route: it sends a request to a backend and returns the response.

use std::sync::Arc;
use std::time::SystemTime;

use http::{Method, StatusCode};

use super::answer::{ErrorPage, name};
use super::attempt::Preference;
use super::edits::RouteEdits;
use super::mirror::Mirror;
use super::onward::Onward;
use super::{Settings, hash};
use crate::net::addr::Prefixes;
use crate::net::resilience::pick::Endpoint;
use crate::server::balance::connections::Connections;
use crate::server::balance::log::Note;
use crate::server::balance::upstream::Upstream;
use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::middleware::refusal::RefusalReason;
use crate::server::http::middleware::request_id::RequestId;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// A handler that sends requests to a backend of an upstream, and retries on others.
#[derive(Debug)]
pub struct Forward {
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// How requests are sent.
    pub settings: Arc<Settings>,
    /// Keep-alive connections.
    pub connections: Arc<Connections>,
    /// Trusted proxies.
    pub trusted: Arc<Prefixes>,
    /// The edits of the route.
    pub edits: Arc<RouteEdits>,
    /// Pages for the balancer's own error responses.
    pub pages: Arc<[ErrorPage]>,
    /// Where copies of requests go.
    pub mirror: Option<Mirror>,
}

impl Forward {
    /// Handles a request that the [`Gateway`](super::Gateway) has routed here.
    pub async fn answer(&self, mut request: Request) -> Response {
        name(&mut request, &self.edits);
        let members = self.upstream.members();
        let keyed = members.settings().algorithm.is_keyed();
        let key = if keyed { self.settings.hash.key(&request, &self.trusted) } else { 0 };
        let is_head = request.method() == Method::HEAD;
        let note = Note::of(&request).cloned();
        if let Some(note) = &note {
            let mut journey = note.journey();
            journey.upstream = Some(Arc::clone(self.upstream.name()));
            journey.client = hash::client(request.head(), request.peer(), &self.trusted);
            journey.id = request.extensions().get::<RequestId>().cloned();
        }
        let session = self.settings.sticky.as_ref().map(|sticky| {
            let now = SystemTime::now();
            (sticky, now, sticky.read(request.head(), now))
        });
        let (parts, mut body) = request.into_parts();
        if let Some(mirror) = &self.mirror {
            body = mirror.copy(&parts, body);
        }
        let onward = Onward { forward: self, parts: &parts, length: body.len() };
        let choice = Preference { key, session: session.and_then(|(.., ticket)| Some(ticket?.backend)) };
        let attempts = self.attempts(&members, &onward, body, choice, note.as_ref());
        let (mut response, backend) = match attempts.await {
            Ok(answered) => {
                let backend = Arc::clone(answered.lease.backend());
                let mut response = self.reply(answered, is_head, note.as_ref());
                if let Some((sticky, now, ticket)) = session {
                    sticky.set(&mut response, backend.key(), ticket, now, parts.peer().tls);
                }
                (response, Some(backend))
            }
            Err(problem) => {
                let is_too_large = problem.status() == StatusCode::PAYLOAD_TOO_LARGE;
                let answer = ErrorPage::in_place_of(problem.into_response(), &self.pages);
                (if is_too_large { answer.refused(RefusalReason::Body) } else { answer }, None)
            }
        };
        if !self.edits.response.is_empty() {
            let facts = onward.facts(backend.as_deref());
            self.edits.response.apply(response.fields_mut(), |variable, dst| facts.fill(variable, dst));
        }
        response
    }
}

impl Handler for Arc<Forward> {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        Box::pin(self.answer(request))
    }
}
