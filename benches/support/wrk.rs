//! wrk as a child process: one thread, a deadline, and its report read back.

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::Result;

/// Connections that wrk keeps busy, unless told otherwise.
const CONNECTIONS: usize = 64;
/// How much longer than asked wrk may take.
const GRACE: Duration = Duration::from_secs(10);
/// Where the Lua scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/wrk");

/// What wrk counted.
#[derive(Debug)]
pub(crate) struct Report {
    /// Responses received.
    pub(crate) requests: u64,
    /// Responses a second.
    pub(crate) rate: f64,
    /// The time that half of the requests took at most, in µs.
    pub(crate) p50: f64,
    /// Socket errors, and responses that were not a success.
    pub(crate) errors: u64,
}

/// A load.
#[derive(Clone, Debug)]
pub(crate) struct Wrk<'a> {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    pub(crate) addr: SocketAddr,
    pub(crate) path: &'a str,
    /// A script of `benches/wrk`.
    pub(crate) script: Option<&'static str>,
    pub(crate) connections: usize,
}

impl<'a> Wrk<'a> {
    /// Plain requests over 64 connections.
    pub(crate) const fn plain(addr: SocketAddr, path: &'a str) -> Self {
        Self { scheme: "http", addr, path, script: None, connections: CONNECTIONS }
    }

    /// Loads a server for some seconds. The harness is pinned, and wrk inherits that.
    pub(crate) fn run(&self, seconds: u64) -> Result<Report> {
        let Self { scheme, addr, path, script, connections } = self;
        let mut command = Command::new("wrk");
        command.args(["-t1", "--latency", &format!("-c{connections}"), &format!("-d{seconds}s")]);
        if let Some(script) = script {
            command.args(["-s", &format!("{SCRIPTS}/{script}")]);
        }
        command.arg(format!("{scheme}://{addr}{path}")).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("wrk (Debian package wrk): {error}"))?;
        let status = wait(&mut child, Duration::from_secs(seconds) + GRACE)?;
        let mut text = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_string(&mut text)?; // less than a pipe holds, so wrk never waited for this
        }
        if !status.success() {
            return Err(format!("wrk failed: {}", text.trim()).into());
        }
        parse(&text)
    }
}

/// Waits for a child; kills it at the deadline.
fn wait(child: &mut Child, patience: Duration) -> Result<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err("wrk did not end".into());
        }
        sleep(Duration::from_millis(20));
    }
}

/// Reads lines such as `9 requests in 1.00s, 1KB read`, `Requests/sec: 9.0`, `Non-2xx or 3xx responses: 9` and
/// `Socket errors: connect 0, read 9, write 0, timeout 0`; the last two are there only when something failed.
fn parse(text: &str) -> Result<Report> {
    let mut report = Report { requests: 0, rate: 0.0, p50: 0.0, errors: 0 };
    for line in text.lines().map(str::trim) {
        if let Some((requests, _)) = line.split_once(" requests in ") {
            report.requests = requests.parse()?;
        } else if let Some(rate) = line.strip_prefix("Requests/sec:") {
            report.rate = rate.trim().parse()?;
        } else if let Some(time) = line.strip_prefix("50%") {
            report.p50 = micros(time.trim()).ok_or_else(|| format!("{time:?} is no time"))?;
        } else if let Some(errors) =
            line.strip_prefix("Socket errors:").or_else(|| line.strip_prefix("Non-2xx or 3xx responses:"))
        {
            eprintln!("wrk: {line}");
            let numbers = errors.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
            report.errors += numbers.sum::<u64>();
        }
    }
    Ok(report)
}

/// A time as wrk writes it: `812.00us`, `1.35ms` or `1.02s`.
fn micros(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    let (number, unit) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    Some(number.parse::<f64>().ok()? * unit)
}
