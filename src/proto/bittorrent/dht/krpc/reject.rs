//! What a datagram can say wrong.
//!
//! Of queries, the asker gets to know it, as an error with one of the numbers of BEP 5: 203 for what is no message
//! of its kind, 204 for a method that is not known.

use crate::proto::bittorrent::bencode::Fault;

/// Why a datagram is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// It is no bencode, or longer than [`DATAGRAM`](super::DATAGRAM).
    #[error("no bencode")]
    Bencode(#[from] Fault),
    /// A key that has to be there is not.
    #[error("key {0} is missing")]
    Missing(&'static str),
    /// A key has a value of another type or length than it has to have.
    #[error("key {0} has a value that is none")]
    Malformed(&'static str),
    /// A method that is not known here.
    #[error("method unknown")]
    Method,
}

impl Reject {
    /// The number that a query is answered with (BEP 5, "errors").
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Bencode(_) | Self::Missing(_) | Self::Malformed(_) => 203,
            Self::Method => 204,
        }
    }
}
