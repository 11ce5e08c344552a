//! The doors of `wireworks chat`.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::{Command, Subcommand};
use wireworks::server::chat::admin::{self, Orders};
use wireworks::server::chat::bench;
use wireworks::server::chat::command::{self, Args, Config};
use wireworks::server::chat::connect;
use wireworks::server::log::{self, LogConfig, LogLevel};

use crate::{FAILURE, failure};

#[derive(Subcommand)]
pub(crate) enum Chat {
    /// Serve a chat: rooms, direct messages, accounts and history
    Serve(Box<Args>),
    /// Talk, in a terminal
    Connect(Box<connect::Args>),
    /// Measure a chat server, and check that nothing is lost, doubled or out of order
    Bench(Box<bench::Args>),
    #[command(flatten)]
    Admin(Orders),
}

const CONNECT: &str = "\
Examples:
  wireworks chat connect ws://127.0.0.1:8082                    as a guest
  wireworks chat connect --user alice wss://chat.example.org    with an account; its password is asked for once
  wireworks chat connect --user alice --register ws://127.0.0.1:8082
  echo 'Backup is done' | wireworks chat connect -g backup -r '#ops' ws://127.0.0.1:8082

F1 explains commands and keys. Exit status: 0 when it was ended, 1 when there was no conversation, 64 when the
command line makes no sense.";

const BENCH: &str = "\
Examples:
  wireworks chat bench ws://127.0.0.1:8082                     a room of 100, one of whom talks
  wireworks chat bench -m 1000 -s 4 -w 16 ws://127.0.0.1:8082  a room of 1,000, as fast as it goes
  wireworks chat bench -m 10000 -r 1000 --rate 5000/s ws://127.0.0.1:8082
  wireworks chat bench --reconnect -d 5m wss://chat.example.org
  wireworks chat bench -m 1000 -s 4 -w 16 irc://127.0.0.1:6667

The server should be one with --no-limits. Interrupted once, it reports what there is. Exit status: 0 when every
member saw every acknowledged message once and in order, 1 when not or when something failed, 64 when the command
line makes no sense, 130 when interrupted twice.";

/// Gives the subcommands their words.
pub(crate) fn describe(command: Command) -> Command {
    command
        .mut_subcommand("serve", Args::with_defaults)
        .mut_subcommand("connect", |connect| connect.after_help(CONNECT))
        .mut_subcommand("bench", |bench| bench.after_help(BENCH))
}

/// Does what was asked, and says how it went.
pub(crate) fn run(command: &Chat) -> ExitCode {
    match command {
        Chat::Serve(args) => crate::served(serve(args)),
        Chat::Admin(orders) => crate::served(admin::run(orders).map_err(Into::into)),
        Chat::Connect(args) => client(|| connect::run(args), connect::ConnectError::status),
        Chat::Bench(args) => client(|| bench::run(args), bench::BenchError::status),
    }
}

/// Runs a client. Only what its user has to know is logged.
fn client<E: Error + 'static>(run: impl Fn() -> Result<(), E>, status: fn(&E) -> u8) -> ExitCode {
    if let Err(error) = log::init(LogConfig { level: LogLevel::Warn, ..LogConfig::default() }) {
        return failure(&error, FAILURE);
    }
    run().map_or_else(|error| failure(&error, status(&error)), |()| ExitCode::SUCCESS)
}

/// Serves, or prints the configuration.
fn serve(args: &Args) -> Result<(), Box<dyn Error>> {
    let config = Config::load(args)?;
    if args.file.print_config {
        std::io::stdout().write_all(config.to_toml()?.as_bytes())?;
        return Ok(());
    }
    log::init(config.server.log)?;
    command::run(&config)?;
    Ok(())
}
