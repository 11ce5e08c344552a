//! What a client counts of its calls and of its servers.
//!
//! A call is counted once, when it is over, however many attempts it took; a stream at its end. A channel without metrics looks at no clock and takes no lock for them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use tokio::time::Instant;

use super::endpoint::now;
use super::servers::Shared;
use crate::net::resilience::pick::{Endpoint as _, State};
use crate::proto::rpc::status::Code;
use crate::server::metrics::Metrics;
use crate::server::rpc::caller::Failure;
use crate::server::rpc::method::Description;
use crate::server::rpc::observe::{OTHER, call_seconds};

/// The metrics of the channels that [count](super::Builder::count) here. Clones are the same metrics.
///
/// Each `wireworks_rpc_client_...`: `calls_total` by service, method and code; `call_duration_seconds` (a histogram), all attempts together; `attempts_total`;
/// `hedges_total`, second copies of calls that took long; `retries_denied_total`, by an empty budget; `connections_total` by outcome (`opened`, `failed`);
/// `breaker_trips_total`, servers that were left alone for a while; `endpoints` by state (`idle`, `connecting`, `ready`, `failed`, `ejected`).
///
/// ```
/// use wireworks::server::rpc::Channel;
/// use wireworks::server::rpc::client::ClientMetrics;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let metrics = ClientMetrics::new(); // or ClientMetrics::beside(server_metrics.metrics())
/// let channel = Channel::to(["127.0.0.1:7000"])?.count(metrics.clone()).lazy();
/// assert!(metrics.metrics().encode().contains("wireworks_rpc_client_endpoints{state=\"idle\"} 1"));
/// # drop(channel);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClientMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Metrics,
    calls: Family<Answered, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    attempts: Counter,
    hedges: Counter,
    denied: Counter,
    trips: Counter,
    connections: Family<Outcome, Counter>,
    channels: Arc<Channels>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    service: &'static str,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    service: &'static str,
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Default for ClientMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientMetrics {
    /// Metrics that all are zero, by themselves.
    #[must_use]
    pub fn new() -> Self {
        Self::beside(&Metrics::new())
    }

    /// The same, shown beside what `metrics` has already: those of a server, say. Once for each of these: several channels count in one.
    #[must_use]
    pub fn beside(metrics: &Metrics) -> Self {
        let (calls, connections) = (Family::default(), Family::default());
        let seconds = Family::new_with_constructor(call_seconds as fn() -> Histogram);
        let [attempts, hedges, denied, trips] = std::array::from_fn(|_| Counter::default());
        let channels: Arc<Channels> = Arc::default();
        metrics.register(|registry| {
            let help = "Calls that are over, by how they ended";
            registry.register("rpc_client_calls", help, calls.clone());
            let help = "From the beginning of a call to its end, all attempts together";
            registry.register_with_unit("rpc_client_call_duration", help, Unit::Seconds, seconds.clone());
            registry.register("rpc_client_attempts", "Requests that were sent", attempts.clone());
            registry.register("rpc_client_hedges", "Second copies of calls that took long", hedges.clone());
            let help = "Failures that were not tried again because the retry budget was spent";
            registry.register("rpc_client_retries_denied", help, denied.clone());
            let help = "Servers that were left alone because too many calls failed";
            registry.register("rpc_client_breaker_trips", help, trips.clone());
            let help = "Connections that were opened, and attempts that failed";
            registry.register("rpc_client_connections", help, connections.clone());
            registry.register_collector(Box::new(Endpoints(Arc::clone(&channels))));
        });
        let metrics = metrics.clone();
        Self(Arc::new(Inner {
            metrics,
            calls,
            seconds,
            attempts,
            hedges,
            denied,
            trips,
            connections,
            channels,
        }))
    }

    /// All that is counted here, and a place for what else is to be shown with it.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Shows the endpoints of a channel as long as it lives.
    pub(super) fn watch(&self, channel: &Arc<Shared>) {
        let mut channels = self.0.channels.0.lock().unwrap_or_else(PoisonError::into_inner);
        channels.retain(|channel| channel.strong_count() > 0);
        channels.push(Arc::downgrade(channel));
    }

    /// A call has begun.
    pub(super) fn begun(&self, method: Option<&'static Description>, begun: Instant) -> CallMeter {
        CallMeter(Some(Box::new(Metered { metrics: self.clone(), method, begun })))
    }

    pub(super) fn attempt(&self) {
        self.0.attempts.inc();
    }

    pub(super) fn hedge(&self) {
        self.0.hedges.inc();
    }

    pub(super) fn denied(&self) {
        self.0.denied.inc();
    }

    pub(super) fn trip(&self) {
        self.0.trips.inc();
    }

    pub(super) fn connection(&self, opened: bool) {
        let outcome = if opened { "opened" } else { "failed" };
        self.0.connections.get_or_create(&Outcome { outcome }).inc();
    }
}

/// A call until its end, if it is counted. Dropped before, it was given up.
#[derive(Debug, Default)]
pub(in super::super) struct CallMeter(Option<Box<Metered>>);

#[derive(Debug)]
struct Metered {
    metrics: ClientMetrics,
    method: Option<&'static Description>,
    begun: Instant,
}

impl CallMeter {
    /// How the call has ended.
    pub(in super::super) fn end(&mut self, code: Code) {
        let Some(Metered { metrics, method, begun }) = self.0.take().map(|metered| *metered) else { return };
        let (service, method) = method.map_or((OTHER, OTHER), |method| (method.service, method.name));
        let inner = &metrics.0;
        inner.calls.get_or_create(&Answered { service, method, code: code.name() }).inc();
        inner.seconds.get_or_create(&Method { service, method }).observe(begun.elapsed().as_secs_f64());
    }

    /// The same, by what came of it.
    pub(super) fn ended<T>(&mut self, outcome: &Result<T, Failure>) {
        self.end(outcome.as_ref().map_or_else(|failure| failure.status.code, |_| Code::Ok));
    }
}

impl Drop for CallMeter {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The channels whose endpoints are shown.
#[derive(Debug, Default)]
struct Channels(Mutex<Vec<Weak<Shared>>>);

/// The states of endpoints, looked at when somebody asks.
#[derive(Debug)]
struct Endpoints(Arc<Channels>);

/// The states that there are.
const STATES: [&str; 5] = ["idle", "connecting", "ready", "failed", "ejected"];

impl Collector for Endpoints {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut counts = [0; STATES.len()];
        let channels = self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for channel in channels.iter().filter_map(Weak::upgrade) {
            for endpoint in channel.endpoints.load().iter() {
                let state = match endpoint.state(now()) {
                    State::Idle | State::Draining => 0,
                    State::Connecting => 1,
                    State::Ready => 2,
                    State::Failed { .. } => 3,
                    State::Ejected { .. } => 4,
                };
                counts[state] += 1;
            }
        }
        let help = "Servers of channels, by what is known of them.";
        let mut metric = encoder.encode_descriptor("rpc_client_endpoints", help, None, MetricType::Gauge)?;
        for (state, count) in STATES.into_iter().zip(counts) {
            ConstGauge::new(count).encode(metric.encode_family(&[("state", state)])?)?;
        }
        Ok(())
    }
}
