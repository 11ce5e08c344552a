//! How a socket ended.

use std::io;

use crate::proto::ws::close::{CloseCode, CloseReason};
use crate::proto::ws::reject::Reject;

/// How a connection can fail.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SocketError {
    /// The peer broke the protocol or a limit, and was told.
    #[error(transparent)]
    Peer(#[from] Reject),
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(std::sync::Arc<io::Error>),
    /// The peer was gone without a close handshake.
    #[error("the connection ended without a close frame")]
    Torn,
    /// The peer did not answer a ping in time.
    #[error("the peer does not answer pings")]
    Silent,
    /// The peer takes what is sent to it too slowly.
    #[error("the peer does not keep up with what is sent")]
    Slow,
    /// We said that the connection ends, and the peer did not answer in time.
    #[error("the peer did not finish the close handshake")]
    Unclosed,
    /// Nothing can be sent any more: the close handshake has begun.
    #[error("the connection is closing")]
    Closing,
    /// Frames of a topic were made for another kind of socket: one of a server, or with other compression.
    #[error("these frames were made for another kind of connection")]
    Foreign,
    /// The server stopped before the close handshake was over.
    #[error("the server stopped")]
    Stopped,
}

impl From<io::Error> for SocketError {
    fn from(error: io::Error) -> Self {
        Self::Io(std::sync::Arc::new(error))
    }
}

impl SocketError {
    /// A short name for metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Peer(_) => "refused",
            Self::Io(_) => "failed",
            Self::Torn => "torn",
            Self::Silent => "silent",
            Self::Slow => "slow",
            Self::Unclosed => "unclosed",
            Self::Closing => "closing",
            Self::Foreign => "foreign",
            Self::Stopped => "stopped",
        }
    }

    /// What the peer is told, if it can be told anything.
    pub(super) fn reason(&self) -> Option<CloseReason> {
        match self {
            Self::Peer(reject) => Some((*reject).into()),
            Self::Slow => Some(CloseReason::new(CloseCode::TRY_AGAIN_LATER, &self.to_string())),
            Self::Silent
            | Self::Io(_)
            | Self::Torn
            | Self::Unclosed
            | Self::Closing
            | Self::Foreign
            | Self::Stopped => None,
        }
    }
}
