//! What is no bencode.

/// Why bytes are no bencode. Places are counted in bytes from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A value begins with `d`, `l`, `i` or a digit.
    #[error("byte {at} begins no value")]
    NoValue {
        /// Where.
        at: usize,
    },
    /// It ends in the middle of a value.
    #[error("it ends in the middle of a value")]
    Cut,
    /// A number that is none, or not in its only spelling: it has a leading zero or is a negative zero.
    #[error("byte {at}: not a number, or one with needless zeros")]
    Number {
        /// Where it begins.
        at: usize,
    },
    /// A number beyond 64 bits.
    #[error("byte {at}: a number of more than 64 bits")]
    Large {
        /// Where it begins.
        at: usize,
    },
    /// A key of a dictionary that is no string.
    #[error("byte {at}: a key that is no string")]
    Key {
        /// Where.
        at: usize,
    },
    /// A key of a dictionary without a value.
    #[error("byte {at}: a key without a value")]
    Lonely {
        /// Where the dictionary ends.
        at: usize,
    },
    /// A key that a dictionary has twice.
    #[error("byte {at}: a key that the dictionary has already")]
    Repeated {
        /// Where.
        at: usize,
    },
    /// More levels than [`Limits::depth`](super::Limits::depth).
    #[error("byte {at}: more than {limit} levels")]
    Deep {
        /// Where.
        at: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// More values than [`Limits::values`](super::Limits::values).
    #[error("more than {limit} values")]
    Many {
        /// How many are allowed.
        limit: usize,
    },
    /// More bytes than [`Limits::bytes`](super::Limits::bytes).
    #[error("more than {limit} bytes")]
    Long {
        /// How many are allowed.
        limit: usize,
    },
    /// Something follows the value.
    #[error("byte {at}: something follows the value")]
    Trailing {
        /// Where.
        at: usize,
    },
}
