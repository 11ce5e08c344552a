//! The server: a folder, the house in it, and the doors.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::accounts::Accounts;
use super::accounts::config::{Attempts, ConfigError};
use super::aside::{self, Aside, Task};
use super::command::Config;
use super::house::House;
use super::irc;
use super::json::Door;
use super::media::{Media, MediaError, MediaOptions};
use super::metrics;
use super::store::sqlite::{OpenError, Sqlite, SqliteConfig};
use super::store::{Draft, Store, StoreError};
use super::web;
use crate::net::addr::ListenAddr;
use crate::net::bucket::Rate;
use crate::net::client::Connector;
use crate::net::random;
use crate::net::tls::{CertPair, ClientAuth, TlsConfig};
use crate::net::workers::{Blocking, BlockingConfig};
use crate::proto::chat::event::{Author, Change, RoomKind, Setting};
use crate::proto::chat::id::{Ids, MessageId, RoomId};
use crate::proto::chat::name::{Nick, RoomName};
use crate::server::RunError;
use crate::server::http::Server;
use crate::server::http::router::Router;
use crate::server::metrics::Metrics;
use crate::server::process::Process;
use crate::server::units::Frequency;
use crate::server::ws::{BadSubprotocol, Limits, Settings, Upgrade};

/// The name of the server, as in its line `listening chat ADDR`.
pub const NAME: &str = "chat";

/// Where clients of the JSON door open their WebSockets.
pub const PATH: &str = "/chat";

/// Where IRC clients open theirs.
pub const IRC_PATH: &str = "/irc";

/// Bytes of a request beyond its text, at most.
const AROUND: usize = 8 * 1024;

/// Bytes of the secret.
const SECRET: usize = 32;

/// Why a chat server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The folder cannot be used.
    #[error("cannot use the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What it holds cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration of accounts cannot be used.
    #[error(transparent)]
    Accounts(#[from] ConfigError),
    /// Files cannot be kept.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// A subprotocol cannot have such a name.
    #[error(transparent)]
    Subprotocol(#[from] BadSubprotocol),
    /// It cannot listen.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// A chat that is open, and serves nobody yet.
pub struct Chat {
    house: House,
    accounts: Accounts,
    media: Media,
    workers: Blocking,
    writing: Task,
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat").field("house", &self.house).finish_non_exhaustive()
    }
}

impl Chat {
    /// Opens the folder of a configuration.
    ///
    /// # Errors
    /// It is in use, or what is in it cannot be read.
    pub fn open(config: &Config) -> Result<Self, ChatError> {
        let folder = |source| ChatError::Folder { path: config.data.clone(), source };
        fs::create_dir_all(&config.data).map_err(folder)?;
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&config.data, &SqliteConfig::default())?);
        let secret = secret(&config.data).map_err(folder)?;
        // Nobody is served before the rooms are there.
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(folder)?;
        let (house, writing) = runtime.block_on(async {
            open_rooms(&*store, &config.rooms).await?;
            House::open(Arc::clone(&store), config.house.clone(), &secret).await
        })?;
        let workers = Blocking::new(BlockingConfig::default());
        let mut about = config.accounts.clone();
        if !config.limits {
            about.attempts = Attempts { account: None, address: None, registrations: None };
            about.shortest_password = 1;
        }
        let clock = house.clone();
        let accounts = Accounts::new(store, workers.clone(), about, &secret, Arc::new(move || clock.now()))?;
        let options = MediaOptions::new(config.data.join("media"));
        let media = Media::open(options, Connector::default(), workers.clone())?;
        Ok(Self { house, accounts, media, workers, writing: Box::pin(writing) })
    }

    /// Puts the server into `process`, whose threads and drain it uses.
    ///
    /// # Errors
    /// It cannot listen, or a file cannot be read.
    pub fn prepare(self, config: &Config, process: &mut Process) -> Result<(), ChatError> {
        let Self { house, accounts, media, workers, writing } = self;
        let (stop, kept) = (process.drain.clone(), accounts.clone());
        let (sweeper, store) = (media.clone(), Arc::new(Arc::clone(house.store())));
        let tasks: Vec<Task> = vec![
            writing,
            Box::pin(aside::end_logins(house.clone(), accounts.clone())),
            Box::pin(async move { kept.keep_flushing(stop.stopping()).await }),
            Box::pin(async move { sweeper.keep_swept(store, aside::SWEEP).await }),
        ];
        let pace = config.rate_limit.filter(|_| config.limits).and_then(rate);
        let message = config.house.max_text + AROUND;
        let settings = Settings {
            limits: Limits { message, frame: message, ..Limits::default() },
            ..Settings::default()
        };
        let upgrade = Upgrade::new().origins(config.origins.clone()).settings(settings);
        let about = irc::Settings {
            rate: config.irc_rate.map_or(irc::Settings::default().rate, rate).filter(|_| config.limits),
            playback: config.irc_playback,
            sts: config.ircs.first().and_then(port).zip(config.sts_duration.map(|span| span.0)),
            ..Default::default()
        };
        let second = irc::Door::new(house.clone(), accounts.clone(), about);
        let (seen, known) = (house.clone(), accounts.clone());
        let shown = move |metrics: &Metrics| metrics::register(&seen, &known, metrics);
        let door = Door::new(house, accounts, Some(media.clone()), pace);
        let sockets = second.route(upgrade.clone(), process.drain.clone())?;
        let router =
            media.mount(web::routes(Router::new())).get(PATH, door.route(upgrade)?).get(IRC_PATH, sockets);
        Server::new(router)
            .name(NAME)
            .configured(&config.server)
            .workers(workers)
            .show(shown)
            .prepare(process)?;
        let limits = config.server.connections;
        if !config.irc.is_empty() {
            second.prepare(&config.irc, None, limits, process)?;
        }
        if !config.ircs.is_empty() {
            second.prepare(&config.ircs, Some(tls(config)), limits, process)?;
        }
        second.reloads(process.parts.iter().map(Arc::downgrade).collect());
        // What failed before this leaves nothing that holds the folder.
        process.parts.push(Aside::new(tasks));
        Ok(())
    }
}

/// The certificates of the server, for another port.
fn tls(config: &Config) -> TlsConfig {
    let files = &config.server.tls;
    let pair = |(cert, key): (&PathBuf, &PathBuf)| CertPair { cert: cert.clone(), key: key.clone() };
    TlsConfig {
        certificates: files.certs.iter().zip(&files.keys).map(pair).collect(),
        self_signed: files.self_signed,
        // Accounts know the certificates that open them (SASL EXTERNAL).
        client_auth: files.client_auth().unwrap_or(ClientAuth::Any),
        ..TlsConfig::default()
    }
}

/// The port of an address, if it is told before the address is bound.
fn port(address: &ListenAddr) -> Option<u16> {
    let port = match address {
        ListenAddr::Tcp(address) => address.port(),
        ListenAddr::Any(port) => *port,
        ListenAddr::Unix(_) | ListenAddr::Inherited(_) => 0,
    };
    (port != 0).then_some(port)
}

/// As many at once as in one unit of time.
fn rate(frequency: Frequency) -> Option<Rate> {
    Rate::new(frequency.per_second(), frequency.parts().0)
}

/// Opens those of these rooms that do not exist, for ever.
async fn open_rooms(store: &dyn Store, names: &[RoomName]) -> Result<(), StoreError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut ids = Ids::after(store.last_id().await?.unwrap_or(MessageId::first_of(0)));
    let Ok(nick) = "server".parse::<Nick>() else { return Ok(()) };
    let by = Author { nick, account: None, user: "server".into(), host: "server".into() };
    for name in names {
        if store.room(name.clone()).await?.is_some() {
            continue;
        }
        let room = RoomId(fastrand::u64(1..1 << 53));
        let create = Change::Create { kind: RoomKind::Public, name: Some(name.clone()), members: Vec::new() };
        let drafts = [create, Change::Set(Setting::Permanent(true))].map(|change| {
            let now = u64::try_from(now.as_millis()).unwrap_or_default();
            Draft { room, id: ids.next(now, fastrand::u128(..)), by: by.clone(), change, client_id: None }
        });
        store.append(drafts.into()).await?;
    }
    Ok(())
}

/// What the server alone knows: made at the first start, and the same from then on.
fn secret(folder: &Path) -> io::Result<Vec<u8>> {
    let path = folder.join("secret");
    match fs::read(&path) {
        Ok(bytes) if bytes.len() == SECRET => return Ok(bytes),
        Ok(_) => return Err(io::Error::other(format!("{} does not have {SECRET} bytes", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let bytes = random::bytes::<SECRET>()?;
    let aside = folder.join("secret.new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&aside, &path)?;
    Ok(bytes.to_vec())
}
