//! Our WebSocket server beside its peers, by CPU time a message.
//!
//! `cargo bench --bench ws -- [--case NAME]... [--server NAME]... [--rounds N] [--seconds S]` prints a table a case. The
//! load is an epoll loop in this process, on its own CPU; it sends frames that were made before, and compares every byte
//! that comes back. The protocol is written down in `benches/README.md`.

use clap::Parser;

use crate::cases::CASES;
use crate::servers::Bench;
use crate::support::args::Args;
use crate::support::{Result, pin, raise_descriptor_limit, rounds};

mod broadcast;
mod cases;
mod connect;
mod echo;
mod frames;
#[path = "../support/peers.rs"]
mod peers;
#[path = "../support/poll.rs"]
mod poll;
mod servers;
#[path = "../support/mod.rs"]
mod support;

/// Descriptors for the cases with many connections.
const DESCRIPTORS: u64 = 11_000;

fn main() -> Result<()> {
    let args = Args::parse();
    pin()?;
    let descriptors = raise_descriptor_limit(DESCRIPTORS)?;
    let mut bench = Bench::default();
    rounds::run(CASES, &args, |case, name| {
        let server = bench.start(name)?;
        case.load(name, &server, args.seconds, descriptors)
    })
}
