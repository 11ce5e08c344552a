//! The payload codecs: two crates behind one trait.
//!
//! Both read what [`scan`](super::scan) has looked at before: lengths are covered by bytes. Both are asked whether bytes are left over all the same.

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::enc::EncoderImpl;
use bincode::enc::write::{SizeWriter, Writer};
use bincode::error::{DecodeError, EncodeError};
use bytes::{Bytes, BytesMut};
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Describe, MAX_PAYLOAD, PayloadError, Source};

/// A payload codec, as the OPEN of a call names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CodecId {
    /// Codec 0: bincode 2 in its `legacy` configuration, which is bincode 1: numbers of fixed size.
    #[default]
    Bincode,
    /// Codec 1: postcard 1: numbers of as many bytes as they need.
    Postcard,
}

impl CodecId {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Bincode, Self::Postcard];

    /// The codec of this number.
    #[must_use]
    pub const fn of(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Bincode),
            1 => Some(Self::Postcard),
            _ => None,
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Bincode => 0,
            Self::Postcard => 1,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bincode => "bincode",
            Self::Postcard => "postcard",
        }
    }
}

impl std::fmt::Display for CodecId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What all codecs together ask of a type. [`wire_types!`](crate::wire_types) gives it; nobody implements it by hand.
pub trait Message:
    Describe
    + bincode::Encode
    + for<'a> bincode::Decode<Source<'a>>
    + Serialize
    + DeserializeOwned
    + Send
    + 'static
{
}

impl<T> Message for T where
    T: Describe
        + bincode::Encode
        + for<'a> bincode::Decode<Source<'a>>
        + Serialize
        + DeserializeOwned
        + Send
        + 'static
{
}

/// A way to write messages as bytes.
pub trait PayloadCodec {
    /// Its number on the wire.
    const ID: u8;

    /// Bytes that [`encode`](Self::encode) will write.
    ///
    /// # Errors
    /// The value refuses to be written.
    fn size<T: Message>(message: &T) -> Result<usize, PayloadError>;

    /// Writes the message to the end of `out`.
    ///
    /// # Errors
    /// The value refuses to be written.
    fn encode<T: Message>(message: &T, out: &mut BytesMut) -> Result<(), PayloadError>;

    /// Reads a message that was scanned.
    ///
    /// # Errors
    /// The bytes are not exactly one message of this type.
    fn decode<T: Message>(bytes: Bytes) -> Result<T, PayloadError>;
}

/// Codec 0: the crate `bincode`, by its own traits, which are several times faster than its way by serde.
#[derive(Debug)]
pub enum Bincode {}

/// What the specification calls the `legacy` configuration, with the limit that keeps bincode from reserving without end.
const CONFIG: Configuration<LittleEndian, Fixint, Limit<MAX_PAYLOAD>> =
    bincode::config::legacy().with_limit::<MAX_PAYLOAD>();

impl PayloadCodec for Bincode {
    const ID: u8 = CodecId::Bincode.number();

    fn size<T: Message>(message: &T) -> Result<usize, PayloadError> {
        if let Some(size) = T::SIZE.fixed() {
            return Ok(size);
        }
        let mut encoder = EncoderImpl::new(SizeWriter::default(), CONFIG);
        message.encode(&mut encoder).map_err(unwritable)?;
        Ok(encoder.into_writer().bytes_written)
    }

    fn encode<T: Message>(message: &T, out: &mut BytesMut) -> Result<(), PayloadError> {
        message.encode(&mut EncoderImpl::new(Sink(out), CONFIG)).map_err(unwritable)
    }

    fn decode<T: Message>(bytes: Bytes) -> Result<T, PayloadError> {
        let (message, used) = bincode::decode_from_slice_with_context(&bytes, CONFIG, Source::new(&bytes))
            .map_err(malformed)?;
        match bytes.len() - used {
            0 => Ok(message),
            left => Err(PayloadError::LeftOver(left)),
        }
    }
}

/// Where both codecs write.
struct Sink<'a>(&'a mut BytesMut);

impl Writer for Sink<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl Flavor for Sink<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.extend_from_slice(&[byte]);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

fn unwritable(error: impl ToString) -> PayloadError {
    PayloadError::Unwritable(error.to_string().into())
}

/// In words what bincode says in the names of its variants.
fn malformed(error: DecodeError) -> PayloadError {
    let text = match error {
        DecodeError::UnexpectedEnd { .. } => return PayloadError::Torn,
        DecodeError::LimitExceeded => return PayloadError::Memory(MAX_PAYLOAD),
        DecodeError::Utf8 { .. } => "a text is not UTF-8".to_owned(),
        DecodeError::InvalidCharEncoding(_) => "a character is not UTF-8".to_owned(),
        DecodeError::InvalidBooleanValue(value) => format!("a bool is {value}"),
        DecodeError::OtherString(text) => text,
        other => other.to_string(),
    };
    PayloadError::Malformed(text.into())
}

/// Codec 1: the crate `postcard`, by serde.
#[derive(Debug)]
pub enum Postcard {}

impl PayloadCodec for Postcard {
    const ID: u8 = CodecId::Postcard.number();

    fn size<T: Message>(message: &T) -> Result<usize, PayloadError> {
        postcard::experimental::serialized_size(message).map_err(unwritable)
    }

    fn encode<T: Message>(message: &T, out: &mut BytesMut) -> Result<(), PayloadError> {
        postcard::serialize_with_flavor(message, Sink(out)).map_err(unwritable)
    }

    fn decode<T: Message>(bytes: Bytes) -> Result<T, PayloadError> {
        match postcard::take_from_bytes(&bytes) {
            Ok((message, [])) => Ok(message),
            Ok((_, left)) => Err(PayloadError::LeftOver(left.len())),
            Err(postcard::Error::DeserializeUnexpectedEnd) => Err(PayloadError::Torn),
            Err(error) => Err(PayloadError::Malformed(error.to_string().into())),
        }
    }
}
