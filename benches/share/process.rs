//! A client under test: a process with a log, what the kernel accounted to it, and a certain end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process, waitid};

use crate::support::Result;

/// Ticks a second in which `/proc/PID/stat` counts, on all architectures that matter.
const TICKS: f64 = 100.0;
/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(2);
/// How long a process may take to end when it is asked to.
const END: Duration = Duration::from_secs(3);

/// Seconds that a process had, with its threads that have ended.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    pub(crate) fn since(self, before: Self) -> Self {
        Self { user: self.user - before.user, system: self.system - before.system }
    }

    pub(crate) fn sum(self) -> f64 {
        self.user + self.system
    }
}

/// The most memory that a process had, in MiB.
#[derive(Clone, Copy, Default)]
pub(crate) struct Peak {
    /// Heap and stacks.
    pub(crate) private: f64,
    /// All that is resident: pages of mapped files, too.
    pub(crate) resident: f64,
}

/// A running client, which ends when this is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    pub(crate) peak: Peak,
}

impl Process {
    /// Starts what `command` says; what it prints goes to `log`.
    pub(crate) fn start(mut command: Command, log: PathBuf) -> Result<Self> {
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Self { child, log, peak: Peak::default() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub(crate) fn said(&self) -> String {
        fs::read(&self.log).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    /// Waits for `done`, at most for `patience`; `what` is the name of that. An end with failure is an error.
    pub(crate) fn wait(
        &mut self,
        what: &str,
        patience: Duration,
        mut done: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            if done(self)? {
                return Ok(());
            }
            let ended = self.ended()?.is_some();
            if ended || Instant::now() > deadline {
                let why = if ended { "it ended before" } else { "it took too long until" };
                return Err(format!("{why} {what}: {}", complaint(&self.said())).into());
            }
            self.look();
            sleep(LOOK);
        }
    }

    /// Whether it has ended, and how; it is not reaped, so that its account can be read.
    pub(crate) fn ended(&self) -> Result<Option<WaitIdStatus>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(waitid(WaitId::Pid(Pid::from_child(&self.child)), options)?)
    }

    /// The CPU time that it had so far.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        // Behind the name, which may have spaces.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let seconds =
            |nth: usize| -> Result<f64> { Ok(fields.get(nth).ok_or("no account")?.parse::<f64>()? / TICKS) };
        Ok(Cpu { user: seconds(11)?, system: seconds(12)? })
    }

    /// Looks at its memory. One that has ended has none.
    pub(crate) fn look(&mut self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let mebibytes = |name: &str| -> Option<f64> {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(value.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
        };
        self.peak.private = self.peak.private.max(mebibytes("RssAnon:").unwrap_or_default());
        self.peak.resident = self.peak.resident.max(mebibytes("VmHWM:").unwrap_or_default());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let deadline = Instant::now() + END;
        // It may have ended, and then nothing is to be done.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            sleep(LOOK);
        }
    }
}

/// What a log says of an error, or else its end, for a message.
pub(crate) fn complaint(log: &str) -> String {
    let mut lines = log.lines().map(str::trim).filter(|line| !line.is_empty());
    let found =
        lines.clone().find(|line| line.to_lowercase().contains("error")).or_else(|| lines.next_back());
    found.unwrap_or_default().to_owned()
}

/// Removes a folder and makes it anew.
pub(crate) fn fresh(folder: &Path) -> Result<PathBuf> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(folder)?,
    }
    Ok(folder.to_owned())
}
