//! Our HTTP server beside its peers, by CPU time a request.
//!
//! `cargo bench --bench http -- [--case NAME]... [--server NAME]... [--rounds N] [--seconds S]` prints a table a case.
//! Requests per second swing with whatever else a machine does; the CPU time that a server spends on a request hardly
//! does. So each server is pinned to one CPU, wrk to another; all servers of a case take turns in a shuffled order,
//! several rounds; and the kernel's account of the server's threads and children is divided by the requests answered.
//! The protocol is written down in `benches/README.md`.

use std::error::Error;
use std::fs;
use std::path::Path;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::cases::{CASES, Case, Load, Sample};
use crate::server::Bench;
use crate::table::Row;

mod cases;
mod client;
mod nginx;
mod procfs;
mod server;
mod table;
mod wrk;

/// A message is all that a failed bench needs.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The CPU of the server under test.
const SERVER_CPU: usize = 0;
/// The CPU of everything else: wrk and this harness.
const CLIENT_CPU: usize = 1;

/// Measures HTTP servers, and prints Markdown tables.
#[derive(Parser)]
struct Args {
    /// Measure this case only (repeatable).
    #[arg(long = "case", value_parser = cases::names())]
    cases: Vec<String>,
    /// Measure this server only (repeatable).
    #[arg(long = "server")]
    servers: Vec<String>,
    /// How often each server takes its turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds a turn, after one second of warming up.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// What cargo adds to the arguments of every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let chosen = |list: &[String], name: &str| list.is_empty() || list.iter().any(|n| n == name);
    if let Some(unknown) = args.servers.iter().find(|name| !CASES.iter().any(|case| case.has(name))) {
        return Err(format!("no case measures a server named {unknown}").into());
    }
    pin()?;
    raise_descriptor_limit()?;
    let files = tempfile::tempdir()?;
    write_files(files.path())?;
    let mut bench = Bench::new(files.path());
    for case in CASES.iter().filter(|case| chosen(&args.cases, case.name)) {
        let names = case.servers.iter().copied().filter(|name| chosen(&args.servers, name)).collect();
        let rows = measure(&mut bench, case, names, &args);
        println!("{}", table::markdown(case, &rows));
    }
    Ok(())
}

/// All rounds of one case. A server that fails is reported and left out of the rounds that follow.
fn measure(bench: &mut Bench, case: &Case, names: Vec<&'static str>, args: &Args) -> Vec<Row> {
    let mut rows: Vec<Row> = names.into_iter().map(Row::new).collect();
    for round in 1..=args.rounds {
        let mut order: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].failure.is_none()).collect();
        fastrand::shuffle(&mut order);
        for at in order {
            let row = &mut rows[at];
            match turn(bench, case, row.name, args.seconds) {
                Ok(sample) => {
                    eprintln!("{} {round}/{} {:20} {sample}", case.name, args.rounds, row.name);
                    row.samples.push(sample);
                }
                Err(error) => {
                    eprintln!("{} {round}/{} {:20} failed: {error}", case.name, args.rounds, row.name);
                    row.failure = Some(error.to_string());
                }
            }
        }
    }
    rows
}

/// Starts one server, proves that it answers, and measures it.
fn turn(bench: &mut Bench, case: &Case, name: &str, seconds: u64) -> Result<Sample> {
    let server = bench.start(name, case.is_file())?;
    client::probe(server.addr, case.path, case.body)?;
    match case.load {
        Load::Busy { script, idle } => cases::busy(&server, case.path, script, idle, seconds),
        Load::Idle { connections } => cases::idle(&server, case.path, connections),
    }
}

/// Pins this process, and with it wrk, to its CPU.
fn pin() -> Result<()> {
    let cpus = std::thread::available_parallelism()?.get();
    let mut set = CpuSet::new();
    set.set(CLIENT_CPU);
    sched_setaffinity(None, &set).map_err(|error| {
        format!("the bench needs CPUs {SERVER_CPU} and {CLIENT_CPU}, of {cpus} here: {error}")
    })?;
    Ok(())
}

/// Takes as many descriptors as this process may, for itself and the servers it starts.
fn raise_descriptor_limit() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let needed = 11_000;
    match maximum {
        Some(limit) if limit < needed => {
            Err(format!("{limit} descriptors allowed, {needed} needed: see ulimit -Hn").into())
        }
        _ => Ok(()),
    }
}

/// The files of the file cases. Their type is one that no server compresses.
fn write_files(dir: &Path) -> Result<()> {
    for case in CASES.iter().filter(|case| case.is_file()) {
        let bytes: Vec<u8> = (0..case.body).map(|at| (at % 251) as u8).collect();
        fs::write(dir.join(case.path.trim_start_matches('/')), bytes)?;
    }
    Ok(())
}
