//! What is measured: the table of cases, and the two ways to load a server.

use crate::client;
use crate::support::rounds::{self, Sample, Units};
use crate::support::server::Server;
use crate::support::table::Heading;
use crate::support::{Result, procfs, reset, silent};
use crate::wrk::Wrk;

/// Connections that stay silent in the idle cases.
const IDLE: usize = 10_000;

const HELLO: usize = "Hello, World!".len();
const TEXT: &[&str] = &["floor", "wireworks", "hyper", "axum", "nginx"];
const FILES: &[&str] =
    &["wireworks", "axum", "nginx-sendfile-cache", "nginx-read-cache", "nginx-sendfile", "nginx-read"];

/// One thread a core against one runtime for all.
const THREADING: &[&str] = &["wireworks-2-per-core", "wireworks-2-shared"];

/// One row of the bench: what is asked, of whom, and who is the measure of the others.
pub(crate) struct Case {
    name: &'static str,
    about: &'static str,
    pub(crate) path: &'static str,
    /// Bytes of the answer's body.
    pub(crate) body: usize,
    load: Load,
    servers: &'static [&'static str],
    /// Ratios refer to the cheapest server whose name begins so.
    reference: &'static str,
}

/// How a case loads a server.
#[derive(Clone, Copy)]
enum Load {
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

/// Of the cases under load.
const BUSY_UNITS: Units = Units { cost: "CPU µs/request", sides: &[("requests/s", 0)], digits: 2 };
/// Of the silent ones.
const IDLE_UNITS: Units = Units { cost: "bytes/connection", sides: &[("wake-ups in 10 s", 0)], digits: 0 };

impl Case {
    /// Whether the path names a file that the servers need.
    pub(crate) fn is_file(&self) -> bool {
        self.path.ends_with(".bin")
    }

    /// Loads `server` as the case says, for so long.
    pub(crate) fn load(&self, server: &Server, seconds: u64) -> Result<Sample> {
        match self.load {
            Load::Busy { script, idle } => busy(server, self.path, script, idle, seconds),
            Load::Idle { connections } => silent::watch(
                server,
                || client::connect_many(server.addr, self.path, connections),
                |stream| client::ask(stream, self.path).map(drop),
            ),
        }
    }
}

impl rounds::Case for Case {
    fn heading(&self) -> Heading<'static> {
        let units = match self.load {
            Load::Busy { .. } => &BUSY_UNITS,
            Load::Idle { .. } => &IDLE_UNITS,
        };
        Heading { name: self.name, about: self.about, reference: self.reference, units }
    }

    fn servers(&self) -> &'static [&'static str] {
        self.servers
    }
}

/// Loads `server` by wrk and divides its CPU time by the requests it answered.
fn busy(
    server: &Server,
    path: &str,
    script: Option<&'static str>,
    idle: usize,
    seconds: u64,
) -> Result<Sample> {
    let mut idle = client::connect_many(server.addr, path, idle)?;
    let load = Wrk { script, ..Wrk::plain(server.addr, path) };
    load.run(1)?;
    let (report, spent) = procfs::account(server.pid(), || load.run(seconds))?;
    let lost = silent::count_lost(&mut idle, |stream| client::ask(stream, path).map(drop));
    reset(idle);
    if report.requests == 0 {
        return Err("no request was answered".into());
    }
    let requests = report.requests as f64;
    Ok(Sample {
        cost: spent.as_secs_f64() * 1e6 / requests,
        sides: vec![report.rate],
        errors: report.errors + lost,
    })
}
