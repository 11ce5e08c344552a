//! What comes out of a feed that is cut, and why nothing more does.

use std::time::Duration;

use bytes::Bytes;

use super::Contents;
use super::timeline::Micros;

/// How long a feed may have no key frame, in seconds.
pub const NO_KEY: i64 = 30;

/// Samples of a track that may wait: ten seconds of two thousand a second.
pub const MAX_SAMPLES: usize = 20_000;

/// Bytes of an initialization section at most: those of encoders have about one thousand.
pub const MAX_INIT: usize = 64 << 10;

/// What comes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// What this segment and those behind it need to be decoded; before its first part.
    Init {
        /// The initialization section.
        bytes: Bytes,
        /// What is in them.
        about: Contents,
    },
    /// A segment begins.
    Segment {
        /// When its first picture is shown, on the time of the stream.
        at: Micros,
        /// It does not continue what came before.
        discontinuity: bool,
    },
    /// The next part of the segment.
    Part {
        /// How long.
        duration: Duration,
        /// Decoding can begin with it.
        independent: bool,
        /// Its bytes.
        data: Bytes,
    },
    /// The segment is complete.
    End,
}

/// Why a feed cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No track is of a kind that can be served.
    #[error("there is neither video nor sound that can be served")]
    NoTracks,
    /// No picture to begin with.
    #[error("no key frame came within {0} s")]
    NoKey(i64),
    /// More is waiting than may be held.
    #[error("more than {0} bytes wait for the end of their part")]
    TooMuch(usize),
    /// More samples are waiting than an encoder makes.
    #[error("more than {0} samples wait for the end of their part")]
    TooMany(usize),
    /// What the tracks say of themselves is longer than any encoder has it.
    #[error("the initialization section is longer than {0} bytes")]
    Init(usize),
    /// Bytes of one part that MP4 cannot hold.
    #[error("a part is longer than 2 GiB")]
    TooLong,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples whose decode time had to be moved.
    pub mended: u64,
    /// Samples that were left out: before a key frame, or of no use.
    pub dropped: u64,
    /// Segments that do not begin with a key frame.
    pub split: u64,
    /// Times at which the feed began again, within itself.
    pub discontinuities: u64,
}
