//! A server from a handler, piece by piece: what programs start from, and what the command itself is made of.
//!
//! A [`Server`] gathers its options and does nothing until it is run. Then everything that can fail is done first: addresses are read,
//! certificates loaded, sockets bound. Only then threads start, so a port in use is one error and no half of a server.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::engine::Engine;
use super::handler::{Handler, SharedHandler};
use super::metrics::HttpMetrics;
use super::middleware::Stack;
use super::middleware::access_log::{AccessLog, Format, Target};
use super::part::{self, Observers, RefusalLog};
use super::settings::Settings;
use crate::net::drain::Drain;
use crate::net::listen::Bound;
use crate::net::serve::{Gate, GateSettings};
use crate::server::RunError;
use crate::server::lines::open_log;
use crate::server::listening::Listening;
use crate::server::options::{self, CommonOptions};
use crate::server::process::{Process, announce};

/// The name of this server in what it prints.
pub const NAME: &str = "http";

/// What requests get to end when the server is told to stop, unless told otherwise. Kubernetes kills after 30 s.
pub const DRAIN_TIMEOUT: Duration = options::DRAIN_TIMEOUT;

/// What a TLS handshake may take, unless told otherwise. Go leaves it out, HAProxy's advice is 10 s.
pub const TLS_HANDSHAKE_TIMEOUT: Duration = options::TLS_HANDSHAKE_TIMEOUT;

/// Serves `handler` at `address` with the default settings, until SIGTERM or ctrl-c; then waits for requests under way.
/// Prints a line `listening http ADDR` when it is ready.
///
/// `address` is as on the command line: `127.0.0.1:8080`, `:80`, `unix:/run/app.sock`. The call blocks; it makes its own
/// threads, one a core. [`Server`] has more options.
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
    let server = Server::new(handler).listen(address).on_ready(announce);
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
    /// let running = Server::new(hello)
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
    pub fn new(handler: impl Handler) -> Self {
        Self {
            common: CommonOptions::new(NAME, b"http/1.1"),
            handler: Arc::new(handler),
            stack: Stack { catch_panics: true, ..Stack::default() },
            access_log: None,
            refusals: None,
            settings: Settings::default(),
        }
    }
}

/// A server that is not there yet. Begun by [`new`](Self::new); ended by [`run`](Self::run), which serves until a signal,
/// or [`start`](Self::start), which serves beside the program.
#[must_use = "it serves nobody until it is run or started"]
pub struct Server {
    common: CommonOptions,
    handler: SharedHandler,
    stack: Stack,
    access_log: Option<(Format, Target)>,
    refusals: Option<Arc<dyn RefusalLog>>,
    settings: Settings,
}

impl Server {
    options::common!();

    /// Waits, rates and sizes of connections and messages.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
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

    /// Writes these lines in the combined format, if they go anywhere: for servers whose configuration names no other.
    pub(in crate::server) fn combined_log(mut self, target: Option<Target>) -> Self {
        self.access_log = target.map(|target| (Format::Combined, target));
        self
    }

    /// Tells `log`, which the handler writes, of requests that the handler does not see, and opens it anew with the other files.
    pub(in crate::server) fn refusals(mut self, log: Option<Arc<dyn RefusalLog>>) -> Self {
        self.refusals = log;
        self
    }

    /// Reads files, binds sockets, and puts the server into `process`, whose threads and drain it uses. What stands at its gate can let others in
    /// [beside](Gate::beside) it.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub(in crate::server) fn prepare(mut self, process: &mut Process) -> Result<Arc<Gate>, RunError> {
        self.common.check()?;
        let observers = self.observers()?;
        let (gate, sockets) = self.common.open(process)?;
        let drain = process.drain.clone();
        let Self { common, stack, handler, settings, .. } = self;
        let part = Arc::new(listening(handler, stack, settings, &observers, gate, sockets, drain));
        process.parts.push(part.clone());
        if let Some(metrics) = observers.metrics.filter(|_| common.wants_metrics()) {
            let stats = Arc::clone(&part.server.stats);
            metrics.metrics().register_counter(
                "replies_cut",
                "Connections that were cut within a reply",
                move || stats.cut.load(Ordering::Relaxed),
            );
            common.show_metrics(metrics.metrics(), &part.gate, process)?;
        }
        Ok(Arc::clone(&part.gate))
    }

    /// The server at sockets that somebody else has bound, without metrics: one of several that share a process. It takes the place of the one behind the
    /// gate `before`.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(in crate::server) fn at(
        mut self,
        sockets: Vec<Vec<Bound>>,
        drain: Drain,
        before: Option<Arc<Gate>>,
    ) -> Result<Listening<Engine>, RunError> {
        let observers = self.observers()?;
        let gate = GateSettings { before, ..self.common.gate()? };
        Ok(listening(self.handler, self.stack, self.settings, &observers, gate, sockets, drain))
    }

    /// Opens what is told of requests.
    fn observers(&mut self) -> Result<Observers, RunError> {
        if let Some((format, target)) = self.access_log.take() {
            self.stack.access_log = Some(open_log(target, |target| AccessLog::open(format, target))?);
        }
        if self.common.wants_metrics() {
            self.stack.metrics.get_or_insert_with(HttpMetrics::new);
        }
        let (access_log, metrics) = (self.stack.access_log.clone(), self.stack.metrics.clone());
        Ok(Observers { access_log, metrics, refusals: self.refusals.take() })
    }
}

fn listening(
    handler: SharedHandler,
    stack: Stack,
    settings: Settings,
    observers: &Observers,
    mut gate: GateSettings,
    sockets: Vec<Vec<Bound>>,
    drain: Drain,
) -> Listening<Engine> {
    if let Some(preamble) = &mut gate.preamble {
        preamble.timeout = settings.head_timeout;
    }
    part::http(Engine::new(settings, stack.around(handler)), gate, observers, sockets, drain)
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("listen", &self.common.listen)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::addr::ListenAddr;
    use crate::net::tls::ClientAuth;
    use crate::server::http::request::Request;

    async fn never(_: Request) -> &'static str {
        "never"
    }

    fn prepared(server: Server) -> Result<Process, RunError> {
        server.process()
    }

    #[test]
    fn a_server_knows_its_real_ports_and_a_taken_one_is_an_error() {
        let process = prepared(Server::new(never).listen("127.0.0.1:0").metrics("127.0.0.1:0")).unwrap();
        let names: Vec<_> = process.addresses.iter().map(|address| address.server).collect();
        assert_eq!(names, ["http", "metrics"]);
        assert_eq!((process.parts.len(), process.last.len()), (1, 1));
        let ListenAddr::Tcp(taken) = process.addresses[0].address else {
            panic!("{:?}", process.addresses);
        };
        assert_ne!(taken.port(), 0);
        let error = prepared(Server::new(never).listen(taken)).map(drop).unwrap_err();
        let expected = format!("cannot listen on {taken}: the address is in use by another process");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_wrong_is_told_before_anything_runs() {
        let server = || Server::new(never).listen("127.0.0.1:0");
        let missing = "/nonexistent/file";
        let rows = [
            (Server::new(never), "no address to listen on"),
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
