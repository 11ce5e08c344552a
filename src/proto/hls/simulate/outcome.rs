//! What came of a session, in figures.

use crate::proto::hls::abr::{GAMMA, Kbps, Ms};

use super::Manifest;
use super::buffer::Played;
use super::session::Step;

/// What a session was.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// From the first request to the last picture.
    pub time: Ms,
    /// From the first request to the first picture.
    pub startup: Ms,
    /// All stalls.
    pub stalled: Ms,
    /// How many there were.
    pub stalls: u32,
    /// How often the quality changed.
    pub switches: u32,
    /// The rates of all segments that were played, in sum.
    pub bitrate: Kbps,
    /// By how much the rate changed, in sum.
    pub change: Kbps,
    /// The utilities of all segments that were played, in sum.
    pub utility: f64,
    /// When a quality was first played that the network carried then.
    pub ramp_up: Ms,
    /// How long it took to follow a network that became better, in sum.
    pub reaction: Ms,
    /// How long a segment is.
    pub segment: Ms,
    /// How many there are.
    pub segments: usize,
    /// What was loaded when, if that was asked for.
    pub steps: Vec<Step>,
}

/// The weights of the linear formula of quality of experience.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// What a change by 1 Mb/s costs.
    pub change: f64,
    /// What a second of stalls costs.
    pub stall: f64,
    /// What a second of startup costs.
    pub startup: f64,
}

impl Outcome {
    pub(super) fn of(
        manifest: &Manifest,
        played: &Played,
        reaction: Ms,
        startup: Ms,
        steps: Vec<Step>,
    ) -> Self {
        let segment = manifest.ladder().segment();
        let segments = manifest.segments().len();
        Self {
            time: played.time,
            startup,
            stalled: played.stalled,
            stalls: played.stalls,
            switches: played.switches,
            bitrate: played.bitrate,
            change: played.change,
            utility: played.utility,
            ramp_up: played.ramp_up.unwrap_or(segments as f64 * segment),
            reaction,
            segment,
            segments,
            steps,
        }
    }

    /// How many segments would have been played in all that time: what averages over time are divided by.
    fn units(&self) -> f64 {
        1.0 / (self.time / self.segment)
    }

    /// The rate in the average over time.
    #[must_use]
    pub fn average_bitrate(&self) -> Kbps {
        self.bitrate * self.units()
    }

    /// The change of rate from segment to segment in the average: how much it swings.
    #[must_use]
    pub fn oscillation(&self) -> Kbps {
        self.change * self.units()
    }

    /// The share of stalls in all time.
    #[must_use]
    pub fn rebuffer_ratio(&self) -> f64 {
        self.stalled / self.time
    }

    /// The score of the BOLA papers: the utility, ln(R / R_min), of a segment in the average over time, less γp = 5 for each segment's time of stalls.
    #[must_use]
    pub fn score(&self) -> f64 {
        self.units() * (self.utility - GAMMA * self.stalled / self.segment)
    }

    /// The linear formula of Yin et al. (SIGCOMM 2015) for a segment in the average: the rate in Mb/s, less what changes, stalls and the startup cost.
    #[must_use]
    pub fn linear(&self, weights: Weights) -> f64 {
        let cost = weights.change * self.change / 1000.0
            + weights.stall * self.stalled / 1000.0
            + weights.startup * self.startup / 1000.0;
        (self.bitrate / 1000.0 - cost) / self.segments as f64
    }
}
