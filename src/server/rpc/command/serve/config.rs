//! A checked configuration of `wireworks rpc serve`: plain data, every value in its range, every default filled in.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::args::{Args, Options};
use crate::net::addr::ListenAddr;
use crate::net::clock::TICK;
use crate::net::conn::HIGH_WATER;
use crate::proto::rpc::settings::{LEAST_MESSAGE, LEAST_METADATA, MAX_CREDIT, MOST_METADATA};
use crate::server::command::{self, ConfigError, Configured, DAY, HOUR, ServerConfig, Way, useful};
use crate::server::rpc::Settings;
use crate::server::rpc::observe::Format;
use crate::server::units::{Frequency, TimeSpan};

/// Where it listens when nobody says.
pub const DEFAULT_LISTEN: ListenAddr =
    ListenAddr::Tcp(std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7000));

/// The configuration of the demo server.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What every server has: where it listens, certificates, logs.
    pub server: ServerConfig,
    /// What its connections put up with.
    pub settings: Settings,
    /// Calls at a time in all; `None` for any number.
    pub max_calls_at_work: Option<NonZeroUsize>,
    /// How often one peer may call; `None` for as often as it likes.
    pub rate_limit: Option<Frequency>,
    /// How long connections stay; `None` for ever.
    pub max_connection_age: Option<Duration>,
    /// What lines of the access log look like.
    pub access_log_format: AccessLogFormat,
}

/// The format of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AccessLogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl AccessLogFormat {
    pub(super) fn format(self) -> Format {
        match self {
            Self::Text => Format::Text,
            Self::Json => Format::Json,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: ServerConfig::listening(DEFAULT_LISTEN),
            settings: Settings::default(),
            max_calls_at_work: None,
            rate_limit: None,
            max_connection_age: None,
            access_log_format: AccessLogFormat::Text,
        }
    }
}

impl Config {
    /// The command line over the file over the defaults. Sockets handed over by a service manager (`LISTEN_FDS`) are used
    /// where neither says where to listen.
    ///
    /// # Errors
    /// The first value that cannot be used, by the name of its option.
    pub fn load(args: &Args) -> Result<Self, ConfigError> {
        Self::default().under(args.file.config.as_deref(), &args.options)
    }

    /// The configuration as a TOML file with every value in it, and those that are not set as comments.
    ///
    /// # Errors
    /// A path that is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        self.printed()
    }
}

impl Configured for Config {
    type Options = Options;

    fn command(&self) -> &'static str {
        "wireworks rpc serve"
    }

    fn server(&mut self) -> &mut ServerConfig {
        &mut self.server
    }

    fn walk(way: Way, o: &mut Options, c: &mut Self) -> Result<(), ConfigError> {
        command::listening(way, &mut o.listening, &mut c.server)?;
        timeouts(way, o, c)?;
        limits(way, o, c)?;
        way.value("access-log-format", &mut o.access_log_format, &mut c.access_log_format)?;
        command::logs(way, &mut o.logs, &mut c.server)
    }

    fn check(&self, typed: &Options) -> Result<(), ConfigError> {
        let of_log = [("access-log-format", typed.access_log_format.is_some())];
        useful(&of_log, self.server.access_log.is_some(), "--access-log")?;
        self.server.check_use(&typed.listening)
    }
}

fn timeouts(way: Way, o: &mut Options, c: &mut Config) -> Result<(), ConfigError> {
    way.maybe("max-connection-age", &mut o.max_connection_age, &mut c.max_connection_age)?;
    let settings = &mut c.settings;
    way.range("max-deadline", &mut o.max_deadline, &mut settings.max_deadline, TICK..=DAY)?;
    let patience = &mut settings.patience;
    way.range("hello-timeout", &mut o.hello_timeout, &mut patience.hello_timeout, TICK..=HOUR)?;
    interval(way, "ping-interval", &mut o.ping_interval, &mut patience.busy_interval)?;
    interval(way, "idle-ping-interval", &mut o.idle_ping_interval, &mut patience.idle_interval)?;
    way.range("pong-timeout", &mut o.pong_timeout, &mut patience.pong_timeout, TICK..=HOUR)?;
    let least = &mut settings.min_ping_interval;
    way.range("min-ping-interval", &mut o.min_ping_interval, least, Duration::ZERO..=HOUR)?;
    way.range("close-timeout", &mut o.close_timeout, &mut settings.close_timeout, TICK..=HOUR)?;
    way.maybe("rate-limit", &mut o.rate_limit, &mut c.rate_limit)
}

/// An interval of pings: 0 for never.
fn interval(
    way: Way,
    name: &'static str,
    typed: &mut Option<TimeSpan>,
    held: &mut Option<Duration>,
) -> Result<(), ConfigError> {
    let mut interval = held.unwrap_or_default();
    way.range(name, typed, &mut interval, Duration::ZERO..=DAY)?;
    *held = Some(interval).filter(|interval| !interval.is_zero());
    Ok(())
}

fn limits(way: Way, o: &mut Options, c: &mut Config) -> Result<(), ConfigError> {
    let settings = &mut c.settings;
    way.range("max-calls", &mut o.max_calls, &mut settings.max_calls, 1..=MAX_CREDIT)?;
    way.maybe("max-calls-at-work", &mut o.max_calls_at_work, &mut c.max_calls_at_work)?;
    let size = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    let messages = size(LEAST_MESSAGE)..=size(MAX_CREDIT);
    way.range("max-message", &mut o.max_message, &mut settings.max_message, messages)?;
    let metadata = size(LEAST_METADATA)..=size(MOST_METADATA);
    way.range("max-metadata", &mut o.max_metadata, &mut settings.max_metadata, metadata)?;
    way.range("max-unsent", &mut o.max_unsent, &mut settings.max_unsent, HIGH_WATER..=1 << 32)?;
    way.maybe("compress-from", &mut o.compress_from, &mut settings.compress_from)
}
