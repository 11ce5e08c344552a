//! Active checks: whether a backend answers, asked again and again.
//!
//! Each backend has a task of its own, on one thread. When its next check is due, and what an outcome means, its
//! [health](crate::proto::balance::health) decides. A check connects as calls do, by TLS if they do, and never uses a connection of theirs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderValue, Method};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::backend::{Backend, HTTP_ALPN};
use super::upstream::Upstream;
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::net::resilience::pick::Endpoint;
use crate::proto::balance::health::{Condition, Outcome};
use crate::proto::http::client::{ClientCodec, Finish, RequestWriter, WireRequest};
use crate::proto::http::limits::Limits;
use crate::server::http::body::Body;
use crate::server::http::client::exchange::{Timeouts, exchange};

/// What a check does.
#[derive(Clone, Debug)]
pub enum Probe {
    /// Connects, with TLS if calls have it.
    Connect,
    /// Asks by HTTP, and looks at the answer.
    Http(HttpProbe),
}

/// A check by HTTP.
#[derive(Clone, Debug)]
pub struct HttpProbe {
    /// The request.
    request: WireRequest,
    /// The statuses that are good, both ends included.
    statuses: (u16, u16),
    /// What the body has to contain; nothing if it is empty.
    body: Vec<u8>,
}

/// Bytes of a body that a check looks at.
const MAX_BODY: u64 = 64 * 1024;

/// Why a check is none that can be made.
#[derive(Debug, thiserror::Error)]
#[error("{target:?} at {host:?} cannot be asked for")]
pub struct BadProbe {
    target: String,
    host: String,
}

impl HttpProbe {
    /// A check that asks for a target of a host, and is content with a status from 200 to 399.
    ///
    /// # Errors
    /// The target or the host is malformed.
    pub fn new(target: &str, host: &str) -> Result<Self, BadProbe> {
        let bad = |_| BadProbe { target: target.into(), host: host.into() };
        let mut writer = RequestWriter::new(&Method::GET, target, host).map_err(bad)?;
        writer.field(&http::header::USER_AGENT, &HeaderValue::from_static("wireworks-check"));
        let request = writer.finish(Finish { length: Some(0), upgrade: None, close: true });
        Ok(Self { request, statuses: (200, 399), body: Vec::new() })
    }

    /// The statuses that are good, both ends included.
    #[must_use]
    pub fn statuses(self, statuses: (u16, u16)) -> Self {
        Self { statuses, ..self }
    }

    /// What the first 64 KiB of the body have to contain.
    #[must_use]
    pub fn containing(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }
}

/// Why a check failed.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] crate::net::client::ConnectError),
    /// There is no response.
    #[error("{0}")]
    Exchange(crate::server::http::client::exchange::ExchangeError),
    /// The status is not one of the good ones.
    #[error("the status is {0}")]
    Status(u16),
    /// The body is not what it should be.
    #[error("the body does not contain what it should")]
    Body,
    /// It took too long.
    #[error("it took longer than {0:?}")]
    Timeout(Duration),
}

impl Probe {
    /// Checks a backend once.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn run(&self, backend: &Backend, limit: Duration) -> Result<(), CheckError> {
        timeout(limit, self.check(backend)).await.unwrap_or(Err(CheckError::Timeout(limit)))
    }

    async fn check(&self, backend: &Backend) -> Result<(), CheckError> {
        let io = backend.connect(HTTP_ALPN).await?;
        let Self::Http(probe) = self else { return Ok(()) };
        let conn = Conn::new(io, ClientCodec::new(Limits::default()), Clock::new().timer());
        let answer =
            exchange(Box::new(conn), probe.request.clone(), Body::empty(), Timeouts::default()).await;
        let answer = answer.map_err(|(error, _)| CheckError::Exchange(error))?;
        let status = answer.head.status().as_u16();
        if !(probe.statuses.0..=probe.statuses.1).contains(&status) {
            return Err(CheckError::Status(status));
        }
        if probe.body.is_empty() {
            return Ok(());
        }
        let mut body = answer.body.into_body(answer.length);
        let mut seen = Vec::new();
        while let Some(Ok(data)) = body.data().await {
            seen.extend_from_slice(&data);
            if memchr::memmem::find(&seen, &probe.body).is_some() {
                return Ok(());
            }
            if seen.len() as u64 > MAX_BODY {
                break;
            }
        }
        Err(CheckError::Body)
    }
}

/// How the backends of an upstream are checked.
#[derive(Clone, Debug)]
pub struct Checks {
    /// What a check does.
    pub probe: Probe,
    /// What it may take.
    pub timeout: Duration,
}

/// Checks the backends of an upstream, those that come later too.
pub async fn watch(upstream: Arc<Upstream>) {
    let mut changes = upstream.changes();
    let mut tasks = JoinSet::new();
    let mut followed: HashMap<u64, Followed> = HashMap::new();
    loop {
        let members = upstream.members();
        let mut before = std::mem::take(&mut followed);
        for backend in members.backends() {
            let known = before.remove(&backend.key());
            let known = known.filter(|known| known.is_followed(backend));
            followed.insert(
                backend.key(),
                known.unwrap_or_else(|| {
                    let current = Arc::new(ArcSwap::new(Arc::clone(backend)));
                    let task = tasks.spawn(follow(Arc::clone(&upstream), Arc::clone(&current)));
                    Followed { current, task }
                }),
            );
        }
        before.into_values().for_each(|gone| gone.task.abort());
        while tasks.try_join_next().is_some() {}
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// A backend that is checked.
struct Followed {
    /// As it is configured at present.
    current: Arc<ArcSwap<Backend>>,
    task: AbortHandle,
}

impl Followed {
    /// Tells the task of `backend`, if it is another configuration of the same.
    fn is_followed(&self, backend: &Arc<Backend>) -> bool {
        let same = Arc::ptr_eq(self.current.load().vitals(), backend.vitals()) && !self.task.is_finished();
        if same {
            self.current.store(Arc::clone(backend));
        } else {
            self.task.abort();
        }
        same
    }
}

/// Checks one backend for as long as it is to be checked.
async fn follow(upstream: Arc<Upstream>, current: Arc<ArcSwap<Backend>>) {
    let vitals = Arc::clone(current.load().vitals());
    while let Some(due) = vitals.check_due() {
        tokio::select! {
            () = sleep_until(Instant::from_std(due)) => {}
            () = vitals.sooner() => continue,
        }
        let backend = current.load_full();
        let Some(Checks { probe, timeout }) = upstream.members().settings().checks.clone() else { return };
        let outcome = probe.run(&backend, timeout).await;
        let now = Instant::now().into_std();
        backend.vitals().note_check(now, outcome.as_ref().err().map(ToString::to_string));
        let passed = if outcome.is_ok() { Outcome::Passed } else { Outcome::Failed };
        match (vitals.checked(now, passed), outcome) {
            (Some(Condition::Down), Err(error)) => {
                tracing::warn!(upstream = %upstream.name(), backend = %backend.name(), %error, "down");
            }
            (Some(_), _) => tracing::info!(upstream = %upstream.name(), backend = %backend.name(), "up"),
            (None, _) => continue,
        }
        upstream.refresh(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::backend::Setup;
    use super::super::upstream::Settings;
    use super::*;
    use crate::proto::balance::health::{Initial, Policy};
    use crate::server::http::request::Request;
    use crate::server::http::server::Server;

    fn backend(address: &str, checks: Option<Policy>) -> Arc<Backend> {
        let setup = Setup { checks, ..Setup::new(address.parse().unwrap()) };
        Arc::new(Backend::new(setup, Instant::now().into_std(), 0.0))
    }

    fn serve() -> (crate::server::process::Running, String) {
        let server = Server::new(|request: Request| async move {
            let status = request.path().trim_start_matches('/').parse().unwrap_or(200);
            (http::StatusCode::from_u16(status).unwrap(), "all is well")
        });
        let running = server.listen("127.0.0.1:0").threads(1).start().unwrap();
        let address = running.addresses()[0].address.to_string();
        (running, address)
    }

    #[tokio::test]
    async fn what_a_check_looks_at() {
        let (running, address) = serve();
        let backend = backend(&address, None);
        let http = |target: &str| HttpProbe::new(target, "a.test").unwrap();
        let rows = [
            (Probe::Connect, None),
            (Probe::Http(http("/200")), None),
            (Probe::Http(http("/302")), None),
            (Probe::Http(http("/500")), Some("the status is 500")),
            (Probe::Http(http("/500").statuses((500, 500))), None),
            (Probe::Http(http("/").containing("well")), None),
            (Probe::Http(http("/").containing("ill")), Some("the body does not contain")),
        ];
        for (probe, expected) in rows {
            let outcome = probe.run(&backend, Duration::from_secs(5)).await;
            match expected {
                None => outcome.unwrap(),
                Some(text) => assert!(outcome.unwrap_err().to_string().contains(text), "{probe:?}"),
            }
        }
        running.stop().unwrap();
        let error = Probe::Connect.run(&backend, Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(error, CheckError::Connect(_)), "{error}");
        assert!(HttpProbe::new("no path", "a.test").is_err());
    }

    #[tokio::test]
    async fn a_backend_goes_down_and_comes_up() {
        let policy = Policy {
            interval: Duration::from_millis(10),
            fast: Duration::from_millis(10),
            down: Duration::from_millis(10),
            initial: Initial::Up,
            ..Policy::DEFAULT
        };
        let (running, address) = serve();
        let backend = backend(&address, Some(policy));
        let now = Instant::now().into_std();
        let checks = Some(Checks { probe: Probe::Connect, timeout: Duration::from_secs(1) });
        let settings = Settings { checks, ..Settings::default() };
        let upstream = Arc::new(Upstream::new("web", vec![Arc::clone(&backend)], settings, now));
        let watching = tokio::spawn(watch(upstream));
        running.stop().unwrap();
        while backend.vitals().is_up() {
            tokio::task::yield_now().await;
        }
        let again = Server::new(|_: Request| async {}).listen(&*address).threads(1).start().unwrap();
        while !backend.vitals().is_up() {
            tokio::task::yield_now().await;
        }
        watching.abort();
        again.stop().unwrap();
    }
}
