//! What a peer can do wrong after the handshake, and with which close code it is told.

use super::close::CloseCode;

/// A peer broke the protocol, or went over a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reject {
    /// A reserved bit is set that no extension has given a meaning to (RFC 6455 section 5.2).
    #[error("a reserved bit is set")]
    ReservedBits,
    /// A frame of a kind that nobody has defined (section 5.2).
    #[error("opcode {0:#x} is reserved")]
    ReservedOpcode(u8),
    /// A control frame that is not its own last (section 5.5).
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A control frame with more than 125 bytes (section 5.5).
    #[error("a control frame is longer than 125 bytes")]
    LongControl,
    /// A length that could have been written in fewer bytes (section 5.2).
    #[error("a length is not written in the fewest bytes")]
    LengthNotMinimal,
    /// A length of 2^63 bytes or more (section 5.2).
    #[error("a length has its highest bit set")]
    LengthTooLarge,
    /// A client's frame that is not masked (section 5.1).
    #[error("a frame from the client is not masked")]
    NotMasked,
    /// A server's frame that is masked (section 5.1).
    #[error("a frame from the server is masked")]
    Masked,
    /// A continuation without a message to go on with (section 5.4).
    #[error("a continuation frame continues nothing")]
    StrayContinuation,
    /// A new message before the last one was finished (section 5.4).
    #[error("a message begins within another")]
    Interrupted,
    /// A text message that is not UTF-8 (section 8.1).
    #[error("a text message is not UTF-8")]
    TextNotUtf8,
    /// A close frame with one byte of payload (section 5.5.1).
    #[error("a close frame has half a code")]
    HalfCloseCode,
    /// A close code that must not be sent (section 7.4).
    #[error("close code {0} must not be sent")]
    BadCloseCode(u16),
    /// A close frame whose reason is not UTF-8 (section 5.5.1).
    #[error("the reason of a close frame is not UTF-8")]
    ReasonNotUtf8,
    /// A compressed message that does not decompress (RFC 7692 section 7.2.2).
    #[error("a compressed message cannot be decompressed")]
    BadDeflate,
    /// A frame over the limit.
    #[error("a frame of {length} bytes is longer than {limit}")]
    FrameTooLong {
        /// Bytes of payload that its head announces.
        length: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A message over the limit, by its wire bytes or decompressed.
    #[error("a message is longer than {limit} bytes")]
    MessageTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// More frames of a message without a byte in them than allowed.
    #[error("a message has more than {limit} empty frames")]
    EmptyFrames {
        /// The limit.
        limit: u32,
    },
    /// More pings and pongs in a second than allowed.
    #[error("more than {limit} control frames in a second")]
    ControlFlood {
        /// The limit.
        limit: u32,
    },
    /// A message that takes too long to be finished.
    #[error("a message is not finished in time")]
    SlowMessage,
}

impl Reject {
    /// The code that the peer is told (RFC 6455 section 7.4.1).
    #[must_use]
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::FragmentedControl
            | Self::LongControl
            | Self::LengthNotMinimal
            | Self::LengthTooLarge
            | Self::NotMasked
            | Self::Masked
            | Self::StrayContinuation
            | Self::Interrupted
            | Self::HalfCloseCode
            | Self::BadCloseCode(_) => CloseCode::PROTOCOL_ERROR,
            Self::TextNotUtf8 | Self::ReasonNotUtf8 | Self::BadDeflate => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooLong { .. } | Self::MessageTooLong { .. } => CloseCode::TOO_BIG,
            Self::EmptyFrames { .. } | Self::ControlFlood { .. } | Self::SlowMessage => CloseCode::POLICY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_code_and_a_sentence_that_fits_a_close_frame() {
        for (reject, code) in [
            (Reject::ReservedBits, 1002),
            (Reject::ReservedOpcode(3), 1002),
            (Reject::FragmentedControl, 1002),
            (Reject::LongControl, 1002),
            (Reject::LengthNotMinimal, 1002),
            (Reject::LengthTooLarge, 1002),
            (Reject::NotMasked, 1002),
            (Reject::Masked, 1002),
            (Reject::StrayContinuation, 1002),
            (Reject::Interrupted, 1002),
            (Reject::HalfCloseCode, 1002),
            (Reject::BadCloseCode(999), 1002),
            (Reject::TextNotUtf8, 1007),
            (Reject::ReasonNotUtf8, 1007),
            (Reject::BadDeflate, 1007),
            (Reject::FrameTooLong { length: u64::MAX, limit: usize::MAX }, 1009),
            (Reject::MessageTooLong { limit: usize::MAX }, 1009),
            (Reject::EmptyFrames { limit: u32::MAX }, 1008),
            (Reject::ControlFlood { limit: u32::MAX }, 1008),
            (Reject::SlowMessage, 1008),
        ] {
            assert_eq!(reject.close_code().get(), code, "{reject}");
            assert!(reject.to_string().len() <= super::super::close::MAX_REASON, "{reject}");
        }
    }
}
