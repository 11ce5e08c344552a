//! What can go wrong with media that are whole: each error names the input, and the place in it.

use std::io;

use crate::proto::hls::codec::webvtt;
use crate::proto::hls::cuts::CutError;
use crate::proto::hls::mp4::Fault;
use crate::proto::hls::mp4::chunk::Unwritable;
use crate::proto::hls::ts::mux;
use crate::proto::hls::vod::index::IndexError;

/// Why an input cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// It is not there, or may not be read.
    #[error("cannot open {name}")]
    Open {
        /// The input.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes of it cannot be read.
    #[error("{name}: byte {at} cannot be read")]
    Read {
        /// The input.
        name: String,
        /// From which byte on.
        at: u64,
        /// Why.
        source: io::Error,
    },
    /// It is shorter than it was.
    #[error("{name}: it ends before byte {at}, where samples should be")]
    Ended {
        /// The input.
        name: String,
        /// The byte.
        at: u64,
    },
    /// It cannot be kept in a temporary file.
    #[error("{name}: a temporary file cannot be written")]
    Spool {
        /// The input.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is a broken MP4.
    #[error("{name}: {fault}")]
    Mp4 {
        /// The input.
        name: String,
        /// What is wrong, and where.
        fault: Fault,
    },
    /// It is an MP4 without `moov`.
    #[error(
        "{name}: there is no box 'moov' up to byte {at}, where the file ends: it was cut, or its writer did not finish"
    )]
    NoMovie {
        /// The input.
        name: String,
        /// Its length.
        at: u64,
    },
    /// Samples of a track cannot be listed.
    #[error("{name}: byte {at}: track {track}: {why}")]
    Samples {
        /// The input.
        name: String,
        /// Where this was noticed.
        at: u64,
        /// The track.
        track: u32,
        /// Why.
        why: IndexError,
    },
    /// A transport stream that cannot be packaged as one.
    #[error("{name}: byte {at}: {why}")]
    Stream {
        /// The input.
        name: String,
        /// Where this was noticed.
        at: u64,
        /// Why.
        why: &'static str,
    },
    /// It is a broken WebVTT file.
    #[error("{name}: {why}")]
    Text {
        /// The input.
        name: String,
        /// Why.
        why: webvtt::Error,
    },
    /// It is something else.
    #[error("{name} is neither MP4, MPEG-TS nor WebVTT: its first bytes are {first}")]
    Unknown {
        /// The input.
        name: String,
        /// In hexadecimal.
        first: String,
    },
    /// There is nothing in it that can be played.
    #[error("{name} has no track that can be packaged{skipped}")]
    Empty {
        /// The input.
        name: String,
        /// Tracks that are left out, with their codings.
        skipped: String,
    },
}

/// Why no presentation can be made of some inputs.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// An input has samples that are not there.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// Renditions have no key frames in common.
    #[error(transparent)]
    Cut(#[from] CutError),
    /// An input was to be something that it is not.
    #[error("{name} has no {what}")]
    Role {
        /// The input.
        name: String,
        /// What it should have.
        what: &'static str,
    },
    /// Inputs break off, and not alike.
    #[error(
        "{name} breaks off or changes at {breaks} places and {other} at {others}: renditions are cut at the same places, so package them apart"
    )]
    Breaks {
        /// An input.
        name: String,
        /// How often it breaks off.
        breaks: usize,
        /// Another one.
        other: String,
        /// How often that does.
        others: usize,
    },
    /// A rendition has nothing behind a break, or something else.
    #[error(
        "{name} has other tracks in stretch {era} of the stream, which begins at a break: split the stream there"
    )]
    Differs {
        /// The rendition.
        name: String,
        /// Which stretch, counted from 1.
        era: usize,
    },
    /// There are subtitles only.
    #[error("there is nothing to see or hear: subtitles need pictures or sound")]
    NothingToPlay,
    /// A coding cannot be in such segments.
    #[error("{name}: {why}: use fMP4 segments")]
    Coding {
        /// The input.
        name: String,
        /// Which.
        why: mux::Error,
    },
    /// A fragment is too long.
    #[error("{name}: {why}")]
    Long {
        /// The input.
        name: String,
        /// Which bound.
        why: Unwritable,
    },
}

/// Why a segment cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Its samples cannot be read.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// A sample cannot be put into a transport stream.
    #[error("{name}: sample {number} at byte {at}: {why}")]
    Mux {
        /// The input.
        name: String,
        /// Which sample of its track.
        number: u32,
        /// Where it lies.
        at: u64,
        /// Why.
        why: mux::Error,
    },
    /// An ID3 tag cannot be put into a transport stream.
    #[error("{name}: the ID3 tag of tick {at} of 90 kHz: {why}")]
    Tag {
        /// The input.
        name: String,
        /// When it counts.
        at: i64,
        /// Why.
        why: mux::Error,
    },
    /// A fragment is too long.
    #[error(transparent)]
    Long(#[from] Unwritable),
    /// There is no such segment.
    #[error("there is no segment {0}")]
    None(usize),
    /// It cannot be written where it should go.
    #[error("a segment cannot be written")]
    Write(#[source] io::Error),
}
