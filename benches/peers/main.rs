//! The servers that `benches/http` measures ours against: `peers NAME --listen ADDR [--root DIR]`.
//!
//! `floor` is the least work that can answer; `hyper`, `hyper-flush` and `axum` are what a Rust user would take
//! instead. Each runs on one thread, prints `listening NAME ADDR` when it is ready, and answers `GET /plaintext` with
//! the same header fields as wireworks. With `--root`, `axum` serves files through tower-http as well.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

mod floor;
mod tokio_servers;

/// The body of every answer to `GET /plaintext`.
const HELLO: &str = "Hello, World!";

/// Which server to run.
#[derive(Clone, Copy, ValueEnum)]
enum Peer {
    /// A raw epoll loop that parses nothing.
    Floor,
    /// hyper with its defaults.
    Hyper,
    /// hyper with `pipeline_flush`, which gathers the answers to pipelined requests.
    HyperFlush,
    /// `axum::serve`.
    Axum,
}

/// Runs one server until it is killed.
#[derive(Parser)]
struct Args {
    /// The server; without it nothing runs, so that a plain `cargo bench` passes over this binary.
    peer: Option<Peer>,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A directory to serve beside `/plaintext` (`axum` only).
    #[arg(long)]
    root: Option<PathBuf>,
    /// What cargo adds to the arguments of every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let Some(peer) = args.peer else { return Ok(()) };
    let listener = TcpListener::bind(args.listen)?;
    listener.set_nonblocking(true)?;
    let name = peer.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    println!("listening {name} {}", listener.local_addr()?);
    match peer {
        Peer::Floor => floor::run(&listener),
        Peer::Hyper => tokio_servers::hyper(listener, false),
        Peer::HyperFlush => tokio_servers::hyper(listener, true),
        Peer::Axum => tokio_servers::axum(listener, args.root),
    }
}
