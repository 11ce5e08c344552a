//! What the HTTP server counts of requests.
//!
//! Labels have few values whatever clients send: the route is the router's pattern, else `other`; the method one of the
//! standard ones, else `other`. A request that its client gave up before there was a reply counts with status 499, which
//! is nginx's name for that.

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use http::Method;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use super::body::Sent;
use super::request::Request;
use super::response::Response;
use super::router::RoutePattern;
use crate::server::metrics::{LATENCY_BUCKETS, Metrics};
use crate::server::peer::Peer;

/// The status that stands for a client that left before there was a reply.
pub const LEFT: u16 = 499;

/// The label for routes and methods that have none of their own.
const OTHER: &str = "other";

/// The metrics of a server. Clones are the same metrics.
#[derive(Clone, Debug)]
pub struct HttpMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Metrics,
    requests: Family<Answered, Counter>,
    request_bytes: Family<Route, Counter>,
    reply_bytes: Family<Route, Counter>,
    seconds: Family<Route, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    refusals: Family<Reason, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: Label,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: Label,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

/// The pattern of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Label(Option<Arc<str>>);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(self.0.as_deref().unwrap_or(OTHER))
    }
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpMetrics {
    /// Metrics that all are zero.
    #[must_use]
    pub fn new() -> Self {
        let requests = Family::default();
        let request_bytes = Family::default();
        let reply_bytes = Family::default();
        let seconds = Family::new_with_constructor((|| Histogram::new(LATENCY_BUCKETS)) as fn() -> Histogram);
        let in_flight = Gauge::default();
        let refusals = Family::default();

        let metrics = Metrics::new();
        metrics.register(|registry| {
            let help = "Requests that were answered";
            registry.register("http_requests", help, requests.clone());
            let help = "Bytes of requests that were read: heads, and bodies without their chunk framing";
            registry.register_with_unit("http_request", help, Unit::Bytes, request_bytes.clone());
            let help = "Bytes of reply bodies that were sent";
            registry.register_with_unit("http_reply_body", help, Unit::Bytes, reply_bytes.clone());
            let help = "From the end of a request's head to the end of its reply";
            registry.register_with_unit("http_request_duration", help, Unit::Seconds, seconds.clone());
            let help = "Requests whose reply has not left";
            registry.register("http_requests_in_flight", help, in_flight.clone());
            let help = "Requests and connections that were refused, also while a handler was at work";
            registry.register("http_refusals", help, refusals.clone());
        });
        Self(Arc::new(Inner { metrics, requests, request_bytes, reply_bytes, seconds, in_flight, refusals }))
    }

    /// Counts a request or a connection that was refused; `reason` in snake case, as
    /// [`Reject::name`](crate::proto::http::reject::Reject::name) gives it.
    pub fn refused(&self, reason: &'static str) {
        self.0.refusals.get_or_create(&Reason { reason }).inc();
    }

    /// All that is counted here, and a place for what else is to be shown with it.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Begins to count a request.
    pub(super) fn before(&self, request: &mut Request) -> Counting {
        let route = match &request.route {
            Some(note) => note.clone(),
            None => {
                let note = RoutePattern::default();
                request.note_route(note.clone());
                note
            }
        };
        self.0.in_flight.inc();
        Counting {
            metrics: self.clone(),
            peer: Arc::clone(&request.peer),
            method: method_label(request.method()),
            head: request.head.bytes().len() as u64,
            route,
            begun: Instant::now(),
            counted: false,
        }
    }
}

/// A request that is being answered. It is counted once, when its reply has left or it is given up.
#[derive(Debug)]
pub(super) struct Counting {
    metrics: HttpMetrics,
    peer: Arc<Peer>,
    method: &'static str,
    /// Bytes of the request's head.
    head: u64,
    route: RoutePattern,
    begun: Instant,
    counted: bool,
}

impl Counting {
    /// Counts the request when `response` has left.
    pub(super) fn after(mut self, response: &mut Response) {
        let status = response.code().as_u16();
        response.on_sent(move |sent| self.count(status, sent));
    }

    fn count(&mut self, status: u16, sent: Sent) {
        self.counted = true;
        let inner = &self.metrics.0;
        let route = Label(self.route.pattern().cloned());
        let answered = Answered { route: route.clone(), method: self.method, status };
        inner.requests.get_or_create(&answered).inc();
        let route = Route { route };
        let request_bytes = inner.request_bytes.get_or_create(&route);
        request_bytes.inc_by(self.head + sent.received);
        inner.reply_bytes.get_or_create(&route).inc_by(sent.bytes);
        inner.seconds.get_or_create(&route).observe(sent.took.as_secs_f64());
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if !self.counted {
            let sent = Sent { took: self.begun.elapsed(), ..Sent::default() };
            let status = self.peer.verdict().unwrap_or(LEFT);
            self.count(status, sent);
        }
        self.metrics.0.in_flight.dec();
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::poll;

    use super::super::handler::Handler;
    use super::super::middleware::Stack;
    use super::super::middleware::test_support::{get, request};
    use super::super::router::Router;
    use super::*;

    fn around(metrics: &HttpMetrics) -> impl Handler {
        let router = Router::new()
            .get("/users/{id}", async |_: Request| "user")
            .get("/wait", async |_: Request| std::future::pending::<()>().await);
        let stack = Stack { metrics: Some(metrics.clone()), ..Stack::default() };
        let shared = stack.around(Arc::new(router));
        move |request: Request| {
            let shared = Arc::clone(&shared);
            async move { shared.handle(request).await }
        }
    }

    /// What the engine does when a reply has left.
    fn leave(mut response: Response, bytes: u64, millis: u64) {
        for told in response.extra.take().unwrap().on_sent {
            told(Sent {
                bytes,
                received: 3,
                took: Duration::from_millis(millis),
                complete: true,
                ..Sent::default()
            });
        }
    }

    fn has(metrics: &HttpMetrics, line: &str) -> bool {
        metrics.metrics().encode().lines().any(|found| found == line)
    }

    #[tokio::test]
    async fn requests_are_counted_by_route_method_and_status_when_they_have_left() {
        let metrics = HttpMetrics::new();
        let handler = around(&metrics);
        let first = handler.handle(get("/users/7", &[])).await;
        assert!(has(&metrics, "wireworks_http_requests_in_flight 1"));
        leave(first, 4, 2);
        leave(handler.handle(get("/users/8", &[])).await, 4, 30);
        leave(handler.handle(get("/nothing/here", &[])).await, 10, 1);
        leave(handler.handle(request("BREW", "/users/8", &[])).await, 10, 1);
        let expected = [
            r#"wireworks_http_requests_total{route="/users/{id}",method="GET",status="200"} 2"#,
            r#"wireworks_http_requests_total{route="other",method="GET",status="404"} 1"#,
            r#"wireworks_http_requests_total{route="/users/{id}",method="other",status="501"} 1"#,
            r#"wireworks_http_request_bytes_total{route="other"} 42"#,
            r#"wireworks_http_reply_body_bytes_total{route="other"} 10"#,
            r#"wireworks_http_request_duration_seconds_count{route="/users/{id}"} 3"#,
            r#"wireworks_http_request_duration_seconds_bucket{le="0.0025",route="/users/{id}"} 2"#,
            "wireworks_http_requests_in_flight 0",
        ];
        for line in expected {
            assert!(has(&metrics, line), "{line}\n{}", metrics.metrics().encode());
        }
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_counts_as_499() {
        let metrics = HttpMetrics::new();
        let handler = around(&metrics);
        let mut waiting = handler.handle(get("/wait", &[]));
        assert!(poll!(&mut waiting).is_pending());
        assert!(has(&metrics, "wireworks_http_requests_in_flight 1"));
        drop(waiting);
        drop(handler.handle(get("/users/1", &[])).await);
        for line in [
            r#"wireworks_http_requests_total{route="/wait",method="GET",status="499"} 1"#,
            r#"wireworks_http_requests_total{route="/users/{id}",method="GET",status="499"} 1"#,
            "wireworks_http_requests_in_flight 0",
        ] {
            assert!(has(&metrics, line), "{line}\n{}", metrics.metrics().encode());
        }
    }
}
