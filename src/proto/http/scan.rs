//! The end of a section of lines: the empty line after a head or a trailer section.
//!
//! The scan remembers how far it searched, so a head that arrives byte by byte costs one look at each byte. On its way
//! it refuses lines that end with LF alone (RFC 9112 section 2.2 lets a recipient accept them; two recipients who
//! disagree about that are how requests are smuggled).

use super::reject::Reject;

/// The search for an empty line, across arrivals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    /// Bytes searched.
    searched: usize,
    /// Where the current line begins.
    line: usize,
}

impl Scan {
    /// A search that has not begun.
    pub const NEW: Self = Self { searched: 0, line: 0 };

    /// The length of the section in `bytes`, its empty line included; `None` when more bytes are needed.
    ///
    /// `bytes` must begin where it began in the calls before, and only grow.
    ///
    /// # Errors
    /// [`Reject::BareLf`].
    pub fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Reject> {
        while let Some(found) = bytes.get(self.searched..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let lf = self.searched + found;
            self.searched = lf + 1;
            if lf == self.line || bytes[lf - 1] != b'\r' {
                return Err(Reject::BareLf);
            }
            let empty = lf - 1 == self.line;
            self.line = lf + 1;
            if empty {
                return Ok(Some(lf + 1));
            }
        }
        self.searched = bytes.len();
        Ok(None)
    }

    /// Whether nothing was searched yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.searched == 0
    }

    /// Whether the first line is complete.
    #[must_use]
    pub fn past_first_line(&self) -> bool {
        self.line > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_empty_line_whole_and_byte_by_byte() {
        type Case = (&'static [u8], Result<Option<usize>, Reject>);
        let cases: [Case; 8] = [
            (b"GET / HTTP/1.1\r\n\r\n", Ok(Some(18))),
            (b"GET / HTTP/1.1\r\nA: b\r\n\r\nGET", Ok(Some(24))),
            (b"\r\n", Ok(Some(2))),
            (b"GET / HTTP/1.1\r\nA: b\r\n", Ok(None)),
            (b"GET / HTTP/1.1\r\nA: b\r\n\r", Ok(None)),
            (b"GET / HTTP/1.1\nA: b\r\n\r\n", Err(Reject::BareLf)),
            (b"GET / HTTP/1.1\r\nA: b\n\r\n", Err(Reject::BareLf)),
            (b"GET / HTTP/1.1\r\n\n", Err(Reject::BareLf)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Scan::default().end(bytes), expected, "{}", bytes.escape_ascii());
            let mut scan = Scan::default();
            let dripped = (1..=bytes.len()).map(|n| scan.end(&bytes[..n])).find(|result| *result != Ok(None));
            assert_eq!(dripped.unwrap_or(Ok(None)), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn each_byte_is_searched_once() {
        let head = [b"GET / HTTP/1.1\r\nA: ".as_slice(), &[b'a'; 16 * 1024]].concat();
        let mut scan = Scan::default();
        let mut looked_at = 0;
        for n in 1..=head.len() {
            let before = scan.searched;
            assert_eq!(scan.end(&head[..n]), Ok(None));
            looked_at += n - before;
        }
        assert_eq!(looked_at, head.len());
    }
}
