//! The end of a live stream, and the distance to it. RFC 8216bis, sections 4.4.3.8 and 6.3.3.

use super::Player;
use crate::proto::hls::abr::{CatchUp, Ms, Pace};
use crate::proto::hls::play::event::Event;

/// How often the distance is looked at.
const TICK: Ms = 250.0;

/// A stream that brings nothing new is not taken to have gone on for more than this.
const MOST_AGE: Ms = 10_000.0;

/// Tellings of the end that count.
const TOLD: usize = 8;

/// What is known of the end of a live stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Live {
    /// Whether parts of segments are played.
    pub(super) parts: bool,
    /// How far behind the end to play.
    pub(super) target: Ms,
    /// The speed of playback follows the distance.
    catch_up: Option<CatchUp>,
    /// Where the end was less what time it was then, as it was told the last few times.
    offsets: [Ms; TOLD],
    /// The place of the oldest of them.
    oldest: usize,
    /// The end as it was told last.
    told: Ms,
}

impl Live {
    pub(super) fn new(target: Ms, end: Ms, now: Ms, parts: bool, paced: bool) -> Self {
        let catch_up = paced.then(|| CatchUp::new(target));
        Self { parts, target, catch_up, offsets: [end - now; TOLD], oldest: 0, told: end }
    }

    /// A playlist says that the stream ends here now.
    pub(super) fn told(&mut self, end: Ms, now: Ms) {
        self.offsets[self.oldest] = end - now;
        self.oldest = (self.oldest + 1) % TOLD;
        self.told = end;
    }

    /// The stream has begun anew, and ends here now.
    pub(super) fn anew(&mut self, end: Ms, now: Ms) {
        (self.offsets, self.told) = ([end - now; TOLD], end);
    }

    /// Where the end is.
    fn edge(&self, now: Ms) -> Ms {
        // Whatever delays an answer makes the end seem nearer than it is; a stream that has paused is behind what it was for good.
        let offset = self.offsets.iter().copied().fold(Ms::NEG_INFINITY, Ms::max);
        (offset + now).min(self.told + MOST_AGE)
    }

    /// How far behind the end a position is.
    pub(super) fn latency(&self, now: Ms, position: Ms) -> Ms {
        self.edge(now) - position
    }

    /// When to look at the distance again, if the speed follows it.
    pub(super) fn tick(&self, now: Ms) -> Option<Ms> {
        self.catch_up.map(|_| now + TICK)
    }
}

impl Player {
    /// Plays faster or slower, or jumps, so that the distance to the end is what it should be.
    pub(super) fn follow_edge(&mut self, now: Ms) {
        let Some(live) = &self.live else { return };
        let Some(catch_up) = live.catch_up else { return };
        let position = self.playback.position();
        let latency = live.latency(now, position);
        let to = live.edge(now) - live.target;
        match catch_up.pace(latency, self.playback.level(self.end()), self.playback.rate()) {
            Pace::Rate(rate) => {
                if (rate - self.playback.rate()).abs() > f64::EPSILON {
                    self.playback.pace(rate);
                    self.events.push_back(Event::Paced { rate, latency });
                }
            }
            Pace::Jump => {
                let parts = self.plays_parts();
                let timeline = self.renditions[self.main.rendition].timeline.as_ref();
                let end = timeline.map_or(position, |timeline| timeline.end(parts));
                if to.min(end) > position + 1.0 {
                    self.jump(to, "too far behind the end of the stream");
                } else if let Some(live) = &mut self.live {
                    // The end is not where it was expected.
                    live.anew(end, now);
                }
            }
        }
    }

    /// Goes on at another place of a live stream.
    pub(super) fn jump(&mut self, to: Ms, why: &str) {
        let parts = self.plays_parts();
        let Some(timeline) = &self.renditions[self.main.rendition].timeline else { return };
        let to = to.clamp(timeline.start(), timeline.end(parts));
        let start = super::open::entry(timeline, to, parts);
        let to = to.max(start);
        let by = to - self.playback.position();
        if by.abs() < 1.0 && self.main.last.is_none() {
            return;
        }
        self.drop_loading();
        self.main.jump(start);
        if let Some(audio) = &mut self.audio {
            audio.jump(start);
        }
        self.settle_all();
        self.playback.jump(to);
        if let Some(chooser) = &mut self.chooser {
            chooser.sought();
        }
        self.events.push_back(Event::Jumped { by, why: why.to_owned() });
    }

    /// How much has to be there until playback begins, or goes on.
    pub(super) fn enough(&self) -> Ms {
        match (&self.live, &self.chooser) {
            // Two parts, so that it does not stop at each.
            (Some(live), Some(chooser)) if live.parts => {
                let room = (self.options.buffer - chooser.ladder().segment()).max(0.0);
                (2.0 * chooser.ladder().segment()).min(live.target / 2.0).min(room)
            }
            _ => 0.0,
        }
    }
}
