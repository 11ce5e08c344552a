//! The server: a folder, the house in it, and the doors.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::accounts::Accounts;
use super::accounts::config::{Attempts, ConfigError};
use super::admin::{self, Act, RotateKeys};
use super::aside;
use super::bus::nats::{self, NatsConfig};
use super::bus::{Bus, Heard, Nobody};
use super::command::{Config, Kept, Retention};
use super::house::nodes::Membership;
use super::house::{self, Freed, House};
use super::irc;
use super::json::{Door, Words};
use super::media::{KEYS, Media, MediaError};
use super::metrics;
use super::notify::{Notifier, NotifyError, deliver};
use super::store::postgres::{self, Postgres, PostgresConfig, PostgresUrl};
use super::store::shared::NodeId;
use super::store::sqlite::{OpenError, Sqlite, SqliteConfig};
use super::store::{Draft, Store, StoreError};
use super::web;
use crate::net::addr::ListenAddr;
use crate::net::client::Connector;
use crate::net::random;
use crate::net::tls::ClientAuth;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::proto::chat::event::{Author, Change, RoomKind, Setting};
use crate::proto::chat::id::{Ids, MessageId, RoomId};
use crate::proto::chat::name::{Nick, RoomName};
use crate::server::RunError;
use crate::server::bucket::MissingVariable;
use crate::server::durable;
use crate::server::hex;
use crate::server::http::Server;
use crate::server::http::router::Router;
use crate::server::keys::Keys;
use crate::server::listening;
use crate::server::metrics::Metrics;
use crate::server::process::{Background, Process, Task};
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

/// Lines of the message of the day at most; those behind are left out.
const MOTD_LINES: usize = 200;

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
    /// The store that nodes share cannot be opened.
    #[error(transparent)]
    Shared(#[from] postgres::OpenError),
    /// A password cannot be read.
    #[error("cannot read the password in {}", path.display())]
    Password {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What it holds cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration of accounts cannot be used.
    #[error(transparent)]
    Accounts(#[from] ConfigError),
    /// Files cannot be kept.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The bucket of files cannot be opened.
    #[error(transparent)]
    Bucket(#[from] MissingVariable),
    /// Nobody absent can be told.
    #[error(transparent)]
    Notify(#[from] NotifyError),
    /// The message of the day cannot be read.
    #[error("cannot read the message of the day in {}", path.display())]
    Motd {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
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
    media: Option<Media>,
    notifier: Option<Notifier>,
    words: Words,
    workers: Blocking,
    writing: Task,
    others: Option<Others>,
}

/// What is needed to be one node of several.
struct Others {
    freed: Freed,
    bus: Option<(mpsc::Receiver<Heard>, Task)>,
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
        let store = open_store(config)?;
        let secret = secret(&config.data).map_err(folder)?;
        let node = NodeId(u64::from_le_bytes(random::bytes().map_err(folder)?));
        let notifier = Notifier::open(&config.notify, &config.data, Connector::default())?;
        let words = Words { motd: motd(config.motd.as_deref())?, contact: config.contact.clone() };
        // Nobody is served before the rooms are there.
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(folder)?;
        let (house, writing, others, secret) = runtime.block_on(async {
            open_rooms(&*store, &config.rooms).await?;
            let allowed = allowed(config);
            let Some(shared) = store.shared() else {
                let (house, writing) = House::open(Arc::clone(&store), allowed, &secret).await?;
                if let Some((devices, webhooks)) = notifier.as_ref().map(Notifier::told) {
                    house.keep_notices(devices, webhooks).await?;
                }
                return Ok::<_, StoreError>((house, Box::pin(writing) as Task, None, secret));
            };
            let secret = shared.secret(secret).await?;
            let (bus, carried) = open_bus(config, &secret);
            let membership = Some(Membership { node, bus });
            let (house, writing, freed) =
                House::open_among(Arc::clone(&store), allowed, &secret, membership).await?;
            if let Some((devices, webhooks)) = notifier.as_ref().map(Notifier::told) {
                house.keep_notices(devices, webhooks).await?;
            }
            Ok((house, Box::pin(writing) as Task, Some(Others { freed, bus: carried }), secret))
        })?;
        let workers = Blocking::new(BlockingConfig::default());
        let mut about = config.accounts.clone();
        about.issuer = config.tokens.issuer();
        if !config.limits {
            about.attempts = Attempts { account: None, address: None, registrations: None };
            about.shortest_password = 1;
        }
        let clock = house.clone();
        let accounts = Accounts::new(store, workers.clone(), about, &secret, Arc::new(move || clock.now()))?;
        let options = config.files.options(&config.data, |name| std::env::var(name).ok())?;
        let open = |options| Media::open(options, Connector::default(), workers.clone());
        let media = options.map(open).transpose()?;
        Ok(Self { house, accounts, media, notifier, words, workers, writing, others })
    }

    /// Puts the server into `process`, whose threads and drain it uses.
    ///
    /// # Errors
    /// It cannot listen, or a file cannot be read.
    pub fn prepare(self, config: &Config, process: &mut Process) -> Result<(), ChatError> {
        let Self { house, accounts, media, notifier, words, workers, writing, others } = self;
        let (stop, kept) = (process.drain.clone(), accounts.clone());
        let mut tasks: Vec<Task> = vec![
            writing,
            Box::pin(aside::end_logins(house.clone(), accounts.clone())),
            Box::pin(async move { kept.keep_flushing(stop.stopping()).await }),
        ];
        let (stop, seeing) = (process.drain.clone(), house.clone());
        tasks.push(Box::pin(async move { seeing.keep_seen(stop.stopping()).await }));
        if let Some(Others { freed, bus }) = others {
            let (heard, carrying) = bus.unzip();
            tasks.extend(carrying);
            tasks.push(Box::pin(house.clone().join_others(heard, accounts.clone(), freed)));
        }
        if let Some(sweeper) = media.clone() {
            let store = Arc::new(Arc::clone(house.store()));
            tasks.push(Box::pin(async move { sweeper.keep_swept(store, aside::SWEEP).await }));
        }
        if let Some(notifier) = notifier.clone() {
            tasks.push(Box::pin(deliver(notifier, house.clone(), accounts.clone())));
        }
        if config.retention != Retention::default() {
            tasks.push(Box::pin(aside::retain(house.clone(), config.retention)));
        }
        let failed = |source| ChatError::Folder { path: config.data.clone(), source };
        let (keys, signing) = (config.data.join(KEYS), media.clone());
        let rotate: RotateKeys = Arc::new(move || match &signing {
            Some(media) => media.rotate_keys(),
            None => Keys::open(&keys)?.rotate(&keys).map(drop),
        });
        let act = Act::new(house.clone(), accounts.clone(), rotate);
        let asked = admin::door::Door::open(&config.data, act);
        tasks.push(Box::pin(asked.map_err(failed)?.serve()));
        let pace = config.rate_limit.filter(|_| config.limits).and_then(Frequency::rate);
        let message = config.house.max_text + AROUND;
        let settings = Settings {
            limits: Limits { message, frame: message, ..Limits::default() },
            ..Settings::default()
        };
        let upgrade = Upgrade::new().origins(config.origins.clone()).settings(settings);
        let about = irc::Settings {
            rate: config
                .irc_rate
                .map_or(irc::Settings::default().rate, Frequency::rate)
                .filter(|_| config.limits),
            playback: config.irc_playback,
            passwords: passwords(config)?,
            sts: config.ircs.first().and_then(port).zip(config.sts_duration.map(|span| span.0)),
            motd: words.motd.clone(),
            admin: [String::new(), String::new(), words.contact.clone().unwrap_or_default()],
            ..Default::default()
        };
        let second = irc::Door::new(house.clone(), accounts.clone(), about);
        let (seen, known) = (house.clone(), accounts.clone());
        let counted = notifier.clone();
        let shown = move |metrics: &Metrics| metrics::register(&seen, &known, counted.as_ref(), metrics);
        let door = Door::new(house, accounts, media.clone(), pace).notifying(notifier).saying(words);
        let sockets = second.route(upgrade.clone(), process.drain.clone())?;
        let pages = web::routes(Router::new());
        let pages = match &media {
            Some(media) => media.mount(pages),
            None => pages,
        };
        let router = pages.get(PATH, door.route(upgrade)?).get(IRC_PATH, sockets);
        let gate = Server::new(router)
            .name(NAME)
            .configured(&config.server)
            .combined_log(config.server.access_log.clone())
            .workers(workers)
            .show(shown)
            .prepare(process)?;
        if !config.irc.is_empty() {
            second.prepare(&config.irc, gate.beside(None), process)?;
        }
        if !config.ircs.is_empty() {
            // Accounts know the certificates that open them (SASL EXTERNAL).
            let clients = config.server.tls.client_auth().unwrap_or(ClientAuth::Any);
            let gate = listening::beside_tls(&gate, clients).map_err(RunError::from)?;
            second.prepare(&config.ircs, gate, process)?;
        }
        second.reloads(process.parts.iter().map(Arc::downgrade).collect());
        // What failed before this leaves nothing that holds the folder.
        process.parts.push(Background::new(tasks));
        Ok(())
    }
}

/// What the house allows, which is everything if no rates are limited.
fn allowed(config: &Config) -> house::settings::Settings {
    let rate = |typed: Option<Frequency>| typed.filter(|_| config.limits).and_then(Frequency::rate);
    house::settings::Settings {
        account_rate: rate(config.account_rate),
        guest_rate: rate(config.guest_rate),
        ..config.house.clone()
    }
}

/// The passwords of the IRC door.
fn passwords(config: &Config) -> Result<irc::Passwords, ChatError> {
    let server = config.irc_password.as_deref().map(password).transpose()?;
    let secret = config.irc_oper_password.as_deref().map(password).transpose()?;
    Ok(irc::Passwords { server, oper: config.irc_oper.clone().zip(secret) })
}

/// The password in a file: its text without the end of the line. An empty one is none.
fn password(path: &Path) -> Result<String, ChatError> {
    let failed = |source| ChatError::Password { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(failed)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(failed(io::Error::other("it is empty")));
    }
    Ok(text.to_owned())
}

/// Opens the store.
fn open_store(config: &Config) -> Result<Arc<dyn Store>, ChatError> {
    Ok(match &config.store {
        Kept::Sqlite => Arc::new(Sqlite::open(&config.data, &SqliteConfig::default())?),
        Kept::Postgres(url) => {
            let mut url = PostgresUrl::clone(url);
            if let Some(path) = &config.store_password {
                url = url.with_password(&password(path)?);
            }
            Arc::new(Postgres::open(PostgresConfig::new(url))?)
        }
    })
}

/// What a bus hears, and the task that carries it.
type Hearing = (mpsc::Receiver<Heard>, Task);

/// Opens the bus, if there is one.
fn open_bus(config: &Config, secret: &[u8]) -> (Arc<dyn Bus>, Option<Hearing>) {
    let Some(url) = config.bus.clone() else { return (Arc::new(Nobody), None) };
    // Chats that share a bus do not hear each other.
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let tag = ring::hmac::sign(&key, b"subjects on the bus");
    let name: String = hex::encode(&tag.as_ref()[..8]);
    let prefix = format!("wireworks.chat.{name}");
    let credentials = config.bus_credentials.clone();
    let (bus, heard, carrying) = nats::open(NatsConfig { url, credentials, prefix });
    (Arc::new(bus), Some((heard, Box::pin(carrying))))
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

/// The lines of the message of the day.
fn motd(path: Option<&Path>) -> Result<Vec<String>, ChatError> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let failed = |source| ChatError::Motd { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(failed)?;
    let lines = text.lines().take(MOTD_LINES);
    Ok(lines.map(|line| line.chars().filter(|found| !found.is_control()).collect()).collect())
}

/// What the server alone knows: made at the first start, and the same from then on.
pub(super) fn secret(folder: &Path) -> io::Result<Vec<u8>> {
    let path = folder.join("secret");
    match fs::read(&path) {
        Ok(bytes) if bytes.len() == SECRET => return Ok(bytes),
        Ok(_) => return Err(io::Error::other(format!("{} does not have {SECRET} bytes", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let bytes = random::bytes::<SECRET>()?;
    durable::replace(&path, &bytes, durable::SECRET)?;
    Ok(bytes.to_vec())
}
