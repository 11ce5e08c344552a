//! What a source of a live stream gives, whatever it came by: a transport stream, fragmented MP4, RTMP, a test pattern.
//!
//! Everything is in decode order. Times are those of the source: they begin anywhere, and only [`Feed::Discontinuity`] lets them jump without loss.

use bytes::Bytes;

use super::super::mp4::message::Message;
use super::super::track::{Sample, Track};

/// What a source gives, in decode order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// The tracks from here on: at the beginning, and again whenever one changes.
    Tracks(Vec<Track>),
    /// A sample, as MP4 stores it.
    Sample {
        /// [`Track::id`] of its track.
        track: u32,
        /// What it is. Its duration may be 0 where the source does not know it: then the next sample of the track tells.
        sample: Sample,
        /// Its bytes.
        data: Bytes,
    },
    /// ID3 timed metadata.
    Metadata {
        /// When it is presented, in ticks of 90 kHz.
        at: i64,
        /// The tag.
        tag: Bytes,
    },
    /// An event of fragmented MP4.
    Message {
        /// When it begins, in ticks of 90 kHz.
        at: i64,
        /// What it says.
        message: Message,
    },
    /// Times jump, or something was lost: what follows does not continue what came before.
    Discontinuity,
}
