//! A server and a network in virtual time, with a player before them.

use std::collections::BTreeMap;

use http::Uri;

use crate::proto::hls::abr::Ms;
use crate::proto::hls::play::event::Event;
use crate::proto::hls::play::options::Options;
use crate::proto::hls::play::player::{Action, Failure, Kind, Player};

/// How often the progress of a download is told.
const STEP: Ms = 50.0;

/// What a server does with a request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// It sends so many bytes.
    Bytes(u64),
    /// It sends this.
    Text(String),
    /// It sends this at a later time.
    Held(Ms, String),
    /// It has not got it.
    Missing,
    /// It closes the connection.
    Reset,
    /// It says nothing.
    Silence,
    /// What it sends is no media.
    Nonsense,
}

/// A server: what it has at a time.
pub(super) trait Server {
    fn answer(&mut self, path: &str, now: Ms) -> Answer;
}

impl<F: FnMut(&str, Ms) -> Answer> Server for F {
    fn answer(&mut self, path: &str, now: Ms) -> Answer {
        self(path, now)
    }
}

/// What comes later.
#[derive(Debug)]
enum Later {
    Listed(u64, Uri, String),
    Step { id: u64, bytes: u64, size: u64, asked: Ms },
    Failed(u64, Failure),
}

/// A player before a server.
pub(super) struct World<S> {
    pub(super) player: Player,
    server: S,
    /// Kilobits a second, as time goes by.
    rate: fn(Ms) -> f64,
    latency: Ms,
    now: Ms,
    later: BTreeMap<(u64, u64), Later>,
    count: u64,
    pub(super) events: Vec<(Ms, Event)>,
    /// What was asked for, and when.
    pub(super) asked: Vec<(Ms, String)>,
    pub(super) settled: Vec<u64>,
}

pub(super) const BASE: &str = "http://server/film/master.m3u8";

impl<S: Server> World<S> {
    pub(super) fn new(mut server: S, options: Options, rate: fn(Ms) -> f64) -> Self {
        let Answer::Text(text) = server.answer("/film/master.m3u8", 0.0) else { panic!("a playlist") };
        let player = Player::new(text.as_bytes(), &BASE.parse().unwrap(), options, 0.0).unwrap();
        Self {
            player,
            server,
            rate,
            latency: 20.0,
            now: 0.0,
            later: BTreeMap::new(),
            count: 0,
            events: Vec::new(),
            asked: Vec::new(),
            settled: Vec::new(),
        }
    }

    fn at(&mut self, time: Ms, what: Later) {
        self.count += 1;
        self.later.insert(((time * 1000.0) as u64, self.count), what);
    }

    /// Plays until it is over, or for so long.
    pub(super) fn run(&mut self, time: Ms) {
        let until = self.now + time;
        let mut rounds = 0;
        while !self.player.is_over() && self.now < until {
            rounds += 1;
            assert!(rounds < 2_000_000, "it turns in a circle at {} ms: {:?}", self.now, self.events.last());
            while let Some(action) = self.player.poll(self.now) {
                self.act(action);
            }
            while let Some(event) = self.player.event() {
                self.events.push((self.now, event));
            }
            if self.player.is_over() {
                break;
            }
            let next = self.later.first_key_value().map(|((time, _), _)| *time as Ms / 1000.0);
            let deadline = self.player.deadline(self.now);
            let wake = [next, deadline].into_iter().flatten().reduce(Ms::min);
            let wake = wake.unwrap_or_else(|| panic!("it waits for nothing at {} ms", self.now));
            self.now = self.now.max(wake).max(self.now + 0.001).min(until);
            let due = ((self.now * 1000.0) as u64, u64::MAX);
            let rest = self.later.split_off(&due);
            for what in std::mem::replace(&mut self.later, rest).into_values() {
                self.happen(what);
            }
        }
        while let Some(action) = self.player.poll(self.now) {
            self.act(action);
        }
        while let Some(event) = self.player.event() {
            self.events.push((self.now, event));
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Cancel(id) => self.later.retain(|_, what| match what {
                Later::Listed(other, ..) | Later::Step { id: other, .. } | Later::Failed(other, _) => {
                    *other != id
                }
            }),
            Action::Settled { span, .. } => self.settled.push(span),
            Action::List { id, uri, patience } => {
                let path = uri.path_and_query().unwrap().to_string();
                self.asked.push((self.now, path.clone()));
                let due = self.now + self.latency;
                match self.server.answer(&path, self.now) {
                    Answer::Text(text) => self.at(due, Later::Listed(id, uri, text)),
                    Answer::Held(at, text) => {
                        self.at(due.max(at + self.latency), Later::Listed(id, uri, text));
                    }
                    Answer::Bytes(_) => panic!("{path} is a playlist"),
                    answer => self.refuse(id, &answer, patience),
                }
            }
            Action::Load { id, piece, patience, .. } => {
                let uri = crate::proto::http::reference::join(&piece.base, &piece.uri).unwrap();
                let path = uri.path().to_owned();
                self.asked.push((self.now, path.clone()));
                match self.server.answer(&path, self.now) {
                    Answer::Bytes(size) => {
                        let asked = self.now;
                        self.at(self.now + self.latency, Later::Step { id, bytes: 0, size, asked });
                    }
                    Answer::Text(_) | Answer::Held(..) => panic!("{path} is media"),
                    answer => self.refuse(id, &answer, patience),
                }
            }
        }
    }

    fn refuse(&mut self, id: u64, answer: &Answer, patience: Ms) {
        let (time, why, kind) = match answer {
            Answer::Missing => (self.latency, "404", Kind::Missing),
            Answer::Reset => (self.latency, "reset", Kind::Passing),
            Answer::Nonsense => (self.latency, "no media", Kind::Lasting),
            _ => (patience, "no answer", Kind::Passing),
        };
        self.at(self.now + time, Later::Failed(id, Failure::new(kind, why.to_owned())));
    }

    fn happen(&mut self, what: Later) {
        match what {
            Later::Listed(id, uri, text) => self.player.listed(id, self.now, text.as_bytes(), uri),
            Later::Failed(id, failure) => self.player.failed(id, self.now, &failure),
            Later::Step { id, bytes, size, asked } => {
                if bytes == 0 {
                    self.player.answered(id, self.now, Some(size));
                } else {
                    self.player.progressed(id, self.now, bytes.min(size));
                }
                if bytes >= size {
                    self.player.loaded(id, self.now, size, None);
                    return;
                }
                // Kilobits a second are bits a millisecond.
                let rate = (self.rate)(self.now);
                let left = (size - bytes) as f64 * 8.0;
                let time = STEP.min(if rate > 0.0 { left / rate } else { STEP });
                let more = (rate * time / 8.0).ceil() as u64;
                self.at(self.now + time, Later::Step { id, bytes: bytes + more, size, asked });
            }
        }
    }

    /// The names of what happened, without what is loaded.
    pub(super) fn story(&self) -> Vec<&'static str> {
        let name = |event: &Event| match event {
            Event::Opened { .. } => "opened",
            Event::Started { .. } => "started",
            Event::Switched { .. } => "switched",
            Event::Loaded { .. } => "loaded",
            Event::Abandoned { .. } => "abandoned",
            Event::Stalled => "stalled",
            Event::Resumed { .. } => "resumed",
            Event::Paced { .. } => "paced",
            Event::Jumped { .. } => "jumped",
            Event::Gap { .. } => "gap",
            Event::Retry { .. } => "retry",
            Event::Elsewhere { .. } => "elsewhere",
            Event::Restarted { .. } => "restarted",
            Event::Differs { .. } => "differs",
            Event::Ignored { .. } => "ignored",
            Event::Ended { .. } => "ended",
        };
        self.events.iter().map(|(_, event)| name(event)).filter(|name| *name != "loaded").collect()
    }

    /// The segments that came, in their order: quality and number.
    pub(super) fn loaded(&self) -> Vec<(String, u64)> {
        let loaded = self.events.iter().filter_map(|(_, event)| match event {
            Event::Loaded { quality, segment, .. } => Some((quality.clone(), *segment)),
            _ => None,
        });
        loaded.collect()
    }
}
