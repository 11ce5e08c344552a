//! What can go wrong on a connection, in words that are counted.

use std::io;

/// Why a member is out, or what it has seen that must not be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It cannot connect.
    #[error("{0}")]
    Open(String),
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(io::ErrorKind),
    /// It ended.
    #[error("the connection was lost")]
    Gone,
    /// The server ended it.
    #[error("the server closed with {0}")]
    Closed(String),
    /// What the server sent cannot be read.
    #[error("the server sent what is no text of the protocol")]
    Framing,
    /// More bytes in a unit than any should have.
    #[error("the server sent more in one piece than any reply has")]
    Long,
    /// A request was not done.
    #[error("{what} was refused: {code}")]
    Refused {
        /// Which.
        what: &'static str,
        /// Why.
        code: String,
    },
    /// Nothing came that was waited for.
    #[error("{0} was not answered in time")]
    Stalled(&'static str),
    /// The server cannot what the bench needs.
    #[error("the server has no {0}, by which members check what they said")]
    Lacks(&'static str),
}

impl Fault {
    /// The stream's failure.
    pub(super) fn io(error: &io::Error) -> Self {
        Self::Io(error.kind())
    }

    /// By the payload of a close frame.
    pub(super) fn closed(payload: &[u8]) -> Self {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return Self::Closed("no code".into());
        };
        let (code, reason) = (u16::from_be_bytes(*code), String::from_utf8_lossy(reason));
        Self::Closed(if reason.is_empty() { code.to_string() } else { format!("{code}: {reason}") })
    }

    /// Whether another connection may go on from here.
    pub(super) fn may_go_on(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Io(_) | Self::Gone | Self::Closed(_))
    }
}
