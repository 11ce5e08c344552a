//! `wireworks hls simulate`: its arguments, and what it prints.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::proto::hls::abr::{Algorithm, Strategy};
use crate::proto::hls::simulate::{Manifest, Settings, Trace, TraceError, Weights};
use crate::server::hls::simulate::{self, PlotError, VideoError, Work};

const EXAMPLES: &str = "\
Examples:
  wireworks hls simulate --manifest film/master.m3u8 --trace media/traces/lte.txt
  wireworks hls simulate --manifest film.json --trace traces/*.json --abr lookahead,bola,dynamic --buffer 25
  wireworks hls simulate --manifest film.json --trace lte.txt --plot lte.svg

Traces are JSON as Sabre has it, two columns of seconds and Mb/s, or one column of the milliseconds at which packets get
through (Mahimahi). Exit status: 0 when all was simulated, 1 when something cannot be read, 64 when the command line
makes no sense.";

/// Bytes of a trace at most.
const MAX_TRACE: u64 = 64 << 20;

/// Seconds that a buffer holds at most: an hour.
const MOST_BUFFER: f64 = 3600.0;

/// What a user may type after `wireworks hls simulate`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Recorded networks
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub trace: Vec<PathBuf>,

    /// The video: a manifest in JSON, or a multivariant playlist
    #[arg(long, value_name = "FILE|URL")]
    pub manifest: String,

    /// Which algorithms, separated by commas: lookahead, throughput, harmonic, bba, bola, bola-e, dynamic, dynamic-dash, robust-mpc
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "lookahead,throughput,bba,bola,bola-e,dynamic,robust-mpc"
    )]
    pub abr: Vec<Algorithm>,

    /// Seconds of media that the buffer holds
    #[arg(long, value_name = "SECONDS", default_value_t = 25.0, value_parser = seconds)]
    pub buffer: f64,

    /// Play a live stream, so many seconds behind its edge
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub live: Option<f64>,

    /// Load segments in the buffer again in a better quality
    #[arg(long, value_name = "WHICH", value_enum)]
    pub replace: Option<Replaced>,

    /// Give no download up
    #[arg(long)]
    pub no_abandon: bool,

    /// What a second of stalls costs in the formula of QoE, in Mb/s; the highest rate unless told
    #[arg(long, value_name = "MBPS", value_parser = weight)]
    pub stall_weight: Option<f64>,

    /// What a change by 1 Mb/s costs there
    #[arg(long, value_name = "WEIGHT", default_value_t = 1.0, value_parser = weight)]
    pub change_weight: f64,

    /// What a second of startup costs there, in Mb/s
    #[arg(long, value_name = "MBPS", default_value_t = 0.0, value_parser = weight)]
    pub startup_weight: f64,

    /// Print a line for each session, under the columns of the published figures
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,

    /// Print the sessions and the means as JSON
    #[arg(long)]
    pub json: bool,

    /// Draw one trace over time, or how the figures of several are distributed
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

/// Which segments are replaced first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Replaced {
    /// Those that are played first
    First,
    /// Those that are played last
    Last,
}

impl Replaced {
    pub(super) fn strategy(self) -> Strategy {
        match self {
            Self::First => Strategy::First,
            Self::Last => Strategy::Last,
        }
    }
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// There is no video.
    #[error(transparent)]
    Video(#[from] VideoError),
    /// A trace cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A trace is none.
    #[error("{}: {source}", path.display())]
    Trace {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: TraceError,
    },
    /// The plot cannot be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The plot cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no runtime.
    #[error("cannot begin")]
    Begin(#[source] io::Error),
}

/// Simulates, and says what is to be printed.
///
/// # Errors
/// Something cannot be read, drawn or written.
pub fn run(args: &Args) -> Result<String, SimulateError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let manifest = runtime.map_err(SimulateError::Begin)?.block_on(simulate::load(&args.manifest))?;
    let traces = args.trace.iter().map(|path| trace(path)).collect::<Result<Vec<_>, _>>()?;
    let work = work(args, manifest, traces);
    let sessions = work.run();
    if let Some(path) = &args.plot {
        let svg = simulate::plot(&work, &sessions)?;
        fs::write(path, svg).map_err(|source| SimulateError::Write { path: path.clone(), source })?;
    }
    Ok(if args.csv {
        let scenario = args.live.map_or_else(|| "VOD".to_owned(), |live| format!("live {live} s"));
        simulate::csv(&sessions, &scenario, &format!("--manifest {} --buffer {}", args.manifest, args.buffer))
    } else if args.json {
        simulate::json(&work, &sessions)
    } else {
        simulate::table(&work, &sessions)
    })
}

fn work(args: &Args, manifest: Manifest, traces: Vec<(String, Trace)>) -> Work {
    let ladder = manifest.ladder();
    let most = ladder.rate(ladder.top()) / 1000.0;
    let weights = Weights {
        change: args.change_weight,
        stall: args.stall_weight.unwrap_or(most),
        startup: args.startup_weight,
    };
    let settings = Settings {
        buffer: args.buffer * 1000.0,
        abandon: !args.no_abandon,
        replace: args.replace.map(Replaced::strategy),
        live: args.live.map(|seconds| seconds * 1000.0),
        steps: args.plot.is_some(),
    };
    let mut algorithms: Vec<Algorithm> = Vec::new();
    for algorithm in &args.abr {
        if !algorithms.contains(algorithm) {
            algorithms.push(*algorithm);
        }
    }
    Work { manifest, traces, algorithms, settings, weights }
}

/// Reads a trace, and says what it is called.
pub(super) fn trace(path: &Path) -> Result<(String, Trace), SimulateError> {
    let failed = |source| SimulateError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > MAX_TRACE {
        return Err(failed(io::Error::other("it is larger than 64 MiB")));
    }
    let text = String::from_utf8_lossy(&fs::read(path).map_err(failed)?).into_owned();
    let trace =
        Trace::parse(&text).map_err(|source| SimulateError::Trace { path: path.to_owned(), source })?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok((name, trace))
}

fn seconds(text: &str) -> Result<f64, String> {
    number(text)
        .filter(|seconds| (0.1..=MOST_BUFFER).contains(seconds))
        .ok_or_else(|| format!("not 0.1 to {MOST_BUFFER}"))
}

fn weight(text: &str) -> Result<f64, String> {
    number(text).filter(|weight| *weight >= 0.0).ok_or_else(|| "not a number from 0 on".to_owned())
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}
