//! The doors of `wireworks ws`.

use std::error::Error;
use std::process::ExitCode;

use clap::{Command, Subcommand};
use wireworks::server::log::{self, LogConfig, LogLevel};
use wireworks::server::site::command::{Args, Site};
use wireworks::server::ws::command::{bench, connect};

use crate::{FAILURE, failure};

#[derive(Subcommand)]
pub(crate) enum Ws {
    /// Serve WebSockets: an echo, a room for all, a clock
    Serve(Box<Args>),
    /// Connect to a WebSocket: a line in is a message out, a message in is a line out
    Connect(Box<connect::Args>),
    /// Measure a WebSocket server: how fast it echoes, or how many idle sockets it keeps
    Bench(Box<bench::Args>),
}

const DIR: &str = "Folder to serve beside the sockets; without it, a page to try them with";

const SERVE: &str = "\
Examples:
  wireworks ws serve                               ws://127.0.0.1:8081/echo, /broadcast and /clock, and a page at /
  wireworks ws serve public                        the same beside the files in the folder public
  wireworks ws serve --subprotocol v1.chat --origin '*'
  wireworks ws serve --listen :8443 --tls-self-signed
  wireworks ws serve --deflate dedicated --max-deflate-contexts 200

Durations are written as 500ms, 30s, 2m; sizes as 32KiB, 10MB; rates as 100/s, 600/m.
Signals: TERM and INT say 1001 to every socket and end when they have answered, a second one at once; HUP reads
certificates again and reopens the access log.";

const CONNECT: &str = "\
Examples:
  wireworks ws connect ws://127.0.0.1:8081/echo               type; Ctrl-D or Ctrl-C ends
  wireworks ws connect --send hello ws://127.0.0.1:8081/echo  send a message, show the answer
  wireworks ws connect --count 3 ws://127.0.0.1:8081/clock    show three messages
  wireworks ws connect --json -H 'Authorization: Bearer x' wss://example.org/events
  wireworks ws connect --binary a.jpg --binary-out b.jpg ws://127.0.0.1:8081/echo

Exit status:
  0    closed with 1000, 1001 or no code
  1    no connection, or lost
  2    closed with 1002, 1003, 1007, 1009 or 1010, or the server broke the protocol
  3    closed with 1008 or 1011 to 1014
  4    closed with a code of the application, 3000 to 4999
  64   the command line makes no sense
  130  interrupted before the connection was closed";

const BENCH: &str = "\
Examples:
  wireworks ws bench ws://127.0.0.1:8081/echo                 16 bytes each way, 10 seconds
  wireworks ws bench -c 100 --depth 64 --size 1KiB --text ws://127.0.0.1:8081/echo
  wireworks ws bench --rate 5000/s --duration 1m ws://127.0.0.1:8081/echo
  wireworks ws bench --idle -c 10000 --connect-rate 2000/s ws://127.0.0.1:8081/echo

Interrupted once, it reports what there is. Exit status: 0 when all went well, 1 when
something failed, 64 when the command line makes no sense, 130 when interrupted twice.";

/// Gives the subcommands their words.
pub(crate) fn describe(command: Command) -> Command {
    command
        .mut_subcommand("serve", |serve| {
            Args::with_defaults(Site::Sockets, serve)
                .about("Serve WebSockets: an echo, a room for all, a clock")
                .after_help(SERVE)
                .mut_arg("dir", |dir| dir.help(DIR))
        })
        .mut_subcommand("connect", |connect| connect.after_help(CONNECT))
        .mut_subcommand("bench", |bench| bench.after_help(BENCH))
}

/// Does what was asked, and says how it went.
pub(crate) fn run(command: &Ws) -> ExitCode {
    let outcome = match command {
        Ws::Serve(args) => return crate::served(crate::http::run(Site::Sockets, args)),
        Ws::Connect(args) => client(|| connect::run(args), connect::ConnectError::status),
        Ws::Bench(args) => client(|| bench::run(args), bench::BenchError::status),
    };
    outcome.map_or_else(|(error, status)| failure(&*error, status), |()| ExitCode::SUCCESS)
}

/// Why, and with which status.
type Failure = (Box<dyn Error>, u8);

/// Runs a client. Only what its user has to know is logged.
fn client<E: Error + 'static>(run: impl Fn() -> Result<(), E>, status: fn(&E) -> u8) -> Result<(), Failure> {
    let config = LogConfig { level: LogLevel::Warn, ..LogConfig::default() };
    log::init(config).map_err(|error| (error.into(), FAILURE))?;
    run().map_err(|error| {
        let status = status(&error);
        (error.into(), status)
    })
}
