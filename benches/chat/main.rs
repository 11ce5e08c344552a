//! Our chat beside its peers: fan-out by CPU time a delivery, memory of silent members, durable sends, and pages of a long history.
//!
//! `cargo bench --bench chat -- [--case NAME]... [--server NAME]... [--rounds N] [--seconds S]` prints a table a case. The
//! load is an epoll loop in this process, on its own CPU, the same for every server. The protocol is written down in `benches/README.md`.

use clap::Parser;

use crate::cases::CASES;
use crate::servers::Bench;
use crate::support::args::Args;
use crate::support::{Result, pin, raise_descriptor_limit, rounds};

mod cases;
mod crowd;
mod door;
mod fanout;
mod history;
#[path = "../support/poll.rs"]
mod poll;
mod sends;
mod servers;
#[allow(dead_code, reason = "what is there for servers of other kinds")]
#[path = "../support/mod.rs"]
mod support;
mod units;

/// Descriptors for the cases with many connections.
const DESCRIPTORS: u64 = 11_000;

fn main() -> Result<()> {
    let args = Args::parse();
    pin()?;
    let descriptors = raise_descriptor_limit(DESCRIPTORS)?;
    let mut bench = Bench::default();
    rounds::run(CASES, &args, |case, name| case.turn(&mut bench, name, args.seconds, descriptors))
}
