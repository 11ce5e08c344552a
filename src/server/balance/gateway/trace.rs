//! W3C Trace Context: each request continues the trace of its client as a child span, or begins a trace.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use crate::proto::http::head::Head;
use crate::proto::http::hop::reads_as;
use crate::proto::http::trace_context::{TraceParent, has_sound_state};

/// How requests are traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tracing {
    /// The share of new traces that are sampled, from 0 to 1. A continued trace keeps its flag.
    pub sample: f64,
}

/// The trace of a request, and the balancer's span in it: an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The `traceparent` for the backend.
    pub parent: TraceParent,
    /// The span of the client, if it has named one.
    pub from: Option<NonZeroU64>,
    /// Whether the `tracestate` of the client is forwarded.
    pub(super) state: bool,
}

impl Tracing {
    /// The trace of a request with this head.
    pub(super) fn trace(self, head: &Head) -> Trace {
        let span = NonZeroU64::new(fastrand::u64(1..)).unwrap_or(NonZeroU64::MIN);
        if let Some(parent) = TraceParent::of(head) {
            return Trace {
                parent: parent.child(span),
                from: Some(parent.span),
                state: has_sound_state(head),
            };
        }
        let trace = NonZeroU128::new(fastrand::u128(1..)).unwrap_or(NonZeroU128::MIN);
        let sampled = fastrand::f64() < self.sample;
        Trace { parent: TraceParent::begin(trace, span, sampled), from: None, state: false }
    }
}

impl Trace {
    /// Whether the client's field of this name is removed.
    pub(super) fn hides(&self, name: &str) -> bool {
        reads_as(name, "traceparent") || !self.state && reads_as(name, "tracestate")
    }

    /// The trace id: 32 hexadecimal digits.
    pub fn id(&self) -> impl fmt::Display + use<> {
        let trace = self.parent.trace;
        fmt::from_fn(move |f| write!(f, "{trace:032x}"))
    }
}
