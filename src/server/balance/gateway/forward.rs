//! The innermost handler of a route: a request goes on to a backend, and the answer comes back.

use std::sync::Arc;

use http::Method;

use super::{Settings, normal_path, onward};
use crate::net::addr::Prefixes;
use crate::server::balance::connections::Connections;
use crate::server::balance::upstream::Upstream;
use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::problem::Problem;
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
}

impl Forward {
    /// Answers a request that the [`Gateway`](super::Gateway) has routed here.
    pub async fn answer(&self, request: Request) -> Response {
        self.exchange(request).await.into_response()
    }

    async fn exchange(&self, mut request: Request) -> Result<Response, Problem> {
        let trusted = request.peer().addr.ip().is_some_and(|ip| self.trusted.contains(ip));
        let path = normal_path(&request);
        let onward = onward::request(&request, path, trusted)
            .map_err(|error| Problem::bad_request(error.to_string()))?;
        let members = self.upstream.members();
        let keyed = members.settings().algorithm.is_keyed();
        let key = if keyed { self.settings.hash.key(&request, path, &self.trusted) } else { 0 };
        let head = request.method() == Method::HEAD;
        let body = std::mem::take(request.body_mut());
        let answer = self.attempts(&members, onward, body, key).await?;
        Ok(self.reply(answer, head))
    }
}

impl Handler for Arc<Forward> {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        Box::pin(self.answer(request))
    }
}
