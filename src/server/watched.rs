//! A file that is read again when it has changed: users, keys.
//!
//! After its first use it is checked every few seconds, by its metadata and outside of the serving threads. Invalid content is logged, and the
//! old content stays in use.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::OnceCell;
use tokio::time::MissedTickBehavior;

use crate::net::stamps::Stamps;

/// The interval between checks.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Parses the text of a file, or says what is wrong with it.
type Parse<T> = Box<dyn Fn(&str) -> Result<T, String> + Send + Sync>;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum WatchedError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Its content is invalid.
    #[error("{}: {fault}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
}

/// The current content of a file.
pub struct Watched<T> {
    path: PathBuf,
    parse: Parse<T>,
    value: ArcSwap<T>,
    seen: Mutex<Stamps>,
    followed: OnceCell<()>,
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read or parsed.
    pub fn open(
        path: &Path,
        parse: impl Fn(&str) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, WatchedError> {
        let seen = Mutex::new(Stamps::take([path]));
        let value = ArcSwap::from_pointee(read(path, &parse)?);
        Ok(Arc::new(Self {
            path: path.into(),
            parse: Box::new(parse),
            value,
            seen,
            followed: OnceCell::new(),
        }))
    }

    /// The content as of the last check. The first call makes sure that it is up to date.
    pub async fn current(self: &Arc<Self>) -> Arc<T> {
        self.followed.get_or_init(|| self.follow()).await;
        self.value.load_full()
    }

    /// Checks the file periodically, as long as it is in use.
    async fn follow(self: &Arc<Self>) {
        look(Arc::clone(self)).await;
        let this = Arc::downgrade(self);
        drop(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(this) = Weak::upgrade(&this) else { return };
                look(this).await;
            }
        }));
    }

    /// Reads the file again if it has changed.
    fn refresh(&self) {
        // Taken before the file is read: a change that comes in between is seen at the next look.
        let stamps = Stamps::take([&*self.path]);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == stamps {
                return;
            }
            *seen = stamps;
        }
        match read(&self.path, &self.parse) {
            Ok(value) => {
                self.value.store(Arc::new(value));
                tracing::info!(file = %self.path.display(), "the changed file is in use");
            }
            Err(error) => tracing::error!(%error, "the new file is invalid; the old one stays in use"),
        }
    }
}

/// Checks the file on a thread that may wait for a disk.
async fn look<T: Send + Sync + 'static>(watched: Arc<Watched<T>>) {
    drop(tokio::task::spawn_blocking(move || watched.refresh()).await);
}

fn read<T>(path: &Path, parse: &impl Fn(&str) -> Result<T, String>) -> Result<T, WatchedError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| WatchedError::Read { path: path.into(), source })?;
    parse(&text).map_err(|fault| WatchedError::Parse { path: path.into(), fault })
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.path).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<u32, String> {
        text.trim().parse().map_err(|_| "this is no number".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_seen_and_a_bad_one_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        let open = || Watched::open(&path, number);
        assert!(open().unwrap_err().to_string().starts_with("cannot read "));
        std::fs::write(&path, "one").unwrap();
        assert!(open().unwrap_err().to_string().ends_with("number: this is no number"));
        std::fs::write(&path, "1").unwrap();
        let watched = open().unwrap();
        std::fs::write(&path, "23").unwrap();
        assert_eq!(*watched.current().await, 23, "what has changed before the first use");
        for (text, expected) in [("456", 456), ("bad", 456), ("7890", 7890)] {
            std::fs::write(&path, text).unwrap();
            let written = Stamps::take([&path]);
            let mut looks = 0;
            while *watched.seen.lock().unwrap() != written || *watched.current().await != expected {
                assert!(looks < 1000, "{text}: {}", watched.current().await);
                looks += 1;
                tokio::time::sleep(INTERVAL).await;
            }
        }
    }
}
