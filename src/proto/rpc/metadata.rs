//! Metadata: names and values beside the messages of a call (section "Metadata").
//!
//! It is kept as it stands on the wire: what nobody asks for costs nothing but its bytes.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

/// Pairs at most.
pub const MAX_PAIRS: usize = 64;

/// Bytes at most, whatever the settings say: its length is written in 16 bits.
pub const MAX_METADATA: usize = u16::MAX as usize;

/// Names that begin so are kept for the protocol.
pub const RESERVED: &str = "ww-";

/// Names and values, in the order in which they were added. Clones share them.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Metadata(Bytes);

/// Why something cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// The name has other than lowercase letters, digits, `-`, `_` and `.`, is empty or longer than 255 bytes.
    #[error("{0:?} cannot be the name of metadata")]
    Name(String),
    /// The name begins with `ww-`.
    #[error("the name {0:?} is kept for the protocol")]
    Reserved(String),
    /// Too many pairs, or too many bytes.
    #[error("metadata is over its limit")]
    TooLarge,
}

impl Metadata {
    /// No metadata.
    #[must_use]
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// What stands in a frame, if it keeps to the rules and to `limit` bytes.
    #[must_use]
    pub fn parse(bytes: Bytes, limit: usize) -> Option<Self> {
        if bytes.len() > limit {
            return None;
        }
        let mut rest = &bytes[..];
        let mut pairs = 0;
        while !rest.is_empty() {
            let (name, _, behind) = pair(rest)?;
            pairs += 1;
            if pairs > MAX_PAIRS || !is_name(name) {
                return None;
            }
            rest = behind;
        }
        Some(Self(bytes))
    }

    /// The same with one pair more.
    ///
    /// # Errors
    /// The name cannot be one, or is reserved; or there is too much.
    pub fn with(&self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, MetadataError> {
        if name.starts_with(RESERVED) {
            return Err(MetadataError::Reserved(name.to_owned()));
        }
        self.with_any(name, value.as_ref())
    }

    /// The same with one pair more, which the protocol itself may have added.
    fn with_any(&self, name: &str, value: &[u8]) -> Result<Self, MetadataError> {
        let length = u8::try_from(name.len()).ok().filter(|_| is_name(name.as_bytes()));
        let length = length.ok_or_else(|| MetadataError::Name(name.to_owned()))?;
        let size = u16::try_from(value.len()).map_err(|_| MetadataError::TooLarge)?;
        let whole = self.0.len() + 3 + name.len() + value.len();
        if whole > MAX_METADATA || self.iter().count() >= MAX_PAIRS {
            return Err(MetadataError::TooLarge);
        }
        let mut bytes = BytesMut::with_capacity(whole);
        bytes.put_slice(&self.0);
        bytes.put_u8(length);
        bytes.put_u16_le(size);
        bytes.put_slice(name.as_bytes());
        bytes.put_slice(value);
        Ok(Self(bytes.freeze()))
    }

    /// These, and then `others`.
    ///
    /// # Errors
    /// There is too much.
    pub fn join(&self, others: &Self) -> Result<Self, MetadataError> {
        if self.is_empty() {
            return Ok(others.clone());
        }
        let whole = self.0.len() + others.0.len();
        if whole > MAX_METADATA || self.iter().count() + others.iter().count() > MAX_PAIRS {
            return Err(MetadataError::TooLarge);
        }
        let mut bytes = BytesMut::with_capacity(whole);
        bytes.put_slice(&self.0);
        bytes.put_slice(&others.0);
        Ok(Self(bytes.freeze()))
    }

    /// The first value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The first value of this name, if it is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            let (name, value, behind) = pair(rest)?;
            rest = behind;
            Some((std::str::from_utf8(name).unwrap_or_default(), value)) // it is ASCII
        })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it stands on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, value.escape_ascii().to_string())))
            .finish()
    }
}

/// The pair at the front, and what follows it.
fn pair(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (&[name, low, high], rest) = bytes.split_first_chunk::<3>()?;
    let (name, rest) = rest.split_at_checked(usize::from(name))?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
    Some((name, value, rest))
}

fn is_name(name: &[u8]) -> bool {
    let allowed = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    !name.is_empty() && name.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_stand_on_the_wire_as_specified_and_are_found_again() {
        let metadata = Metadata::new().with("user", "ada").unwrap().with("k.1", [0, 255]).unwrap();
        assert_eq!(metadata.as_bytes(), &b"\x04\x03\0userada\x03\x02\0k.1\x00\xff"[..]);
        let read = Metadata::parse(metadata.as_bytes().clone(), 20).unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), [("user", &b"ada"[..]), ("k.1", &[0, 255])]);
        assert_eq!((read.text("user"), read.text("k.1"), read.get("other")), (Some("ada"), None, None));
        assert_eq!(format!("{read:?}"), r#"{"user": "ada", "k.1": "\\x00\\xff"}"#);
        assert_eq!(Metadata::parse(metadata.as_bytes().clone(), 17), None, "over the limit");
    }

    #[test]
    fn what_is_malformed_is_refused_wherever_it_is_cut() {
        let whole = b"\x04\x03\0userada";
        for cut in 1..whole.len() {
            assert_eq!(Metadata::parse(Bytes::copy_from_slice(&whole[..cut]), 100), None, "cut at {cut}");
        }
        for bad in [&b"\0\0\0"[..], b"\x01\0\0A", b"\x01\0\0\xe9", b"\x01\0\0 "] {
            assert_eq!(Metadata::parse(Bytes::copy_from_slice(bad), 100), None, "{bad:?}");
        }
        let many = |pairs| Bytes::from(b"\x01\0\0a".repeat(pairs));
        assert!(Metadata::parse(many(MAX_PAIRS), 1000).is_some());
        assert_eq!(Metadata::parse(many(MAX_PAIRS + 1), 1000), None);
    }

    #[test]
    fn what_would_be_malformed_cannot_be_added() {
        let add = |name: &str, size| Metadata::new().with(name, vec![0; size]).map(drop);
        assert_eq!(add("", 0), Err(MetadataError::Name(String::new())));
        assert_eq!(add("User", 0), Err(MetadataError::Name("User".into())));
        assert_eq!(add(&"a".repeat(256), 0), Err(MetadataError::Name("a".repeat(256))));
        assert_eq!(add("ww-trace", 0), Err(MetadataError::Reserved("ww-trace".into())));
        assert_eq!(add("a", MAX_METADATA - 4), Ok(()));
        assert_eq!(add("a", MAX_METADATA - 3), Err(MetadataError::TooLarge));
        let full = (0..MAX_PAIRS).fold(Metadata::new(), |metadata, _| metadata.with("a", "").unwrap());
        assert_eq!(full.with("a", ""), Err(MetadataError::TooLarge));
    }
}
