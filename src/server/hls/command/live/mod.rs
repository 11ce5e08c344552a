//! `wireworks hls live`: live streams as a process.
//!
//! Its [`Options`] can also stand in a TOML file, under the same names; [`Config`] is what they come to.

mod args;
mod config;

use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use http::header::{CONTENT_LENGTH, DATE, RETRY_AFTER};

pub use self::args::{Args, Options};
pub use self::config::{Config, DEFAULT_LISTEN};
use crate::net::clock::Clock;
use crate::net::pace::MinRate;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::server::RunError;
use crate::server::hls::live::ingest::{stdin, tcp};
use crate::server::hls::live::{Streams, metrics, viewers};
use crate::server::hls::player;
use crate::server::http::middleware::Stack;
use crate::server::http::middleware::access_log::Format;
use crate::server::http::middleware::cors::{Cors, CorsConfig, CorsError};
use crate::server::http::router::{RouteError, Router};
use crate::server::http::server::Server;
use crate::server::http::settings::Settings;
use crate::server::process::{Outcome, Part, Process, Serving, announce};

/// Target durations that a request may wait for a playlist, and one for the way.
const WAIT: u32 = 4;

/// Why the command cannot do what it was asked. Each message is one line; causes are in `source`.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The origins of pages are wrong.
    #[error(transparent)]
    Cors(#[from] CorsError),
    /// Two parts of the server want the same path.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The server cannot run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Serves until a signal. Prints a line `listening hls ADDR` for each listener, and `listening hls-ts ADDR` for each of `--tcp`, when it is ready.
///
/// # Errors
/// An address cannot be listened on.
pub fn run(config: &Config) -> Result<Outcome, LiveError> {
    let common = &config.server;
    let mut process = Process::new(common.threading, common.threads, common.drain_timeout);
    prepare(config, &mut process)?;
    Ok(process.run(announce).map_err(RunError::from)?)
}

/// Binds sockets, and puts the server into `process`, whose threads and drain it uses.
///
/// # Errors
/// As for [`run`].
pub fn prepare(config: &Config, process: &mut Process) -> Result<(), LiveError> {
    let workers = Blocking::new(BlockingConfig::default());
    let streams = Streams::new(config.settings(), workers.clone(), process.drain.clone());
    let mut server = Server::new(router(&streams)?)
        .name("hls")
        .stack(stack(config)?)
        .configured(&config.server)
        .settings(settings(config))
        .workers(workers);
    if let Some(target) = config.server.access_log.clone() {
        server = server.access_log(Format::Combined, target);
    }
    let shown = streams.clone();
    server.show(move |metrics| metrics::register(&shown, metrics)).prepare(process)?;
    tcp::prepare(&config.tcp, &streams, config.server.connections, process)?;
    process.parts.push(Arc::new(Aside(Mutex::new(Some((streams, config.stdin.clone()))))));
    Ok(())
}

/// The player page with the list of streams, what viewers get, and where publishers send.
fn router(streams: &Streams) -> Result<Router, RouteError> {
    let listed = streams.clone();
    let mut router = player::routes(Router::new(), move || {
        let page = |stream: crate::server::hls::live::Listed| player::Stream {
            name: stream.name,
            url: stream.url.trim_start_matches('/').to_owned(),
            live: stream.live,
        };
        std::future::ready(listed.list(viewers::BASE).into_iter().map(page).collect())
    });
    viewers::watch(&mut router, streams)?;
    viewers::publish(&mut router, streams)?;
    Ok(router)
}

fn stack(config: &Config) -> Result<Stack, CorsError> {
    // Players on other sites measure by sizes, and how far behind they are by the date.
    let exposed = vec![CONTENT_LENGTH, DATE, RETRY_AFTER];
    let methods = vec![Method::GET, Method::HEAD];
    let cors =
        Cors::new(CorsConfig { origins: config.cors.clone(), methods, exposed, ..CorsConfig::default() })?;
    Ok(Stack { catch_panics: true, cors: Some(cors), ..Stack::default() })
}

/// A feed is a body that never ends, may come slowly, and stands still when nothing is to be seen.
fn settings(config: &Config) -> Settings {
    let defaults = Settings::default();
    let silence = config.streams.limits.silence;
    let mut settings = Settings {
        handler_timeout: defaults.handler_timeout.max(config.streams.media.longest * WAIT),
        stall_timeout: silence,
        min_read_rate: MinRate { rate: 1, grace: silence },
        ..defaults
    };
    settings.limits.body = u64::MAX;
    settings
}

/// What goes on beside the sockets: the streams look at the clock, and the standard input is read. One of the shards does it.
struct Aside(Mutex<Option<(Streams, Option<crate::server::hls::live::StreamName>)>>);

impl Part for Aside {
    fn serve(self: Arc<Self>, _: usize, _: Clock) -> Serving {
        let mine = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((streams, name)) = mine {
            if let Some(name) = name {
                tokio::spawn(stdin::take(streams.clone(), name));
            }
            tokio::spawn(streams.keep());
        }
        Box::pin(std::future::ready(Ok(())))
    }
}
