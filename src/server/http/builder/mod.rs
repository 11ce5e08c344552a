//! A server from a handler, piece by piece: what programs start from, and what the command itself is made of.
//!
//! A [`Builder`] gathers what is wanted and does nothing. Then everything that can fail is done first: addresses are read,
//! certificates loaded, sockets bound. Only then threads start, so a port in use is one error and no half of a server.

mod engine;
mod error;
mod status;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use self::engine::Observers;
pub use self::error::RunError;
use super::handler::{Handler, SharedHandler};
use super::metrics::HttpMetrics;
use super::middleware::Stack;
use super::middleware::access_log::{AccessLog, Format, Target};
use super::serve::Server;
use super::settings::Settings;
use crate::net::addr::{ListenAddr, Prefixes};
use crate::net::limits::ConnectionLimits;
use crate::net::listen::bind_std;
use crate::net::serve::Gate;
use crate::net::shards::{Threading, cores};
use crate::net::tls::{CertPair, ClientAuth, TlsConfig};
use crate::net::workers::Blocking;
use crate::server::listening;
use crate::server::metrics::Metrics;
use crate::server::process::{Address, Handle, Outcome, Process, Running, announce};

/// The name of this server in what it prints.
pub const NAME: &str = "http";

/// What requests get to end when the server is told to stop, unless told otherwise. Kubernetes kills after 30 s.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What a TLS handshake may take, unless told otherwise. Go leaves it out, HAProxy's advice is 10 s.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves `handler` at `address` with the default settings, until SIGTERM or ctrl-c; then waits for requests under way.
/// Prints a line `listening http ADDR` when it is ready.
///
/// `address` is as on the command line: `127.0.0.1:8080`, `:80`, `unix:/run/app.sock`. The call blocks; it makes its own
/// threads, one a core. Who wants more takes [`Server::builder`].
///
/// # Errors
/// The text is no address, or it cannot be listened on.
///
/// ```no_run
/// use wireworks::server::http::request::Request;
///
/// async fn hello(_: Request) -> &'static str {
///     "Hello, World!\n"
/// }
///
/// fn main() -> Result<(), wireworks::server::http::RunError> {
///     wireworks::server::http::run("127.0.0.1:8080", hello)
/// }
/// ```
pub fn run(address: &str, handler: impl Handler) -> Result<(), RunError> {
    let server = Server::builder(handler).listen(address).on_ready(announce);
    server.run().map(drop)
}

impl Server {
    /// A server of `handler`, to be told where to listen and what else is wanted.
    ///
    /// ```
    /// use std::time::Duration;
    /// use wireworks::server::http::request::Request;
    /// use wireworks::server::http::settings::Settings;
    /// use wireworks::server::http::{RunError, Server};
    ///
    /// async fn hello(_: Request) -> &'static str {
    ///     "Hello, World!\n"
    /// }
    ///
    /// # fn main() -> Result<(), RunError> {
    /// let running = Server::builder(hello)
    ///     .listen("127.0.0.1:0")
    ///     .metrics("127.0.0.1:0")
    ///     .settings(Settings {
    ///         head_timeout: Duration::from_secs(10),
    ///         ..Settings::default()
    ///     })
    ///     .threads(2)
    ///     .start()?;
    /// for address in running.addresses() {
    ///     println!("{} at {}", address.server, address.address);
    /// }
    /// running.stop()?; // waits for requests under way
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(handler: impl Handler) -> Builder {
        Builder {
            name: NAME,
            handler: Arc::new(handler),
            stack: Stack { catch_panics: true, ..Stack::default() },
            access_log: None,
            metrics: None,
            shown: Vec::new(),
            workers: None,
            tls: None,
            plan: Plan {
                listen: Vec::new(),
                proxies: Prefixes::default(),
                connections: ConnectionLimits::default(),
                tls_handshake_timeout: TLS_HANDSHAKE_TIMEOUT,
                settings: Settings::default(),
            },
            threads: cores(),
            threading: Threading::PerCore,
            drain_timeout: DRAIN_TIMEOUT,
            handle: Handle::new(),
            ready: None,
            wrong: None,
        }
    }
}

/// A server that is not there yet. Begun by [`Server::builder`]; ended by [`run`](Self::run), which serves until a signal,
/// or [`start`](Self::start), which serves beside the program.
#[must_use = "it serves nobody until it is run or started"]
pub struct Builder {
    name: &'static str,
    handler: SharedHandler,
    stack: Stack,
    access_log: Option<(Format, Target)>,
    metrics: Option<ListenAddr>,
    shown: Vec<Show>,
    workers: Option<Blocking>,
    tls: Option<TlsConfig>,
    plan: Plan,
    threads: usize,
    threading: Threading,
    drain_timeout: Duration,
    handle: Handle,
    ready: Option<Ready>,
    /// The first thing that was wrong with what we were told.
    wrong: Option<RunError>,
}

/// Adds what something else counts to the metrics.
type Show = Box<dyn FnOnce(&Metrics) + Send>;

/// Called with the addresses when all is ready.
type Ready = Box<dyn FnOnce(&[Address]) + Send>;

/// What the engine needs to know.
struct Plan {
    listen: Vec<ListenAddr>,
    proxies: Prefixes,
    connections: ConnectionLimits,
    tls_handshake_timeout: Duration,
    settings: Settings,
}

impl Builder {
    /// Its name in the addresses that it tells, in place of `http`.
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Listens at one address more: `127.0.0.1:8080`, `:80`, `127.0.0.1:0` for a free port, `unix:/run/app.sock`,
    /// `fd:web` for a socket of systemd's; or a [`SocketAddr`](std::net::SocketAddr), or a [`ListenAddr`]. A text that is
    /// no address is the error of [`run`](Self::run) and [`start`](Self::start).
    pub fn listen<A>(mut self, address: A) -> Self
    where
        A: TryInto<ListenAddr>,
        RunError: From<A::Error>,
    {
        match address.try_into() {
            Ok(address) => self.plan.listen.push(address),
            Err(error) => self.is_wrong(error),
        }
        self
    }

    /// Speaks TLS on every TCP listener, with a certificate (followed by its chain) and its private key, both in PEM. Once
    /// more for another certificate: the name that a client asks for chooses. Files that change are read again.
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

    /// Asks clients for certificates. What they show is in [`Peer::tls_session`](super::request::Peer::tls_session).
    pub fn tls_client_auth(mut self, auth: ClientAuth) -> Self {
        self.tls_config().client_auth = auth;
        self
    }

    /// What a TLS handshake may take: [`TLS_HANDSHAKE_TIMEOUT`] unless set.
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.plan.tls_handshake_timeout = timeout;
        self
    }

    /// Waits, rates and sizes of connections and messages.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.plan.settings = settings;
        self
    }

    /// How many connections there may be, in all and from one address.
    pub fn connections(mut self, limits: ConnectionLimits) -> Self {
        self.plan.connections = limits;
        self
    }

    /// Whose connections must begin with a PROXY header, which names the client.
    pub fn proxies(mut self, proxies: Prefixes) -> Self {
        self.plan.proxies = proxies;
        self
    }

    /// What stands around the handler, in place of the default: a stack that answers for panics and does nothing else.
    /// An access log or metrics in it are told of refused requests as well.
    pub fn stack(mut self, stack: Stack) -> Self {
        self.stack = stack;
        self
    }

    /// Writes a line for each request, also for those that are refused before the handler sees them.
    pub fn access_log(mut self, format: Format, target: Target) -> Self {
        self.access_log = Some((format, target));
        self
    }

    /// Counts requests, and answers `/metrics` (Prometheus) and `/healthz` at an address of their own, which is given as to
    /// [`listen`](Self::listen).
    pub fn metrics<A>(mut self, address: A) -> Self
    where
        A: TryInto<ListenAddr>,
        RunError: From<A::Error>,
    {
        match address.try_into() {
            Ok(address) => self.metrics = Some(address),
            Err(error) => self.is_wrong(error),
        }
        self
    }

    /// Shows what something else counts with the metrics, if they are shown at all:
    /// `show(move |metrics| sockets.register(metrics))`.
    pub fn show(mut self, register: impl FnOnce(&Metrics) + Send + 'static) -> Self {
        self.shown.push(Box::new(register));
        self
    }

    /// Shows these workers, which files or compression use, in the metrics, and drains them when the server has stopped.
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

    /// What requests under way get to end when the server is told to stop: [`DRAIN_TIMEOUT`] unless set.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.drain_timeout = timeout;
        self
    }

    /// Lets `handle` stop the server, in place of a new one: for handlers that want to know when it stops, and for programs
    /// that [`run`](Self::run) it and stop it from another thread.
    pub fn handle(mut self, handle: Handle) -> Self {
        self.handle = handle;
        self
    }

    /// Calls `ready` with the addresses, real ports and all, when nothing can fail any more: who connects from then on is
    /// served, even if the server is stopped at once.
    /// [`announce`] prints them as the command does.
    pub fn on_ready(mut self, ready: impl FnOnce(&[Address]) + Send + 'static) -> Self {
        self.ready = Some(Box::new(ready));
        self
    }

    /// Serves until SIGTERM or SIGINT, which a second one hastens; SIGHUP reads certificates again and opens the access log
    /// anew. It blocks and makes runtimes of its own, so it cannot be called from within one: see [`start`](Self::start).
    /// Like `start` it raises the process's limit of open descriptors as far as it may.
    ///
    /// # Errors
    /// An address is none or cannot be listened on, a file cannot be read, or the system has no threads.
    pub fn run(mut self) -> Result<Outcome, RunError> {
        let ready = self.take_ready();
        Ok(self.process()?.run(ready)?)
    }

    /// Serves on threads of its own, and returns when clients can connect. Signals are the program's: it stops the server by the
    /// [`Handle`] of what is returned, or by dropping that.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub fn start(mut self) -> Result<Running, RunError> {
        let ready = self.take_ready();
        Ok(self.process()?.start(ready)?)
    }

    /// Reads files, binds sockets, and puts the server into `process`, whose threads and drain it uses.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub(in crate::server) fn prepare(self, process: &mut Process) -> Result<(), RunError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        if self.plan.listen.is_empty() {
            return Err(RunError::NoAddress);
        }
        let mut stack = self.stack;
        if let Some((format, target)) = self.access_log {
            stack.access_log = Some(open_log(target, |target| AccessLog::open(format, target))?);
        }
        if self.metrics.is_some() {
            stack.metrics.get_or_insert_with(HttpMetrics::new);
        }
        let observers = Observers { access_log: stack.access_log.clone(), metrics: stack.metrics.clone() };
        let tls = self.tls.map(listening::tls).transpose()?;
        let sockets = listening::bind(&self.plan.listen, process.threads)?;
        listening::note(self.name, &sockets, process);
        let handler = stack.around(self.handler);
        process.workers.extend(self.workers.clone());
        let drain = process.drain.clone();
        let part = Arc::new(engine::http(self.plan, handler, &observers, tls, sockets, drain));
        process.parts.push(part.clone());
        if let (Some(address), Some(metrics)) = (self.metrics, observers.metrics) {
            let metrics = metrics.metrics();
            self.shown.into_iter().for_each(|register| register(metrics));
            let stats = Arc::clone(&part.server.stats);
            metrics.register_counter("replies_cut", "Connections that were cut within a reply", move || {
                stats.cut.load(Ordering::Relaxed)
            });
            add_status(&address, metrics, &part.gate, self.workers.as_ref(), process)?;
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
        self.tls.get_or_insert_with(|| TlsConfig { alpn: vec![b"http/1.1".to_vec()], ..TlsConfig::default() })
    }

    fn is_wrong(&mut self, error: impl Into<RunError>) {
        self.wrong.get_or_insert(error.into());
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("listen", &self.plan.listen)
            .field("settings", &self.plan.settings)
            .finish_non_exhaustive()
    }
}

/// An access log, opened by `open`.
pub(in crate::server) fn open_log<T>(
    target: Target,
    open: impl FnOnce(Target) -> io::Result<T>,
) -> Result<T, RunError> {
    let path = match &target {
        Target::File(path) => path.clone(),
        Target::Stdout | Target::Stderr => "-".into(),
    };
    open(target).map_err(|source| RunError::AccessLog { path, source })
}

/// Puts the small server for metrics and health into `process`, which also tells what the gate and the workers of the other one count.
pub(in crate::server) fn add_status(
    address: &ListenAddr,
    metrics: &Metrics,
    gate: &Gate,
    workers: Option<&Blocking>,
    process: &mut Process,
) -> Result<(), RunError> {
    status::register(metrics, gate, workers);
    let sockets = vec![vec![bind_std(address, false)?]];
    listening::note("metrics", &sockets, process);
    let handler = status::handler(metrics.clone(), process.drain.clone());
    let part = engine::status(handler, sockets, process.last_drain.clone());
    process.last.push(Arc::new(part));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::request::Request;

    async fn never(_: Request) -> &'static str {
        "never"
    }

    fn prepared(server: Builder) -> Result<Process, RunError> {
        server.process()
    }

    #[test]
    fn a_server_knows_its_real_ports_and_a_taken_one_is_an_error() {
        let process = prepared(Server::builder(never).listen("127.0.0.1:0").metrics("127.0.0.1:0")).unwrap();
        let names: Vec<_> = process.addresses.iter().map(|address| address.server).collect();
        assert_eq!(names, ["http", "metrics"]);
        assert_eq!((process.parts.len(), process.last.len()), (1, 1));
        let ListenAddr::Tcp(taken) = process.addresses[0].address else {
            panic!("{:?}", process.addresses);
        };
        assert_ne!(taken.port(), 0);
        let error = prepared(Server::builder(never).listen(taken)).map(drop).unwrap_err();
        let expected = format!("cannot listen on {taken}: the address is in use by another process");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_wrong_is_told_before_anything_runs() {
        let server = || Server::builder(never).listen("127.0.0.1:0");
        let missing = "/nonexistent/file";
        let rows = [
            (Server::builder(never), "no address to listen on"),
            (server().listen("nowhere").listen("unix:"), "\"nowhere\" has no port"),
            (server().metrics("9090"), "\"9090\" has no port"),
            (server().tls(missing, missing), missing),
            (server().tls_client_auth(ClientAuth::Optional(missing.into())), "TLS needs a certificate"),
            (server().access_log(Format::Json, Target::File(missing.into())), missing),
        ];
        for (server, expected) in rows {
            let error = server.start().map(drop).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = run("nowhere", never).unwrap_err();
        assert!(matches!(error, RunError::Address(_)), "{error}");
    }
}
