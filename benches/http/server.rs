//! Starting and stopping the servers under test.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Result, SERVER_CPU, nginx, procfs};

/// How long a server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// What all servers share.
pub(crate) struct Bench {
    files: PathBuf,
    /// The binary of `benches/peers`, once it was asked for.
    peers: Option<PathBuf>,
}

/// A running server, stopped when dropped.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    child: Child,
    /// Its configuration and logs.
    _dir: TempDir,
}

impl Bench {
    /// A bench whose servers serve `files`.
    pub(crate) fn new(files: &Path) -> Self {
        Self { files: files.to_owned(), peers: None }
    }

    /// Starts the server `name`, with files or without, pinned to its CPU, and waits until it listens.
    pub(crate) fn start(&mut self, name: &str, files: bool) -> Result<Server> {
        let dir = tempfile::tempdir()?;
        let mut addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut command = Command::new("taskset");
        command.args(["-c", &SERVER_CPU.to_string()]);
        let is_nginx = name.starts_with("nginx");
        if is_nginx {
            addr = free_addr()?;
            let file = dir.path().join("nginx.conf");
            fs::write(&file, nginx::config(name, addr, &self.files, dir.path()))?;
            command.args(["nginx", "-e", "stderr", "-c"]).arg(file);
        } else {
            self.ours_or_peer(&mut command, name, files, addr)?;
        }
        let log = dir.path().join("log");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(&log)?);
        let mut child = command.spawn().map_err(|error| format!("taskset: {error}"))?;
        let stdout = child.stdout.take();
        let mut server = Server { addr, child, _dir: dir };
        let ready = if is_nginx { server.await_connect() } else { server.await_line(stdout) };
        ready.map_err(|error| {
            format!("{error} {}", fs::read_to_string(&log).unwrap_or_default()).trim().to_owned()
        })?;
        Ok(server)
    }

    /// The arguments of a server that chooses its port, and tells it.
    fn ours_or_peer(
        &mut self,
        command: &mut Command,
        name: &str,
        files: bool,
        addr: SocketAddr,
    ) -> Result<()> {
        let listen = ["--listen", &addr.to_string()];
        if let Some(threading) = name.strip_prefix("wireworks") {
            command.args([env!("CARGO_BIN_EXE_wireworks"), "http"]);
            command.args(files.then_some(&self.files)).args(listen);
            match threading.strip_prefix("-2-") {
                Some(threading) => command.args(["--threads", "2", "--threading", threading]),
                None => command.args(["--threads", "1"]),
            };
        } else {
            command.arg(self.peers()?).arg(name).args(listen);
            if files {
                command.arg("--root").arg(&self.files);
            }
        }
        Ok(())
    }

    /// The peers' binary, which cargo builds when it is not fresh. It takes the target directory from this binary's
    /// own place, `TARGET/release/deps/http-HASH`.
    fn peers(&mut self) -> Result<PathBuf> {
        if let Some(peers) = &self.peers {
            return Ok(peers.clone());
        }
        let own = env::current_exe()?;
        let target = own.ancestors().nth(3).ok_or("this binary is in no target directory")?;
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args(["bench", "--bench", "peers", "--no-run", "--message-format=json", "--target-dir"])
            .arg(target);
        // What cargo told this binary about its package would look to build scripts like a change.
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
        let is_told =
            |name: &OsString| told.iter().any(|t| name.as_encoded_bytes().starts_with(t.as_bytes()));
        for name in env::vars_os().map(|(name, _)| name).filter(is_told) {
            cargo.env_remove(name);
        }
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output()?;
        let messages = String::from_utf8(output.stdout)?;
        let path = messages.lines().find_map(executable).ok_or("cargo built no peers")?;
        Ok(self.peers.insert(path).clone())
    }
}

/// The path of the peers' binary, when `message` is the one that tells it.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let ours = message["target"]["name"] == "peers";
    message["executable"].as_str().filter(|_| ours).map(PathBuf::from)
}

/// An address that was free a moment ago, for a server that cannot choose one and tell it.
fn free_addr() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

impl Server {
    /// The process to account for, with its children.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for `listening NAME ADDR`, and takes the address from it. The output is drained ever after.
    fn await_line(&mut self, stdout: Option<ChildStdout>) -> Result<()> {
        let stdout = stdout.ok_or("no standard output")?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::io::Result::ok) {
                // Only the first line finds a receiver.
                let _ = sender.send(line);
            }
        });
        let line = receiver.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => "it did not say that it listens",
            RecvTimeoutError::Disconnected => "it ended before it listened",
        })?;
        let addr = line.strip_prefix("listening ").and_then(|rest| rest.split_ascii_whitespace().nth(1));
        self.addr = addr.ok_or_else(|| format!("unexpected line: {line}"))?.parse()?;
        Ok(())
    }

    /// Waits until a connection succeeds.
    fn await_connect(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.addr).is_err() {
            if Instant::now() > deadline || self.child.try_wait()?.is_some() {
                return Err("it did not start".into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    /// SIGTERM, so that nginx takes its worker along; SIGKILL for all that is left after a while.
    fn drop(&mut self) {
        let family = procfs::family(self.pid()).unwrap_or_default();
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                for pid in family.iter().filter_map(|&pid| Pid::from_raw(pid.cast_signed())) {
                    let _ = kill_process(pid, Signal::KILL);
                }
                let _ = self.child.wait();
                return;
            }
            sleep(Duration::from_millis(5));
        }
    }
}
