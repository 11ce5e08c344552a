//! A media playlist: a list of segments, and how it is served. Sections 4.4.2 to 4.4.5.
//!
//! What holds until something else is said (keys, initialization sections, byte ranges that go on where the last one ended) stands at each segment
//! here; [`write`](super::write) says it once. Durations are exact to the nanosecond when read, and
//! are written rounded to the microsecond.

use std::sync::Arc;
use std::time::Duration;

/// A date of the media, with the offset in which it was written.
pub type Date = chrono::DateTime<chrono::FixedOffset>;

/// A media playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaPlaylist {
    /// The protocol version that it says it needs; 0 if it does not say.
    pub version: u32,
    /// No segment is longer, when its duration is rounded to the next second.
    pub target_duration: u64,
    /// The number of the first segment.
    pub media_sequence: u64,
    /// How many discontinuities were before the first segment.
    pub discontinuity_sequence: u64,
    /// Whether it will change.
    pub kind: Option<PlaylistKind>,
    /// No more segments will come.
    pub ended: bool,
    /// Each segment is one I-frame.
    pub i_frames_only: bool,
    /// Each segment can be decoded without another one.
    pub independent_segments: bool,
    /// Where to start.
    pub start: Option<Start>,
    /// What the server offers.
    pub server_control: ServerControl,
    /// No part is longer; `None` if segments have no parts.
    pub part_target: Option<Duration>,
    /// In a Playlist Delta Update: what is left out.
    pub skipped: Option<Skipped>,
    /// Variables, for `{$name}` in it.
    pub defines: Vec<Define>,
    /// Complete segments, the oldest first.
    pub segments: Vec<Segment>,
    /// Parts of the segment that is not complete yet, and what is said of that segment.
    pub unfinished: Option<Box<Segment>>,
    /// What will come next.
    pub preload_hints: Vec<PreloadHint>,
    /// Where other renditions are.
    pub reports: Vec<RenditionReport>,
}

/// `EXT-X-PLAYLIST-TYPE`, section 4.4.3.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaylistKind {
    /// Segments are only appended.
    Event,
    /// It does not change.
    Vod,
}

/// `EXT-X-START`, section 4.4.2.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Start {
    /// Seconds from the beginning, or before the end if negative.
    pub offset: f64,
    /// Whether samples before it are not shown.
    pub precise: bool,
}

/// `EXT-X-SERVER-CONTROL`, section 4.4.3.8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerControl {
    /// Segments that are further than this from the end may be left out of a delta update.
    pub can_skip_until: Option<Duration>,
    /// Date ranges, too.
    pub can_skip_dateranges: bool,
    /// How far from the end to play, at least.
    pub hold_back: Option<Duration>,
    /// The same when parts are played.
    pub part_hold_back: Option<Duration>,
    /// A request may wait for a segment or a part that is not there yet.
    pub can_block_reload: bool,
}

/// `EXT-X-SKIP`, section 4.4.5.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many segments.
    pub segments: u64,
    /// The keys of the last of them, as far as they are known: what was read by itself does not tell. They hold on until the update says something else.
    pub keys: Arc<[Arc<Key>]>,
    /// Date ranges are left out, too, and these are gone of late, by their ids; `None`: all date ranges are in the update.
    pub removed_dateranges: Option<Vec<String>>,
}

/// `EXT-X-DEFINE`, section 4.4.2.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Define {
    /// A variable with its value.
    Value(String, String),
    /// One of the multivariant playlist.
    Import(String),
    /// One of the query of the playlist's own address.
    QueryParam(String),
}

/// The most keys that hold for a segment, one a key format. Nobody offers more than a handful of key systems.
pub const MAX_KEYS: usize = 16;

/// A segment, section 4.4.4.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// Where it is; empty if it is not complete.
    pub uri: String,
    /// How long.
    pub duration: Duration,
    /// For people.
    pub title: Option<String>,
    /// Which bytes of the resource it is.
    pub byte_range: Option<ByteRange>,
    /// Something changes with it: encoding, timestamps, tracks.
    pub discontinuity: bool,
    /// It is not there.
    pub gap: bool,
    /// About how many kbit/s.
    pub bitrate: Option<u64>,
    /// How it is encrypted: all keys that hold for it, at most one a key format.
    pub keys: Arc<[Arc<Key>]>,
    /// The initialization section that holds for it.
    pub map: Option<Arc<Map>>,
    /// The date of its first sample.
    pub program_date_time: Option<Date>,
    /// Date ranges that stand before it.
    pub date_ranges: Vec<DateRange>,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// Bytes of a resource, section 4.4.4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// How many.
    pub length: u64,
    /// From where.
    pub offset: u64,
}

impl ByteRange {
    /// The first byte behind it.
    #[must_use]
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// `EXT-X-KEY`, section 4.4.4.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// How.
    pub method: Method,
    /// Where the key is.
    pub uri: Option<String>,
    /// The initialization vector; `None` for the segment's number.
    pub iv: Option<[u8; 16]>,
    /// How the key is represented; `None` for `identity`.
    pub format: Option<String>,
    /// Versions of that.
    pub format_versions: Option<String>,
}

/// How segments are encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Not at all.
    None,
    /// Whole segments, AES-128 in CBC mode with PKCS7 padding.
    Aes128,
    /// Samples.
    SampleAes,
    /// Samples, as `cbcs` or `cenc` of Common Encryption.
    SampleAesCtr,
    /// Another one, which this version cannot decrypt.
    Other(String),
}

impl Method {
    /// Its word in playlists.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::None => "NONE",
            Self::Aes128 => "AES-128",
            Self::SampleAes => "SAMPLE-AES",
            Self::SampleAesCtr => "SAMPLE-AES-CTR",
            Self::Other(word) => word,
        }
    }

    /// The method of this word.
    #[must_use]
    pub fn of(word: &str) -> Self {
        let known = [Self::None, Self::Aes128, Self::SampleAes, Self::SampleAesCtr];
        known.into_iter().find(|method| method.word() == word).unwrap_or_else(|| Self::Other(word.to_owned()))
    }
}

/// `EXT-X-MAP`, section 4.4.4.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Where it is.
    pub uri: String,
    /// Which bytes of the resource.
    pub byte_range: Option<ByteRange>,
    /// The keys with which it is encrypted: those that held where it stood.
    pub keys: Arc<[Arc<Key>]>,
}

/// `EXT-X-PART`, section 4.4.4.9.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Where it is.
    pub uri: String,
    /// How long.
    pub duration: Duration,
    /// It begins with a picture that needs no other one.
    pub independent: bool,
    /// Which bytes of the resource it is.
    pub byte_range: Option<ByteRange>,
    /// It is not there.
    pub gap: bool,
}

/// `EXT-X-DATERANGE`, section 4.4.5.1: its attributes, which applications make up.
#[derive(Clone, Debug, PartialEq)]
pub struct DateRange {
    /// Its name.
    pub id: String,
    /// The kind of date range.
    pub class: Option<String>,
    /// When it begins.
    pub start: Date,
    /// When it ends.
    pub end: Option<Date>,
    /// How long it is.
    pub duration: Option<Duration>,
    /// How long it is expected to be.
    pub planned_duration: Option<Duration>,
    /// It ends where the next one of its class begins.
    pub end_on_next: bool,
    /// All others, as they were written.
    pub others: Vec<(String, super::attributes::Value)>,
}

/// `EXT-X-PRELOAD-HINT`, section 4.4.5.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreloadHint {
    /// Of what.
    pub kind: HintKind,
    /// Where it will be.
    pub uri: String,
    /// From which byte on.
    pub start: u64,
    /// How many bytes; `None` if that is not known yet.
    pub length: Option<u64>,
}

/// What a preload hint is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HintKind {
    /// A part.
    Part,
    /// An initialization section.
    Map,
}

/// `EXT-X-RENDITION-REPORT`, section 4.4.5.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenditionReport {
    /// The other media playlist.
    pub uri: String,
    /// The number of its last segment, complete or not.
    pub last_msn: u64,
    /// The number of the last part of that segment, if it has parts.
    pub last_part: Option<u64>,
}

impl MediaPlaylist {
    /// The number of the segment behind the last complete one.
    #[must_use]
    pub fn next_msn(&self) -> u64 {
        let skipped = self.skipped.as_ref().map_or(0, |skipped| skipped.segments);
        self.media_sequence.saturating_add(skipped).saturating_add(self.segments.len() as u64)
    }

    /// How much there is to play, parts of a segment that is not complete included.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let segments = self.segments.iter().map(|segment| segment.duration);
        let parts = self.unfinished.iter().flat_map(|segment| &segment.parts).map(|part| part.duration);
        segments.chain(parts).fold(Duration::ZERO, Duration::saturating_add)
    }

    /// The lowest protocol version that has what the playlist uses (section 8).
    #[must_use]
    pub fn needed_version(&self) -> u32 {
        let segments = || self.segments.iter().chain(self.unfinished.as_deref());
        let keys = || segments().flat_map(|segment| segment.keys.iter());
        let needs = [
            (
                13,
                segments().any(|segment| {
                    segment.keys.iter().any(|key| key.method == Method::Other("AES-256-GCM".into()))
                }),
            ),
            (11, self.defines.iter().any(|define| matches!(define, Define::QueryParam(_)))),
            (10, self.skipped.as_ref().is_some_and(|skipped| skipped.removed_dateranges.is_some())),
            (9, self.skipped.is_some()),
            (8, !self.defines.is_empty()),
            (6, !self.i_frames_only && segments().any(|segment| segment.map.is_some())),
            (5, segments().any(|segment| segment.map.is_some())),
            (
                5,
                keys().any(|key| {
                    key.format.is_some() || key.format_versions.is_some() || key.method == Method::SampleAes
                }),
            ),
            (4, self.i_frames_only || segments().any(|segment| segment.byte_range.is_some())),
            (3, segments().any(|segment| segment.duration.subsec_nanos() != 0)),
            (2, keys().any(|key| key.iv.is_some())),
        ];
        needs.iter().find(|(_, needed)| *needed).map_or(1, |(version, _)| *version)
    }
}
