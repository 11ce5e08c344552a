//! The command `wireworks ws bench`: many sockets at once, and what they measure.
//!
//! Sockets are spread over threads, each with a runtime and a tally of its own; the tallies are added up at the end. All sockets are opened
//! before the first message is sent. Then each either keeps a number of messages in flight (a closed loop), or sends them
//! at the times of a rate (an open loop), or does nothing and is kept (idle).

mod connection;
mod exchange;
mod payload;
mod report;
mod run;
mod tally;

use std::io;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use super::target::{Target, TargetError};
use crate::server::units::{ByteSize, Frequency, TimeSpan};

/// How long it takes when nobody says.
const DURATION: Duration = Duration::from_secs(10);

/// Bytes of the largest message. Some are prepared, so it bounds the memory.
const MAX_SIZE: u64 = 64 << 20;

/// What a user may type after `wireworks ws bench`.
#[derive(clap::Args, Clone)]
pub struct Args {
    /// Where to.
    #[command(flatten)]
    pub target: Target,

    /// Sockets
    #[arg(long, short = 'c', value_name = "N", default_value = "50", help_heading = "Load")]
    pub connections: NonZeroU32,

    /// Messages in flight on each socket
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Load")]
    pub depth: NonZeroUsize,

    /// Messages a second, on all sockets together, whether they are answered or not; latency counts from when one was due
    #[arg(long, value_name = "RATE", conflicts_with = "depth", help_heading = "Load")]
    pub rate: Option<Frequency>,

    /// Bytes of a message
    #[arg(long, value_name = "SIZE", default_value = "16B", value_parser = size, help_heading = "Load")]
    pub size: ByteSize,

    /// Send text: words, which compress; without, random bytes
    #[arg(long, help_heading = "Load")]
    pub text: bool,

    /// How long, once all sockets are open; 10s without --messages
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub duration: Option<TimeSpan>,

    /// How many messages, on all sockets together
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub messages: Option<NonZeroU64>,

    /// Do not compare what comes back with what was sent
    #[arg(long, help_heading = "Load")]
    pub no_check: bool,

    /// Send nothing: open the sockets, and see how many stay
    #[arg(long, conflicts_with_all = ["depth", "rate", "size", "text", "messages", "no_check"], help_heading = "Load")]
    pub idle: bool,

    /// Sockets opened a second; without, as fast as it goes
    #[arg(long, value_name = "RATE", help_heading = "Load")]
    pub connect_rate: Option<Frequency>,

    /// Threads that the sockets are spread over
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Load")]
    pub threads: u16,

    /// Report as JSON
    #[arg(long, help_heading = "Report")]
    pub json: bool,
}

fn size(text: &str) -> Result<ByteSize, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.0 > MAX_SIZE => Err(format!("the largest message is {}", ByteSize(MAX_SIZE))),
        size => size.map_err(|error| error.to_string()),
    }
}

/// Why there is no report, or one of failures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The command line, or a file of certificates.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The system gives no thread, or no signals.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The report has them.
    #[error("{0} failures, by the report")]
    Failed(u64),
    /// A second signal.
    #[error("interrupted")]
    Interrupted,
}

impl BenchError {
    /// The exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Target(error) if error.is_usage() => 64,
            Self::Target(_) | Self::System(_) | Self::Failed(_) => 1,
            Self::Interrupted => 130,
        }
    }
}

/// Measures, and prints the report.
///
/// # Errors
/// It could not be measured, or something failed meanwhile.
pub fn run(args: &Args) -> Result<(), BenchError> {
    let tally = run::run(args)?;
    let report = report::Report::new(args, &tally);
    let text = if args.json { report.json() } else { report.to_string() };
    match io::Write::write_all(&mut io::stdout(), text.as_bytes()) {
        // Who closed the output does not want to know.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    match tally.failures() {
        0 => Ok(()),
        failures => Err(BenchError::Failed(failures)),
    }
}
