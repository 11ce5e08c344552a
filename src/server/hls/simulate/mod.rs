//! `wireworks hls simulate`: algorithms against each other, on recorded networks and in virtual time.
//!
//! The simulation itself is [`proto::hls::simulate`](crate::proto::hls::simulate). Here are its inputs, the table, the JSON and the CSV of what came of it, and the pictures.

mod plot;
mod report;
mod video;

use serde::Serialize;

pub use self::plot::{PlotError, plot};
pub use self::report::{csv, json, table};
pub use self::video::{VideoError, load};
use crate::proto::hls::abr::Algorithm;
use crate::proto::hls::simulate::{Manifest, Outcome, Settings, Trace, Weights, run};

/// What is simulated: each algorithm on each trace.
#[derive(Debug)]
pub struct Work {
    /// The video.
    pub manifest: Manifest,
    /// Networks, each with its name.
    pub traces: Vec<(String, Trace)>,
    /// The algorithms.
    pub algorithms: Vec<Algorithm>,
    /// How the player is set up.
    pub settings: Settings,
    /// What counts for the linear formula.
    pub weights: Weights,
}

/// What came of one algorithm on one trace.
#[derive(Clone, Debug)]
pub struct Session {
    /// Which algorithm.
    pub algorithm: Algorithm,
    /// The name of the trace.
    pub trace: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// The figures of a session, or of several in the average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The average rate, in kb/s.
    pub bitrate_kbps: f64,
    /// The share of time that was spent in stalls.
    pub rebuffer_ratio: f64,
    /// Stalls.
    pub rebuffer_events: f64,
    /// Changes of quality.
    pub switches: f64,
    /// By how much the rate changes from segment to segment, in kb/s.
    pub oscillation_kbps: f64,
    /// Until the first picture, in seconds.
    pub startup_s: f64,
    /// Until a quality was played that the network carried, in seconds.
    pub rampup_s: f64,
    /// How long it took to follow a network that became better, in all, in seconds.
    pub reaction_s: f64,
    /// The linear formula of quality of experience, for a segment.
    pub qoe: f64,
    /// The score of the BOLA papers, for a segment.
    pub score: f64,
}

impl Work {
    /// Plays all sessions, in the order of the traces.
    #[must_use]
    pub fn run(&self) -> Vec<Session> {
        let one = |(name, trace): &(String, Trace)| {
            let of = |algorithm: &Algorithm| Session {
                algorithm: *algorithm,
                trace: name.clone(),
                outcome: run(&self.manifest, trace, *algorithm, self.settings),
            };
            self.algorithms.iter().map(of).collect::<Vec<_>>()
        };
        self.traces.iter().flat_map(one).collect()
    }

    /// The figures of a session.
    #[must_use]
    pub fn figures(&self, session: &Session) -> Figures {
        let Outcome { startup, stalls, switches, ramp_up, reaction, .. } = session.outcome;
        Figures {
            bitrate_kbps: session.outcome.average_bitrate(),
            rebuffer_ratio: session.outcome.rebuffer_ratio(),
            rebuffer_events: f64::from(stalls),
            switches: f64::from(switches),
            oscillation_kbps: session.outcome.oscillation(),
            startup_s: startup / 1000.0,
            rampup_s: ramp_up / 1000.0,
            reaction_s: reaction / 1000.0,
            qoe: session.outcome.linear(self.weights),
            score: session.outcome.score(),
        }
    }

    /// The mean over the traces, for each algorithm.
    #[must_use]
    pub fn means(&self, sessions: &[Session]) -> Vec<(Algorithm, Figures)> {
        let mean = |algorithm: &Algorithm| {
            let of = sessions.iter().filter(|session| session.algorithm == *algorithm);
            (*algorithm, Figures::mean(of.map(|session| self.figures(session))))
        };
        self.algorithms.iter().map(mean).collect()
    }
}

impl Figures {
    /// All of them, in the order in which they are shown.
    fn values(&self) -> [f64; 10] {
        [
            self.bitrate_kbps,
            self.rebuffer_ratio,
            self.rebuffer_events,
            self.switches,
            self.oscillation_kbps,
            self.startup_s,
            self.rampup_s,
            self.reaction_s,
            self.qoe,
            self.score,
        ]
    }

    /// The mean of several.
    fn mean(all: impl Iterator<Item = Self>) -> Self {
        let mut sums = [0.0; 10];
        let mut count = 0.0;
        for figures in all {
            count += 1.0;
            for (sum, value) in sums.iter_mut().zip(figures.values()) {
                *sum += value;
            }
        }
        let [
            bitrate_kbps,
            rebuffer_ratio,
            rebuffer_events,
            switches,
            oscillation_kbps,
            startup_s,
            rampup_s,
            reaction_s,
            qoe,
            score,
        ] = sums.map(|sum| if count > 0.0 { sum / count } else { 0.0 });
        Self {
            bitrate_kbps,
            rebuffer_ratio,
            rebuffer_events,
            switches,
            oscillation_kbps,
            startup_s,
            rampup_s,
            reaction_s,
            qoe,
            score,
        }
    }
}
