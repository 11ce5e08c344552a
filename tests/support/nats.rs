//! A NATS of a test's own, with JetStream, which never outlives it.

use std::path::Path;

use rustix::process::Signal;
use tempfile::TempDir;

use super::process::Process;
use super::tool::Tool;

/// A server that runs.
pub(crate) struct Nats {
    folder: TempDir,
    port: u16,
    /// What it is told beside that.
    more: Vec<String>,
    process: Option<Process>,
}

impl Nats {
    /// Starts a server on a free port.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with(Vec::new())
    }

    /// The same, which is reached by TLS alone.
    #[track_caller]
    pub(crate) fn start_with_tls(cert: &Path, key: &Path) -> Self {
        let file = |path: &Path| path.display().to_string();
        Self::with(vec!["--tls".into(), "--tlscert".into(), file(cert), "--tlskey".into(), file(key)])
    }

    #[track_caller]
    fn with(more: Vec<String>) -> Self {
        let port = super::port::free();
        let mut nats = Self { folder: tempfile::tempdir().unwrap(), port, more, process: None };
        nats.again();
        nats
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.more.is_empty() { "nats" } else { "tls" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Ends it.
    #[track_caller]
    pub(crate) fn end(&mut self) {
        if let Some(process) = self.process.take() {
            process.signal(Signal::KILL);
            drop(process.wait());
        }
    }

    /// Starts it again, where it was.
    #[track_caller]
    pub(crate) fn again(&mut self) {
        let folder = self.folder.path().display().to_string();
        let port = self.port.to_string();
        let args = ["-js", "-sd", &folder, "-a", "127.0.0.1", "-p", &port];
        let mut process = Tool::new(program()).args(args).args(&self.more).start();
        process.wait_for_stderr("Server is ready");
        self.process = Some(process);
    }
}

/// Debian has it where not everybody's `PATH` leads.
fn program() -> &'static str {
    const DEBIAN: &str = "/usr/sbin/nats-server";
    if std::path::Path::new(DEBIAN).exists() { DEBIAN } else { "nats-server" }
}
