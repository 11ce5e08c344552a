//! The file share beside libtorrent, rqbit, aria2 and qBittorrent: seeding, fetching, checking, many torrents, crowds; and its tracker.
//!
//! `cargo bench --bench share -- [--case NAME]... [--server NAME]... [--rounds N] [--seconds S] [--plot FILE]` prints a table a case. All runs in
//! a network of its own and on a disk in memory, for which `unshare` must be allowed. The protocol is written down in `benches/README.md`.

use std::path::PathBuf;

use clap::Parser;

use crate::cases::CASES;
use crate::content::Disk;
use crate::flash::Finishes;
use crate::support::{Result, pin, rounds};

mod cases;
mod clients;
mod content;
mod flash;
mod idle;
mod leecher;
mod plot;
mod process;
mod sandbox;
mod seeder;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "what is there for servers of other kinds")]
mod support;
mod tools;
mod torrent;
mod tracker;
mod transfer;
mod udp;
mod web;
mod wire;
#[path = "../support/wrk.rs"]
mod wrk;

/// What all benches have, and a picture.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: support::args::Args,
    /// Draw when the leechers of the crowds were done, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let disk = Disk::new(sandbox::enter()?);
    pin()?;
    let finishes = Finishes::default();
    rounds::run(CASES, &args.common, |case, name| case.turn(name, &disk, &finishes, args.common.seconds))?;
    args.plot.map_or(Ok(()), |file| plot::draw(&file, &finishes.borrow()))
}
