//! Bytes as they are: as a part of a message, and as a whole one.

use std::ops::Deref;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bincode::de::read::Reader;
use bincode::de::{Decode, Decoder};
use bincode::enc::{Encode, Encoder};
use bincode::error::{DecodeError, EncodeError};
use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// Bytes as a part of a message: `bytes` in a description.
///
/// They are written in one piece. What codec 0 reads shares the memory of the message it came in, and keeps it alive: `Bytes::copy_from_slice` frees a small
/// part that is kept for long from a large message. `Vec<u8>` has the same encoding, but is a list of numbers in JSON, and is copied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Blob(pub Bytes);

/// A whole message whose encoding is its bytes, in every codec: `raw` in a description.
///
/// Neither direction copies them. It cannot be a part of another message, as nothing would say where it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Raw(pub Bytes);

macro_rules! is_bytes {
    ($($name:ident)*) => {$(
        impl Deref for $name {
            type Target = [u8];

            fn deref(&self) -> &[u8] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl<T: Into<Bytes>> From<T> for $name {
            fn from(bytes: T) -> Self {
                Self(bytes.into())
            }
        }
    )*};
}

is_bytes!(Blob Raw);

/// The message that is being decoded: what a [`Blob`] takes its part of. It is the context of bincode's traits.
#[derive(Debug)]
pub struct Source<'a>(&'a Bytes);

impl<'a> Source<'a> {
    pub(super) fn new(bytes: &'a Bytes) -> Self {
        Self(bytes)
    }

    /// The `length` bytes of the message that stand at this address in memory, without a copy.
    fn part(&self, address: usize, length: usize) -> Option<Bytes> {
        let start = address.checked_sub(self.0.as_ptr().addr())?;
        let end = start.checked_add(length).filter(|&end| end <= self.0.len())?;
        Some(self.0.slice(start..end))
    }
}

impl Encode for Blob {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0[..].encode(encoder)
    }
}

impl<'a> Decode<Source<'a>> for Blob {
    fn decode<D: Decoder<Context = Source<'a>>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let announced = u64::decode(decoder)?;
        let length = usize::try_from(announced).map_err(|_| DecodeError::OutsideUsizeRange(announced))?;
        decoder.claim_bytes_read(length)?;
        // The reader lends the bytes no longer than itself, so it is only asked where they are.
        let here = decoder.reader().peek_read(length).map(|bytes| bytes.as_ptr().addr());
        let part = here.and_then(|address| decoder.context().part(address, length));
        let part = part.ok_or(DecodeError::UnexpectedEnd { additional: length })?;
        decoder.reader().consume(length);
        Ok(Self(part))
    }
}

/// Base64 where people read, bytes elsewhere.
impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reads;
        impl Visitor<'_> for Reads {
            type Value = Blob;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes, or base64")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(Bytes::copy_from_slice(bytes)))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(bytes.into()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Blob, E> {
                STANDARD.decode(text).map(Blob::from).map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Reads)
        } else {
            deserializer.deserialize_bytes(Reads)
        }
    }
}
