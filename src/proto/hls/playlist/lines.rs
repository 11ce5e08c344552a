//! A playlist as numbered lines: tags, URIs, and the rest. Section 4.1.
//!
//! A playlist is UTF-8 without a byte order mark and without control characters, its lines end with LF or CRLF, and the first one is `#EXTM3U`.

/// A line that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    /// What it is.
    pub kind: Kind<'a>,
}

/// What a line is. Empty lines and comments are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// `#EXT…`, with what follows its colon.
    Tag {
        /// With the `#`.
        name: &'a str,
        /// Behind the colon; empty if there is none.
        value: &'a str,
    },
    /// A URI.
    Uri(&'a str),
}

/// Why bytes are no playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLines {
    /// It is too large to be read.
    #[error("the playlist has more than {0} bytes")]
    TooLarge(usize),
    /// Not UTF-8.
    #[error("byte {0} is not UTF-8")]
    Encoding(usize),
    /// It begins with a byte order mark.
    #[error("it begins with a byte order mark")]
    ByteOrderMark,
    /// It does not begin with `#EXTM3U`.
    #[error("the first line is not #EXTM3U")]
    NoPlaylist,
    /// A control character that does not end a line.
    #[error("line {0} has a control character")]
    Control(usize),
}

/// The lines of a playlist, `#EXTM3U` left out.
///
/// # Errors
/// The bytes are no playlist, or more than `limit`.
pub fn lines(bytes: &[u8], limit: usize) -> Result<Vec<Line<'_>>, NotLines> {
    if bytes.len() > limit {
        return Err(NotLines::TooLarge(limit));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(NotLines::ByteOrderMark);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| NotLines::Encoding(error.valid_up_to()))?;
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate();
    if lines.next().is_none_or(|(_, first)| first.trim_end() != "#EXTM3U") {
        return Err(NotLines::NoPlaylist);
    }
    let mut found = Vec::new();
    for (index, line) in lines {
        let number = index + 1;
        if line.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return Err(NotLines::Control(number));
        }
        let line = line.trim_end();
        let kind = match line.strip_prefix("#EXT") {
            Some(_) => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                Kind::Tag { name, value }
            }
            None if line.is_empty() || line.starts_with('#') => continue,
            None => Kind::Uri(line),
        };
        found.push(Line { number, kind });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_tags_and_uris() {
        let text = b"#EXTM3U\r\n#EXT-X-VERSION:6\n\n# a comment\n#EXTINF:4.0,a:b\nseg.ts  \n#EXT-X-ENDLIST";
        let tag = |number, name, value| Line { number, kind: Kind::Tag { name, value } };
        let expected = [
            tag(2, "#EXT-X-VERSION", "6"),
            tag(5, "#EXTINF", "4.0,a:b"),
            Line { number: 6, kind: Kind::Uri("seg.ts") },
            tag(7, "#EXT-X-ENDLIST", ""),
        ];
        assert_eq!(lines(text, 1000).unwrap(), expected);
        assert_eq!(lines(b"#EXTM3U", 1000).unwrap(), []);
    }

    #[test]
    fn what_is_no_playlist() {
        for (bytes, expected) in [
            (&b""[..], NotLines::NoPlaylist),
            (b"#EXTM3U8\n", NotLines::NoPlaylist),
            (b"\n#EXTM3U\n", NotLines::NoPlaylist),
            (b"\xef\xbb\xbf#EXTM3U\n", NotLines::ByteOrderMark),
            (b"#EXTM3U\n\xff", NotLines::Encoding(8)),
            (b"#EXTM3U\n#a\0b\n", NotLines::Control(2)),
            (b"#EXTM3U\na\rb\n", NotLines::Control(2)),
            (b"#EXTM3U\n                        ", NotLines::TooLarge(20)),
        ] {
            assert_eq!(lines(bytes, 20), Err(expected), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
