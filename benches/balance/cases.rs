//! What is measured: the table of cases, and the ways to load a proxy.

use crate::client;
use crate::servers::{Mode, Setup};
use crate::support::rounds::{self, Sample, Units};
use crate::support::server::Server;
use crate::support::table::Heading;
use crate::support::{Result, procfs, silent};
use crate::wrk::Wrk;

/// Connections of clients that stay silent in the idle case.
const IDLE: usize = 10_000;

/// Bytes of the pages.
const SMALL: usize = 1 << 10;
const LARGE: usize = 64 << 20;

/// One row of the bench: what is asked, through whom, and who is the measure of the others.
pub(crate) struct Case {
    name: &'static str,
    about: &'static str,
    pub(crate) setup: Setup,
    path: &'static str,
    load: Load,
    servers: &'static [&'static str],
    /// Ratios refer to the cheapest server whose name begins so.
    reference: &'static str,
}

/// How a case loads a proxy, and what it counts.
#[derive(Clone, Copy)]
enum Load {
    /// CPU time a request, over so many connections, by a script of `benches/wrk`.
    Requests { connections: usize, script: Option<&'static str> },
    /// The time that a request takes over one connection.
    Latency,
    /// CPU time a gigabyte, of pages of [`LARGE`] bytes over two connections.
    Bulk,
    /// Memory of connections that asked once and then stay silent.
    Idle,
}

const ALL: &[&str] = &["wireworks", "haproxy", "nginx", "pingora"];
const TCP: &[&str] = &["wireworks", "haproxy"];
const HTTP: Setup = Setup { mode: Mode::Http, tls: false };
const HTTPS: Setup = Setup { mode: Mode::Http, tls: true };
const JOINED: Setup = Setup { mode: Mode::Tcp, tls: false };

/// Every case, in the order of the tables.
pub(crate) const CASES: &[Case] = &[
    Case { about: "A page of 1 KiB over HTTP, keep-alive on both sides, 64 connections", ..CASE },
    Case {
        name: "features",
        about: "The same through a route by host and path, with its prefix replaced, four header edits, a rate limit that is not reached, and a JSON line in the access log",
        path: "/pages/small.bin",
        servers: &["wireworks", "wireworks-features", "haproxy", "haproxy-features"],
        reference: "haproxy-features",
        ..CASE
    },
    Case {
        name: "backends",
        about: "The same, among 1, 10 and 1,000 backends",
        servers: &["wireworks", "wireworks-10", "wireworks-1000"],
        reference: "wireworks",
        ..CASE
    },
    Case {
        name: "latency",
        about: "The same over one connection, request after request; `direct` asks the backend",
        load: Load::Latency,
        servers: &["direct", "wireworks", "haproxy", "nginx", "pingora"],
        ..CASE
    },
    Case {
        name: "bulk",
        about: "A page of 64 MiB over HTTP, 2 connections; `-splice` is haproxy with `option splice-response`",
        path: "/large.bin",
        load: Load::Bulk,
        servers: &["wireworks", "haproxy", "haproxy-splice", "nginx", "pingora"],
        ..CASE
    },
    Case {
        name: "tcp",
        about: "A page of 1 KiB through joined connections (`mode tcp`), 64 connections",
        setup: JOINED,
        servers: TCP,
        ..CASE
    },
    Case {
        name: "tcp-short",
        about: "The same with a connection for each request",
        setup: JOINED,
        load: Load::Requests { connections: 64, script: Some("churn.lua") },
        servers: TCP,
        ..CASE
    },
    Case {
        name: "tcp-bulk",
        about: "A page of 64 MiB through joined connections, 2 connections",
        setup: JOINED,
        path: "/large.bin",
        load: Load::Bulk,
        servers: &["wireworks", "haproxy", "haproxy-splice"],
        ..CASE
    },
    Case {
        name: "tls",
        about: "A page of 1 KiB over HTTP and TLS 1.3 (ECDSA P-256), 64 connections",
        setup: HTTPS,
        ..CASE
    },
    Case {
        name: "tls-handshakes",
        about: "The same with a connection, and a whole handshake, for each request",
        setup: HTTPS,
        load: Load::Requests { connections: 16, script: Some("churn.lua") },
        ..CASE
    },
    Case {
        name: "tls-bulk",
        about: "A page of 64 MiB over HTTP and TLS 1.3, 2 connections",
        setup: HTTPS,
        path: "/large.bin",
        load: Load::Bulk,
        ..CASE
    },
    Case {
        name: "idle-memory",
        about: "10,000 connections that asked for a page once, then silent for 10 s",
        load: Load::Idle,
        servers: &["wireworks", "nginx", "pingora"],
        reference: "nginx",
        ..CASE
    },
];

const CASE: Case = Case {
    name: "http",
    about: "",
    setup: HTTP,
    path: "/small.bin",
    load: Load::Requests { connections: 64, script: None },
    servers: ALL,
    reference: "haproxy",
};

const REQUESTS: Units =
    Units { cost: "CPU µs/request", sides: &[("requests/s", 0), ("p50 µs", 0)], digits: 2 };
const LATENCY: Units = Units { cost: "p50 µs", sides: &[("CPU µs/request", 2)], digits: 0 };
const BULK: Units = Units { cost: "CPU s/GB", sides: &[("GB/s", 2)], digits: 3 };
const MEMORY: Units = Units { cost: "bytes/connection", sides: &[("wake-ups in 10 s", 0)], digits: 0 };

impl Case {
    /// Loads `server` as the case says, for so long.
    pub(crate) fn load(&self, server: &Server, seconds: u64) -> Result<Sample> {
        if !self.setup.tls {
            let body = PAGES.iter().find(|(name, _)| self.path.ends_with(name)).map_or(0, |(_, body)| *body);
            client::probe(server.addr, self.path, body)?;
        }
        let plain = Wrk::plain(server.addr, self.path);
        let scheme = if self.setup.tls { "https" } else { "http" };
        match self.load {
            Load::Requests { connections, script } => {
                let wrk = Wrk { scheme, connections, script, ..plain };
                let (cost, report) = cost(server, &wrk, seconds)?;
                Ok(Sample { cost, sides: vec![report.rate, report.p50], errors: report.errors })
            }
            Load::Latency => {
                let (cost, report) = cost(server, &Wrk { scheme, connections: 1, ..plain }, seconds)?;
                Ok(Sample { cost: report.p50, sides: vec![cost], errors: report.errors })
            }
            Load::Bulk => {
                let (cost, report) = cost(server, &Wrk { scheme, connections: 2, ..plain }, seconds)?;
                let gigabytes = LARGE as f64 / 1e9;
                let sides = vec![report.rate * gigabytes];
                Ok(Sample { cost: cost / 1e6 / gigabytes, sides, errors: report.errors })
            }
            Load::Idle => silent::watch(
                server,
                || client::connect_many(server.addr, self.path, IDLE),
                |stream| client::ask(stream, self.path).map(drop),
            ),
        }
    }
}

impl rounds::Case for Case {
    fn heading(&self) -> Heading<'static> {
        let units = match self.load {
            Load::Requests { .. } => &REQUESTS,
            Load::Latency => &LATENCY,
            Load::Bulk => &BULK,
            Load::Idle => &MEMORY,
        };
        Heading { name: self.name, about: self.about, reference: self.reference, units }
    }

    fn servers(&self) -> &'static [&'static str] {
        self.servers
    }
}

/// The µs of CPU time that the proxy spends on a request.
fn cost(server: &Server, wrk: &Wrk<'_>, seconds: u64) -> Result<(f64, crate::wrk::Report)> {
    wrk.run(1)?;
    let (report, spent) = procfs::account(server.pid(), || wrk.run(seconds))?;
    if report.requests == 0 {
        return Err("no request was answered".into());
    }
    Ok((spent.as_secs_f64() * 1e6 / report.requests as f64, report))
}

/// The pages of the backend: their names, and how long they are.
pub(crate) const PAGES: [(&str, usize); 2] = [("small.bin", SMALL), ("large.bin", LARGE)];
