//! What a server counts of its calls.
//!
//! Labels have few values whatever peers send: the methods that there are, and `other`. What belongs to a method is looked up once, when
//! the server is made.

use std::sync::{Arc, OnceLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

use super::{Ended, Flow};
use crate::proto::rpc::status::Code;
use crate::server::metrics::LATENCY_BUCKETS;
use crate::server::metrics::Metrics;
use crate::server::rpc::method::Description;

/// The label of calls to methods that there are not.
pub(in super::super) const OTHER: &str = "other";

/// Codes that there are.
const CODES: usize = 17;

/// Below the buckets of HTTP two more: most calls are answered in less than the first of those.
const BELOW: [f64; 2] = [0.00005, 0.0002];

/// The metrics of a server's calls. Clones are the same metrics.
#[derive(Clone, Debug)]
pub struct RpcMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Metrics,
    calls: Family<Answered, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    messages: Family<Directed, Counter>,
    bytes: Family<Directed, Counter>,
    in_flight: Gauge,
    refusals: Family<Reason, Counter>,
    frames: Family<Kind, Counter>,
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
struct Directed {
    service: &'static str,
    method: &'static str,
    direction: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
    direction: &'static str,
}

/// What is counted of one method.
pub(super) struct MethodMetrics {
    /// By code: those that have not come are not shown.
    calls: [OnceLock<Counter>; CODES],
    seconds: Histogram,
    received: (Counter, Counter),
    sent: (Counter, Counter),
}

impl Default for RpcMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl RpcMetrics {
    /// Metrics that all are zero.
    #[must_use]
    pub fn new() -> Self {
        let calls = Family::default();
        let seconds = Family::new_with_constructor(call_seconds as fn() -> Histogram);
        let (messages, bytes) = (Family::default(), Family::default());
        let (in_flight, refusals, frames) = (Gauge::default(), Family::default(), Family::default());
        let metrics = Metrics::new();
        metrics.register(|registry| {
            let help = "Calls that are over, by how they ended";
            registry.register("rpc_calls", help, calls.clone());
            let help = "From the turn in which a call was read to the one in which its end was written";
            registry.register_with_unit("rpc_call_duration", help, Unit::Seconds, seconds.clone());
            registry.register("rpc_messages", "Messages of calls that are over", messages.clone());
            let help = "Bytes of the messages of calls that are over, as they were on the wire";
            registry.register_with_unit("rpc_message", help, Unit::Bytes, bytes.clone());
            registry.register("rpc_calls_in_flight", "Calls that are not over", in_flight.clone());
            let help = "Calls that no handler has seen: too_many_calls on their connection, or the code of their status";
            registry.register("rpc_refusals", help, refusals.clone());
            let help = "Frames that say something of connections: ping, reset and goaway";
            registry.register("rpc_frames", help, frames.clone());
        });
        Self(Arc::new(Inner { metrics, calls, seconds, messages, bytes, in_flight, refusals, frames }))
    }

    /// All that is counted here, and a place for what else is to be shown with it.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The metrics of a method.
    pub(super) fn method(&self, description: Option<&'static Description>) -> MethodMetrics {
        let inner = &self.0;
        let Method { service, method } = labels(description);
        let flow = |direction| {
            let labels = Directed { service, method, direction };
            (inner.messages.get_or_create(&labels).clone(), inner.bytes.get_or_create(&labels).clone())
        };
        MethodMetrics {
            calls: Default::default(),
            seconds: inner.seconds.get_or_create(&Method { service, method }).clone(),
            received: flow("received"),
            sent: flow("sent"),
        }
    }

    /// A call is looked at.
    pub(super) fn begun(&self) {
        self.0.in_flight.inc();
    }

    /// A call is over.
    pub(super) fn ended(&self, of: &MethodMetrics, description: Option<&'static Description>, ended: &Ended) {
        self.0.in_flight.dec();
        let code = ended.code;
        if let Some(counter) = of.calls.get(usize::from(code.number())) {
            counter.get_or_init(|| self.counter(description, code)).inc();
        }
        of.seconds.observe(ended.took.as_secs_f64());
        for ((messages, bytes), flow) in [(&of.received, ended.call.received), (&of.sent, ended.call.sent)] {
            let Flow { messages: more, bytes: longer } = flow;
            messages.inc_by(more);
            bytes.inc_by(longer);
        }
    }

    fn counter(&self, description: Option<&'static Description>, code: Code) -> Counter {
        let Method { service, method } = labels(description);
        self.0.calls.get_or_create(&Answered { service, method, code: code.name() }).clone()
    }

    /// A call was not looked at by a handler.
    pub(super) fn refused(&self, reason: &'static str) {
        self.0.refusals.get_or_create(&Reason { reason }).inc();
    }

    /// A frame of the connection itself.
    pub(super) fn frame(&self, kind: &'static str, direction: &'static str) {
        self.0.frames.get_or_create(&Kind { kind, direction }).inc();
    }
}

/// A histogram of how long calls take.
pub(in super::super) fn call_seconds() -> Histogram {
    Histogram::new(BELOW.into_iter().chain(LATENCY_BUCKETS))
}

fn labels(description: Option<&'static Description>) -> Method {
    description.map_or(Method { service: OTHER, method: OTHER }, |description| Method {
        service: description.service,
        method: description.name,
    })
}
