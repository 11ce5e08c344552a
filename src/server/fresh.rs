//! What is made of files that hold secrets (users, tokens, keys), and made anew when they have changed: within seconds, or at once on SIGHUP, as certificates are.
//!
//! A file that is bad is told of in the log, and what was made before stays in use. So it does while a file is not there: it may be about to be replaced.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use tokio::time::MissedTickBehavior;

use super::process::{Part, Process, Serving};
use super::watched::INTERVAL;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::stamps::Stamps;

/// Makes it of the files, or says in one line what is wrong.
type Make<T> = Box<dyn Fn() -> Result<T, String> + Send + Sync>;

/// What files come to at present.
pub(in crate::server) struct Fresh<T> {
    files: Vec<PathBuf>,
    make: Make<T>,
    value: ArcSwap<T>,
    seen: Mutex<Stamps>,
}

impl<T: Send + Sync + 'static> Fresh<T> {
    /// What `make` makes of these files. Without files it stays as it is.
    ///
    /// # Errors
    /// It cannot be made.
    pub(in crate::server) fn new<E: fmt::Display>(
        files: Vec<PathBuf>,
        make: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Arc<Self>, E> {
        let seen = Mutex::new(Stamps::take(&files));
        let value = ArcSwap::from_pointee(make()?);
        let make = Box::new(move || make().map_err(|error| error.to_string()));
        Ok(Arc::new(Self { files, make, value, seen }))
    }

    /// What it is now.
    pub(in crate::server) fn load(&self) -> Guard<Arc<T>> {
        self.value.load()
    }

    /// Looks after the files as long as the process serves.
    pub(in crate::server) fn follow(self: &Arc<Self>, process: &mut Process) {
        if !self.files.is_empty() {
            let (fresh, drain) = (Arc::clone(self), process.drain.clone());
            process.parts.push(Arc::new(Following { fresh, drain }));
        }
    }

    /// Reads the files again if they have changed since the last look.
    fn look(&self) {
        // Taken before the files are read: a change that comes in between is seen at the next look.
        let stamps = Stamps::take(&self.files);
        let changed = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = *seen != stamps && self.files.iter().all(|file| file.exists());
            if changed {
                *seen = stamps;
            }
            changed
        };
        if changed {
            self.reread();
        }
    }

    /// Reads the files again.
    pub(in crate::server) fn reread(&self) {
        let first = self.files.first().map_or(Path::new(""), PathBuf::as_path);
        match (self.make)() {
            Ok(value) => {
                self.value.store(Arc::new(value));
                tracing::info!(file = %first.display(), "the file was read again and is in use");
            }
            Err(error) => tracing::error!(%error, "the new file is bad; the old one stays in use"),
        }
    }
}

impl<T> fmt::Debug for Fresh<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fresh").field(&self.files).finish()
    }
}

/// Who looks after the files.
struct Following<T> {
    fresh: Arc<Fresh<T>>,
    drain: Drain,
}

impl<T: Send + Sync + 'static> Following<T> {
    /// Looks at the files until the process stops.
    async fn watch(&self) -> io::Result<()> {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.drain.stopping() => return Ok(()),
                _ = ticks.tick() => {}
            }
            let fresh = Arc::clone(&self.fresh);
            tokio::task::spawn_blocking(move || fresh.look()).await?;
        }
    }
}

impl<T: Send + Sync + 'static> Part for Following<T> {
    /// The first shard looks for all.
    fn serve(self: Arc<Self>, shard: usize, _: Clock) -> Serving {
        Box::pin(async move { if shard == 0 { self.watch().await } else { Ok(()) } })
    }

    fn reload(&self) {
        self.fresh.reread();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::num::ParseIntError;

    use super::*;

    fn number(path: &Path) -> Result<Arc<Fresh<u32>>, ParseIntError> {
        let (file, path) = (path.to_owned(), path.to_owned());
        Fresh::new(vec![file], move || fs::read_to_string(&path).unwrap_or_default().trim().parse())
    }

    #[test]
    fn a_change_is_seen_and_a_bad_one_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "one").unwrap();
        assert!(number(&path).is_err());
        fs::write(&path, "1").unwrap();
        let fresh = number(&path).unwrap();
        for (text, expected) in [("23", 23), ("four", 23), ("567", 567)] {
            fs::write(&path, text).unwrap();
            fresh.look();
            assert_eq!(**fresh.load(), expected, "{text}");
        }
        fs::remove_file(&path).unwrap();
        fresh.look();
        assert_eq!(**fresh.load(), 567, "it may be about to be replaced");
        fs::write(&path, "8").unwrap();
        fresh.look();
        assert_eq!(**fresh.load(), 8);
        // The same file is not read again, unless that is asked for.
        fresh.value.store(Arc::new(0));
        fresh.look();
        assert_eq!(**fresh.load(), 0);
        fresh.reread();
        assert_eq!(**fresh.load(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_looked_at_until_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let (fresh, drain) = (number(&path).unwrap(), Drain::new());
        let part = Arc::new(Following { fresh: Arc::clone(&fresh), drain: drain.clone() });
        part.clone().serve(1, Clock::new()).await.unwrap();
        let serving = tokio::spawn(part.clone().serve(0, Clock::new()));
        fs::write(&path, "23").unwrap();
        while **fresh.load() != 23 {
            tokio::time::sleep(INTERVAL).await;
        }
        drain.stop();
        serving.await.unwrap().unwrap();
        fs::write(&path, "456").unwrap();
        part.reload();
        assert_eq!(**fresh.load(), 456);
    }
}
