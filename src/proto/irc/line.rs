//! Lines: what the bytes of a connection are cut into.
//!
//! A line ends with CR LF, or with CR or LF alone (Modern IRC, "Message Format"; RFC 1459, section 8). Empty lines are skipped. A line
//! holds at most 512 bytes with its end, and before that 4094 bytes of tags between `@` and a space (IRCv3 message-tags, "Size limit").
//! A line that is too long, is not UTF-8 (IRCv3 UTF8ONLY) or holds a NUL is an item of its own: the client is told, and stays. One that
//! does not end at all is a flood.

use std::convert::Infallible;

use bytes::{Buf, Bytes, BytesMut};

use crate::codec::{Codec, Outbox};

/// Bytes of a line at most, with CR LF and without tags (RFC 1459, section 2.3).
pub const MAX_BODY: usize = 512;

/// Bytes of the tags that a client may send, without the `@` and the space.
pub const MAX_CLIENT_TAGS: usize = 4094;

/// Bytes of tags at most, with the `@` and the space: those of a client, and as many of the server.
pub const MAX_TAGS: usize = 8191;

/// Bytes of a line that a client may send, without its end.
const MAX_LINE: usize = 1 + MAX_CLIENT_TAGS + 1 + MAX_BODY - 2;

/// Bytes of a line that are thrown away before the connection ends. Ergo 16 KiB.
const MAX_FLOOD: usize = 16 * 1024;

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line, without its end.
    Line(Text),
    /// A line that is longer than [`MAX_BODY`], or whose tags are longer than [`MAX_CLIENT_TAGS`].
    TooLong,
    /// The rest of such a line, which is longer than any client sends.
    Flood,
    /// A line that is not UTF-8, with U+FFFD for what is none.
    NotUtf8(Text),
    /// A line with a NUL in it.
    Nul,
}

/// The UTF-8 text of a line, in the buffer that it arrived in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Bytes);

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // It was checked when it was made; checking again costs less than a copy.
        simdutf8::basic::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Heard {
    /// The line in a WebSocket message, which has no line end ("IRC over WebSocket"). One at its end is forgiven. `None` if the line is empty.
    #[must_use]
    pub fn of_frame(mut frame: Bytes) -> Option<Self> {
        while matches!(frame.last(), Some(b'\r' | b'\n')) {
            frame.truncate(frame.len() - 1);
        }
        if frame.is_empty() {
            return None;
        }
        if memchr::memchr2(b'\r', b'\n', &frame).is_some() {
            return Some(Self::Nul);
        }
        Some(Self::of(frame))
    }

    fn of(line: Bytes) -> Self {
        let tags = if line[0] == b'@' { memchr::memchr(b' ', &line).unwrap_or(line.len()) } else { 0 };
        if tags > 1 + MAX_CLIENT_TAGS || line.len() - tags > MAX_BODY - 2 + usize::from(tags > 0) {
            Self::TooLong
        } else if memchr::memchr(0, &line).is_some() {
            Self::Nul
        } else if simdutf8::basic::from_utf8(&line).is_err() {
            Self::NotUtf8(Text(String::from_utf8_lossy(&line).into_owned().into()))
        } else {
            Self::Line(Text(line))
        }
    }
}

/// The codec of a server's side: lines in, bytes of whole lines out.
#[derive(Debug, Default)]
pub struct Lines {
    /// Bytes at the front of the input without a line end.
    searched: usize,
    /// Bytes of a line that is too long, which are thrown away as the rest of it will be.
    skipped: usize,
}

impl Lines {
    /// At the beginning of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts what is thrown away of a line. Says whether that is too much from now on.
    fn skip(&mut self, bytes: usize) -> bool {
        let before = self.skipped;
        self.skipped = before.saturating_add(bytes);
        before <= MAX_FLOOD && self.skipped > MAX_FLOOD
    }

    /// Throws away what is longer than a line can be; the rest of it goes the same way.
    fn cut(&mut self, src: &mut BytesMut) -> Heard {
        src.advance(MAX_LINE + 1);
        (self.searched, self.skipped) = (0, MAX_LINE + 1);
        Heard::TooLong
    }
}

impl Codec for Lines {
    type In = Heard;
    type Out = Bytes;
    type Error = Infallible;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Heard>, Infallible> {
        loop {
            let Some(found) = memchr::memchr2(b'\r', b'\n', &src[self.searched..]) else {
                if self.skipped > 0 {
                    let flood = self.skip(src.len());
                    src.clear();
                    self.searched = 0;
                    return Ok(flood.then_some(Heard::Flood));
                }
                if src.len() > MAX_LINE {
                    return Ok(Some(self.cut(src)));
                }
                self.searched = src.len();
                return Ok(None);
            };
            let end = self.searched + found;
            self.searched = 0;
            if self.skipped > 0 {
                let flood = self.skip(end);
                self.skipped = 0;
                src.advance(end + 1);
                if flood {
                    return Ok(Some(Heard::Flood));
                }
                continue;
            }
            if end == 0 {
                src.advance(1);
                continue;
            }
            if end > MAX_LINE {
                return Ok(Some(self.cut(src)));
            }
            let line = src.split_to(end).freeze();
            src.advance(1);
            return Ok(Some(Heard::of(line)));
        }
    }

    fn encode(&mut self, item: Bytes, dst: &mut Outbox) -> Result<(), Infallible> {
        dst.push(item);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_utf8(text: &str) -> Heard {
        Heard::NotUtf8(Text(Bytes::copy_from_slice(text.as_bytes())))
    }

    fn line(text: &str) -> Heard {
        Heard::Line(Text(Bytes::copy_from_slice(text.as_bytes())))
    }

    /// What is heard when the wire arrives in pieces of `step` bytes, and what is left of it.
    fn hear(wire: &[u8], step: usize) -> (Vec<Heard>, usize) {
        let (mut codec, mut src, mut heard) = (Lines::new(), BytesMut::new(), Vec::new());
        for piece in wire.chunks(step) {
            src.extend_from_slice(piece);
            while let Ok(Some(item)) = codec.decode(&mut src) {
                heard.push(item);
            }
        }
        (heard, src.len())
    }

    #[test]
    fn lines_end_with_cr_lf_or_one_of_them() {
        let wire = b"NICK a\r\nUSER b\nPING :c d\rQUIT\r\n\r\n\n\n\rLAST\r\n";
        let expected: Vec<_> = ["NICK a", "USER b", "PING :c d", "QUIT", "LAST"].map(line).into();
        for step in 1..=wire.len() {
            assert_eq!(hear(wire, step), (expected.clone(), 0), "step {step}");
        }
    }

    #[test]
    fn a_line_without_an_end_waits() {
        assert_eq!(hear(b"NICK a\r\nUSER", 3), (vec![line("NICK a")], 4));
    }

    #[test]
    fn long_lines_are_answered_and_skipped() {
        let body = |n: usize| "x".repeat(n);
        let rows: [(String, bool); 8] = [
            (body(510), true),
            (body(511), false),
            (format!("@{} {}", body(4094), body(510)), true),
            (format!("@{} {}", body(4094), body(511)), false),
            (format!("@{} {}", body(4095), body(10)), false),
            (format!("@{}", body(4095)), false),
            (body(MAX_FLOOD), false),
            (format!("@a {}", body(511)), false),
        ];
        for (text, fits) in rows {
            let wire = format!("{text}\r\nPING a\r\n");
            let first = if fits { line(&text) } else { Heard::TooLong };
            for step in [1, 7, 512, 4096, wire.len()] {
                let (heard, left) = hear(wire.as_bytes(), step);
                assert_eq!((heard, left), (vec![first.clone(), line("PING a")], 0), "{} {step}", text.len());
            }
        }
    }

    #[test]
    fn what_is_longer_than_any_line_is_a_flood() {
        for length in [MAX_FLOOD + 1, 100_000] {
            let wire = format!("{}\r\nPING a\r\n", "x".repeat(length));
            for step in [1, 7, 512, 4096, MAX_FLOOD, length, wire.len()] {
                let expected = vec![Heard::TooLong, Heard::Flood, line("PING a")];
                assert_eq!(hear(wire.as_bytes(), step), (expected, 0), "{length} {step}");
            }
        }
    }

    #[test]
    fn a_peer_cannot_make_the_buffer_grow() {
        let (mut codec, mut src, mut told) = (Lines::new(), BytesMut::new(), Vec::new());
        for _ in 0..1000 {
            src.extend_from_slice(&[b'x'; 1000]);
            told.extend(codec.decode(&mut src).unwrap());
            assert!(src.len() <= MAX_LINE);
        }
        assert_eq!(told, [Heard::TooLong, Heard::Flood], "a line without an end is answered once");
    }

    #[test]
    fn what_is_no_text_is_an_item() {
        let wire = b"PRIVMSG a :\xff\r\nPRIVMSG a :b\0c\r\nPING a\r\n";
        for step in 1..=wire.len() {
            assert_eq!(hear(wire, step).0, [not_utf8("PRIVMSG a :\u{fffd}"), Heard::Nul, line("PING a")]);
        }
    }

    #[test]
    fn a_websocket_message_is_a_line() {
        let rows = [
            ("PING a", Some(line("PING a"))),
            ("PING a\r\n", Some(line("PING a"))),
            ("", None),
            ("\r\n", None),
            ("PING a\r\nPING b", Some(Heard::Nul)),
        ];
        for (frame, expected) in rows {
            assert_eq!(Heard::of_frame(Bytes::from_static(frame.as_bytes())), expected, "{frame:?}");
        }
        assert_eq!(Heard::of_frame(Bytes::from(vec![b'x'; 511])), Some(Heard::TooLong));
        assert_eq!(Heard::of_frame(Bytes::from_static(b"\xc3")), Some(not_utf8("\u{fffd}")));
    }

    #[test]
    fn lines_leave_as_they_are() {
        let mut outbox = Outbox::new();
        let Ok(()) = Lines::new().encode(Bytes::from_static(b"PING a\r\n"), &mut outbox);
        assert_eq!(outbox.single(), Some(&b"PING a\r\n"[..]));
    }
}
