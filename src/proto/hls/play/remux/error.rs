//! Why a segment, or a part of one, cannot be played.

use super::super::super::mp4::{Fault, Wrong};
use super::super::super::ts::mux;

/// Bytes of something unknown that are shown.
const SHOWN: usize = 24;

/// Why a piece cannot be used. Nothing of it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemuxError {
    /// Nothing is in it.
    #[error("there is no byte in it")]
    Nothing,
    /// It is in no container of HLS: an error page, a playlist.
    #[error("it is neither MPEG-TS, fragmented MP4 nor packed audio: it begins with {0:?}")]
    Unknown(String),
    /// It is text that is shown.
    #[error("it is WebVTT, in which there is neither sound nor picture")]
    Text,
    /// Packed audio that is not read: MP3, or what is behind its tags is none.
    #[error("its packed audio is neither AAC, Dolby Digital nor Dolby Digital Plus")]
    Sound,
    /// Fragments without what tells of their tracks.
    #[error("it is fragments of MP4 without an initialization section")]
    NoMap,
    /// It ends too early.
    #[error("it is cut off: {0}")]
    Truncated(String),
    /// MP4 that is wrong.
    #[error("its MP4 is wrong at {0}")]
    Mp4(#[source] Fault),
    /// Neither sound nor pictures.
    #[error("there is no sample in it{0}")]
    Empty(String),
    /// The stream that is written has no place for what is in it.
    #[error("what it holds cannot be written: {0}")]
    Coding(#[from] mux::Error),
    /// More samples than anybody makes.
    #[error("there are more than {0} samples in it")]
    Samples(usize),
}

impl RemuxError {
    pub(super) fn unknown(bytes: &[u8]) -> Self {
        let shown = &bytes[..bytes.len().min(SHOWN)];
        Self::Unknown(String::from_utf8_lossy(shown).into_owned())
    }
}

impl From<Fault> for RemuxError {
    fn from(fault: Fault) -> Self {
        match fault.wrong {
            Wrong::Cut(_) => Self::Truncated(fault.to_string()),
            Wrong::Missing { name, .. } if name.0 == *b"moov" => Self::NoMap,
            _ => Self::Mp4(fault),
        }
    }
}
