//! The small server beside the server: `/metrics` for Prometheus, `/healthz` for whoever decides where requests go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderValue, StatusCode};

use super::RunError;
use super::listening;
use super::process::Process;
use crate::net::addr::ListenAddr;
use crate::net::drain::Drain;
use crate::net::listen::bind_std;
use crate::net::serve::{Gate, GateStats};
use crate::net::workers::Blocking;
use crate::server::http::handler::SharedHandler;
use crate::server::http::part;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::http::router::Router;
use crate::server::metrics::{CONTENT_TYPE, Metrics};

/// Puts the small server for metrics and health into `process`, which also tells what the gate and the workers of the other one count.
pub(super) fn add_status(
    address: &ListenAddr,
    metrics: &Metrics,
    gate: &Gate,
    workers: Option<&Blocking>,
    process: &mut Process,
) -> Result<(), RunError> {
    register(metrics, gate, workers);
    let sockets = vec![vec![bind_std(address, false)?]];
    listening::note("metrics", &sockets, process);
    let handler = handler(metrics.clone(), process.drain.clone());
    let part = part::status(handler, sockets, process.last_drain.clone());
    process.last.push(Arc::new(part));
    Ok(())
}

fn handler(metrics: Metrics, drain: Drain) -> SharedHandler {
    Arc::new(routes(Router::new(), metrics, drain))
}

/// Adds `/metrics`, and `/healthz`, which answers with 503 from the moment that `drain` is announced or begins.
pub(super) fn routes(router: Router, metrics: Metrics, drain: Drain) -> Router {
    router
        .get("/metrics", move |_: Request| {
            let text = metrics.encode();
            async move { Response::of(HeaderValue::from_static(CONTENT_TYPE), text) }
        })
        .get("/healthz", move |_: Request| {
            let stopping = drain.is_announced();
            async move {
                if stopping {
                    (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
                } else {
                    (StatusCode::OK, "ok\n")
                }
            }
        })
}

/// A row of the table below: its name, its help, and where its number is.
type Row<T> = (&'static str, &'static str, fn(&T) -> &AtomicU64);

/// What happens at the gate.
const GATE: [Row<GateStats>; 6] = [
    ("connections_accepted", "Connections accepted, refused ones included", |gate| &gate.accepted),
    ("connections_refused_in_all", "Connections over the limit in all", |gate| &gate.refused_total),
    ("connections_refused_by_address", "Connections over the limit of their address", |gate| {
        &gate.refused_address
    }),
    ("tls_handshakes_failed", "TLS handshakes that failed or took too long", |gate| &gate.tls_failed),
    ("proxy_headers_failed", "PROXY headers that were malformed or took too long", |gate| {
        &gate.preamble_failed
    }),
    ("accept_exhausted", "Times that descriptors or memory were short", |gate| &gate.exhausted),
];

/// Shows what a gate counts by itself, and workers. The metrics get the counters and nothing else: the server, whose stack and
/// observers hold the metrics, would never be dropped.
fn register(metrics: &Metrics, gate: &Gate, workers: Option<&Blocking>) {
    let admission = gate.admission().clone();
    metrics
        .register_gauge("connections", "Connections that are open", move || admission.connections() as u64);
    for (name, help, counter) in GATE {
        let stats = Arc::clone(gate.stats());
        metrics.register_counter(name, help, move || counter(&stats).load(Ordering::Relaxed));
    }
    if let Some(workers) = workers.cloned() {
        metrics.register_workers(move || workers.stats());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::metrics::HttpMetrics;
    use crate::server::http::testing::{field, read, request};

    async fn get(handler: &SharedHandler, target: &str) -> Response {
        handler.handle(request(&format!("GET {target}"), &[], "")).await
    }

    #[tokio::test]
    async fn health_is_good_until_the_drain() {
        let drain = Drain::new();
        let handler = handler(Metrics::new(), drain.clone());
        assert_eq!(read(get(&handler, "/healthz").await).await, (200, "ok\n".into()));
        drain.stop();
        assert_eq!(read(get(&handler, "/healthz").await).await, (503, "stopping\n".into()));
        assert_eq!(get(&handler, "/").await.code(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn metrics_have_the_type_that_prometheus_asks_for() {
        let metrics = HttpMetrics::new();
        metrics.refused("bare_lf");
        let response = get(&handler(metrics.metrics().clone(), Drain::new()), "/metrics").await;
        assert_eq!(field(&response, "content-type"), CONTENT_TYPE);
        let (status, text) = read(response).await;
        assert!(status == 200 && text.contains("bare_lf"), "{text}");
    }

    #[test]
    fn no_two_rows_have_one_name() {
        for (index, (name, ..)) in GATE.iter().enumerate() {
            assert!(GATE[index + 1..].iter().all(|(other, ..)| other != name), "{name}");
        }
    }
}
