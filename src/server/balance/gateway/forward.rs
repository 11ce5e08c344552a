//! The innermost handler of a route: a request goes on to a backend, and the answer comes back.

use std::sync::Arc;

use http::Method;

use super::answer::name;
use super::edits::RouteEdits;
use super::onward::Onward;
use super::{Settings, hash};
use crate::net::addr::Prefixes;
use crate::server::balance::connections::Connections;
use crate::server::balance::log::Note;
use crate::server::balance::upstream::Upstream;
use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::middleware::request_id::RequestId;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// A handler that asks a backend of an upstream, and another if that fails before it has answered.
#[derive(Debug)]
pub struct Forward {
    /// Where requests go.
    pub upstream: Arc<Upstream>,
    /// How they are sent.
    pub settings: Arc<Settings>,
    /// Connections that are kept.
    pub connections: Arc<Connections>,
    /// The proxies whose word about earlier clients counts.
    pub trusted: Arc<Prefixes>,
    /// What the route changes.
    pub edits: Arc<RouteEdits>,
}

impl Forward {
    /// Answers a request that the [`Gateway`](super::Gateway) has routed here.
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
        let (parts, body) = request.into_parts();
        let onward = Onward { forward: self, parts: &parts, length: body.len() };
        let (mut response, backend) = match self.attempts(&members, &onward, body, key, note.as_ref()).await {
            Ok(answered) => {
                let backend = Arc::clone(answered.lease.backend());
                (self.reply(answered, is_head, note.as_ref()), Some(backend))
            }
            Err(problem) => (problem.into_response(), None),
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
