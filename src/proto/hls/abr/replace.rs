//! Fast switching: segments in the buffer that have not been played are loaded again when a better quality is to be had (MMSys 2018, section 5.3).

use std::collections::VecDeque;

use super::{Ms, Quality};

/// From the beginning of the buffer so much is left alone: what plays, and a half more, which may be played before the better one has come.
const SKIPPED: f64 = 1.5;

/// Which of several segments is replaced first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The one that is played first, so that the better quality is seen soon.
    First,
    /// The one that is played last, so that there is the most time.
    Last,
}

/// What chooses a segment to be replaced.
#[derive(Clone, Copy, Debug)]
pub struct Replace {
    strategy: Strategy,
}

impl Replace {
    /// By this strategy.
    #[must_use]
    pub fn new(strategy: Strategy) -> Self {
        Self { strategy }
    }

    /// The segment to be loaded again in this quality, counted from the end of the buffer (1 is the last), if one is worse and not about to be played.
    #[must_use]
    pub fn place(
        &self,
        quality: Quality,
        buffer: &VecDeque<Quality>,
        begun: Ms,
        segment: Ms,
    ) -> Option<usize> {
        let skip = (SKIPPED + begun / segment).ceil() as usize;
        let mut worse = (skip..buffer.len()).filter(|&at| buffer[at] < quality);
        let found = match self.strategy {
            Strategy::First => worse.next(),
            Strategy::Last => worse.next_back(),
        };
        found.map(|at| buffer.len() - at)
    }
}
