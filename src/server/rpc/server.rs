//! A server of calls, piece by piece: what programs start from, and what the command itself is made of.

use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Settings;
use super::caller::Caller;
use super::context::Lane;
use super::link::{Link, LinkError, Parts, Serve};
use super::method::Description;
use super::observe::{CallLog, Format, Observers, RpcMetrics, Watch};
use crate::net::addr::ListenAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::limits::ConnectionLimits;
use crate::net::serve::{Arrival, Gate, GateSettings};
use crate::net::shards::{Threading, cores};
use crate::net::tls::{CertPair, ClientAuth, TlsConfig};
use crate::net::workers::Blocking;
use crate::proto::rpc::codec::ALPN;
use crate::proto::rpc::session::Role;
use crate::server::http::RunError;
use crate::server::http::builder::{add_status, open_log};
use crate::server::http::request::Peer;
use crate::server::lines::Target;
use crate::server::listening::{self, Accept, Listening};
use crate::server::metrics::Metrics;
use crate::server::process::{Address, Handle, Outcome, Process, Running};

/// The name of this server in what it prints.
pub const NAME: &str = "rpc";

/// What calls under way get to end when the server is told to stop, unless told otherwise.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Called with the addresses when all is ready.
type Ready = Box<dyn FnOnce(&[Address]) + Send>;

/// Adds what something else counts to the metrics.
type Show = Box<dyn FnOnce(&Metrics) + Send>;

/// Methods by the numbers of their service and their own.
type Methods = Vec<((u32, u16), &'static Description)>;

/// A server that is not there yet. Ended by [`run`](Self::run), which serves until a signal, or [`start`](Self::start), which serves
/// beside the program.
#[must_use = "it serves nobody until it is run or started"]
pub struct Server {
    name: &'static str,
    serve: Arc<dyn Serve>,
    methods: Methods,
    listen: Vec<ListenAddr>,
    tls: Option<TlsConfig>,
    settings: Settings,
    connections: ConnectionLimits,
    threads: usize,
    threading: Threading,
    drain_timeout: Duration,
    max_age: Option<Duration>,
    access_log: Option<(Format, Target)>,
    metrics: Option<RpcMetrics>,
    /// Where they are shown.
    status: Option<ListenAddr>,
    shown: Vec<Show>,
    workers: Option<Blocking>,
    handle: Handle,
    ready: Option<Ready>,
    /// The first thing that was wrong with what we were told.
    wrong: Option<RunError>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listen", &self.listen).finish_non_exhaustive()
    }
}

impl Server {
    /// A server whose calls are answered by `serve`.
    pub(super) fn of(serve: Arc<dyn Serve>) -> Self {
        Self {
            name: NAME,
            serve,
            methods: Vec::new(),
            listen: Vec::new(),
            tls: None,
            settings: Settings::default(),
            connections: ConnectionLimits::default(),
            threads: cores(),
            threading: Threading::PerCore,
            drain_timeout: DRAIN_TIMEOUT,
            max_age: None,
            access_log: None,
            metrics: None,
            status: None,
            shown: Vec::new(),
            workers: None,
            handle: Handle::new(),
            ready: None,
            wrong: None,
        }
    }

    /// Tells of calls by these methods, and of all others as one.
    pub(super) fn observing(self, methods: Methods) -> Self {
        Self { methods, ..self }
    }

    /// Its name in the addresses that it tells, in place of `rpc`.
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Listens at one address more: `127.0.0.1:7000`, `:7000`, `127.0.0.1:0` for a free port, `unix:/run/app.sock`, `fd:rpc` for a socket
    /// of systemd's. A text that is no address is the error of [`run`](Self::run) and [`start`](Self::start).
    pub fn listen<A>(mut self, address: A) -> Self
    where
        A: TryInto<ListenAddr>,
        RunError: From<A::Error>,
    {
        match address.try_into() {
            Ok(address) => self.listen.push(address),
            Err(error) => {
                self.wrong.get_or_insert(error.into());
            }
        }
        self
    }

    /// Speaks TLS on every TCP listener, with a certificate (followed by its chain) and its private key, both in PEM. Files that change are
    /// read again.
    pub fn tls(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let (cert, key) = (cert.into(), key.into());
        self.tls_config().certificates.push(CertPair { cert, key });
        self
    }

    /// Speaks TLS with a certificate for `localhost` that is made up at the start: for development.
    pub fn tls_self_signed(mut self) -> Self {
        self.tls_config().self_signed = true;
        self
    }

    /// Asks callers for certificates. What they show is in [`Context::peer`](super::Context::peer).
    pub fn tls_client_auth(mut self, auth: ClientAuth) -> Self {
        self.tls_config().client_auth = auth;
        self
    }

    /// What its connections put up with.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// How many connections there may be, in all and from one address.
    pub fn connections(mut self, limits: ConnectionLimits) -> Self {
        self.connections = limits;
        self
    }

    /// Writes a line for each call when it is over, also for those that no handler has seen.
    pub fn access_log(mut self, format: Format, target: Target) -> Self {
        self.access_log = Some((format, target));
        self
    }

    /// Counts calls here, in place of metrics of its own: for a program that shows them by itself.
    pub fn count(mut self, metrics: RpcMetrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Counts calls, and answers `/metrics` (Prometheus) and `/healthz` over HTTP at an address of their own, which is given as to
    /// [`listen`](Self::listen).
    pub fn metrics<A>(mut self, address: A) -> Self
    where
        A: TryInto<ListenAddr>,
        RunError: From<A::Error>,
    {
        match address.try_into() {
            Ok(address) => self.status = Some(address),
            Err(error) => {
                self.wrong.get_or_insert(error.into());
            }
        }
        self
    }

    /// Shows what something else counts with the metrics, if they are shown at all.
    pub fn show(mut self, register: impl FnOnce(&Metrics) + Send + 'static) -> Self {
        self.shown.push(Box::new(register));
        self
    }

    /// Gives handlers these workers for [heavy work](super::Context::work), shows them in the metrics, and drains them when the server has stopped.
    pub fn workers(mut self, workers: Blocking) -> Self {
        self.workers = Some(workers);
        self
    }

    /// How many threads serve connections: one a core unless set. At least one.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// How the work is spread over them: each its own unless set.
    pub fn threading(mut self, threading: Threading) -> Self {
        self.threading = threading;
        self
    }

    /// What calls under way get to end when the server is told to stop: [`DRAIN_TIMEOUT`] unless set.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Lets connections go after a time, a tenth less or more by chance: their clients make new ones, which balancers and names may lead elsewhere.
    /// Calls under way get the [drain timeout](Self::drain_timeout) to end; none is lost that ends by then. Without it connections stay.
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Lets `handle` stop the server, in place of a new one.
    pub fn handle(mut self, handle: Handle) -> Self {
        self.handle = handle;
        self
    }

    /// Calls `ready` with the addresses, real ports and all, when nothing can fail any more.
    pub fn on_ready(mut self, ready: impl FnOnce(&[Address]) + Send + 'static) -> Self {
        self.ready = Some(Box::new(ready));
        self
    }

    /// Serves until SIGTERM or SIGINT, which a second one hastens; SIGHUP reads certificates again. It blocks and makes runtimes of its own,
    /// so it cannot be called from within one: see [`start`](Self::start).
    ///
    /// # Errors
    /// An address is none or cannot be listened on, a file cannot be read, or the system has no threads.
    pub fn run(mut self) -> Result<Outcome, RunError> {
        let ready = self.take_ready();
        Ok(self.process()?.run(ready)?)
    }

    /// Serves on threads of its own, and returns when clients can connect. It ends when what is returned is stopped or dropped.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn start(mut self) -> Result<Running, RunError> {
        let ready = self.take_ready();
        Ok(self.process()?.start(ready)?)
    }

    /// Reads files, binds sockets, and puts the server into `process`, whose threads and drain it uses.
    pub(in crate::server) fn prepare(self, process: &mut Process) -> Result<(), RunError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        if self.listen.is_empty() {
            return Err(RunError::NoAddress);
        }
        let open = |(format, target)| open_log(target, |target| CallLog::open(format, target));
        let log = self.access_log.map(open).transpose()?;
        let metrics = self.metrics.or_else(|| self.status.as_ref().map(|_| RpcMetrics::new()));
        let lines = log.as_ref().map(|log| Arc::clone(log.writer()));
        let observers = Observers::new(metrics.clone(), log, &self.methods);
        let tls = self.tls.map(listening::tls).transpose()?;
        let sockets = listening::bind(&self.listen, process.threads)?;
        listening::note(self.name, &sockets, process);
        let gate = Gate::new(GateSettings { limits: self.connections, tls, ..GateSettings::default() });
        let drain = process.drain.clone();
        let age = self.max_age.map(|age| Age { age, grace: self.drain_timeout });
        let lane = self.workers.clone().map(|workers| Arc::new(Lane::new(workers)));
        let calls =
            Calls { serve: self.serve, settings: Arc::new(self.settings), age, observers, lane, drain };
        process.workers.extend(self.workers.clone());
        let part = Arc::new(Listening::new(calls, gate, sockets).logging(lines));
        process.parts.push(part.clone());
        if let (Some(address), Some(metrics)) = (self.status, metrics) {
            self.shown.into_iter().for_each(|register| register(metrics.metrics()));
            add_status(&address, metrics.metrics(), &part.gate, self.workers.as_ref(), process)?;
        }
        Ok(())
    }

    fn process(self) -> Result<Process, RunError> {
        let process = Process::new(self.threading, self.threads, self.drain_timeout);
        let mut process = process.stopped_by(self.handle.clone());
        self.prepare(&mut process)?;
        Ok(process)
    }

    fn take_ready(&mut self) -> Ready {
        self.ready.take().unwrap_or_else(|| Box::new(|_| {}))
    }

    fn tls_config(&mut self) -> &mut TlsConfig {
        self.tls.get_or_insert_with(|| TlsConfig { alpn: vec![ALPN.to_vec()], ..TlsConfig::default() })
    }
}

/// What serves connections.
struct Calls {
    serve: Arc<dyn Serve>,
    settings: Arc<Settings>,
    age: Option<Age>,
    observers: Option<Arc<Observers>>,
    lane: Option<Arc<Lane>>,
    drain: Drain,
}

/// How long connections stay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    pub(super) age: Duration,
    /// What calls under way get then.
    pub(super) grace: Duration,
}

/// How far ages are spread by chance, so that connections which were made together do not all leave together. gRPC has as much.
const SPREAD: f64 = 0.1;

impl Age {
    /// With a tenth less or more, as `chance` from 0 to 1 will have it.
    pub(super) fn spread(self, chance: f64) -> Self {
        Self { age: self.age.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * chance), ..self }
    }

    /// Runs a connection on which `caller` is the only one to call. When it has its age it leaves, and is cut when that takes too long.
    pub(super) async fn limit(
        self,
        run: impl Future<Output = Result<(), LinkError>>,
        caller: Caller,
    ) -> Result<(), LinkError> {
        let mut run = pin!(run);
        if let Ok(end) = timeout(self.age, &mut run).await {
            return end;
        }
        drop(caller); // it leaves when nobody can call any more
        timeout(self.grace, run).await.unwrap_or(Err(LinkError::Stopped))
    }
}

impl Accept for Calls {
    async fn connection(self: Arc<Self>, arrival: Arrival, clock: Clock) {
        let peer = Arc::new(Peer::of(&arrival));
        let Arrival { io, place, .. } = arrival;
        let (link, caller) = Link::new(Parts {
            io,
            timer: clock.timer(),
            role: Role::Server,
            settings: Arc::clone(&self.settings),
            serve: Arc::clone(&self.serve),
            peer: Arc::clone(&peer),
            drain: self.drain.clone(),
            place: Some(place),
            watch: Watch::new(self.observers.as_ref(), &peer),
            lane: self.lane.clone(),
        });
        let end = match self.age {
            Some(age) => Box::pin(age.spread(fastrand::f64()).limit(link.run(), caller)).await,
            None => {
                let end = link.run().await;
                drop(caller); // a server does not close a connection because it has nothing to ask
                end
            }
        };
        if let Err(error) = end {
            tracing::debug!(peer = %peer.addr, %error, "a connection ended");
        }
    }

    fn drain(&self) -> &Drain {
        &self.drain
    }
}
