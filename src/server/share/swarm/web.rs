//! A web seed: a server that takes part in the torrent as a peer does, asked by HTTP (BEP 17, 19).
//!
//! What is asked for is decided by [`WebSeed`], a value without I/O, and by the torrent. Here are the exchanges, each a task of its own, whose bytes wait in a short queue:
//! so a server is held back as peers are.

use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::link::{Carrier, Leave, Link, Way};
use super::sharing::Sharing;
use super::turn::Turn;
use super::{Swarm, at};
use crate::net::client::Connector;
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::torrent::{self, Newcomer, Reason};
use crate::proto::bittorrent::tracker::Scheme;
use crate::proto::bittorrent::tracker::allowed::{self, Author, Purpose};
use crate::proto::bittorrent::webseed::{
    self, AskId, Head, Kind, MAX_REDIRECTS, MAX_REQUESTS, PATIENCE, Settings, Todo, WebSeed,
};
use crate::proto::bittorrent::wire::Message;
use crate::server::http::client::fetch::{Ask, FetchError, Fetched, Fetcher, Retry};
use crate::server::share::discover::screen::screen;

/// Pieces of bodies that wait to be heard, of all exchanges of a web seed.
const WAITING: usize = 16;

/// How long a server is left alone whose name leads nowhere.
const AWAY: Duration = Duration::from_secs(300);

/// What has come of an exchange.
enum Came {
    Head(AskId, Answered),
    Bytes(AskId, Bytes),
    End(AskId),
    Failed(AskId),
}

/// The head of an answer, as far as it is of interest.
struct Answered {
    status: u16,
    length: Option<u64>,
    range: Option<String>,
    retry_after: Option<Duration>,
}

/// A web seed, and its place in the torrent.
struct Server {
    swarm: Arc<Swarm>,
    sharing: Arc<Sharing>,
    seed: WebSeed,
    fetcher: Fetcher,
    link: Arc<Link>,
    key: PeerKey,
    exchanges: BTreeMap<AskId, AbortOnDropHandle<()>>,
    told: mpsc::Sender<Came>,
    came: mpsc::Receiver<Came>,
    turn: Turn,
}

impl Swarm {
    /// Has a web seed take part until the torrent stops, or it is of no use.
    pub(in crate::server::share) async fn ask_web(self: Arc<Self>, kind: Kind, url: String) {
        tokio::select! {
            () = self.stopping.cancelled() => return,
            () = self.known() => {}
        }
        let Some(sharing) = self.sharing().cloned() else { return };
        let info = Arc::clone(&sharing.info);
        let seed = match WebSeed::new(info, kind, &url, Settings::default(), Instant::now()) {
            Ok(seed) => seed,
            Err(error) => {
                tracing::warn!(torrent = sharing.info.name(), %url, %error, "a web seed is none");
                return;
            }
        };
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = self.take_part(sharing, seed) => {}
        }
    }

    async fn take_part(self: &Arc<Self>, sharing: Arc<Sharing>, mut seed: WebSeed) {
        loop {
            sharing.lacks_something().await;
            let Some(addr) = self.find(&seed).await else {
                tokio::time::sleep(AWAY).await;
                continue;
            };
            if self.common.is_banned(addr.ip()) {
                return;
            }
            let mut server = Server::new(Arc::clone(self), Arc::clone(&sharing), seed, addr);
            let goes_on = server.run().await;
            server.sharing.leave(server.key);
            if goes_on.is_break() {
                return;
            }
            seed = server.seed;
            seed.parted();
        }
    }

    /// The first of its addresses that may be asked.
    async fn find(&self, seed: &WebSeed) -> Option<SocketAddr> {
        let url = seed.url();
        let found = Connector::new().deadline(PATIENCE).resolve(&url.host().to_string(), url.port()).await;
        let found =
            found.inspect_err(|error| tracing::warn!(%url, %error, "a web seed is not found")).ok()?;
        let may = |addr: &SocketAddr| allowed::link(Purpose::WebSeed, Author::Stranger, url, addr.ip());
        let (allowed, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|addr| may(addr).is_ok());
        if let (None, Some(Err(error))) = (allowed.first(), refused.first().map(may)) {
            tracing::warn!(%url, %error, "a web seed may not be asked");
        }
        allowed.first().copied()
    }
}

impl Sharing {
    /// Waits until something is missing that is wanted.
    async fn lacks_something(&self) {
        let mut come = self.come.subscribe();
        while self.with(None, |state, _| state.torrent.is_finished()) {
            if come.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    }

    /// A web seed takes part.
    fn join_web(&self, addr: SocketAddr, link: &Arc<Link>) -> PeerKey {
        let newcomer = Newcomer { addr, fast: true, impatient: false, greeted: false, runs: true };
        let key = self.join(newcomer, link);
        self.with(None, |state, _| state.torrent.takes(key, MAX_REQUESTS));
        key
    }
}

impl Server {
    fn new(swarm: Arc<Swarm>, sharing: Arc<Sharing>, mut seed: WebSeed, addr: SocketAddr) -> Self {
        let encrypted = seed.url().scheme() == Scheme::Https;
        let link = Arc::new(Link::new(Way { addr, incoming: false, encrypted, carrier: Carrier::Web }));
        let _ = link.client.set(seed.url().to_string());
        let connector = Connector::new().deadline(PATIENCE).from_address(swarm.common.settings.from());
        let first = Arc::new(Mutex::new(None));
        let connector = connector.screened(screen(Purpose::WebSeed, seed.url().clone(), first));
        let (told, came) = mpsc::channel(WAITING);
        let key = sharing.join_web(addr, &link);
        seed.joined(Instant::now());
        Self {
            fetcher: Fetcher::new(connector, Retry::never()).redirects(MAX_REDIRECTS as usize),
            swarm,
            sharing,
            seed,
            link,
            key,
            exchanges: BTreeMap::new(),
            told,
            came,
            turn: Turn::default(),
        }
    }

    /// Takes part until nothing is wanted any more (it may go on later), or until it is of no use.
    async fn run(&mut self) -> ControlFlow<()> {
        let mut has_come = false;
        loop {
            self.hear();
            if let Some(why) = self.say() {
                tracing::warn!(url = %self.seed.url(), %why, "a web seed is of no use");
                return ControlFlow::Break(());
            }
            if std::mem::take(&mut has_come) {
                self.turn.end();
            }
            match self.link.leaving() {
                Some(Leave::Torrent(Reason::Liar)) => return ControlFlow::Break(()),
                Some(_) => return ControlFlow::Continue(()),
                None => {}
            }
            let deadline = self.seed.deadline();
            let held_back = self.turn.is_awaited(&self.swarm);
            tokio::select! {
                biased;
                () = self.link.woken() => {}
                Some(came) = self.came.recv(), if !held_back => {
                    self.came(came);
                    has_come = true;
                }
                () = poll_fn(|cx| self.turn.poll(cx)) => {}
                () = at(deadline) => {}
            }
        }
    }

    /// Tells it what the torrent says.
    fn hear(&mut self) {
        let Self { sharing, seed, key, .. } = self;
        let words = sharing.with(Some(*key), |state, now| {
            std::iter::from_fn(|| match state.torrent.next(now, *key, false) {
                Some(torrent::Todo::Say(message)) => Some(message),
                Some(torrent::Todo::Send(_)) | None => None,
            })
            .collect::<Vec<Message>>()
        });
        words.iter().for_each(|word| seed.said(word));
    }

    /// Does what it wants to have done; why it is of no use, if that is so.
    fn say(&mut self) -> Option<webseed::Ended> {
        let mut said = Vec::new();
        while let Some(todo) = self.seed.poll(Instant::now()) {
            match todo {
                Todo::Say(message) => said.push(message),
                Todo::Ask(id, ask) => self.ask(id, ask),
                Todo::Abort(id) => drop(self.exchanges.remove(&id)),
                Todo::Rejoin => {
                    self.sharing.leave(self.key);
                    self.key = self.sharing.join_web(self.link.way.addr, &self.link);
                    said.clear();
                    self.seed.joined(Instant::now());
                }
                Todo::Leave(why) => return Some(why),
            }
        }
        if !said.is_empty() {
            let (_, heard) = self.sharing.hear(&self.swarm, self.key, said);
            if let Err(error) = heard {
                // It says only what peers may say, so that is a fault of ours: nothing comes of it, but a word in the log.
                tracing::error!(url = %self.seed.url(), %error, "a web seed said what no peer may say");
                self.link.leave(Leave::Unwanted);
            }
            self.link.wake();
        }
        None
    }

    /// Begins an exchange.
    fn ask(&mut self, id: AskId, ask: webseed::Ask) {
        let url = self.seed.url();
        let uri = format!("{}://{}{}", url.scheme().name(), url.authority(), ask.target);
        let Ok(uri) = uri.parse() else {
            self.seed.failed(Instant::now(), id);
            return;
        };
        // A script says in the body of its refusal when to come again (BEP 17).
        let asked = Ask::of(uri).within(PATIENCE).refusals(self.seed.kind() == Kind::Pieces);
        let asked = match ask.range {
            Some(range) => asked.range(range),
            None => asked,
        };
        let exchange = exchange(self.fetcher.clone(), asked, id, self.told.clone());
        self.exchanges.insert(id, AbortOnDropHandle::new(tokio::spawn(exchange)));
    }

    fn came(&mut self, came: Came) {
        let now = Instant::now();
        match came {
            Came::Head(id, Answered { status, length, range, retry_after }) => {
                let head = Head { status, length, range: range.as_deref(), retry_after };
                self.seed.answered(now, id, &head);
            }
            Came::Bytes(id, bytes) => self.seed.came(now, id, bytes),
            Came::End(id) => self.seed.finished(now, id),
            Came::Failed(id) => self.seed.failed(now, id),
        }
    }
}

/// One exchange, whose bytes are told as they come.
async fn exchange(fetcher: Fetcher, ask: Ask, id: AskId, told: mpsc::Sender<Came>) {
    // Nobody hears any more when the web seed has left.
    let _ = told_of(fetcher.get(&ask).await, id, &told).await;
}

async fn told_of(
    fetched: Result<Fetched, FetchError>,
    id: AskId,
    told: &mpsc::Sender<Came>,
) -> Result<(), mpsc::error::SendError<Came>> {
    let refusal = |status, retry_after| Answered { status, length: None, range: None, retry_after };
    let mut fetched = match fetched {
        Ok(fetched) => fetched,
        Err(error) => {
            tracing::debug!(%error, "a web seed does not give what was asked for");
            let head = match error {
                FetchError::Status(status) => refusal(status.as_u16(), None),
                FetchError::Later { status, after } => refusal(status.as_u16(), Some(after)),
                FetchError::Range => refusal(416, None),
                FetchError::Other => refusal(206, None),
                _ => return told.send(Came::Failed(id)).await,
            };
            told.send(Came::Head(id, head)).await?;
            return told.send(Came::End(id)).await;
        }
    };
    let head = Answered {
        status: fetched.head.status().as_u16(),
        length: fetched.head.content_length(),
        range: fetched.head.field_str("content-range").map(str::to_owned),
        retry_after: None,
    };
    told.send(Came::Head(id, head)).await?;
    loop {
        let came = match fetched.piece().await {
            Some(Ok(piece)) => Came::Bytes(id, piece.bytes),
            Some(Err(_)) => return told.send(Came::Failed(id)).await,
            None => return told.send(Came::End(id)).await,
        };
        told.send(came).await?;
    }
}
