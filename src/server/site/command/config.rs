//! A checked configuration: plain data, every value in its range, every default filled in.
//!
//! The defaults are those of the library's own types ([`Settings`], [`ConnectionLimits`]) and are written nowhere else. The
//! layers are put on in `load.rs`, by the table in `rows.rs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use super::credentials::Secret;
use crate::net::addr::{ListenAddr, Prefixes};
use crate::net::limits::ConnectionLimits;
use crate::net::shards::{Threading, cores};
use crate::proto::ws::deflate;
use crate::proto::ws::handshake::server::Origins;
use crate::proto::ws::keeper::Patience;
use crate::server::http::middleware::access_log::Target;
use crate::server::http::server::{DRAIN_TIMEOUT, NAME, TLS_HANDSHAKE_TIMEOUT};
use crate::server::http::settings::Settings;
use crate::server::log::LogConfig;
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
            log: LogConfig::default(),
        }
    }
}

impl TlsFiles {
    /// Whether there is TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.self_signed || !self.certs.is_empty()
    }
}
