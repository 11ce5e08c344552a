//! A checked configuration: plain data, every value in its range, every default filled in.
//!
//! The defaults are those of the library's own types ([`Settings`], [`ConnectionLimits`]) and are written nowhere else. The
//! layers are put on by the table in `rows.rs`; here stands what is laid over what, and what no single value can tell.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::args::{Args, Options};
use super::credentials::Secret;
use super::{file, rows, show};
use crate::net::addr::{Inherited, ListenAddr, Prefixes};
use crate::net::limits::ConnectionLimits;
use crate::net::shards::{Threading, cores};
use crate::proto::ws::deflate;
use crate::proto::ws::handshake::server::Origins;
use crate::proto::ws::keeper::Patience;
use crate::server::http::builder::{DRAIN_TIMEOUT, NAME, TLS_HANDSHAKE_TIMEOUT};
use crate::server::http::middleware::access_log::Target;
use crate::server::http::settings::Settings;
use crate::server::units::Frequency;
use crate::server::ws;

/// Where the server listens unless told otherwise: this machine only, on the port that development servers use.
pub const DEFAULT_LISTEN: ListenAddr = ListenAddr::Tcp(std::net::SocketAddr::V4(
    std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 8080),
));

/// The same for sockets.
pub const DEFAULT_SOCKETS: ListenAddr = ListenAddr::Tcp(std::net::SocketAddr::V4(
    std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 8081),
));

/// Descriptors that a service manager hands over at most. As in [`net::listen`](crate::net::listen).
const MAX_HANDED_OVER: usize = 1024;

/// The configuration of one HTTP server.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which of the two commands it is for.
    pub site: Site,
    /// The folder to serve; `None` for the demo application.
    pub dir: Option<PathBuf>,
    /// Where to listen; at least one address.
    pub listen: Vec<ListenAddr>,
    /// Who must send a PROXY header.
    pub proxies: Prefixes,
    /// How many connections there may be.
    pub connections: ConnectionLimits,
    /// Threads that serve connections.
    pub threads: usize,
    /// How the work is spread over them.
    pub threading: Threading,
    /// Certificates.
    pub tls: TlsFiles,
    /// How files are served.
    pub files: FilesConfig,
    /// What is done to every request and reply.
    pub replies: Replies,
    /// What WebSockets are like.
    pub sockets: Sockets,
    /// Waits, rates and sizes of connections and messages.
    pub settings: Settings,
    /// What requests get to end when the server is told to stop.
    pub drain_timeout: Duration,
    /// Where the access log goes, if there is one.
    pub access_log: Option<Target>,
    /// What its lines look like.
    pub access_log_format: AccessLogFormat,
    /// Where metrics are served, if anywhere.
    pub metrics: Option<ListenAddr>,
    /// The server's own log.
    pub log: LogConfig,
}

/// Certificates as files; without any there is no TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates with their chains.
    pub certs: Vec<PathBuf>,
    /// As many keys, in the same order.
    pub keys: Vec<PathBuf>,
    /// Whether to make one up.
    pub self_signed: bool,
    /// Who signs the certificates of clients; `None` asks for none.
    pub client_ca: Option<PathBuf>,
    /// Whether every client has to have one, if they are asked.
    pub client_auth: TlsClientAuth,
    /// What a handshake may take.
    pub handshake_timeout: Duration,
}

/// Whether clients that are asked for a certificate have to show one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum TlsClientAuth {
    /// Nobody gets in without.
    Required,
    /// Who shows none gets in; a bad one is refused all the same.
    Optional,
}

/// How a folder is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesConfig {
    /// Whether folders without an index file are listed.
    pub listing: bool,
    /// Names of files that stand for their folder, the first that is there.
    pub index: Vec<String>,
    /// What answers for a file that is not there.
    pub spa: Option<String>,
    /// Whether names that begin with a dot are served.
    pub hidden: bool,
    /// Whether symbolic links are followed.
    pub follow_symlinks: bool,
    /// The value of `Cache-Control`.
    pub cache_control: Option<HeaderValue>,
    /// Whether `FILE.br`, `FILE.zst` and `FILE.gz` stand in for `FILE`.
    pub precompressed: bool,
}

/// What the layers around the application do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replies {
    /// Whether replies are compressed.
    pub compress: bool,
    /// Origins that may read replies: `*`, or a list. Empty: none.
    pub cors: Vec<String>,
    /// Who may ask at all: `USER:PASSWORD`, or a file of such lines.
    pub basic_auth: Option<Secret>,
    /// And who else: `NAME:TOKEN`, or a file of such lines.
    pub bearer_auth: Option<Secret>,
    /// How often one address may ask.
    pub rate_limit: Option<Frequency>,
    /// Requests being answered at once; 0 for no limit.
    pub max_concurrent: usize,
    /// Whether fields are added that make browsers careful.
    pub security_headers: bool,
    /// Whether requests get an id.
    pub request_id: bool,
}

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// `wireworks http`: a folder, or the demo application, which has a page with sockets.
    Http,
    /// `wireworks ws serve`: sockets, beside a folder or a page to try them with.
    Sockets,
}

impl Site {
    /// The name of the server in what it prints.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => NAME,
            Self::Sockets => "ws",
        }
    }

    /// The command, as it is typed.
    #[must_use]
    pub fn command(self) -> &'static str {
        match self {
            Self::Http => "wireworks http",
            Self::Sockets => "wireworks ws serve",
        }
    }

    /// Where it listens unless it is told otherwise: on loopback.
    #[must_use]
    pub fn listen(self) -> ListenAddr {
        match self {
            Self::Http => DEFAULT_LISTEN,
            Self::Sockets => DEFAULT_SOCKETS,
        }
    }
}

/// What the site's WebSockets are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sockets {
    /// The subprotocols they offer, the best first.
    pub subprotocols: Vec<String>,
    /// From which pages browsers may come.
    pub origins: Origins,
    /// Compression, and where its memory belongs to.
    pub deflate: Deflate,
    /// How it is used, where it is.
    pub terms: deflate::Terms,
    /// Connections that may have compressors of their own.
    pub max_contexts: usize,
    /// What a peer may send.
    pub limits: ws::Limits,
    /// How long it may take.
    pub patience: Patience,
    /// Bytes that may wait for it.
    pub max_unsent: usize,
}

impl Default for Sockets {
    fn default() -> Self {
        let ws::Settings { limits, patience, max_unsent, .. } = ws::Settings::default();
        Self {
            subprotocols: Vec::new(),
            origins: Origins::Same,
            deflate: Deflate::Shared,
            terms: deflate::Terms::default(),
            max_contexts: ws::MAX_CONTEXTS,
            limits,
            patience,
            max_unsent,
        }
    }
}

/// Whether messages are compressed, and where the memory for it belongs to ([`deflate::Memory`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Deflate {
    /// They are not.
    Off,
    /// To the thread.
    Shared,
    /// To the connection.
    Dedicated,
}

/// The format of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AccessLogFormat {
    /// The format that Apache and nginx call so.
    Combined,
    /// One JSON object a line.
    Json,
}

/// The server's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// What its lines look like.
    pub format: LogFormat,
    /// How much is said.
    pub level: LogLevel,
}

/// The format of the server's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How much the server logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What went wrong.
    Error,
    /// And what may.
    Warn,
    /// And what happens once in a while.
    Info,
    /// And what happens to connections.
    Debug,
    /// Everything.
    Trace,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            site: Site::Http,
            dir: None,
            listen: vec![DEFAULT_LISTEN],
            proxies: Prefixes::default(),
            connections: ConnectionLimits::default(),
            threads: cores(),
            threading: Threading::PerCore,
            tls: TlsFiles {
                certs: Vec::new(),
                keys: Vec::new(),
                self_signed: false,
                client_ca: None,
                client_auth: TlsClientAuth::Required,
                handshake_timeout: TLS_HANDSHAKE_TIMEOUT,
            },
            files: FilesConfig {
                listing: true,
                index: vec!["index.html".into()],
                spa: None,
                hidden: false,
                follow_symlinks: false,
                cache_control: None,
                precompressed: true,
            },
            replies: Replies {
                compress: true,
                cors: Vec::new(),
                basic_auth: None,
                bearer_auth: None,
                rate_limit: None,
                max_concurrent: 0,
                security_headers: false,
                request_id: false,
            },
            sockets: Sockets::default(),
            settings: Settings::default(),
            drain_timeout: DRAIN_TIMEOUT,
            access_log: None,
            access_log_format: AccessLogFormat::Combined,
            metrics: None,
            log: LogConfig { format: LogFormat::Text, level: LogLevel::Info },
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, or holds what is no option.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A value in the file that cannot be used.
    #[error("in {}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// Which value.
        #[source]
        error: Box<ConfigError>,
    },
    /// A value out of its range.
    #[error("--{name} cannot be {value}: the least is {least}, the most {most}")]
    Range {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// The lowest value allowed.
        least: String,
        /// The highest value allowed.
        most: String,
    },
    /// A value that is not of its kind.
    #[error("--{name} cannot be {value:?}: {reason}")]
    Value {
        /// The option.
        name: &'static str,
        /// Its value.
        value: String,
        /// Why not.
        reason: String,
    },
    /// An option that does nothing without another.
    #[error("--{name} does nothing without {needed}")]
    Needs {
        /// The option.
        name: &'static str,
        /// What is missing.
        needed: &'static str,
    },
    /// Not as many keys as certificates.
    #[error(
        "{certs} of --tls-cert and {keys} of --tls-key: each certificate needs its key, in the same order"
    )]
    Pairs {
        /// Certificates.
        certs: usize,
        /// Keys.
        keys: usize,
    },
    /// A value that TOML cannot hold.
    #[error("the configuration cannot be printed")]
    Print(#[from] toml::ser::Error),
}

impl Config {
    /// The command line over the file over the defaults. Sockets handed over by a service manager (`LISTEN_FDS`) are used
    /// where neither says where to listen.
    ///
    /// # Errors
    /// The first value that cannot be used, by the name of its option.
    pub fn load(site: Site, args: &Args) -> Result<Self, ConfigError> {
        let count = handed_over(std::process::id(), |name| std::env::var(name).ok());
        Self::layered(site, args, count)
    }

    /// The defaults of a site.
    #[must_use]
    pub fn of(site: Site) -> Self {
        Self { site, listen: vec![site.listen()], ..Self::default() }
    }

    fn layered(site: Site, args: &Args, handed_over: usize) -> Result<Self, ConfigError> {
        let mut config = Self::of(site);
        if handed_over > 0 {
            let each = |index| ListenAddr::Inherited(Inherited::Index(index));
            config.listen = (0..handed_over).map(each).collect();
        }
        if let Some(path) = &args.config {
            let options = file::read(site, path)?;
            config
                .apply(&options)
                .map_err(|error| ConfigError::InFile { path: path.clone(), error: Box::new(error) })?;
        }
        config.apply(&args.options)?;
        config.check()?;
        config.check_use(&args.options)?;
        Ok(config)
    }

    /// Puts the options that are set over what is there.
    ///
    /// # Errors
    /// A value that is out of its range or not of its kind.
    pub fn apply(&mut self, options: &Options) -> Result<(), ConfigError> {
        rows::read(&mut options.clone(), self)
    }

    /// Every option that would lead to this configuration.
    #[must_use]
    pub fn to_options(&self) -> Options {
        rows::show(&mut self.clone())
    }

    /// The configuration as a TOML file with every value in it, and those that are not set as comments. Secrets are not
    /// shown: `***` stands for them, which nobody can take for a secret.
    ///
    /// # Errors
    /// A path that is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        show::toml(self.site, &self.to_options())
    }

    /// What no single value can tell.
    fn check(&self) -> Result<(), ConfigError> {
        let (certs, keys) = (self.tls.certs.len(), self.tls.keys.len());
        if certs != keys {
            return Err(ConfigError::Pairs { certs, keys });
        }
        let of_tls = [("tls-client-ca", self.tls.client_ca.is_some())];
        useful(&of_tls, self.tls.is_on(), CERTIFICATE)
    }

    /// What was typed and would do nothing. Files may hold more than is used today.
    fn check_use(&self, typed: &Options) -> Result<(), ConfigError> {
        let of_files = [
            ("no-listing", typed.listing.is_some()),
            ("index", typed.index.is_some()),
            ("spa", typed.spa.is_some()),
            ("hidden", typed.hidden.is_some()),
            ("follow-symlinks", typed.follow_symlinks.is_some()),
            ("cache-control", typed.cache_control.is_some()),
            ("no-precompressed", typed.precompressed.is_some()),
        ];
        let of_log = [("access-log-format", typed.access_log_format.is_some())];
        let of_tls = [("tls-handshake-timeout", typed.tls_handshake_timeout.is_some())];
        let of_sockets = [
            ("subprotocol", typed.subprotocol.is_some()),
            ("origin", typed.origin.is_some()),
            ("deflate", typed.deflate.is_some()),
            ("deflate-level", typed.deflate_level.is_some()),
            ("deflate-window", typed.deflate_window.is_some()),
            ("deflate-threshold", typed.deflate_threshold.is_some()),
            ("max-deflate-contexts", typed.max_deflate_contexts.is_some()),
            ("max-message", typed.max_message.is_some()),
            ("max-unsent", typed.max_unsent.is_some()),
            ("ping-interval", typed.ping_interval.is_some()),
            ("pong-timeout", typed.pong_timeout.is_some()),
            ("close-timeout", typed.close_timeout.is_some()),
        ];
        useful(&of_files, self.dir.is_some(), "DIR")?;
        let sockets = self.site == Site::Sockets || self.dir.is_none();
        useful(&of_sockets, sockets, "sockets: leave DIR out, or use `wireworks ws serve`")?;
        useful(&of_log, self.access_log.is_some(), "--access-log")?;
        let of_clients = [("tls-client-auth", typed.tls_client_auth.is_some())];
        useful(&of_tls, self.tls.is_on(), CERTIFICATE)?;
        useful(&of_clients, self.tls.client_ca.is_some(), "--tls-client-ca")
    }
}

/// Refuses the options that are set when what they are about is not there.
fn useful(options: &[(&'static str, bool)], used: bool, needed: &'static str) -> Result<(), ConfigError> {
    match options.iter().find(|(_, set)| *set && !used) {
        Some((name, _)) => Err(ConfigError::Needs { name, needed }),
        None => Ok(()),
    }
}

/// What TLS cannot be without.
const CERTIFICATE: &str = "--tls-cert or --tls-self-signed";

impl TlsFiles {
    /// Whether there is TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.self_signed || !self.certs.is_empty()
    }
}

/// How many sockets a service manager handed to process `own`. Variables meant for another process, our parent, count
/// for nothing.
fn handed_over(own: u32, variable: impl Fn(&str) -> Option<String>) -> usize {
    let pid = variable("LISTEN_PID").and_then(|pid| pid.parse().ok());
    let count = variable("LISTEN_FDS").and_then(|count| count.parse().ok());
    count.filter(|&count| pid == Some(own) && count <= MAX_HANDED_OVER).unwrap_or(0)
}

#[cfg(test)]
mod tests;
