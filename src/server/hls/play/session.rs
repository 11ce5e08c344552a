//! One viewer: a player, and the requests that it wants made.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use tokio::time::{Instant, sleep, sleep_until};

use super::link::Throttle;
use super::output::{Asked, Inspection, Output};
use super::requests::{News, Requests};
use super::source::{Fields, Source};
use crate::net::client::Connector;
use crate::net::resilience::backoff::{Backoff, Policy};
use crate::proto::hls::abr::Ms;
use crate::proto::hls::play::event::Event;
use crate::proto::hls::play::options::Options;
use crate::proto::hls::play::player::{Action, Failure, Heard, Kind, PlayError, Player};
use crate::proto::hls::play::remux::{Format, RemuxError};
use crate::proto::hls::simulate::Trace;
use crate::server::http::client::fetch::{Fetcher, Retry};

/// Things that are told to be left alone at most.
const MOST_IGNORED: usize = 16;

/// What is played, and how.
#[derive(Clone, Debug)]
pub struct Setup {
    /// A playlist of either kind.
    pub uri: Uri,
    /// How the player is set up.
    pub options: Options,
    /// What connects.
    pub connector: Connector,
    /// Fields that every request has.
    pub fields: Fields,
    /// The network between, if it is to be a recorded one.
    pub trace: Option<Arc<Trace>>,
    /// Whether segments are looked into, so that what is no media is known as such.
    pub inspect: bool,
    /// Whether what is chosen is written, and in which format; in the one that has room for everything if that is not said.
    pub output: Option<Option<Format>>,
}

/// Why nothing is played, or no more.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The first playlist does not come.
    #[error("{uri}: {why}")]
    Open {
        /// Where it was to be.
        uri: String,
        /// Why not.
        why: String,
    },
    /// It names nothing that can be played, or what it names does not come.
    #[error("{uri}")]
    Play {
        /// Where the first playlist is.
        uri: String,
        /// What is wrong with it.
        source: PlayError,
    },
    /// What was chosen cannot be written as one stream.
    #[error("the output: {0}")]
    Output(#[from] RemuxError),
}

/// What a session has to tell.
#[derive(Debug)]
pub enum Turn {
    /// Something happened, so many milliseconds after the beginning.
    Event(Ms, Event),
    /// What can be written by now.
    Output(Bytes),
    /// Nothing: the time is over for which somebody wanted to wait.
    Nothing,
    /// Nothing any more.
    Over,
}

/// A viewer.
pub struct Session {
    player: Player,
    source: Source,
    requests: Requests,
    asked: HashMap<u64, Asked>,
    inspection: Option<Inspection>,
    output: Option<Output>,
    written: VecDeque<Bytes>,
    /// What was left alone, in words.
    ignored: Vec<String>,
    /// Of which this is not told yet.
    notes: VecDeque<Event>,
    finished: bool,
    began: Instant,
}

impl Session {
    /// Asks for the first playlist.
    ///
    /// # Errors
    /// It does not come, or names nothing that can be played.
    pub async fn open(setup: Setup) -> Result<Self, SessionError> {
        let Setup { uri, options, connector, fields, trace, inspect, output } = setup;
        let began = Instant::now();
        let fetcher = Fetcher::new(connector, Retry::never());
        let throttle = trace.map(Throttle::new);
        let source = Source::new(fetcher, fields, throttle, inspect || output.is_some());
        let (bytes, found) = first(&source, &uri, &options).await?;
        let now = millis(began);
        let player = Player::new(&bytes, &found, options, now);
        let player = player.map_err(|source| SessionError::Play { uri: found.to_string(), source })?;
        let apart = player.has_sound_apart();
        let output = output.map(|format| {
            let format = format.unwrap_or_else(|| Output::format(player.levels()));
            Output::new(format, apart)
        });
        Ok(Self {
            inspection: inspect.then(|| Inspection::new(apart)),
            output,
            player,
            source,
            requests: Requests::default(),
            asked: HashMap::new(),
            written: VecDeque::new(),
            ignored: Vec::new(),
            notes: VecDeque::new(),
            finished: false,
            began,
        })
    }

    /// The player.
    #[must_use]
    pub fn player(&self) -> &Player {
        &self.player
    }

    /// How many milliseconds there were since the beginning.
    #[must_use]
    pub fn now(&self) -> Ms {
        millis(self.began)
    }

    /// Ends it before the media end.
    pub fn stop(&mut self) {
        self.player.stop(self.now());
    }

    /// Goes on until there is something to tell, or until a time. It may be dropped while it waits, and asked again.
    ///
    /// # Errors
    /// What was chosen cannot be written.
    pub async fn turn(&mut self, until: Instant) -> Result<Turn, SessionError> {
        loop {
            while let Some(action) = self.player.poll(self.now()) {
                self.act(action)?;
            }
            if let Some(bytes) = self.written.pop_front() {
                return Ok(Turn::Output(bytes));
            }
            if let Some(event) = self.notes.pop_front() {
                return Ok(Turn::Event(self.now(), event));
            }
            if let Some(event) = self.player.event() {
                if matches!(event, Event::Restarted { .. }) {
                    self.source.forget();
                }
                return Ok(Turn::Event(self.now(), event));
            }
            if self.player.is_over() {
                let rest = self.finish();
                return Ok(if rest.is_empty() { Turn::Over } else { Turn::Output(rest) });
            }
            let deadline = self.player.deadline(self.now()).map(|at| self.at(at));
            let wake = deadline.map_or(until, |deadline| deadline.min(until));
            tokio::select! {
                (id, news) = self.requests.next() => self.hear(id, news),
                () = sleep_until(wake) => {
                    if Instant::now() >= until {
                        return Ok(Turn::Nothing);
                    }
                }
            }
        }
    }

    /// A time of the player, on the clock; a little later, so that it has come by then.
    fn at(&self, time: Ms) -> Instant {
        let after = Duration::try_from_secs_f64((time + 1.0) / 1000.0).unwrap_or_default();
        self.began.checked_add(after).unwrap_or_else(Instant::now)
    }

    fn act(&mut self, action: Action) -> Result<(), RemuxError> {
        match action {
            Action::List { id, uri, patience } => self.requests.begin(id, self.source.list(uri, patience)),
            Action::Load { id, lane, rendition, span, piece, anew, patience } => {
                self.requests.begin(id, self.source.media(piece.clone(), patience));
                self.asked.insert(id, Asked { lane, rendition, span, piece, anew });
            }
            Action::Cancel(id) => {
                self.requests.cancel(id);
                self.asked.remove(&id);
            }
            Action::Settled { lane, span } => {
                if let Some(output) = &mut self.output {
                    let (bytes, refused) = output.settle(lane, span)?;
                    self.note(refused);
                    if !bytes.is_empty() {
                        self.written.push_back(bytes);
                    }
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, id: u64, news: News) {
        let now = self.now();
        match news {
            News::List(bytes, found) => self.player.listed(id, now, &bytes, found),
            News::Answered(length) => self.player.answered(id, now, length),
            News::Progressed(bytes) => self.player.progressed(id, now, bytes),
            News::Failed(failure) => {
                self.asked.remove(&id);
                self.player.failed(id, now, &failure);
            }
            News::Media(media) => {
                let Some(asked) = self.asked.remove(&id) else { return };
                let map = media.map.as_ref();
                let looked = self.inspection.as_mut().map(|look| look.look(&asked, map, &media.bytes));
                match looked.transpose() {
                    Err(error) => {
                        let failure = Failure::new(Kind::Lasting, error.to_string());
                        self.player.failed(id, now, &failure);
                    }
                    Ok(heard) => {
                        let heard = heard.map(|heard| {
                            self.note(heard.refused);
                            Heard { duration: heard.end - heard.start }
                        });
                        if let Some(output) = &mut self.output {
                            output.take(asked, media.map, media.bytes);
                        }
                        self.player.loaded(id, now, media.come, heard);
                    }
                }
            }
        }
    }

    /// Something was left alone, which is told once.
    fn note(&mut self, refused: Vec<String>) {
        for what in refused {
            if self.ignored.len() < MOST_IGNORED && !self.ignored.contains(&what) {
                self.notes.push_back(Event::Ignored { what: what.clone() });
                self.ignored.push(what);
            }
        }
    }

    /// What is left to be written, once.
    fn finish(&mut self) -> Bytes {
        if std::mem::replace(&mut self.finished, true) {
            return Bytes::new();
        }
        self.output.as_mut().map_or_else(Bytes::new, Output::finish)
    }
}

fn millis(since: Instant) -> Ms {
    since.elapsed().as_secs_f64() * 1000.0
}

/// The first playlist, for which a server may be asked more than once: again and again while it says that a stream is about to begin.
async fn first(source: &Source, uri: &Uri, options: &Options) -> Result<(Bytes, Uri), SessionError> {
    let patience = options.patience;
    let mut backoff = Backoff::new(Policy::default(), fastrand::u64(..));
    let (began, mut attempts) = (Instant::now(), 1);
    loop {
        let Failure { why, kind, after } = match source.playlist(uri.clone(), patience.answer).await {
            Ok(found) => return Ok(found),
            Err(failure) => failure,
        };
        let goes_on = match after {
            Some(after) => millis(began) + after <= patience.outage,
            None => attempts < patience.attempts,
        };
        if kind != Kind::Passing || !goes_on {
            return Err(SessionError::Open { uri: uri.to_string(), why });
        }
        let after = after.map_or(Duration::ZERO, |after| Duration::from_secs_f64(after / 1000.0));
        attempts += 1;
        sleep(backoff.wait().max(after)).await;
    }
}
