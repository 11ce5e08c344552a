//! HTTP through the balancer: a handler that asks a backend, and another if that fails before it has answered.
//!
//! A request is tried again only where that is safe: when no byte of it has left, or when its method is idempotent (RFC 9110 section
//! 9.2.2) and no byte of a response came; when its body was kept; on a backend that has not failed it yet; and within the retry budget of
//! the upstream, as a balancer that repeats everything doubles the load of servers that are overloaded already.

mod attempt;
pub mod forward;
mod replay;
mod reply;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};

use super::connections::Connections;
use super::upstream::Upstream;
use crate::net::addr::Prefixes;
use crate::net::relay::RelaySettings;
use crate::net::resilience::pick::key_of;
use crate::proto::balance::route::{Asked, Condition};
use crate::proto::http::head::Head;
use crate::server::http::client::exchange::Timeouts;
use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// What an operator decides about requests.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the parts of an exchange with a backend may take.
    pub timeouts: Timeouts,
    /// For how long further attempts may begin. One that has begun has the time that its `timeouts` give it.
    pub deadline: Duration,
    /// Bytes of a body that are kept to be sent again.
    pub replay: usize,
    /// How tunnels are held.
    pub tunnel: RelaySettings,
    /// What a hash goes by.
    pub hash: HashBy,
}

impl Default for Settings {
    /// Two minutes for attempts, 64 KiB of a body, tunnels that may be silent for an hour.
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            deadline: Duration::from_secs(120),
            replay: 64 * 1024,
            tunnel: RelaySettings { idle: Duration::from_secs(3600), ..RelaySettings::default() },
            hash: HashBy::Source,
        }
    }
}

/// What of a request the pickers by hash go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// The client's address.
    Source,
    /// A field of this name; the client's address without one.
    Field(String),
    /// A cookie of this name; the client's address without one.
    Cookie(String),
    /// The path.
    Path,
}

/// Which requests go to an upstream, and how.
#[derive(Clone, Debug)]
pub struct Route {
    /// The requests that it is for.
    pub condition: Condition,
    /// Where they go.
    pub upstream: Arc<Upstream>,
    /// How they are sent.
    pub settings: Arc<Settings>,
}

/// A handler that asks backends.
#[derive(Debug)]
pub struct Gateway {
    routes: Vec<Route>,
    connections: Arc<Connections>,
    trusted: Prefixes,
}

impl Gateway {
    /// A gateway by these routes, the first of which that fits a request is taken. Of earlier clients the word of `trusted` proxies
    /// counts.
    #[must_use]
    pub fn new(routes: Vec<Route>, connections: Arc<Connections>, trusted: Prefixes) -> Self {
        Self { routes, connections, trusted }
    }

    async fn answer(&self, mut request: Request) -> Result<Response, Problem> {
        if request.method() == Method::CONNECT {
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "CONNECT is not spoken here"));
        }
        let bad = |error: forward::Unforwardable| Problem::bad_request(error.to_string());
        let path = forward::path(request.head()).map_err(|error| bad(error.into()))?;
        let route = self
            .route(request.head(), &path)
            .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "no route takes this request"))?;
        let trusted = request.peer().addr.ip().is_some_and(|ip| self.trusted.contains(ip));
        let onward = forward::request(&request, &path, trusted).map_err(|error| bad(error.into()))?;
        let key = self.key(route, &request, &path);
        let head = request.method() == Method::HEAD;
        drop(path);
        let body = std::mem::take(request.body_mut());
        let answer = self.attempts(route, onward, body, key).await?;
        Ok(reply::reply(answer, head, route.settings.tunnel))
    }

    fn route(&self, head: &Head, path: &str) -> Option<&Route> {
        let asked =
            Asked { authority: head.authority(), path, query: head.query(), method: head.method(), head };
        self.routes.iter().find(|route| route.condition.holds(&asked))
    }

    /// What a hash goes by.
    fn key(&self, route: &Route, request: &Request, path: &str) -> u64 {
        if !route.upstream.settings().algorithm.is_keyed() {
            return 0;
        }
        let source = || match self.client(request) {
            Some(IpAddr::V4(address)) => key_of(&address.octets()),
            Some(IpAddr::V6(address)) => key_of(&address.octets()),
            None => 0,
        };
        match &route.settings.hash {
            HashBy::Source => source(),
            HashBy::Field(name) => request.field(name).map_or_else(source, |value| key_of(value.as_bytes())),
            HashBy::Cookie(name) => {
                request.cookie(name).map_or_else(source, |value| key_of(value.as_bytes()))
            }
            HashBy::Path => key_of(path.as_bytes()),
        }
    }

    /// The client, as far as trusted proxies tell of it.
    fn client(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.peer().addr.ip()?;
        Some(crate::proto::http::forwarded::client(request.head(), peer, |ip| self.trusted.contains(ip)))
    }
}

impl Handler for Gateway {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        Box::pin(async move { self.answer(request).await.into_response() })
    }
}
