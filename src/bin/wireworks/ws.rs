//! The doors of `wireworks ws`.

use std::error::Error;

use clap::{Command, Subcommand};
use wireworks::server::site::command::{Args, Site};

#[derive(Subcommand)]
pub(crate) enum Ws {
    /// Serve WebSockets: an echo, a room for all, a clock
    Serve(Box<Args>),
}

const EXAMPLES: &str = "\
Examples:
  wireworks ws serve                               ws://127.0.0.1:8081/echo, /broadcast and /clock, and a page at /
  wireworks ws serve public                        the same beside the files in the folder public
  wireworks ws serve --subprotocol v1.chat --origin '*'
  wireworks ws serve --listen :8443 --tls-self-signed
  wireworks ws serve --deflate dedicated --max-deflate-contexts 200

Durations are written as 500ms, 30s, 2m; sizes as 32KiB, 10MB; rates as 100/s, 600/m.
Signals: TERM and INT say 1001 to every socket and end when they have answered, a second one at once; HUP reads
certificates again and reopens the access log.";

/// Gives the subcommands their words.
pub(crate) fn describe(command: Command) -> Command {
    command.mut_subcommand("serve", |serve| {
        Args::with_defaults(Site::Sockets, serve)
            .about("Serve WebSockets: an echo, a room for all, a clock")
            .after_help(EXAMPLES)
    })
}

/// Does what was asked.
pub(crate) fn run(command: &Ws) -> Result<(), Box<dyn Error>> {
    match command {
        Ws::Serve(args) => crate::http::run(Site::Sockets, args),
    }
}
