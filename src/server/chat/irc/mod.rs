//! The IRC door: the house for clients of IRC, over TCP, TLS and WebSocket.
//!
//! A [`Door`] serves connections. Each is one task, which reads lines, finds the command in the table of
//! [`proto::irc::command`](crate::proto::irc::command), and calls the handler in one of the files here. What others do comes out of the
//! session's mailbox as lines that [`dialect`] wrote once for all sessions with the same capabilities.

mod certs;
mod channel;
mod client;
pub mod dialect;
mod dispatch;
mod history;
mod info;
mod link;
mod login;
mod modes;
mod operator;
mod people;
mod registration;
mod serve;
mod tags;
mod talk;
#[cfg(test)]
mod tests;
mod whispers;
mod who;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use self::client::Client;
use self::dialect::Irc;
use self::link::Link;
use self::whispers::Whispers;
use crate::net::bucket::Rate;
use crate::net::clock::Clock;
use crate::net::conn::Conn;
use crate::net::drain::Drain;
use crate::net::serve::Arrival;
use crate::proto::chat::id::{AccountId, Millis};
use crate::proto::irc::cap::{Cap, Caps};
use crate::proto::irc::line::Lines;
use crate::server::chat::accounts::{self, Accounts};
use crate::server::chat::house::House;
use crate::server::chat::house::user::{Session, SessionId};
use crate::server::peer::Peer;
use crate::server::process::Part;
use crate::server::ws::Socket;

/// Nicks that a session watches at most: the token MONITOR. Ergo 100.
pub const MAX_MONITOR: usize = 100;

/// The subprotocols of IRC over WebSocket.
pub const SUBPROTOCOLS: [&str; 2] = ["text.ircv3.net", "binary.ircv3.net"];

/// What the operator of the server decides about this door.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The message of the day, line by line.
    pub motd: Vec<String>,
    /// Who runs the server, for `ADMIN`: a place, an organisation, an address of mail.
    pub admin: [String; 3],
    /// How many lines a client may send; those beyond are handled later. InspIRCd and Ergo let about 10 through at once.
    pub rate: Option<Rate>,
    /// A client that says nothing for so long is asked whether it is there. Ergo 90 s.
    pub ping: Duration,
    /// How long it may take to answer that, or to register. Ergo 60 s and 1 min.
    pub patience: Duration,
    /// The port with TLS, and for how long clients should insist on it: the capability `sts`.
    pub sts: Option<(u16, Duration)>,
    /// Messages of a channel that clients are shown when they come in, if they know `server-time` and do not ask by `CHATHISTORY`. Ergo and
    /// ZNC 50.
    pub playback: usize,
    /// Passwords beside those of accounts.
    pub passwords: Passwords,
}

/// Passwords beside those of accounts. They are shown to nobody.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Passwords {
    /// What every client has to say by `PASS` to be let in.
    pub server: Option<String>,
    /// The name and the password that make somebody an operator by `OPER`, without an account.
    pub oper: Option<(String, String)>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            motd: Vec::new(),
            admin: [const { String::new() }; 3],
            rate: Rate::new(10.0, 60),
            ping: Duration::from_secs(120),
            patience: Duration::from_secs(60),
            sts: None,
            playback: 50,
            passwords: Passwords::default(),
        }
    }
}

/// The door. Clones are the same one.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

pub(crate) struct Inner {
    house: House,
    accounts: Accounts,
    settings: Settings,
    /// What `REHASH` makes read its files again.
    parts: OnceLock<Vec<Weak<dyn Part>>>,
    language: &'static Irc,
    since: Millis,
    clients: Mutex<HashMap<SessionId, Arc<Handle>>>,
    /// Read markers at times at which nothing was said, which no cursor can hold, by account and folded target.
    markers: Mutex<HashMap<(AccountId, String), Millis>>,
    /// What accounts and guests have said to each other.
    whispers: Whispers,
    /// Connections that are not registered.
    unknown: AtomicUsize,
    /// Most users at a time.
    peak: AtomicUsize,
    /// How many users were invisible or operators, when that was counted last.
    census: Mutex<Option<info::Census>>,
    /// How often each command was used, by its place in the table.
    uses: Vec<AtomicU64>,
}

/// What is known of a connection outside of its task.
struct Handle {
    session: Arc<Session>,
    secure: bool,
    /// When it said something the last time.
    spoke: AtomicU64,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl Door {
    /// A door to this house.
    #[must_use]
    pub fn new(house: House, accounts: Accounts, settings: Settings) -> Self {
        let server = house.settings().name.clone();
        let since = house.now();
        // One for each door, which lives as long as the process.
        let language: &'static Irc = Box::leak(Box::new(Irc { server }));
        Self(Arc::new(Inner {
            house,
            accounts,
            settings,
            parts: OnceLock::new(),
            language,
            since,
            clients: Mutex::default(),
            markers: Mutex::default(),
            whispers: Whispers::default(),
            unknown: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            census: Mutex::default(),
            uses: crate::proto::irc::command::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }))
    }

    /// `REHASH` reloads these parts of the process. It is said once.
    pub fn reloads(&self, parts: Vec<Weak<dyn Part>>) {
        // Whoever says it a second time is not heard.
        let _ = self.0.parts.set(parts);
    }

    /// Serves a connection of TCP or TLS, to its end.
    #[expect(clippy::needless_pass_by_value, reason = "its timer is made of it, once")]
    pub fn serve(
        self,
        arrival: Arrival,
        clock: Clock,
        drain: Drain,
    ) -> impl Future<Output = ()> + Send + 'static {
        let peer = Peer::of(&arrival);
        let (about, tls) = (accounts::Client::of(&peer), peer.tls);
        let link = Link::Stream(Box::new(Conn::new(arrival.io, Lines::new(), clock.timer())));
        let client = Client::new(self.0, link, about, tls);
        let place = arrival.place;
        // The future is what an idle connection costs: it has pointers alone.
        async move {
            client.run(&drain).await;
            drop(place);
        }
    }

    /// Serves a connection of WebSocket, to its end. It speaks one of the [`SUBPROTOCOLS`].
    pub fn serve_socket(self, socket: Socket, drain: Drain) -> impl Future<Output = ()> + Send + 'static {
        let peer = socket.peer().cloned();
        let about = peer.as_deref().map(accounts::Client::of).unwrap_or_default();
        let tls = peer.is_some_and(|peer| peer.tls);
        let binary = socket.subprotocol() == Some(SUBPROTOCOLS[1]);
        let client = Client::new(self.0, Link::Socket(Box::new(socket), binary), about, tls);
        async move { client.run(&drain).await }
    }
}

impl Inner {
    /// The server's name.
    fn name(&self) -> &str {
        &self.language.server
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Handle>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn markers(&self) -> MutexGuard<'_, HashMap<(AccountId, String), Millis>> {
        self.markers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Capabilities that a client may ask for.
    fn offered(&self) -> Caps {
        use crate::proto::irc::cap;
        let all = cap::ALL.iter().fold(Caps::NONE, |caps, (cap, ..)| caps.with(*cap));
        if self.settings.sts.is_none() { all.without(Cap::Sts) } else { all }
    }
}
