//! Backends from a file, TOML or JSON, that another program maintains.
//!
//! The file is checked every [`INTERVAL`] and read when it has been the same for two checks, so that a partly written file is not read.
//! A file that is renamed into place is noticed as well.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::Discovery;
use crate::net::stamps::Stamps;
use crate::server::balance::config::backends;
use crate::server::balance::upstream::Upstream;

/// The interval between checks.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);

/// Reads the file now, and when it changes, until this is dropped.
pub(super) async fn follow(path: &Path, by: &Arc<Discovery>, upstream: &Arc<Upstream>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut read, mut last) = (None, None);
    loop {
        ticks.tick().await;
        let stamps = stamps(path).await;
        // The first time, whatever there is is better than nothing.
        let settled = read.is_none() || last.as_ref() == Some(&stamps);
        if settled && read.as_ref() != Some(&stamps) {
            apply(path, by, upstream).await;
            read = Some(stamps.clone());
        }
        last = Some(stamps);
    }
}

async fn stamps(path: &Path) -> Stamps {
    let path = path.to_owned();
    // Disks may be slow, and this thread has clients.
    tokio::task::spawn_blocking(move || Stamps::take([path]))
        .await
        .unwrap_or_else(|_| Stamps::take::<&Path>([]))
}

async fn apply(path: &Path, by: &Arc<Discovery>, upstream: &Arc<Upstream>) {
    let (file, read_by) = (path.to_owned(), Arc::clone(by));
    let read = move || backends::read(&file, &read_by.template);
    let Ok(found) = tokio::task::spawn_blocking(read).await else {
        return;
    };
    match found {
        Ok(setups) => {
            tracing::info!(upstream = %upstream.name(), file = %path.display(), backends = setups.len(), "backends discovered");
            upstream.found(by, setups, Instant::now().into_std()).await;
        }
        Err(error) => {
            for line in error.to_string().lines() {
                tracing::error!(upstream = %upstream.name(), error = line, "the file of backends is invalid; the last good one stays in use");
            }
        }
    }
}
