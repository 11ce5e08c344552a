//! What a process counts, in the text format of OpenMetrics, which Prometheus reads.
//!
//! A [`Metrics`] has what a server counts, and what is counted beside it: each part registers its own ([`HttpMetrics`](super::http::metrics::HttpMetrics),
//! [`SocketMetrics`](super::ws::metrics::SocketMetrics)). Numbers that live elsewhere are read by closures when somebody asks.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::net::workers::BlockingStats;

/// The media type of what [`Metrics::encode`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of the latency buckets in seconds: Prometheus's own, and two below for a server that answers quicker.
pub const LATENCY_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// All that is counted. Clones are the same.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Registry::with_prefix("wireworks"))))
    }

    /// Adds metrics, whose names get `wireworks_` in front. Each name once.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry());
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    use super::*;

    #[test]
    fn numbers_from_elsewhere_are_read_when_asked_for() {
        let metrics = Metrics::new();
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
        ] {
            assert!(metrics.encode().lines().any(|found| found == line), "{line}\n{}", metrics.encode());
        }
        assert!(metrics.encode().ends_with("# EOF\n"));
    }
}
