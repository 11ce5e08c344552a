//! Why something could not be fetched, and whether asking again may help.

use std::time::Duration;

use http::StatusCode;

use super::super::SendError;
use super::super::exchange::ExchangeError;
use crate::server::http::body::BodyError;

/// Why there is nothing, or not all.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The body breaks off, or is too long.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The server says no.
    #[error("the server answers {0}")]
    Status(StatusCode),
    /// The server cannot just now, and says when to come again (`Retry-After`).
    #[error("the server answers {status}, and wants to be left alone for {} s", after.as_secs())]
    Later {
        /// What it answers.
        status: StatusCode,
        /// When to come again.
        after: Duration,
    },
    /// Too many redirects.
    #[error("more than {0} redirects lead nowhere")]
    Redirects(usize),
    /// A redirect to what is no address of the web.
    #[error("the server leads to {0:?}, which is no address of the web")]
    Lead(String),
    /// The bytes that were asked for are not there: the resource ends before.
    #[error("these bytes are not there")]
    Range,
    /// A part that is none of what was asked for, or more.
    #[error("the server sends other bytes than it was asked for")]
    Other,
    /// Less than the head of the answer said.
    #[error("the server sends less than it says")]
    Short,
    /// It is another resource by now.
    #[error("it has changed on the server while it was read")]
    Changed,
}

impl FetchError {
    /// What the server answered, if that was it.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status(status) | Self::Later { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// How long the server wants to be left alone, if it says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Later { after, .. } => Some(*after),
            _ => None,
        }
    }

    /// Whether it may come if it is asked for again: it was lost on the way, or the server cannot just now.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Send(error) => error.is_passing(),
            Self::Short => true,
            Self::Body(BodyError::Stream(error)) => {
                error.downcast_ref().is_none_or(ExchangeError::is_passing)
            }
            Self::Body(error) => !matches!(error, BodyError::TooLarge(_)),
            Self::Status(status) | Self::Later { status, .. } => {
                status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS]
                        .contains(status)
            }
            Self::Redirects(_) | Self::Lead(_) | Self::Range | Self::Other | Self::Changed => false,
        }
    }
}
