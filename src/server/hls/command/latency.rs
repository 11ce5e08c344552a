//! `wireworks hls latency`: its arguments, and what it prints.

use std::time::Duration;

use http::Uri;

use crate::server::hls::latency::{LatencyError, measure};
use crate::server::units::TimeSpan;

const EXAMPLES: &str = "\
Examples:
  wireworks hls latency http://127.0.0.1:8085/live/demo/index.m3u8
  wireworks hls latency --rendition 480p --for 1m --json https://tv.example.org/live/stage/index.m3u8

What a part says of its date (EXT-X-PROGRAM-DATE-TIME) is compared with the clock when it has arrived, so the clocks
of both machines have to be right. Exit status: 0 when something was measured, 1 when not, 64 when the command line
makes no sense.";

/// How long it watches unless somebody says otherwise.
const SPAN: Duration = Duration::from_secs(10);

/// What a user may type after `wireworks hls latency`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The playlist of a live stream
    #[arg(value_name = "URL")]
    pub playlist: Uri,

    /// Watch the first rendition with this in its address
    #[arg(long, value_name = "TEXT")]
    pub rendition: Option<String>,

    /// How long to watch
    #[arg(long = "for", value_name = "TIME", default_value_t = TimeSpan(SPAN))]
    pub span: TimeSpan,

    /// Print what was measured as JSON
    #[arg(long)]
    pub json: bool,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// There is no runtime.
    #[error("cannot start")]
    Runtime(#[from] std::io::Error),
    /// The stream.
    #[error(transparent)]
    Latency(#[from] LatencyError),
    /// It went on, and nothing came.
    #[error("nothing came in {0}")]
    Nothing(TimeSpan),
    /// It cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Watches, and says what was measured.
///
/// # Errors
/// See [`WatchError`].
pub fn run(args: &Args) -> Result<String, WatchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watched = measure(args.playlist.clone(), args.rendition.as_deref(), args.span.0);
    let report = runtime.block_on(watched)?;
    if report.arrived == 0 {
        return Err(WatchError::Nothing(args.span));
    }
    Ok(if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() })
}
