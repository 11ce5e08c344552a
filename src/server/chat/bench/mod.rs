//! The command `wireworks chat bench`: many members in rooms, some of which talk, and what all of them hear.
//!
//! It measures and it checks, in the same run: every member sees every acknowledged message of its rooms once, in the order of the room, without
//! a gap. Members are spread over threads, each with a runtime and a tally of its own. All come in and join their rooms before the first message is
//! sent; when sending has ended, the run waits until everybody has heard everything, and compares what they have seen.

mod fault;
mod ledger;
mod link;
mod member;
mod payload;
mod report;
mod run;
mod scan;
mod sender;
mod tally;

use std::io;
use std::num::{NonZeroU32, NonZeroUsize};

use self::link::Framing;
use self::payload::SHORTEST;
use super::client::{Remote, RemoteError};
use crate::server::units::{ByteSize, Frequency, TimeSpan};

/// Bytes of the longest text by the IRC door: a line has 512, with the sender's name and the room's.
const MAX_IRC_SIZE: u64 = 350;

/// Bytes of the longest text: what the server takes at most.
const MAX_SIZE: u64 = 16 << 10;

/// What a user may type after `wireworks chat bench`.
#[derive(clap::Args, Clone)]
pub struct Args {
    /// Where to.
    #[command(flatten)]
    pub remote: Remote,

    /// Another node of the same chat: members are spread over all that are named, and go to the next one when theirs is away
    #[arg(long = "node", value_name = "URL", help_heading = "Connection")]
    pub nodes: Vec<String>,

    /// Members: each has a connection of its own
    #[arg(long, short = 'm', value_name = "N", default_value = "100", help_heading = "Load")]
    pub members: NonZeroU32,

    /// Rooms
    #[arg(long, short = 'r', value_name = "N", default_value = "1", help_heading = "Load")]
    pub rooms: NonZeroU32,

    /// Rooms that each member joins
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Load")]
    pub joins: NonZeroU32,

    /// Members that send; without, one for each room
    #[arg(long, short = 's', value_name = "N", help_heading = "Load")]
    pub senders: Option<NonZeroU32>,

    /// Messages without an acknowledgement that a sender has at most
    #[arg(long, short = 'w', value_name = "N", default_value = "1", help_heading = "Load")]
    pub window: NonZeroUsize,

    /// Messages a second, by all senders together; latency counts from when one was due. Without, as fast as the window allows
    #[arg(long, value_name = "RATE", help_heading = "Load")]
    pub rate: Option<Frequency>,

    /// Bytes of a text
    #[arg(long, value_name = "SIZE", default_value = "64B", value_parser = size, help_heading = "Load")]
    pub size: ByteSize,

    /// How long senders send, once all members are in
    #[arg(long, short = 'd', value_name = "TIME", default_value = "10s", help_heading = "Load")]
    pub duration: TimeSpan,

    /// Members that come in at the same time
    #[arg(long, value_name = "N", default_value = "20", help_heading = "Load")]
    pub admit: NonZeroUsize,

    /// Come back when a connection is lost, go on from there, and send again what has no answer. Members are accounts then, which stay
    #[arg(long, help_heading = "Load")]
    pub reconnect: bool,

    /// Threads that the members are spread over
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Load")]
    pub threads: u16,

    /// Report as JSON
    #[arg(long, help_heading = "Report")]
    pub json: bool,
}

fn size(text: &str) -> Result<ByteSize, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.0 > MAX_SIZE => Err(format!("the longest text is {}", ByteSize(MAX_SIZE))),
        Ok(size) if size.0 < SHORTEST as u64 => Err(format!("the shortest text is {SHORTEST}B")),
        size => size.map_err(|error| error.to_string()),
    }
}

/// Why there is no report, or one of failures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The command line, or a file of certificates.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Texts that no line of IRC holds.
    #[error("--size: by IRC, the longest text is {}", ByteSize(MAX_IRC_SIZE))]
    IrcSize,
    /// Nodes that are asked for by different doors.
    #[error("--node: JSON and IRC cannot be measured in one run")]
    Doors,
    /// What IRC has not.
    #[error("--reconnect: by IRC, nobody can go on where he was; use the WebSocket")]
    IrcReconnect,
    /// The system gives no thread, or no signals.
    #[error(transparent)]
    System(#[from] io::Error),
    /// The report has them.
    #[error("the check failed: {0} failures, by the report")]
    Failed(u64),
    /// A second signal, or one before there was anything to measure.
    #[error("interrupted")]
    Interrupted,
}

impl BenchError {
    /// The exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::Remote(error) if error.is_usage() => 64,
            Self::IrcSize | Self::Doors | Self::IrcReconnect => 64,
            Self::Remote(_) | Self::System(_) | Self::Failed(_) => 1,
            Self::Interrupted => 130,
        }
    }
}

/// Measures, and prints the report.
///
/// # Errors
/// It could not be measured, or something failed meanwhile.
pub fn run(args: &Args) -> Result<(), BenchError> {
    let is_irc = |url: &String| url.starts_with("irc");
    let framing = if is_irc(&args.remote.url) { Framing::Lines } else { Framing::Frames };
    if args.nodes.iter().any(|node| is_irc(node) != is_irc(&args.remote.url)) {
        return Err(BenchError::Doors);
    }
    if framing == Framing::Lines && args.size.0 > MAX_IRC_SIZE {
        return Err(BenchError::IrcSize);
    }
    if framing == Framing::Lines && args.reconnect {
        return Err(BenchError::IrcReconnect);
    }
    let tally = run::run(args, framing)?;
    let report = report::Report::new(args, &tally);
    let text = if args.json { report.json() } else { report.to_string() };
    match io::Write::write_all(&mut io::stdout(), text.as_bytes()) {
        // Who closed the output does not want to know.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    match tally.faults.total() {
        0 => Ok(()),
        failures => Err(BenchError::Failed(failures)),
    }
}
