//! Our HTTP server beside its peers, by CPU time a request.
//!
//! `cargo bench --bench http -- [--case NAME]... [--server NAME]... [--rounds N] [--seconds S]` prints a table a case.
//! Requests per second swing with whatever else a machine does; the CPU time that a server spends on a request hardly
//! does. So each server is pinned to one CPU, wrk to another; all servers of a case take turns in a shuffled order,
//! several rounds; and the kernel's account of the server's threads and children is divided by the requests answered.
//! The protocol is written down in `benches/README.md`.

use std::fs;
use std::path::Path;

use clap::Parser;

use crate::cases::CASES;
use crate::servers::Bench;
use crate::support::Result;
use crate::support::args::Args;
use crate::support::{pin, raise_descriptor_limit, rounds};

mod cases;
#[path = "../support/client.rs"]
mod client;
mod nginx;
#[path = "../support/peers.rs"]
mod peers;
mod servers;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/wrk.rs"]
mod wrk;

/// Descriptors for the cases with many connections.
const DESCRIPTORS: u64 = 11_000;

fn main() -> Result<()> {
    let args = Args::parse();
    pin()?;
    raise_descriptor_limit(DESCRIPTORS)?;
    let files = tempfile::tempdir()?;
    write_files(files.path())?;
    let mut bench = Bench::new(files.path());
    rounds::run(CASES, &args, |case, name| {
        let server = bench.start(name, case.is_file())?;
        client::probe(server.addr, case.path, case.body)?;
        case.load(&server, args.seconds)
    })
}

/// The files of the file cases. Their type is one that no server compresses.
fn write_files(dir: &Path) -> Result<()> {
    for case in CASES.iter().filter(|case| case.is_file()) {
        let bytes: Vec<u8> = (0..case.body).map(|at| (at % 251) as u8).collect();
        fs::write(dir.join(case.path.trim_start_matches('/')), bytes)?;
    }
    Ok(())
}
