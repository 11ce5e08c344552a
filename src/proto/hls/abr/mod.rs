//! Adaptive bitrate: which quality to ask for next.
//!
//! An algorithm is a value without clock or socket. It is told how full the buffer is, what came and how long that took, and answers with a quality; whether a player over a real network or
//! [a simulator](super::simulate) asks makes no difference to it. Times are milliseconds, sizes bits, and so rates are bits a millisecond, which are kilobits a second.
//!
//! | name | algorithm | source |
//! |---|---|---|
//! | `lookahead` | [`Lookahead`]: our default; the best plan in the average over what the network may do | below |
//! | `throughput`, `harmonic` | [`Throughput`]: the highest rate below nine tenths of the estimated throughput | dash.js, `ThroughputRule` |
//! | `bba` | [`Bba`]: a map from the level of the buffer to a rate | Huang et al., "A Buffer-Based Approach to Rate Adaptation", SIGCOMM 2014 |
//! | `bola` | [`Bola`]: a Lyapunov function of the level | Spiteri et al., "BOLA: Near-Optimal Bitrate Adaptation for Online Videos", INFOCOM 2016 |
//! | `bola-e` | [`BolaE`]: BOLA with a placeholder buffer | Spiteri et al., "From Theory to Practice: Improving Bitrate Adaptation in the DASH Reference Player", MMSys 2018 |
//! | `dynamic` | [`Dynamic`]: throughput while the buffer is low, BOLA while it is not | likewise, and dash.js |
//! | `dynamic-dash` | [`DynamicDash`]: the same with BOLA-E and two thresholds | likewise |
//! | `robust-mpc` | [`RobustMpc`]: the best of all plans for the next segments | Yin et al., "A Control-Theoretic Approach for Dynamic Adaptive Video Streaming over HTTP", SIGCOMM 2015 |

mod bba;
mod bola;
mod bola_e;
mod catch_up;
mod dynamic;
mod estimate;
mod ladder;
mod lookahead;
mod mpc;
mod names;
mod replace;
mod throughput;

pub use bba::Bba;
pub use bola::{Bola, GAMMA, Swings};
pub use bola_e::BolaE;
pub use catch_up::{CatchUp, Pace};
pub use dynamic::{Dynamic, DynamicDash};
pub use estimate::{Average, Estimate, Ewma, HALF_LIVES, Window};
pub use ladder::{Ladder, LadderError};
pub use lookahead::{Lookahead, Parameters};
pub use mpc::RobustMpc;
pub use names::{Algorithm, UnknownAlgorithm};
pub use replace::{Replace, Strategy};
pub use throughput::Throughput;

/// A time in milliseconds.
pub type Ms = f64;

/// A number of bits.
pub type Bits = f64;

/// A rate in kilobits a second, which are bits a millisecond.
pub type Kbps = f64;

/// A quality: the place of a rendition in a [`Ladder`], 0 is the lowest.
pub type Quality = usize;

/// What an algorithm decides upon.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The qualities there are.
    pub ladder: &'a Ladder,
    /// How much media there is in the buffer.
    pub level: Ms,
    /// Which segment is next, counted from the first one that was asked for.
    pub index: usize,
    /// How many segments there are to come, this one among them; nothing is known of that in a live stream.
    pub left: Option<usize>,
    /// What the network is expected to do; nothing before the first download has ended.
    pub estimate: Option<Estimate>,
    /// The sizes of the next segments in each quality, this one first, as far as they are known: playlists with byte ranges tell them, and manifests of simulations.
    pub sizes: &'a [Vec<Bits>],
}

/// What is asked for next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// In which quality.
    pub quality: Quality,
    /// After which time: a buffer that is fuller than the quality needs may run down first.
    pub delay: Ms,
}

impl Choice {
    /// This quality at once.
    #[must_use]
    pub fn now(quality: Quality) -> Self {
        Self { quality, delay: 0.0 }
    }
}

/// A download that is going on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Its quality.
    pub quality: Quality,
    /// How large it is in all.
    pub size: Bits,
    /// How much of it is there.
    pub downloaded: Bits,
    /// How long ago it was asked for.
    pub time: Ms,
    /// How long it took until its first bit came.
    pub to_first_bit: Ms,
}

/// A download that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Download {
    /// What came of it.
    pub progress: Progress,
    /// Which quality seemed better before it was whole, if it was given up.
    pub abandoned_for: Option<Quality>,
    /// Whether it takes the place of a segment that was in the buffer already.
    pub replacement: bool,
}

/// An algorithm.
pub trait Abr: std::fmt::Debug + Send {
    /// The quality of the first segment, of which nothing is known yet.
    fn first(&self) -> Quality {
        0
    }

    /// The quality of the next segment.
    fn choose(&mut self, now: &Situation<'_>) -> Choice;

    /// Nothing was asked for during this time, since the buffer was full.
    fn waited(&mut self, time: Ms) {
        let _ = time;
    }

    /// A download has ended, and the level is now this.
    fn downloaded(&mut self, download: &Download, level: Ms) {
        let _ = (download, level);
    }

    /// Whether to give a download up, and for which quality. The level is what is left of it by now.
    fn abandon(&mut self, now: &Situation<'_>, progress: &Progress) -> Option<Quality> {
        let _ = (now, progress);
        None
    }

    /// Playback goes on elsewhere, with the segment of this index next.
    fn sought(&mut self, index: usize) {
        let _ = index;
    }
}
