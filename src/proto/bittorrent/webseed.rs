//! Web seeds: HTTP servers that have the files of a torrent (BEP 19, `url-list`), or a script that gives its pieces
//! (BEP 17, `httpseeds`).
//!
//! A web seed is a peer that has everything and never chokes, and takes part in a [`Torrent`](super::torrent::Torrent)
//! as peers do: what the torrent says to it is told by [`WebSeed::said`], and what it says to the torrent comes from
//! [`WebSeed::poll`]. So which blocks are asked for, how many at a time, and who is banned is decided there. Here
//! requests become *asks*: one HTTP request for the bytes of many blocks, which are handed on as they come. What HTTP
//! has and peers have not is here as well: files that are not there, servers that want to be left alone, and those
//! that know no ranges.

mod answer;
mod asking;
mod rest;
mod run;
mod todo;
mod url;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};

pub use self::answer::Head;
use self::answer::{Body, Verdict};
use self::rest::Rest;
pub use self::rest::{Fault, LONGEST_REST};
use self::run::{Run, Wanted};
pub use self::todo::{Ask, AskId, Ended, State, Todo};
use self::url::Source;
pub use self::url::{Kind, MAX_REDIRECTS, MAX_TARGET, SourceError, redirected};
use super::BLOCK;
use super::metainfo::Info;
use super::pipeline;
use super::tracker::Url;
use super::wire::{Bitfield, Block, Message};

/// Asks at a time, at most. More would be taken for an attack, and a mirror gives no more by it.
pub const MAX_ASKS: usize = 4;

/// Bytes of an ask, at most. libtorrent has 16 MiB (`urlseed_max_request_bytes`), and waits for all of a piece.
pub const MAX_ASK: u64 = 4 << 20;

/// Requests that wait, at most; what is beyond is refused. To be told to [`Torrent::takes`](super::torrent::Torrent).
pub const MAX_REQUESTS: u32 = pipeline::MOST;

/// Bytes in front of those that are wanted that are read for nothing, if a server knows no ranges.
pub const MAX_SKIP: u64 = 1 << 20;

/// How long a server may send no byte: libtorrent has 20 s (`urlseed_timeout`), most HTTP servers 60 s.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Files in a row that are not there, until the URL is taken for a wrong one.
pub const MAX_MISSES: u32 = 32;

/// How long nothing is said to the torrent, which ends connections that are silent for 150 s.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The length of the number in the body of a script's 503, at most.
const MAX_NUMBER: usize = 16;

/// How a web seed is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Asks at a time, 1 to [`MAX_ASKS`].
    pub asks: usize,
    /// Bytes of an ask at most: from a block to [`MAX_ASK`].
    pub ask: u64,
}

impl Default for Settings {
    /// One ask of at most [`MAX_ASK`].
    fn default() -> Self {
        Self { asks: 1, ask: MAX_ASK }
    }
}

/// A request of the torrent's that belongs to no ask yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    block: Block,
    /// Its number among all requests.
    order: u64,
}

/// What has come of an ask.
#[derive(Debug)]
enum Stage {
    /// Nothing yet.
    Asked,
    /// Bytes come.
    Body(Body),
    /// A script says how long it wants to be left alone.
    Number(Vec<u8>),
}

/// An ask that is under way.
#[derive(Debug)]
struct Flight {
    run: Run,
    wanted: Wanted,
    stage: Stage,
    heard_at: Instant,
}

/// A web seed of a torrent.
#[derive(Debug)]
pub struct WebSeed {
    info: Arc<Info>,
    source: Source,
    settings: Settings,
    /// Pieces all of whose files may be there.
    has: Bitfield,
    /// Whether it is a peer of the torrent now.
    joined: bool,
    /// Whether it has unchoked the torrent.
    open: bool,
    /// Requests, by where they begin among the bytes of all pieces.
    waiting: BTreeMap<u64, Waiting>,
    requests: u64,
    flights: BTreeMap<AskId, Flight>,
    asks: u64,
    rest: Rest,
    misses: u32,
    said_at: Instant,
    todo: VecDeque<Todo>,
    ended: Option<Ended>,
}

impl WebSeed {
    /// One at this URL, of `url-list` (BEP 19), `httpseeds` (BEP 17) or a magnet link's `ws` (BEP 19).
    ///
    /// # Errors
    /// It is no URL that could be asked.
    pub fn new(
        info: Arc<Info>,
        kind: Kind,
        url: &str,
        settings: Settings,
        now: Instant,
    ) -> Result<Self, SourceError> {
        let source = Source::new(kind, url)?;
        let settings = Settings {
            asks: settings.asks.clamp(1, MAX_ASKS),
            ask: settings.ask.clamp(BLOCK.into(), MAX_ASK),
        };
        Ok(Self {
            has: Bitfield::all(info.layout().pieces()),
            info,
            source,
            settings,
            joined: false,
            open: false,
            waiting: BTreeMap::new(),
            requests: 0,
            flights: BTreeMap::new(),
            asks: 0,
            rest: Rest::default(),
            misses: 0,
            said_at: now,
            todo: VecDeque::new(),
            ended: None,
        })
    }

    /// Where it is: whom to connect to. Whether that address may be asked is to be looked up with
    /// [`allowed::link`](super::tracker::allowed::link) each time.
    #[must_use]
    pub fn url(&self) -> &Url {
        self.source.url()
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.source.kind()
    }

    /// How it goes.
    #[must_use]
    pub fn state(&self) -> State {
        match (self.ended, self.rest.under_way()) {
            (Some(ended), _) => State::Ended(ended),
            (None, Some((until, fault))) if !self.open => State::Rests { until, fault },
            _ if self.flights.is_empty() => State::Idle,
            _ => State::Busy(self.flights.len()),
        }
    }

    /// It has joined the torrent, as a peer that knows the fast extension (BEP 6).
    pub fn joined(&mut self, now: Instant) {
        self.parted();
        if self.ended.is_some() {
            return;
        }
        self.joined = true;
        self.said_at = now;
        let has = match self.has.is_all() {
            true => Message::HaveAll,
            false => Message::Bitfield(Bytes::copy_from_slice(self.has.as_bytes())),
        };
        self.say(has);
        self.open_if_rested(now);
    }

    /// The torrent has let it go. It can join again later.
    pub fn parted(&mut self) {
        self.todo.retain(|todo| matches!(todo, Todo::Abort(_) | Todo::Leave(_)));
        self.drop_all();
        (self.joined, self.open) = (false, false);
    }

    /// The torrent has found that its bytes are wrong ([`Event::Banned`](super::torrent::Event::Banned) of its
    /// address).
    pub fn banned(&mut self) {
        self.end(Ended::Banned);
    }

    /// The torrent says something to it. What is not about blocks means nothing to it.
    pub fn said(&mut self, message: &Message) {
        match *message {
            Message::Request(block) if self.joined => self.requested(block),
            Message::Cancel(block) => self.cancelled(block),
            _ => {}
        }
    }

    /// The head of an answer has come.
    pub fn answered(&mut self, now: Instant, id: AskId, head: &Head<'_>) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        flight.heard_at = now;
        match head.verdict(&flight.wanted, &self.info) {
            Verdict::Body(body) => flight.stage = Stage::Body(body),
            Verdict::Number => flight.stage = Stage::Number(Vec::new()),
            Verdict::Later(fault, wait) => {
                self.todo.push_back(Todo::Abort(id));
                self.fail(now, id, fault, wait);
            }
            Verdict::Missing(file) => self.miss(file),
            Verdict::Useless(why) => self.end(why),
        }
    }

    /// Bytes of a body have come.
    pub fn came(&mut self, now: Instant, id: AskId, mut bytes: Bytes) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        flight.heard_at = now;
        match &mut flight.stage {
            Stage::Asked => {}
            Stage::Number(digits) => {
                digits.extend(bytes.iter().take(MAX_NUMBER.saturating_sub(digits.len())));
            }
            Stage::Body(body) => {
                let (skip, take) = body.cut(bytes.len());
                bytes.advance(skip);
                let todo = &mut self.todo;
                flight.run.take(bytes.split_to(take), &mut |piece| todo.push_back(Todo::Say(piece)));
                match (body.is_whole(), body.goes_on, bytes.is_empty()) {
                    (true, true, _) => {
                        self.todo.push_back(Todo::Abort(id));
                        self.complete(now, id);
                    }
                    (_, _, false) => {
                        self.todo.push_back(Todo::Abort(id));
                        self.fail(now, id, Fault::Long, None);
                    }
                    _ => {}
                }
            }
        }
    }

    /// A body is at its end.
    pub fn finished(&mut self, now: Instant, id: AskId) {
        let Some(flight) = self.flights.get(&id) else { return };
        match &flight.stage {
            Stage::Body(body) if body.is_whole() => self.complete(now, id),
            Stage::Body(_) => self.fail(now, id, Fault::Short, None),
            Stage::Number(digits) => {
                let wait = answer::seconds(digits);
                self.fail(now, id, Fault::Status(503), wait);
            }
            Stage::Asked => self.fail(now, id, Fault::Connection, None),
        }
    }

    /// There is no connection, no answer that can be read, or no more of it.
    pub fn failed(&mut self, now: Instant, id: AskId) {
        self.fail(now, id, Fault::Connection, None);
    }

    /// What is to be done next, until there is nothing: to be asked after each call, and at the
    /// [`deadline`](Self::deadline).
    pub fn poll(&mut self, now: Instant) -> Option<Todo> {
        if self.joined {
            self.look(now);
        }
        let todo = self.todo.pop_front();
        if matches!(todo, Some(Todo::Say(_))) {
            self.said_at = now;
        }
        todo
    }

    /// When [`poll`](Self::poll) has something to do even if nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let late = self.flights.values().map(|flight| flight.heard_at + PATIENCE);
        let rested = self.rest.under_way().filter(|_| !self.open).map(|(until, _)| until);
        let all = late.chain(rested).chain([self.said_at + KEEP_ALIVE]);
        all.min().filter(|_| self.joined)
    }
}

#[cfg(test)]
mod tests;
