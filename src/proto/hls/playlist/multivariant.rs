//! A multivariant playlist: which renditions there are, and which of them go together. Section 4.4.6.

use std::fmt;

use super::media::{Define, Key, Start};

/// A multivariant playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MultivariantPlaylist {
    /// The protocol version that it says it needs; 0 if it does not say.
    pub version: u32,
    /// Segments of all renditions can be decoded without another one.
    pub independent_segments: bool,
    /// Where to start.
    pub start: Option<Start>,
    /// Variables, for `{$name}` in it and in its media playlists.
    pub defines: Vec<Define>,
    /// Renditions that are chosen apart from the variant: audio, subtitles.
    pub media: Vec<Media>,
    /// The variants, the first one being the one to start with.
    pub variants: Vec<Variant>,
    /// I-frames alone, for fast forward.
    pub i_frames: Vec<Variant>,
    /// Facts about all of it.
    pub session_data: Vec<SessionData>,
    /// Keys that will be needed.
    pub session_keys: Vec<Key>,
    /// Where content steering is: the manifest's URI, and the pathway to start with.
    pub content_steering: Option<(String, Option<String>)>,
}

/// `EXT-X-STREAM-INF` and `EXT-X-I-FRAME-STREAM-INF`, sections 4.4.6.2 and 4.4.6.3.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// Its media playlist.
    pub uri: String,
    /// The peak, in bits/s, with all renditions that are played with it.
    pub bandwidth: u64,
    /// The average, likewise.
    pub average_bandwidth: Option<u64>,
    /// How much better it is than others, where the bandwidth does not tell.
    pub score: Option<f64>,
    /// What has to be decoded, by RFC 6381.
    pub codecs: Option<String>,
    /// What may be decoded instead.
    pub supplemental_codecs: Option<String>,
    /// The size of its pictures.
    pub resolution: Option<Resolution>,
    /// Pictures a second, at most.
    pub frame_rate: Option<f64>,
    /// What a display has to protect: `TYPE-0`, `TYPE-1` or `NONE`.
    pub hdcp_level: Option<String>,
    /// `SDR`, `HLG` or `PQ`.
    pub video_range: Option<String>,
    /// Name of the variant across pathways.
    pub stable_id: Option<String>,
    /// The pathway that it belongs to.
    pub pathway_id: Option<String>,
    /// The group of its audio renditions.
    pub audio: Option<String>,
    /// The group of its video renditions.
    pub video: Option<String>,
    /// The group of its subtitles.
    pub subtitles: Option<String>,
    /// Its captions.
    pub closed_captions: Option<ClosedCaptions>,
}

/// Captions of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClosedCaptions {
    /// There are none in any variant.
    None,
    /// Those of this group.
    Group(String),
}

/// Pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Across.
    pub width: u64,
    /// Down.
    pub height: u64,
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl Resolution {
    /// From `640x360`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (width, height) = text.split_once('x')?;
        Some(Self { width: super::attributes::integer(width)?, height: super::attributes::integer(height)? })
    }
}

/// `EXT-X-MEDIA`, section 4.4.6.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Of what.
    pub kind: MediaKind,
    /// The group that it belongs to.
    pub group: String,
    /// For people; once in a group.
    pub name: String,
    /// Its media playlist; `None` if it is in the variant itself.
    pub uri: Option<String>,
    /// BCP 47.
    pub language: Option<String>,
    /// Another language that goes with it.
    pub assoc_language: Option<String>,
    /// Name of the rendition across pathways.
    pub stable_id: Option<String>,
    /// To be played when nobody chooses.
    pub default: bool,
    /// May be chosen by the language of the system.
    pub autoselect: bool,
    /// Has to be shown: foreign dialogue.
    pub forced: bool,
    /// Where captions are within the video.
    pub instream_id: Option<String>,
    /// Uniform Type Identifiers.
    pub characteristics: Option<String>,
    /// How many channels, and how they are coded.
    pub channels: Option<String>,
}

/// Of what a rendition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Text, in a playlist of its own.
    Subtitles,
    /// Text, within the video.
    ClosedCaptions,
}

impl MediaKind {
    /// Its word in playlists.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Audio => "AUDIO",
            Self::Video => "VIDEO",
            Self::Subtitles => "SUBTITLES",
            Self::ClosedCaptions => "CLOSED-CAPTIONS",
        }
    }

    /// The kind of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        let all = [Self::Audio, Self::Video, Self::Subtitles, Self::ClosedCaptions];
        all.into_iter().find(|kind| kind.word() == word)
    }
}

/// `EXT-X-SESSION-DATA`, section 4.4.6.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionData {
    /// Its name, in reverse DNS notation.
    pub id: String,
    /// The value, or where a JSON document of it is.
    pub value: SessionValue,
    /// BCP 47.
    pub language: Option<String>,
}

/// The value of session data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionValue {
    /// Here.
    Text(String),
    /// Elsewhere.
    Uri(String),
}
