//! Payloads: the messages of a call, as bytes (section "Messages").
//!
//! This is the seam between the protocol and the crates that turn values into bytes. Whatever runs calls knows the trait [`Payload`] and the number of a
//! codec, nothing else; what a codec is stands in [`codec`]. The first is the crate `bincode`, which is unmaintained (RUSTSEC-2025-0141; its version 3 is a
//! tombstone that does not compile, hence `=2.0.1`). No fault of it is known, its format is that of bincode 1 and of `wincode` too, and nothing outside this folder
//! names it: so it can be exchanged here, without a change on the wire. The second, `postcard`, is there to prove it.
//!
//! Bytes come from peers that nobody trusts. A message is scanned before it is decoded ([`scan`]): each length that it announces must be covered by bytes
//! that arrived, so neither codec ever reserves memory for what did not. Types cannot contain themselves and lists cannot have elements without bytes; both are refused
//! by the compiler.

pub mod blob;
pub mod codec;
pub mod compress;
mod macros;
pub mod scan;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};

pub use self::blob::{Blob, Raw, Source};
pub use self::codec::{Bincode, CodecId, Message, PayloadCodec, Postcard};
use super::schema::Describe;

/// What the macros name, so that those who use them need not depend on these crates themselves.
#[doc(hidden)]
pub mod private {
    pub use bincode::de::{Decode, Decoder};
    pub use bincode::enc::{Encode, Encoder};
    pub use bincode::error::{DecodeError, EncodeError};
    pub use serde;

    use super::{PayloadError, Source};

    /// A part of a message.
    pub fn read<'a, T: Decode<Source<'a>>, D: Decoder<Context = Source<'a>>>(
        decoder: &mut D,
    ) -> Result<T, DecodeError> {
        T::decode(decoder)
    }

    /// The same as [`no_variant`], in the words of bincode.
    pub fn unread_variant(name: &str, found: u32, variants: u32) -> DecodeError {
        DecodeError::OtherString(format!("variant {found} of {name}, which has {variants}"))
    }

    /// A name as it is described: without the `r#` that only Rust needs.
    pub fn plain(name: &str) -> String {
        name.strip_prefix("r#").unwrap_or(name).to_owned()
    }

    /// A variant that an enum does not have.
    pub fn no_variant(name: &str, found: u64, variants: u64) -> PayloadError {
        PayloadError::Malformed(format!("variant {found} of {name}, which has {variants}").into())
    }
}

/// Bytes that a message has at most, and bytes of memory that one of its lists takes at most, whatever limits are set.
pub const MAX_PAYLOAD: usize = 1 << 30;

/// Elements of lists and maps take at most so many times the limit of a message in memory. A list of nothing but `None` is far smaller on the wire
/// than in memory: without this limit a message of 4 MiB could become one of many times that.
pub const MEMORY_FACTOR: usize = 8;

/// A message of a call: a type that can be written, read and described.
///
/// [`wire_types!`](crate::wire_types) makes such types; numbers, text, lists, maps, options, tuples and arrays of them are such types too. [`Raw`] is a message
/// whose encoding is its bytes.
///
/// ```
/// use wireworks::proto::rpc::payload::{CodecId, Payload};
///
/// let bytes = (7u16, String::from("seven")).encode(CodecId::Bincode)?;
/// assert_eq!(&bytes[..], b"\x07\0\x05\0\0\0\0\0\0\0seven");
/// let (number, name) = <(u16, String)>::decode(bytes, CodecId::Bincode, 1024)?;
/// assert_eq!((number, name.as_str()), (7, "seven"));
/// # Ok::<(), wireworks::proto::rpc::payload::PayloadError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a message of a call",
    label = "no message",
    note = "declare it in `wire_types! {{ ... }}`; of other types only numbers, `bool`, `char`, `String`, `Blob`, `Option`, `Vec`, maps, tuples and arrays of them are messages"
)]
pub trait Payload: Describe + Sized + Send + 'static {
    /// The message as bytes.
    ///
    /// # Errors
    /// A value refuses to be written. None of the types here do.
    fn encode(&self, codec: CodecId) -> Result<Bytes, PayloadError>;

    /// The message that `bytes` are, all of them.
    ///
    /// Parts of the message may share the memory of `bytes` (see [`Blob`]).
    ///
    /// # Errors
    /// There are more than `limit` bytes, or they are not exactly one message of this type, or it would take far more memory than `limit`.
    fn decode(bytes: Bytes, codec: CodecId, limit: usize) -> Result<Self, PayloadError>;
}

/// Why a message cannot be read, or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// More bytes than the limit.
    #[error("the message has {length} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Bytes of the message.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The bytes end before the message does.
    #[error("the message ends too early")]
    Torn,
    /// The message ends before the bytes do.
    #[error("{0} bytes are left over behind the message")]
    LeftOver(usize),
    /// A length that what arrived cannot hold.
    #[error("the message announces {announced} elements, and has {left} bytes for them")]
    Announced {
        /// The length that stands in the message.
        announced: u64,
        /// Bytes behind it.
        left: usize,
    },
    /// Lists of elements that are large in memory and small on the wire.
    #[error("the message would take more than {0} bytes of memory")]
    Memory(usize),
    /// Bytes that no value of the type is written as.
    #[error("the message cannot be read: {0}")]
    Malformed(Box<str>),
    /// A value that its type does not want to be written.
    #[error("the message cannot be written: {0}")]
    Unwritable(Box<str>),
}

impl<T: Message> Payload for T {
    fn encode(&self, codec: CodecId) -> Result<Bytes, PayloadError> {
        match codec {
            CodecId::Bincode => encode_by::<Bincode, T>(self),
            CodecId::Postcard => encode_by::<Postcard, T>(self),
        }
    }

    fn decode(bytes: Bytes, codec: CodecId, limit: usize) -> Result<Self, PayloadError> {
        let limit = limit.min(MAX_PAYLOAD);
        within(bytes.len(), limit)?;
        scan::scan::<T>(&bytes, codec, limit.saturating_mul(MEMORY_FACTOR))?;
        match codec {
            CodecId::Bincode => Bincode::decode(bytes),
            CodecId::Postcard => Postcard::decode(bytes),
        }
    }
}

/// Measures and then writes: a buffer of the right length becomes [`Bytes`] without another allocation or copy.
fn encode_by<C: PayloadCodec, T: Message>(message: &T) -> Result<Bytes, PayloadError> {
    let mut out = BytesMut::with_capacity(C::size(message)?);
    C::encode(message, &mut out)?;
    Ok(out.freeze())
}

fn within(length: usize, limit: usize) -> Result<(), PayloadError> {
    if length > limit { Err(PayloadError::TooLarge { length, limit }) } else { Ok(()) }
}

impl Payload for Raw {
    fn encode(&self, _: CodecId) -> Result<Bytes, PayloadError> {
        Ok(self.0.clone())
    }

    fn decode(bytes: Bytes, _: CodecId, limit: usize) -> Result<Self, PayloadError> {
        within(bytes.len(), limit)?;
        Ok(Self(bytes))
    }
}
