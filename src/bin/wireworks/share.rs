//! The doors of `wireworks share`.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Command;
use wireworks::server::log;
use wireworks::server::share::command::{
    Share, ShareError, create, daemon, get, seed, send, show, tracker, verify,
};

use crate::{FAILURE, failure};

const EXAMPLES: &str = "\
Examples:
  wireworks share send photos                            prints a link, and shares until Ctrl-C
  wireworks share get 'magnet:?xt=urn:btih:...' --out .  what the other side types
  wireworks share create film.mp4 --tracker http://tracker.example/announce
  wireworks share show film.mp4.torrent
  wireworks share seed film.mp4.torrent --data .
  wireworks share daemon                                 many torrents, at http://127.0.0.1:9091/
  wireworks share tracker --listen :6969                 tells those who share of each other

Exit status: 0 when it is done, 1 when not, 64 when the command line makes no sense.";

/// Gives the subcommands their words.
pub(crate) fn describe(command: Command) -> Command {
    let command = command.after_help(EXAMPLES);
    let command = command.mut_subcommand("daemon", daemon::Args::with_defaults);
    command.mut_subcommand("tracker", tracker::Args::with_defaults)
}

/// Does what was asked, and says how it went.
pub(crate) fn run(command: &Share) -> ExitCode {
    match command {
        Share::Send(args) => logged(|| done(send::run(args))),
        Share::Get(args) => logged(|| done(get::run(args))),
        Share::Create(args) => said(create::run(args)),
        Share::Show(args) => said(show::run(args)),
        Share::Verify(args) => said(verify::run(args)),
        Share::Seed(args) => logged(|| done(seed::run(args))),
        Share::Daemon(args) => crate::served(keep(args)),
        Share::Tracker(args) => crate::served(track(args)),
    }
}

/// Does it with a log, if the environment asks for one.
fn logged(run: impl FnOnce() -> ExitCode) -> ExitCode {
    match log::init_if_asked() {
        Ok(()) => run(),
        Err(error) => failure(&error, FAILURE),
    }
}

fn done(outcome: Result<(), ShareError>) -> ExitCode {
    outcome.map_or_else(|error| failure(&error, FAILURE), |()| ExitCode::SUCCESS)
}

fn said(outcome: Result<String, ShareError>) -> ExitCode {
    done(outcome.map(|text| {
        // Who closed the output does not want to know.
        let _ = io::stdout().write_all(text.as_bytes());
    }))
}

/// Shares many torrents, or prints the configuration.
fn keep(args: &daemon::Args) -> Result<(), Box<dyn Error>> {
    let config = daemon::Config::load(args)?;
    if args.file.print_config {
        io::stdout().write_all(config.to_toml()?.as_bytes())?;
        return Ok(());
    }
    log::init(config.server.log)?;
    daemon::run(&config)?;
    Ok(())
}

/// Tracks, or prints the configuration.
fn track(args: &tracker::Args) -> Result<(), Box<dyn Error>> {
    let config = tracker::Config::load(args)?;
    if args.file.print_config {
        io::stdout().write_all(config.to_toml()?.as_bytes())?;
        return Ok(());
    }
    log::init(config.server.log)?;
    tracker::run(&config)?;
    Ok(())
}
