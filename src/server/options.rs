//! The options that every server has, whatever it speaks: listeners, TLS, limits on connections, threads, metrics and the shutdown.
//!
//! A server holds one [`CommonOptions`] and gets the methods that set them from [`common!`], so that an option has the same name and the
//! same meaning everywhere. What a protocol adds (its settings, its access log) stays with its server.

use std::path::PathBuf;
use std::time::Duration;

use super::RunError;
use super::command::ServerConfig;
use super::listening;
use super::metrics::Metrics;
use super::process::{Address, Handle, Process};
use super::status::add_status;
use crate::net::addr::{ListenAddr, Prefixes};
use crate::net::limits::ConnectionLimits;
use crate::net::listen::Bound;
use crate::net::serve::{Gate, GateSettings, PreambleSettings};
use crate::net::shards::{Threading, cores};
use crate::net::tls::{CertPair, Challenges, ClientAuth, Tls, TlsConfig};
use crate::net::workers::Blocking;

/// What requests and calls under way get to end when the server is told to stop, unless told otherwise. Kubernetes kills after 30 s.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// What a TLS handshake may take, unless told otherwise. Go leaves it out, HAProxy's advice is 10 s.
pub(super) const TLS_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Adds what something else counts to the metrics.
type Show = Box<dyn FnOnce(&Metrics) + Send>;

/// Called with the addresses when all is ready.
type Ready = Box<dyn FnOnce(&[Address]) + Send>;

/// The options, as far as they were set.
pub(super) struct CommonOptions {
    pub(super) name: &'static str,
    /// What is spoken, as ALPN calls it; nothing if it has no name there.
    alpn: &'static [u8],
    pub(super) listen: Vec<ListenAddr>,
    tls: Option<TlsConfig>,
    pub(super) tls_handshake_timeout: Duration,
    pub(super) proxies: Prefixes,
    pub(super) connections: ConnectionLimits,
    pub(super) threads: usize,
    pub(super) threading: Threading,
    pub(super) drain_timeout: Duration,
    pub(super) workers: Option<Blocking>,
    /// Where metrics are shown.
    metrics: Option<ListenAddr>,
    shown: Vec<Show>,
    pub(super) handle: Handle,
    ready: Option<Ready>,
    /// The first thing that was wrong with what we were told.
    wrong: Option<RunError>,
}

impl CommonOptions {
    /// The defaults, for a server of this name.
    pub(super) fn new(name: &'static str, alpn: &'static [u8]) -> Self {
        Self {
            name,
            alpn,
            listen: Vec::new(),
            tls: None,
            tls_handshake_timeout: TLS_HANDSHAKE_TIMEOUT,
            proxies: Prefixes::default(),
            connections: ConnectionLimits::default(),
            threads: cores(),
            threading: Threading::PerCore,
            drain_timeout: DRAIN_TIMEOUT,
            workers: None,
            metrics: None,
            shown: Vec::new(),
            handle: Handle::new(),
            ready: None,
            wrong: None,
        }
    }

    pub(super) fn listen<A>(&mut self, address: A)
    where
        A: TryInto<ListenAddr>,
        RunError: From<A::Error>,
    {
        if let Some(address) = self.address(address) {
            self.listen.push(address);
        }
    }

    pub(super) fn metrics<A>(&mut self, address: A)
    where
        A: TryInto<ListenAddr>,
        RunError: From<A::Error>,
    {
        if let Some(address) = self.address(address) {
            self.metrics = Some(address);
        }
    }

    fn address<A>(&mut self, address: A) -> Option<ListenAddr>
    where
        A: TryInto<ListenAddr>,
        RunError: From<A::Error>,
    {
        let address = address.try_into().map_err(RunError::from);
        address.map_err(|error| self.wrong.get_or_insert(error)).ok()
    }

    fn tls_config(&mut self) -> &mut TlsConfig {
        let alpn = self.alpn;
        let alpn = if alpn.is_empty() { Vec::new() } else { vec![alpn.to_vec()] };
        self.tls.get_or_insert_with(|| TlsConfig { alpn, ..TlsConfig::default() })
    }

    pub(super) fn certificate(&mut self, cert: PathBuf, key: PathBuf) {
        self.tls_config().certificates.push(CertPair { cert, key });
    }

    pub(super) fn self_signed(&mut self) {
        self.tls_config().self_signed = true;
    }

    pub(super) fn client_auth(&mut self, auth: ClientAuth) {
        self.tls_config().client_auth = auth;
    }

    pub(super) fn challenges(&mut self, challenges: Challenges) {
        self.tls_config().challenges = Some(challenges);
    }

    pub(super) fn show(&mut self, register: impl FnOnce(&Metrics) + Send + 'static) {
        self.shown.push(Box::new(register));
    }

    pub(super) fn on_ready(&mut self, ready: impl FnOnce(&[Address]) + Send + 'static) {
        self.ready = Some(Box::new(ready));
    }

    /// All that a configuration says, but for the access log, whose lines are the protocol's.
    pub(super) fn configure(&mut self, config: &ServerConfig) {
        self.listen.extend(config.listen.iter().cloned());
        self.proxies.clone_from(&config.proxies);
        self.connections = config.connections;
        self.threads = config.threads;
        self.threading = config.threading;
        self.drain_timeout = config.drain_timeout;
        self.metrics.clone_from(&config.metrics);
        self.tls_handshake_timeout = config.tls.handshake_timeout;
        for (cert, key) in config.tls.certs.iter().zip(&config.tls.keys) {
            self.certificate(cert.clone(), key.clone());
        }
        if config.tls.self_signed {
            self.self_signed();
        }
        if let Some(auth) = config.tls.client_auth() {
            self.client_auth(auth);
        }
    }

    /// Who is to be told that all is ready.
    pub(super) fn take_ready(&mut self) -> Ready {
        self.ready.take().unwrap_or_else(|| Box::new(|_| {}))
    }

    /// A process with such threads, for this server alone.
    pub(super) fn process(&self) -> Process {
        Process::new(self.threading, self.threads, self.drain_timeout).stopped_by(self.handle.clone())
    }

    /// Whether what we were told makes sense: before anything is opened.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check(&mut self) -> Result<(), RunError> {
        match self.wrong.take() {
            Some(wrong) => Err(wrong),
            None if self.listen.is_empty() => Err(RunError::NoAddress),
            None => Ok(()),
        }
    }

    /// Whether metrics are shown.
    pub(super) fn wants_metrics(&self) -> bool {
        self.metrics.is_some()
    }

    /// Reads certificates and binds sockets: those of each shard, and what stands at their gate.
    ///
    /// # Errors
    /// A file cannot be read, or an address not be listened on.
    pub(super) fn open(
        &mut self,
        process: &mut Process,
    ) -> Result<(GateSettings, Vec<Vec<Bound>>), RunError> {
        let gate = self.gate()?;
        let sockets = listening::bind(&self.listen, process.threads)?;
        listening::note(self.name, &sockets, process);
        process.workers.extend(self.workers.clone());
        Ok((gate, sockets))
    }

    /// Reads certificates: what stands at the gate of its sockets, whoever binds them.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn gate(&mut self) -> Result<GateSettings, RunError> {
        let tls: Option<Tls> = self.tls.take().map(listening::tls).transpose()?;
        let preamble = (!self.proxies.is_empty()).then(|| PreambleSettings {
            trusted: std::mem::take(&mut self.proxies),
            timeout: self.tls_handshake_timeout,
            parse: listening::proxy_header,
        });
        Ok(GateSettings {
            limits: self.connections,
            tls,
            tls_handshake_timeout: self.tls_handshake_timeout,
            preamble,
            ..GateSettings::default()
        })
    }

    /// Shows `metrics`, and what this gate and the workers count, if anybody wants to see them.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(super) fn show_metrics(
        self,
        metrics: &Metrics,
        gate: &Gate,
        process: &mut Process,
    ) -> Result<(), RunError> {
        let Some(address) = &self.metrics else { return Ok(()) };
        self.shown.into_iter().for_each(|register| register(metrics));
        add_status(address, metrics, gate, self.workers.as_ref(), process)
    }
}

/// The methods of a server that holds a [`CommonOptions`] in its field `common` and has a method `prepare`: within its `impl`.
macro_rules! common {
    () => {
        /// Its name in the addresses that it tells, in place of that of its protocol.
        pub fn name(mut self, name: &'static str) -> Self {
            self.common.name = name;
            self
        }

        /// Listens at one address more: `127.0.0.1:8080`, `:80`, `127.0.0.1:0` for a free port, `unix:/run/app.sock`,
        /// `fd:web` for a socket of systemd's; or a [`SocketAddr`](std::net::SocketAddr), or a
        /// [`ListenAddr`](crate::net::addr::ListenAddr). A text that is no address is the error of [`run`](Self::run) and
        /// [`start`](Self::start).
        pub fn listen<A>(mut self, address: A) -> Self
        where
            A: TryInto<$crate::net::addr::ListenAddr>,
            $crate::server::RunError: From<A::Error>,
        {
            self.common.listen(address);
            self
        }

        /// Speaks TLS on every TCP listener, with a certificate (followed by its chain) and its private key, both in PEM. Once
        /// more for another certificate: the name that a client asks for chooses. Files that change are read again.
        pub fn tls(
            mut self,
            cert: impl Into<::std::path::PathBuf>,
            key: impl Into<::std::path::PathBuf>,
        ) -> Self {
            self.common.certificate(cert.into(), key.into());
            self
        }

        /// Speaks TLS with a certificate for `localhost` that is made up at the start: for development.
        pub fn tls_self_signed(mut self) -> Self {
            self.common.self_signed();
            self
        }

        /// Asks clients for certificates. What they show is in
        /// [`Peer::tls_session`](crate::server::peer::Peer::tls_session).
        pub fn tls_client_auth(mut self, auth: $crate::net::tls::ClientAuth) -> Self {
            self.common.client_auth(auth);
            self
        }

        /// Answers these challenges of a certificate authority on TLS listeners, beside the clients (TLS-ALPN-01, RFC 8737).
        pub fn tls_challenges(mut self, challenges: $crate::net::tls::Challenges) -> Self {
            self.common.challenges(challenges);
            self
        }

        /// What a TLS handshake may take: [`TLS_HANDSHAKE_TIMEOUT`] unless set.
        pub fn tls_handshake_timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self.common.tls_handshake_timeout = timeout;
            self
        }

        /// How many connections there may be, in all and from one address.
        pub fn connections(mut self, limits: $crate::net::limits::ConnectionLimits) -> Self {
            self.common.connections = limits;
            self
        }

        /// Whose connections must begin with a PROXY header, which names the client.
        pub fn proxies(mut self, proxies: $crate::net::addr::Prefixes) -> Self {
            self.common.proxies = proxies;
            self
        }

        /// Counts what it answers, and answers `/metrics` (Prometheus) and `/healthz` over HTTP at an address of their own, which is
        /// given as to [`listen`](Self::listen).
        pub fn metrics<A>(mut self, address: A) -> Self
        where
            A: TryInto<$crate::net::addr::ListenAddr>,
            $crate::server::RunError: From<A::Error>,
        {
            self.common.metrics(address);
            self
        }

        /// Shows what something else counts with the metrics, if they are shown at all:
        /// `show(move |metrics| sockets.register(metrics))`.
        pub fn show(
            mut self,
            register: impl FnOnce(&$crate::server::metrics::Metrics) + Send + 'static,
        ) -> Self {
            self.common.show(register);
            self
        }

        /// Shows these workers in the metrics, and drains them when the server has stopped: those that files or compression use, and
        /// to which handlers of calls leave [heavy work](crate::server::rpc::Context::work).
        pub fn workers(mut self, workers: $crate::net::workers::Blocking) -> Self {
            self.common.workers = Some(workers);
            self
        }

        /// How many threads serve connections: one a core unless set. At least one.
        pub fn threads(mut self, threads: usize) -> Self {
            self.common.threads = threads;
            self
        }

        /// How the work is spread over them: each its own unless set.
        pub fn threading(mut self, threading: $crate::net::shards::Threading) -> Self {
            self.common.threading = threading;
            self
        }

        /// What requests and calls under way get to end when the server is told to stop: [`DRAIN_TIMEOUT`] unless set.
        pub fn drain_timeout(mut self, timeout: ::std::time::Duration) -> Self {
            self.common.drain_timeout = timeout;
            self
        }

        /// Lets `handle` stop the server, in place of a new one: for handlers that want to know when it stops, and for programs
        /// that [`run`](Self::run) it and stop it from another thread.
        pub fn handle(mut self, handle: $crate::server::process::Handle) -> Self {
            self.common.handle = handle;
            self
        }

        /// Calls `ready` with the addresses, real ports and all, when nothing can fail any more: who connects from then on is
        /// served, even if the server is stopped at once.
        /// [`announce`](crate::server::process::announce) prints them as the command does.
        pub fn on_ready(
            mut self,
            ready: impl FnOnce(&[$crate::server::process::Address]) + Send + 'static,
        ) -> Self {
            self.common.on_ready(ready);
            self
        }

        /// All that a configuration says, but for the access log.
        pub(in $crate::server) fn configured(
            mut self,
            config: &$crate::server::command::ServerConfig,
        ) -> Self {
            self.common.configure(config);
            self
        }

        /// Serves until SIGTERM or SIGINT, which a second one hastens; SIGHUP reads certificates again and opens the access log
        /// anew. It blocks and makes runtimes of its own, so it cannot be called from within one: see [`start`](Self::start).
        /// Like `start` it raises the process's limit of open descriptors as far as it may.
        ///
        /// # Errors
        /// An address is none or cannot be listened on, a file cannot be read, or the system has no threads.
        pub fn run(mut self) -> Result<$crate::server::process::Outcome, $crate::server::RunError> {
            let ready = self.common.take_ready();
            Ok(self.process()?.run(ready)?)
        }

        /// Serves on threads of its own, and returns when clients can connect. Signals are the program's: it stops the server by
        /// the [`Handle`](crate::server::process::Handle) of what is returned, or by dropping that.
        ///
        /// # Errors
        /// As for [`run`](Self::run).
        pub fn start(mut self) -> Result<$crate::server::process::Running, $crate::server::RunError> {
            let ready = self.common.take_ready();
            Ok(self.process()?.start(ready)?)
        }

        fn process(self) -> Result<$crate::server::process::Process, $crate::server::RunError> {
            let mut process = self.common.process();
            self.prepare(&mut process)?;
            Ok(process)
        }
    };
}

pub(super) use common;
