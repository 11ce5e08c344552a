//! What is known of a file that is kept: a few words of JSON beside its bytes.
//!
//! It is written last and removed first: a file without it is not there.

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::sniff::{Kind, UNKNOWN};
use crate::proto::chat::event;

/// Bytes of a record at most; ours have about 150.
pub(super) const MAX_RECORD: u64 = 4096;

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Media type, as sniffed.
    pub(super) kind: String,
    /// Bytes.
    pub(super) size: u64,
    /// What there is if it is a picture that was decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) picture: Option<PictureRecord>,
}

/// What is known of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PictureRecord {
    /// Pixels.
    pub(super) width: u32,
    /// Pixels.
    pub(super) height: u32,
    /// Media type of the thumbnail.
    pub(super) thumbnail_kind: String,
    /// Bytes of the thumbnail.
    pub(super) thumbnail_size: u64,
}

impl Record {
    /// The kind of the file. A version that knows more kinds may have written it: then it is none that is shown.
    pub(super) fn kind(&self) -> Kind {
        Kind::of(&self.kind).unwrap_or(UNKNOWN)
    }

    /// The file, as messages name it, under this name.
    pub(super) fn media(&self, digest: &Digest, name: String) -> event::Media {
        event::Media {
            digest: digest.to_string(),
            name,
            kind: self.kind.clone(),
            size: self.size,
            dimensions: self.picture.as_ref().map(|picture| (picture.width, picture.height)),
        }
    }
}
