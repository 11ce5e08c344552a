//! The doors of `wireworks hls`.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Command;
use wireworks::server::hls::command::check::{self, CheckError};
use wireworks::server::hls::command::{Hls, latency, link, live, package, play, serve, simulate};
use wireworks::server::log;

use crate::{FAILURE, USAGE, failure};

const PACKAGE: &str = "\
Examples:
  wireworks hls package film.mp4 --out film              fMP4 segments, film/master.m3u8
  wireworks hls package 240p.mp4 480p.mp4 --audio 'de.m4a,lang=de,name=Deutsch' --subtitles en.vtt,lang=en -o film
  wireworks hls package film.mp4 --format ts --encrypt --key-rotate 10 --out film
  wireworks hls package https://example.org/film.mp4 --single-file --out film
  ffmpeg -i in.mkv -c copy -f mpegts - | wireworks hls package - --out film

The output is written aside and takes its place when it is whole. Durations are written as 500ms, 6s, 2m. Exit
status: 0 when the output is in its place, 1 when not, 64 when the command line makes no sense.";

/// Gives the subcommands their words.
pub(crate) fn describe(command: Command) -> Command {
    command
        .mut_subcommand("package", |package| package.after_help(PACKAGE))
        .mut_subcommand("serve", serve::Args::with_defaults)
        .mut_subcommand("live", live::Args::with_defaults)
}

/// Does what was asked, and says how it went.
pub(crate) fn run(command: &Hls) -> ExitCode {
    match command {
        Hls::Package(args) => {
            package::run(args).map_or_else(|error| failure(&error, error.status()), |()| ExitCode::SUCCESS)
        }
        Hls::Check(args) => checked(args),
        Hls::Serve(args) => crate::served(serve(args)),
        Hls::Live(args) => crate::served(live(args)),
        Hls::Link(args) => said(link::run(args), |error| if error.is_usage() { USAGE } else { FAILURE }),
        Hls::Latency(args) => said(latency::run(args), |_| FAILURE),
        Hls::Play(args) => match play::run(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error, if error.is_usage() { USAGE } else { FAILURE }),
        },
        Hls::Simulate(args) => said(simulate::run(args), |_| FAILURE),
    }
}

/// Prints what a command has to say, or why it says nothing.
fn said<E: Error>(outcome: Result<String, E>, status: impl Fn(&E) -> u8) -> ExitCode {
    match outcome {
        Ok(text) => {
            // Who closed the output does not want to know.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => failure(&error, status(&error)),
    }
}

/// Prints what was found.
fn checked(args: &check::Args) -> ExitCode {
    match check::run(args) {
        Ok(outcome) => {
            // Who closed the output does not want to know.
            let _ = io::stdout().write_all(outcome.text.as_bytes());
            if outcome.good { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) }
        }
        Err(error @ CheckError::Location(_)) => failure(&error, USAGE),
        Err(error) => failure(&error, FAILURE),
    }
}

/// Serves, or prints the configuration.
fn serve(args: &serve::Args) -> Result<(), Box<dyn Error>> {
    let config = serve::Config::load(args)?;
    if args.file.print_config {
        io::stdout().write_all(config.to_toml()?.as_bytes())?;
        return Ok(());
    }
    log::init(config.server.log)?;
    serve::run(&config)?;
    Ok(())
}

/// Serves live streams, or prints the configuration.
fn live(args: &live::Args) -> Result<(), Box<dyn Error>> {
    let config = live::Config::load(args)?;
    if args.file.print_config {
        io::stdout().write_all(config.to_toml()?.as_bytes())?;
        return Ok(());
    }
    log::init(config.server.log)?;
    live::run(&config)?;
    Ok(())
}
