//! What the files of HLS are, by their names, and how large they may be: one table for all that serve, upload or read them.

/// Bytes of a segment, at most: 10 s of 200 Mb/s. More are not read, and not put into a bucket.
pub const MAX_SEGMENT: u64 = 256 << 20;

/// The type of playlists (RFC 8216bis section 4).
pub(super) const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// What a file is to a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A playlist, and whether it will stay as it is, which its name does not tell.
    Playlist {
        /// So far as is known.
        complete: bool,
    },
    /// A part of a stream.
    Segment,
    /// A key that segments are encrypted by.
    Key,
    /// Something that players do not ask for.
    Other,
}

/// Endings of names, with what such files are (RFC 8216bis sections 3 and 4, RFC 8081, and the registrations of the types).
const TYPES: &[(&str, &str, Kind)] = &[
    ("m3u8", PLAYLIST, Kind::Playlist { complete: false }),
    ("ts", "video/mp2t", Kind::Segment),
    // Sound alone has this name as well, and players do not mind.
    ("m4s", "video/mp4", Kind::Segment),
    ("mp4", "video/mp4", Kind::Segment),
    ("m4v", "video/mp4", Kind::Segment),
    ("cmfv", "video/mp4", Kind::Segment),
    ("mov", "video/quicktime", Kind::Segment),
    ("m4a", "audio/mp4", Kind::Segment),
    ("cmfa", "audio/mp4", Kind::Segment),
    ("aac", "audio/aac", Kind::Segment),
    ("ac3", "audio/ac3", Kind::Segment),
    ("ec3", "audio/eac3", Kind::Segment),
    ("mp3", "audio/mpeg", Kind::Segment),
    ("vtt", "text/vtt; charset=utf-8", Kind::Segment),
    ("webvtt", "text/vtt; charset=utf-8", Kind::Segment),
    ("jpg", "image/jpeg", Kind::Segment),
    ("png", "image/png", Kind::Segment),
    ("key", "application/octet-stream", Kind::Key),
];

/// The type of a file called so, and what it is; `None` for the type of what is no file of HLS.
pub(super) fn of_name(name: &str) -> (Option<&'static str>, Kind) {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let found = TYPES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(ending));
    found.map_or((None, Kind::Other), |(_, media, kind)| (Some(media), *kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_name() {
        for (name, media, kind) in [
            ("master.m3u8", Some("application/vnd.apple.mpegurl"), Kind::Playlist { complete: false }),
            ("a/00001.M4S", Some("video/mp4"), Kind::Segment),
            ("1.ts", Some("video/mp2t"), Kind::Segment),
            ("en.vtt", Some("text/vtt; charset=utf-8"), Kind::Segment),
            ("k.key", Some("application/octet-stream"), Kind::Key),
            ("index.html", None, Kind::Other),
            ("ts", None, Kind::Other),
        ] {
            assert_eq!(of_name(name), (media, kind), "{name}");
        }
    }
}
