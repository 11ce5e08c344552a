//! What a peer can say wrong.

/// Why a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// It does not speak this protocol. It may be one that encrypts, to somebody who does not.
    #[error("it does not speak the BitTorrent protocol")]
    Protocol,
    /// A message that is longer than any of its kind, or shorter.
    #[error("message {kind} has {length} bytes")]
    Length {
        /// Its number.
        kind: u8,
        /// Bytes behind that.
        length: u32,
    },
    /// A message that is longer than any.
    #[error("a message of {0} bytes")]
    Long(u32),
}
