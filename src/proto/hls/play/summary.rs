//! What a viewer has had: the figures of a session, as [simulations](crate::proto::hls::simulate) have them.

use serde::Serialize;

use super::player::{Player, Traffic};
use crate::proto::hls::abr::{Kbps, Ms};

/// What a stall costs in the score, for each segment's time of it (MMSys 2018).
const STALL: f64 = 5.0;

/// The figures of a session. Times are milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Until the first picture; nothing if there was none.
    pub startup: Option<Ms>,
    /// How much media was played.
    pub played: Ms,
    /// For how long nothing could be played.
    pub stalled: Ms,
    /// How often that was.
    pub stalls: u32,
    /// The share of time in which nothing could be played.
    pub stall_ratio: f64,
    /// The rate of what was played, in the average over its time.
    pub rate: Kbps,
    /// How often the quality changed.
    pub switches: u32,
    /// The utility of what was played, ln(rate / lowest rate), in the average over all time, less 5 for each segment's time of stalls.
    pub score: f64,
    /// Media that were left out.
    pub left_out: Ms,
    /// Playlists that came.
    pub playlists: u64,
    /// Segments and parts that came.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that were loaded in vain.
    pub wasted: u64,
    /// Downloads that were given up.
    pub abandoned: u64,
    /// Segments that were replaced by better ones.
    pub replaced: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Pieces that were left out.
    pub gaps: u64,
    /// Why it ended before the media did.
    pub error: Option<String>,
}

impl Player {
    /// The figures so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let totals = self.totals();
        let rates: Vec<Kbps> = self.levels().iter().map(|level| level.rate).collect();
        let lowest = rates.first().copied().unwrap_or(1.0);
        // A sum of nothing is -0.
        let played = totals.played.iter().fold(0.0, |sum, time| sum + time);
        let sum = |worth: &dyn Fn(Kbps) -> f64| {
            let each = totals.played.iter().zip(&rates).map(|(time, rate)| time * worth(*rate));
            if played > 0.0 { each.sum::<f64>() } else { 0.0 }
        };
        let stalled = self.stalled();
        let time = played + stalled;
        let over = |amount: f64, time: Ms| if time > 0.0 { amount / time } else { 0.0 };
        let Traffic { playlists, segments, bytes, wasted, abandoned, replaced, failures, gaps } =
            self.traffic();
        Summary {
            startup: totals.startup,
            played,
            stalled,
            stalls: totals.stalls,
            stall_ratio: over(stalled, time),
            rate: over(sum(&|rate| rate), played),
            switches: totals.switches,
            // Utilities and stalls are both in segments of the same duration, which falls out.
            score: over(sum(&|rate| (rate / lowest).ln()) - STALL * stalled, time),
            left_out: totals.left_out,
            playlists,
            segments,
            bytes,
            wasted,
            abandoned,
            replaced,
            failures,
            gaps,
            error: self.error().map(ToString::to_string),
        }
    }
}
