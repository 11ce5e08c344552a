//! One request, tried until a backend has answered or no further attempt is allowed.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use tokio::time::Instant;

use super::Forward;
use super::onward::Onward;
use super::replay::Replay;
use crate::net::client::ConnectError;
use crate::net::client::pool::{PoolError, Pooled};
use crate::net::resilience::pick::Endpoint;
use crate::net::resilience::retry::{Call, Decision, Failure, Repeat, Retrying};
use crate::proto::balance::outlier::Outcome;
use crate::proto::http::client::WireRequest;
use crate::server::balance::backend::Backend;
use crate::server::balance::connections::Opener;
use crate::server::balance::counters::Event;
use crate::server::balance::lease::{Lease, Refusal};
use crate::server::balance::log::{End, Note};
use crate::server::balance::upstream::Members;
use crate::server::http::body::{Body, BodyError};
use crate::server::http::client::exchange::{self, AnswerBody, ExchangeError, Progress, exchange};
use crate::server::http::middleware::timeout::GivesUp;
use crate::server::http::problem::Problem;

/// A connection to a backend.
pub(super) type Lent = Pooled<Opener>;

/// A response.
pub(super) struct Answered {
    pub(super) answer: exchange::Answer<Lent>,
    /// The call is under way until this is dropped.
    pub(super) lease: Lease,
    /// The body of the request, some of which may still be on its way.
    pub(super) request: Replay,
    /// How long the response took to begin.
    pub(super) latency: Duration,
}

/// Which backend a request would like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Preference {
    /// What hashes go by.
    pub(super) key: u64,
    /// The key of the backend that has the client's session.
    pub(super) session: Option<u64>,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Connect(#[from] PoolError<ConnectError>),
    #[error("{0}")]
    Exchange(ExchangeError, Progress),
}

impl AttemptError {
    /// Whether the request may be sent again.
    fn repeat(&self) -> Repeat {
        match self {
            Self::Connect(_) | Self::Exchange(_, Progress::NothingSent) => Repeat::Safe,
            // It is the client's request that fails; its next attempt would, too.
            Self::Exchange(ExchangeError::Body(_) | ExchangeError::Misuse(_), _) => Repeat::Never,
            Self::Exchange(_, Progress::Sent) => Repeat::IfIdempotent,
            Self::Exchange(_, Progress::Answered) => Repeat::Never,
        }
    }

    /// Whether the backend is to blame.
    fn is_fault(&self) -> bool {
        match self {
            // Too many of ours are under way.
            Self::Connect(PoolError::Busy | PoolError::Full) => false,
            Self::Exchange(ExchangeError::Body(_) | ExchangeError::Misuse(_), _) => false,
            Self::Connect(_) | Self::Exchange(..) => true,
        }
    }

    /// What the log says of it.
    fn end(&self) -> End {
        match self {
            Self::Connect(PoolError::Full) => End::QueueFull,
            Self::Connect(PoolError::Busy) => End::QueueTimeout,
            Self::Connect(PoolError::Slow) => End::BackendConnectTimeout,
            Self::Connect(PoolError::Open(_)) => End::BackendRefused,
            Self::Exchange(ExchangeError::Body(BodyError::TooSlow), _) => End::ClientTimeout,
            Self::Exchange(ExchangeError::Body(BodyError::Disconnected), _) => End::ClientClosed,
            Self::Exchange(ExchangeError::Body(_), _) => End::ClientInvalid,
            Self::Exchange(ExchangeError::Misuse(_), _) => End::Internal,
            Self::Exchange(ExchangeError::Timeout, _) => End::BackendTimeout,
            Self::Exchange(ExchangeError::Io(_) | ExchangeError::Closed, _) => End::BackendReset,
            Self::Exchange(ExchangeError::Fault(_), _) => End::BackendInvalid,
        }
    }

    /// What it counts as; nothing if the backend is not to blame.
    fn event(&self) -> Option<Event> {
        Some(match self {
            _ if !self.is_fault() => return None,
            Self::Connect(PoolError::Slow) => Event::ConnectTimeout,
            Self::Connect(_) => Event::ConnectFailed,
            Self::Exchange(ExchangeError::Timeout, _) => Event::Timeout,
            Self::Exchange(ExchangeError::Io(_) | ExchangeError::Closed, _) => Event::Reset,
            Self::Exchange(..) => Event::Invalid,
        })
    }

    /// What it counts as when the request goes on to another backend.
    fn retried(&self) -> Event {
        match self {
            Self::Connect(PoolError::Busy | PoolError::Full) => Event::RetriedBusy,
            Self::Connect(PoolError::Slow) => Event::RetriedConnectTimeout,
            Self::Connect(PoolError::Open(_)) => Event::RetriedConnect,
            Self::Exchange(ExchangeError::Timeout, _) => Event::RetriedTimeout,
            // What is no valid response is never repeated.
            Self::Exchange(..) => Event::RetriedReset,
        }
    }

    /// What the client is told.
    fn problem(&self, backend: &Backend) -> Problem {
        tracing::debug!(backend = %backend.name(), error = %self, "no response");
        match self {
            Self::Connect(PoolError::Busy | PoolError::Full) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way")
            }
            Self::Exchange(ExchangeError::Timeout, _) | Self::Connect(PoolError::Slow) => {
                Problem::new(StatusCode::GATEWAY_TIMEOUT, "the backend took too long")
            }
            Self::Exchange(ExchangeError::Body(error), _) => unreadable(error),
            Self::Connect(_) => Problem::new(StatusCode::BAD_GATEWAY, "the backend cannot be reached"),
            Self::Exchange(..) => Problem::new(StatusCode::BAD_GATEWAY, "the backend gave no valid response"),
        }
    }
}

impl Forward {
    /// Sends the request to one backend after the other, until one has answered.
    pub(super) async fn attempts(
        &self,
        members: &Members,
        onward: &Onward<'_>,
        body: Body,
        preference: Preference,
        note: Option<&Note>,
    ) -> Result<Answered, Problem> {
        let Self { upstream, settings, .. } = self;
        let begun = Instant::now();
        // A guard in front would drop the attempt without a word: it is over just before, and its backend answers for it.
        let given_up = onward.parts.extensions().get::<GivesUp>().map(|GivesUp(at)| *at);
        let over = settings.deadline.map(|time| begun + time).into_iter().chain(given_up).min();
        let call = Call {
            idempotent: is_idempotent(onward.parts.head().method()),
            deadline: Some(over.unwrap_or(begun + super::DEADLINE).into_std()),
            seed: 0,
        };
        let budget = members.budget();
        budget.deposit(begun.into_std());
        let replay = Replay::new(body, settings.replay);
        let mut retrying: Option<Retrying> = None;
        let mut tried = Vec::new();
        let mut written: Option<WireRequest> = None;
        let mut now = begun;
        loop {
            // A session goes on at its backend, unless that has failed this request already.
            let session = preference.session.filter(|_| tried.is_empty());
            let resumed = match session {
                Some(session) => upstream.resume(members, session, preference.key, now.into_std()).await,
                None => None,
            };
            let lease = match resumed {
                Some(lease) => lease,
                None => upstream.acquire(members, preference.key, &tried, now.into_std()).await,
            };
            let mut lease = lease.map_err(|refusal| refused(refusal, note))?;
            let backend = lease.backend();
            let request = match written.take_if(|_| !onward.is_by_backend()) {
                Some(request) => request,
                None => onward.request(backend)?,
            };
            let request = &*written.insert(request);
            // It may have waited in the queue.
            if members.is_limited() {
                now = Instant::now();
            }
            if let Some(note) = note {
                note.attempt(backend.name(), now);
            }
            let until = settings.until(over, now);
            let outcome = self.attempt(members, backend, request.clone(), &replay, (now, until), note).await;
            let ended = Instant::now();
            let error = match outcome {
                Ok(answer) => {
                    let (status, latency) = (answer.head.status(), ended - now);
                    let counters = backend.counters();
                    counters.count(Event::of_status(status));
                    counters.answered_after(latency);
                    counters.add(Event::Sent, (request.bytes().len() + replay.passed()) as u64);
                    counters.add(Event::Received, answer.head.bytes().len() as u64);
                    if status.is_server_error() {
                        lease.report(upstream, ended.into_std(), Outcome::Error);
                    } else if !matches!(answer.body, AnswerBody::Rest(..)) {
                        lease.report(upstream, ended.into_std(), Outcome::Answered(latency));
                    }
                    if let Some(retrying) = retrying {
                        retrying.succeeded();
                    }
                    lease.began(upstream, ended.into_std());
                    return Ok(Answered { answer, lease, request: replay, latency });
                }
                Err(error) => error,
            };
            // One for which less time was left than had passed before, waiting or with other backends, says nothing of its own.
            let hurried = over.is_some_and(|over| ended >= over) && ended - now < now - begun;
            if let Some(event) = error.event().filter(|_| !hurried) {
                backend.counters().count(event);
                lease.failed(ended.into_std());
                lease.report(upstream, ended.into_std(), Outcome::Fault);
            }
            // Its place is another call's while this one waits.
            let backend = Arc::clone(lease.backend());
            drop(lease);
            tried.push(backend.key());
            let policy = members.settings().retry;
            let seeded = || Retrying::begun(policy, Call { seed: fastrand::u64(..), ..call }, budget);
            let retrying = retrying.get_or_insert_with(seeded);
            if !replay.is_kept() {
                retrying.commit();
            }
            let wait = match retrying.after(ended.into_std(), Failure::new(error.repeat())) {
                Decision::Retry { wait, .. } => wait,
                Decision::GiveUp(_) => {
                    if matches!(error, AttemptError::Connect(PoolError::Open(_) | PoolError::Slow)) {
                        upstream.note_lost();
                    }
                    if let Some(note) = note {
                        note.failed(error.end(), false);
                    }
                    return Err(error.problem(&backend));
                }
            };
            if let Some(note) = note {
                note.failed(error.end(), true);
            }
            backend.counters().count(error.retried());
            // Another backend is asked at once: it has nothing to recover from.
            if tried.len() >= members.backends().len() {
                tokio::time::sleep(wait).await;
            }
            now = Instant::now();
        }
    }

    /// One attempt, which begins `now` and has to have the head of its response at a time, if there is one.
    async fn attempt(
        &self,
        members: &Members,
        backend: &Arc<Backend>,
        request: WireRequest,
        body: &Replay,
        (now, until): (Instant, Option<Instant>),
        note: Option<&Note>,
    ) -> Result<exchange::Answer<Lent>, AttemptError> {
        let connect_by = now + members.settings().connect_timeout;
        let connect_by = until.map_or(connect_by, |until| until.min(connect_by));
        let conn = self.connections.get(backend, connect_by).await?;
        backend.counters().count(if conn.is_reused() { Event::Reused } else { Event::Opened });
        let connected = note.map(|note| {
            let connected = Instant::now();
            let mut journey = note.journey();
            (journey.connect, journey.reused) = (Some(connected - now), Some(conn.is_reused()));
            connected
        });
        let exchange = exchange(conn, request, body.body(), self.settings.timeouts);
        let answer = match until {
            None => exchange.await,
            // Dropped, it closes its connection. How far it got is not known then.
            Some(until) => tokio::time::timeout_at(until, exchange).await.unwrap_or_else(|_| {
                let is_clients = body.is_starved();
                let slow = || ExchangeError::Body(BodyError::TooSlow);
                Err((if is_clients { slow() } else { ExchangeError::Timeout }, Progress::Sent))
            }),
        };
        let answer = answer.map_err(|(error, progress)| AttemptError::Exchange(error, progress))?;
        if let (Some(note), Some(connected)) = (note, connected) {
            note.journey().first_byte = Some(connected.elapsed());
        }
        Ok(answer)
    }
}

/// What is told of a body that could not be read: what was wrong with it, if that is known.
fn unreadable(error: &BodyError) -> Problem {
    // What a replay and others on the way read of is a stream to those behind them.
    let mut known = error;
    while let BodyError::Stream(inner) = known
        && let Some(inner) = inner.downcast_ref()
    {
        known = inner;
    }
    match known {
        BodyError::TooSlow => {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "the body of the request came too slowly")
        }
        BodyError::TooLarge(limit) => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body must not be longer than {limit} bytes"),
        ),
        _ => Problem::bad_request("the body of the request could not be read"),
    }
}

/// What a client is told whose request gets no backend.
fn refused(refusal: Refusal, note: Option<&Note>) -> Problem {
    if let Some(note) = note {
        note.end(refusal.end());
    }
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, refusal.to_string());
    match refusal {
        Refusal::Unavailable => problem,
        Refusal::Full | Refusal::Waited => {
            problem.with(http::header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER))
        }
    }
}

/// Seconds after which a client may try again that was told that too many requests wait: by then some have been served.
const RETRY_AFTER: &str = "1";

/// Whether doing it twice is as good as once: RFC 9110 section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE].contains(method)
}
