//! Packaging beside ffmpeg and a plain copy, our origin and live server under load, and the player as a load.
//!
//! `cargo bench --bench hls -- [--case NAME]... [--server NAME]... [--rounds N] [--seconds S]` prints a table a case. The input of the packagers is a gigabyte of
//! MP4, which ffmpeg makes once in `target/tmp/hls` (Debian package `ffmpeg`); it is in the page cache when they begin. Their CPU time is what the kernel accounted
//! to them when they had ended. The protocol is written down in `benches/README.md`.

use clap::Parser;

use crate::cases::CASES;
use crate::film::Film;
use crate::support::args::Args;
use crate::support::{Result, pin, raise_descriptor_limit, rounds};

mod cases;
mod film;
mod first;
mod package;
mod players;
#[path = "../support/poll.rs"]
mod poll;
mod serve;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "what is there for servers of other kinds")]
mod support;
mod viewers;
mod web;
#[path = "../support/wrk.rs"]
mod wrk;

/// Descriptors for the case with many viewers.
const DESCRIPTORS: u64 = 2_000;

fn main() -> Result<()> {
    let args = Args::parse();
    pin()?;
    raise_descriptor_limit(DESCRIPTORS)?;
    let film = Film::default();
    rounds::run(CASES, &args, |case, name| case.turn(name, &film, args.seconds))
}
