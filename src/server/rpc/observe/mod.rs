//! Who is told of the calls of a server: [metrics](RpcMetrics), and an [access log](CallLog).
//!
//! A connection shows its watch the frames that come and leave. So what is counted is what was on the wire, calls that no handler has seen
//! among it, and the parts that do the work know nothing of it. The clock is looked at once a turn of the connection, however many calls
//! end in it. Where nobody wants to know, a watch is a branch.

mod log;
mod metrics;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use self::log::{CallLog, Format};
use self::metrics::MethodMetrics;
pub use self::metrics::RpcMetrics;
pub(super) use self::metrics::{OTHER, call_seconds};
use super::method::Description;
use crate::proto::rpc::frame::{Call, Data, End, Frame, Open, Piece, Reset};
use crate::proto::rpc::reject::ErrorCode;
use crate::proto::rpc::session::ByStream;
use crate::proto::rpc::status::Code;
pub use crate::server::lines::Target;
use crate::server::peer::Peer;

/// Who is told, and of which methods.
pub(super) struct Observers {
    metrics: Option<RpcMetrics>,
    log: Option<CallLog>,
    /// The places of methods by the numbers of their service and their own.
    places: HashMap<(u32, u16), usize>,
    /// The first stands for those that there are not.
    methods: Vec<Observed>,
}

/// A method that is observed.
struct Observed {
    description: Option<&'static Description>,
    metrics: Option<MethodMetrics>,
}

impl Observers {
    /// Observers of these methods; `None` if neither metrics nor a log is on.
    pub(super) fn new(
        metrics: Option<RpcMetrics>,
        log: Option<CallLog>,
        methods: &[((u32, u16), &'static Description)],
    ) -> Option<Arc<Self>> {
        if metrics.is_none() && log.is_none() {
            return None;
        }
        let observed = |description| Observed {
            description,
            metrics: metrics.as_ref().map(|metrics| metrics.method(description)),
        };
        let places = methods.iter().zip(1..).map(|((key, _), place)| (*key, place)).collect();
        let known = methods.iter().map(|(_, description)| observed(Some(*description)));
        let methods = std::iter::once(observed(None)).chain(known).collect();
        Some(Arc::new(Self { metrics, log, places, methods }))
    }
}

/// What a connection notes of its calls.
pub(super) struct Watch(Option<Box<Watching>>);

struct Watching {
    observers: Arc<Observers>,
    peer: Arc<Peer>,
    /// The stream of the last OPEN that came, and what it brought.
    opened: (u32, Flow),
    /// Calls under way: no more than the session lets be.
    open: ByStream<Noted>,
    /// Calls that ended in this turn.
    ended: Vec<Ended>,
}

/// What is noted of a call.
struct Noted {
    method: usize,
    begun: Instant,
    attempt: u8,
    trace: Option<[u8; 16]>,
    received: Flow,
    sent: Flow,
}

/// A call that is over.
struct Ended {
    call: Noted,
    code: Code,
    took: Duration,
}

/// Messages in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Flow {
    /// Whole ones.
    messages: u64,
    /// Bytes of them, as they were on the wire.
    bytes: u64,
}

impl Flow {
    fn add(&mut self, piece: Option<&Piece>) {
        if let Some(piece) = piece {
            self.messages += u64::from(!piece.more);
            self.bytes += piece.bytes.len() as u64;
        }
    }
}

impl Watch {
    /// Nobody wants to know.
    pub(super) const NOBODY: Self = Self(None);

    /// The watch of a connection from `peer`.
    pub(super) fn new(observers: Option<&Arc<Observers>>, peer: &Arc<Peer>) -> Self {
        Self(observers.map(|observers| {
            Box::new(Watching {
                observers: Arc::clone(observers),
                peer: Arc::clone(peer),
                opened: (0, Flow::default()),
                open: ByStream::default(),
                ended: Vec::new(),
            })
        }))
    }

    /// A frame has come.
    #[inline]
    pub(super) fn came(&mut self, frame: &Frame) {
        if let Some(watching) = &mut self.0 {
            watching.came(frame);
        }
    }

    /// A frame leaves.
    #[inline]
    pub(super) fn leaves(&mut self, frame: &Frame) {
        if let Some(watching) = &mut self.0 {
            watching.leaves(frame);
        }
    }

    /// The peer calls, and the call is looked at.
    #[inline]
    pub(super) fn called(&mut self, stream: u32, call: &Call, heard: Instant) {
        if let Some(watching) = &mut self.0 {
            watching.called(stream, call, heard);
        }
    }

    /// The connection has done what there was to do for now.
    #[inline]
    pub(super) fn turn(&mut self) {
        if let Some(watching) = &mut self.0
            && !watching.ended.is_empty()
        {
            watching.report();
        }
    }

    /// The connection is over: so are all calls.
    pub(super) fn close(&mut self) {
        if let Some(watching) = &mut self.0 {
            let streams: Vec<u32> = watching.open.keys().copied().collect();
            streams.into_iter().for_each(|stream| watching.end(stream, Code::Cancelled));
            watching.report();
        }
    }
}

impl Watching {
    fn came(&mut self, frame: &Frame) {
        match frame {
            Frame::Open(Open { stream, message, .. }) => {
                self.opened = (*stream, Flow::default());
                self.opened.1.add(message.as_ref());
            }
            Frame::Data(Data { stream, message, .. }) => {
                if let Some(call) = self.open.get_mut(stream) {
                    call.received.add(message.as_ref());
                }
            }
            Frame::Reset(Reset { stream, .. }) => {
                self.frame("reset", "received");
                self.end(*stream, Code::Cancelled);
            }
            Frame::Ping(_) => self.frame("ping", "received"),
            Frame::GoAway(_) => self.frame("goaway", "received"),
            Frame::Hello(_) | Frame::End(_) | Frame::Credit { .. } | Frame::Pong(_) => {}
        }
    }

    fn leaves(&mut self, frame: &Frame) {
        match frame {
            Frame::Data(Data { stream, message, .. }) => {
                if let Some(call) = self.open.get_mut(stream) {
                    call.sent.add(message.as_ref());
                }
            }
            Frame::End(End { stream, status, message }) => {
                if let Some(call) = self.open.get_mut(stream) {
                    call.sent.add(message.as_ref());
                }
                if status.advice.is_unseen() {
                    self.refused(status.code.name());
                }
                self.end(*stream, status.code);
            }
            Frame::Reset(Reset { stream, code, .. }) => {
                self.frame("reset", "sent");
                match *code {
                    ErrorCode::REFUSED => self.refused("too_many_calls"),
                    ErrorCode::MESSAGE_TOO_LARGE if stream % 2 == 1 && !self.open.contains_key(stream) => {
                        self.refused("message_too_large");
                    }
                    ErrorCode::MESSAGE_TOO_LARGE => self.end(*stream, Code::ResourceExhausted),
                    _ => self.end(*stream, Code::Internal),
                }
            }
            Frame::Ping(_) => self.frame("ping", "sent"),
            Frame::GoAway(_) => self.frame("goaway", "sent"),
            Frame::Hello(_) | Frame::Open(_) | Frame::Credit { .. } | Frame::Pong(_) => {}
        }
    }

    fn called(&mut self, stream: u32, call: &Call, heard: Instant) {
        let method = self.observers.places.get(&(call.service, call.method)).copied().unwrap_or(0);
        let received = if self.opened.0 == stream { self.opened.1 } else { Flow::default() };
        let trace = call.trace.as_ref().map(|trace| trace.trace);
        let (attempt, sent) = (call.attempt, Flow::default());
        self.open.insert(stream, Noted { method, begun: heard, attempt, trace, received, sent });
        if let Some(metrics) = &self.observers.metrics {
            metrics.begun();
        }
    }

    /// The call on this stream is over, if it was not before.
    fn end(&mut self, stream: u32, code: Code) {
        if let Some(call) = self.open.remove(&stream) {
            self.ended.push(Ended { call, code, took: Duration::ZERO });
        }
    }

    /// Tells of what has ended.
    fn report(&mut self) {
        let now = Instant::now();
        let Self { observers, peer, ended, .. } = self;
        for mut ended in ended.drain(..) {
            ended.took = now.saturating_duration_since(ended.call.begun);
            let Some(Observed { description, metrics }) = observers.methods.get(ended.call.method) else {
                continue;
            };
            if let (Some(all), Some(metrics)) = (&observers.metrics, metrics) {
                all.ended(metrics, *description, &ended);
            }
            if let Some(log) = &observers.log {
                log.ended(peer, *description, &ended);
            }
        }
    }

    fn refused(&self, reason: &'static str) {
        if let Some(metrics) = &self.observers.metrics {
            metrics.refused(reason);
        }
    }

    fn frame(&self, kind: &'static str, direction: &'static str) {
        if let Some(metrics) = &self.observers.metrics {
            metrics.frame(kind, direction);
        }
    }
}
