//! `wireworks hls check`: its arguments, and what it prints.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args as ClapArgs;

use crate::server::hls::check::{self, BadLocation, Location, Report, Settings};

const EXAMPLES: &str = "\
Examples:
  wireworks hls check film/master.m3u8
  wireworks hls check film
  wireworks hls check https://example.org/live/master.m3u8 --reloads 5
  wireworks hls check --json --strict film | jq '.[].report.problems'

Each line of the table is a rule of draft-pantos-hls-rfc8216bis that is broken, and where. An error is what players rely on,
a warning what they should be able to. Exit status: 0 when there is no error (with --strict: and no warning), 1 when
there is one, 64 when the command line makes no sense.";

/// The options of `wireworks hls check`.
#[derive(ClapArgs, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Playlists: addresses, files, or folders with a master.m3u8
    #[arg(required = true, value_name = "URL|FILE")]
    pub inputs: Vec<String>,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
    /// Take warnings for errors
    #[arg(long)]
    pub strict: bool,
    /// Read only so many segments of each media playlist; BANDWIDTH is judged only when all are read
    #[arg(long, value_name = "N")]
    pub segments: Option<usize>,
    /// Read live playlists so many times again
    #[arg(long, value_name = "N", default_value_t = Settings::default().reloads)]
    pub reloads: u32,
    /// Seconds that a request may take
    #[arg(long, value_name = "S", default_value_t = Settings::default().timeout.as_secs(), value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout: u64,
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// An input makes no sense: a mistake in the command line.
    #[error(transparent)]
    Location(#[from] BadLocation),
    /// There is no runtime.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
    /// The report cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// What was found, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// To be printed.
    pub text: String,
    /// Nothing is wrong.
    pub good: bool,
}

/// Checks the inputs, one after the other.
///
/// # Errors
/// Nothing was checked.
pub fn run(args: &Args) -> Result<Outcome, CheckError> {
    let settings = Settings {
        segments: args.segments,
        reloads: args.reloads,
        timeout: Duration::from_secs(args.timeout),
    };
    let places: Vec<Location> =
        args.inputs.iter().map(|input| Location::parse(input)).collect::<Result<_, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reports: Vec<Report> = runtime.block_on(async {
        let mut reports = Vec::with_capacity(places.len());
        for place in &places {
            reports.push(check::check(place, &settings).await);
        }
        reports
    });
    let good = reports.iter().all(|report| report.is_good(args.strict));
    let mut text = String::new();
    if args.json {
        let list: Vec<_> = args
            .inputs
            .iter()
            .zip(&reports)
            .map(|(input, report)| {
                serde_json::json!({ "input": input, "good": report.is_good(args.strict), "report": report })
            })
            .collect();
        text = serde_json::to_string_pretty(&list)?;
        text.push('\n');
    } else {
        for (input, report) in args.inputs.iter().zip(&reports) {
            if reports.len() > 1 {
                // A String takes everything.
                let _ = writeln!(text, "{input}");
            }
            text.push_str(&report.table());
        }
    }
    Ok(Outcome { text, good })
}
