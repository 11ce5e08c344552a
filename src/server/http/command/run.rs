//! From a configuration to a server that runs, and down again.
//!
//! First everything that can fail is done: files are read, sockets bound. Then the threads start. So a bad configuration
//! or a port in use is one error and no half of a server.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::config::{Config, ConfigError};
use super::credentials::CredentialsError;
use super::{application, engine, status};
use crate::net::addr::{AddrError, ListenAddr};
use crate::net::listen::{Bound, ListenError, bind_shards, bind_std};
use crate::net::tls::TlsError;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::server::http::files::FilesError;
use crate::server::http::handler::{Handler, SharedHandler};
use crate::server::http::metrics::HttpMetrics;
use crate::server::http::middleware::access_log::{AccessLog, Target};
use crate::server::http::middleware::cors::CorsError;
use crate::server::process::{Address, Outcome, Process, announce};

/// The name of this server in what it prints.
pub const NAME: &str = "http";

/// Why a server cannot run. Each message is one line; causes are in `source`.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The text is no address to listen on.
    #[error(transparent)]
    Address(#[from] AddrError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Certificates or keys are wrong.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The folder or how to serve it is wrong.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The origins are wrong.
    #[error(transparent)]
    Cors(#[from] CorsError),
    /// Names and passwords are wrong.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The access log cannot be opened.
    #[error("cannot open the access log {}", path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Threads, runtimes or signals are not to be had.
    #[error("the server cannot run")]
    System(#[source] io::Error),
}

/// Runs a server until a signal ends it. Prints a line `listening http ADDR` for each listener when it is ready.
///
/// # Errors
/// The configuration is wrong, a file cannot be read, or an address cannot be listened on.
pub fn run(config: &Config) -> Result<Outcome, RunError> {
    let mut process = process(config);
    prepare(config, &mut process)?;
    process.run(announce).map_err(RunError::System)
}

/// Serves `handler` at `address` with the default settings, until SIGTERM or ctrl-c; then waits for requests under way.
///
/// `address` is as on the command line: `127.0.0.1:8080`, `:80`, `unix:/run/app.sock`. The call blocks; it makes its own
/// threads, one a core.
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
pub fn serve(address: &str, handler: impl Handler) -> Result<(), RunError> {
    let config = Config {
        listen: vec![address.parse()?],
        ..Config::default()
    };
    let mut process = process(&config);
    let handler = application::guarded(Arc::new(handler));
    add(&config, handler, &Observers::default(), &mut process)?;
    process.run(announce).map_err(RunError::System)?;
    Ok(())
}

/// A process for one server.
fn process(config: &Config) -> Process {
    Process::new(config.threading, config.threads, config.drain_timeout)
}

/// Reads what the configuration names, binds its sockets, and puts the server into `process`, whose threads and drain it
/// uses.
///
/// # Errors
/// As for [`run`].
pub fn prepare(config: &Config, process: &mut Process) -> Result<(), RunError> {
    let blocking = Blocking::new(BlockingConfig::default());
    let observers = Observers {
        access_log: access_log(config)?,
        metrics: config.metrics.is_some().then(HttpMetrics::new),
    };
    let handler = application::handler(config, &observers, &blocking)?;
    let server = add(config, handler, &observers, process)?;
    if let (Some(address), Some(metrics)) = (&config.metrics, observers.metrics) {
        status::register(&metrics, &server, &blocking);
        let sockets = vec![vec![bind_std(address, false)?]];
        note("metrics", &sockets, process);
        let handler = status::handler(metrics, process.drain.clone());
        let part = engine::status(handler, sockets, process.last_drain.clone());
        process.last.push(Arc::new(part));
    }
    Ok(())
}

/// Who is told of every request.
#[derive(Default)]
pub(super) struct Observers {
    pub(super) access_log: Option<AccessLog>,
    pub(super) metrics: Option<HttpMetrics>,
}

/// Puts the server of `handler` into `process`.
fn add(
    config: &Config,
    handler: SharedHandler,
    observers: &Observers,
    process: &mut Process,
) -> Result<Arc<engine::HttpPart>, RunError> {
    let tls = engine::tls(config)?;
    let sockets = bind(&config.listen, process.threads)?;
    note(NAME, &sockets, process);
    let part = Arc::new(engine::http(
        config,
        handler,
        observers,
        tls,
        sockets,
        process.drain.clone(),
    ));
    process.parts.push(part.clone());
    Ok(part)
}

/// The sockets of each shard.
fn bind(addresses: &[ListenAddr], shards: usize) -> Result<Vec<Vec<Bound>>, ListenError> {
    let mut sockets: Vec<Vec<Bound>> = (0..shards).map(|_| Vec::new()).collect();
    for address in addresses {
        for (shard, bound) in sockets.iter_mut().zip(bind_shards(address, shards)?) {
            shard.push(bound);
        }
    }
    Ok(sockets)
}

/// Notes where the sockets listen; those of the first shard speak for all.
fn note(server: &'static str, sockets: &[Vec<Bound>], process: &mut Process) {
    let first = sockets.first().into_iter().flatten();
    process.addresses.extend(first.map(|bound| Address {
        server,
        address: bound.local_addr().clone(),
    }));
}

fn access_log(config: &Config) -> Result<Option<AccessLog>, RunError> {
    let Some(target) = config.access_log.clone() else {
        return Ok(None);
    };
    let path = match &target {
        Target::File(path) => path.clone(),
        Target::Stdout | Target::Stderr => "-".into(),
    };
    AccessLog::open(application::log_format(config.access_log_format), target)
        .map(Some)
        .map_err(|source| RunError::AccessLog { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str) -> Config {
        Config {
            listen: vec![listen.parse().unwrap()],
            threads: 2,
            ..Config::default()
        }
    }

    fn prepared(config: &Config) -> Result<Process, RunError> {
        let mut process = process(config);
        prepare(config, &mut process)?;
        Ok(process)
    }

    #[test]
    fn a_server_knows_its_real_port_and_a_taken_one_is_an_error() {
        let process = prepared(&config("127.0.0.1:0")).unwrap();
        let [
            Address {
                server: "http",
                address: ListenAddr::Tcp(taken),
            },
        ] = process.addresses[..]
        else {
            panic!("{:?}", process.addresses);
        };
        assert_ne!(taken.port(), 0);
        let error = prepared(&config(&taken.to_string())).map(drop).unwrap_err();
        let expected = format!("cannot listen on {taken}: the address is in use by another process");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn metrics_listen_beside_the_server() {
        let config = Config {
            metrics: Some("127.0.0.1:0".parse().unwrap()),
            ..config("127.0.0.1:0")
        };
        let process = prepared(&config).unwrap();
        let names: Vec<_> = process.addresses.iter().map(|address| address.server).collect();
        assert_eq!(names, ["http", "metrics"]);
        assert_eq!((process.parts.len(), process.last.len()), (1, 1));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_before_anything_runs() {
        let good = || config("127.0.0.1:0");
        let missing = || PathBuf::from("/nonexistent/file");
        let mut tls = good();
        tls.tls.certs.push(missing());
        tls.tls.keys.push(missing());
        let auth = Config {
            replies: super::super::Replies {
                basic_auth: Some("/nonexistent/file".into()),
                ..good().replies
            },
            ..good()
        };
        let log = Config {
            access_log: Some(Target::File(missing())),
            ..good()
        };
        let dir = Config {
            dir: Some(missing()),
            ..good()
        };
        for config in [tls, auth, log, dir] {
            let error = prepared(&config).map(drop).unwrap_err().to_string();
            assert!(error.contains("/nonexistent/file"), "{error}");
        }
    }

    #[test]
    fn a_program_with_a_handler_is_told_what_is_wrong() {
        let error = serve("nowhere", |_| async { "never" }).unwrap_err();
        assert!(matches!(error, RunError::Address(_)), "{error}");
    }
}
