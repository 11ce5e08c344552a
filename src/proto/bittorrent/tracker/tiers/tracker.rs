//! What is known of one tracker, and owed to it.

use std::time::Instant;

use crate::proto::bittorrent::tracker::{Event, Reply, TrackerError, Url};

/// An announce that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) number: u64,
    pub(super) since: Instant,
    pub(super) event: Option<Event>,
}

/// A tracker.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) url: Url,
    pub(super) tier: usize,
    /// Those of which one is enough.
    pub(super) group: usize,
    /// When it may be asked; `None` if never again.
    pub(super) ready: Option<Instant>,
    /// When it may be asked though it is not time yet.
    pub(super) earliest: Instant,
    pub(super) asking: Option<Asking>,
    /// Whether it knows that we are there.
    pub(super) started: bool,
    /// What it is to be told as soon as possible.
    pub(super) owes: Option<Event>,
    pub(super) owes_stop: bool,
    /// Failures since the last answer.
    pub(super) fails: u32,
    pub(super) error: Option<TrackerError>,
    pub(super) tracker_id: Option<Vec<u8>>,
    answer: Option<Instant>,
    complete: Option<u32>,
    incomplete: Option<u32>,
    downloaded: Option<u32>,
    peers: usize,
    warning: Option<String>,
}

/// How a tracker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It was not asked yet.
    Idle,
    /// It is being asked.
    Asking,
    /// It has answered.
    Works,
    /// It has failed.
    Fails,
    /// It has said that it is no tracker for this torrent (BEP 31).
    Never,
}

/// What there is to say of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status<'a> {
    /// Where it is.
    pub url: &'a Url,
    /// Its tier, from 0.
    pub tier: usize,
    /// How it is.
    pub state: State,
    /// When it has answered last.
    pub answer: Option<Instant>,
    /// When it may be asked next, if it still has to be.
    pub next: Option<Instant>,
    /// Failures since the last answer.
    pub fails: u32,
    /// Why it has failed last, since the last answer.
    pub error: Option<&'a TrackerError>,
    /// What it wants people to read.
    pub warning: Option<&'a str>,
    /// Seeds.
    pub complete: Option<u32>,
    /// Peers that are no seeds.
    pub incomplete: Option<u32>,
    /// How often the torrent was got.
    pub downloaded: Option<u32>,
    /// How many peers it has told last.
    pub peers: usize,
}

impl Tracker {
    pub(super) fn new(url: Url, tier: usize, group: usize, now: Instant) -> Self {
        Self {
            url,
            tier,
            group,
            ready: Some(now),
            earliest: now,
            asking: None,
            started: false,
            owes: None,
            owes_stop: false,
            fails: 0,
            error: None,
            tracker_id: None,
            answer: None,
            complete: None,
            incomplete: None,
            downloaded: None,
            peers: 0,
            warning: None,
        }
    }

    /// It does not know us, and is to be told.
    pub(super) fn begin(&mut self, now: Instant) {
        self.ready = self.ready.map(|_| now);
        self.asking = None;
        (self.started, self.owes, self.owes_stop) = (false, None, false);
    }

    /// What it is told when it is its time.
    pub(super) fn event(&self, paused: bool) -> Option<Event> {
        match () {
            () if !self.started => Some(Event::Started),
            () => self.owes.or(paused.then_some(Event::Paused)),
        }
    }

    pub(super) fn answered(&mut self, now: Instant, event: Option<Event>, reply: &Reply) {
        self.started = event != Some(Event::Stopped);
        self.owes = self.owes.filter(|owed| self.started && event != Some(*owed));
        (self.fails, self.error, self.answer) = (0, None, Some(now));
        // What is not said again still holds (BEP 3, "if it is absent and a previous one was sent").
        if reply.tracker_id.is_some() {
            self.tracker_id.clone_from(&reply.tracker_id);
        }
        self.complete = reply.complete.or(self.complete);
        self.incomplete = reply.incomplete.or(self.incomplete);
        self.downloaded = reply.downloaded.or(self.downloaded);
        self.peers = reply.peers.len();
        self.warning.clone_from(&reply.warning);
    }

    pub(super) fn status(&self, next: Option<Instant>) -> Status<'_> {
        let state = match () {
            () if self.asking.is_some() => State::Asking,
            () if self.ready.is_none() => State::Never,
            () if self.error.is_some() => State::Fails,
            () if self.answer.is_some() => State::Works,
            () => State::Idle,
        };
        Status {
            url: &self.url,
            tier: self.tier,
            state,
            answer: self.answer,
            next,
            fails: self.fails,
            error: self.error.as_ref(),
            warning: self.warning.as_deref(),
            complete: self.complete,
            incomplete: self.incomplete,
            downloaded: self.downloaded,
            peers: self.peers,
        }
    }
}
