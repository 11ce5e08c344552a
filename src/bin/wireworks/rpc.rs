//! The doors of `wireworks rpc`.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::{Command, Subcommand};
use wireworks::server::log::{self, LogConfig, LogLevel};
use wireworks::server::rpc::command::serve::Config;
use wireworks::server::rpc::command::{RpcError, bench, call, list, ping, serve};

use crate::{FAILURE, failure};

#[derive(Subcommand)]
pub(crate) enum Rpc {
    /// Serve the demo services: an echo, keys and values, a clock, and faults to try retries on
    Serve(Box<serve::Args>),
    /// List the methods of a server
    Ls(list::ListArgs),
    /// Show services and methods, with their types and comments
    Describe(list::DescribeArgs),
    /// Call a method: JSON in, JSON out
    Call(Box<call::Args>),
    /// Ask a server how it is, and how far away
    Ping(ping::Args),
    /// Measure a server: calls a second, and how long they take
    Bench(Box<bench::Args>),
}

const CALL: &str = "\
Examples:
  wireworks rpc call 127.0.0.1:7000 Echo.say '{\"text\": \"hello\"}'
  wireworks rpc call 127.0.0.1:7000 Clock.ticks '{\"millis\": 500}' --deadline 3s
  wireworks rpc call 127.0.0.1:7000 Faults.flaky '{\"percent\": 50}' --retries 5
  wireworks rpc call 127.0.0.1:7000 Kv.load < entries.jsonl
  wireworks rpc call 127.0.0.1:7000 Echo.say '{\"text\": \"x\"}' --tls-ca ca.pem --meta user=ada

Exit status: 0 when it went well, 16 and the number of the status code when the call failed,
64 when the command line makes no sense, 1 for anything else.";

const BENCH: &str = "\
Examples:
  wireworks rpc bench 127.0.0.1:7000                          64 bytes each way, 64 calls under way
  wireworks rpc bench 127.0.0.1:7000 -c 4 --depth 16 --size 1KiB
  wireworks rpc bench 127.0.0.1:7000 --rate 5000/s --duration 1m
  wireworks rpc bench 10.0.0.1:7000,10.0.0.2:7000 --retries 3";

/// Gives the subcommands their words.
pub(crate) fn describe(command: Command) -> Command {
    command
        .mut_subcommand("serve", serve::Args::with_defaults)
        .mut_subcommand("call", |call| call.after_help(CALL))
        .mut_subcommand("bench", |bench| bench.after_help(BENCH))
}

/// Does what was asked, and says how it went.
pub(crate) fn run(command: &Rpc) -> ExitCode {
    if let Rpc::Serve(args) = command {
        return crate::served(serve(args));
    }
    if let Err(error) = log::init(LogConfig { level: LogLevel::Error, ..LogConfig::default() }) {
        return failure(&error, FAILURE);
    }
    let outcome: Result<(), RpcError> = match command {
        Rpc::Serve(_) => Ok(()), // above
        Rpc::Ls(args) => list::list(args),
        Rpc::Describe(args) => list::describe(args),
        Rpc::Call(args) => call::run(args),
        Rpc::Ping(args) => ping::run(args),
        Rpc::Bench(args) => bench::run(args),
    };
    match outcome {
        Err(error) if !error.is_unheard() => failure(&error, error.status()),
        _ => ExitCode::SUCCESS,
    }
}

/// Serves, or prints the configuration.
fn serve(args: &serve::Args) -> Result<(), Box<dyn Error>> {
    let config = Config::load(args)?;
    if args.file.print_config {
        return Ok(std::io::stdout().write_all(config.to_toml()?.as_bytes())?);
    }
    log::init(config.server.log)?;
    serve::run(&config)?;
    Ok(())
}
