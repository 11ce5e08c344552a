//! What is measured: the table of cases, and the two ways to load a server.

use std::fmt;
use std::thread::sleep;
use std::time::Duration;

use crate::server::Server;
use crate::{Result, client, procfs, wrk};

/// Connections that stay silent in the idle cases.
const IDLE: usize = 10_000;
/// How long an idle server is watched.
const WATCH: Duration = Duration::from_secs(10);
/// How long a server may take to settle after the last of many connections came.
const SETTLE: Duration = Duration::from_secs(2);

const HELLO: usize = "Hello, World!".len();
const TEXT: &[&str] = &["floor", "wireworks", "hyper", "axum", "nginx"];
const FILES: &[&str] =
    &["wireworks", "axum", "nginx-sendfile-cache", "nginx-read-cache", "nginx-sendfile", "nginx-read"];

/// One thread a core against one runtime for all.
const THREADING: &[&str] = &["wireworks-2-per-core", "wireworks-2-shared"];

/// One row of the bench: what is asked, of whom, and who is the measure of the others.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) path: &'static str,
    /// Bytes of the answer's body.
    pub(crate) body: usize,
    pub(crate) load: Load,
    pub(crate) servers: &'static [&'static str],
    /// Ratios refer to the cheapest server whose name begins so.
    pub(crate) reference: &'static str,
}

/// How a case loads a server.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// wrk on 64 connections, by a script of `benches/wrk`, beside some silent connections.
    Busy { script: Option<&'static str>, idle: usize },
    /// Connections that asked once and then stay silent.
    Idle { connections: usize },
}

/// Every case, in the order of the tables.
pub(crate) const CASES: &[Case] = &[
    Case { about: "`GET /plaintext`, keep-alive, 64 connections", ..TEXT_CASE },
    Case {
        name: "browser-headers",
        about: "`GET /plaintext` with the header fields of a browser (about 700 bytes), 64 connections",
        load: Load::Busy { script: Some("browser.lua"), idle: 0 },
        ..TEXT_CASE
    },
    Case {
        name: "pipelined-16",
        about: "`GET /plaintext`, 16 requests in each write, 64 connections",
        load: Load::Busy { script: Some("pipelined.lua"), idle: 0 },
        servers: &["floor", "wireworks", "hyper", "hyper-flush", "axum", "nginx"],
        ..TEXT_CASE
    },
    Case {
        name: "churn",
        about: "`GET /plaintext` with `Connection: close`: a connection for each request, 64 at a time",
        load: Load::Busy { script: Some("churn.lua"), idle: 0 },
        servers: &["wireworks", "hyper", "axum", "nginx"],
        reference: "nginx",
        ..TEXT_CASE
    },
    Case {
        name: "threading",
        about: "As plaintext, with two threads: each with its own connections, or both with all of them",
        servers: THREADING,
        reference: "wireworks-2-per-core",
        ..TEXT_CASE
    },
    Case {
        name: "threading-churn",
        about: "As churn, with two threads: each with its own connections, or both with all of them",
        load: Load::Busy { script: Some("churn.lua"), idle: 0 },
        servers: THREADING,
        reference: "wireworks-2-per-core",
        ..TEXT_CASE
    },
    Case {
        name: "file-1k",
        about: "A file of 1 KiB, 64 connections",
        path: "/1k.bin",
        body: 1 << 10,
        ..FILE_CASE
    },
    Case {
        name: "file-64k",
        about: "A file of 64 KiB, 64 connections",
        path: "/64k.bin",
        body: 1 << 16,
        ..FILE_CASE
    },
    Case {
        name: "file-1m",
        about: "A file of 1 MiB, 64 connections",
        path: "/1m.bin",
        body: 1 << 20,
        ..FILE_CASE
    },
    Case {
        name: "idle-memory",
        about: "10,000 connections that asked for `/plaintext` once, then silent for 10 s",
        load: Load::Idle { connections: IDLE },
        reference: "hyper",
        ..TEXT_CASE
    },
    Case {
        name: "idle-plus-busy",
        about: "As plaintext, beside 10,000 silent connections, each of which must still answer afterwards",
        load: Load::Busy { script: None, idle: IDLE },
        ..TEXT_CASE
    },
];

const TEXT_CASE: Case = Case {
    name: "plaintext",
    about: "",
    path: "/plaintext",
    body: HELLO,
    load: Load::Busy { script: None, idle: 0 },
    servers: TEXT,
    reference: "floor",
};

const FILE_CASE: Case = Case { servers: FILES, reference: "nginx", ..TEXT_CASE };

/// The names of all cases, for the command line.
pub(crate) fn names() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

impl Case {
    /// Whether the case measures `server`.
    pub(crate) fn has(&self, server: &str) -> bool {
        self.servers.contains(&server)
    }

    /// Whether the path names a file that the servers need.
    pub(crate) fn is_file(&self) -> bool {
        self.path.ends_with(".bin")
    }
}

/// What one turn of one server gave.
#[derive(Clone, Copy)]
pub(crate) enum Sample {
    /// Under load.
    Busy {
        /// CPU microseconds of the server for a request.
        cost: f64,
        /// Requests a second: for orientation only.
        rate: f64,
        /// Failed requests, and silent connections that were lost.
        errors: u64,
    },
    /// Under silence.
    Idle {
        /// Private memory for a connection, in bytes.
        bytes: f64,
        /// How often a thread of the server went to sleep while watched.
        wakeups: u64,
        /// Connections that no longer answered afterwards.
        errors: u64,
    },
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { cost, rate, errors } => {
                write!(f, "{cost:8.2} us/request {rate:8.0} requests/s {errors} errors")
            }
            Self::Idle { bytes, wakeups, errors } => {
                write!(f, "{bytes:8.0} bytes/connection {wakeups} wake-ups {errors} errors")
            }
        }
    }
}

/// Loads `server` by wrk and divides its CPU time by the requests it answered.
pub(crate) fn busy(
    server: &Server,
    path: &str,
    script: Option<&str>,
    idle: usize,
    seconds: u64,
) -> Result<Sample> {
    let mut silent = client::connect_many(server.addr, path, idle)?;
    wrk::run(server.addr, path, script, 1)?;
    let before = procfs::cpu_time(server.pid())?;
    let report = wrk::run(server.addr, path, script, seconds)?;
    let after = procfs::cpu_time(server.pid())?;
    warn_of_neighbours(after.waited.saturating_sub(before.waited), seconds);
    let spent = after.spent.saturating_sub(before.spent);
    let lost = client::count_lost(&mut silent, path);
    client::reset(silent);
    if report.requests == 0 {
        return Err("no request was answered".into());
    }
    let requests = report.requests as f64;
    Ok(Sample::Busy {
        cost: spent.as_secs_f64() * 1e6 / requests,
        rate: report.rate,
        errors: report.errors + lost,
    })
}

/// A server that waits for its CPU shares it, and with it the caches: its figure is then too high.
fn warn_of_neighbours(waited: Duration, seconds: u64) {
    let percent = waited.as_secs_f64() * 100.0 / seconds as f64;
    if percent > 5.0 {
        eprintln!("warning: the server waited {percent:.0} % of the time for its CPU: this machine is busy");
    }
}

/// Opens many connections, lets each ask once, and watches the server's memory and sleep while all are silent.
pub(crate) fn idle(server: &Server, path: &str, connections: usize) -> Result<Sample> {
    let before = procfs::private_memory(server.pid())?;
    let mut silent = client::connect_many(server.addr, path, connections)?;
    sleep(SETTLE);
    let slept = procfs::voluntary_switches(server.pid())?;
    sleep(WATCH);
    let wakeups = procfs::voluntary_switches(server.pid())?.saturating_sub(slept);
    let grown = procfs::private_memory(server.pid())?.saturating_sub(before);
    let errors = client::count_lost(&mut silent, path);
    client::reset(silent);
    Ok(Sample::Idle { bytes: grown as f64 / connections as f64, wakeups, errors })
}
