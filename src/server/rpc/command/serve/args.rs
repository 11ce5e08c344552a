//! What a user may type after `wireworks rpc serve`: the command line, and the same options in a file.

use std::num::NonZeroUsize;

use clap::Command;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::config::{AccessLogFormat, Config};
use crate::server::command::{
    Configured, FileArgs, LIMITS, LOGS, ListenOptions, LogOptions, OptionSet, TIMEOUTS, merged, with_defaults,
};
use crate::server::units::{ByteSize, Frequency, TimeSpan};

/// The command line of `wireworks rpc serve`.
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
  wireworks rpc serve                              the demo services on 127.0.0.1:7000
  wireworks rpc serve --listen :7000 --listen unix:/run/rpc.sock
  wireworks rpc serve --tls-self-signed --access-log -
  wireworks rpc serve --tls-cert rpc.pem --tls-key rpc.key --tls-client-ca clients.pem
  wireworks rpc serve --config rpc.toml --print-config  what that file comes to

Durations are written as 500ms, 30s, 2m; sizes as 32KiB, 10MB; rates as 100/s, 600/m.
Signals: TERM and INT end the server when its calls are done, a second one at once; HUP reads
certificates again and reopens the access log.";

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

    /// How long connections stay, a tenth less or more by chance.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub max_connection_age: Option<TimeSpan>,
    /// The longest time that a call gets, whatever its caller says.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub max_deadline: Option<TimeSpan>,
    /// From accept to the caller's first frame, TLS apart.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub hello_timeout: Option<TimeSpan>,
    /// Ping a caller that is silent for so long during a call; 0 for never.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub ping_interval: Option<TimeSpan>,
    /// The same without a call; 0 for never.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub idle_ping_interval: Option<TimeSpan>,
    /// Time for the answer; then the caller is given up.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub pong_timeout: Option<TimeSpan>,
    /// How often callers may ping; who does more often is cut.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub min_ping_interval: Option<TimeSpan>,
    /// Time for the end of a connection.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub close_timeout: Option<TimeSpan>,
    /// Calls of one peer, by certificate or address: 100/s, and a hundred at once.
    #[arg(long, value_name = "RATE", help_heading = TIMEOUTS)]
    pub rate_limit: Option<Frequency>,

    /// Calls at once on each connection; further ones can be made again.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_calls: Option<u32>,
    /// Calls at once in all; further ones are told when to come back.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_calls_at_work: Option<NonZeroUsize>,
    /// A message, decompressed.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_message: Option<ByteSize>,
    /// Metadata of a call.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_metadata: Option<ByteSize>,
    /// What may wait for a slow caller; over it its calls are refused.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_unsent: Option<ByteSize>,
    /// Compress answers of this size and more by zstd, for callers that read it.
    #[arg(long, value_name = "SIZE", help_heading = "Answers")]
    pub compress_from: Option<ByteSize>,

    /// What a line of the access log looks like.
    #[arg(long, value_name = "text|json", hide_possible_values = true, help_heading = LOGS)]
    pub access_log_format: Option<AccessLogFormat>,
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
