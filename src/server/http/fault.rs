//! Why an exchange cannot go on, and what is left to say.

use std::io;

use http::StatusCode;

use crate::net::conn::ConnError;
use crate::proto::http::reject::Reject;
use crate::proto::http::server::{HttpError, Misuse};

use super::body::BodyError;

/// The end of an exchange before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The peer broke the protocol.
    #[error("the client broke the protocol: {0}")]
    Reject(#[from] Reject),
    /// The peer let a deadline pass.
    #[error("the client was too slow")]
    TooSlow,
    /// The handler let its deadline pass.
    #[error("the handler was too slow")]
    HandlerTooSlow,
    /// The stream failed: there is nobody to tell.
    #[error("the connection was lost: {0}")]
    Lost(io::Error),
    /// The reply contradicts its own head.
    #[error(transparent)]
    Misuse(#[from] Misuse),
    /// The body of the reply failed.
    #[error("the reply failed: {0}")]
    Body(BodyError),
    /// The shutdown does not wait any longer.
    #[error("the server is shutting down")]
    Aborted,
}

impl Fault {
    /// The status and the reason to answer with, as long as no reply has begun; `None` when the connection can only be cut.
    pub(super) fn answer(&self) -> Option<(StatusCode, &'static str)> {
        match self {
            Self::Reject(reject) => Some((reject.status(), reject.name())),
            Self::TooSlow => Some((StatusCode::REQUEST_TIMEOUT, "too_slow")),
            Self::HandlerTooSlow => Some((StatusCode::SERVICE_UNAVAILABLE, "handler_timeout")),
            Self::Lost(_) | Self::Misuse(_) | Self::Body(_) | Self::Aborted => None,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::TooSlow,
            _ => Self::Lost(error),
        }
    }
}

impl From<ConnError<HttpError>> for Fault {
    fn from(error: ConnError<HttpError>) -> Self {
        match error {
            ConnError::Io(error) => Self::Lost(error),
            ConnError::Proto(error) => error.into(),
            ConnError::Torn => Self::Reject(Reject::Incomplete),
            ConnError::Idle => Self::TooSlow,
        }
    }
}
