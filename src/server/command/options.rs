//! What a user may type for any server: the command line, and the same options in a file.
//!
//! One struct is both, so that no option can be in one and not in the other. Everything is optional here: what nobody set keeps its default,
//! which is known only to [`ServerConfig`](super::ServerConfig) and to what a command adds to it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::Table;

use super::config::TlsClientAuth;
use crate::net::addr::{ListenAddr, Prefixes};
use crate::net::shards::Threading;
use crate::server::log::{LogFormat, LogLevel};
use crate::server::units::TimeSpan;

/// Headings of the help, which several commands have.
const LISTENING: &str = "Listening";
const TLS: &str = "TLS";
pub(in crate::server) const TIMEOUTS: &str = "Timeouts and rates";
pub(in crate::server) const LIMITS: &str = "Limits (over them, a request is refused)";
pub(in crate::server) const LOGS: &str = "Logs and metrics";
const CONFIGURATION: &str = "Configuration";

/// Options that can stand on the command line and in a file. Those of a command are several structs, as serde cannot say of a struct in another both
/// which fields it has and in which line one is wrong.
pub(in crate::server) trait OptionSet: clap::Args + Clone + Default {
    /// Those that a file has. Other names in it are nobody's here.
    ///
    /// # Errors
    /// A value that is not of its kind.
    fn from_toml(text: &str) -> Result<Self, toml::de::Error>;

    /// Those that are set, by name.
    ///
    /// # Errors
    /// A value that TOML cannot hold.
    fn table(&self) -> Result<Table, toml::ser::Error>;
}

/// The options of several structs as one table.
///
/// # Errors
/// A value that TOML cannot hold.
pub(in crate::server) fn merged(
    own: &impl Serialize,
    listening: &ListenOptions,
    logs: &LogOptions,
) -> Result<Table, toml::ser::Error> {
    let mut table = Table::try_from(own)?;
    table.extend(Table::try_from(listening)?);
    table.extend(Table::try_from(logs)?);
    Ok(table)
}

/// The file of options.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct FileArgs {
    /// Read options from a TOML file; what is typed wins.
    #[arg(long, value_name = "FILE", help_heading = CONFIGURATION)]
    pub config: Option<PathBuf>,
    /// Print the configuration in effect as TOML, and exit.
    #[arg(long, help_heading = CONFIGURATION)]
    pub print_config: bool,
}

/// Where a server listens, and how. In a file each has the same name without its dashes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct ListenOptions {
    /// ADDRESS:PORT, :PORT, unix:PATH or fd:N; repeatable.
    #[arg(long, short = 'l', value_name = "ADDR", help_heading = LISTENING)]
    pub listen: Option<Vec<ListenAddr>>,
    /// Proxies that must send a PROXY header; repeatable.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = prefix, help_heading = LISTENING)]
    pub proxy_protocol_from: Option<Vec<String>>,
    /// Connections at once; 0 for no limit.
    #[arg(long, value_name = "N", help_heading = LISTENING)]
    pub max_connections: Option<usize>,
    /// From one address (IPv6: /64); 0 for no limit.
    #[arg(long, value_name = "N", help_heading = LISTENING)]
    pub max_connections_per_address: Option<usize>,
    /// Threads that serve connections; by default one a core.
    #[arg(long, value_name = "N", help_heading = LISTENING)]
    pub threads: Option<usize>,
    /// Share work between threads or not.
    #[arg(long, value_name = "per-core|shared", hide_possible_values = true, help_heading = LISTENING)]
    pub threading: Option<Threading>,
    /// Time for requests and calls to end when the server stops.
    #[arg(long, value_name = "TIME", help_heading = LISTENING)]
    pub drain_timeout: Option<TimeSpan>,

    /// Certificate with its chain, in PEM; repeatable, chosen by SNI.
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub tls_cert: Option<Vec<PathBuf>>,
    /// Private key of the certificate at the same position, in PEM.
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub tls_key: Option<Vec<PathBuf>>,
    /// Make up a certificate for localhost, for development.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, help_heading = TLS)]
    pub tls_self_signed: Option<bool>,
    /// Ask clients for a certificate signed by one of these, in PEM.
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub tls_client_ca: Option<PathBuf>,
    /// Whether clients without a certificate get in.
    #[arg(long, value_name = "required|optional", hide_possible_values = true, help_heading = TLS)]
    pub tls_client_auth: Option<TlsClientAuth>,
    /// Time for a TLS handshake.
    #[arg(long, value_name = "TIME", help_heading = TLS)]
    pub tls_handshake_timeout: Option<TimeSpan>,
}

/// What a server tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct LogOptions {
    /// Log each request or call, to stdout (-) or to a file.
    #[arg(long, value_name = "-|FILE", help_heading = LOGS)]
    pub access_log: Option<PathBuf>,
    /// Answer /metrics (Prometheus) and /healthz at this address.
    #[arg(long, value_name = "ADDR", help_heading = LOGS)]
    pub metrics: Option<ListenAddr>,
    /// The server's own log, on stderr.
    #[arg(long, value_name = "text|json", hide_possible_values = true, help_heading = LOGS)]
    pub log: Option<LogFormat>,
    /// error, warn, info, debug or trace; or set WIREWORKS_LOG.
    #[arg(long, value_name = "LEVEL", hide_possible_values = true, help_heading = LOGS)]
    pub log_level: Option<LogLevel>,
}

/// Checks a prefix, and keeps it as it was typed.
fn prefix(text: &str) -> Result<String, String> {
    let parsed: Result<Prefixes, _> = text.parse();
    parsed.map(|_| text.to_owned()).map_err(|error| error.to_string())
}
