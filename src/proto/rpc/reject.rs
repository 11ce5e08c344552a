//! Codes of RESET and GOAWAY, and what a peer can do wrong.

use std::fmt;

/// Why a stream or a connection ends (section "Codes of RESET and GOAWAY").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// In good order.
    pub const NONE: Self = Self(0);
    /// A rule of the protocol was broken.
    pub const PROTOCOL: Self = Self(1);
    /// A frame longer than `max_frame`.
    pub const FRAME_TOO_LARGE: Self = Self(2);
    /// A message longer than `max_message`.
    pub const MESSAGE_TOO_LARGE: Self = Self(3);
    /// More was sent than there was credit for, or too much credit given.
    pub const CREDIT: Self = Self(4);
    /// A call that was not looked at.
    pub const REFUSED: Self = Self(5);
    /// Nobody is interested in the answer any more.
    pub const CANCELLED: Self = Self(6);
    /// Too many PINGs, RESETs or empty frames.
    pub const CALM: Self = Self(7);
    /// The sender's own fault.
    pub const INTERNAL: Self = Self(8);
    /// Nothing came in time.
    pub const TIMEOUT: Self = Self(9);

    /// The name in the specification; `unknown` for codes of later versions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "none",
            1 => "protocol",
            2 => "frame_too_large",
            3 => "message_too_large",
            4 => "credit",
            5 => "refused",
            6 => "cancelled",
            7 => "calm",
            8 => "internal",
            9 => "timeout",
            _ => "unknown",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

/// A peer broke the protocol, or went over a limit: the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The first bytes are not those of this protocol.
    #[error("the peer does not speak this protocol")]
    NotRpc,
    /// The first bytes are those of an HTTP server's answer.
    #[error("the peer speaks HTTP, not this protocol")]
    IsHttp,
    /// The first bytes are those of TLS: a handshake, or a complaint that ours is none.
    #[error("the peer speaks TLS, not this protocol without it")]
    IsTls,
    /// The peer speaks another version.
    #[error("the peer speaks version {:?} of the protocol, and we version 1", char::from(*.0))]
    Version(u8),
    /// A frame other than HELLO came first.
    #[error("the first frame is not HELLO")]
    NoHello,
    /// A second HELLO.
    #[error("a second HELLO")]
    SecondHello,
    /// A type of frame that nobody has defined, and that may not be skipped.
    #[error("a frame of the unknown type {0}")]
    UnknownFrame(u8),
    /// Flags that the type of frame does not have, or that exclude each other.
    #[error("flags {flags:#04x} on a frame of type {kind}")]
    Flags {
        /// The type of the frame.
        kind: u8,
        /// Its flags.
        flags: u8,
    },
    /// A frame on a stream that its type cannot have.
    #[error("a frame of type {kind} on stream {stream}")]
    WrongStream {
        /// The type of the frame.
        kind: u8,
        /// The stream.
        stream: u32,
    },
    /// A frame with too few bytes, or too many, for its type.
    #[error("a frame of type {kind} has a payload that cannot be read")]
    Malformed {
        /// The type of the frame.
        kind: u8,
    },
    /// A frame over the limit.
    #[error("a frame of {length} bytes is longer than {limit}")]
    FrameTooLarge {
        /// Bytes of payload that its head announces.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A setting twice, or out of its range.
    #[error("setting {name} is {value}, or comes twice")]
    Setting {
        /// Which one.
        name: u16,
        /// Its value.
        value: u64,
    },
    /// Metadata over a limit, or with a name that is none.
    #[error("metadata is malformed or over a limit")]
    Metadata,
    /// An OPEN whose number is not higher than all before, or is one of our own.
    #[error("stream {0} cannot be opened")]
    StreamOrder(u32),
    /// A frame for a stream that nobody has opened.
    #[error("stream {0} was never opened")]
    NeverOpened(u32),
    /// A message on a stream whose direction has ended.
    #[error("a message on stream {0} after its last")]
    AfterLast(u32),
    /// More was sent than there was credit for.
    #[error("more was sent than there was credit for")]
    CreditOverrun,
    /// More credit than can be counted.
    #[error("more credit was given than 2^31 - 1")]
    CreditOverflow,
    /// A CREDIT of nothing, or of more than can be counted.
    #[error("credit of {0} bytes")]
    CreditAmount(u32),
    /// PINGs faster than allowed.
    #[error("too many pings")]
    PingFlood,
    /// Streams that are opened and reset at once.
    #[error("too many resets")]
    ResetFlood,
    /// We have much to say, and the peer does not read it.
    #[error("the peer does not read what it asked for")]
    Deaf,
    /// Frames that say nothing.
    #[error("too many empty frames")]
    EmptyFlood,
}

impl Reject {
    /// What the peer is told.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::FrameTooLarge { .. } => ErrorCode::FRAME_TOO_LARGE,
            Self::CreditOverrun | Self::CreditOverflow | Self::CreditAmount(_) => ErrorCode::CREDIT,
            Self::PingFlood | Self::ResetFlood | Self::EmptyFlood | Self::Deaf => ErrorCode::CALM,
            _ => ErrorCode::PROTOCOL,
        }
    }
}
