//! A snapshot of a balancer: the source of the API, the status page and the metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde::{Serialize, Serializer};

use crate::net::addr::ListenAddr;
use crate::net::resilience::pick::Endpoint;
use crate::net::resilience::pick::pools::Plan;
use crate::net::serve::Gate;
use crate::server::balance::backend::{Backend, Origin};
use crate::server::balance::balancer::{Balancer, Loaded};
use crate::server::balance::cache::{Cache, CacheCount};
use crate::server::balance::config::Mode;
use crate::server::balance::counters::{Event, Latencies, Totals};
use crate::server::balance::gateway::MirrorCounters;
use crate::server::balance::route_counters::{Refusals, RouteCounters};
use crate::server::balance::upstream::Upstream;
use crate::server::balance::vitals::Admin;
use crate::server::http::middleware::refusal::RefusalReason;
use crate::server::lines::Timestamp;

/// Responses by class.
pub(super) const RESPONSES: [(&str, Event); 5] = [
    ("1xx", Event::Informational),
    ("2xx", Event::Successful),
    ("3xx", Event::Redirection),
    ("4xx", Event::ClientError),
    ("5xx", Event::ServerError),
];

/// Failures by reason.
pub(super) const FAILURES: [(&str, Event); 6] = [
    ("connect", Event::ConnectFailed),
    ("connect-timeout", Event::ConnectTimeout),
    ("reset", Event::Reset),
    ("timeout", Event::Timeout),
    ("invalid", Event::Invalid),
    ("cut", Event::Cut),
];

/// Requests that were retried on another backend, by reason.
pub(super) const RETRIED: [(&str, Event); 5] = [
    ("connect", Event::RetriedConnect),
    ("connect-timeout", Event::RetriedConnectTimeout),
    ("reset", Event::RetriedReset),
    ("timeout", Event::RetriedTimeout),
    ("busy", Event::RetriedBusy),
];

/// Ejections by reason.
pub(super) const EJECTIONS: [(&str, Event); 4] = [
    ("faults", Event::EjectedFaults),
    ("failures", Event::EjectedFailures),
    ("rate", Event::EjectedRate),
    ("lag", Event::EjectedLag),
];

/// The overall state of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// It gets requests.
    Up,
    /// Its checks fail.
    Down,
    /// Its requests failed.
    Ejected,
    /// Its circuit breaker is open.
    BreakerOpen,
    /// It is draining.
    Drain,
    /// An operator has forced it down.
    ForcedDown,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Up, Self::Down, Self::Ejected, Self::BreakerOpen, Self::Drain, Self::ForcedDown];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Ejected => "ejected",
            Self::BreakerOpen => "breaker-open",
            Self::Drain => "drain",
            Self::ForcedDown => "forced-down",
        }
    }

    fn of(backend: &Backend, now: Instant) -> Self {
        let vitals = backend.vitals();
        let agent = vitals.agent();
        match vitals.admin() {
            Admin::Drain => Self::Drain,
            Admin::Down => Self::ForcedDown,
            Admin::Ready if !agent.ready || agent.percent == 0 => Self::Drain,
            Admin::Ready if !agent.up || !vitals.is_up() => Self::Down,
            Admin::Ready if vitals.is_ejected(now) => Self::Ejected,
            Admin::Ready if backend.breaker().is_some_and(|fuse| !fuse.lets_pass(now)) => Self::BreakerOpen,
            Admin::Ready => Self::Up,
        }
    }
}

/// All of a balancer.
#[derive(Debug, Serialize)]
pub struct View {
    /// When.
    pub(in crate::server) time: Timestamp,
    /// The version of the program.
    pub version: &'static str,
    /// The configuration.
    pub config: ConfigView,
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<ListenerView>,
    /// The upstreams, in the order of their names.
    pub upstreams: Vec<UpstreamView>,
    /// The caches, in the order of their names.
    pub caches: Vec<CacheView>,
    /// The routes that turn requests away or have a mirror, in the order of the configuration.
    pub routes: Vec<RouteView>,
}

/// What a route counts beside its backends.
#[derive(Debug, Serialize)]
pub struct RouteView {
    /// The addresses of its listener.
    pub listener: String,
    /// Its number there, from 1.
    pub route: usize,
    /// Requests turned away, by reason; `None` if nothing stands in front of the route.
    pub refusals: Option<BTreeMap<&'static str, u64>>,
    /// Copies of requests by what became of them; `None` if it has no mirror.
    pub mirror: Option<BTreeMap<&'static str, u64>>,
}

impl RouteView {
    fn of(route: &RouteCounters) -> Self {
        let refusals = |refusals: &Arc<Refusals>| {
            RefusalReason::ALL.iter().map(|reason| (reason.name(), refusals.of(*reason))).collect()
        };
        let mirror = |mirror: &Arc<MirrorCounters>| mirror.counts().into_iter().collect();
        Self {
            listener: route.listener.to_string(),
            route: route.number,
            refusals: route.refusals.as_ref().map(refusals),
            mirror: route.mirror.as_ref().map(mirror),
        }
    }
}

/// The routes of a balancer that count something.
fn routes(balancer: &Balancer) -> Vec<RouteView> {
    let routes = balancer.routes();
    let counting = routes.iter().flatten().filter(|route| route.refusals.is_some() || route.mirror.is_some());
    counting.map(RouteView::of).collect()
}

/// A response cache.
#[derive(Debug, Serialize)]
pub struct CacheView {
    /// Its name in the configuration.
    pub name: String,
    /// Bytes that are stored, heads and keys included.
    pub bytes: u64,
    /// Bytes that may be stored.
    pub memory: u64,
    /// URIs with an entry.
    pub uris: u64,
    /// URIs that were evicted.
    pub evictions: u64,
    /// Counters of requests and responses since the cache was created.
    pub counts: BTreeMap<&'static str, u64>,
}

impl CacheView {
    fn of(name: &str, cache: &Cache) -> Self {
        let snapshot = cache.snapshot();
        Self {
            name: name.to_owned(),
            bytes: snapshot.bytes,
            memory: cache.settings().memory,
            uris: snapshot.uris,
            evictions: snapshot.evictions,
            counts: CacheCount::ALL.iter().map(|what| (what.name(), snapshot.count(*what))).collect(),
        }
    }
}

/// The caches of a balancer.
pub(super) fn caches(balancer: &Balancer) -> Vec<CacheView> {
    balancer.caches().iter().map(|(name, cache)| CacheView::of(name, cache)).collect()
}

/// The configuration in use.
#[derive(Debug, Serialize)]
pub struct ConfigView {
    /// 1 for the first, incremented by each reload.
    pub generation: u64,
    /// SHA-256 of the file.
    pub checksum: String,
    /// Since when it is in use.
    pub(in crate::server) since: Timestamp,
    /// When a file was read last.
    pub(in crate::server) read: Timestamp,
    /// How often a file was read again and taken.
    pub reloads: u64,
    /// How often one was read and refused.
    pub refused: u64,
    /// Why that file is not in use.
    pub error: Option<String>,
}

/// A listener.
#[derive(Debug, Serialize)]
pub struct ListenerView {
    /// Its addresses.
    pub listen: String,
    /// `http` or `tcp`.
    pub mode: &'static str,
    /// Whether it uses TLS.
    pub tls: bool,
    /// Connections that are open.
    pub connections: usize,
    /// Connections accepted, refused ones included.
    pub accepted: u64,
    /// Connections refused by a limit.
    pub refused: u64,
    /// TLS handshakes that failed.
    pub tls_failed: u64,
}

/// An upstream.
#[derive(Debug, Serialize)]
pub struct UpstreamView {
    /// Its name.
    pub name: String,
    /// The algorithm.
    pub algorithm: String,
    /// The number of the pool in use; `None` if no backend is available.
    pub pool: Option<usize>,
    /// Whether all backends of that pool are used because too few are healthy.
    pub panic: bool,
    /// Requests and connections that wait for a backend.
    pub queued: usize,
    /// Retries.
    pub retries: u64,
    /// Retries denied by the budget.
    pub retries_denied: u64,
    /// Its backends, in the order of their priority.
    pub backends: Vec<BackendView>,
}

/// A backend.
#[derive(Debug, Serialize)]
pub struct BackendView {
    /// Its address.
    pub name: String,
    /// Its origin: `config`, `discovery` or `operator`.
    pub origin: &'static str,
    /// Its weight at present.
    pub weight: u32,
    /// The number of its pool.
    pub priority: u32,
    /// The state set by an operator: `ready`, `drain` or `down`.
    pub admin: &'static str,
    /// Its condition.
    pub state: Condition,
    /// Whether its checks pass; always without checks.
    pub up: bool,
    /// Seconds until its ejection ends.
    pub ejected_for: Option<f64>,
    /// Requests or connections in progress.
    pub in_flight: usize,
    /// The highest number at once.
    pub in_flight_peak: usize,
    /// Responses by class.
    pub responses: BTreeMap<&'static str, u64>,
    /// Failures by reason.
    pub failures: BTreeMap<&'static str, u64>,
    /// Requests that were retried on another backend, by reason.
    pub retried: BTreeMap<&'static str, u64>,
    /// Bytes sent to it.
    pub bytes_sent: u64,
    /// Bytes received from it.
    pub bytes_received: u64,
    /// Connections: opened and reused so far, idle and open now.
    pub connections: ConnectionsView,
    /// TCP connections and tunnels that have ended.
    pub sessions: u64,
    /// Their total duration in seconds.
    pub session_seconds: f64,
    /// Ejections by reason.
    pub ejections: BTreeMap<&'static str, u64>,
    /// Its checks; `None` if it is not checked.
    pub check: Option<CheckView>,
    /// Times until the first byte of a response.
    pub latency: LatencyView,
}

/// The connections of a backend.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ConnectionsView {
    /// Opened so far.
    pub opened: u64,
    /// Reuses of a connection.
    pub reused: u64,
    /// Idle at present.
    pub idle: usize,
    /// Idle and in use at present, without TCP connections and tunnels.
    pub open: usize,
}

/// The checks of a backend.
#[derive(Debug, Serialize)]
pub struct CheckView {
    /// Passes.
    pub passed: u64,
    /// Failures.
    pub failed: u64,
    /// Seconds since the last.
    pub age: Option<f64>,
    /// Why the last failed.
    pub error: Option<String>,
    /// Seconds since checks began to have the outcome of the last one.
    pub since: Option<f64>,
}

/// Latencies.
#[derive(Debug)]
pub struct LatencyView(pub Latencies);

impl Serialize for LatencyView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            count: u64,
            seconds: f64,
            p50: Option<f64>,
            p95: Option<f64>,
            p99: Option<f64>,
            /// Upper ends in seconds, `null` for none, and how many are in the bucket.
            buckets: Vec<(Option<f64>, u64)>,
        }
        let at = |part| self.0.quantile(part).map(|latency| latency.as_secs_f64());
        let bucket = |(end, count): (f64, u64)| (Some(end).filter(|end| end.is_finite()), count);
        Shown {
            count: self.0.count(),
            seconds: self.0.sum().as_secs_f64(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            buckets: self.0.buckets().map(bucket).collect(),
        }
        .serialize(serializer)
    }
}

impl View {
    /// The current snapshot.
    #[must_use]
    pub fn of(balancer: &Balancer) -> Self {
        let now = tokio::time::Instant::now().into_std();
        Self {
            time: Timestamp::of(SystemTime::now()),
            version: env!("CARGO_PKG_VERSION"),
            config: ConfigView::of(&balancer.loaded()),
            listeners: listeners(balancer),
            upstreams: balancer.upstreams().values().map(|up| UpstreamView::of(up, balancer, now)).collect(),
            caches: caches(balancer),
            routes: routes(balancer),
        }
    }
}

impl ConfigView {
    /// The state of the configuration.
    #[must_use]
    pub fn of(loaded: &Loaded) -> Self {
        Self {
            generation: loaded.generation,
            checksum: loaded.checksum.to_string(),
            since: Timestamp::of(loaded.since),
            read: Timestamp::of(loaded.read),
            reloads: loaded.generation.saturating_sub(1),
            refused: loaded.refused,
            error: loaded.error.as_ref().map(ToString::to_string),
        }
    }
}

/// The listeners.
pub(super) fn listeners(balancer: &Balancer) -> Vec<ListenerView> {
    let mode = |mode| match mode {
        Mode::Http => "http",
        Mode::Tcp => "tcp",
    };
    let listeners = balancer.listeners();
    listeners.iter().map(|(addresses, of, gate)| listener(addresses, mode(*of), gate)).collect()
}

fn listener(addresses: &[ListenAddr], mode: &'static str, gate: &Gate) -> ListenerView {
    let stats = gate.stats();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    ListenerView {
        listen: addresses.join(", "),
        mode,
        tls: gate.tls().is_some(),
        connections: gate.connections(),
        accepted: count(&stats.accepted),
        refused: count(&stats.refused_total) + count(&stats.refused_address),
        tls_failed: count(&stats.tls_failed),
    }
}

impl UpstreamView {
    /// The state of an upstream.
    #[must_use]
    pub fn of(upstream: &Upstream, balancer: &Balancer, now: Instant) -> Self {
        let members = upstream.members();
        let (pool, panic) = match members.plan() {
            Plan::Use(pool) => (Some(pool), false),
            Plan::Panic(pool) => (Some(pool), true),
            Plan::Nobody => (None, false),
        };
        let budget = members.budget().stats();
        Self {
            name: upstream.name().to_string(),
            algorithm: members.settings().algorithm.to_string(),
            pool,
            panic,
            queued: upstream.waiting(),
            retries: budget.retries,
            retries_denied: budget.refused,
            backends: members
                .backends()
                .iter()
                .map(|backend| BackendView::of(backend, balancer, now))
                .collect(),
        }
    }
}

impl BackendView {
    /// The state of a backend.
    #[must_use]
    pub fn of(backend: &Arc<Backend>, balancer: &Balancer, now: Instant) -> Self {
        let vitals = backend.vitals();
        let totals = backend.counters().totals();
        let (open, idle) = balancer.connections().of(backend);
        let map = |rows: &[(&'static str, Event)]| {
            rows.iter().map(|(name, event)| (*name, totals.of(*event))).collect::<BTreeMap<_, _>>()
        };
        Self {
            name: backend.name().to_string(),
            origin: match backend.setup().origin {
                Origin::Configured => "config",
                Origin::Discovered => "discovery",
                Origin::Operator => "operator",
            },
            weight: backend.weight(),
            priority: backend.setup().priority,
            admin: vitals.admin().name(),
            state: Condition::of(backend, now),
            up: vitals.is_up(),
            ejected_for: vitals.ejected_for(now).map(|left| left.as_secs_f64()),
            in_flight: backend.outstanding(),
            in_flight_peak: totals.peak,
            responses: map(&RESPONSES),
            failures: map(&FAILURES),
            retried: map(&RETRIED),
            bytes_sent: totals.of(Event::Sent),
            bytes_received: totals.of(Event::Received),
            connections: ConnectionsView {
                opened: totals.of(Event::Opened),
                reused: totals.of(Event::Reused),
                idle,
                open,
            },
            sessions: totals.of(Event::Session),
            session_seconds: Duration::from_millis(totals.of(Event::SessionMillis)).as_secs_f64(),
            ejections: map(&EJECTIONS),
            check: check(backend, &totals, now),
            latency: LatencyView(totals.latency),
        }
    }
}

fn check(backend: &Backend, totals: &Totals, now: Instant) -> Option<CheckView> {
    backend.setup().checks?;
    let last = backend.vitals().last_check();
    let age = |at: Instant| now.saturating_duration_since(at).as_secs_f64();
    Some(CheckView {
        passed: totals.of(Event::CheckPassed),
        failed: totals.of(Event::CheckFailed),
        age: last.as_ref().map(|last| age(last.at)),
        since: last.as_ref().map(|last| age(last.since)),
        error: last.and_then(|last| last.error),
    })
}
