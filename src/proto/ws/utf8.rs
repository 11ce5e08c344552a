//! UTF-8 as it arrives (RFC 3629, RFC 6455 section 8.1): a stream is refused at its first byte that cannot be.
//!
//! A character may be cut anywhere, by a frame or by a segment. What is cut is remembered, at most three bytes, and is good
//! so far only if some character begins that way.

use simdutf8::{basic, compat};

/// Bytes that cannot be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8;

/// Whether all of `bytes` is UTF-8.
#[must_use]
pub fn is_utf8(bytes: &[u8]) -> bool {
    basic::from_utf8(bytes).is_ok()
}

/// A text so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    /// The character that the last bytes began.
    cut: [u8; 4],
    /// Bytes in `cut`, at most three.
    held: u8,
}

impl Utf8 {
    /// The next bytes of the text.
    ///
    /// # Errors
    /// They cannot follow what came before.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), NotUtf8> {
        while self.held > 0 {
            let Some((&next, rest)) = bytes.split_first() else { return Ok(()) };
            bytes = rest;
            let held = usize::from(self.held);
            self.cut[held] = next;
            match cut_of(&self.cut[..=held])? {
                [] => self.held = 0,
                _ => self.held += 1,
            }
        }
        let cut = cut_of(bytes)?;
        self.cut[..cut.len()].copy_from_slice(cut);
        self.held = cut.len() as u8;
        Ok(())
    }

    /// Whether the text may end here: not within a character.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.held == 0
    }
}

/// What is left of `bytes` behind its last whole character: the beginning of one, of up to three bytes.
fn cut_of(bytes: &[u8]) -> Result<&[u8], NotUtf8> {
    match compat::from_utf8(bytes) {
        Ok(_) => Ok(&[]),
        // No length: the text just ends too early.
        Err(error) if error.error_len().is_none() => Ok(&bytes[error.valid_up_to()..]),
        Err(_) => Err(NotUtf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_text_cut_anywhere() {
        let text = "aé€😀\u{10ffff}\u{d7ff}\u{e000}\0κόσμε".as_bytes();
        for piece in 1..=text.len() {
            let mut utf8 = Utf8::default();
            for (i, bytes) in text.chunks(piece).enumerate() {
                assert_eq!(utf8.push(bytes), Ok(()), "piece {i} of {piece} bytes");
            }
            assert!(utf8.is_complete());
        }
    }

    #[test]
    fn bad_text_fails_at_its_first_bad_byte() {
        // The bad byte is the last one of each.
        let table: &[&[u8]] = &[
            b"\x80",
            b"\xc0",
            b"\xc1",
            b"\xc3(",
            b"\xe0\x9f", // over-long
            b"\xed\xa0", // a surrogate
            b"\xe2\x82(",
            b"\xf0\x8f", // over-long
            b"\xf4\x90", // beyond U+10FFFF
            b"\xf5",
            b"\xff",
            b"\xf0\x9f\x98a",
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90",
        ];
        for bytes in table {
            for piece in 1..=bytes.len() {
                let mut utf8 = Utf8::default();
                let failed = bytes.chunks(piece).position(|bytes| utf8.push(bytes).is_err());
                assert_eq!(failed, Some((bytes.len() - 1) / piece), "{bytes:02x?} in pieces of {piece}");
            }
            let mut utf8 = Utf8::default();
            assert_eq!(utf8.push(&bytes[..bytes.len() - 1]), Ok(()), "{bytes:02x?}");
        }
    }

    #[test]
    fn a_text_does_not_end_within_a_character() {
        for bytes in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98", b"ok\xf0"] {
            let mut utf8 = Utf8::default();
            assert_eq!(utf8.push(bytes), Ok(()));
            assert!(!utf8.is_complete(), "{bytes:02x?}");
            assert!(!is_utf8(bytes));
        }
    }

    #[test]
    fn all_pairs_and_triples_of_interesting_bytes_as_the_standard_library_has_it() {
        let bytes = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef,
            0xf0, 0xf1, 0xf4, 0xf5, 0xff,
        ];
        for &a in &bytes {
            for &b in &bytes {
                for &c in &bytes {
                    for &d in &bytes {
                        let all = [a, b, c, d];
                        let mut utf8 = Utf8::default();
                        let good = all.iter().all(|&byte| utf8.push(&[byte]).is_ok()) && utf8.is_complete();
                        assert_eq!(good, std::str::from_utf8(&all).is_ok(), "{all:02x?}");
                    }
                }
            }
        }
    }
}
