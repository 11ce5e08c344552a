//! What happens in a player, for people and programs.

use serde::Serialize;

use crate::proto::hls::abr::{Kbps, Ms};

/// Whose media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LaneId {
    /// The chosen variant.
    Main,
    /// Sound that is apart from it.
    Audio,
}

/// Something that happened. Times and levels are milliseconds of media unless they are said to be others, rates kilobits a second.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// What is played is known.
    Opened {
        /// The levels, by name, the lowest first.
        levels: Vec<String>,
        /// Their rates; none where nobody says it.
        rates: Vec<Option<Kbps>>,
        /// Whether it is live.
        live: bool,
        /// Whether parts of segments are played.
        parts: bool,
        /// How long it is, if it is not live.
        duration: Option<Ms>,
        /// How far behind the end of a live stream it is to be played.
        latency: Option<Ms>,
    },
    /// Playback has begun.
    Started {
        /// After this time.
        after: Ms,
    },
    /// Another quality from here on.
    Switched {
        /// The old one.
        from: String,
        /// The new one.
        to: String,
        /// Its rate.
        rate: Kbps,
        /// The level at that time.
        level: Ms,
        /// What the network is expected to carry.
        throughput: Option<Kbps>,
    },
    /// A segment, or a part of one, has come.
    Loaded {
        /// Whose.
        lane: LaneId,
        /// Its quality.
        quality: String,
        /// The number of the segment.
        segment: u64,
        /// The number of the part.
        part: Option<u64>,
        /// Where it begins.
        start: Ms,
        /// How long it is.
        duration: Ms,
        /// Its bytes.
        bytes: u64,
        /// How long it took.
        time: Ms,
        /// How long it took until its first byte came.
        first_byte: Ms,
        /// At which rate it came.
        throughput: Kbps,
        /// The level now.
        level: Ms,
        /// Whether it took the place of a worse one.
        replacement: bool,
    },
    /// A download was given up for another quality.
    Abandoned {
        /// Its quality.
        quality: String,
        /// The number of the segment.
        segment: u64,
        /// What had come of it.
        bytes: u64,
        /// What is loaded in its place.
        to: String,
    },
    /// Nothing is left to play.
    Stalled,
    /// Playback goes on.
    Resumed {
        /// After this time.
        after: Ms,
    },
    /// The speed of playback has changed, to keep the distance to the end of a live stream.
    Paced {
        /// 1 is as fast as the media are.
        rate: f64,
        /// How far behind the end it is.
        latency: Ms,
    },
    /// Playback goes on elsewhere.
    Jumped {
        /// By so much, backwards if negative.
        by: Ms,
        /// Why.
        why: String,
    },
    /// Media were left out.
    Gap {
        /// Whose.
        lane: LaneId,
        /// Where.
        start: Ms,
        /// How much.
        duration: Ms,
        /// Why.
        why: String,
    },
    /// Something is asked for once more.
    Retry {
        /// What.
        what: String,
        /// Why.
        why: String,
        /// In this time.
        wait: Ms,
    },
    /// Something did not come, and is looked for elsewhere.
    Elsewhere {
        /// What did not come.
        what: String,
        /// Why.
        why: String,
        /// Where it is looked for.
        to: String,
    },
    /// The stream begins anew, and not where it was.
    Restarted {
        /// By what that is seen.
        why: String,
    },
    /// The media are not what the playlist says of them.
    Differs {
        /// The number of the segment.
        segment: u64,
        /// How long the playlist says that it is.
        said: Ms,
        /// How long it is.
        found: Ms,
    },
    /// Something in the media is left alone, or has no place in what is written.
    Ignored {
        /// What, in words.
        what: String,
    },
    /// It is over.
    Ended {
        /// Why, if it is not the end of the media.
        why: Option<String>,
    },
}
