//! What a user may type after `wireworks hls serve`: the command line, and the same options in a file.

use clap::Command;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::config::Config;
use crate::server::command::{
    Configured, FileArgs, ListenOptions, LogOptions, OptionSet, merged, with_defaults,
};
use crate::server::hls::access::ViewerOptions;
use crate::server::units::{ByteSize, TimeSpan};

/// The command line of `wireworks hls serve`.
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
  wireworks hls serve film.mp4                     http://127.0.0.1:8084/ plays it; /film/master.m3u8 is its playlist
  wireworks hls serve /srv/media                   packaged folders and media below a folder, all of them
  wireworks hls serve show=240p.mp4 show=480p.mp4 show=en.vtt
  wireworks hls serve film.mp4 --format ts --segment 4s
  wireworks hls serve packaged --listen :443 --tls-cert site.pem --tls-key site.key --cors https://example.org
  wireworks hls serve film.mp4 --link-keys link.keys        only for those who have a link:
  wireworks hls link --keys link.keys http://127.0.0.1:8084/film/master.m3u8

Media are packaged while they are watched, and nothing is written. /film/ts/master.m3u8 and /film/fmp4/master.m3u8
have segments of that kind whatever --format says. Durations are written as 500ms, 6s, 2m; sizes as 64MiB, 1GB.
Signals: TERM and INT end the server when its requests are done, a second one at once; HUP reads certificates,
keys and tokens again and reopens the access log.";

const SERVED: &str = "What is served";
const CACHING: &str = "Caching, and other sites";

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
    /// Folders and media (MP4, MPEG-TS, WebVTT), with a name or called by their path; media with the same NAME are renditions of one film.
    #[arg(value_name = "[NAME=]PATH")]
    pub input: Option<Vec<String>>,

    /// What segments of media are.
    #[arg(long, value_name = "fmp4|ts", help_heading = SERVED)]
    pub format: Option<String>,
    /// How long segments of media are at least; they are cut at key frames.
    #[arg(long, value_name = "TIME", help_heading = SERVED)]
    pub segment: Option<TimeSpan>,
    /// Memory for segments of media that were cut, for the next who asks.
    #[arg(long, value_name = "SIZE", help_heading = SERVED)]
    pub memory: Option<ByteSize>,

    /// Pages that may play what is served: * or origins; repeatable.
    #[arg(long, value_name = "ORIGIN", help_heading = CACHING)]
    pub cors: Option<Vec<String>>,
    /// How long caches keep complete playlists; 0s to be asked each time.
    #[arg(long, value_name = "TIME", help_heading = CACHING)]
    pub playlist_age: Option<TimeSpan>,
    /// How long caches keep segments; 0s to be asked each time.
    #[arg(long, value_name = "TIME", help_heading = CACHING)]
    pub segment_age: Option<TimeSpan>,

    /// Who may watch.
    #[command(flatten)]
    #[serde(skip)]
    pub viewers: ViewerOptions,
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
        let (listening, logs, viewers) =
            (toml::from_str(text)?, toml::from_str(text)?, toml::from_str(text)?);
        Ok(Self { listening, logs, viewers, ..toml::from_str(text)? })
    }

    fn table(&self) -> Result<Table, toml::ser::Error> {
        let mut table = merged(self, &self.listening, &self.logs)?;
        table.extend(Table::try_from(&self.viewers)?);
        Ok(table)
    }
}
