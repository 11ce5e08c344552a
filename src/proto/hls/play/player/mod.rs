//! The player: what it asks for next, and what becomes of what came.
//!
//! Two lanes load at the same time, the chosen variant and sound that is apart from it; in each, media are asked for one after the other, and the playlist is read again beside that.

mod faults;
mod list;
mod live;
mod load;
mod open;

use std::collections::VecDeque;

use http::Uri;

use super::choose::Chooser;
use super::event::{Event, LaneId};
use super::lane::{Lane, Listing};
use super::options::Options;
use super::piece::{Piece, Place};
use super::playback::{Phase, Playback, Totals, Turn};
use super::program::{Level, Program, RenditionId};
use super::rendition::Rendition;
use crate::proto::hls::abr::{Kbps, Ms, Quality};
use crate::proto::hls::playlist::media::Date;

pub use faults::{Failure, Kind, PlayError};
pub use load::Heard;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Ask for a playlist. Its bytes are [`Player::listed`].
    List {
        /// What this request is called.
        id: u64,
        /// Where it is.
        uri: Uri,
        /// How long the server may take to answer.
        patience: Ms,
    },
    /// Ask for media, for their initialization section and their key before, and tell how it goes on.
    Load {
        /// What this request is called.
        id: u64,
        /// Whose media.
        lane: LaneId,
        /// Of which media playlist.
        rendition: RenditionId,
        /// The stretch of media that they are: of the same number are those that replace each other.
        span: u64,
        /// Which.
        piece: Box<Piece>,
        /// They do not go on where the ones before ended: another rendition, or a hole between.
        anew: bool,
        /// How long the server may be silent.
        patience: Ms,
    },
    /// What this request was for is not wanted any more.
    Cancel(u64),
    /// The media of this span stay as they are: nothing will replace them.
    Settled {
        /// Whose.
        lane: LaneId,
        /// Which.
        span: u64,
    },
}

/// How much came, all in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests for playlists that were answered.
    pub playlists: u64,
    /// Segments and parts that came.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of downloads that were given up or not used.
    pub wasted: u64,
    /// Downloads that were given up.
    pub abandoned: u64,
    /// Segments that were replaced by better ones.
    pub replaced: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Pieces that were left out.
    pub gaps: u64,
}

/// How a player is at a time, to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// What is going on.
    pub phase: Phase,
    /// Where playback is.
    pub position: Ms,
    /// How much there is to play.
    pub level: Ms,
    /// How fast it plays.
    pub rate: f64,
    /// How far behind the end of a live stream it is.
    pub latency: Option<Ms>,
    /// Where a film ends.
    pub duration: Option<Ms>,
    /// The quality that is loaded.
    pub loading: Quality,
    /// The quality that is shown.
    pub shown: Option<Quality>,
    /// What the network is expected to carry.
    pub throughput: Option<Kbps>,
    /// The date of the media that are played.
    pub date: Option<Date>,
}

/// A player.
#[derive(Debug)]
pub struct Player {
    options: Options,
    program: Program,
    renditions: Vec<Rendition>,
    main: Lane,
    audio: Option<Lane>,
    playback: Playback,
    /// There once a playlist has said how long segments are.
    chooser: Option<Chooser>,
    quality: Quality,
    /// The place of each level that is used.
    paths: Vec<usize>,
    /// The quality of the next segment, if that is settled already.
    forced: Option<Quality>,
    /// The rendition whose playlist was asked for to see whether it has what comes next, and what that was.
    looked: Option<(RenditionId, Place)>,
    live: Option<live::Live>,
    next_id: u64,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    traffic: Traffic,
    /// Why it ends when the buffer is empty.
    ending: Option<PlayError>,
    over: bool,
    error: Option<PlayError>,
}

impl Player {
    /// What is to be done now; nothing until something comes, or the [`deadline`](Self::deadline).
    pub fn poll(&mut self, now: Ms) -> Option<Action> {
        if self.actions.is_empty() && !self.over {
            self.tick(now);
        }
        self.actions.pop_front()
    }

    /// What has happened.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether it is over: all was played, or it cannot go on.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Why it could not go on, if it is over because of that.
    #[must_use]
    pub fn error(&self) -> Option<&PlayError> {
        self.error.as_ref()
    }

    /// What there is to choose from.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.program.levels
    }

    /// Whether sound comes by a playlist of its own.
    #[must_use]
    pub fn has_sound_apart(&self) -> bool {
        self.audio.is_some()
    }

    /// What was played.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        self.playback.totals()
    }

    /// For how long nothing could be played.
    #[must_use]
    pub fn stalled(&self) -> Ms {
        self.playback.stalled()
    }

    /// What came.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// How long segments are, about; nothing before a playlist has said it.
    #[must_use]
    pub fn segment(&self) -> Option<Ms> {
        self.chooser.as_ref().map(|chooser| chooser.ladder().segment())
    }

    /// How it is now.
    #[must_use]
    pub fn state(&self, now: Ms) -> State {
        let position = self.playback.position();
        let timeline = self.renditions[self.main.rendition].timeline.as_ref();
        State {
            phase: self.playback.phase(),
            position,
            level: self.playback.level(self.end()),
            rate: self.playback.rate(),
            latency: self.live.as_ref().map(|live| live.latency(now, position)),
            duration: timeline.filter(|timeline| !timeline.is_live()).map(|timeline| timeline.end(false)),
            loading: self.quality,
            shown: self.playback.shown(),
            throughput: self.chooser.as_ref().and_then(Chooser::estimate).map(|estimate| estimate.throughput),
            date: timeline.and_then(|timeline| timeline.date_of(position)),
        }
    }

    /// Looks at the clock, and at what could be asked for.
    fn tick(&mut self, now: Ms) {
        self.advance(now);
        if self.over {
            return;
        }
        self.overdue(now);
        self.follow_edge(now);
        for id in [LaneId::Main, LaneId::Audio] {
            self.list(id, now);
            // What the playlist says is not there is looked for elsewhere and passed over at once.
            let place = |player: &Self| {
                let lane = player.lane(id).filter(|lane| lane.loading.is_none() && !player.over)?;
                Some((lane.end, lane.rendition, lane.tried.len()))
            };
            let mut before = None;
            while let Some(now_at) = place(self).filter(|found| before != Some(*found)) {
                before = Some(now_at);
                self.load(id, now);
            }
        }
        // That nothing more comes may be all that it waits for.
        self.advance(now);
        self.settle();
    }

    fn advance(&mut self, now: Ms) {
        if self.chooser.is_none() || self.over {
            return;
        }
        let (end, last) = (self.end(), self.all_ended());
        let turn = if self.options.paced {
            self.playback.advance(now, end, self.enough(), last)
        } else {
            self.playback.skim(now, end, last)
        };
        match turn {
            None => {}
            Some(Turn::Started(after)) => self.events.push_back(Event::Started { after }),
            Some(Turn::Stalled) => self.events.push_back(Event::Stalled),
            Some(Turn::Resumed(after)) => self.events.push_back(Event::Resumed { after }),
            Some(Turn::Ended) => {
                let error = self.ending.take().or_else(|| self.nothing());
                self.finish(error);
            }
        }
    }

    /// Nothing more comes: what is in the buffer is played, and then it is over.
    fn end_with(&mut self, error: PlayError) {
        if !self.options.paced || self.playback.level(self.end()) <= 0.0 {
            return self.finish(Some(error));
        }
        self.drop_loading();
        for id in [LaneId::Main, LaneId::Audio] {
            if let Some(lane) = self.lane_mut(id) {
                lane.ended = true;
            }
        }
        self.ending.get_or_insert(error);
    }

    /// Why nothing was played, if there was something that could have been.
    fn nothing(&self) -> Option<PlayError> {
        let played = self.playback.totals().played.iter().any(|time| *time > 0.0);
        (!played && self.main.hole).then(|| PlayError::Nothing { why: self.main.why.clone() })
    }

    /// Nothing more is played.
    fn finish(&mut self, error: Option<PlayError>) {
        let ids = |lane: &Lane| [lane.loading.as_ref().map(|it| it.id), lane.listing.map(|it| it.id)];
        let pending: Vec<u64> = self.lanes().flat_map(ids).flatten().collect();
        self.actions.extend(pending.into_iter().map(Action::Cancel));
        self.settle_all();
        self.events.push_back(Event::Ended { why: error.as_ref().map(ToString::to_string) });
        self.over = true;
        self.error = error;
    }

    /// Ends it before the media end. What was played until `now` counts.
    pub fn stop(&mut self, now: Ms) {
        self.advance(now);
        if !self.over {
            self.finish(None);
        }
    }

    fn lane(&self, id: LaneId) -> Option<&Lane> {
        match id {
            LaneId::Main => Some(&self.main),
            LaneId::Audio => self.audio.as_ref(),
        }
    }

    fn lane_mut(&mut self, id: LaneId) -> Option<&mut Lane> {
        match id {
            LaneId::Main => Some(&mut self.main),
            LaneId::Audio => self.audio.as_mut(),
        }
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        std::iter::once(&self.main).chain(&self.audio)
    }

    /// Up to where all is there that is played together.
    fn end(&self) -> Ms {
        let audio = self.audio.as_ref().filter(|audio| !audio.ended || self.main.ended);
        match audio {
            // Sound may be a little shorter than pictures, or longer.
            Some(audio) if audio.ended && self.main.ended => self.main.end,
            Some(audio) => self.main.end.min(audio.end),
            None => self.main.end,
        }
    }

    fn all_ended(&self) -> bool {
        self.lanes().all(|lane| lane.ended)
    }

    fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The path of a level that is used now.
    fn path(&self, quality: Quality) -> super::program::Path {
        let level = &self.program.levels[quality.min(self.program.levels.len() - 1)];
        let at = self.paths.get(quality).copied().unwrap_or(0);
        level.paths[at % level.paths.len()]
    }

    fn name(&self, quality: Quality) -> String {
        self.program.levels.get(quality).map(|level| level.name.clone()).unwrap_or_default()
    }

    /// What a rendition is called in reports: the end of its address.
    fn called(&self, rendition: RenditionId) -> String {
        self.renditions[rendition].uri().path().rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// When to poll again if nothing comes.
    #[must_use]
    pub fn deadline(&self, now: Ms) -> Option<Ms> {
        if self.over {
            return None;
        }
        let mut next = self.playback.empty_at(self.end()).filter(|_| self.options.paced);
        let mut at = |time: Ms| next = Some(next.map_or(time, |next: Ms| next.min(time)));
        for lane in self.lanes() {
            if let Some(loading) = &lane.loading {
                at(loading.until);
            } else if !lane.ended && lane.not_before > now {
                at(lane.not_before);
            }
            match lane.listing {
                Some(Listing { until, rendition, .. }) if rendition == lane.rendition => at(until),
                // It may take too long for what there is to play.
                Some(Listing { until, .. }) => at(until.min(now + LOOKING)),
                None => {
                    if let Some(due) = self.due(lane, now) {
                        at(due);
                    }
                }
            }
            if self.options.replace.is_some() && !lane.unsettled.is_empty() {
                at(now + SETTLING);
            }
        }
        if let Some(tick) = self.live.as_ref().and_then(|live| live.tick(now)) {
            at(tick);
        }
        next.map(|next| next.max(now))
    }

    /// Says which media cannot be replaced any more.
    fn settle(&mut self) {
        let Some(chooser) = &self.chooser else { return };
        let until = match self.options.replace {
            Some(_) => self.playback.position() + 2.0 * chooser.ladder().segment(),
            None => Ms::INFINITY,
        };
        for id in [LaneId::Main, LaneId::Audio] {
            let mut settled = Vec::new();
            if let Some(lane) = self.lane_mut(id) {
                // What is to take its place is on its way.
                let coming = lane.loading.as_ref().and_then(|loading| loading.replaces);
                let stays = |(span, end): &mut (u64, Ms)| *end <= until && Some(*span) != coming;
                while let Some((span, _)) = lane.unsettled.pop_front_if(stays) {
                    settled.push(span);
                }
            }
            let settled = settled.into_iter().map(|span| Action::Settled { lane: id, span });
            self.actions.extend(settled);
        }
    }

    fn settle_all(&mut self) {
        for id in [LaneId::Main, LaneId::Audio] {
            let all = self.lane_mut(id).map(|lane| std::mem::take(&mut lane.unsettled)).unwrap_or_default();
            self.actions.extend(all.into_iter().map(|(span, _)| Action::Settled { lane: id, span }));
        }
    }
}

/// How often it is looked whether there is still time for a playlist of another quality.
const LOOKING: Ms = 100.0;

/// How often it is looked whether media can no longer be replaced.
const SETTLING: Ms = 500.0;
