//! What does not come: it is asked for again, then elsewhere, and is left out at last.

use super::{Action, Player};
use crate::proto::hls::abr::{LadderError, Ms, Quality};
use crate::proto::hls::play::event::{Event, LaneId};
use crate::proto::hls::play::lane::Last;
use crate::proto::hls::play::piece::{Found, Piece};
use crate::proto::hls::play::playback::Span;
use crate::proto::hls::play::program::{ProgramError, RenditionId};
use crate::proto::hls::playlist::read::ReadError;

/// The wait before the second attempt, and twice as much before each further one.
const FIRST_WAIT: Ms = 250.0;

/// The longest wait.
const MOST_WAIT: Ms = 8000.0;

/// Spans that could not be replaced, of which one is kept in mind: the latest.
const MOST_REFUSED: usize = 64;

/// Why something did not come.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// In words.
    pub why: String,
    /// What that means.
    pub kind: Kind,
    /// How long the server wants to be left alone, if it says so (`Retry-After`).
    pub after: Option<Ms>,
}

impl Failure {
    /// One of which no server says how long it lasts.
    #[must_use]
    pub fn new(kind: Kind, why: String) -> Self {
        Self { why, kind, after: None }
    }

    /// How long to wait before the next attempt, after so many: as long as the server wants, within reason.
    fn wait(&self, attempts: u32) -> Ms {
        backoff(attempts).max(self.after.unwrap_or_default().min(MOST_WAIT))
    }
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It may come if it is asked for again.
    Passing,
    /// The server does not have it. That may be because it has not got it yet.
    Missing,
    /// It will not come from there.
    Lasting,
}

/// Why playback ends before the media do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlayError {
    /// The playlist that was named cannot be read.
    #[error("not a playlist: {0}")]
    Read(#[from] ReadError),
    /// It names nothing that can be played.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Its rates are none.
    #[error(transparent)]
    Ladder(#[from] LadderError),
    /// A playlist does not come, and there is no other one.
    #[error("{playlist} cannot be had: {why}")]
    Playlist {
        /// The end of its address.
        playlist: String,
        /// Why.
        why: String,
    },
    /// Too many segments in a row did not come.
    #[error("{gaps} segments in a row cannot be had: {why}")]
    Gaps {
        /// How many.
        gaps: u32,
        /// Why the last one did not come.
        why: String,
    },
    /// All of it was left out.
    #[error("nothing of it can be played: {why}")]
    Nothing {
        /// Why what came last was left out.
        why: String,
    },
    /// A live stream that brings nothing new.
    #[error("{playlist} has had nothing new for {seconds:.0} s")]
    Silent {
        /// The end of its address.
        playlist: String,
        /// For how long.
        seconds: f64,
    },
}

/// How long to wait before an attempt.
fn backoff(attempts: u32) -> Ms {
    (FIRST_WAIT * f64::from(1u32 << attempts.saturating_sub(1).min(16))).min(MOST_WAIT)
}

impl Player {
    /// A request was in vain.
    pub fn failed(&mut self, id: u64, now: Ms, failure: &Failure) {
        if self.over {
            return;
        }
        if let Some((lane, rendition)) = self.listing(id) {
            return self.list_failed(lane, rendition, now, failure);
        }
        let found = [LaneId::Main, LaneId::Audio].into_iter().find_map(|lane| {
            let loading = self.lane_mut(lane)?.loading.take_if(|loading| loading.id == id)?;
            Some((lane, loading))
        });
        let Some((lane, loading)) = found else { return };
        self.traffic.failures += 1;
        self.traffic.wasted += loading.bytes;
        if let Some(span) = loading.replaces {
            // What is there is good enough.
            self.main.refused.push_back(span);
            if self.main.refused.len() > MOST_REFUSED {
                self.main.refused.pop_front();
            }
        } else {
            self.piece_failed(lane, loading.rendition, &loading.piece, now, failure);
        }
    }

    /// Gives up what has taken too long, however it goes on.
    pub(super) fn overdue(&mut self, now: Ms) {
        let loading = self.lanes().filter_map(|lane| lane.loading.as_ref()).map(|it| (it.id, it.until));
        let listing = self.lanes().filter_map(|lane| lane.listing).map(|it| (it.id, it.until));
        let late: Vec<u64> =
            loading.chain(listing).filter(|(_, until)| *until <= now).map(|(id, _)| id).collect();
        for id in late {
            self.actions.push_back(Action::Cancel(id));
            let why = "it takes too long".to_owned();
            self.failed(id, now, &Failure::new(Kind::Passing, why));
        }
    }

    /// A playlist did not come.
    pub(super) fn list_failed(&mut self, lane: LaneId, rendition: RenditionId, now: Ms, failure: &Failure) {
        self.traffic.failures += 1;
        let what = self.called(rendition);
        let attempts = self.options.patience.attempts;
        let state = &mut self.renditions[rendition];
        state.failures += 1;
        // What was read before goes on to be played while it is asked for again.
        let most = if state.timeline.is_some() { 2 * attempts } else { attempts };
        if state.failures < most && failure.kind != Kind::Lasting {
            let wait = failure.wait(state.failures);
            state.not_before = now + wait;
            self.events.push_back(Event::Retry { what, why: failure.why.clone(), wait });
            return;
        }
        if self.leave(lane, rendition, now, &failure.why) {
            let avoid = self.options.patience.avoid;
            let state = &mut self.renditions[rendition];
            (state.failures, state.not_before) = (0, now + avoid);
            return;
        }
        if self.stays_with_a_gap(lane, now, &failure.why) {
            return;
        }
        let state = &mut self.renditions[rendition];
        if state.timeline.is_some() && now - state.news < self.options.patience.silence {
            // What is in the buffer is played meanwhile.
            let wait = failure.wait(state.failures);
            state.not_before = now + wait;
            return self.events.push_back(Event::Retry { what, why: failure.why.clone(), wait });
        }
        self.end_with(super::PlayError::Playlist { playlist: what, why: failure.why.clone() });
    }

    /// Goes away from a rendition, to another place or another quality; whether there is one.
    pub(super) fn leave(&mut self, lane: LaneId, rendition: RenditionId, now: Ms, why: &str) -> bool {
        self.renditions[rendition].avoid = now + self.options.patience.avoid;
        self.forced = None;
        // It was only looked at whether to go there.
        if self.lane(lane).is_some_and(|lane| lane.rendition != rendition) {
            return true;
        }
        if let Some(lane) = self.lane_mut(lane)
            && !lane.tried.contains(&rendition)
        {
            lane.tried.push(rendition);
        }
        self.elsewhere(lane, rendition, now, why)
    }

    /// Looks for a rendition in place of one that fails; whether there is one.
    fn elsewhere(&mut self, lane: LaneId, failed: RenditionId, now: Ms, why: &str) -> bool {
        let what = self.called(failed);
        let to = match lane {
            LaneId::Main => self.other_main(now),
            LaneId::Audio => self.other_audio(),
        };
        let Some((quality, at, rendition)) = to else { return false };
        self.paths[quality] = at;
        let to = self.called(rendition);
        self.events.push_back(Event::Elsewhere { what, why: why.to_owned(), to });
        if lane == LaneId::Main {
            self.switch(rendition, quality);
            self.forced = Some(quality);
        } else if let Some(audio) = &mut self.audio {
            audio.rendition = rendition;
            self.drop_listing(lane);
        }
        if let Some(lane) = self.lane_mut(lane) {
            lane.attempts = 0;
        }
        true
    }

    /// Goes back to a rendition that lacks nothing but what comes next, and leaves that out; whether there is one.
    fn stays_with_a_gap(&mut self, id: LaneId, now: Ms, why: &str) -> bool {
        if id != LaneId::Main {
            return false;
        }
        let places = self.program.levels.iter().enumerate().flat_map(|(quality, level)| {
            level.paths.iter().enumerate().map(move |(at, path)| (quality, at, path.main))
        });
        let is_good = |rendition: RenditionId| {
            let state = &self.renditions[rendition];
            state.timeline.is_some() && state.failures == 0 && state.not_before <= now
        };
        let found =
            places.filter(|(.., rendition)| is_good(*rendition)).find_map(|(quality, at, rendition)| {
                match self.next(id, rendition)? {
                    Found::Piece(piece) => Some((quality, at, rendition, piece)),
                    _ => None,
                }
            });
        let Some((quality, at, rendition, piece)) = found else { return false };
        self.paths[quality] = at;
        self.switch(rendition, quality);
        self.leave_out(id, rendition, &piece, why, false);
        true
    }

    /// Another place of the same quality; or the next lower quality; or a higher one. Those that were not tried for this piece.
    fn other_main(&self, now: Ms) -> Option<(Quality, usize, RenditionId)> {
        let levels = self.program.levels.len();
        let lower = (0..self.quality).rev();
        let higher = self.quality + 1..levels;
        let all = std::iter::once(self.quality).chain(lower).chain(higher);
        let places = all.flat_map(|quality| {
            let paths = self.program.levels[quality].paths.iter().enumerate();
            paths.map(move |(at, path)| (quality, at, path.main))
        });
        let mut open = places.filter(|(.., rendition)| !self.main.tried.contains(rendition));
        let fresh = open.clone().find(|(.., rendition)| self.renditions[*rendition].avoid <= now);
        fresh.or_else(|| open.next())
    }

    /// Sound of another place.
    fn other_audio(&self) -> Option<(Quality, usize, RenditionId)> {
        let audio = self.audio.as_ref()?;
        let paths = self.program.levels[self.quality].paths.iter().enumerate();
        let mut places = paths.filter_map(|(at, path)| Some((self.quality, at, path.audio?)));
        places.find(|(.., rendition)| !audio.tried.contains(rendition))
    }

    /// A segment or a part did not come.
    fn piece_failed(
        &mut self,
        id: LaneId,
        rendition: RenditionId,
        piece: &Piece,
        now: Ms,
        failure: &Failure,
    ) {
        let live = self.live.is_some();
        let attempts = match failure.kind {
            Kind::Passing => self.options.patience.attempts,
            // A cache may have the playlist before the segment.
            Kind::Missing if live => 2,
            Kind::Missing | Kind::Lasting => 1,
        };
        let Some(lane) = self.lane_mut(id) else { return };
        lane.attempts += 1;
        if lane.attempts < attempts {
            let wait = failure.wait(lane.attempts);
            lane.not_before = now + wait;
            let quality = self.quality;
            self.forced = (id == LaneId::Main).then_some(quality).or(self.forced);
            let what = piece.uri.clone();
            self.events.push_back(Event::Retry { what, why: failure.why.clone(), wait });
            return;
        }
        if self.goes_elsewhere(id, rendition, now, &failure.why) {
            return;
        }
        if failure.kind == Kind::Passing && self.waits_for(id, piece, now) {
            let Some(lane) = self.lane_mut(id) else { return };
            let wait = failure.wait(lane.attempts);
            lane.not_before = now + wait;
            lane.tried.clear();
            self.events.push_back(Event::Retry { what: piece.uri.clone(), why: failure.why.clone(), wait });
            return;
        }
        self.leave_out(id, rendition, piece, &failure.why, false);
    }

    /// Whether a piece that nobody has is still waited for: as long as there is something to play, and for some time beyond that.
    fn waits_for(&mut self, id: LaneId, piece: &Piece, now: Ms) -> bool {
        let plays = self.options.paced && self.playback.level(self.end()) > piece.duration;
        let outage = self.options.patience.outage;
        let Some(lane) = self.lane_mut(id) else { return false };
        if plays {
            lane.failing = None;
            return true;
        }
        now - *lane.failing.get_or_insert(now) < outage
    }

    /// A playlist says that a piece is not there.
    pub(super) fn absent(&mut self, id: LaneId, rendition: RenditionId, piece: &Piece, now: Ms) {
        let why = "the playlist says that it is not there";
        if !self.goes_elsewhere(id, rendition, now, why) {
            self.leave_out(id, rendition, piece, why, true);
        }
    }

    /// Looks for a piece elsewhere; whether there is one.
    fn goes_elsewhere(&mut self, id: LaneId, rendition: RenditionId, now: Ms, why: &str) -> bool {
        self.program.renditions.len() > 1 && self.leave(id, rendition, now, why)
    }

    /// Leaves out what nobody has; it is no fault of anybody if that was `told`.
    fn leave_out(&mut self, id: LaneId, rendition: RenditionId, piece: &Piece, why: &str, told: bool) {
        self.traffic.gaps += 1;
        let span = self.next_id();
        let Some(lane) = self.lane_mut(id) else { return };
        // Parts of one segment count once.
        let is_another = lane.last.is_none_or(|last| last.place.msn != piece.place.msn);
        lane.gaps += u32::from(!told && (is_another || lane.gaps == 0));
        let gaps = lane.gaps;
        let (start, end) = (lane.end, piece.end().max(lane.end));
        lane.end = end;
        (lane.attempts, lane.failing) = (0, None);
        lane.tried.clear();
        lane.hole = true;
        why.clone_into(&mut lane.why);
        lane.last = Some(Last { rendition, place: piece.place });
        if id == LaneId::Main {
            self.playback.push(Span { id: span, quality: None, start, end });
        }
        let duration = end - start;
        self.events.push_back(Event::Gap { lane: id, start, duration, why: why.to_owned() });
        if gaps > self.options.patience.gaps {
            self.end_with(PlayError::Gaps { gaps, why: why.to_owned() });
        }
    }

    /// The quality, or the nearest one that is not avoided: a lower one rather than a higher.
    pub(super) fn allowed(&self, quality: Quality, now: Ms) -> Quality {
        let is_open = |quality: &Quality| self.renditions[self.path(*quality).main].avoid <= now;
        let tried = self.main.tried.contains(&self.path(quality).main);
        if is_open(&quality) && !tried {
            return quality;
        }
        let lower = (0..quality).rev().find(is_open);
        lower.or_else(|| (quality + 1..self.program.levels.len()).find(is_open)).unwrap_or(quality)
    }
}
