//! A request's head that is written here rather than on the other end, and parsed as any other: whoever holds it may rely on what the parser checks.

use bytes::BytesMut;

use super::head::Head;
use super::limits::{Limits, MAX_FIELDS};
use super::parse::parse;
use super::reject::Reject;

/// A head that is being written.
#[derive(Debug)]
pub struct Draft(BytesMut);

impl Draft {
    /// One with this request line, in pieces, without its end; `room` is for how many bytes of fields.
    #[must_use]
    pub fn new(line: &[&[u8]], room: usize) -> Self {
        let length: usize = line.iter().map(|piece| piece.len()).sum();
        let mut draft = Self(BytesMut::with_capacity(length + 4 + room));
        draft.line(line);
        draft
    }

    /// One that begins as another head is, with all its fields.
    #[must_use]
    pub fn of(head: &Head) -> Self {
        let bytes = head.bytes();
        Self(BytesMut::from(bytes.strip_suffix(b"\r\n").unwrap_or(bytes)))
    }

    /// Appends a field.
    pub fn field(&mut self, name: &str, value: &[u8]) {
        self.line(&[name.as_bytes(), b": ", value]);
    }

    /// The head. How long it is was for others to bound: what was within the limits of a connection stays acceptable with some lines more.
    ///
    /// # Errors
    /// It is none, or has more than [`MAX_FIELDS`] fields.
    pub fn finish(mut self) -> Result<Head, Reject> {
        self.line(&[]);
        let limits = Limits {
            head: usize::MAX,
            target: usize::MAX,
            fields: MAX_FIELDS,
            body: u64::MAX,
            ..Limits::default()
        };
        parse(self.0.freeze(), &limits).map(|(head, _)| head)
    }

    fn line(&mut self, pieces: &[&[u8]]) {
        pieces.iter().for_each(|piece| self.0.extend_from_slice(piece));
        self.0.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_a_head_like_any_other() {
        let mut draft = Draft::new(&[b"GET ", b"/a?b", b" HTTP/1.1"], 64);
        draft.field("host", b"a.test");
        let head = draft.finish().unwrap();
        assert_eq!((head.path(), head.query(), head.authority()), ("/a", Some("b"), "a.test"));
        let mut more = Draft::of(&head);
        more.field("X-A", b"b");
        let more = more.finish().unwrap();
        assert_eq!(&more.bytes()[..], b"GET /a?b HTTP/1.1\r\nhost: a.test\r\nX-A: b\r\n\r\n");
        let longer = "x".repeat(Limits::default().head);
        let mut long = Draft::of(&more);
        long.field("x-b", longer.as_bytes());
        assert_eq!(long.finish().unwrap().field("x-b"), Some(longer.as_bytes()));
    }

    #[test]
    fn what_would_be_none_is_refused() {
        let written = |line: &[u8], name: &str, value: &[u8]| {
            let mut draft = Draft::new(&[line], 0);
            draft.field("host", b"a");
            draft.field(name, value);
            draft.finish()
        };
        assert!(written(b"GET / HTTP/1.1", "a", b"b").is_ok());
        for (line, name, value) in [
            (&b"GET /"[..], "a", &b"b"[..]),
            (b"GET / HTTP/1.1", "a b", b"c"),
            (b"GET / HTTP/1.1", "a", b"b\0"),
            (b"GET / HTTP/1.1", "host", b"b"),
        ] {
            assert!(written(line, name, value).is_err(), "{name}");
        }
        let mut many = Draft::new(&[b"GET / HTTP/1.1"], 0);
        (0..=MAX_FIELDS).for_each(|_| many.field("host", b"a"));
        assert!(many.finish().is_err());
    }
}
