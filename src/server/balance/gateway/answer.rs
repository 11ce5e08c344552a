//! Responses without a backend: redirects, and pages from the configuration.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use super::edits::RouteEdits;
use super::facts::Facts;
use crate::net::addr::Prefixes;
use crate::proto::balance::template::Template;
use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::middleware::request_id::RequestId;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// A page from the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// The media type.
    pub content_type: HeaderValue,
    /// The body.
    pub body: Bytes,
    /// The value of `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
}

impl Page {
    /// The page as a response.
    #[must_use]
    pub fn response(&self) -> Response {
        let mut response = Response::of(self.content_type.clone(), self.body.clone()).status(self.status);
        if self.body.is_empty() {
            response = Response::empty(self.status);
        }
        if let Some(seconds) = self.retry_after {
            response = response.with(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A page that replaces the body of the balancer's own error responses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// The statuses that it is for; the status of `page` is not used.
    pub statuses: Vec<StatusCode>,
    /// The page.
    pub page: Page,
}

impl ErrorPage {
    /// The first of `pages` that is for the status of this response, or the response unchanged.
    pub(super) fn in_place_of(answer: Response, pages: &[Self]) -> Response {
        let status = answer.code();
        let Some(found) = pages.iter().find(|page| page.statuses.contains(&status)) else { return answer };
        let mut response = found.page.response().status(status);
        if found.page.retry_after.is_none()
            && let Some(time) = answer.fields().find(RETRY_AFTER.as_str())
        {
            response = response.with(RETRY_AFTER, time.clone());
        }
        response
    }
}

/// A handler that answers with a page.
#[derive(Debug)]
pub struct Respond {
    /// The page.
    pub page: Page,
    /// The edits of the route: those of response fields apply.
    pub edits: Arc<RouteEdits>,
    /// Trusted proxies.
    pub trusted: Arc<Prefixes>,
}

/// A handler that redirects clients.
#[derive(Debug)]
pub struct Redirect {
    /// The target.
    pub to: Template,
    /// The status.
    pub status: StatusCode,
    /// The edits of the route: the path rewrite and those of response fields apply.
    pub edits: Arc<RouteEdits>,
    /// Trusted proxies.
    pub trusted: Arc<Prefixes>,
}

impl Redirect {
    fn answer(&self, facts: &Facts<'_>) -> Response {
        let mut location = BytesMut::new();
        self.to.write(&mut location, |variable, dst| facts.fill(variable, dst));
        // A path of two slashes would be the name of another server (RFC 3986 section 4.2).
        let slashes = location.iter().take_while(|byte| **byte == b'/').count();
        let location = location.freeze().slice(slashes.saturating_sub(1)..);
        match HeaderValue::from_maybe_shared(location) {
            Ok(location) => Response::empty(self.status).with(LOCATION, location),
            Err(_) => Problem::bad_request("this request cannot be redirected").into_response(),
        }
    }
}

/// The edited response that `make` gives to a request.
fn edited(
    mut request: Request,
    edits: &RouteEdits,
    trusted: &Prefixes,
    make: impl FnOnce(&Facts<'_>) -> Response,
) -> Response {
    name(&mut request, edits);
    let facts = Facts {
        head: request.head(),
        peer: request.peer(),
        extensions: request.extensions(),
        trusted,
        rewrite: &edits.rewrite,
        upstream: "",
        backend: None,
    };
    let mut response = make(&facts);
    edits.response.apply(response.fields_mut(), |variable, dst| facts.fill(variable, dst));
    response
}

/// Gives the request an id, if the route uses one and it has none.
pub(super) fn name(request: &mut Request, edits: &RouteEdits) {
    if edits.names_requests() && request.extensions().get::<RequestId>().is_none() {
        let id = RequestId::of(request.head());
        request.extensions_mut().insert(id);
    }
}

impl Handler for Respond {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        let response = edited(request, &self.edits, &self.trusted, |_| self.page.response());
        Box::pin(std::future::ready(response))
    }
}

impl Handler for Redirect {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        let response = edited(request, &self.edits, &self.trusted, |facts| self.answer(facts));
        Box::pin(std::future::ready(response))
    }
}
