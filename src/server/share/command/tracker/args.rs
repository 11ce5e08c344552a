//! What a user may type after `wireworks share tracker`: the command line, and the same options in a file.

use std::path::PathBuf;

use clap::Command;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::config::Config;
use crate::server::command::{
    Configured, FileArgs, LIMITS, ListenOptions, LogOptions, OptionSet, TIMEOUTS, merged, with_defaults,
};
use crate::server::units::TimeSpan;

/// The command line of `wireworks share tracker`.
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
  wireworks share tracker                          http://127.0.0.1:6969/announce and udp://127.0.0.1:6969
  wireworks share tracker --listen :6969           for all
  wireworks share tracker --listen :443 --tls-cert site.pem --tls-key site.key --udp :6969
  wireworks share tracker --listen :6969 --allow torrents.txt --metrics :9090
  wireworks share create film.mp4 --tracker http://tracker.example:6969/announce

A page at / and JSON at /stats show what it has seen. Durations are written as 500ms, 30s, 2m.
Signals: TERM and INT end it when its requests are done, a second one at once; HUP reads certificates and the list of
torrents again and reopens the access log.";

const PACKETS: &str = "Packets";
const PEERS: &str = "Peers";
const WHO: &str = "What is tracked, and who is believed";

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
    /// Where to listen, and how.
    #[command(flatten)]
    #[serde(skip)]
    pub listening: ListenOptions,
    /// Where packets come: same as HTTP, none, or ADDRESS:PORT; repeatable.
    #[arg(long, value_name = "same|none|ADDR", help_heading = PACKETS)]
    pub udp: Option<Vec<String>>,

    /// Track the torrents of this file only: an info hash a line.
    #[arg(long, value_name = "FILE", help_heading = WHO)]
    pub allow: Option<PathBuf>,
    /// Peers that may say which address they have (ip=), as those that send PROXY headers always may; repeatable.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = WHO)]
    pub believe: Option<Vec<String>>,

    /// Peers that are told to who does not say how many.
    #[arg(long, value_name = "N", help_heading = PEERS)]
    pub numwant: Option<u32>,
    /// Peers that are told at most.
    #[arg(long, value_name = "N", help_heading = PEERS)]
    pub max_numwant: Option<u32>,
    /// Torrents that are told to who scrapes without naming one; at 0 nobody can.
    #[arg(long, value_name = "N", help_heading = PEERS)]
    pub full_scrape: Option<usize>,

    /// After how long peers are to announce again.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub interval: Option<TimeSpan>,
    /// Before what they are not to.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub min_interval: Option<TimeSpan>,
    /// After how long a silent peer is forgotten; one and a half intervals unless set.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub expiry: Option<TimeSpan>,

    /// Requests a minute from one address (IPv6: /64); 0 for no limit.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_requests_per_minute: Option<u16>,
    /// Peers of a torrent at one address (IPv6: /64); a new one takes the place of the oldest.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_peers_per_address: Option<usize>,
    /// Peers of one torrent; further ones are answered, but not told of.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_peers_per_torrent: Option<usize>,
    /// Peers of all torrents; likewise.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_peers: Option<usize>,
    /// Torrents; peers of further ones are refused.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_torrents: Option<usize>,

    /// What the server tells of itself.
    #[command(flatten)]
    #[serde(skip)]
    pub logs: LogOptions,
}

impl OptionSet for Options {
    fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        let (listening, logs) = (toml::from_str(text)?, toml::from_str(text)?);
        Ok(Self { listening, logs, ..toml::from_str(text)? })
    }

    fn table(&self) -> Result<Table, toml::ser::Error> {
        merged(self, &self.listening, &self.logs)
    }
}
