//! Reads playlists: by `m3u8-rs` what it can carry, and here what it cannot.
//!
//! `m3u8-rs` reads the variants of multivariant playlists and the head of media playlists. Segments come out of it altered (durations as `f32`, a `METHOD=NONE` refused, byte
//! ranges and keys without what holds from before), what follows the last URI is forgotten, and of Low-Latency HLS it knows nothing: those lines are
//! read here. Whatever it would pass over in silence is checked before, so that an error names its line.

mod media;
mod multivariant;
mod segments;
mod tags;

use super::MAX_PLAYLIST;
use super::attributes::AttributeError;
use super::lines::{self, Kind, Line, NotLines};
use super::media::{MAX_KEYS, MediaPlaylist, Segment};
use super::multivariant::MultivariantPlaylist;
use super::variables::{Unfilled, VariableError, Variables};
use segments::Segments;

/// A playlist of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Playlist {
    /// A list of renditions.
    Multivariant(MultivariantPlaylist),
    /// A list of segments.
    Media(MediaPlaylist),
}

/// Why a playlist cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not even lines.
    #[error(transparent)]
    Lines(#[from] NotLines),
    /// A line makes no sense.
    #[error("line {line}: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: Why,
    },
    /// Something is missing.
    #[error("there is no {0}")]
    Missing(&'static str),
}

impl From<Unfilled> for Why {
    fn from(why: Unfilled) -> Self {
        match why {
            Unfilled::Attribute(why) => Self::Attribute(why),
            Unfilled::Variable(why) => Self::Variable(why),
        }
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// The value of a tag has another form.
    #[error("{0} has a value that it cannot have")]
    Value(String),
    /// An attribute list is wrong.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// A variable has no value.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// A tag that may occur once occurs a second time.
    #[error("{0} occurs twice")]
    Twice(String),
    /// A tag of a media playlist in a multivariant one, or the other way round.
    #[error("{0} belongs to another kind of playlist")]
    Kind(String),
    /// A segment has no duration.
    #[error("there is no EXTINF before it")]
    NoDuration,
    /// A byte range without an offset that follows no other one of the same resource.
    #[error("the byte range has no offset, and follows none")]
    NoOffset,
    /// Keys of more formats hold for a segment than anybody writes.
    #[error("a segment has keys of more than {MAX_KEYS} formats")]
    TooManyKeys,
    /// A tag says something of a URI that does not follow.
    #[error("no URI follows {0}")]
    NoUri(String),
}

impl Playlist {
    /// Reads a playlist, with variables that it may import.
    ///
    /// # Errors
    /// It is none, larger than [`MAX_PLAYLIST`], or says something that makes no sense. Tags and attributes that nobody knows are no error (section 6.3.1).
    pub fn read(bytes: &[u8], variables: Variables) -> Result<Self, ReadError> {
        let lines = lines::lines(bytes, MAX_PLAYLIST)?;
        let multivariant = lines.iter().find_map(|line| kind_of(*line));
        match multivariant {
            Some(true) => multivariant::read(&lines, variables).map(Self::Multivariant),
            Some(false) | None => read_media(&lines, variables, None).map(Self::Media),
        }
    }
}

/// Reads a media playlist, in which what held for the segment `before` holds on.
pub(super) fn read_media(
    lines: &[Line<'_>],
    variables: Variables,
    before: Option<&Segment>,
) -> Result<MediaPlaylist, ReadError> {
    media::read(lines, variables, Segments::behind(before))
}

/// Tags that are only in multivariant playlists.
const MULTIVARIANT: [&str; 6] = [
    "#EXT-X-STREAM-INF",
    "#EXT-X-I-FRAME-STREAM-INF",
    "#EXT-X-MEDIA",
    "#EXT-X-SESSION-DATA",
    "#EXT-X-SESSION-KEY",
    "#EXT-X-CONTENT-STEERING",
];

/// Tags that are only in media playlists.
const MEDIA: [&str; 23] = [
    "#EXTINF",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-DISCONTINUITY-SEQUENCE",
    "#EXT-X-ENDLIST",
    "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-I-FRAMES-ONLY",
    "#EXT-X-PART-INF",
    "#EXT-X-SERVER-CONTROL",
    "#EXT-X-BYTERANGE",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-KEY",
    "#EXT-X-MAP",
    "#EXT-X-PROGRAM-DATE-TIME",
    "#EXT-X-GAP",
    "#EXT-X-BITRATE",
    "#EXT-X-PART",
    "#EXT-X-DATERANGE",
    "#EXT-X-SKIP",
    "#EXT-X-PRELOAD-HINT",
    "#EXT-X-RENDITION-REPORT",
    "#EXT-X-CUE-OUT",
    "#EXT-X-CUE-IN",
];

/// Whether a line shows that a playlist is a multivariant one.
fn kind_of(line: Line<'_>) -> Option<bool> {
    let Kind::Tag { name, .. } = line.kind else { return None };
    match () {
        () if MULTIVARIANT.contains(&name) => Some(true),
        () if MEDIA.contains(&name) => Some(false),
        () => None,
    }
}

/// A line that cannot be read.
fn at(line: usize) -> impl Fn(Why) -> ReadError {
    move |why| ReadError::Line { line, why }
}

/// The lines that `m3u8-rs` reads.
#[derive(Debug)]
struct Rest(String);

impl Rest {
    fn new() -> Self {
        Self("#EXTM3U\n".to_owned())
    }

    fn tag(&mut self, name: &str, value: &str) {
        self.0.push_str(name);
        if !value.is_empty() {
            self.0.push(':');
            self.0.push_str(value);
        }
        self.0.push('\n');
    }

    fn uri(&mut self, uri: &str) {
        self.0.push_str(uri);
        self.0.push('\n');
    }
}
