//! One request, tried until a backend has answered or no further attempt is allowed.

use std::sync::Arc;

use http::{Method, StatusCode};
use tokio::time::Instant;

use super::Forward;
use super::replay::Replay;
use crate::net::client::ConnectError;
use crate::net::client::pool::{PoolError, Pooled};
use crate::net::resilience::ewma::Outstanding;
use crate::net::resilience::pick::Endpoint;
use crate::net::resilience::retry::{Call, Decision, Failure, Repeat, Retrying};
use crate::proto::balance::outlier::Outcome;
use crate::proto::http::client::WireRequest;
use crate::server::balance::backend::Backend;
use crate::server::balance::connections::Opener;
use crate::server::balance::upstream::Members;
use crate::server::http::body::Body;
use crate::server::http::client::exchange::{self, ExchangeError, Progress, exchange};
use crate::server::http::problem::Problem;

/// A connection to a backend.
pub(super) type Lent = Pooled<Opener>;

/// A response.
pub(super) struct Answered {
    pub(super) answer: exchange::Answer<Lent>,
    /// The call is under way until this is dropped.
    pub(super) under_way: Outstanding,
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
            Self::Exchange(ExchangeError::Body(_), _) => {
                Problem::bad_request("the body of the request could not be read")
            }
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
        request: WireRequest,
        body: Body,
        key: u64,
    ) -> Result<Answered, Problem> {
        let Self { upstream, settings, .. } = self;
        let begun = Instant::now();
        let call = Call {
            idempotent: is_idempotent(request.method()),
            deadline: Some((begun + settings.deadline).into_std()),
            seed: 0,
        };
        let budget = members.budget();
        budget.deposit(begun.into_std());
        let replay = Replay::new(body, settings.replay);
        let mut retrying: Option<Retrying> = None;
        let mut tried = Vec::new();
        let mut now = begun;
        loop {
            let Some(backend) = members.choose(key, &tried, now.into_std()) else {
                return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no backend is available"));
            };
            let under_way = backend.load().begin(now.into_std());
            let outcome = self
                .attempt(backend, request.clone(), replay.body(), now + members.settings().connect_timeout)
                .await;
            let ended = Instant::now();
            let error = match outcome {
                Ok(answer) => {
                    let error = answer.head.status().is_server_error();
                    let outcome = if error { Outcome::Error } else { Outcome::Answered(ended - now) };
                    upstream.report(backend, ended.into_std(), outcome);
                    if let Some(retrying) = retrying {
                        retrying.succeeded();
                    }
                    under_way.began(ended.into_std());
                    return Ok(Answered { answer, under_way });
                }
                Err(error) => error,
            };
            if error.is_fault() {
                under_way.failed(ended.into_std());
                upstream.report(backend, ended.into_std(), Outcome::Fault);
            }
            tried.push(backend.key());
            let policy = members.settings().retry;
            let seeded = || Retrying::begun(policy, Call { seed: fastrand::u64(..), ..call }, budget);
            let retrying = retrying.get_or_insert_with(seeded);
            if !replay.is_kept() {
                retrying.commit();
            }
            match retrying.after(ended.into_std(), Failure::new(error.repeat())) {
                // Another backend is asked at once: it has nothing to recover from.
                Decision::Retry { .. } if tried.len() < members.backends().len() => {}
                Decision::Retry { wait, .. } => tokio::time::sleep(wait).await,
                Decision::GiveUp(_) => return Err(error.problem(backend)),
            }
            now = Instant::now();
        }
    }

    async fn attempt(
        &self,
        backend: &Arc<Backend>,
        request: WireRequest,
        body: Body,
        connect_by: Instant,
    ) -> Result<exchange::Answer<Lent>, AttemptError> {
        let conn = self.connections.get(backend, connect_by).await?;
        exchange(conn, request, body, self.settings.timeouts)
            .await
            .map_err(|(error, progress)| AttemptError::Exchange(error, progress))
    }
}

/// Whether doing it twice is as good as once: RFC 9110 section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE].contains(method)
}
