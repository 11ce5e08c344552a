//! The access log of a balancer: one line for each exchange and each connection, with the duration of each phase and why it ended.
//!
//! A [`Note`] is an extension of a request, and each layer records in it what it knows. The line is written when the
//! last clone of the note is dropped: after the response, after a tunnel, or when the client has left. Without a log
//! there is no note, and the only cost is a look at the extensions.

mod end;
mod line;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

pub use self::end::End;
use self::line::Line;
use crate::net::addr::PeerAddr;
use crate::net::drain::Drain;
use crate::net::relay::RelayEnd;
use crate::proto::http::cache::status::NAME;
use crate::proto::http::head::Head;
use crate::proto::http::list::FieldLines;
use crate::server::balance::gateway::Trace;
use crate::server::balance::spans::{Attempt, Exporter, Outcome, Recording};
use crate::server::http::body::Sent;
use crate::server::http::handler::{Handler, HandlerFuture};
use crate::server::http::metrics::LEFT;
pub use crate::server::http::middleware::access_log::{Format, Target};
use crate::server::http::middleware::refusal::RefusalReason;
use crate::server::http::middleware::request_id::RequestId;
use crate::server::http::part::RefusalLog;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::lines::Writer;
use crate::server::peer::Peer;

/// The access log of a listener.
#[derive(Debug)]
pub struct Log {
    format: Format,
    writer: Arc<Writer>,
    listener: Arc<str>,
    drain: Drain,
}

impl Log {
    /// The log of a listener, whose name is in each line. `drain` tells whether the balancer itself aborted an exchange.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(format: Format, target: Target, listener: &str, drain: Drain) -> io::Result<Self> {
        Ok(Self { format, writer: Arc::new(Writer::start(target)?), listener: listener.into(), drain })
    }
}

/// Requests that no handler sees are logged too.
impl RefusalLog for Log {
    fn refused(&self, peer: &PeerAddr, status: StatusCode, reason: &'static str) {
        let end = match reason {
            "too_slow" | "head_timeout" => End::ClientTimeout,
            "too_many_connections" | "too_many_connections_of_address" => End::QueueFull,
            _ => End::ClientInvalid,
        };
        self.writer.line(&Line::refused(self, peer, status.as_u16(), end));
    }

    fn writer(&self) -> &Arc<Writer> {
        &self.writer
    }
}

/// A handler whose requests are logged.
pub(super) struct Logged<H> {
    pub(super) log: Arc<Log>,
    pub(super) inner: H,
}

impl<H: Handler> Handler for Logged<H> {
    fn handle(&self, mut request: Request) -> HandlerFuture<'_> {
        let note = Note::begin(&self.log, &request);
        request.extensions_mut().insert(note.clone());
        let answer = self.inner.handle(request);
        Box::pin(async move {
            let mut response = answer.await;
            note.answered(&mut response);
            response
        })
    }
}

/// The record of an exchange so far. Clones share it; when the last one is dropped, the line is written.
#[derive(Clone, Debug)]
pub struct Note(Arc<Entry>);

/// An exchange or a connection that has no line yet.
#[derive(Debug)]
struct Entry {
    /// `None` for what is recorded and not logged.
    log: Option<Arc<Log>>,
    /// `None` for a connection.
    head: Option<Head>,
    peer: Arc<Peer>,
    begun: Instant,
    journey: Mutex<Journey>,
}

/// The record of an exchange.
#[derive(Debug, Default)]
pub(super) struct Journey {
    pub(super) status: Option<u16>,
    pub(super) sent: Option<Sent>,
    pub(super) client: Option<std::net::IpAddr>,
    pub(super) id: Option<RequestId>,
    /// The authenticated name.
    pub(super) user: Option<Arc<str>>,
    /// The head to log in place of the original, which contains a secret.
    pub(super) shown: Option<Head>,
    /// The trace that it belongs to, if the listener traces.
    pub(super) trace: Option<Trace>,
    /// From 1, in the order of the configuration.
    pub(super) route: Option<usize>,
    pub(super) upstream: Option<Arc<str>>,
    pub(super) backend: Option<Arc<str>>,
    pub(super) attempts: u32,
    /// Why attempts but the last failed.
    pub(super) retries: Vec<&'static str>,
    pub(super) reused: Option<bool>,
    /// Until the last attempt began, until it had a connection, and until the first byte of the response, each from the one before.
    pub(super) queue: Option<Duration>,
    pub(super) connect: Option<Duration>,
    pub(super) first_byte: Option<Duration>,
    /// Bytes of a connection or a tunnel: from the client, and to it.
    pub(super) moved: Option<(u64, u64)>,
    /// What is recorded of it, if its spans are exported.
    pub(super) recording: Option<Box<Recording>>,
    /// Whether an attempt is under way.
    trying: bool,
    /// What the cache of the route did, as `Cache-Status` says it.
    pub(super) cache: Option<Box<str>>,
    /// Why the guards of the route have turned it away.
    pub(super) refused: Option<RefusalReason>,
    pub(super) end: Option<End>,
}

impl Journey {
    /// The attempt that is under way has ended, so long after the begin of the exchange.
    fn attempted(&mut self, ended: Duration, error: Option<End>) {
        if !std::mem::take(&mut self.trying) {
            return;
        }
        let (Some(recording), Some(backend)) = (&mut self.recording, &self.backend) else { return };
        recording.attempted(Attempt {
            backend: Arc::clone(backend),
            after: self.queue.unwrap_or_default(),
            connect: self.connect,
            reused: self.reused,
            ended,
            answered: self.first_byte.is_some(),
            error,
        });
    }

    /// Whether the answer is one that was stored, or that another request brought.
    fn is_from_cache(&self) -> bool {
        let said = self.cache.as_deref().unwrap_or_default();
        said.starts_with("hit") || said.contains("; collapsed")
    }
}

impl Note {
    fn begin(log: &Arc<Log>, request: &Request) -> Self {
        let head = Some(Head::clone(request.head()));
        Self::of_peer(Some(log), head, Arc::clone(request.peer()))
    }

    /// The note of a connection.
    pub(super) fn of_connection(log: &Arc<Log>, peer: Peer) -> Self {
        Self::of_peer(Some(log), None, Arc::new(peer))
    }

    fn of_peer(log: Option<&Arc<Log>>, head: Option<Head>, peer: Arc<Peer>) -> Self {
        let journey = Mutex::default();
        Self(Arc::new(Entry { log: log.cloned(), head, peer, begun: Instant::now(), journey }))
    }

    /// The note that goes with a request, if it is logged.
    #[must_use]
    pub fn of(request: &Request) -> Option<&Self> {
        request.extensions().get::<Self>()
    }

    /// Records the spans of a request from now on. It gets a note if it has none.
    pub(super) fn record(request: &mut Request, exporter: &Arc<Exporter>, trace: Trace) {
        let note = match Self::of(request) {
            Some(note) => note.clone(),
            None => {
                let head = Some(Head::clone(request.head()));
                let note = Self::of_peer(None, head, Arc::clone(request.peer()));
                request.extensions_mut().insert(note.clone());
                note
            }
        };
        let ago = note.0.begun.elapsed();
        note.journey().recording = Some(Box::new(Recording::begin(exporter, trace, ago)));
    }

    /// Whether it is the note of an access log, and not only of a recording.
    pub(super) fn is_logged(&self) -> bool {
        self.0.log.is_some()
    }

    /// Records why the exchange ended, instead of deriving it from the status.
    pub fn end(&self, end: End) {
        self.journey().end = Some(end);
    }

    /// Records the route: its number, from 1.
    pub fn route(&self, number: usize) {
        self.journey().route = Some(number);
    }

    /// Writes down that the request was turned away, and what that means for the exchange.
    pub(super) fn refused(&self, reason: RefusalReason, end: End) {
        let mut journey = self.journey();
        (journey.refused, journey.end) = (Some(reason), Some(end));
    }

    /// Writes down what a cache did.
    pub(super) fn cached(&self, response: &Response) {
        let said = FieldLines::lines(response.fields(), "cache-status").last();
        let said =
            said.and_then(|line| std::str::from_utf8(line).ok()?.strip_prefix(NAME)?.strip_prefix("; "));
        self.journey().cache = said.map(Into::into);
    }

    /// Records something.
    pub(super) fn journey(&self) -> MutexGuard<'_, Journey> {
        self.0.journey.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that an attempt at a backend begins.
    pub(super) fn attempt(&self, backend: &Arc<str>, now: Instant) {
        let queue = now.saturating_duration_since(self.0.begun);
        let mut journey = self.journey();
        journey.attempts += 1;
        journey.backend = Some(Arc::clone(backend));
        (journey.queue, journey.end) = (Some(queue), None);
        (journey.connect, journey.first_byte, journey.reused) = (None, None, None);
        journey.trying = true;
    }

    /// Records that an attempt failed; `again` when another follows.
    pub(super) fn failed(&self, why: End, again: bool) {
        let ended = self.0.begun.elapsed();
        let mut journey = self.journey();
        journey.attempted(ended, Some(why));
        journey.end = Some(why);
        if again {
            journey.retries.push(why.name());
        }
    }

    /// Records that both sides of a connection or a tunnel have finished.
    pub(super) fn relayed(&self, moved: (u64, u64), end: Option<&RelayEnd>) {
        let mut journey = self.journey();
        journey.moved = Some(moved);
        journey.end = Some(match end {
            Some(RelayEnd::Closed) => End::Complete,
            Some(RelayEnd::FirstFailed(_)) => End::ClientClosed,
            Some(RelayEnd::SecondFailed(_)) => End::BackendCut,
            Some(RelayEnd::Idle) => End::IdleTimeout,
            None => End::Aborted,
        });
    }

    pub(super) fn answered(self, response: &mut Response) {
        self.journey().status = Some(response.code().as_u16());
        response.on_sent(move |sent| self.journey().sent = Some(sent));
    }
}

impl Entry {
    /// Exports the spans that were recorded.
    fn export(&self, journey: &mut Journey, elapsed: Duration, end: End) {
        let sent = journey.sent.filter(|_| journey.moved.is_none());
        let took = sent.map_or(elapsed, |sent| sent.took);
        let is_fault = matches!(end, End::BackendCut | End::BackendTimeout);
        journey.attempted(took, is_fault.then_some(end));
        let (Some(recording), Some(head)) = (journey.recording.take(), &self.head) else { return };
        recording.export(&Outcome {
            // A secret in the query is not exported: only the path is.
            head: journey.shown.as_ref().unwrap_or(head),
            peer: &self.peer,
            client: journey.client,
            route: journey.route,
            upstream: journey.upstream.as_deref(),
            status: journey.status,
            took,
            end,
        });
    }

    /// Why it ended, if nothing was recorded.
    fn end(&self, journey: &Journey) -> End {
        if let Some(end) = journey.end {
            return end;
        }
        match &journey.sent {
            Some(sent) if sent.complete && journey.attempts > 0 => End::Complete,
            Some(sent) if sent.complete && journey.is_from_cache() => End::Cached,
            Some(sent) if sent.complete => End::of_local(journey.status.unwrap_or_default()),
            _ if std::thread::panicking() => End::Internal,
            _ if self.log.as_ref().is_some_and(|log| log.drain.is_aborting()) => End::Aborted,
            Some(sent) if sent.stalled => End::ClientTimeout,
            Some(_) => End::ClientClosed,
            None => self.peer.verdict().map_or(End::ClientClosed, End::of_local),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut journey = std::mem::take(self.journey.get_mut().unwrap_or_else(PoisonError::into_inner));
        let end = self.end(&journey);
        if self.head.is_some() && journey.sent.is_none() {
            let panicked = std::thread::panicking().then_some(500);
            journey.status = panicked.or(self.peer.verdict()).or(journey.status).or(Some(LEFT));
        }
        let elapsed = self.begun.elapsed();
        self.export(&mut journey, elapsed, end);
        if let Some(log) = &self.log {
            log.writer.line(&Line::of(log, self.head.as_ref(), &self.peer, &journey, elapsed, end));
        }
    }
}
