//! What the server counts, in the text format of OpenMetrics, which Prometheus reads.
//!
//! Labels have few values whatever clients send: the route is the router's pattern, else `other`; the method one of the
//! standard ones, else `other`. A request that its client gave up before there was a reply counts with status 499, which
//! is nginx's name for that. Numbers that live elsewhere are read by closures when somebody asks.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::body::Sent;
use super::request::{Peer, Request};
use super::response::Response;
use super::router::RoutePattern;
use crate::net::workers::BlockingStats;

/// The media type of what [`HttpMetrics::encode`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The status that stands for a client that left before there was a reply.
pub const LEFT: u16 = 499;

/// The label for routes and methods that have none of their own.
const OTHER: &str = "other";

/// Upper ends of the latency buckets in seconds: Prometheus's own, and two below for a server that answers quicker.
pub const LATENCY_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The metrics of a server. Clones are the same metrics.
#[derive(Clone, Debug)]
pub struct HttpMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Mutex<Registry>,
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

        let mut registry = Registry::with_prefix("wireworks");
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
        Self(Arc::new(Inner {
            registry: Mutex::new(registry),
            requests,
            request_bytes,
            reply_bytes,
            seconds,
            in_flight,
            refusals,
        }))
    }

    /// Counts a request or a connection that was refused; `reason` in snake case, as
    /// [`Reject::name`](crate::proto::http::reject::Reject::name) gives it.
    pub fn refused(&self, reason: &'static str) {
        self.0.refusals.get_or_create(&Reason { reason }).inc();
    }

    /// Shows a number that goes up and down as `wireworks_NAME`. `help` has no full stop.
    pub fn register_gauge(&self, name: &str, help: &str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        self.watch(name, help, MetricType::Gauge, read);
    }

    /// Shows a number that only goes up as `wireworks_NAME_total`. `help` has no full stop.
    pub fn register_counter(&self, name: &str, help: &str, read: impl Fn() -> u64 + Send + Sync + 'static) {
        self.watch(name, help, MetricType::Counter, read);
    }

    fn watch(
        &self,
        name: &str,
        help: &str,
        kind: MetricType,
        read: impl Fn() -> u64 + Send + Sync + 'static,
    ) {
        let watched = Watched { name: name.to_owned(), help: format!("{help}."), kind, read: Box::new(read) };
        self.registry().register_collector(Box::new(watched));
    }

    /// Shows the blocking lane of the workers, whose numbers `stats` reads.
    pub fn register_workers(&self, stats: impl Fn() -> BlockingStats + Send + Sync + 'static) {
        self.registry().register_collector(Box::new(Workers(Box::new(stats))));
    }

    /// All metrics as text, for a reply of type [`CONTENT_TYPE`].
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry());
        text
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        // A registry only grows, a whole metric at a time.
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
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
            let sent = Sent { bytes: 0, received: 0, took: self.begun.elapsed(), complete: false };
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

/// A number that lives elsewhere.
struct Watched {
    name: String,
    help: String,
    kind: MetricType,
    read: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Watched {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let number = (self.read)();
        let metric = encoder.encode_descriptor(&self.name, &self.help, None, self.kind)?;
        match self.kind {
            MetricType::Counter => ConstCounter::new(number).encode(metric),
            _ => ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX)).encode(metric),
        }
    }
}

/// The blocking lane, read once for all its metrics.
struct Workers(Box<dyn Fn() -> BlockingStats + Send + Sync>);

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workers")
    }
}

impl Collector for Workers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = (self.0)();
        let gauges = [
            ("workers_queued", "Jobs that wait for a worker.", stats.depth),
            ("workers_running", "Jobs that a worker does.", stats.running),
        ];
        for (name, help, number) in gauges {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX)).encode(metric)?;
        }
        let outcomes = [
            ("done", stats.done),
            ("panicked", stats.panicked),
            ("cancelled", stats.cancelled),
            ("refused", stats.refused),
        ];
        let help = "Jobs, by how they ended.";
        let mut metric = encoder.encode_descriptor("workers_jobs", help, None, MetricType::Counter)?;
        for (outcome, number) in outcomes {
            let labels = [("outcome", outcome)];
            ConstCounter::new(number).encode(metric.encode_family(&labels)?)?;
        }
        let help = "Time that jobs waited for a worker.";
        let unit = Unit::Seconds;
        let metric = encoder.encode_descriptor("workers_wait", help, Some(&unit), MetricType::Counter)?;
        ConstCounter::new(stats.waited.as_secs_f64()).encode(metric)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
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
            told(Sent { bytes, received: 3, took: Duration::from_millis(millis), complete: true });
        }
    }

    fn has(metrics: &HttpMetrics, line: &str) -> bool {
        metrics.encode().lines().any(|found| found == line)
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
            assert!(has(&metrics, line), "{line}\n{}", metrics.encode());
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
            assert!(has(&metrics, line), "{line}\n{}", metrics.encode());
        }
    }

    #[test]
    fn numbers_from_elsewhere_are_read_when_asked_for() {
        let metrics = HttpMetrics::new();
        let number = Arc::new(AtomicU64::new(3));
        let read = |number: &Arc<AtomicU64>| {
            let number = Arc::clone(number);
            move || number.load(Ordering::Relaxed)
        };
        metrics.register_gauge("connections", "Open connections", read(&number));
        metrics.register_counter("accepted", "Connections accepted", read(&number));
        metrics.register_workers(|| BlockingStats {
            depth: 4,
            refused: 2,
            waited: Duration::from_millis(1500),
            ..BlockingStats::default()
        });
        metrics.refused("head_too_large");
        number.store(5, Ordering::Relaxed);
        for line in [
            "# HELP wireworks_connections Open connections.",
            "# TYPE wireworks_connections gauge",
            "wireworks_connections 5",
            "# TYPE wireworks_accepted counter",
            "wireworks_accepted_total 5",
            "wireworks_workers_queued 4",
            r#"wireworks_workers_jobs_total{outcome="refused"} 2"#,
            "wireworks_workers_wait_seconds_total 1.5",
            r#"wireworks_http_refusals_total{reason="head_too_large"} 1"#,
        ] {
            assert!(has(&metrics, line), "{line}\n{}", metrics.encode());
        }
        assert!(metrics.encode().ends_with("# EOF\n"));
    }
}
