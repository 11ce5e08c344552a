//! The proxies, by name, and the backend behind all of them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::cases::PAGES;
use crate::configs;
use crate::support::Result;
use crate::support::server::{Server, on_its_cpu, target_dir};

/// What a proxy is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) mode: Mode,
    /// Whether clients speak TLS.
    pub(crate) tls: bool,
}

/// What a proxy passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Requests.
    Http,
    /// Connections.
    Tcp,
}

/// What all proxies share.
pub(crate) struct Bench {
    backend: Server,
    /// A certificate and its key, in one file and in two.
    files: TempDir,
    pingora: Option<PathBuf>,
}

/// The crate of the program around pingora.
const PINGORA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pingora/Cargo.toml");

impl Bench {
    /// Starts the backend, which shares its CPU with the load.
    pub(crate) fn new() -> Result<Self> {
        let files = tempfile::tempdir()?;
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (cert, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        fs::write(files.path().join("cert.pem"), &cert)?;
        fs::write(files.path().join("key.pem"), &key)?;
        fs::write(files.path().join("both.pem"), cert + &key)?;
        let dir = tempfile::tempdir()?;
        // Each page is at `/` and below `/pages`, so that a proxy may strip that prefix or leave it.
        let pages = dir.path().join("pages");
        fs::create_dir(&pages)?;
        for (name, size) in PAGES {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            fs::write(dir.path().join(name), bytes)?;
            fs::hard_link(dir.path().join(name), pages.join(name))?;
        }
        let addr = free_addr()?;
        let file = dir.path().join("nginx.conf");
        fs::write(&file, configs::backend(addr.port(), dir.path()))?;
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c"]).arg(file);
        let backend = Server::start(command, dir, Some(addr))?;
        Ok(Self { backend, files, pingora: None })
    }

    /// Starts the proxy `name`, and waits until it listens.
    pub(crate) fn start(&mut self, name: &str, setup: &Setup) -> Result<Server> {
        let dir = tempfile::tempdir()?;
        let config = dir.path().join("config");
        let (program, variant) = name.split_once('-').unwrap_or((name, ""));
        let addr = free_addr()?;
        let text = configs::Proxy {
            variant,
            setup,
            addr,
            backend: self.backend.addr,
            files: self.files.path(),
            dir: dir.path(),
        };
        let mut command = on_its_cpu();
        match program {
            "wireworks" => {
                fs::write(&config, text.wireworks())?;
                command.args([env!("CARGO_BIN_EXE_wireworks"), "balance", "--config"]).arg(&config);
            }
            "haproxy" => {
                fs::write(&config, text.haproxy())?;
                command.args(["haproxy", "-db", "-f"]).arg(&config);
            }
            "nginx" => {
                fs::write(&config, text.nginx())?;
                command.args(["nginx", "-e", "stderr", "-c"]).arg(&config);
            }
            "pingora" => {
                command.arg(self.pingora()?).args([addr.to_string(), self.backend.addr.to_string()]);
                if setup.tls {
                    command.args(["cert.pem", "key.pem"].map(|file| self.files.path().join(file)));
                }
            }
            "direct" => {
                // A process that does nothing, whose CPU time is accounted; the backend answers.
                command.args(["sleep", "1000"]);
                return Server::start(command, dir, Some(self.backend.addr));
            }
            _ => return Err(format!("no proxy is named {name}").into()),
        }
        Server::start(command, dir, Some(addr))
    }

    /// The program around pingora, which cargo builds when it is not fresh.
    fn pingora(&mut self) -> Result<PathBuf> {
        if let Some(path) = &self.pingora {
            return Ok(path.clone());
        }
        let target = target_dir()?.join("pingora");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--release", "--manifest-path", PINGORA, "--target-dir"]).arg(&target);
        if !cargo.status()?.success() {
            return Err("the program around pingora cannot be built".into());
        }
        Ok(self.pingora.insert(target.join("release/pingora-peer")).clone())
    }
}

/// An address that was free a moment ago, for a server that cannot choose one and tell it.
fn free_addr() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
