//! What a user may type: the command line, and the same options in a file.
//!
//! One struct is both, so that no option can be in one and not in the other. Everything is optional here: what nobody set
//! keeps its default, which is known only to [`Config`](super::Config) and shown by [`Args::with_defaults`].

use std::path::PathBuf;

use clap::Command;
use clap::builder::PossibleValuesParser;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::config::{AccessLogFormat, Config, Deflate, Site};
use crate::server::command::{
    Configured, FileArgs, LIMITS, LOGS, ListenOptions, LogOptions, OptionSet, TIMEOUTS, merged, with_defaults,
};
use crate::server::credentials::Secret;
use crate::server::units::{ByteSize, Frequency, TimeSpan};

/// The command line of `wireworks http`, and of `wireworks ws serve`, which has other words for it.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// The options that a file can hold as well.
    #[command(flatten)]
    pub options: Options,
    /// The file of them.
    #[command(flatten)]
    pub file: FileArgs,
}

const ABOUT: &str = "Serve files, or the demo application, over HTTP/1.1";

const EXAMPLES: &str = "\
Examples:
  wireworks http                                   the demo application on http://127.0.0.1:8080/
  wireworks http public                            the files in the folder public
  wireworks http dist --spa index.html             a single-page application
  wireworks http public --listen :80 --listen unix:/run/web.sock
  wireworks http public --listen :8443 --tls-self-signed
  wireworks http public --listen :443 --tls-cert site.pem --tls-key site.key
  wireworks http --config web.toml --print-config  what that file comes to

Durations are written as 500ms, 30s, 2m; sizes as 32KiB, 10MB; rates as 100/s, 600/m.
A flag can be taken back with =false, for example over a file: --hidden=false.
Signals: TERM and INT end the server when its requests are done, a second one at once; HUP reads certificates,
users and tokens again and reopens the access log.";

const FILES: &str = "Files (with DIR)";
const REPLIES: &str = "Requests and replies";
const SOCKETS: &str = "WebSockets";

impl Args {
    /// The command with the default of each option behind its help.
    #[must_use]
    pub fn with_defaults(site: Site, command: Command) -> Command {
        with_defaults(command, &Config::of(site).shown())
    }
}

/// The options, as typed; in a file each has the same name without its dashes, and `no-x` is `x = false`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct Options {
    /// Folder to serve; without it, the demo application.
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Where to listen, and how.
    #[command(flatten)]
    #[serde(skip)]
    pub listening: ListenOptions,

    /// Whether folders without an index file are listed.
    #[arg(long = "no-listing", help = "Do not list folders that have no index file", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = negated(), hide_possible_values = true, help_heading = FILES)]
    pub listing: Option<bool>,
    /// File that stands for its folder; repeatable.
    #[arg(long, value_name = "NAME", help_heading = FILES)]
    pub index: Option<Vec<String>>,
    /// Answer with this file in DIR where there is none.
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub spa: Option<String>,
    /// Serve names that begin with a dot, too.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, help_heading = FILES)]
    pub hidden: Option<bool>,
    /// Follow symbolic links that are relative and stay in DIR.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, help_heading = FILES)]
    pub follow_symlinks: Option<bool>,
    /// Value of Cache-Control on files.
    #[arg(long, value_name = "VALUE", help_heading = FILES)]
    pub cache_control: Option<String>,
    /// Whether FILE.br, FILE.zst and FILE.gz stand in for FILE.
    #[arg(long = "no-precompressed", help = "Do not look for FILE.br, FILE.zst and FILE.gz beside FILE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = negated(), hide_possible_values = true, help_heading = FILES)]
    pub precompressed: Option<bool>,

    /// Whether replies are compressed.
    #[arg(long = "no-compress", help = "Do not compress replies", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = negated(), hide_possible_values = true, help_heading = REPLIES)]
    pub compress: Option<bool>,
    /// Let pages of this origin read replies; * for all; repeatable.
    #[arg(long, value_name = "ORIGIN", help_heading = REPLIES)]
    pub cors: Option<Vec<String>>,
    /// Ask for a name and password; a file has such lines.
    #[arg(long, value_name = "USER:PASSWORD|FILE", help_heading = REPLIES)]
    pub basic_auth: Option<Secret>,
    /// Ask for a token; a file has such lines.
    #[arg(long, value_name = "NAME:TOKEN|FILE", help_heading = REPLIES)]
    pub bearer_auth: Option<Secret>,
    /// Requests from one address: 100/s, 600/m; over it 429.
    #[arg(long, value_name = "RATE", help_heading = REPLIES)]
    pub rate_limit: Option<Frequency>,
    /// Requests at once; over it 503; 0 for no limit.
    #[arg(long, value_name = "N", help_heading = REPLIES)]
    pub max_concurrent: Option<usize>,
    /// Add fields that make browsers careful.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, help_heading = REPLIES)]
    pub security_headers: Option<bool>,
    /// Give each request an id (X-Request-Id, and in the log).
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, help_heading = REPLIES)]
    pub request_id: Option<bool>,
    /// Value of Server in replies; by default it is left out.
    #[arg(long, value_name = "VALUE", help_heading = REPLIES)]
    pub server_header: Option<String>,

    /// Subprotocol that sockets offer, the best first; repeatable.
    #[arg(long, value_name = "NAME", help_heading = SOCKETS)]
    pub subprotocol: Option<Vec<String>>,
    /// Pages that may open sockets: same, * or origins; repeatable.
    #[arg(long, value_name = "ORIGIN", help_heading = SOCKETS)]
    pub origin: Option<Vec<String>>,
    /// Compression of messages: shared keeps no memory a connection.
    #[arg(long, value_name = "off|shared|dedicated", hide_possible_values = true, help_heading = SOCKETS)]
    pub deflate: Option<Deflate>,
    /// How hard messages are compressed, from 0 to 9.
    #[arg(long, value_name = "N", help_heading = SOCKETS)]
    pub deflate_level: Option<u32>,
    /// Window of compression, from 9 to 15: 2^N bytes.
    #[arg(long, value_name = "N", help_heading = SOCKETS)]
    pub deflate_window: Option<u8>,
    /// Shorter messages are sent as they are.
    #[arg(long, value_name = "SIZE", help_heading = SOCKETS)]
    pub deflate_threshold: Option<ByteSize>,
    /// Connections with dedicated compressors; more share them.
    #[arg(long, value_name = "N", help_heading = SOCKETS)]
    pub max_deflate_contexts: Option<usize>,
    /// A message, inflated; over it the close code is 1009.
    #[arg(long, value_name = "SIZE", help_heading = SOCKETS)]
    pub max_message: Option<ByteSize>,
    /// What may wait for a slow peer; over it 1013.
    #[arg(long, value_name = "SIZE", help_heading = SOCKETS)]
    pub max_unsent: Option<ByteSize>,
    /// Ping a peer that is quiet for so long; 0 for never.
    #[arg(long, value_name = "TIME", help_heading = SOCKETS)]
    pub ping_interval: Option<TimeSpan>,
    /// Time for the answer; then the peer is given up.
    #[arg(long, value_name = "TIME", help_heading = SOCKETS)]
    pub pong_timeout: Option<TimeSpan>,
    /// Time for the closing handshake.
    #[arg(long, value_name = "TIME", help_heading = SOCKETS)]
    pub close_timeout: Option<TimeSpan>,

    /// From accept to the end of a request's head; over it 408.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub head_timeout: Option<TimeSpan>,
    /// Wait for the next request on a connection.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub idle_timeout: Option<TimeSpan>,
    /// Longest pause within a body, either way.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub stall_timeout: Option<TimeSpan>,
    /// Time to begin a reply; over it 503; 0 for no limit.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub handler_timeout: Option<TimeSpan>,
    /// Time for a refused client to go on sending.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub linger_timeout: Option<TimeSpan>,
    /// Body's bytes per second; slower is 408.
    #[arg(long, value_name = "SIZE", help_heading = TIMEOUTS)]
    pub min_read_rate: Option<ByteSize>,
    /// Reply's bytes per second; slower is cut.
    #[arg(long, value_name = "SIZE", help_heading = TIMEOUTS)]
    pub min_write_rate: Option<ByteSize>,
    /// Time before the read rate counts.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub min_read_grace: Option<TimeSpan>,
    /// Time before the write rate counts.
    #[arg(long, value_name = "TIME", help_heading = TIMEOUTS)]
    pub min_write_grace: Option<TimeSpan>,

    /// Head of a request; over it 431.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_head: Option<ByteSize>,
    /// Target of a request; over it 414.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_uri: Option<ByteSize>,
    /// Field lines of a head; over it 431.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_fields: Option<usize>,
    /// Body of a request; over it 413.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_body: Option<ByteSize>,
    /// Chunk extensions in one body; over it 400.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_chunk_extensions: Option<ByteSize>,
    /// Trailer section; over it 431.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_trailers: Option<ByteSize>,
    /// Requests on one connection; then it is closed.
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_requests_per_connection: Option<u64>,
    /// Unwanted body that is read to keep a connection.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_drain: Option<ByteSize>,
    /// What a refused client may go on sending.
    #[arg(long, value_name = "SIZE", help_heading = LIMITS)]
    pub max_linger: Option<ByteSize>,

    /// What a line of the access log looks like.
    #[arg(long, value_name = "combined|json", hide_possible_values = true, help_heading = LOGS)]
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

/// The value of a flag `--no-x`, for the option `x`.
fn negated() -> impl clap::builder::TypedValueParser<Value = bool> {
    use clap::builder::TypedValueParser;
    PossibleValuesParser::new([hidden_value("true"), hidden_value("false")]).map(|text| text != "true")
}

fn hidden_value(name: &'static str) -> clap::builder::PossibleValue {
    clap::builder::PossibleValue::new(name).hide(true)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Door {
        #[command(flatten)]
        args: Args,
    }

    fn typed(line: &str) -> Args {
        let words = ["wireworks"].into_iter().chain(line.split_whitespace());
        Door::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).args
    }

    #[test]
    fn nothing_typed_is_nothing_set() {
        assert_eq!(typed(""), Args::default());
    }

    #[test]
    fn options_are_typed() {
        let options =
            typed("public --listen :80 --listen unix:/run/a.sock --max-head 8KiB --rate-limit 5/m").options;
        assert_eq!(options.dir, Some("public".into()));
        assert_eq!(options.listening.listen.unwrap().len(), 2);
        assert_eq!(options.max_head, Some(ByteSize(8192)));
        assert_eq!(options.rate_limit, "5/m".parse().ok());
        let options = typed("--proxy-protocol-from 10.0.0.0/8,::1 --proxy-protocol-from 192.0.2.1").options;
        assert_eq!(options.listening.proxy_protocol_from.unwrap(), ["10.0.0.0/8", "::1", "192.0.2.1"]);
    }

    #[test]
    fn flags_are_set_and_taken_back() {
        let rows = [
            ("", None, None),
            ("--hidden", Some(true), None),
            ("--hidden=false", Some(false), None),
            ("--no-listing", None, Some(false)),
            ("--no-listing=true", None, Some(false)),
            ("--no-listing=false", None, Some(true)),
            ("--hidden public", Some(true), None),
        ];
        for (line, hidden, listing) in rows {
            let options = typed(line).options;
            assert_eq!((options.hidden, options.listing), (hidden, listing), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_name_of_its_option() {
        let rows = [
            ("--listen 8080", "--listen"),
            ("--proxy-protocol-from 10.0.0.0/40", "--proxy-protocol-from"),
            ("--head-timeout 30", "--head-timeout"),
            ("--max-body 8M", "--max-body"),
            ("--hidden=perhaps", "--hidden"),
            ("--no-listing=perhaps", "--no-listing"),
            ("--threading some", "--threading"),
            ("--rate-limit 5", "--rate-limit"),
            ("--max-connections -1", "-1"),
            ("--surely-not", "--surely-not"),
        ];
        for (line, name) in rows {
            let words = ["wireworks"].into_iter().chain(line.split_whitespace());
            let error = Door::try_parse_from(words).err().unwrap().to_string();
            assert!(error.contains(name), "{line}: {error}");
        }
    }

    #[test]
    fn a_file_has_the_names_of_the_command_line() {
        let command = <Door as clap::CommandFactory>::command();
        for argument in command.get_arguments() {
            let name = argument.get_id().as_str().replace('_', "-");
            if ["config", "print-config", "help"].contains(&name.as_str()) {
                continue;
            }
            // No option is a date, so its struct refuses it; a name that no struct has is not looked at.
            assert!(Options::from_toml(&format!("{name} = 2020-01-01\n")).is_err(), "{name}");
        }
    }
}
