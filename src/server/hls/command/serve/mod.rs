//! `wireworks hls serve`: the origin as a process.
//!
//! Its [`Options`] can also stand in a TOML file, under the same names; [`Config`] is what they come to.

mod args;
mod config;

use http::Method;
use http::header::{ACCEPT_RANGES, AGE, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG};

pub use self::args::{Args, Options};
pub use self::config::{Config, DEFAULT_LISTEN};
use crate::net::workers::{Blocking, BlockingConfig};
use crate::server::RunError;
use crate::server::hls::access::{AccessError, Viewers};
use crate::server::hls::origin::{Origin, OriginError};
use crate::server::hls::player;
use crate::server::http::middleware::Stack;
use crate::server::http::middleware::compression::Compression;
use crate::server::http::middleware::cors::{Cors, CorsConfig, CorsError};
use crate::server::http::server::Server;
use crate::server::process::{Outcome, Process, announce};

/// Why the command cannot do what it was asked. Each message is one line; causes are in `source`.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What should be served cannot be.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The origins of pages are wrong.
    #[error(transparent)]
    Cors(#[from] CorsError),
    /// It cannot be told who may watch.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The server cannot run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Serves until a signal. Prints a line `listening hls ADDR` for each listener when it is ready.
///
/// # Errors
/// An input is not there or cannot be packaged, a file about viewers not be used, or an address not be listened on.
pub fn run(config: &Config) -> Result<Outcome, ServeError> {
    let common = &config.server;
    let mut process = Process::new(common.threading, common.threads, common.drain_timeout);
    prepare(config, &mut process)?;
    Ok(process.run(announce).map_err(RunError::from)?)
}

/// Opens what is to be served, binds sockets, and puts the server into `process`, whose threads and drain it uses.
///
/// # Errors
/// As for [`run`].
pub fn prepare(config: &Config, process: &mut Process) -> Result<(), ServeError> {
    let viewers = config.viewers.load()?;
    server(config, &viewers)?.prepare(process)?;
    viewers.follow(process);
    Ok(())
}

fn server(config: &Config, viewers: &Viewers) -> Result<Server, ServeError> {
    let blocking = Blocking::new(BlockingConfig::default());
    let origin = Origin::open(config.origin.clone(), &blocking)?;
    // Players on other sites measure by sizes, and ask for ranges: they have to see both.
    let exposed = vec![CONTENT_LENGTH, CONTENT_RANGE, ACCEPT_RANGES, ETAG, DATE, AGE];
    let methods = vec![Method::GET, Method::HEAD];
    let cors =
        Cors::new(CorsConfig { origins: config.cors.clone(), methods, exposed, ..CorsConfig::default() })?;
    let stack = Stack {
        catch_panics: true,
        cors: Some(cors),
        compression: Some(Compression::default().workers(blocking.clone())),
        ..Stack::default()
    };
    let server = Server::new(viewers.guard(origin.router(), player::is_page))
        .name("hls")
        .stack(stack)
        .configured(&config.server)
        .combined_log(config.server.access_log.clone())
        .workers(blocking);
    Ok(server.show(move |metrics| origin.register(metrics)))
}
