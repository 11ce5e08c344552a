//! Active health checks, repeated for each backend.
//!
//! Each backend has a task of its own on one thread. The [health](crate::proto::balance::health) state machine decides when the next check is due and what
//! an outcome means. What a check does is in [`probe`](super::probe); it never uses a connection of a request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::backend::Backend;
use super::probe::Probe;
use super::upstream::Upstream;
use crate::net::clock::Clock;
use crate::net::resilience::pick::Endpoint;
use crate::proto::balance::health::{Condition, Outcome};

/// How the backends of an upstream are checked.
#[derive(Clone, Debug)]
pub struct Checks {
    /// What a check does.
    pub probe: Probe,
    /// Its time limit.
    pub timeout: Duration,
}

/// Runs a task for every backend of an upstream, also for those that are added later. `follow` gets a backend as currently configured; when it returns,
/// it is called again after the next change of the upstream.
pub async fn watch<F>(upstream: Arc<Upstream>, follow: impl Fn(Arc<Upstream>, Arc<ArcSwap<Backend>>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
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
    /// Its current configuration.
    current: Arc<ArcSwap<Backend>>,
    task: AbortHandle,
}

impl Followed {
    /// Notifies the task of `backend` if its configuration has changed.
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

/// Checks one backend as long as checks are configured for it.
pub async fn follow(upstream: Arc<Upstream>, current: Arc<ArcSwap<Backend>>) {
    let vitals = Arc::clone(current.load().vitals());
    // One for all checks: a clock outlives what it was for by a deadline.
    let clock = Clock::new();
    while let Some(due) = vitals.check_due() {
        tokio::select! {
            () = sleep_until(Instant::from_std(due)) => {}
            () = vitals.sooner() => continue,
        }
        let backend = current.load_full();
        let Some(Checks { probe, timeout }) = upstream.members().settings().checks.clone() else { return };
        let outcome = probe.run(&backend, timeout, &clock).await;
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

    #[tokio::test]
    async fn a_backend_goes_down_and_comes_up() {
        let policy = Policy {
            interval: Duration::from_millis(10),
            fast: Duration::from_millis(10),
            down: Duration::from_millis(10),
            initial: Initial::Up,
            ..Policy::DEFAULT
        };
        let running = Server::new(|_: Request| async {}).listen("127.0.0.1:0").threads(1).start().unwrap();
        let address = running.addresses()[0].address.to_string();
        let backend = backend(&address, Some(policy));
        let now = Instant::now().into_std();
        let checks = Some(Checks { probe: Probe::default(), timeout: Duration::from_secs(1) });
        let settings = Settings { checks, ..Settings::default() };
        let upstream = Arc::new(Upstream::new("web", vec![Arc::clone(&backend)], settings, now));
        let watching = tokio::spawn(watch(upstream, follow));
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
