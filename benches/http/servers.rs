//! The servers of the HTTP cases, by name.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use crate::nginx;
use crate::peers::{Peers, any_port};
use crate::support::Result;
use crate::support::server::{Server, on_its_cpu};

/// What all servers share.
pub(crate) struct Bench {
    files: PathBuf,
    peers: Peers,
}

impl Bench {
    /// A bench whose servers serve `files`.
    pub(crate) fn new(files: &Path) -> Self {
        Self { files: files.to_owned(), peers: Peers::default() }
    }

    /// Starts the server `name`, with files or without, and waits until it listens.
    pub(crate) fn start(&mut self, name: &str, files: bool) -> Result<Server> {
        let dir = tempfile::tempdir()?;
        let mut command = on_its_cpu();
        if name.starts_with("nginx") {
            let addr = free_addr()?;
            let file = dir.path().join("nginx.conf");
            fs::write(&file, nginx::config(name, addr, &self.files, dir.path()))?;
            command.args(["nginx", "-e", "stderr", "-c"]).arg(file);
            return Server::start(command, dir, Some(addr));
        }
        if let Some(threading) = name.strip_prefix("wireworks") {
            command.args([env!("CARGO_BIN_EXE_wireworks"), "http"]).args(files.then_some(&self.files));
            match threading.strip_prefix("-2-") {
                Some(threading) => command.args(["--threads", "2", "--threading", threading]),
                None => command.args(["--threads", "1"]),
            };
        } else {
            command.arg(self.peers.path()?).arg(name);
            if files {
                command.arg("--root").arg(&self.files);
            }
        }
        command.args(["--listen", &any_port()]);
        Server::start(command, dir, None)
    }
}

/// An address that was free a moment ago, for a server that cannot choose one and tell it.
fn free_addr() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
