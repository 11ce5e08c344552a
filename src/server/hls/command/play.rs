//! `wireworks hls play`: its arguments, and what it prints.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Uri};

use super::simulate::{Replaced, SimulateError, trace};
use crate::net::client::Connector;
use crate::net::tls::{ClientTls, ClientTlsConfig, TlsError, Trust};
use crate::proto::hls::abr::{Algorithm, Kbps, Ms};
use crate::proto::hls::play::options::{Options, Patience, Wanted};
use crate::proto::hls::play::remux::Format;
use crate::proto::hls::play::summary::Summary;
use crate::proto::hls::simulate::Trace;
use crate::server::hls::play::viewers::{self, Crowd};
use crate::server::hls::play::{self, Lines, Screen, Setup, Sink, View, WatchError, summary_text, watch};
use crate::server::units::TimeSpan;

const EXAMPLES: &str = "\
Examples:
  wireworks hls play http://127.0.0.1:8085/live/demo/index.m3u8
  wireworks hls play https://example.org/film/master.m3u8 --output - | ffplay -
  wireworks hls play http://127.0.0.1:8085/film/master.m3u8 --throttle media/traces/lte.txt --abr bola
  wireworks hls play http://127.0.0.1:8085/film/master.m3u8 --fast --record film.mp4
  wireworks hls play http://127.0.0.1:8085/film/master.m3u8 --viewers 500 --for 1m

On a terminal the buffer, the rates and what happens are drawn; q ends it. Elsewhere there is a line for each event.
Exit status: 0 when it was played, 1 when it could not be played to its end, 64 when the command line makes no sense.";

/// Viewers at most: each has a few connections, and ports are 65,535.
const MOST_VIEWERS: u32 = 20_000;

/// What a user may type after `wireworks hls play`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A playlist: of renditions, or of segments
    #[arg(value_name = "URL")]
    pub playlist: Uri,

    /// What chooses qualities: lookahead, throughput, harmonic, bba, bola, bola-e, dynamic, dynamic-dash, robust-mpc
    #[arg(long, value_name = "NAME", default_value_t = Algorithm::Lookahead, help_heading = "Choice")]
    pub abr: Algorithm,

    /// Play no rendition with less
    #[arg(long, value_name = "KBPS", value_parser = kbps, help_heading = "Choice")]
    pub min_rate: Option<Kbps>,

    /// Play no rendition with more
    #[arg(long, value_name = "KBPS", value_parser = kbps, help_heading = "Choice")]
    pub max_rate: Option<Kbps>,

    /// Play video that is coded so: avc1, hvc1, av01
    #[arg(long, value_name = "NAME", help_heading = "Choice")]
    pub codec: Option<String>,

    /// Play sound of this language or name
    #[arg(long, value_name = "NAME", help_heading = "Choice")]
    pub audio: Option<String>,

    /// Give no download up
    #[arg(long, help_heading = "Choice")]
    pub no_abandon: bool,

    /// Load segments in the buffer again in a better quality
    #[arg(long, value_name = "WHICH", value_enum, help_heading = "Choice")]
    pub replace: Option<Replaced>,

    /// How much media the buffer holds
    #[arg(long, value_name = "TIME", default_value = "25s", help_heading = "Playback")]
    pub buffer: TimeSpan,

    /// How far behind the end of a live stream to play, instead of what it says
    #[arg(long, value_name = "TIME", help_heading = "Playback")]
    pub latency: Option<TimeSpan>,

    /// Play whole segments only, not their parts
    #[arg(long, help_heading = "Playback")]
    pub no_parts: bool,

    /// Begin so many seconds behind the beginning, or before the end if negative
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = place, help_heading = "Playback")]
    pub start: Option<f64>,

    /// End after this time
    #[arg(long = "for", value_name = "TIME", help_heading = "Playback")]
    pub span: Option<TimeSpan>,

    /// Take media for played as soon as they are there: load as fast as they come
    #[arg(long, help_heading = "Playback")]
    pub fast: bool,

    /// Write what is played to the standard output (-), or to a file
    #[arg(long, value_name = "-|FILE", help_heading = "Output")]
    pub output: Option<String>,

    /// Write what is played to a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub record: Option<PathBuf>,

    /// As what it is written; by the name of the file, and what the media need, unless told
    #[arg(long, value_name = "FORMAT", value_enum, help_heading = "Output")]
    pub format: Option<Written>,

    /// Print a line for each event
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    pub lines: bool,

    /// Print a line for each segment as well
    #[arg(long, short = 'v', conflicts_with = "json", help_heading = "Output")]
    pub verbose: bool,

    /// Print events and the summary as JSON, an object a line
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Play as if over this recorded network; repeatable for several viewers, who take them in turn
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    pub throttle: Vec<PathBuf>,

    /// A field of every request; repeatable
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = field, help_heading = "Network")]
    pub header: Vec<(HeaderName, HeaderValue)>,

    /// How long a server may be silent
    #[arg(long, value_name = "TIME", default_value = "10s", help_heading = "Network")]
    pub timeout: TimeSpan,

    /// Trust the certificates in this PEM file too
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    pub ca: Option<PathBuf>,

    /// Trust any certificate: whoever sits between can read and change everything
    #[arg(long, short = 'k', conflicts_with = "ca", help_heading = "Network")]
    pub insecure: bool,

    /// Play with so many viewers at once, and report what they had
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_VIEWERS)),
        conflicts_with_all = ["output", "record", "format", "lines", "verbose"], help_heading = "Load")]
    pub viewers: Option<u32>,

    /// Within which time they come
    #[arg(long, value_name = "TIME", default_value = "1s", requires = "viewers", help_heading = "Load")]
    pub ramp: TimeSpan,
}

/// As what a stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Written {
    /// MPEG-TS
    Ts,
    /// Fragmented MP4
    Fmp4,
}

/// Why nothing was played, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// There is no runtime.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// A trace cannot be read.
    #[error(transparent)]
    Trace(#[from] SimulateError),
    /// No certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One viewer has one network.
    #[error("several networks are for several viewers: --viewers")]
    Networks,
    /// A file in one format and a stream in another.
    #[error("--output and --record are written in one format, and their names say two")]
    Formats,
    /// A file whose name is that of another format.
    #[error("{} is neither MPEG-TS nor fragmented MP4 by its name: say which one with --format", .0.display())]
    Name(PathBuf),
    /// Nothing can be played, shown or written.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// It ended before the media did.
    #[error("{0}")]
    Ended(String),
    /// No viewer saw anything.
    #[error("nobody saw anything: {0}")]
    Nobody(String),
    /// The summary cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl PlayError {
    /// Whether the command line makes no sense.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Networks | Self::Formats | Self::Name(_))
    }
}

/// Plays, and says what was played: for the standard output, or for the standard error if that has the media.
///
/// # Errors
/// Nothing could be played, or not to the end; what was is said before.
pub fn run(args: &Args) -> Result<(), PlayError> {
    let traces = args.throttle.iter().map(|path| trace(path)).collect::<Result<Vec<_>, _>>()?;
    let traces: Vec<Arc<Trace>> = traces.into_iter().map(|(_, trace)| Arc::new(trace)).collect();
    let connector = args.connector()?;
    match args.viewers {
        Some(viewers) => crowd(args, viewers, connector, traces),
        None if traces.len() > 1 => Err(PlayError::Networks),
        None => alone(args, connector, traces.into_iter().next()),
    }
}

fn crowd(args: &Args, viewers: u32, connector: Connector, traces: Vec<Arc<Trace>>) -> Result<(), PlayError> {
    let crowd = Crowd {
        viewers: usize::try_from(viewers).unwrap_or(usize::MAX),
        ramp: args.ramp.0,
        span: args.span.map(|span| span.0),
        setup: args.setup(connector, None, false, None),
        traces,
    };
    let report = viewers::watch(&crowd).map_err(PlayError::Runtime)?;
    let text = if args.json { format!("{:#}\n", play::json(&report)?) } else { report.text() };
    print(&mut io::stdout(), &text);
    if report.played > 0 {
        return Ok(());
    }
    let why = report.reasons.first().map_or_else(|| "they left at once".to_owned(), |(why, _)| why.clone());
    Err(PlayError::Nobody(why))
}

fn alone(args: &Args, connector: Connector, trace: Option<Arc<Trace>>) -> Result<(), PlayError> {
    let output = args.format()?;
    let setup = args.setup(connector, trace, true, output);
    let to_stdout = args.output.as_deref() == Some("-");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(PlayError::Runtime)?;
    let summary = runtime.block_on(async {
        let sinks = args.sinks()?;
        let mut view = args.view(to_stdout)?;
        Ok::<_, PlayError>(watch(setup, &mut *view, sinks, args.span.map(|span| span.0)).await?)
    })?;
    let text = if args.json { json(&summary)? } else { summary_text(&summary) };
    if to_stdout {
        print(&mut io::stderr(), &text);
    } else {
        print(&mut io::stdout(), &text);
    }
    summary.error.map_or(Ok(()), |why| Err(PlayError::Ended(why)))
}

/// Whoever closed it does not want to know.
fn print(out: &mut dyn io::Write, text: &str) {
    let _ = out.write_all(text.as_bytes());
}

fn json(summary: &Summary) -> Result<String, PlayError> {
    let mut value = play::json(summary)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("event".to_owned(), "summary".into());
    }
    Ok(value.to_string() + "\n")
}

impl Args {
    fn setup(
        &self,
        connector: Connector,
        trace: Option<Arc<Trace>>,
        inspect: bool,
        output: Option<Option<Format>>,
    ) -> Setup {
        let patience = Patience { answer: millis(self.timeout), ..Patience::default() };
        let options = Options {
            algorithm: self.abr,
            buffer: millis(self.buffer).max(1.0),
            latency: self.latency.map(millis),
            start: self.start.map(|start| start * 1000.0),
            parts: !self.no_parts,
            abandon: !self.no_abandon,
            replace: self.replace.map(Replaced::strategy),
            paced: !self.fast,
            wanted: Wanted {
                least: self.min_rate,
                most: self.max_rate,
                codec: self.codec.clone(),
                audio: self.audio.clone(),
            },
            patience,
        };
        let fields = self.header.clone().into();
        Setup { uri: self.playlist.clone(), options, connector, fields, trace, inspect, output }
    }

    fn connector(&self) -> Result<Connector, TlsError> {
        let connector = Connector::new().deadline(self.timeout.0);
        let trust = match &self.ca {
            Some(file) => Trust::SystemAnd(file.clone()),
            None if self.insecure => Trust::Anybody,
            None => return Ok(connector),
        };
        Ok(connector.trusting(ClientTls::new(&ClientTlsConfig { trust, certificate: None })?))
    }

    /// The files that are written.
    fn files(&self) -> impl Iterator<Item = &Path> {
        let output = self.output.as_deref().filter(|name| *name != "-").map(Path::new);
        output.into_iter().chain(self.record.as_deref())
    }

    /// Whether something is written, and as what, if that is said.
    fn format(&self) -> Result<Option<Option<Format>>, PlayError> {
        if self.output.is_none() && self.record.is_none() {
            return Ok(None);
        }
        if let Some(format) = self.format {
            return Ok(Some(Some(match format {
                Written::Ts => Format::MpegTs,
                Written::Fmp4 => Format::Fmp4,
            })));
        }
        let mut named = None;
        for path in self.files() {
            let Some(extension) = path.extension() else { continue };
            let format = match extension.to_string_lossy().to_lowercase().as_str() {
                "mp4" | "m4v" | "m4a" | "m4s" | "cmfv" | "cmfa" => Format::Fmp4,
                "ts" | "m2ts" | "mts" => Format::MpegTs,
                _ => return Err(PlayError::Name(path.to_owned())),
            };
            if named.replace(format).is_some_and(|other| other != format) {
                return Err(PlayError::Formats);
            }
        }
        Ok(Some(named))
    }

    fn sinks(&self) -> Result<Vec<Sink>, PlayError> {
        let mut sinks = Vec::new();
        if self.output.as_deref() == Some("-") {
            let failed = |source| PlayError::Write { path: "-".into(), source };
            sinks.push(Sink::stdout().map_err(failed)?);
        }
        for path in self.files() {
            let failed = |source| PlayError::Write { path: path.to_owned(), source };
            sinks.push(Sink::file(path).map_err(failed)?);
        }
        Ok(sinks)
    }

    /// What shows how it goes.
    fn view(&self, to_stdout: bool) -> Result<Box<dyn View>, PlayError> {
        let out = || -> Box<dyn io::Write + Send> {
            if to_stdout { Box::new(io::stderr()) } else { Box::new(io::stdout()) }
        };
        if self.json {
            return Ok(Box::new(Lines::json(out())));
        }
        let on_screen = !to_stdout && !self.lines && !self.verbose;
        if on_screen && io::stdout().is_terminal() && io::stdin().is_terminal() {
            let title = format!("{} by {}", self.playlist, self.abr);
            let screen = Screen::take(title, millis(self.buffer));
            return Ok(Box::new(screen.map_err(|error| PlayError::Watch(WatchError::View(error)))?));
        }
        Ok(Box::new(Lines::words(out(), self.verbose)))
    }
}

fn millis(span: TimeSpan) -> Ms {
    span.0.as_secs_f64() * 1000.0
}

/// `Name: value`.
fn field(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || "not of the form \"Name: value\"".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    Ok((name, value.trim().parse().map_err(|_| wrong())?))
}

fn kbps(text: &str) -> Result<Kbps, String> {
    finite(text).filter(|rate| *rate > 0.0).ok_or_else(|| "not a number above 0".to_owned())
}

fn place(text: &str) -> Result<f64, String> {
    finite(text).ok_or_else(|| "not a number of seconds".to_owned())
}

fn finite(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}
