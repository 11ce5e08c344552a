//! Our balancer beside haproxy, nginx and pingora, by CPU time a request, a connection or a gigabyte.
//!
//! `cargo bench --bench balance -- [--case NAME]... [--server NAME]... [--rounds N] [--seconds S]` prints a table a case.
//! Each proxy has one thread, pinned to one CPU; the backend (nginx) and the load share the other. All proxies of a case take
//! turns in a shuffled order, several rounds; the kernel's account of a proxy's threads is divided by what it has done.
//! The protocol is written down in `benches/README.md`.

use clap::Parser;

use crate::cases::CASES;
use crate::servers::Bench;
use crate::support::args::Args;
use crate::support::{Result, pin, raise_descriptor_limit, rounds};

mod cases;
#[path = "../support/client.rs"]
mod client;
mod configs;
mod servers;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/wrk.rs"]
mod wrk;

/// Descriptors for the case with many connections.
const DESCRIPTORS: u64 = 11_000;

fn main() -> Result<()> {
    let args = Args::parse();
    pin()?;
    raise_descriptor_limit(DESCRIPTORS)?;
    let mut bench = Bench::new()?;
    rounds::run(CASES, &args, |case, name| {
        let server = bench.start(name, &case.setup)?;
        case.load(&server, args.seconds)
    })
}
