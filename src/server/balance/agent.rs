//! Agent checks: a program beside a backend is asked periodically how much load the backend should get.
//!
//! The words of an agent are in [`proto::balance::agent`](crate::proto::balance::agent). Its last report stays in effect until the next one:
//! an agent that cannot be reached changes nothing, as the backend may be healthy all the same. Health checks decide about that.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};

use super::backend::Backend;
use super::dial::{Dial, Way};
use super::upstream::Upstream;
use super::vitals::AgentState;
use crate::net::client::{ConnectError, Target};
use crate::proto::balance::agent::{Report, Unknown, parse};

/// The default interval: HAProxy's `agent-inter`.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// How an agent is asked.
#[derive(Clone, Debug)]
pub struct AgentProbe {
    /// The port that it listens on, at the address of its backend.
    pub port: u16,
    /// The bytes to send first; may be empty.
    pub send: Vec<u8>,
    /// The interval between queries.
    pub interval: Duration,
    /// The time limit of a query.
    pub timeout: Duration,
}

/// Why a query failed.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The backend has no address at which it could be.
    #[error("there is no agent behind a Unix socket")]
    Unix,
    /// The agent cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The agent sent no known word.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// The query took too long.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

impl AgentProbe {
    /// Asks the agent of a backend once.
    ///
    /// # Errors
    /// The query failed.
    pub async fn run(&self, backend: &Backend) -> Result<Report, AgentError> {
        timeout(self.timeout, self.ask(backend)).await.unwrap_or(Err(AgentError::Timeout(self.timeout)))
    }

    async fn ask(&self, backend: &Backend) -> Result<Report, AgentError> {
        let setup = backend.setup();
        if matches!(setup.target, Target::Unix(_)) {
            return Err(AgentError::Unix);
        }
        // Agents speak plainly, whatever calls do.
        let dial = Dial { connector: setup.dial.connector.clone(), tls: None };
        let way = Way { port: Some(self.port), ..Way::default() };
        let mut io = dial.connect(&setup.target, &way).await?;
        io.write_all(&self.send).await?;
        let mut seen = BytesMut::new();
        loop {
            let ended = io.read_buf(&mut seen).await? == 0;
            if let Some(report) = parse(&seen, ended)? {
                return Ok(report);
            }
        }
    }
}

/// Asks the agent of one backend periodically, as long as it is configured.
pub async fn follow(upstream: Arc<Upstream>, current: Arc<ArcSwap<Backend>>) {
    let (mut last, mut chance) = (Instant::now(), fastrand::f64());
    let mut changes = upstream.changes();
    loop {
        let backend = current.load_full();
        let Some(probe) = upstream.members().settings().agent.clone() else {
            if backend.vitals().set_agent(AgentState::default()) {
                upstream.refresh(Instant::now().into_std());
            }
            return;
        };
        tokio::select! {
            () = sleep_until(last + probe.interval.mul_f64(chance)) => {}
            // Perhaps with another agent, or none.
            Ok(()) = changes.changed() => continue,
        }
        // Between 90 % and 110 % of the interval, so that balancers do not ask in step.
        (last, chance) = (Instant::now(), 0.9 + 0.2 * fastrand::f64());
        let report = match probe.run(&backend).await {
            Ok(report) => report,
            Err(error) => {
                tracing::debug!(upstream = %upstream.name(), backend = %backend.name(), %error, "the agent did not answer");
                continue;
            }
        };
        let after = backend.vitals().agent().after(&report);
        if backend.vitals().set_agent(after) {
            let AgentState { percent, up, ready } = after;
            let reason = report.reason.as_deref().unwrap_or_default();
            tracing::info!(upstream = %upstream.name(), backend = %backend.name(), percent, up, ready, reason, "the agent reported");
            upstream.refresh(Instant::now().into_std());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::backend::Setup;
    use super::super::check::watch;
    use super::super::upstream::Settings;
    use super::*;
    use crate::net::resilience::pick::Endpoint;
    use crate::net::resilience::pick::pools::Standing;

    #[tokio::test]
    async fn what_an_agent_says_counts_until_it_says_something_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let now = std::time::Instant::now();
        let backend = Arc::new(Backend::new(Setup::new("127.0.0.1:1".parse().unwrap()), now, 0.0));
        let agent = AgentProbe {
            port,
            send: b"state?\n".to_vec(),
            interval: Duration::from_millis(1),
            timeout: Duration::from_secs(5),
        };
        let settings = Settings { agent: Some(agent), ..Settings::default() };
        let upstream = Arc::new(Upstream::new("web", vec![Arc::clone(&backend)], settings.clone(), now));
        let watching = tokio::spawn(watch(Arc::clone(&upstream), follow));
        let rows: [(&[u8], Standing, f64); 9] = [
            (b"50%\n", Standing::Available, 0.5),
            (b"down#disk full\n", Standing::Unavailable, 0.5),
            (b"who knows\n", Standing::Unavailable, 0.5),
            (b"", Standing::Unavailable, 0.5),
            (b"up\n", Standing::Available, 0.5),
            (b"drain 100%", Standing::Leaving, 1.0),
            (b"ready\n", Standing::Available, 1.0),
            (b"0%\n", Standing::Leaving, 0.0),
            (b"maint 20%\n", Standing::Leaving, 0.2),
        ];
        for (line, standing, warmth) in rows {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 7];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(&asked, b"state?\n");
            stream.write_all(line).await.unwrap();
            drop(stream);
            // It has been heard when the agent is asked again.
            let (stream, _) = listener.accept().await.unwrap();
            assert_eq!(backend.standing(now), standing, "{line:?}");
            assert!((backend.warmth(now) - warmth).abs() < 1e-9, "{line:?}");
            drop(stream);
        }
        // Without an agent nothing of it is left.
        upstream.configure(Settings { agent: None, ..settings }, now);
        while backend.standing(now) != Standing::Available {
            let _ = tokio::time::timeout(Duration::from_millis(1), listener.accept()).await;
        }
        watching.abort();
    }
}
