//! Writes playlists: by `m3u8-rs` the heads that it can carry, and the rest here.
//!
//! The same playlist is always the same bytes. What `m3u8-rs` cannot say is written here: segments, whose durations it rounds to an `f32`, and whose keys it
//! puts behind the initialization section that they encrypt; the tags of Low-Latency HLS, which stand in the head and behind the last segment; and attributes that it
//! would write in the order of a hash map.

mod head;
mod multivariant;
mod segments;

use super::media::MediaPlaylist;
use super::multivariant::MultivariantPlaylist;

impl MediaPlaylist {
    /// The playlist as it is served.
    #[must_use]
    pub fn write(&self) -> String {
        let mut out = text(|out| head::head(self).write_to(out));
        head::extend(self, &mut out);
        segments::segments(self, &mut out);
        segments::unfinished(self, &mut out);
        if self.ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }
}

impl MultivariantPlaylist {
    /// The playlist as it is served.
    #[must_use]
    pub fn write(&self) -> String {
        multivariant::write(self)
    }
}

/// What something writes. A `Vec` takes all that it is given, and what we give is text.
fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut bytes = Vec::new();
    let _ = write(&mut bytes);
    String::from_utf8(bytes).unwrap_or_default()
}

/// What stands on a line of its own has no end of a line in it.
fn one_line(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).collect()
}

/// What stands in quotation marks has none in it.
fn quotable(text: &str) -> String {
    text.chars().filter(|char| !char.is_control() && *char != '"').collect()
}
