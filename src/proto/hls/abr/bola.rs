//! BOLA: the quality that is worth most for its bits, by how full the buffer is.
//!
//! The score of a quality is `(V (utility + γp) - level) / rate`: with an empty buffer the lowest rate wins, with a fuller one those that are worth more. `V` is chosen so that the highest quality is
//! reached when a segment still fits into the buffer (INFOCOM 2016, section IV). Of the variants that keep the quality from swinging when it is above what the network carries, BOLA-O takes what the network
//! carries, and waits; BOLA-U takes one more.

use super::{Abr, Choice, Ladder, Ms, Progress, Quality, Situation};

/// How much an empty buffer is worth to be avoided, in utilities: the default of the papers.
pub const GAMMA: f64 = 5.0;

/// The least number of segments for which the parameters are worked out.
const LEAST_SEGMENTS: f64 = 3.0;

/// How high a quality is taken that the network does not carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swings {
    /// BOLA-O: none, and the buffer runs down to what the quality needs.
    Avoided,
    /// BOLA-U: one more.
    Allowed,
}

/// The algorithm in the form for videos of finite length (BOLA-FINITE).
#[derive(Clone, Debug)]
pub struct Bola {
    utilities: Vec<f64>,
    /// The largest buffer.
    buffer: Ms,
    swings: Swings,
    /// The weight of utility against the level, in milliseconds.
    v: Ms,
    last: Quality,
    /// Where playback began.
    from: usize,
}

impl Bola {
    /// For a buffer of at most so many milliseconds.
    #[must_use]
    pub fn new(ladder: &Ladder, buffer: Ms, swings: Swings) -> Self {
        let mut bola = Self { utilities: ladder.utilities(0.0), buffer, swings, v: 0.0, last: 0, from: 0 };
        bola.fit(buffer, ladder);
        bola
    }

    /// Chooses `V` so that the highest quality is taken when a buffer of this size has room for one segment.
    fn fit(&mut self, buffer: Ms, ladder: &Ladder) {
        self.v = (buffer - ladder.segment()) / (self.utilities[ladder.top()] + GAMMA);
    }

    /// The quality of the highest score.
    fn best(&self, now: &Situation<'_>) -> Quality {
        let score = |quality: Quality| {
            (self.v * (self.utilities[quality] + GAMMA) - now.level) / now.ladder.rate(quality)
        };
        highest(now.ladder.top(), score)
    }
}

/// The quality whose score is the highest; the lowest one of several.
pub(super) fn highest(top: Quality, score: impl Fn(Quality) -> f64) -> Quality {
    let mut best = (0, score(0));
    for quality in 1..=top {
        let score = score(quality);
        if score > best.1 {
            best = (quality, score);
        }
    }
    best.0
}

impl Abr for Bola {
    fn choose(&mut self, now: &Situation<'_>) -> Choice {
        let played = now.index.saturating_sub(self.from);
        let segments = now.left.map_or(played, |left| left.min(played));
        let segments = (segments as f64 / 2.0).max(LEAST_SEGMENTS);
        self.fit(self.buffer.min(segments * now.ladder.segment()), now.ladder);

        let mut choice = Choice::now(self.best(now));
        if choice.quality > self.last
            && let Some(estimate) = now.estimate
        {
            let carried = now.ladder.sustained_by(estimate, 1.0);
            if choice.quality > carried {
                choice = self.above(carried, now);
            }
        }
        self.last = choice.quality;
        choice
    }

    fn abandon(&mut self, now: &Situation<'_>, progress: &Progress) -> Option<Quality> {
        let left = progress.size - progress.downloaded;
        if progress.downloaded <= 0.0 || left <= 0.0 {
            return None;
        }
        let worth = |quality: Quality| self.v * (GAMMA + self.utilities[quality]) - now.level;
        let mut score = worth(progress.quality) / left;
        if score < 0.0 {
            return None;
        }
        let mut better = None;
        for quality in 0..progress.quality {
            let size = progress.size * now.ladder.rate(quality) / now.ladder.rate(progress.quality);
            if size < left && worth(quality) / size > score {
                score = worth(quality) / size;
                better = Some(quality);
            }
        }
        if let Some(quality) = better {
            self.last = quality;
        }
        better
    }

    fn sought(&mut self, index: usize) {
        self.from = index;
    }
}

impl Bola {
    /// What is chosen where the buffer would allow more than the network carries.
    fn above(&self, carried: Quality, now: &Situation<'_>) -> Choice {
        if self.last > carried {
            return Choice::now(self.last);
        }
        if self.swings == Swings::Allowed {
            return Choice::now(carried + 1);
        }
        let enough = self.v * (GAMMA + self.utilities[carried]);
        Choice { quality: carried, delay: (now.level - enough).max(0.0) }
    }
}
