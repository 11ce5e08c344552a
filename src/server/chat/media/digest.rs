//! The name of a file: what its bytes come to.
//!
//! SHA-256 as 64 lower-case hexadecimal digits, and nothing else: a [`Digest`] can stand in a path, in a URL or in a header as it is.

use std::fmt;
use std::str::FromStr;

use crate::server::hex;

/// SHA-256 of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// It is not the 64 digits of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not the name of a file: 64 digits, each of 0-9 and a-f")]
pub struct NotADigest;

impl Digest {
    /// From the hash itself.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Which of 256 folders it belongs to.
    #[must_use]
    pub fn shard(&self) -> u8 {
        self.0[0]
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        hex::decode(text).map(Self).ok_or(NotADigest)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_is_read_is_written_again() {
        let digest: Digest = EMPTY.parse().unwrap();
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(digest.shard(), 0xe3);
        assert_eq!(Digest::new(*digest.as_bytes()), digest);
    }

    #[test]
    fn nothing_else_is_a_name() {
        let upper = EMPTY.to_uppercase();
        let long = format!("{EMPTY}0");
        let dots = format!("../{}", &EMPTY[3..]);
        let wide = format!("\u{e9}{}", &EMPTY[2..]);
        for bad in [
            "",
            "e3",
            &EMPTY[1..],
            &EMPTY[2..],
            &upper,
            &long,
            &dots,
            &wide,
            &EMPTY.replace('0', "g"),
            &EMPTY.replace('0', "\0"),
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(NotADigest), "{bad:?}");
        }
    }
}
