//! A running balancer: its current configuration, and how another one is applied.
//!
//! A configuration is applied as a whole or not at all: first everything that can fail is done (sockets are bound, files are read),
//! and only then anything changes. Upstreams are identified by their names, and backends by their addresses, so their state
//! is kept; no connection is closed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::watch;

use super::acme::{self, Acme};
use super::admin::{self, Desk, Kept};
use super::assemble::Assembly;
use super::backend::{Backend, Origin};
use super::cache::Cache;
use super::config::{self, Admin, Config, HttpService, Listener, Mode, Service, Token};
use super::connections::Connections;
use super::doors::{self, Door, Doors, Open, Sockets};
use super::gateway::{Gateway, Table};
use super::log::{Log, Logged};
use super::redis;
use super::reload::{Maintenance, Source};
use super::route_counters::{self, RouteCounters};
use super::spans::{Exporter, Sending};
use super::tcp::{self, Tcp};
use super::upstream::Upstream;
use crate::net::addr::ListenAddr;
use crate::net::client::pool;
use crate::net::drain::Drain;
use crate::net::listen::succession::Predecessor;
use crate::net::serve::{Gate, GateSettings};
use crate::net::shards::Threading;
use crate::proto::http::limits::Limits;
use crate::server::RunError;
use crate::server::http::part::RefusalLog;
use crate::server::http::server::Server;
use crate::server::lines::open_log;
use crate::server::listening::{self, Listening};
use crate::server::options::CommonOptions;
use crate::server::process::upgrade::Upgrade;
use crate::server::process::{Outcome, Process, Running, announce};

/// The name of this server in its output.
pub const NAME: &str = "balance";

/// The ALPN of TCP listeners with TLS: any protocol.
const NO_ALPN: &[u8] = b"";

/// Runs a balancer until a signal stops it.
///
/// # Errors
/// An address cannot be bound, a certificate cannot be read, or no threads can be created.
pub fn run(config: &Config) -> Result<Outcome, RunError> {
    Ok(process(config, None)?.run(announce)?)
}

/// Runs a balancer from a file. It was read as `config`, and is read again when it changes and at SIGHUP.
///
/// # Errors
/// As for [`run`].
pub fn run_file(path: PathBuf, config: &Config) -> Result<Outcome, RunError> {
    Ok(process(config, Some(path))?.run(announce)?)
}

/// Runs a balancer on threads of its own, without handling signals; returns when it accepts connections.
///
/// # Errors
/// As for [`run`].
pub fn start(config: &Config) -> Result<Running, RunError> {
    Ok(process(config, None)?.start(|_| {})?)
}

/// The same by a file, as for [`run_file`]. In place of SIGHUP, [`Running::reload`] reads it again.
///
/// # Errors
/// As for [`run`].
pub fn start_file(path: PathBuf, config: &Config) -> Result<Running, RunError> {
    Ok(process(config, Some(path))?.start(|_| {})?)
}

/// A process for a balancer alone, which supports upgrades.
fn process(config: &Config, file: Option<PathBuf>) -> Result<Process, RunError> {
    let mut process = Process::new(Threading::PerCore, config.threads, config.drain_timeout);
    let mut predecessor = Predecessor::take()?;
    let left = predecessor.as_mut().map(Predecessor::sockets).unwrap_or_default();
    let (balancer, kept) = put(config, file, Open::left(left), &mut process)?;
    process.predecessor = Mutex::new(predecessor);
    process.pid_file.clone_from(&config.pid_file);
    process.stop_delay = config.stop_delay;
    let doors = Arc::clone(&balancer.doors);
    let sockets = move || {
        let mut sockets = doors.sockets()?;
        for (address, more) in &kept {
            sockets.push((address.clone(), doors::share(more)?));
        }
        Ok(sockets)
    };
    process.upgrade = Some(Upgrade::new(Box::new(sockets), config.upgrade_timeout)?);
    Ok(process)
}

/// Adds a balancer to `process`, beside other servers.
///
/// # Errors
/// As for [`run`].
pub(in crate::server) fn prepare(config: &Config, process: &mut Process) -> Result<(), RunError> {
    put(config, None, Open::left(Vec::new()), process).map(drop)
}

fn put(
    config: &Config,
    file: Option<PathBuf>,
    mut open: Open,
    process: &mut Process,
) -> Result<(Arc<Balancer>, Kept), RunError> {
    let balancer = Arc::new(Balancer::new(process.threads, process.drain.clone(), config.keep_alive));
    let source = file.map(|path| Arc::new(Source::new(path, config)));
    let desk = Desk { balancer: Arc::clone(&balancer), source: source.clone() };
    let first = process.addresses.len();
    let kept = admin::prepare(&config.admin, &desk, &mut open, process)?;
    balancer.apply_at(config, Some(open))?;
    for door in balancer.doors.get() {
        for (_, sockets) in door.sockets()? {
            listening::note(NAME, &[sockets.into_iter().take(1).collect()], process);
        }
    }
    // Clients come first, as those who start a balancer look for the first of its addresses.
    process.addresses[first..].rotate_left(kept.len());
    process.parts.push(Arc::clone(&balancer.doors) as _);
    process.parts.push(Arc::new(Maintenance::new(Arc::clone(&balancer), source)));
    let sending = Sending { exporter: Arc::clone(&balancer.spans), drain: process.last_drain.clone() };
    process.last.push(Arc::new(sending));
    Ok((balancer, kept))
}

/// The upstreams by their names.
pub type Upstreams = BTreeMap<Arc<str>, Arc<Upstream>>;

/// The caches by their names.
pub type Caches = BTreeMap<Arc<str>, Arc<Cache>>;

/// A running balancer.
#[derive(Debug)]
pub struct Balancer {
    upstreams: watch::Sender<Upstreams>,
    caches: ArcSwap<Caches>,
    redis: watch::Sender<Option<Arc<redis::Client>>>,
    routes: ArcSwap<Vec<Vec<RouteCounters>>>,
    acme: Acme,
    doors: Arc<Doors>,
    connections: Arc<Connections>,
    shards: usize,
    drain: Drain,
    /// Held while a configuration is applied.
    applied: Mutex<Applied>,
    loaded: ArcSwap<Loaded>,
    /// What operators get; its addresses as they were at the start.
    admin: OnceLock<Admin>,
    /// Who knows it may change things.
    token: ArcSwapOption<Token>,
    spans: Arc<Exporter>,
}

/// What was applied.
#[derive(Debug, Default)]
struct Applied {
    /// How many configurations.
    generation: u64,
    /// What becomes of requests at present, by the addresses of the listeners.
    services: Vec<(Vec<ListenAddr>, HttpService)>,
}

/// Which configuration is in use, and the outcome of the last reload.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Its number, from 1.
    pub generation: u64,
    /// SHA-256 of the file, in hex; empty without a file.
    pub checksum: Arc<str>,
    /// Since when it is in use.
    pub since: SystemTime,
    /// When a file was read last.
    pub read: SystemTime,
    /// Why the file that was read last is not in use.
    pub error: Option<Arc<str>>,
    /// How many files were read and not taken.
    pub refused: u64,
}

impl Loaded {
    fn now(generation: u64, checksum: &str, refused: u64) -> Self {
        let now = SystemTime::now();
        Self { generation, checksum: checksum.into(), since: now, read: now, error: None, refused }
    }
}

impl Balancer {
    fn new(shards: usize, drain: Drain, keep_alive: pool::Limits) -> Self {
        let heads = Limits { body: u64::MAX, ..Limits::default() };
        Self {
            upstreams: watch::Sender::default(),
            caches: ArcSwap::default(),
            redis: watch::Sender::default(),
            routes: ArcSwap::default(),
            acme: Acme::default(),
            doors: Arc::new(Doors::new(drain.clone())),
            connections: Arc::new(Connections::new(keep_alive, heads)),
            shards,
            drain,
            applied: Mutex::default(),
            loaded: ArcSwap::from_pointee(Loaded::now(0, "", 0)),
            admin: OnceLock::new(),
            token: ArcSwapOption::empty(),
            spans: Arc::default(),
        }
    }

    /// Its upstreams at present.
    #[must_use]
    pub fn upstreams(&self) -> Upstreams {
        self.upstreams.borrow().clone()
    }

    /// Its caches at present.
    #[must_use]
    pub fn caches(&self) -> Arc<Caches> {
        self.caches.load_full()
    }

    /// What counts limits that other balancers share, at present.
    #[must_use]
    pub fn redis(&self) -> Option<Arc<redis::Client>> {
        self.redis.borrow().clone()
    }

    /// Hears when that is another.
    pub(super) fn redis_changes(&self) -> watch::Receiver<Option<Arc<redis::Client>>> {
        self.redis.subscribe()
    }

    /// The counters of the routes of each listener.
    #[must_use]
    pub fn routes(&self) -> Arc<Vec<Vec<RouteCounters>>> {
        self.routes.load_full()
    }

    /// What exports the spans of traces.
    #[must_use]
    pub fn spans(&self) -> &Arc<Exporter> {
        &self.spans
    }

    /// The certificates that it orders.
    #[must_use]
    pub fn acme(&self) -> &Acme {
        &self.acme
    }

    /// Notifies of added and removed upstreams.
    pub(super) fn upstream_changes(&self) -> watch::Receiver<Upstreams> {
        self.upstreams.subscribe()
    }

    /// The configured addresses of each listener, its mode, and the gate that counts its connections.
    #[must_use]
    pub fn listeners(&self) -> Vec<(Vec<ListenAddr>, Mode, Arc<Gate>)> {
        let doors = self.doors.get();
        let mode = |door: &Door| if door.gateway.is_some() { Mode::Http } else { Mode::Tcp };
        doors.iter().map(|door| (door.listener.listen.clone(), mode(door), Arc::clone(&door.gate))).collect()
    }

    /// Its listeners at present.
    pub(super) fn doors(&self) -> &Arc<Doors> {
        &self.doors
    }

    /// The connections to backends.
    #[must_use]
    pub fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// The shutdown of its process.
    pub(super) fn drain(&self) -> &Drain {
        &self.drain
    }

    /// The token of operators, if there is one.
    pub(super) fn token(&self) -> Option<Token> {
        self.token.load().as_deref().cloned()
    }

    /// Which configuration is in use.
    #[must_use]
    pub fn loaded(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    /// Records that a file was read and refused.
    pub(super) fn refused(&self, error: &str) {
        let before = self.loaded();
        let loaded = Loaded {
            read: SystemTime::now(),
            error: Some(error.into()),
            refused: before.refused + 1,
            ..(*before).clone()
        };
        self.loaded.store(Arc::new(loaded));
    }

    /// The number of applied configurations.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.applied().generation
    }

    fn applied(&self) -> MutexGuard<'_, Applied> {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a configuration; returns its number, from 1. Blocks while files are read.
    ///
    /// # Errors
    /// An address cannot be listened on, a certificate not be read, or the balancer is stopping. Then everything is as before.
    pub fn apply(&self, config: &Config) -> Result<u64, RunError> {
        self.apply_at(config, None)
    }

    /// The same, with sockets that are `open` already: by default those of the current listeners.
    fn apply_at(&self, config: &Config, open: Option<Open>) -> Result<u64, RunError> {
        config.check_names().map_err(|error| RunError::Configuration(error.to_string()))?;
        let mut applied = self.applied();
        if self.drain.is_stopping() {
            return Err(RunError::Stopping);
        }
        let now = Instant::now();
        let before = self.upstreams();
        let upstreams: Upstreams =
            config.upstreams.iter().map(|config| upstream(&before, config, now)).collect();
        let caches = caches(&self.caches(), config);
        let routes = route_counters::of(&self.routes.load(), config);
        let assembly = Assembly::new(config, &upstreams, &self.connections, &caches, &self.spans);
        let plan = Plan { upstreams: &upstreams, balancer: self };
        for settings in ordered(config) {
            settings.prepare().map_err(|error| RunError::Keep { path: error.path, source: error.source })?;
        }
        let before = self.doors.get();
        let mut open = open.map_or_else(|| Open::of(&before), Ok)?;
        let mut doors = Vec::new();
        for listener in &config.listeners {
            doors.push(plan.door(listener, &before, &mut open)?);
        }
        // Nothing fails from here on.
        if applied.generation > 0 {
            for config in &config.upstreams {
                let upstream = &upstreams[&*config.name];
                upstream.configure(config.settings.clone(), now);
                upstream.replace(Origin::Configured, config.backends.clone(), now);
            }
        }
        self.acme.want(ordered(config));
        let before = self.redis();
        let client = config.redis.as_ref().map(|redis| Arc::clone(redis.client(before.as_ref())));
        self.redis.send_if_modified(|current| {
            let same = current.as_ref().map(Arc::as_ptr) == client.as_ref().map(Arc::as_ptr);
            *current = client;
            !same
        });
        let mut services = Vec::new();
        for (door, counters) in doors.iter().zip(&routes) {
            if let (Some(gateway), Service::Http(service)) = (&door.door.gateway, door.service) {
                let listen = door.listen;
                let before = applied.services.iter().find(|(other, _)| other == listen);
                let service = before.map_or_else(|| HttpService::clone(service), |(_, it)| service.after(it));
                gateway.replace(assembly.table(&service, counters));
                services.push((listen.clone(), service));
            }
        }
        applied.services = services;
        self.routes.store(Arc::new(routes));
        self.caches.store(Arc::new(caches));
        self.spans.configure(config.trace.clone());
        self.upstreams.send_replace(upstreams.clone());
        self.doors.set(doors.into_iter().map(|door| door.door).collect());
        applied.generation += 1;
        let loaded = Loaded::now(applied.generation, &config.checksum, self.loaded().refused);
        self.loaded.store(Arc::new(loaded));
        self.token.store(config.admin.token.clone().map(Arc::new));
        let at_start = self.admin.get_or_init(|| config.admin.clone());
        if !at_start.has_addresses_of(&config.admin) {
            tracing::warn!(
                "the addresses of [admin] have changed: the change takes effect at the next start or upgrade"
            );
        }
        Ok(applied.generation)
    }
}

/// The upstream of this configuration: the existing one of its name, or a new one.
fn upstream(before: &Upstreams, config: &config::Upstream, now: Instant) -> (Arc<str>, Arc<Upstream>) {
    if let Some(upstream) = before.get(&*config.name) {
        return (Arc::clone(upstream.name()), Arc::clone(upstream));
    }
    let setups = config.backends.iter().cloned();
    let backends = setups.map(|setup| Arc::new(Backend::new(setup, now, fastrand::f64())));
    let upstream = Upstream::new(&config.name, backends.collect(), config.settings.clone(), now);
    (Arc::clone(upstream.name()), Arc::new(upstream))
}

/// The certificates of a configuration that are to be ordered.
fn ordered(config: &Config) -> impl Iterator<Item = Arc<acme::Settings>> {
    config.listeners.iter().filter_map(|listener| listener.tls.as_ref()?.acme.clone())
}

/// The caches of a configuration: existing ones whose settings are unchanged, or new ones.
fn caches(before: &Caches, config: &Config) -> Caches {
    let caches = config.caches.iter().map(|config| {
        let same = before.get(&*config.name).filter(|cache| *cache.settings() == config.settings);
        let cache =
            same.map_or_else(|| Arc::new(Cache::new(&config.name, config.settings.clone())), Arc::clone);
        (Arc::from(&*config.name), cache)
    });
    caches.collect()
}

/// A configuration that is about to be applied.
struct Plan<'a> {
    upstreams: &'a Upstreams,
    balancer: &'a Balancer,
}

/// A listener that is about to be opened, and its service.
struct Planned<'a> {
    door: Arc<Door>,
    /// Its addresses as they are configured.
    listen: &'a Vec<ListenAddr>,
    service: &'a Service,
}

impl Plan<'_> {
    /// The door of a listener: the existing one, a new one on the same sockets, or one on new sockets.
    fn door<'a>(
        &self,
        listener: &'a Listener,
        before: &[Arc<Door>],
        open: &mut Open,
    ) -> Result<Planned<'a>, RunError> {
        let mut sockets = Vec::new();
        for address in &listener.listen {
            sockets.push((address.clone(), open.take(address, self.balancer.shards)?));
        }
        let same = before.iter().find(|door| door.listener.listen == listener.listen);
        let door = match same {
            Some(door) if listener.is_entered_as(&door.listener) => Arc::clone(door),
            same => Arc::new(self.open(listener, sockets, same)?),
        };
        Ok(Planned { door, listen: &listener.listen, service: &listener.service })
    }

    /// A new door. Connections that came in by the one `before` count, and those for requests go on with the same gateway.
    fn open(
        &self,
        listener: &Listener,
        sockets: Vec<(ListenAddr, Sockets)>,
        before: Option<&Arc<Door>>,
    ) -> Result<Door, RunError> {
        let gate_before = before.map(|door| Arc::clone(&door.gate));
        let gateway = before.and_then(|door| door.gateway.clone());
        let mut shards: Vec<Sockets> = (0..self.balancer.shards).map(|_| Vec::new()).collect();
        for (_, sockets) in &sockets {
            // A predecessor may have had more shards, or fewer: each shard accepts, and at every socket.
            for number in 0..sockets.len().max(shards.len()) {
                let socket = sockets[number % sockets.len()].share()?;
                let shard = number % shards.len();
                shards[shard].push(socket);
            }
        }
        let drain = self.balancer.drain.clone();
        match &listener.service {
            Service::Tcp(service) => {
                let mut options = CommonOptions::new(NAME, NO_ALPN);
                options.connections = listener.limits;
                options.proxies = listener.proxies.clone();
                options.tls_handshake_timeout = listener.handshake_timeout;
                certificates(listener, &mut options);
                let upstream = |name: &String| Arc::clone(&self.upstreams[&**name]);
                let tls = service.routes.iter().map(|route| tcp::Route {
                    condition: route.condition.clone(),
                    upstream: upstream(&route.to),
                });
                let routes = tcp::Routes { tls: tls.collect(), otherwise: service.to.as_ref().map(upstream) };
                let tcp = Tcp::new(routes, service.settings, drain.clone());
                let log = access_log(listener, &drain)?;
                let lines = log.as_ref().map(|log| Arc::clone(log.writer()));
                let gate = Gate::new(GateSettings { before: gate_before, ..options.gate()? });
                let part = Listening::new(tcp.logging(log), gate, shards).logging(lines);
                let gate = Arc::clone(&part.gate);
                Ok(Door::new(listener.clone(), sockets, Arc::new(part), gate, None))
            }
            Service::Http(service) => {
                let gateway = gateway.unwrap_or_else(|| Arc::new(Gateway::new(Table::default())));
                let log = access_log(listener, &drain)?;
                let mut server = match &log {
                    Some(log) => Server::new(Logged { log: Arc::clone(log), inner: Arc::clone(&gateway) }),
                    None => Server::new(Arc::clone(&gateway)),
                };
                server = server.refusals(log.map(|log| log as _)).settings(service.settings.clone());
                server = server.name(NAME).connections(listener.limits).proxies(listener.proxies.clone());
                server = server.tls_handshake_timeout(listener.handshake_timeout);
                if let Some(tls) = &listener.tls {
                    if let Some(acme) = &tls.acme {
                        // The file holds the key, too.
                        let file = acme.certificate();
                        server =
                            server.tls(&file, &file).tls_challenges(self.balancer.acme.challenges().clone());
                    }
                    for pair in &tls.certificates {
                        server = server.tls(&pair.cert, &pair.key);
                    }
                    if tls.self_signed {
                        server = server.tls_self_signed();
                    }
                    server = server.tls_client_auth(tls.client_auth.clone());
                }
                let part = server.at(shards, drain, gate_before)?;
                let gate = Arc::clone(&part.gate);
                Ok(Door::new(listener.clone(), sockets, Arc::new(part), gate, Some(gateway)))
            }
        }
    }
}

/// The access log of a listener, if it has one.
fn access_log(listener: &Listener, drain: &Drain) -> Result<Option<Arc<Log>>, RunError> {
    let Some((format, target)) = &listener.access_log else { return Ok(None) };
    let open = |target| Log::open(*format, target, &listener.name(), drain.clone());
    Ok(Some(Arc::new(open_log(target.clone(), open)?)))
}

fn certificates(listener: &Listener, options: &mut CommonOptions) {
    let Some(tls) = &listener.tls else { return };
    for pair in &tls.certificates {
        options.certificate(pair.cert.clone(), pair.key.clone());
    }
    if tls.self_signed {
        options.self_signed();
    }
    options.client_auth(tls.client_auth.clone());
}
