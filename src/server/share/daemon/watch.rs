//! A folder that is watched: torrent files and links that are put there are taken.
//!
//! It is looked at every few seconds, which works on every file system. A file that has not changed between two looks is whole: it is taken, and renamed to `NAME.added`, or
//! to `NAME.refused` if it is no torrent, with the reason in the log.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Daemon, Origin, TakeError, Wishes};
use crate::net::drain::Drain;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(2);

/// Bytes of a file that is taken at most.
const MOST: u64 = 64 << 20;

/// A folder that is watched.
#[derive(Debug)]
pub(in crate::server::share) struct Watched {
    folder: PathBuf,
    /// The files of the last look.
    seen: HashMap<PathBuf, (u64, SystemTime)>,
}

impl Watched {
    /// Watches a folder, which has to be there.
    pub(in crate::server::share) fn new(folder: PathBuf) -> Self {
        Self { folder, seen: HashMap::new() }
    }

    /// Takes what is put there until the drain begins.
    pub(in crate::server::share) async fn run(mut self, daemon: Daemon, drain: Drain) {
        let mut told = false;
        loop {
            match self.whole() {
                Ok(files) => {
                    told = false;
                    for file in files {
                        take(&daemon, &file).await;
                    }
                }
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(folder = %self.folder.display(), %error, "the folder cannot be watched");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = drain.stopping() => return,
            }
        }
    }

    /// Files that have not changed since the last look.
    fn whole(&mut self) -> io::Result<Vec<PathBuf>> {
        let mut found = HashMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if !path.extension().is_some_and(|end| end == "torrent" || end == "magnet") {
                continue;
            }
            // What is gone again is not looked at.
            let Ok(known) = fs::metadata(&path) else { continue };
            if known.is_file() {
                found.insert(path, (known.len(), known.modified()?));
            }
        }
        let same = |path: &PathBuf, now| self.seen.get(path) == Some(now);
        let mut whole: Vec<PathBuf> =
            found.iter().filter(|(path, now)| same(path, now)).map(|(path, _)| path.clone()).collect();
        whole.sort();
        self.seen = found;
        Ok(whole)
    }
}

async fn take(daemon: &Daemon, file: &Path) {
    let end = match read(file) {
        Ok(origin) => match daemon.take(origin, Wishes::default()).await {
            Ok(id) => {
                tracing::info!(file = %file.display(), torrent = %id, "taken");
                "added"
            }
            Err(TakeError::Known(_)) => "added",
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "not taken");
                "refused"
            }
        },
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "not taken");
            "refused"
        }
    };
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    if let Err(error) = fs::rename(file, PathBuf::from(name)) {
        tracing::warn!(file = %file.display(), %error, "it cannot be renamed, and will be tried again");
    }
}

fn read(file: &Path) -> Result<Origin, Box<dyn std::error::Error + Send + Sync>> {
    if fs::metadata(file)?.len() > MOST {
        return Err(format!("no torrent has more than {MOST} bytes").into());
    }
    let bytes = fs::read(file)?;
    if file.extension().is_some_and(|end| end == "magnet") {
        return Ok(Origin::link(String::from_utf8(bytes)?.trim())?);
    }
    Ok(Origin::file(&bytes.into())?)
}
