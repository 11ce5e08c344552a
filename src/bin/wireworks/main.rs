//! The command `wireworks`: picks the door, and turns what comes out of it into an exit status.
//!
//! 0: it did what it was asked. 1: it could not, for the reason in the one line `error: ...` on stderr. 64 (`EX_USAGE` of
//! `sysexits.h`): the command line makes no sense. `ws connect` has some more.

mod balance;
mod chat;
mod hls;
mod http;
mod rpc;
mod share;
mod status;
mod suite;
mod ws;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use wireworks::server::site::command::{Args, Site};

use crate::status::{FAILURE, USAGE, failure, served, usage};

/// Seven network servers on one core: HTTP/1.1, WebSocket, RPC, a load balancer, a chat, HLS and a file share
#[derive(Parser)]
#[command(
    version,
    after_help = "Without a command the whole suite runs on this machine's loopback addresses."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Door>,
}

#[derive(Subcommand)]
enum Door {
    /// Serve files, or the demo application, over HTTP/1.1
    Http(Box<Args>),
    /// Serve WebSockets, connect to them, measure them
    #[command(subcommand)]
    Ws(ws::Ws),
    /// Serve, list, describe, call and measure services
    #[command(subcommand)]
    Rpc(rpc::Rpc),
    /// Serve a chat, talk in one, measure one
    #[command(subcommand)]
    Chat(chat::Chat),
    /// Package media for HTTP Live Streaming, serve them, stream live, and check what others have packaged
    #[command(subcommand)]
    Hls(wireworks::server::hls::command::Hls),
    /// Share files with peers, by BitTorrent
    #[command(subcommand)]
    Share(wireworks::server::share::command::Share),
    /// Balance connections, or requests of HTTP, over backends
    Balance(Box<wireworks::server::balance::command::Args>),
}

fn main() -> ExitCode {
    let command = Cli::command()
        .mut_subcommand("http", |http| Args::with_defaults(Site::Http, http))
        .mut_subcommand("ws", ws::describe)
        .mut_subcommand("rpc", rpc::describe)
        .mut_subcommand("chat", chat::describe)
        .mut_subcommand("hls", hls::describe)
        .mut_subcommand("share", share::describe)
        .mut_subcommand("balance", wireworks::server::balance::command::Args::described);
    let parsed = command.try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(Cli { command: None }) => served(suite::run()),
        Ok(Cli { command: Some(Door::Http(args)) }) => served(http::run(Site::Http, &args)),
        Ok(Cli { command: Some(Door::Ws(command)) }) => ws::run(&command),
        Ok(Cli { command: Some(Door::Rpc(command)) }) => rpc::run(&command),
        Ok(Cli { command: Some(Door::Chat(command)) }) => chat::run(&command),
        Ok(Cli { command: Some(Door::Hls(command)) }) => hls::run(&command),
        Ok(Cli { command: Some(Door::Share(command)) }) => share::run(&command),
        Ok(Cli { command: Some(Door::Balance(args)) }) => balance::run(&args),
        Err(error) => usage(&error),
    }
}
