//! Writes playlists: by `m3u8-rs` what it can carry, and around it what it cannot.
//!
//! The same playlist is always the same bytes. What `m3u8-rs` has no place for is written here: the tags of Low-Latency HLS, which stand in the head and behind the last segment; keys,
//! which have to stand before the initialization section that they encrypt, and it writes them behind; and attributes that it would write in the
//! order of a hash map.

mod head;
mod multivariant;
mod segments;

use super::media::MediaPlaylist;
use super::multivariant::MultivariantPlaylist;

impl MediaPlaylist {
    /// The playlist as it is served.
    #[must_use]
    pub fn write(&self) -> String {
        let mut playlist = head::head(self);
        let head = text(|out| playlist.write_to(out));
        playlist.segments = segments::segments(self);
        playlist.end_list = self.ended && self.unfinished.is_none();
        let all = text(|out| playlist.write_to(out));
        // Without segments the head is all that there is: what follows it in `all` are the segments.
        let (head, rest) = all.split_at(head.len());
        let mut out = String::with_capacity(all.len() + 512);
        out.push_str(head);
        head::extend(self, &mut out);
        out.push_str(rest);
        segments::unfinished(self, &mut out);
        if self.ended && self.unfinished.is_some() {
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
