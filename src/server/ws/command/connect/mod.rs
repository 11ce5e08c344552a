//! The command `wireworks ws connect`: a conversation. A line in is a message out, and a message in is a line out.
//!
//! One task owns the socket and decides. A thread reads the input and another one writes the output, each behind a short queue, since
//! both may block for as long as people and pipes like: the socket waits for them by not being read.

mod ending;
mod input;
mod json;
mod screen;
mod session;
mod status;
mod words;

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroU64;
use std::path::PathBuf;

use self::input::Source;
use self::screen::{Binary, Style};
use self::session::{Plan, Session};
pub use self::status::{ConnectError, InputError};
use super::target::{Compression, Target};
use crate::server::load::signals::Signals;
use crate::server::units::TimeSpan;

/// What a user may type after `wireworks ws connect`.
#[derive(clap::Args, Clone)]
pub struct Args {
    /// Where to.
    #[command(flatten)]
    pub target: Target,

    /// Do not offer compression
    #[arg(long, overrides_with = "deflate", help_heading = "Messages")]
    pub no_deflate: bool,

    /// Send this text, and not the lines of the standard input; repeatable
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = "Messages")]
    pub send: Vec<String>,

    /// Send a file as one binary message, after the texts; - is the standard input
    #[arg(long, value_name = "FILE", help_heading = "Messages")]
    pub binary: Option<PathBuf>,

    /// Write binary messages to a file, one behind the other, instead of showing them
    #[arg(long, value_name = "FILE", help_heading = "Messages")]
    pub binary_out: Option<PathBuf>,

    /// Write binary messages to the standard output as they are
    #[arg(long, conflicts_with = "binary_out", help_heading = "Messages")]
    pub raw: bool,

    /// Lay out messages that are JSON over several lines
    #[arg(long, help_heading = "Messages")]
    pub json: bool,

    /// Ping each so often, and show how long the answer takes
    #[arg(long, value_name = "TIME", value_parser = interval, help_heading = "Messages")]
    pub ping: Option<TimeSpan>,

    /// End after so many messages; fewer are a failure
    #[arg(long, value_name = "N", help_heading = "End")]
    pub count: Option<NonZeroU64>,

    /// How long to stay when the input has ended; without, until nothing has come for 500 ms
    #[arg(long, value_name = "TIME", help_heading = "End")]
    pub wait: Option<TimeSpan>,

    /// Connect again when the connection is lost, or cannot be made yet
    #[arg(long, help_heading = "End")]
    pub reconnect: bool,
}

fn interval(text: &str) -> Result<TimeSpan, String> {
    match text.parse::<TimeSpan>() {
        Ok(span) if span.0.is_zero() => Err("there is no time between such pings".into()),
        span => span.map_err(|error| error.to_string()),
    }
}

/// Connects, and talks until the end.
///
/// # Errors
/// Why there was no conversation, or how it ended otherwise than well; with its exit status.
pub fn run(args: &Args) -> Result<(), ConnectError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(talk(args));
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn talk(args: &Args) -> Result<(), ConnectError> {
    let signals = Signals::hear()?;
    let deflate = (!args.no_deflate).then_some(Compression::Dedicated);
    let connect = args.target.connect(deflate)?;
    let source = source(args)?;
    let style = Style::of_this_process(args.json);
    let screen = screen::start(style, binary(args)?)?;
    let plan = Plan {
        ping: args.ping.map(|span| span.0),
        count: args.count,
        wait: args.wait.map(|span| span.0),
        reconnect: args.reconnect,
    };
    Session::new(connect, plan, source, screen, signals).run().await
}

/// Where messages come from. A file is opened now, so that a wrong name is told before anything else happens.
fn source(args: &Args) -> Result<Source, ConnectError> {
    let file = match &args.binary {
        None => None,
        Some(path) if path.as_os_str() == "-" => Some(input::Contents::Stdin),
        Some(path) => {
            let file = File::open(path).map_err(|error| ConnectError::file(path, error))?;
            Some(input::Contents::File(path.clone(), file))
        }
    };
    if args.send.is_empty() && file.is_none() {
        return Ok(Source::Lines);
    }
    Ok(Source::Given { texts: args.send.clone(), file })
}

/// Where binary messages go to.
fn binary(args: &Args) -> Result<Binary, ConnectError> {
    match &args.binary_out {
        None if args.raw => Ok(Binary::Raw),
        None => Ok(Binary::Line),
        Some(path) => {
            let file: io::Result<File> =
                OpenOptions::new().write(true).create(true).truncate(true).open(path);
            Ok(Binary::File(file.map_err(|error| ConnectError::file(path, error))?))
        }
    }
}
