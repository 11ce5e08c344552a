//! Service discovery: backends from DNS, or from a file that is watched.
//!
//! Answers are compared with the previous ones, and only differences change the upstream, whose backends keep their health, load and connections. Backends of the
//! configuration and those added by operators are unaffected. When an answer is missing or a file is invalid, the last good one stays in use.

mod dns;
mod file;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::backend::{Origin, Setup};
use super::upstream::Upstream;
use crate::proto::balance::discovery::Belief;

pub use self::dns::{Dns, DnsError, Found, Kind};

/// The shortest interval between queries that were triggered because no backend could be reached.
const HASTE: Duration = Duration::from_secs(1);

/// Where backends are discovered, and their settings.
#[derive(Clone, Debug)]
pub struct Discovery {
    /// The source.
    pub source: Source,
    /// The settings of a backend, apart from its address, weight and priority.
    pub template: Setup,
}

/// The source of backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// DNS.
    Dns(Dns),
    /// A file.
    File(PathBuf),
}

/// Keeps the discovered backends of an upstream up to date, as long as it has discovery configured.
pub async fn follow(upstream: Arc<Upstream>) {
    let mut changes = upstream.changes();
    let mut belief: Belief<Found> = Belief::default();
    let mut before: Option<Source> = None;
    loop {
        changes.mark_unchanged();
        let current = upstream.members().settings().discovery.clone();
        let other = async {
            loop {
                if changes.changed().await.is_err() {
                    return std::future::pending().await;
                }
                let now = upstream.members().settings().discovery.clone();
                if now.as_ref().map(Arc::as_ptr) != current.as_ref().map(Arc::as_ptr) {
                    return;
                }
            }
        };
        match &current {
            None => {
                if before.take().is_some() {
                    upstream.replace(Origin::Discovered, Vec::new(), Instant::now().into_std());
                }
                other.await;
            }
            Some(discovery) => {
                let same = before.as_ref() == Some(&discovery.source);
                if !same {
                    belief = Belief::default();
                }
                before = Some(discovery.source.clone());
                tokio::select! {
                    () = other => {}
                    () = discovery.run(&upstream, &mut belief, same) => {}
                }
            }
        }
    }
}

impl Discovery {
    /// Discovers backends until it is dropped. `known`: those of `belief` are set up again first.
    async fn run(self: &Arc<Self>, upstream: &Arc<Upstream>, belief: &mut Belief<Found>, known: bool) {
        match &self.source {
            Source::File(path) => file::follow(path, self, upstream).await,
            Source::Dns(dns) => {
                if known && belief.is_settled() {
                    self.apply(upstream, belief).await;
                }
                self.ask(dns, upstream, belief).await;
            }
        }
    }

    async fn ask(self: &Arc<Self>, dns: &Dns, upstream: &Arc<Upstream>, belief: &mut Belief<Found>) {
        let resolver = loop {
            match dns.resolver() {
                Ok(resolver) => break resolver,
                Err(error) => {
                    tracing::error!(upstream = %upstream.name(), %error, "names cannot be looked up");
                    sleep(crate::proto::balance::discovery::LONGEST_RETRY).await;
                }
            }
        };
        loop {
            let asked = Instant::now();
            let (heard, error) = dns.ask(&resolver).await;
            let next = belief.hear(&dns.policy, Instant::now().into_std(), heard);
            if let Some(error) = error {
                tracing::warn!(upstream = %upstream.name(), name = dns.name, %error, "discovery failed; the last good answer stays in use");
            }
            if next.changed {
                self.apply(upstream, belief).await;
            }
            tokio::select! {
                () = sleep(next.wait) => {}
                // The answer may be an old one: but a name that leads nowhere is not asked for in a busy loop.
                () = upstream.lost() => tokio::time::sleep_until(asked + HASTE).await,
            }
        }
    }

    /// Gives the upstream the current list.
    async fn apply(self: &Arc<Self>, upstream: &Arc<Upstream>, belief: &Belief<Found>) {
        let setups: Vec<_> = belief.members().iter().map(|found| found.setup(&self.template)).collect();
        tracing::info!(upstream = %upstream.name(), backends = setups.len(), "backends discovered");
        upstream.found(self, setups, Instant::now().into_std()).await;
    }
}
