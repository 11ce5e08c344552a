//! The clock of playback, and what is in the buffer for it.
//!
//! Positions are on the timeline of the presentation. Time goes by in [`Playback::advance`]: what was played, for how long nothing could be, and how often the quality changed is counted
//! here, to the millisecond at which it happened, however seldom anybody looks.

use std::collections::VecDeque;

use crate::proto::hls::abr::{Ms, Quality};

/// Spans are not kept beyond this: a buffer of an hour in segments of a second.
const MOST_SPANS: usize = 4096;

/// A stretch of media.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Which one.
    pub id: u64,
    /// Its quality; none where media were left out.
    pub quality: Option<Quality>,
    /// Where it begins.
    pub start: Ms,
    /// Where it ends.
    pub end: Ms,
}

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was played yet.
    Starting,
    /// The position moves.
    Playing,
    /// It does not, for want of media.
    Stalled,
    /// All was played.
    Ended,
}

/// What has happened so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Until the first picture.
    pub startup: Option<Ms>,
    /// Time in which media were played.
    pub playing: Ms,
    /// Time in which they were not, after the beginning.
    pub stalled: Ms,
    /// How often that was.
    pub stalls: u32,
    /// How much media of each quality was played.
    pub played: Vec<Ms>,
    /// How often the quality changed.
    pub switches: u32,
    /// The changes of the rate in sum, in levels of the ladder.
    pub swing: usize,
    /// Media that were left out.
    pub left_out: Ms,
}

/// What time has brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Turn {
    /// Playback has begun.
    Started(Ms),
    /// Nothing is left.
    Stalled,
    /// There is something again, after this time.
    Resumed(Ms),
    /// All was played.
    Ended,
}

/// The clock of playback.
#[derive(Clone, Debug)]
pub struct Playback {
    spans: VecDeque<Span>,
    position: Ms,
    rate: f64,
    phase: Phase,
    /// When it was looked at last.
    now: Ms,
    began: Ms,
    /// When the stall began.
    stalled: Ms,
    shown: Option<Quality>,
    totals: Totals,
}

impl Playback {
    /// Nothing yet; somebody waits since `now`.
    #[must_use]
    pub fn new(now: Ms) -> Self {
        Self {
            spans: VecDeque::new(),
            position: 0.0,
            rate: 1.0,
            phase: Phase::Starting,
            now,
            began: now,
            stalled: now,
            shown: None,
            totals: Totals::default(),
        }
    }

    /// When it was looked at last.
    #[must_use]
    pub fn now(&self) -> Ms {
        self.now
    }

    /// Where playback is.
    #[must_use]
    pub fn position(&self) -> Ms {
        self.position
    }

    /// How fast it is; 1 is as fast as the media are.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Plays faster or slower from now on.
    pub fn pace(&mut self, rate: f64) {
        self.rate = rate;
    }

    /// What is going on.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What has happened so far.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The quality that is shown.
    #[must_use]
    pub fn shown(&self) -> Option<Quality> {
        self.shown
    }

    /// What is in the buffer, what is played now at its front.
    #[must_use]
    pub fn spans(&self) -> &VecDeque<Span> {
        &self.spans
    }

    /// How much there is to play before `end`.
    #[must_use]
    pub fn level(&self, end: Ms) -> Ms {
        let gaps = self.spans.iter().filter(|span| span.quality.is_none());
        let gaps: Ms = gaps.map(|span| (span.end.min(end) - span.start.max(self.position)).max(0.0)).sum();
        (end - self.position - gaps).max(0.0)
    }

    /// Whether the buffer can take another span.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.spans.len() < MOST_SPANS
    }

    /// Puts something behind what is there.
    pub fn push(&mut self, span: Span) {
        if span.quality.is_none() {
            self.totals.left_out += span.end - span.start;
        }
        self.spans.push_back(span);
    }

    /// A span is there in another quality; whether it was not played yet.
    pub fn replace(&mut self, id: u64, quality: Quality) -> bool {
        let position = self.position;
        let span = self.spans.iter_mut().find(|span| span.id == id && span.start >= position);
        span.map(|span| span.quality = Some(quality)).is_some()
    }

    /// Goes on elsewhere, with nothing in the buffer.
    pub fn jump(&mut self, to: Ms) {
        self.spans.clear();
        self.position = to;
    }

    /// When the buffer runs empty, if it is played and no more comes than what there is before `end`.
    #[must_use]
    pub fn empty_at(&self, end: Ms) -> Option<Ms> {
        (self.phase == Phase::Playing).then(|| self.now + self.level(end) / self.rate)
    }

    /// It is `now`: what there is before `end` is played, which is all that there will be if that is `last`. With `enough` there, playback begins or goes on.
    pub fn advance(&mut self, now: Ms, end: Ms, enough: Ms, last: bool) -> Option<Turn> {
        let time = (now - self.now).max(0.0);
        self.now = self.now.max(now);
        match self.phase {
            Phase::Ended => None,
            Phase::Starting | Phase::Stalled => self.begin(end, enough, last),
            Phase::Playing => {
                let left = self.play(time * self.rate, end);
                if left <= 0.0 {
                    return None;
                }
                self.totals.playing -= left / self.rate;
                if last {
                    self.phase = Phase::Ended;
                    return Some(Turn::Ended);
                }
                self.phase = Phase::Stalled;
                self.stalled = self.now - left / self.rate;
                self.totals.stalls += 1;
                Some(Turn::Stalled)
            }
        }
    }

    /// Takes all that there is for played, at once.
    pub fn skim(&mut self, now: Ms, end: Ms, last: bool) -> Option<Turn> {
        self.now = self.now.max(now);
        if self.phase == Phase::Starting && self.level(end) > 0.0 {
            self.phase = Phase::Playing;
            self.totals.startup = Some(self.now - self.began);
            return Some(Turn::Started(self.now - self.began));
        }
        self.play(Ms::INFINITY, end);
        if last && self.phase != Phase::Ended {
            self.phase = Phase::Ended;
            return Some(Turn::Ended);
        }
        None
    }

    fn begin(&mut self, end: Ms, enough: Ms, last: bool) -> Option<Turn> {
        let level = self.level(end);
        let empty = level <= 0.0;
        if empty && last {
            self.phase = Phase::Ended;
            return Some(Turn::Ended);
        }
        if empty || level < enough && !last {
            return None;
        }
        let turn = if self.phase == Phase::Starting {
            self.totals.startup = Some(self.now - self.began);
            Turn::Started(self.now - self.began)
        } else {
            let time = self.now - self.stalled;
            self.totals.stalled += time;
            Turn::Resumed(time)
        };
        self.phase = Phase::Playing;
        Some(turn)
    }

    /// Moves the position by so much media, or to `end`; what is left.
    fn play(&mut self, media: Ms, end: Ms) -> Ms {
        if media.is_finite() {
            self.totals.playing += media / self.rate;
        }
        let mut left = media;
        while let Some(&span) = self.spans.front() {
            if span.start >= end {
                break;
            }
            let Some(quality) = span.quality else {
                self.position = self.position.max(span.end);
                self.spans.pop_front();
                continue;
            };
            if left <= 0.0 {
                break;
            }
            self.show(quality);
            let until = span.end.min(end);
            let some = left.min((until - self.position).max(0.0));
            self.totals.played[quality] += some;
            self.position += some;
            left -= some;
            if self.position < span.end {
                break;
            }
            self.spans.pop_front();
        }
        left
    }

    fn show(&mut self, quality: Quality) {
        if self.totals.played.len() <= quality {
            self.totals.played.resize(quality + 1, 0.0);
        }
        if let Some(before) = self.shown.filter(|before| *before != quality) {
            self.totals.switches += 1;
            self.totals.swing += before.abs_diff(quality);
        }
        self.shown = Some(quality);
    }

    /// For how long nothing could be played, a stall that goes on included.
    #[must_use]
    pub fn stalled(&self) -> Ms {
        let now = if self.phase == Phase::Stalled { self.now - self.stalled } else { 0.0 };
        self.totals.stalled + now
    }
}
