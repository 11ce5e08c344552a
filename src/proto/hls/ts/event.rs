//! What a demultiplexer says.

use bytes::Bytes;

use super::super::codec::access::Entry;
use super::super::track::Track;
use super::psi::Refused;

/// Something that was found in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The tracks from here on: said before the first sample, and again when one comes, goes or needs another decoder. The identifier
    /// of a track is its PID.
    Tracks(Vec<Track>),
    /// A sample.
    Sample(Sample),
    /// An ID3 tag, timed.
    Metadata {
        /// The packet identifier of its stream.
        pid: u16,
        /// When it counts, in ticks of 90 kHz.
        pts: i64,
        /// The tag.
        data: Bytes,
    },
    /// Another timeline begins: times may go anywhere. Samples of other tracks from before may still follow.
    Discontinuity,
    /// A stream that is left alone.
    Refused {
        /// Its packet identifier.
        pid: u16,
        /// What it is.
        refused: Refused,
    },
    /// Bytes that could not be used.
    Lost(Lost),
}

/// A sample, as MP4 would store it: video with lengths of four bytes in front of its NAL units, without delimiters, filler, and those
/// parameter sets that are in the configuration; AAC without ADTS headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The identifier of its track.
    pub track: u32,
    /// When it is decoded, in ticks of its track. Times go on when those of the stream start over after 33 bits.
    pub dts: i64,
    /// When it is presented, in ticks of its track.
    pub pts: i64,
    /// Whether a decoder may begin at it.
    pub entry: Entry,
    /// Its bytes.
    pub data: Bytes,
}

/// Bytes that could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where the packet begins in the input at which it was noticed.
    pub at: u64,
    /// How many bytes are gone.
    pub bytes: u64,
    /// Of which stream, where that is known.
    pub pid: Option<u16>,
    /// Why.
    pub why: Loss,
}

/// Why bytes could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Loss {
    /// They are in no packet.
    #[error("bytes that belong to no packet")]
    Sync,
    /// The header of a packet is wrong, or says that it is damaged.
    #[error("a damaged packet")]
    Packet,
    /// The packet is scrambled.
    #[error("a scrambled packet")]
    Scrambled,
    /// A table has a wrong checksum or a wrong length.
    #[error("a damaged table")]
    Table,
    /// A packet is missing, and with it the rest of what it belongs to.
    #[error("a packet is missing")]
    Continuity,
    /// The header of a PES packet is wrong.
    #[error("a damaged PES header")]
    Pes,
    /// A PES packet is shorter than it says.
    #[error("a PES packet is cut short")]
    Short,
    /// A PES packet, or what is to be put together, is longer than its limit.
    #[error("a PES packet is too long")]
    Limit,
    /// The elementary stream cannot be understood.
    #[error("a damaged elementary stream")]
    Elementary,
    /// It comes before what is needed to decode it.
    #[error("samples before the first parameter sets")]
    Early,
    /// Nothing says when it is presented.
    #[error("samples without a time")]
    Untimed,
}
