//! Requests as parts of traces (W3C Trace Context): each goes on as a child of the span that its client names, or begins a trace.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use crate::proto::http::head::Head;
use crate::proto::http::hop::reads_as;
use crate::proto::http::trace_context::{TraceParent, has_sound_state};

/// How requests are traced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tracing {
    /// The share of the traces that begin here which are to be recorded, from 0 to 1. A trace that goes on is recorded if it was before.
    pub sample: f64,
}

/// The trace of a request, and our span in it: an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// What the backend is told.
    pub parent: TraceParent,
    /// The span of the client, if it has named one.
    pub from: Option<NonZeroU64>,
    /// Whether the `tracestate` of the client goes on.
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
    /// Whether the client's field of this name does not go on.
    pub(super) fn hides(&self, name: &str) -> bool {
        reads_as(name, "traceparent") || !self.state && reads_as(name, "tracestate")
    }

    /// The trace's identifier, as it is written: 32 hexadecimal digits.
    pub fn id(&self) -> impl fmt::Display + use<> {
        let trace = self.parent.trace;
        fmt::from_fn(move |f| write!(f, "{trace:032x}"))
    }
}
