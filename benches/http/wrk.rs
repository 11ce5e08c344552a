//! wrk as a child process: one thread, a deadline, and its report read back.

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::Result;

/// Connections that wrk keeps busy.
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
    /// Socket errors, and responses that were not a success.
    pub(crate) errors: u64,
}

/// Loads a server for some seconds. The harness is pinned, and wrk inherits that.
pub(crate) fn run(addr: SocketAddr, path: &str, script: Option<&str>, seconds: u64) -> Result<Report> {
    let mut command = Command::new("wrk");
    command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")]);
    if let Some(script) = script {
        command.args(["-s", &format!("{SCRIPTS}/{script}")]);
    }
    command.arg(format!("http://{addr}{path}")).stdin(Stdio::null()).stdout(Stdio::piped());
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
    let mut report = Report { requests: 0, rate: 0.0, errors: 0 };
    for line in text.lines().map(str::trim) {
        if let Some((requests, _)) = line.split_once(" requests in ") {
            report.requests = requests.parse()?;
        } else if let Some(rate) = line.strip_prefix("Requests/sec:") {
            report.rate = rate.trim().parse()?;
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
