//! The buffer of a simulated player, and what has been played from it.

use std::collections::VecDeque;

use crate::proto::hls::abr::{Kbps, Ladder, Ms, Quality};

use super::reaction::Reactions;

/// The segments that wait to be played.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffer {
    segments: VecDeque<Quality>,
    /// How much of the first one has been played.
    begun: Ms,
}

/// What has been played.
#[derive(Clone, Debug, Default)]
pub(super) struct Played {
    /// All time, stalls among it.
    pub(super) time: Ms,
    pub(super) stalled: Ms,
    pub(super) stalls: u32,
    /// Sums over segments.
    pub(super) utility: f64,
    pub(super) bitrate: Kbps,
    pub(super) change: Kbps,
    pub(super) switches: u32,
    /// When a quality was first played that the network carried then.
    pub(super) ramp_up: Option<Ms>,
    last: Option<Quality>,
}

/// What playing needs to know.
pub(super) struct Scene<'a> {
    pub(super) ladder: &'a Ladder,
    pub(super) utilities: &'a [f64],
    /// What the network carries.
    pub(super) carried: Quality,
}

impl Buffer {
    pub(super) fn level(&self, segment: Ms) -> Ms {
        segment * self.segments.len() as f64 - self.begun
    }

    pub(super) fn segments(&self) -> &VecDeque<Quality> {
        &self.segments
    }

    /// How much of the first one has been played.
    pub(super) fn begun(&self) -> Ms {
        self.begun
    }

    pub(super) fn push(&mut self, quality: Quality) {
        self.segments.push_back(quality);
    }

    /// Puts another quality in the place of a segment, counted from the end: 1 is the last.
    pub(super) fn replace(&mut self, from_end: usize, quality: Quality) {
        let place = self.segments.len().checked_sub(from_end);
        if let Some(segment) = place.and_then(|place| self.segments.get_mut(place)) {
            *segment = quality;
        }
    }

    /// Plays for so long, or stalls.
    pub(super) fn play(
        &mut self,
        mut time: Ms,
        scene: &Scene<'_>,
        played: &mut Played,
        reactions: &mut Reactions,
    ) {
        let segment = scene.ladder.segment();
        if self.segments.is_empty() {
            played.stalled += time;
            played.time += time;
            return;
        }
        if self.begun > 0.0 {
            if time + self.begun < segment {
                self.begun += time;
                played.time += time;
                return;
            }
            time -= segment - self.begun;
            played.time += segment - self.begun;
            self.segments.pop_front();
            self.begun = 0.0;
        }
        while time > 0.0
            && let Some(&quality) = self.segments.front()
        {
            played.begin(quality, scene);
            reactions.played(quality, played.time);
            if time >= segment {
                self.segments.pop_front();
                played.time += segment;
                time -= segment;
            } else {
                self.begun = time;
                played.time += time;
                time = 0.0;
            }
        }
        if time > 0.0 {
            played.stalled += time;
            played.time += time;
            played.stalls += 1;
        }
        reactions.settle(played.time);
    }

    /// Plays what there is.
    pub(super) fn play_out(&mut self, scene: &Scene<'_>, played: &mut Played, reactions: &mut Reactions) {
        self.play(self.level(scene.ladder.segment()), scene, played, reactions);
        // What rounding left.
        self.segments.clear();
        self.begun = 0.0;
    }
}

impl Played {
    /// A segment begins to be played.
    fn begin(&mut self, quality: Quality, scene: &Scene<'_>) {
        self.utility += scene.utilities[quality];
        self.bitrate += scene.ladder.rate(quality);
        if let Some(last) = self.last
            && last != quality
        {
            self.change += (scene.ladder.rate(quality) - scene.ladder.rate(last)).abs();
            self.switches += 1;
        }
        self.last = Some(quality);
        if quality >= scene.carried {
            self.ramp_up.get_or_insert(self.time);
        }
    }
}
