//! The configuration of a balancer: read from a file or built from a command line, and validated as a whole before anything of it is used.
//!
//! All faults are reported at once, each with its line and column.

mod access_log;
mod acme;
mod admin;
mod auth;
pub(super) mod backends;
mod cache;
mod check;
mod checker;
mod connection;
mod discover;
mod edits;
mod file;
mod guards;
mod keep_alive;
mod listener;
mod mirror;
mod names;
mod page;
mod redis;
mod resilience;
mod route;
mod sticky;
mod tcp;
mod tls;
mod tls_route;
mod to;
mod trace;
mod unused;
mod upstream;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::backend;
use super::gateway::{Copies, ErrorPage, HashBy, Page, RouteEdits, Tracing};
use super::guards::Guards;
use super::log::{Format, Target};
use super::redis::Redis;
use super::spans::Collector;
use super::{acme as certificates, gateway};
use crate::net::addr::{ListenAddr, Prefixes};
use crate::net::client::pool;
use crate::net::limits::ConnectionLimits;
use crate::net::shards::cores;
use crate::net::tls::{CertPair, ClientAuth};
use crate::proto::balance::route::Condition;
use crate::proto::balance::template::Template;
use crate::proto::balance::tls_route::TlsCondition;
use crate::proto::http::forwarded::Tell;
use crate::server::http::settings::Settings;
use crate::server::log::LogConfig;
use crate::server::options::DRAIN_TIMEOUT;

pub use self::admin::{Admin, SHORTEST_TOKEN, Token};
pub use self::listener::Mode;
pub use self::names::UnknownName;
pub use self::trace::SERVICE_NAME;

/// How long connections of the old process may take to end after an upgrade, by default: WebSockets are long.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The number of serving threads.
    pub threads: usize,
    /// How long connections may take to end when the balancer stops.
    pub drain_timeout: Duration,
    /// How long the balancer serves on after the signal to stop, while its health check fails.
    pub stop_delay: Duration,
    /// How long connections may take to end after an upgrade.
    pub upgrade_timeout: Duration,
    /// A file for the process id.
    pub pid_file: Option<PathBuf>,
    /// Whether the file is read again when it changes; at SIGHUP it always is.
    pub watch: bool,
    /// The `[admin]` section.
    pub admin: Admin,
    /// Where spans of traces go, if they go anywhere.
    pub trace: Option<Collector>,
    /// Limits of the connections to backends that each thread keeps.
    pub keep_alive: pool::Limits,
    /// Files of TLS to backends and other servers, which are read together with this one.
    pub files: Vec<PathBuf>,
    /// The log of the process.
    pub log: LogConfig,
    /// SHA-256 of the file, in hex; empty without one.
    pub checksum: String,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// The groups of backends.
    pub upstreams: Vec<Upstream>,
    /// The response caches.
    pub caches: Vec<Cache>,
    /// Where limits are counted that several balancers share.
    pub redis: Option<Arc<Redis>>,
}

/// Where clients connect, and what happens to their requests or connections.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its addresses.
    pub listen: Vec<ListenAddr>,
    /// Peers that must send a PROXY header.
    pub proxies: Prefixes,
    /// Limits on the number of connections.
    pub limits: ConnectionLimits,
    /// The access log: its format and its file.
    pub access_log: Option<(Format, Target)>,
    /// Its certificates, if it uses TLS.
    pub tls: Option<Tls>,
    /// How long a TLS handshake may take; in TCP mode, a PROXY header too.
    pub handshake_timeout: Duration,
    /// What it serves.
    pub service: Service,
}

impl Listener {
    /// What it is called in logs and metrics: its addresses.
    #[must_use]
    pub fn name(&self) -> String {
        let addresses: Vec<_> = self.listen.iter().map(ToString::to_string).collect();
        addresses.join(", ")
    }

    /// Whether the two differ only in routing, so that connections of one can be served by the other.
    #[must_use]
    pub fn is_entered_as(&self, other: &Self) -> bool {
        let Self { listen, proxies, limits, access_log, tls, handshake_timeout, service } = self;
        let service = match (service, &other.service) {
            (Service::Tcp(service), Service::Tcp(other)) => service == other,
            (Service::Http(service), Service::Http(other)) => service.settings == other.settings,
            _ => false,
        };
        service
            && *listen == other.listen
            && *proxies == other.proxies
            && *limits == other.limits
            && *access_log == other.access_log
            && *tls == other.tls
            && *handshake_timeout == other.handshake_timeout
    }
}

/// The certificates of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates with their keys; the client's SNI selects one.
    pub certificates: Vec<CertPair>,
    /// Whether a self-signed one for `localhost` is used.
    pub self_signed: bool,
    /// Whether clients must present a certificate.
    pub client_auth: ClientAuth,
    /// A certificate that is ordered from an authority; it comes first.
    pub acme: Option<Arc<certificates::Settings>>,
}

/// What a listener serves.
#[derive(Clone, Debug)]
pub enum Service {
    /// TCP mode: connections are joined to connections to backends.
    Tcp(Box<TcpService>),
    /// HTTP mode: requests are routed to backends.
    Http(Box<HttpService>),
}

/// A listener in TCP mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpService {
    /// Routes by the ClientHello: the first match is used.
    pub routes: Vec<TlsRoute>,
    /// The name of the upstream of the others. They are closed if it is `None`.
    pub to: Option<String>,
    /// The other settings.
    pub settings: super::tcp::Settings,
}

impl TcpService {
    /// A listener without routes, for the upstream of this name.
    #[must_use]
    pub fn to(upstream: impl Into<String>) -> Self {
        Self { to: Some(upstream.into()), ..Self::default() }
    }
}

/// A route for TLS passthrough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsRoute {
    /// Its conditions.
    pub condition: TlsCondition,
    /// The name of the upstream.
    pub to: String,
}

/// A listener in HTTP mode.
#[derive(Clone, Debug)]
pub struct HttpService {
    /// The routes: the first match is used.
    pub routes: Vec<Route>,
    /// Trusted proxies.
    pub trusted: Prefixes,
    /// The guards around all routes.
    pub guards: Guards,
    /// How requests are traced, if they are.
    pub tracing: Option<Tracing>,
    /// Pages for the balancer's own error responses.
    pub error_pages: Vec<ErrorPage>,
    /// Limits on slow and large requests.
    pub settings: Settings,
}

impl HttpService {
    /// The same after `before`, which was in use at the same addresses: limits that are as they were count on, and do not begin anew.
    #[must_use]
    pub fn after(&self, before: &Self) -> Self {
        let mut service = self.clone();
        service.guards.count_on(&before.guards);
        // Routes are known by what they are for. Of several for the same, the first of each gets all requests.
        let of: HashMap<_, _> =
            before.routes.iter().rev().map(|route| (format!("{:?}", route.condition), route)).collect();
        for route in &mut service.routes {
            let Some(before) = of.get(&format!("{:?}", route.condition)) else { continue };
            route.guards.count_on(&before.guards);
            if let (Some(mirror), Some(before)) = (&mut route.mirror, &before.mirror) {
                mirror.copies.count_on(&before.copies);
            }
        }
        service
    }

    /// A listener with these routes and the defaults of everything else.
    #[must_use]
    pub fn new(routes: Vec<Route>) -> Self {
        // The deadlines of the upstreams hold.
        let settings =
            Settings { handler_timeout: Duration::ZERO, abort_on_close: true, ..Settings::default() };
        Self {
            routes,
            trusted: Prefixes::default(),
            guards: Guards::default(),
            tracing: None,
            error_pages: Vec::new(),
            settings,
        }
    }
}

/// A route of a listener in HTTP mode.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its conditions.
    pub condition: Condition,
    /// What it does.
    pub action: Action,
    /// The edits of requests and responses.
    pub edits: Arc<RouteEdits>,
    /// Where copies of requests go.
    pub mirror: Option<Mirror>,
    /// The guards in front of it.
    pub guards: Guards,
    /// The name of the cache of its responses.
    pub cache: Option<String>,
}

impl Route {
    /// A route for all requests to the upstream of this name. `tell` chooses the forwarded fields.
    #[must_use]
    pub fn all_to(to: impl Into<String>, tell: Tell) -> Self {
        Self {
            condition: Condition::default(),
            action: Action::Forward(To::one(to)),
            edits: Arc::new(RouteEdits { tell, ..RouteEdits::default() }),
            mirror: None,
            guards: Guards::default(),
            cache: None,
        }
    }
}

/// What a route does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Forward to one of these upstreams.
    Forward(To),
    /// Redirect the client.
    Redirect(Template, StatusCode),
    /// Answer with a page.
    Respond(Page),
}

/// Where copies of requests go. Clones count together.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The upstream.
    pub to: String,
    /// The share of the requests that are copied, from 0 to 1.
    pub share: f64,
    /// The longest body that is copied, in bytes.
    pub max_body: u64,
    /// How many may be under way at once.
    pub copies: Copies,
}

/// The upstreams of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct To {
    /// The names of the upstreams, at least one, each with its weight.
    pub branches: Vec<(String, u32)>,
    /// What keeps a client on its upstream; without it the choice is random.
    pub by: Option<HashBy>,
}

impl To {
    /// All requests go to this upstream.
    #[must_use]
    pub fn one(upstream: impl Into<String>) -> Self {
        Self { branches: vec![(upstream.into(), 1)], by: None }
    }
}

/// A response cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Its name.
    pub name: String,
    /// Its settings.
    pub settings: super::cache::Settings,
}

/// A group of interchangeable backends.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Its backends.
    pub backends: Vec<backend::Setup>,
    /// The settings of the group.
    pub settings: super::upstream::Settings,
    /// The settings for HTTP.
    pub gateway: gateway::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            admin: Admin::default(),
            keep_alive: keep_alive::DEFAULT,
            trace: None,
            files: Vec::new(),
            log: LogConfig::default(),
            checksum: String::new(),
            threads: cores(),
            drain_timeout: DRAIN_TIMEOUT,
            stop_delay: Duration::ZERO,
            upgrade_timeout: UPGRADE_TIMEOUT,
            pid_file: None,
            watch: true,
            listeners: Vec::new(),
            upstreams: Vec::new(),
            caches: Vec::new(),
            redis: None,
        }
    }
}

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Its content is invalid.
    #[error("{}", Faults(path, faults))]
    Faults {
        /// The file.
        path: PathBuf,
        /// The faults in the order of the file; at least one.
        faults: Vec<Fault>,
    },
    /// The options of the command line make no configuration.
    #[error("{0}")]
    Options(String),
}

/// Formats faults as compilers do.
struct Faults<'a>(&'a Path, &'a [Fault]);

impl fmt::Display for Faults<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.1.iter().enumerate() {
            let end = if number > 0 { "\n" } else { "" };
            write!(f, "{end}{}:{}:{}: {}", self.0.display(), fault.line, fault.column, fault.message)?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or has faults.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?;
        Self::parse(&text).map_err(|faults| ConfigError::Faults { path: path.into(), faults })
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// All faults, in the order of the file.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        checker::config(text)
    }
}

/// Parses the part of a request to hash: `source`, `path`, `header:NAME`, `cookie:NAME`.
fn hash_by(text: &str) -> Option<HashBy> {
    match text.split_once(':') {
        None if text == "source" => Some(HashBy::Source),
        None if text == "path" => Some(HashBy::Path),
        Some(("header", name)) if !name.is_empty() => Some(HashBy::Field(name.to_ascii_lowercase())),
        Some(("cookie", name)) if !name.is_empty() => Some(HashBy::Cookie(name.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
