//! The upgrade of a process to another version of its program, without a lost connection: at SIGUSR2 it starts the program anew with its
//! arguments and its listening sockets. When the new process accepts, the old one stops accepting, and serves the connections that it has to
//! their end.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::net::listen::Bound;
use crate::net::listen::succession::{self, Named};

/// What the new process gets to accept.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the old process leaves connections open whose clients are silent: those that speak meanwhile are answered, and sent home.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What hands over the sockets of a process.
pub type Sockets = Box<dyn Fn() -> io::Result<Vec<Named>> + Send + Sync>;

/// How a process is upgraded.
pub struct Upgrade {
    program: PathBuf,
    arguments: Vec<OsString>,
    sockets: Sockets,
    /// What connections of the old process get to end. Long, as WebSockets last.
    pub drain_timeout: Duration,
}

impl Upgrade {
    /// The upgrade of this program, where it is now: a new version is put in its place.
    ///
    /// # Errors
    /// It cannot be found.
    pub fn new(sockets: Sockets, drain_timeout: Duration) -> io::Result<Self> {
        let arguments = env::args_os().skip(1).collect();
        Ok(Self { program: env::current_exe()?, arguments, sockets, drain_timeout })
    }

    /// Starts the new process, and hands the sockets over when it accepts.
    ///
    /// # Errors
    /// There is no new process. Everything is as before.
    pub(super) async fn run(&self) -> io::Result<()> {
        let sockets = (self.sockets)()?;
        let mut command = Command::new(&self.program);
        let successor = succession::start(command.args(&self.arguments), &sockets)?;
        tracing::info!(program = %self.program.display(), process = successor.id(), "upgrading");
        successor.wait_until_ready(READY_TIMEOUT).await?;
        sockets.iter().flat_map(|(_, sockets)| sockets).for_each(Bound::hand_over);
        Ok(())
    }
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade").field("program", &self.program).finish_non_exhaustive()
    }
}

/// A file with the number of the process, for service managers. It is removed with this, unless a successor has written its own into it.
#[derive(Debug)]
pub(super) struct PidFile<'a>(&'a Path);

impl<'a> PidFile<'a> {
    /// Writes it, in one step.
    pub(super) fn write(path: &'a Path) -> io::Result<Self> {
        let beside = path.with_extension(format!("{}", std::process::id()));
        fs::write(&beside, text())?;
        fs::rename(beside, path)?;
        Ok(Self(path))
    }
}

impl Drop for PidFile<'_> {
    fn drop(&mut self) {
        if fs::read_to_string(self.0).is_ok_and(|found| found == text()) {
            // Nobody is left to hear of a failure.
            let _ = fs::remove_file(self.0);
        }
    }
}

fn text() -> String {
    format!("{}\n", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_goes_with_the_process_unless_it_is_the_successors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lb.pid");
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text());
        drop(file);
        assert!(!path.exists());
        let file = PidFile::write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
