//! A checked configuration: plain data, every value in its range, every default filled in.
//!
//! The defaults are those of the library's own types ([`Settings`], [`ServerConfig`]) and are written nowhere else. The
//! layers are put on by `Configured`, by the table in `rows.rs`.

use std::path::PathBuf;

use clap::ValueEnum;
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::args::{Args, Options};
use super::rows;
use crate::net::addr::ListenAddr;
use crate::proto::ws::deflate;
use crate::proto::ws::handshake::server::Origins;
use crate::proto::ws::keeper::Patience;
use crate::server::command::{ConfigError, Configured, ServerConfig, Way, useful};
use crate::server::credentials::Secret;
use crate::server::http::server::NAME;
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

/// The configuration of one site.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which of the two commands it is for.
    pub site: Site,
    /// The folder to serve; `None` for the demo application.
    pub dir: Option<PathBuf>,
    /// What every server has: where it listens, certificates, logs.
    pub server: ServerConfig,
    /// How files are served.
    pub files: FilesConfig,
    /// What is done to every request and reply.
    pub replies: Replies,
    /// What WebSockets are like.
    pub sockets: Sockets,
    /// Waits, rates and sizes of connections and messages.
    pub settings: Settings,
    /// What lines of the access log look like.
    pub access_log_format: AccessLogFormat,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            site: Site::Http,
            dir: None,
            server: ServerConfig::listening(DEFAULT_LISTEN),
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
            access_log_format: AccessLogFormat::Combined,
        }
    }
}

impl Configured for Config {
    type Options = Options;

    fn command(&self) -> &'static str {
        self.site.command()
    }

    fn server(&mut self) -> &mut ServerConfig {
        &mut self.server
    }

    fn walk(way: Way, options: &mut Options, config: &mut Self) -> Result<(), ConfigError> {
        rows::walk(way, options, config)
    }

    fn check(&self, typed: &Options) -> Result<(), ConfigError> {
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
        useful(&of_log, self.server.access_log.is_some(), "--access-log")?;
        self.server.check_use(&typed.listening)
    }
}

impl Config {
    /// The command line over the file over the defaults. Sockets handed over by a service manager (`LISTEN_FDS`) are used
    /// where neither says where to listen.
    ///
    /// # Errors
    /// The first value that cannot be used, by the name of its option.
    pub fn load(site: Site, args: &Args) -> Result<Self, ConfigError> {
        Self::of(site).under(args.file.config.as_deref(), &args.options)
    }

    /// The defaults of a site.
    #[must_use]
    pub fn of(site: Site) -> Self {
        Self { site, server: ServerConfig::listening(site.listen()), ..Self::default() }
    }

    /// The configuration as a TOML file with every value in it, and those that are not set as comments. Secrets are not
    /// shown: `***` stands for them, which nobody can take for a secret.
    ///
    /// # Errors
    /// A path that is not UTF-8, which TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        self.printed()
    }
}
