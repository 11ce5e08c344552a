//! `wireworks rpc bench`: how many calls a server answers in a second, and how long they take.
//!
//! Each connection is a channel of its own; connections are spread over threads, each with a runtime and a tally of its own. All connections are made
//! before the first call. Then each either keeps a number of calls under way (a closed loop), or begins them at the times of a rate, whether the ones before
//! are answered or not (an open loop). There latency counts from when a call was due, so a server that stands still cannot hide it.

mod report;
mod run;

use std::num::NonZeroU64;

use self::report::Report;
use super::remote::Remote;
use super::{RpcError, print};
use crate::server::units::{ByteSize, Frequency, TimeSpan};

/// Calls a second at most that can be asked for: nothing here is quicker than a hundred nanoseconds.
const MAX_RATE: f64 = 10_000_000.0;

/// What a user may type after `wireworks rpc bench`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to.
    #[command(flatten)]
    pub remote: Remote,

    /// Connections
    #[arg(long, short = 'c', value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Load")]
    pub connections: u32,

    /// Calls under way on each connection
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Load")]
    pub depth: u32,

    /// Calls a second, on all connections together, whether they are answered or not; latency counts from when one was due
    #[arg(long, value_name = "RATE", conflicts_with = "depth", value_parser = rate, help_heading = "Load")]
    pub rate: Option<Frequency>,

    /// Bytes of a message, each way
    #[arg(long, value_name = "SIZE", default_value = "64B", help_heading = "Load")]
    pub size: ByteSize,

    /// How long; 10s without --calls
    #[arg(long, value_name = "TIME", help_heading = "Load")]
    pub duration: Option<TimeSpan>,

    /// How many calls, on all connections together
    #[arg(long, short = 'n', value_name = "N", help_heading = "Load")]
    pub calls: Option<NonZeroU64>,

    /// Threads that the connections are spread over; by default one a core, as far as there are connections
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Load")]
    pub threads: Option<u16>,

    /// Show nothing while it runs
    #[arg(long, short = 'q', help_heading = "Report")]
    pub quiet: bool,

    /// Report as JSON
    #[arg(long, help_heading = "Report")]
    pub json: bool,
}

fn rate(text: &str) -> Result<Frequency, String> {
    match text.parse::<Frequency>() {
        Ok(rate) if rate.per_second() > MAX_RATE => Err(format!("the most is {MAX_RATE}/s")),
        rate => rate.map_err(|error| error.to_string()),
    }
}

/// Measures the method `Echo.bytes` of the demo services, and prints the report.
///
/// # Errors
/// The server cannot be reached, or calls failed.
pub fn run(args: &Args) -> Result<(), RpcError> {
    let tally = run::run(args)?;
    let report = Report::new(args, &tally);
    print(&if args.json { report.json() } else { report.to_string() })?;
    match tally.faults.total() {
        0 => Ok(()),
        failed => Err(RpcError::Failed(failed)),
    }
}
