//! Our RPC beside its peers, by CPU time a call at both ends.
//!
//! `cargo bench --bench rpc -- [--case NAME]... [--server NAME]... [--rounds N] [--seconds S]` prints a table a case. For each turn this binary starts
//! itself twice: once as the server, once as the client whose calls are counted. The protocol is written down in `benches/README.md`.

#![allow(clippy::expect_used, reason = "a measurement that something has broken had better stop")]

use std::net::SocketAddr;

use clap::{Parser, Subcommand};

use crate::cases::CASES;
use crate::end::{End, Kind};
use crate::load::Load;
use crate::support::args::Args;
use crate::support::{Result, pin, raise_descriptor_limit, rounds};

mod cases;
mod end;
mod load;
mod ours;
mod raw;
#[allow(dead_code, reason = "what is there for servers of other kinds")]
#[path = "../support/mod.rs"]
mod support;
mod tarpc;
mod tonic;
mod turn;

/// Descriptors for the case with many connections.
const DESCRIPTORS: u64 = 11_000;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    args: Args,
}

/// What the harness starts this binary as.
#[derive(Subcommand)]
enum Part {
    /// A server; prints `listening NAME ADDR`.
    #[command(hide = true)]
    Serve {
        kind: Kind,
        #[command(flatten)]
        end: End,
    },
    /// A client: prints `ready`, makes calls, and prints what they took.
    #[command(hide = true)]
    Load {
        kind: Kind,
        addr: SocketAddr,
        #[command(flatten)]
        load: Load,
        #[command(flatten)]
        end: End,
    },
}

fn main() -> Result<()> {
    let Cli { part, args } = Cli::parse();
    match part {
        None => {
            pin()?;
            raise_descriptor_limit(DESCRIPTORS)?;
            rounds::run(CASES, &args, |case, name| turn::take(case, name, args.seconds))
        }
        Some(Part::Serve { kind, end }) => match kind {
            Kind::Wireworks => ours::serve(&end),
            Kind::Raw => end.clone().block_on(raw::serve(end)),
            Kind::Tarpc => end.clone().block_on(tarpc::serve(end)),
            Kind::Tonic => end.clone().block_on(tonic::serve(end)),
        },
        Some(Part::Load { kind, addr, load, end }) => {
            let own = end.clone();
            match kind {
                Kind::Wireworks => end.block_on(load.run(move || ours::connect(addr, own.clone()))),
                Kind::Raw => end.block_on(load.run(move || raw::connect(addr, own.clone()))),
                Kind::Tarpc => end.block_on(load.run(move || tarpc::connect(addr, own.clone()))),
                Kind::Tonic => end.block_on(load.run(move || tonic::connect(addr, own.clone()))),
            }
        }
    }
}
