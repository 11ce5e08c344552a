//! What is said of a file beside its type: how long caches keep it.
//!
//! Playlists may be other ones soon, so caches keep them for a short time, and segments for longer: not as `immutable`, since a film or a package that is made anew has the names
//! of the one before. A playlist without
//! `EXT-X-ENDLIST` is asked for anew each time. Keys are nobody else's. All have validators, so that asking again costs little.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use crate::proto::http::etag::EntityTag;
use crate::proto::http::fields::Fields;
use crate::proto::http::head::Head;
use crate::server::hls::kinds::Kind;
use crate::server::http::files::{Representation, Source};
use crate::server::http::problem::Problem;
use crate::server::http::response::Response;

/// How long caches keep what is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Playlists that are complete.
    pub playlist: Duration,
    /// Segments, initialization sections, and all else that playlists name.
    pub segment: Duration,
}

impl Default for Ages {
    fn default() -> Self {
        Self { playlist: Duration::from_secs(60), segment: Duration::from_secs(24 * 3600) }
    }
}

impl Ages {
    /// `Cache-Control` of such a file.
    pub(super) fn cache_control(&self, kind: Kind) -> HeaderValue {
        let age = match kind {
            Kind::Playlist { complete: true } => self.playlist,
            Kind::Segment => self.segment,
            Kind::Key => return HeaderValue::from_static("private, no-cache"),
            Kind::Playlist { complete: false } | Kind::Other => return HeaderValue::from_static("no-cache"),
        };
        let value = match age.as_secs() {
            0 => "no-cache".to_owned(),
            seconds => format!("public, max-age={seconds}"),
        };
        HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("no-cache"))
    }
}

/// Whether nothing will be added to a playlist: it says so, or it is one of playlists.
pub(super) fn is_complete(playlist: &[u8]) -> bool {
    memchr::memmem::find(playlist, b"#EXT-X-ENDLIST").is_some()
        || memchr::memmem::find(playlist, b"#EXT-X-STREAM-INF").is_some()
}

/// Content that is in memory.
pub(super) struct Ready {
    pub(super) media: &'static str,
    pub(super) kind: Kind,
    pub(super) bytes: Bytes,
    pub(super) etag: EntityTag,
    pub(super) modified: Option<SystemTime>,
}

impl Ready {
    /// Answers GET or HEAD, with ranges and preconditions.
    pub(super) fn answer(self, head: &Head, ages: &Ages) -> Result<Response, Problem> {
        let mut fields = Fields::new();
        fields.append(CONTENT_TYPE, HeaderValue::from_static(self.media));
        fields.append(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.append(CACHE_CONTROL, ages.cache_control(self.kind));
        let (etag, last_modified) = (self.etag, self.modified);
        let length = self.bytes.len() as u64;
        Representation { fields, etag, last_modified, length, source: Source::Memory(self.bytes) }
            .answer(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_by_kind() {
        let ages = Ages::default();
        for (kind, cached) in [
            (Kind::Playlist { complete: false }, "no-cache"),
            (Kind::Playlist { complete: true }, "public, max-age=60"),
            (Kind::Segment, "public, max-age=86400"),
            (Kind::Key, "private, no-cache"),
            (Kind::Other, "no-cache"),
        ] {
            assert_eq!(ages.cache_control(kind), cached, "{kind:?}");
        }
        let complete = Kind::Playlist { complete: true };
        assert_eq!(Ages { playlist: Duration::ZERO, ..ages }.cache_control(complete), "no-cache");
    }

    #[test]
    fn playlists_that_stay() {
        for (text, complete) in [
            ("#EXTM3U\n#EXTINF:1,\na.ts\n", false),
            ("#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n", true),
            ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n", true),
        ] {
            assert_eq!(is_complete(text.as_bytes()), complete, "{text}");
        }
    }
}
