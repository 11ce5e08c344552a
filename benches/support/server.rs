//! Starting and stopping the servers under test.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Result, SERVER_CPU, procfs};

/// How long a server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running server, stopped when dropped.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    child: Child,
    /// Its configuration and logs.
    _dir: TempDir,
}

/// A command that runs on the CPU of servers: what to run is its next argument.
pub(crate) fn on_its_cpu() -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &SERVER_CPU.to_string()]);
    command
}

/// Where cargo builds to: this binary is `TARGET/release/deps/NAME-HASH` in it.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let own = env::current_exe()?;
    Ok(own.ancestors().nth(3).ok_or("this binary is in no target directory")?.to_owned())
}

impl Server {
    /// Starts what `command` says, which may keep files in `dir`, and waits until it listens: `at` an address, or, when
    /// that is not known, until it prints `listening NAME ADDR`.
    pub(crate) fn start(mut command: Command, dir: TempDir, at: Option<SocketAddr>) -> Result<Self> {
        let log = dir.path().join("log");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(&log)?);
        let mut child = command.spawn().map_err(|error| format!("taskset: {error}"))?;
        let stdout = child.stdout.take();
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { addr, child, _dir: dir };
        let listens = match at {
            None => server.await_line(stdout),
            Some(addr) => server.await_connect(addr),
        };
        listens.map_err(|error| {
            format!("{error} {}", fs::read_to_string(&log).unwrap_or_default()).trim().to_owned()
        })?;
        Ok(server)
    }

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
    fn await_connect(&mut self, addr: SocketAddr) -> Result<()> {
        self.addr = addr;
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(addr).is_err() {
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
