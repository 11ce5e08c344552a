//! `wireworks hls live`: live streams as a process.
//!
//! Its [`Options`] can also stand in a TOML file, under the same names; [`Config`] is what they come to.

mod args;
mod config;

use std::sync::Arc;

use http::Method;
use http::header::{CONTENT_LENGTH, DATE, RETRY_AFTER};

pub use self::args::{Args, Options};
pub use self::config::{Config, DEFAULT_LISTEN};
use crate::net::client::Connector;
use crate::net::pace::MinRate;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::server::RunError;
use crate::server::hls::access::{AccessError, StreamKeys};
use crate::server::hls::live::demo::{ClipError, Demo};
use crate::server::hls::live::ingest::{stdin, tcp};
use crate::server::hls::live::{Streams, metrics, viewers};
use crate::server::hls::player;
use crate::server::hls::rtmp::Door;
use crate::server::hls::upload::{Upload, UploadError};
use crate::server::http::handler::SharedHandler;
use crate::server::http::middleware::Stack;
use crate::server::http::middleware::cors::{Cors, CorsConfig, CorsError};
use crate::server::http::router::{RouteError, Router};
use crate::server::http::server::Server;
use crate::server::http::settings::Settings;
use crate::server::listening;
use crate::server::process::{Background, Outcome, Process, Task, announce};

/// Its name, as in its lines `listening NAME ADDR`.
pub const NAME: &str = "hls";

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
    /// It cannot be told who may publish and watch.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Nothing can be put into the bucket.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// The stream demo cannot be played.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// The server cannot run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Serves until a signal. Prints a line `listening hls ADDR` for each listener, and `listening hls-ts ADDR` for each of `--tcp`, and `listening rtmp ADDR`
/// and `listening rtmps ADDR` for those of encoders, when it is ready.
///
/// # Errors
/// An address cannot be listened on, or a file not be used.
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
    let (publishers, watching) = (config.publishers.load()?, config.viewers.load()?);
    let routes: SharedHandler = Arc::new(router(&streams, &publishers)?);
    let server = Server::new(watching.guard(Arc::clone(&routes), player::is_page))
        .name(NAME)
        .stack(stack(config)?)
        .configured(&config.server)
        .settings(settings(config))
        .combined_log(config.server.access_log.clone())
        .workers(workers);
    publishers.follow(process);
    let door = Door::new(streams.clone(), publishers, config.rtmp.settings);
    let upload = upload(config, routes, &streams, process)?;
    let (shown, heard) = (streams.clone(), config.rtmp.is_on().then(|| Arc::clone(door.counters())));
    let put = upload.as_ref().map(|upload| Arc::clone(upload.counters()));
    let server = server.show(move |metrics| {
        metrics::register(&shown, metrics);
        heard.iter().for_each(|counters| counters.register(metrics));
        put.iter().for_each(|counters| counters.register(metrics));
    });
    let gate = server.prepare(process)?;
    tcp::prepare(&config.tcp, &streams, &gate, process)?;
    if !config.rtmp.listen.is_empty() {
        door.prepare(&config.rtmp.listen, gate.beside(None), process)?;
    }
    if !config.rtmp.listen_tls.is_empty() {
        let clients = config.server.tls.client_auth().unwrap_or_default();
        let gate = listening::beside_tls(&gate, clients).map_err(RunError::from)?;
        door.prepare(&config.rtmp.listen_tls, gate, process)?;
    }
    watching.follow(process);
    let mut tasks: Vec<Task> = vec![Box::pin(streams.clone().keep())];
    if config.demo {
        tasks.push(Box::pin(Demo::new(streams.clone(), process.drain.clone())?.run()));
    }
    if let Some(upload) = upload {
        tasks.push(Box::pin(async move { upload.run().await }));
    }
    if let Some(name) = config.stdin.clone() {
        tasks.push(Box::pin(stdin::take(streams, name)));
    }
    process.parts.push(Background::new(tasks));
    Ok(())
}

/// What puts streams into a bucket, if there is one. It watches them as they are, whoever else may.
fn upload(
    config: &Config,
    routes: SharedHandler,
    streams: &Streams,
    process: &Process,
) -> Result<Option<Upload>, UploadError> {
    let store = config.upload.store(Connector::default(), |name| std::env::var(name).ok())?;
    let streams = streams.clone();
    let list = move || {
        let live = streams.list(viewers::BASE).into_iter().filter(|stream| stream.live);
        live.map(|stream| stream.url).collect()
    };
    Ok(store.map(|store| Upload::new(routes, Box::new(list), store, process.drain.clone())))
}

/// The player page with the list of streams, what viewers get, and where publishers send.
fn router(streams: &Streams, publishers: &StreamKeys) -> Result<Router, RouteError> {
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
    viewers::publish(&mut router, streams, publishers)?;
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
