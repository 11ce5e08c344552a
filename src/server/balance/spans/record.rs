//! What is recorded of an exchange while it lasts, and the spans that are made of it at its end.
//!
//! The span of the request is the one that the backend is told as its parent. Within it are `queue`, until the first attempt began, and a span
//! for each attempt; within that is `connect`, if a connection was opened.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Exporter;
use crate::proto::http::head::Head;
use crate::proto::otlp::{Kind, Span, Value};
use crate::server::balance::gateway::Trace;
use crate::server::balance::log::End;
use crate::server::http::middleware::access_log::text;
use crate::server::peer::Peer;

/// Attempts that are recorded of an exchange at most.
const ATTEMPTS: usize = 32;

/// What is recorded of an exchange.
#[derive(Debug)]
pub(in crate::server::balance) struct Recording {
    exporter: Arc<Exporter>,
    trace: Trace,
    /// When the exchange began.
    begun: SystemTime,
    attempts: Vec<Attempt>,
}

/// One attempt at a backend. The times are those of the log: each from where the one before ends.
#[derive(Clone, Debug)]
pub(in crate::server::balance) struct Attempt {
    pub(in crate::server::balance) backend: Arc<str>,
    /// From the begin of the exchange to that of the attempt.
    pub(in crate::server::balance) after: Duration,
    pub(in crate::server::balance) connect: Option<Duration>,
    pub(in crate::server::balance) reused: Option<bool>,
    /// From the begin of the exchange to the end of the attempt.
    pub(in crate::server::balance) ended: Duration,
    /// Whether a response began.
    pub(in crate::server::balance) answered: bool,
    /// Why it failed.
    pub(in crate::server::balance) error: Option<End>,
}

/// What is known at the end.
pub(in crate::server::balance) struct Outcome<'a> {
    pub(in crate::server::balance) head: &'a Head,
    pub(in crate::server::balance) peer: &'a Peer,
    pub(in crate::server::balance) client: Option<std::net::IpAddr>,
    pub(in crate::server::balance) route: Option<usize>,
    pub(in crate::server::balance) upstream: Option<&'a str>,
    pub(in crate::server::balance) status: Option<u16>,
    pub(in crate::server::balance) took: Duration,
    pub(in crate::server::balance) end: End,
}

impl Recording {
    /// An exchange that began so long ago.
    pub(in crate::server::balance) fn begin(exporter: &Arc<Exporter>, trace: Trace, ago: Duration) -> Self {
        let now = SystemTime::now();
        let begun = now.checked_sub(ago).unwrap_or(now);
        Self { exporter: Arc::clone(exporter), trace, begun, attempts: Vec::new() }
    }

    /// An attempt has ended.
    pub(in crate::server::balance) fn attempted(&mut self, attempt: Attempt) {
        if self.attempts.len() < ATTEMPTS {
            self.attempts.push(attempt);
        }
    }

    /// The exchange has ended: its spans are exported.
    pub(in crate::server::balance) fn export(self, outcome: &Outcome<'_>) {
        let exporter = Arc::clone(&self.exporter);
        exporter.export(self.spans(outcome));
    }

    fn spans(self, outcome: &Outcome<'_>) -> Vec<Span> {
        let begun = self.begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let at = |after: Duration| u64::try_from((begun + after).as_nanos()).unwrap_or(u64::MAX);
        let trace = self.trace.parent.trace;
        let root = self.trace.parent.span;
        let span = |parent, kind, name: &str, (from, to): (Duration, Duration)| Span {
            trace,
            id: random(),
            parent: Some(parent),
            kind,
            name: name.to_owned().into(),
            begun: at(from),
            ended: at(to),
            attributes: Vec::new(),
            failed: false,
        };
        let mut spans = Vec::with_capacity(2 + 2 * self.attempts.len());
        let method = outcome.head.method().as_str();
        spans.push(Span {
            id: root,
            parent: self.trace.from,
            attributes: attributes(outcome),
            failed: outcome.status.is_none_or(|status| status >= 500),
            ..span(root, Kind::Server, method, (Duration::ZERO, outcome.took))
        });
        if let Some(first) = self.attempts.first() {
            spans.push(span(root, Kind::Internal, "queue", (Duration::ZERO, first.after)));
        }
        for (number, attempt) in self.attempts.iter().enumerate() {
            let Attempt { backend, after, connect, reused, ended, answered, error } = attempt;
            let mut of = span(root, Kind::Client, method, (*after, *ended));
            of.attributes.push(("http.request.method", method.to_owned().into()));
            of.attributes.push(("server.address", backend.to_string().into()));
            if number > 0 {
                of.attributes.push(("http.request.resend_count", (number as i64).into()));
            }
            match (error, outcome.status.filter(|_| *answered)) {
                (Some(end), _) => of.attributes.push(("error.type", end.name().into())),
                (None, Some(status)) => {
                    of.attributes.push(("http.response.status_code", i64::from(status).into()));
                }
                (None, None) => {}
            }
            of.failed = error.is_some();
            let id = of.id;
            spans.push(of);
            if let (Some(connect), Some(false)) = (connect, reused) {
                spans.push(span(id, Kind::Internal, "connect", (*after, *after + *connect)));
            }
        }
        spans
    }
}

/// What is told of the request and its answer.
fn attributes(outcome: &Outcome<'_>) -> Vec<(&'static str, Value)> {
    let Outcome { head, peer, client, route, upstream, status, end, .. } = outcome;
    let mut attributes: Vec<(&'static str, Value)> = vec![
        ("http.request.method", head.method().as_str().to_owned().into()),
        ("url.path", text(head.path().as_bytes()).into_owned().into()),
        ("url.scheme", if peer.tls { "https" } else { "http" }.into()),
        ("server.address", text(head.authority().as_bytes()).into_owned().into()),
        ("wireworks.end", end.name().into()),
    ];
    if let Some(status) = status {
        attributes.push(("http.response.status_code", i64::from(*status).into()));
        if *status >= 500 {
            attributes.push(("error.type", status.to_string().into()));
        }
    }
    if let Some(client) = client.or_else(|| peer.addr.ip()) {
        attributes.push(("client.address", client.to_string().into()));
    }
    if let Some(agent) = head.field("user-agent") {
        attributes.push(("user_agent.original", text(agent).into_owned().into()));
    }
    if let Some(route) = route {
        attributes.push(("wireworks.route", i64::try_from(*route).unwrap_or(i64::MAX).into()));
    }
    if let Some(upstream) = upstream {
        attributes.push(("wireworks.upstream", (*upstream).to_owned().into()));
    }
    attributes
}

/// The identifier of a span.
fn random() -> NonZeroU64 {
    NonZeroU64::new(fastrand::u64(1..)).unwrap_or(NonZeroU64::MIN)
}
