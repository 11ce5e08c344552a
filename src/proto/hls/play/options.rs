//! How a player is set up.

use crate::proto::hls::abr::{Algorithm, Kbps, Ms, Strategy};

/// How a player is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// What chooses qualities.
    pub algorithm: Algorithm,
    /// How much media it holds at most.
    pub buffer: Ms,
    /// How far behind the end of a live stream it plays; as far as the playlist says if that is not given.
    pub latency: Option<Ms>,
    /// Where it begins, from the beginning; where the playlist says if that is not given.
    pub start: Option<Ms>,
    /// Whether it plays parts of segments where there are any (Low-Latency HLS).
    pub parts: bool,
    /// Whether downloads may be given up for a lower quality.
    pub abandon: bool,
    /// Which segments in the buffer are loaded again in a better quality.
    pub replace: Option<Strategy>,
    /// Whether media are played as time goes by. One that does not takes what it has loaded for played.
    pub paced: bool,
    /// Which renditions it may play.
    pub wanted: Wanted,
    /// What it bears.
    pub patience: Patience,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Lookahead,
            buffer: 25_000.0,
            latency: None,
            start: None,
            parts: true,
            abandon: true,
            replace: None,
            paced: true,
            wanted: Wanted::default(),
            patience: Patience::default(),
        }
    }
}

/// Which renditions may be played; all, if nothing is said.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// No slower ones, as long as there is a faster one.
    pub least: Option<Kbps>,
    /// No faster ones, as long as there is a slower one.
    pub most: Option<Kbps>,
    /// Those whose video is coded so: the first letters of its name in `CODECS`, such as `avc1`.
    pub codec: Option<String>,
    /// Sound in this language, or of this name.
    pub audio: Option<String>,
}

/// What a player bears before it goes another way.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often the same thing is asked for at one place, if there is another.
    pub attempts: u32,
    /// For how long it is asked for where there is none, while nothing is left to play.
    pub outage: Ms,
    /// How many segments in a row may be left out since nobody has them.
    pub gaps: u32,
    /// How long a live stream may bring nothing new.
    pub silence: Ms,
    /// How long a server may be silent after a request, and between two pieces of an answer.
    pub answer: Ms,
    /// For how long a rendition is avoided that did not come.
    pub avoid: Ms,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempts: 3, outage: 15_000.0, gaps: 5, silence: 60_000.0, answer: 10_000.0, avoid: 30_000.0 }
    }
}
