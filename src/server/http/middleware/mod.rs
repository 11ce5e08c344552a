//! What stands around the handlers: a [`Stack`] of optional parts, run in one order, as straight-line code.
//!
//! On the way in, and back on the way out:
//!
//! 1. request id ([`request_id`]): a name for the request, in the reply too
//! 2. access log ([`access_log`]): a line when the reply has left
//! 3. metrics ([`metrics`](super::metrics)): counts and times when the reply has left
//! 4. security headers ([`security`])
//! 5. CORS ([`cors`]): preflights end here
//! 6. authentication ([`auth`]): 401
//! 7. rate limit ([`rate_limit`]): 429
//! 8. concurrency limit ([`concurrency`]): 503
//! 9. timeout ([`timeout`]): 503
//! 10. body limit ([`body_limit`]): 413
//! 11. compression ([`compression`])
//! 12. panics ([`panics`]): a panic of the handler is a 500 and a line in the log
//! 13. the handler
//!
//! So every reply is logged and counted, those of the parts themselves too; a reply that a part further out makes has not
//! been through those further in. Parts that are not there cost a branch; a stack without the first nine, which is what a
//! server has that nobody configured, costs little more than the handler.

pub mod access_log;
pub mod auth;
pub mod body_limit;
pub mod compression;
pub mod concurrency;
pub mod cors;
mod inner;
pub mod panics;
pub mod rate_limit;
pub mod refusal;
pub mod request_id;
pub mod security;
pub mod timeout;

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;

use http::header::{RETRY_AFTER, VARY};
use http::{HeaderValue, StatusCode};

use self::access_log::AccessLog;
use self::auth::Auth;
use self::body_limit::BodyLimit;
use self::compression::Compression;
use self::concurrency::Concurrency;
use self::cors::Cors;
use self::inner::Inner;
use self::rate_limit::RateLimit;
use self::refusal::RefusalReason;
use self::request_id::RequestIds;
use self::security::SecurityHeaders;
use self::timeout::Timeout;
use super::handler::{Handler, HandlerFuture, SharedHandler};
use super::metrics::HttpMetrics;
use super::problem::Problem;
use super::request::Request;
use super::response::{IntoResponse, Response};
use crate::net::service::Service;
use crate::proto::http::fields::Fields;
use crate::proto::http::list::{FieldLines, contains_token};

/// The parts around a handler. The default has none.
#[derive(Debug, Default)]
pub struct Stack {
    /// Names requests.
    pub request_id: Option<RequestIds>,
    /// Writes a line a request.
    pub access_log: Option<AccessLog>,
    /// Counts requests.
    pub metrics: Option<HttpMetrics>,
    /// Whether a panic of the handler is answered with 500. Without it a panic ends the connection.
    pub catch_panics: bool,
    /// Sets fields that restrict what browsers do with a reply.
    pub security_headers: Option<SecurityHeaders>,
    /// Lets pages of other origins in.
    pub cors: Option<Cors>,
    /// Asks who it is.
    pub auth: Option<Auth>,
    /// Limits requests a second by key.
    pub rate_limit: Option<RateLimit>,
    /// Limits requests at once.
    pub concurrency: Option<Concurrency>,
    /// Limits how long a handler takes.
    pub timeout: Option<Timeout>,
    /// Limits request bodies.
    pub body_limit: Option<BodyLimit>,
    /// Compresses replies.
    pub compression: Option<Compression>,
}

impl Stack {
    /// `handler` with these parts around it; `handler` itself when there are none.
    #[must_use]
    pub fn around(mut self, handler: SharedHandler) -> SharedHandler {
        let inner = self.around_inner(handler);
        if self.is_empty() { inner } else { Arc::new(Stacked { parts: self, inner }) }
    }

    /// The parts next to the handler.
    fn around_inner(&mut self, handler: SharedHandler) -> SharedHandler {
        let (body_limit, compression) = (self.body_limit.take(), self.compression.take());
        let catch_panics = std::mem::take(&mut self.catch_panics);
        if body_limit.is_none() && compression.is_none() && !catch_panics {
            return handler;
        }
        Arc::new(Inner { body_limit, compression, catch_panics, handler })
    }

    /// Whether none of the outer parts is there.
    fn is_empty(&self) -> bool {
        self.request_id.is_none()
            && self.access_log.is_none()
            && self.metrics.is_none()
            && self.security_headers.is_none()
            && self.cors.is_none()
            && self.auth.is_none()
            && self.rate_limit.is_none()
            && self.concurrency.is_none()
            && self.timeout.is_none()
    }
}

/// A handler with the outer parts around it.
struct Stacked {
    parts: Stack,
    inner: SharedHandler,
}

impl Handler for Stacked {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        Box::pin(self.observed(request))
    }
}

impl Stacked {
    /// Parts 1 to 3, which see every request and every reply.
    async fn observed(&self, mut request: Request) -> Response {
        let parts = &self.parts;
        let id = parts.request_id.as_ref().map(|part| part.before(&mut request));
        let entry = parts.access_log.as_ref().map(|part| part.before(&request));
        let count = parts.metrics.as_ref().map(|part| part.before(&mut request));
        let mut response = self.dressed(request).await;
        if let Some(count) = count {
            count.after(&mut response);
        }
        if let Some(entry) = entry {
            entry.after(&mut response);
        }
        if let Some(id) = id {
            id.after(&mut response);
        }
        response
    }

    /// Parts 4 and 5, which add fields to replies.
    async fn dressed(&self, request: Request) -> Response {
        let parts = &self.parts;
        let tls = request.peer.tls;
        let cors = parts.cors.as_ref();
        let origin = cors.and_then(|part| part.origin(&request));
        let preflight = cors.and_then(|part| part.preflight(&request, origin.is_some()));
        let mut response = match preflight {
            Some(answer) => answer,
            None => self.admitted(request).await,
        };
        if let Some(part) = cors {
            part.after(origin, &mut response);
        }
        if let Some(part) = &parts.security_headers {
            part.after(tls, &mut response);
        }
        response
    }

    /// Parts 6 to 8, which may turn a request away.
    async fn admitted(&self, mut request: Request) -> Response {
        let parts = &self.parts;
        if let Some(part) = &parts.auth
            && let ControlFlow::Break(answer) = part.before(&mut request)
        {
            return answer.refused(RefusalReason::Auth);
        }
        if let Some(part) = &parts.rate_limit
            && let Some(key) = part.key(&request)
            && let ControlFlow::Break(answer) = part.before(key).await
        {
            return answer.refused(RefusalReason::Rate);
        }
        let rest = pin!(self.timed(request));
        match &parts.concurrency {
            Some(part) => part.run(rest).await,
            None => rest.await,
        }
    }

    /// Part 9, and all that is further in.
    async fn timed(&self, mut request: Request) -> Response {
        if let Some(part) = &self.parts.timeout {
            part.before(&mut request);
        }
        let rest = self.inner.handle(request);
        match &self.parts.timeout {
            Some(part) => part.run(rest).await,
            None => rest.await,
        }
    }
}

/// The service whose requests are futures: what the wrappers of [`net::service`](crate::net::service) go around here. A
/// future that is refused is dropped without having begun.
#[derive(Clone, Copy, Debug)]
struct Run;

impl<F: Future<Output: Send> + Send> Service<F> for Run {
    type Res = F::Output;

    fn call(&self, future: F) -> impl Future<Output = F::Output> + Send {
        future
    }
}

/// Turns a request away for now.
fn later(status: StatusCode, detail: &str, seconds: u64) -> Response {
    Problem::new(status, detail).with(RETRY_AFTER, HeaderValue::from(seconds)).into_response()
}

/// Adds `name` to what a reply says it varies by (RFC 9110 section 12.5.5), unless that is said already.
fn vary_by(fields: &mut Fields, name: &'static str) {
    let said = |token| contains_token(FieldLines::lines(&*fields, "vary"), token);
    if !said(name) && !said("*") {
        fields.append(VARY, HeaderValue::from_static(name));
    }
}
