//! What is measured: the table of cases.

use crate::end::Runtime;
use crate::load::What;
use crate::support::rounds::{self, Units};
use crate::support::table::Heading;

/// The measure of the others.
const REFERENCE: &str = "raw";
const ALL: &[&str] = &[REFERENCE, "wireworks", "tarpc", "tonic"];

/// Connections that are silent.
const SILENT: usize = 10_000;

/// One row of the bench.
pub(crate) struct Case {
    name: &'static str,
    about: &'static str,
    pub(crate) what: What,
    /// Bytes of a message.
    pub(crate) size: usize,
    /// Calls under way, or connections.
    pub(crate) depth: usize,
    pub(crate) runtime: Runtime,
    pub(crate) tls: bool,
}

/// Every case, in the order of the tables.
pub(crate) const CASES: &[Case] = &[
    plain("64b-1", "64 bytes, one call at a time", 64, 1),
    plain("64b-64", "64 bytes, 64 calls under way", 64, 64),
    plain("64b-512", "64 bytes, 512 calls under way", 64, 512),
    plain("1k-1", "1 KiB, one call at a time", 1 << 10, 1),
    plain("1k-64", "1 KiB, 64 calls under way", 1 << 10, 64),
    plain("1k-512", "1 KiB, 512 calls under way", 1 << 10, 512),
    plain("1m-1", "1 MiB, one call at a time", 1 << 20, 1),
    plain("1m-64", "1 MiB, 64 calls under way", 1 << 20, 64),
    tls("64b-1-tls", "64 bytes, one call at a time, TLS 1.3", 64, 1),
    tls("64b-64-tls", "64 bytes, 64 calls under way, TLS 1.3", 64, 64),
    tls("64b-512-tls", "64 bytes, 512 calls under way, TLS 1.3", 64, 512),
    tls("1k-1-tls", "1 KiB, one call at a time, TLS 1.3", 1 << 10, 1),
    tls("1k-64-tls", "1 KiB, 64 calls under way, TLS 1.3", 1 << 10, 64),
    tls("1k-512-tls", "1 KiB, 512 calls under way, TLS 1.3", 1 << 10, 512),
    tls("1m-1-tls", "1 MiB, one call at a time, TLS 1.3", 1 << 20, 1),
    tls("1m-64-tls", "1 MiB, 64 calls under way, TLS 1.3", 1 << 20, 64),
    current("64b-1-current", "64 bytes, one call at a time, current-thread runtimes", 1),
    current("64b-64-current", "64 bytes, 64 calls under way, current-thread runtimes", 64),
    current("64b-512-current", "64 bytes, 512 calls under way, current-thread runtimes", 512),
    Case {
        what: What::Mixed,
        ..plain("mixed", "64 bytes, 4 calls under way, beside 4 of 1 MiB on the same connection", 64, 4)
    },
    Case {
        what: What::Idle,
        ..plain("idle-memory", "10,000 connections that made one call each, and are silent", 64, SILENT)
    },
];

const fn plain(name: &'static str, about: &'static str, size: usize, depth: usize) -> Case {
    Case { name, about, what: What::Loops, size, depth, runtime: Runtime::Multi, tls: false }
}

const fn tls(name: &'static str, about: &'static str, size: usize, depth: usize) -> Case {
    Case { tls: true, ..plain(name, about, size, depth) }
}

const fn current(name: &'static str, about: &'static str, depth: usize) -> Case {
    Case { runtime: Runtime::Current, ..plain(name, about, 64, depth) }
}

const LOOPS: Units = Units {
    cost: "server CPU µs/call",
    sides: &[("client CPU µs/call", 2), ("calls/s", 0), ("p50 µs", 0), ("p99 µs", 0)],
    digits: 2,
};
const IDLE: Units = Units { cost: "bytes/connection", sides: &[], digits: 0 };

impl rounds::Case for Case {
    fn heading(&self) -> Heading<'static> {
        let units = if self.what == What::Idle { &IDLE } else { &LOOPS };
        Heading { name: self.name, about: self.about, reference: REFERENCE, units }
    }

    fn servers(&self) -> &'static [&'static str] {
        ALL
    }
}
