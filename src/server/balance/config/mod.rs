//! The configuration of a balancer: read from a file or made of a command line, checked as a whole before anything of it is used.
//!
//! What is wrong is told all at once, each fault with the line and the column where it stands.

mod access_log;
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
mod listener;
mod mirror;
mod names;
mod page;
mod redis;
mod resilience;
mod route;
mod sticky;
mod tls;
mod tls_route;
mod to;
mod trace;
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
use super::{gateway, tcp};
use crate::net::addr::{ListenAddr, Prefixes};
use crate::net::limits::ConnectionLimits;
use crate::net::shards::cores;
use crate::net::tls::{CertPair, ClientAuth};
use crate::proto::balance::route::Condition;
use crate::proto::balance::template::Template;
use crate::proto::balance::tls_route::TlsCondition;
use crate::proto::http::forwarded::Tell;
use crate::server::http::settings::Settings;
use crate::server::options::DRAIN_TIMEOUT;

pub use self::admin::{Admin, SHORTEST_TOKEN, Token};
pub use self::listener::Mode;
pub use self::names::UnknownName;
pub use self::trace::SERVICE_NAME;

/// What connections get to end when another process has taken over, unless told otherwise: WebSockets last.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that serve.
    pub threads: usize,
    /// What connections get to end when the balancer is told to stop.
    pub drain_timeout: Duration,
    /// What connections get to end when another process has taken over.
    pub upgrade_timeout: Duration,
    /// A file for the number of the process.
    pub pid_file: Option<PathBuf>,
    /// Whether the file is read again when it changes; at SIGHUP it always is.
    pub watch: bool,
    /// What operators get.
    pub admin: Admin,
    /// Where spans of traces go, if they go anywhere.
    pub trace: Option<Collector>,
    /// SHA-256 of the text that it was read from, in hex; empty without one.
    pub checksum: String,
    /// Where clients come in.
    pub listeners: Vec<Listener>,
    /// Where they are handed to.
    pub upstreams: Vec<Upstream>,
    /// What keeps responses.
    pub caches: Vec<Cache>,
    /// Where limits are counted that several balancers share.
    pub redis: Option<Arc<Redis>>,
}

/// Where clients come in.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its addresses.
    pub listen: Vec<ListenAddr>,
    /// Whose connections begin with a PROXY header.
    pub proxies: Prefixes,
    /// How many connections there may be.
    pub limits: ConnectionLimits,
    /// Where a line goes for each request or connection.
    pub access_log: Option<(Format, Target)>,
    /// Certificates, if clients speak TLS.
    pub tls: Option<Tls>,
    /// What becomes of them.
    pub service: Service,
}

impl Listener {
    /// What it is called in logs and metrics: its addresses.
    #[must_use]
    pub fn name(&self) -> String {
        let addresses: Vec<_> = self.listen.iter().map(ToString::to_string).collect();
        addresses.join(", ")
    }

    /// Whether clients of both come in the same way, wherever they go then: its sockets can be those of the other.
    #[must_use]
    pub fn is_entered_as(&self, other: &Self) -> bool {
        let Self { listen, proxies, limits, access_log, tls, service } = self;
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
    }
}

/// The certificates of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates with their keys; the name that a client asks for chooses.
    pub certificates: Vec<CertPair>,
    /// Whether one for `localhost` is made up.
    pub self_signed: bool,
    /// Whether clients have to show a certificate.
    pub client_auth: ClientAuth,
}

/// What becomes of the clients of a listener.
#[derive(Clone, Debug)]
pub enum Service {
    /// Their connections are joined to connections to backends.
    Tcp(Box<TcpService>),
    /// Their requests are sent to the backends of the upstream of the first route that fits.
    Http(Box<HttpService>),
}

/// What becomes of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpService {
    /// Where those go that begin with a ClientHello: the first route that fits is taken.
    pub routes: Vec<TlsRoute>,
    /// The name of the upstream of the others. They are closed if it is `None`.
    pub to: Option<String>,
    /// How they are joined.
    pub settings: tcp::Settings,
}

impl TcpService {
    /// All connections go to the upstream of this name.
    #[must_use]
    pub fn to(upstream: impl Into<String>) -> Self {
        Self { to: Some(upstream.into()), ..Self::default() }
    }
}

/// Which TLS connections are passed through to which upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsRoute {
    /// The connections that it is for.
    pub condition: TlsCondition,
    /// The name of the upstream.
    pub to: String,
}

/// What becomes of requests.
#[derive(Clone, Debug)]
pub struct HttpService {
    /// Where requests go: the first route that fits is taken.
    pub routes: Vec<Route>,
    /// Whose word about clients counts.
    pub trusted: Prefixes,
    /// What stands around all routes.
    pub guards: Guards,
    /// How requests are traced, if they are.
    pub tracing: Option<Tracing>,
    /// What clients get in place of the answers of the balancer itself.
    pub error_pages: Vec<ErrorPage>,
    /// How slowly, how long and how much clients may talk.
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

    /// Requests by these routes, with the defaults of everything else.
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

/// Which requests a route is for, and what becomes of them.
#[derive(Clone, Debug)]
pub struct Route {
    /// The requests that it is for.
    pub condition: Condition,
    /// What becomes of them.
    pub action: Action,
    /// What is changed in them, and in their answers.
    pub edits: Arc<RouteEdits>,
    /// Where copies of them go.
    pub mirror: Option<Mirror>,
    /// What stands in front of it.
    pub guards: Guards,
    /// The name of the cache that keeps the responses.
    pub cache: Option<String>,
}

impl Route {
    /// The route of all requests to the upstream of this name. `tell` says by which fields it is told of clients.
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

/// What becomes of the requests of a route.
#[derive(Clone, Debug)]
pub enum Action {
    /// They go on to the backends of one of these upstreams.
    Forward(To),
    /// Their clients are sent elsewhere.
    Redirect(Template, StatusCode),
    /// They are answered with a page.
    Respond(Page),
}

/// Where copies of requests go. Clones count together.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The upstream.
    pub to: String,
    /// The share of the requests that are copied, from 0 to 1.
    pub share: f64,
    /// Bytes of a body that is copied at most.
    pub max_body: u64,
    /// How many may be under way at once.
    pub copies: Copies,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct To {
    /// The names of the upstreams, at least one, each with the weight of its share.
    pub branches: Vec<(String, u32)>,
    /// What keeps a client with its upstream; without it, chance decides.
    pub by: Option<HashBy>,
}

impl To {
    /// All requests go to this upstream.
    #[must_use]
    pub fn one(upstream: impl Into<String>) -> Self {
        Self { branches: vec![(upstream.into(), 1)], by: None }
    }
}

/// A cache that routes share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Its name.
    pub name: String,
    /// What is decided about it.
    pub settings: super::cache::Settings,
}

/// Backends that are alike.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Its backends.
    pub backends: Vec<backend::Setup>,
    /// How they are used.
    pub settings: super::upstream::Settings,
    /// How requests are sent to them.
    pub gateway: gateway::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            admin: Admin::default(),
            trace: None,
            checksum: String::new(),
            threads: cores(),
            drain_timeout: DRAIN_TIMEOUT,
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

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Why there is no configuration.
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
    /// Something is wrong with what it says.
    #[error("{}", Faults(path, faults))]
    Faults {
        /// The file.
        path: PathBuf,
        /// What is wrong, in the order of the file; at least one.
        faults: Vec<Fault>,
    },
}

/// Faults as lines of text, as compilers print them.
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
    /// It cannot be read, or something is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?;
        Self::parse(&text).map_err(|faults| ConfigError::Faults { path: path.into(), faults })
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with it, in the order of the file.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        checker::config(text)
    }
}

/// How the name of what a hash goes by is written: `source`, `path`, `header:NAME`, `cookie:NAME`.
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
