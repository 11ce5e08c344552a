//! The doors of `wireworks chat`.

use std::error::Error;
use std::io::Write;

use clap::Subcommand;
use wireworks::server::chat::admin::args::{BackupArgs, ExportArgs, NoticeArgs, RoomArgs, UserArgs};
use wireworks::server::chat::admin::{self, Command};
use wireworks::server::chat::command::{self, Args, Config};
use wireworks::server::log;

#[derive(Subcommand)]
pub(crate) enum Chat {
    /// Serve a chat: rooms, direct messages, accounts and history
    Serve(Box<Args>),
    /// Make, show, change and remove accounts
    User(UserArgs),
    /// Show and close rooms, and forget messages
    Room(RoomArgs),
    /// Show notices for absent members that were given up, try them again, or forget them
    Notices(NoticeArgs),
    /// Write a copy of the database, while the server runs or not
    Backup(BackupArgs),
    /// Write messages as lines of JSON, or as a page
    Export(ExportArgs),
}

/// Gives the subcommands their words.
pub(crate) fn describe(command: clap::Command) -> clap::Command {
    command.mut_subcommand("serve", Args::with_defaults)
}

/// Does what was asked.
pub(crate) fn run(command: &Chat) -> Result<(), Box<dyn Error>> {
    let order = match command {
        Chat::Serve(args) => return serve(args),
        Chat::User(args) => Command::User(args),
        Chat::Room(args) => Command::Room(args),
        Chat::Notices(args) => Command::Notices(args),
        Chat::Backup(args) => Command::Backup(args),
        Chat::Export(args) => Command::Export(args),
    };
    Ok(admin::run(&order)?)
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
