//! The doors of `wireworks chat`.

use std::error::Error;
use std::io::Write;

use clap::{Command, Subcommand};
use wireworks::server::chat::command::{self, Args, Config};
use wireworks::server::log;

#[derive(Subcommand)]
pub(crate) enum Chat {
    /// Serve a chat: rooms, direct messages, accounts and history
    Serve(Box<Args>),
}

/// Gives the subcommands their words.
pub(crate) fn describe(command: Command) -> Command {
    command.mut_subcommand("serve", Args::with_defaults)
}

/// Serves, or prints the configuration.
pub(crate) fn run(command: &Chat) -> Result<(), Box<dyn Error>> {
    let Chat::Serve(args) = command;
    let config = Config::load(args)?;
    if args.file.print_config {
        std::io::stdout().write_all(config.to_toml()?.as_bytes())?;
        return Ok(());
    }
    log::init(config.server.log)?;
    command::run(&config)?;
    Ok(())
}
