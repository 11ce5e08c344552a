//! Why an exchange cannot go on, and what is left to say.

use std::io;

use http::StatusCode;

use crate::net::conn::ConnError;
use crate::proto::http::reject::Reject;
use crate::proto::http::server::{HttpError, Misuse};

use super::body::BodyError;

/// The end of an exchange before its time.
#[derive(Debug)]
pub(super) enum Fault {
    /// The peer broke the protocol.
    Reject(Reject),
    /// The peer let a deadline pass.
    TooSlow,
    /// The stream failed: there is nobody to tell.
    Lost(io::Error),
    /// The reply contradicts its own head.
    Misuse(Misuse),
    /// The body of the reply failed.
    Body(BodyError),
    /// The shutdown does not wait any longer.
    Aborted,
}

impl Fault {
    /// The status and the reason to answer with, as long as no reply has begun; `None` when the connection can only be cut.
    pub(super) fn answer(&self) -> Option<(StatusCode, &'static str)> {
        match self {
            Self::Reject(reject) => Some((reject.status(), reject.name())),
            Self::TooSlow => Some((StatusCode::REQUEST_TIMEOUT, "too_slow")),
            Self::Lost(_) | Self::Misuse(_) | Self::Body(_) | Self::Aborted => None,
        }
    }
}

impl From<Reject> for Fault {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
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
