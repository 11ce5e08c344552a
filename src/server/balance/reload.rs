//! The background work of a balancer, on the first thread: health checks, discovery, and reloads of the configuration file.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::agent;
use super::balancer::Balancer;
use super::check::{self, watch};
use super::config::{Config, ConfigError};
use super::discovery;
use super::upstream::Upstream;
use crate::net::clock::Clock;
use crate::net::stamps::Stamps;
use crate::server::RunError;
use crate::server::process::{Part, Serving};

/// How often the pool in use is decided again: ejections end after their time.
const REFRESH: Duration = Duration::from_secs(1);

/// The interval between two looks at the files. They are read when they have been the same for two of them, as editors may write them in pieces.
pub const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The configuration file.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    /// Whether it is read again when it changes, and not only on request.
    watched: bool,
    seen: Mutex<Seen>,
    /// Held from reading to applying: of two reloads at once, the one that has read last is applied last.
    reading: Mutex<()>,
}

/// The file, and those that were read together with it, as they were when they were read.
#[derive(Debug)]
struct Seen {
    files: Arc<[PathBuf]>,
    stamps: Stamps,
}

impl Source {
    /// A file that has been read as `config`, and is read again if it is watched and has changed, or one of [`Config::files`] has.
    #[must_use]
    pub fn new(path: PathBuf, config: &Config) -> Self {
        let files: Arc<[PathBuf]> = std::iter::once(&path).chain(&config.files).cloned().collect();
        let seen = Mutex::new(Seen { stamps: Stamps::take(&*files), files });
        Self { path, watched: config.watch, seen, reading: Mutex::new(()) }
    }
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// It is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It cannot be applied.
    #[error(transparent)]
    Apply(#[from] RunError),
}

impl Source {
    /// Reads and applies the file; returns the number of the configuration.
    ///
    /// # Errors
    /// The file is invalid or cannot be applied. The old configuration stays in use. The error is also logged.
    pub fn reload(&self, balancer: &Balancer) -> Result<u64, ReloadError> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before the files are read: a change that comes in between is seen at the next look.
        let now = self.look();
        self.seen().stamps = now;
        let read = Config::read(&self.path).map_err(ReloadError::from);
        let outcome = read.and_then(|config| {
            let generation = balancer.apply(&config)?;
            self.follow(&config);
            Ok(generation)
        });
        match &outcome {
            Ok(generation) => {
                tracing::info!(file = %self.path.display(), generation, "the configuration is in use");
            }
            Err(error) => {
                balancer.refused(&error.to_string());
                for line in error.to_string().lines() {
                    tracing::error!(
                        error = line,
                        "the new configuration is invalid; the old one stays in use"
                    );
                }
            }
        }
        outcome
    }

    /// Looks after the files of this configuration from now on. One that is new was read a moment ago.
    fn follow(&self, config: &Config) {
        let files: Arc<[PathBuf]> = std::iter::once(&self.path).chain(&config.files).cloned().collect();
        let mut seen = self.seen();
        if seen.files != files {
            *seen = Seen { stamps: Stamps::take(&*files), files };
        }
    }

    /// The state of the files at present.
    fn look(&self) -> Stamps {
        let files = Arc::clone(&self.seen().files);
        Stamps::take(&*files)
    }

    /// Whether a file has changed since it was read.
    fn has_changed(&self, now: &Stamps) -> bool {
        self.seen().stamps != *now
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of the process that does the background work.
#[derive(Debug)]
pub(super) struct Maintenance {
    balancer: Arc<Balancer>,
    source: Option<Arc<Source>>,
}

/// Checks the backends of an upstream, asks their agents, and discovers others.
async fn look_after(upstream: Arc<Upstream>) {
    tokio::join!(
        watch(Arc::clone(&upstream), check::follow),
        watch(Arc::clone(&upstream), agent::follow),
        discovery::follow(upstream),
    );
}

impl Maintenance {
    pub(super) fn new(balancer: Arc<Balancer>, source: Option<Arc<Source>>) -> Self {
        Self { balancer, source }
    }

    /// Checks the backends of all upstreams, also those that are added later.
    async fn check(&self) {
        let mut changes = self.balancer.upstream_changes();
        let mut tasks = JoinSet::new();
        let mut watched: Vec<(Arc<Upstream>, tokio::task::AbortHandle)> = Vec::new();
        loop {
            let upstreams = changes.borrow_and_update().clone();
            watched.retain(|(upstream, task)| {
                let stays = upstreams.get(upstream.name()).is_some_and(|other| Arc::ptr_eq(upstream, other));
                if !stays {
                    task.abort();
                }
                stays
            });
            for upstream in upstreams.into_values() {
                if !watched.iter().any(|(other, _)| Arc::ptr_eq(&upstream, other)) {
                    let task = tasks.spawn(look_after(Arc::clone(&upstream)));
                    watched.push((upstream, task));
                }
            }
            while tasks.try_join_next().is_some() {}
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Keeps the balancer connected to Redis, if it has one.
    async fn share(&self) {
        let mut changes = self.balancer.redis_changes();
        loop {
            let client = changes.borrow_and_update().clone();
            let keep = async {
                match &client {
                    Some(client) => client.keep().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = keep => {}
                changed = changes.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    /// Decides periodically which pools are used.
    async fn refresh(&self) {
        let mut ticks = tokio::time::interval(REFRESH);
        loop {
            let now = ticks.tick().await.into_std();
            for upstream in self.balancer.upstreams().values() {
                upstream.eject_laggards(now);
                upstream.refresh(now);
            }
        }
    }

    /// Reads the file again when it has changed, or one that it names for TLS to backends.
    async fn follow(&self) {
        let Some(source) = self.source.as_ref().filter(|source| source.watched) else {
            return std::future::pending().await;
        };
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            ticks.tick().await;
            let (balancer, source) = (Arc::clone(&self.balancer), Arc::clone(source));
            let looked = tokio::task::spawn_blocking(move || {
                let now = source.look();
                let settled = last.as_ref() == Some(&now);
                if settled && source.has_changed(&now) {
                    // What is wrong is logged.
                    let _ = source.reload(&balancer);
                }
                now
            });
            match looked.await {
                Ok(now) => last = Some(now),
                Err(_) => return,
            }
        }
    }
}

impl Part for Maintenance {
    fn serve(self: Arc<Self>, shard: usize, _: Clock) -> Serving {
        Box::pin(async move {
            if shard > 0 {
                return Ok(());
            }
            tokio::select! {
                _ = async { tokio::join!(self.check(), self.refresh(), self.follow(), self.share(), self.balancer.acme().run()) } => {}
                () = self.balancer.drain().stopping() => {}
            }
            io::Result::Ok(())
        })
    }

    fn reload(&self) {
        if let Some(source) = &self.source {
            // What is wrong is logged.
            let _ = source.reload(&self.balancer);
        }
        for door in self.balancer.doors().get() {
            door.part.reload();
        }
    }
}
