//! What a player asks for: a segment, or a part of one.

use std::sync::Arc;

use http::Uri;

use crate::proto::hls::abr::Ms;
use crate::proto::hls::playlist::media::{ByteRange, Key, Map};

/// Which segment, and which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the segment in its media playlist.
    pub msn: u64,
    /// The number of the part; none for the whole segment.
    pub part: Option<u64>,
}

/// A segment, or a part of one, with all that is needed to make media of its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Which one.
    pub place: Place,
    /// Where it begins on the timeline.
    pub start: Ms,
    /// How long the playlist says that it is.
    pub duration: Ms,
    /// Where its playlist is: what references are relative to.
    pub base: Uri,
    /// Where it is, as the playlist says it.
    pub uri: String,
    /// Which bytes of the resource it is.
    pub range: Option<ByteRange>,
    /// The initialization section that holds for it.
    pub map: Option<Arc<Map>>,
    /// How it is encrypted.
    pub keys: Arc<[Arc<Key>]>,
    /// How many discontinuities are before it: timestamps go on within one such number.
    pub era: u64,
    /// Whether it can be decoded without what is before it.
    pub independent: bool,
    /// Whether the playlist says that it is not there (`EXT-X-GAP`).
    pub gap: bool,
}

impl Piece {
    /// Where it ends on the timeline.
    #[must_use]
    pub fn end(&self) -> Ms {
        self.start + self.duration
    }
}

/// What is at a place of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// This.
    Piece(Box<Piece>),
    /// A part that cannot be decoded without those before it.
    Dependent,
    /// Nothing yet.
    NotYet,
    /// It was there, and is no longer.
    Gone,
    /// The end.
    End,
}
