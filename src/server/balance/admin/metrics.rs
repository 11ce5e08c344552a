//! The Prometheus metrics of a balancer.
//!
//! Label values are names of upstreams, backends and listeners, so the number of series depends on the configuration and the operator, and
//! clients cannot create more.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::view::{
    BackendView, CacheView, CheckView, Condition, ListenerView, RouteView, UpstreamView, View,
};
use crate::server::balance::acme;
use crate::server::balance::balancer::Balancer;
use crate::server::balance::redis;

/// The metrics of a balancer.
#[derive(Debug)]
pub(super) struct BalanceMetrics(pub(super) Arc<Balancer>);

/// A label and its value.
type Label<'a> = (&'a str, &'a str);

/// The name of a metric, its unit, its help, and its value for each backend.
type Row<T> = (&'static str, Option<Unit>, &'static str, fn(&BackendView) -> T);

const GAUGES: [Row<i64>; 7] = [
    ("up", None, "Whether the checks pass", |backend| i64::from(backend.up)),
    ("weight", None, "The weight at present", |backend| i64::from(backend.weight)),
    ("in_flight", None, "Requests or connections under way", |backend| int(backend.in_flight)),
    ("in_flight_peak", None, "The most requests or connections that were under way at once", |backend| {
        int(backend.in_flight_peak)
    }),
    ("connections_idle", None, "Connections that are kept for the next request", |backend| {
        int(backend.connections.idle)
    }),
    ("connections_open", None, "Connections for requests, idle ones included", |backend| {
        int(backend.connections.open)
    }),
    ("priority", None, "The number of the priority: those with the lowest are used first", |backend| {
        i64::from(backend.priority)
    }),
];

const COUNTERS: [Row<f64>; 4] = [
    ("sent", Some(Unit::Bytes), "Bytes sent to the backend", |backend| backend.bytes_sent as f64),
    ("received", Some(Unit::Bytes), "Bytes received from the backend", |backend| {
        backend.bytes_received as f64
    }),
    ("sessions", None, "Connections of clients that were joined to the backend and have ended", |backend| {
        backend.sessions as f64
    }),
    ("session_duration", Some(Unit::Seconds), "How long those lasted together", |backend| {
        backend.session_seconds
    }),
];

/// The name of a metric, its help, the name of the label that distinguishes its kinds, and the kinds with their counts.
type Kinds = (&'static str, &'static str, &'static str, fn(&BackendView) -> Vec<(&'static str, u64)>);

const KINDS: [Kinds; 6] = [
    ("requests", "Responses by class", "class", |backend| pairs(&backend.responses)),
    ("failures", "Attempts that failed, by reason", "reason", |backend| pairs(&backend.failures)),
    (
        "retried",
        "Requests that were retried on another backend, by the failure of this one",
        "reason",
        |backend| pairs(&backend.retried),
    ),
    ("ejections", "Ejections by reason", "reason", |backend| pairs(&backend.ejections)),
    ("connections", "Connections that requests were sent on", "kind", |backend| {
        vec![("opened", backend.connections.opened), ("reused", backend.connections.reused)]
    }),
    ("checks", "Checks by their outcome", "outcome", |backend| match &backend.check {
        Some(CheckView { passed, failed, .. }) => vec![("passed", *passed), ("failed", *failed)],
        None => Vec::new(),
    }),
];

/// A metric of one upstream or listener: its name, its kind, its help, and how its value is read.
type OfOne<T> = (&'static str, MetricType, &'static str, fn(&T) -> u64);

/// The same for an upstream.
const OF_UPSTREAMS: [OfOne<UpstreamView>; 6] = [
    ("queued", MetricType::Gauge, "Requests and connections that wait for a backend", |upstream| {
        upstream.queued as u64
    }),
    ("panic", MetricType::Gauge, "Whether all backends get requests, as too few are well", |upstream| {
        u64::from(upstream.panic)
    }),
    (
        "pools_passed_over",
        MetricType::Gauge,
        "The number of the pool that gets requests: 0 for the first",
        |upstream| upstream.pool.unwrap_or_default() as u64,
    ),
    ("served", MetricType::Gauge, "Whether any backend gets requests", |upstream| {
        u64::from(upstream.pool.is_some())
    }),
    ("retries", MetricType::Counter, "Requests that were sent again", |upstream| upstream.retries),
    (
        "retries_denied",
        MetricType::Counter,
        "Requests that were not sent again for lack of budget",
        |upstream| upstream.retries_denied,
    ),
];

/// The same for a listener.
const OF_LISTENERS: [OfOne<ListenerView>; 4] = [
    ("connections", MetricType::Gauge, "Connections that are open", |listener| listener.connections as u64),
    ("accepted", MetricType::Counter, "Connections accepted, refused ones included", |listener| {
        listener.accepted
    }),
    ("refused", MetricType::Counter, "Connections over a limit", |listener| listener.refused),
    ("tls_failed", MetricType::Counter, "TLS handshakes that failed or took too long", |listener| {
        listener.tls_failed
    }),
];

/// The same for a cache.
const OF_CACHES: [OfOne<CacheView>; 4] = [
    ("bytes", MetricType::Gauge, "Bytes that are stored, heads and keys included", |cache| cache.bytes),
    ("memory_bytes", MetricType::Gauge, "Bytes that may be stored", |cache| cache.memory),
    ("uris", MetricType::Gauge, "URIs of which something is known", |cache| cache.uris),
    ("evictions", MetricType::Counter, "URIs that were forgotten to make room", |cache| cache.evictions),
];

fn int(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn pairs(map: &std::collections::BTreeMap<&'static str, u64>) -> Vec<(&'static str, u64)> {
    map.iter().map(|(name, count)| (*name, *count)).collect()
}

impl Collector for BalanceMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let view = View::of(&self.0);
        backends(&view.upstreams, &mut encoder)?;
        for (name, kind, help, read) in OF_UPSTREAMS {
            let name = format!("balance_upstream_{name}");
            let mut metric = encoder.encode_descriptor(&name, &format!("{help}."), None, kind)?;
            for upstream in &view.upstreams {
                number(metric.encode_family(&[("upstream", &*upstream.name)])?, kind, read(upstream))?;
            }
        }
        for (name, kind, help, read) in OF_LISTENERS {
            let name = format!("balance_listener_{name}");
            let mut metric = encoder.encode_descriptor(&name, &format!("{help}."), None, kind)?;
            for listener in &view.listeners {
                number(metric.encode_family(&[("listener", &*listener.listen)])?, kind, read(listener))?;
            }
        }
        caches(&view.caches, &mut encoder)?;
        acme::encode(self.0.acme(), &mut encoder)?;
        if let Some(client) = self.0.redis() {
            redis::encode(&client, &mut encoder)?;
        }
        routes(&view.routes, &mut encoder)?;
        self.spans(&mut encoder)?;
        self.configuration(&mut encoder)
    }
}

fn caches(caches: &[CacheView], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    for (name, kind, help, read) in OF_CACHES {
        let name = format!("balance_cache_{name}");
        let mut metric = encoder.encode_descriptor(&name, &format!("{help}."), None, kind)?;
        for cache in caches {
            number(metric.encode_family(&[("cache", &*cache.name)])?, kind, read(cache))?;
        }
    }
    let (name, help) = ("balance_cache_events", "What became of requests and responses.");
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for cache in caches {
        for (event, count) in &cache.counts {
            let labels = [("cache", &*cache.name), ("event", *event)];
            ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn routes(routes: &[RouteView], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    type Counts = fn(&RouteView) -> Option<&BTreeMap<&'static str, u64>>;
    let rows: [(&str, &str, &str, Counts); 2] = [
        ("refusals", "Requests that were turned away in front of a route", "reason", |route| {
            route.refusals.as_ref()
        }),
        ("mirrored", "Copies of requests by what became of them", "outcome", |route| route.mirror.as_ref()),
    ];
    for (name, help, label, read) in rows {
        let name = format!("balance_route_{name}");
        let mut metric = encoder.encode_descriptor(&name, &format!("{help}."), None, MetricType::Counter)?;
        for route in routes {
            let number = route.route.to_string();
            for (kind, count) in read(route).into_iter().flatten() {
                let labels = [("listener", &*route.listener), ("route", &number), (label, kind)];
                ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

impl BalanceMetrics {
    fn spans(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (name, help) = ("balance_trace_spans", "Spans of traces by what became of them.");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (outcome, count) in self.0.spans().counts() {
            ConstCounter::new(count).encode(metric.encode_family(&[("outcome", outcome)])?)?;
        }
        Ok(())
    }

    fn configuration(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let loaded = self.0.loaded();
        let since =
            |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let help = "The number of the configuration in use, from 1.";
        let metric = encoder.encode_descriptor("balance_config_generation", help, None, MetricType::Gauge)?;
        ConstGauge::new(loaded.generation.cast_signed()).encode(metric)?;
        let help = "Whether the file that was read last is in use.";
        let name = "balance_config_last_reload_successful";
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(loaded.error.is_none())).encode(metric)?;
        let times = [
            ("last_reload", "When a file was read last, since 1970.", loaded.read),
            ("last_reload_success", "When the configuration in use was taken, since 1970.", loaded.since),
        ];
        for (name, help, at) in times {
            let name = format!("balance_config_{name}_timestamp");
            let metric = encoder.encode_descriptor(&name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
            ConstGauge::new(since(at)).encode(metric)?;
        }
        let (name, help) =
            ("balance_config_reloads", "Files that were read again, by whether they are taken.");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        let outcomes = [("success", loaded.generation.saturating_sub(1)), ("failure", loaded.refused)];
        for (outcome, count) in outcomes {
            ConstCounter::new(count).encode(metric.encode_family(&[("outcome", outcome)])?)?;
        }
        let help = "1, for the version of the program.";
        let mut metric = encoder.encode_descriptor("build_info", help, None, MetricType::Gauge)?;
        ConstGauge::new(1).encode(metric.encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?)
    }
}

fn number(metric: MetricEncoder<'_>, kind: MetricType, number: u64) -> fmt::Result {
    match kind {
        MetricType::Counter => ConstCounter::new(number).encode(metric),
        _ => ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX)).encode(metric),
    }
}

fn labels<'a>(upstream: &'a UpstreamView, backend: &'a BackendView) -> [Label<'a>; 2] {
    [("upstream", &upstream.name), ("backend", &backend.name)]
}

fn backends(upstreams: &[UpstreamView], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let all = || upstreams.iter().flat_map(|up| up.backends.iter().map(move |backend| (up, backend)));
    for (name, unit, help, read) in GAUGES {
        let name = format!("balance_backend_{name}");
        let help = format!("{help}.");
        let mut metric = encoder.encode_descriptor(&name, &help, unit.as_ref(), MetricType::Gauge)?;
        for (upstream, backend) in all() {
            ConstGauge::new(read(backend)).encode(metric.encode_family(&labels(upstream, backend))?)?;
        }
    }
    for (name, unit, help, read) in COUNTERS {
        let name = format!("balance_backend_{name}");
        let help = format!("{help}.");
        let mut metric = encoder.encode_descriptor(&name, &help, unit.as_ref(), MetricType::Counter)?;
        for (upstream, backend) in all() {
            ConstCounter::new(read(backend)).encode(metric.encode_family(&labels(upstream, backend))?)?;
        }
    }
    for (name, help, label, read) in KINDS {
        let name = format!("balance_backend_{name}");
        let mut metric = encoder.encode_descriptor(&name, &format!("{help}."), None, MetricType::Counter)?;
        for (upstream, backend) in all() {
            for (kind, count) in read(backend) {
                let [upstream, backend] = labels(upstream, backend);
                let labels = [upstream, backend, (label, kind)];
                ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
            }
        }
    }
    let help = "The condition: 1 for the one that it is in.";
    let mut metric = encoder.encode_descriptor("balance_backend_state", help, None, MetricType::Gauge)?;
    for (upstream, backend) in all() {
        for state in Condition::ALL {
            let [upstream, of] = labels(upstream, backend);
            let labels = [upstream, of, ("state", state.name())];
            let is = i64::from(backend.state == state);
            ConstGauge::new(is).encode(metric.encode_family(&labels)?)?;
        }
    }
    let help = "From the choice of the backend to the first byte of its response.";
    let unit = Unit::Seconds;
    let mut metric =
        encoder.encode_descriptor("balance_backend_first_byte", help, Some(&unit), MetricType::Histogram)?;
    for (upstream, backend) in all() {
        let latency = &backend.latency.0;
        let buckets: Vec<_> = latency.buckets().collect();
        let labels = labels(upstream, backend);
        let mut metric = metric.encode_family(&labels)?;
        metric.encode_histogram::<NoLabelSet>(
            latency.sum().as_secs_f64(),
            latency.count(),
            &buckets,
            None,
        )?;
    }
    Ok(())
}
