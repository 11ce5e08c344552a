//! The chat server, as its clients see it.

mod access;
mod client;
mod crash;
mod hostile;
mod json;

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use self::client::Client;
use crate::support::command::{stop, wireworks};
use crate::support::process::{Ended, Process};

/// A server with a folder of its own.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
    pub(crate) folder: TempDir,
}

impl Server {
    /// A server without limits on rates, so that tests are as fast as they can.
    #[track_caller]
    pub(crate) fn start() -> Self {
        Self::with(&["--no-limits"])
    }

    #[track_caller]
    pub(crate) fn with(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (process, addr) = Self::process("127.0.0.1:0", folder.path(), args);
        Self { process, addr, folder }
    }

    #[track_caller]
    fn process(listen: &str, folder: &Path, args: &[&str]) -> (Process, SocketAddr) {
        let data = folder.join("data").display().to_string();
        let common = ["chat", "serve", "--listen", listen, "--data", &data];
        let mut process = wireworks(&[&common, args].concat());
        let addr = process.address("chat");
        (process, addr)
    }

    /// Kills it as the system does when there is no memory left, and starts it again with the same folder.
    #[track_caller]
    pub(crate) fn killed_and_started(self) -> Self {
        self.process.signal(rustix::process::Signal::KILL);
        drop(self.process.wait());
        let (process, addr) = Self::process("127.0.0.1:0", self.folder.path(), &["--no-limits"]);
        Self { process, addr, folder: self.folder }
    }

    /// Ends it in order, and starts it again with the same folder. Says how it ended.
    #[track_caller]
    pub(crate) fn stopped_and_started(self) -> (Self, Ended) {
        let ended = stop(self.process);
        let (process, addr) = Self::process("127.0.0.1:0", self.folder.path(), &["--no-limits"]);
        (Self { process, addr, folder: self.folder }, ended)
    }

    /// A client that has been greeted.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.addr)
    }

    /// A client with a new account of this name.
    #[track_caller]
    pub(crate) fn account(&self, name: &str) -> Client {
        let mut client = self.client();
        client.registers(name);
        client
    }

    /// A guest of this name.
    #[track_caller]
    pub(crate) fn guest(&self, name: &str) -> Client {
        let mut client = self.client();
        client.asks(serde_json::json!({"t": "guest", "name": name}));
        client
    }
}
