//! The servers that `benches/http` and `benches/ws` measure ours against: `peers NAME --listen ADDR [--root DIR]`.
//!
//! Each runs on one thread and prints `listening NAME ADDR` when it is ready. Those for HTTP answer `GET /plaintext` with
//! the same header fields as wireworks: `floor` is the least work that can answer; `hyper`, `hyper-flush` and `axum` are
//! what a Rust user would take instead. With `--root`, `axum` serves files through tower-http as well. Those for
//! WebSocket have an echo at `/echo`: `raw` sends back bytes and `frames` messages, both by hand; the others are libraries.
//! `frames` and the two of tungstenite have a room for all at `/broadcast`.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

mod epoll;
mod floor;
mod tokio_servers;
mod ws_frames;
mod ws_raw;
mod ws_tokio;

/// The body of every answer to `GET /plaintext`.
const HELLO: &str = "Hello, World!";

/// Which server to run.
#[derive(Clone, Copy, ValueEnum)]
enum Peer {
    /// HTTP by a raw epoll loop that parses nothing.
    Floor,
    /// hyper with its defaults.
    Hyper,
    /// hyper with `pipeline_flush`, which gathers the answers to pipelined requests.
    HyperFlush,
    /// `axum::serve`.
    Axum,
    /// What comes goes back, by a raw epoll loop.
    Raw,
    /// WebSocket by a raw epoll loop.
    Frames,
    /// fastwebsockets, as its example has it.
    Fastwebsockets,
    /// tokio-tungstenite, flushed when nothing is left to read.
    Tungstenite,
    /// The same with a read buffer for small messages.
    #[value(name = "tungstenite-4k")]
    Tungstenite4k,
    /// tokio-websockets, likewise.
    TokioWebsockets,
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
        Peer::Floor => epoll::run(&listener, floor::Floor::new()),
        Peer::Hyper => tokio_servers::hyper(listener, false),
        Peer::HyperFlush => tokio_servers::hyper(listener, true),
        Peer::Axum => tokio_servers::axum(listener, args.root),
        Peer::Raw => epoll::run(&listener, ws_raw::Raw::new()),
        Peer::Frames => epoll::run(&listener, ws_frames::Frames::new()),
        Peer::Fastwebsockets => ws_tokio::fastwebsockets(listener),
        Peer::Tungstenite => ws_tokio::tungstenite(listener, None),
        Peer::Tungstenite4k => ws_tokio::tungstenite(listener, Some(4 * 1024)),
        Peer::TokioWebsockets => ws_tokio::tokio_websockets(listener),
    }
}
