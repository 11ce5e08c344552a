//! The four bytes that name a box, a brand, a handler or a coding (ISO/IEC 14496-12 section 4.2).

use std::fmt;

/// Four bytes, mostly letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    /// The letters, with the escapes of Rust for what is none: hostile names show as what they are, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{self}'")
    }
}

impl From<&[u8; 4]> for FourCc {
    fn from(name: &[u8; 4]) -> Self {
        Self(*name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_on_one_line() {
        let table: [(&[u8; 4], &str); 5] = [
            (b"moov", "moov"),
            (b"ac-3", "ac-3"),
            (b"\xa9nam", "\\xa9nam"),
            (b"a\n\0\x1b", "a\\n\\x00\\x1b"),
            (b"url ", "url "),
        ];
        for (name, shown) in table {
            assert_eq!(FourCc::from(name).to_string(), shown);
            assert_eq!(format!("{:?}", FourCc(*name)), format!("'{shown}'"));
        }
    }
}
