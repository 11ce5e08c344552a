//! What a user may type after `wireworks hls live`: the command line, and the same options in a file.

use std::path::PathBuf;

use clap::Command;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::config::Config;
use crate::server::command::{
    Configured, FileArgs, LIMITS, ListenOptions, LogOptions, OptionSet, merged, with_defaults,
};
use crate::server::hls::access::{PublisherOptions, ViewerOptions};
use crate::server::hls::rtmp::RtmpOptions;
use crate::server::hls::upload::UploadOptions;
use crate::server::units::{ByteSize, TimeSpan};

/// The command line of `wireworks hls live`.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The options that a file can hold as well.
    #[command(flatten)]
    pub options: Options,
    /// The file of them.
    #[command(flatten)]
    pub file: FileArgs,
}

const EXAMPLES: &str = "\
Examples:
  wireworks hls live                                http://127.0.0.1:8085/ shows what is published
  ffmpeg -re -i film.mp4 -c copy -f mpegts - | curl -T - http://127.0.0.1:8085/live/stage
  ffmpeg -re -i film.mp4 -c copy -f mpegts - | wireworks hls live --stdin stage
  wireworks hls live --tcp stage=:9000 --record /srv/recordings
  ffmpeg -re -i film.mp4 -c copy -f mpegts tcp://127.0.0.1:9000
  wireworks hls live --demo                         a test picture, for ever
  wireworks hls live --rtmp :1935 --stream-key stage:SECRET
  ffmpeg -re -i film.mp4 -c copy -f flv 'rtmp://127.0.0.1/live/stage?key=SECRET'
  wireworks hls live --rtmp :1935 --link-keys link.keys --upload s3://bucket/cdn
  wireworks hls live --window 2h --memory 4GiB      viewers can go two hours back
  wireworks hls live --part 0s --segment 6s         without low latency

A stream is published by PUT or POST of /live/NAME, or /live/NAME/RENDITION for each of several renditions, as MPEG-TS
or fragmented MP4; players open /live/NAME/index.m3u8. DELETE of /live/NAME ends it. Durations are written as 500ms,
6s, 2m; sizes as 64MiB, 1GB.
Signals: TERM and INT end all streams, and then the server, a second one at once; HUP reads certificates,
keys and tokens again and reopens the access log.";

const FEEDS: &str = "Where feeds come from";
const MEDIA: &str = "What viewers get";

impl Args {
    /// The command with the default of each option behind its help.
    #[must_use]
    pub fn with_defaults(command: Command) -> Command {
        with_defaults(command, &Config::default().shown())
    }
}

/// The options, as typed; in a file each has the same name without its dashes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct Options {
    /// Take feeds over TCP: each connection is the stream NAME, or one called tcp-1 and so on; repeatable.
    #[arg(long, value_name = "[NAME=]ADDR", help_heading = FEEDS)]
    pub tcp: Option<Vec<String>>,
    /// Play a clip that is part of the program for ever, as the stream demo.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, help_heading = FEEDS)]
    pub demo: Option<bool>,
    /// Publish the standard input as this stream.
    #[arg(long, value_name = "NAME", help_heading = FEEDS)]
    pub stdin: Option<String>,
    /// How long a stream waits for a publisher that has left, before it ends.
    #[arg(long, value_name = "TIME", help_heading = FEEDS)]
    pub reconnect: Option<TimeSpan>,
    /// A publisher that says nothing for so long has left.
    #[arg(long, value_name = "TIME", help_heading = FEEDS)]
    pub silence: Option<TimeSpan>,

    /// How long segments should be; they end at key frames.
    #[arg(long, value_name = "TIME", help_heading = MEDIA)]
    pub segment: Option<TimeSpan>,
    /// How long a segment may be at most, where key frames are further apart.
    #[arg(long, value_name = "TIME", help_heading = MEDIA)]
    pub longest_segment: Option<TimeSpan>,
    /// How long parts of segments should be, for low latency; 0s for no parts.
    #[arg(long, value_name = "TIME", help_heading = MEDIA)]
    pub part: Option<TimeSpan>,
    /// How far viewers can go back.
    #[arg(long, value_name = "TIME", help_heading = MEDIA)]
    pub window: Option<TimeSpan>,
    /// Keep all of each stream, so that viewers can go back to its beginning (playlists of type EVENT).
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, help_heading = MEDIA)]
    pub event: Option<bool>,
    /// How long a stream that has ended can be watched.
    #[arg(long, value_name = "TIME", help_heading = MEDIA)]
    pub linger: Option<TimeSpan>,
    /// Record each stream into a folder of its own in this one, which `wireworks hls serve` serves.
    #[arg(long, value_name = "DIR", help_heading = MEDIA)]
    pub record: Option<PathBuf>,
    /// Pages that may play what is served: * or origins; repeatable.
    #[arg(long, value_name = "ORIGIN", help_heading = MEDIA)]
    pub cors: Option<Vec<String>>,

    /// Streams at once, those that have just ended among them.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_streams: Option<usize>,
    /// Renditions of a stream, each with one publisher.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_renditions: Option<usize>,
    /// Memory for the segments of all streams; where it is not enough, viewers can go back less far.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub memory: Option<ByteSize>,
    /// Samples of a rendition that wait for the end of their part, or for a key frame.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub held: Option<ByteSize>,
    /// How far a publisher may be ahead of the clock, before it is made to wait.
    #[arg(long, value_name = "TIME", help_heading = LIMITS)]
    pub ahead: Option<TimeSpan>,

    /// Encoders that speak RTMP.
    #[command(flatten)]
    #[serde(skip)]
    pub rtmp: RtmpOptions,
    /// Who may publish.
    #[command(flatten)]
    #[serde(skip)]
    pub publishers: PublisherOptions,
    /// Who may watch.
    #[command(flatten)]
    #[serde(skip)]
    pub viewers: ViewerOptions,
    /// A bucket for a CDN.
    #[command(flatten)]
    #[serde(skip)]
    pub upload: UploadOptions,
    /// Where to listen, and how.
    #[command(flatten)]
    #[serde(skip)]
    pub listening: ListenOptions,
    /// What the server tells of itself.
    #[command(flatten)]
    #[serde(skip)]
    pub logs: LogOptions,
}

impl OptionSet for Options {
    fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        let (listening, logs) = (toml::from_str(text)?, toml::from_str(text)?);
        let (publishers, viewers) = (toml::from_str(text)?, toml::from_str(text)?);
        let (rtmp, upload) = (toml::from_str(text)?, toml::from_str(text)?);
        Ok(Self { listening, logs, rtmp, publishers, viewers, upload, ..toml::from_str(text)? })
    }

    fn table(&self) -> Result<Table, toml::ser::Error> {
        let mut table = merged(self, &self.listening, &self.logs)?;
        table.extend(Table::try_from(&self.rtmp)?);
        table.extend(Table::try_from(&self.publishers)?);
        table.extend(Table::try_from(&self.viewers)?);
        table.extend(Table::try_from(&self.upload)?);
        Ok(table)
    }
}
