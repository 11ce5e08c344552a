//! Why something could not be fetched, and whether asking again may help.

use http::StatusCode;

use super::super::exchange::ExchangeError;
use crate::net::client::ConnectError;
use crate::net::client::pool::PoolError;
use crate::proto::http::client::{AuthorityError, Fault, RequestError};
use crate::proto::http::credentials::CredentialsError;
use crate::server::http::body::BodyError;

/// Why there is nothing, or not all.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an address of the web.
    #[error("it does not begin with http:// or https://")]
    Scheme,
    /// The address names no server.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The name and password in the address cannot be shown to anybody.
    #[error("the name and password before the @: {0}")]
    Credentials(#[from] CredentialsError),
    /// It cannot be asked for.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] PoolError<ConnectError>),
    /// There is no answer.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The body breaks off, or is too long.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The server says no.
    #[error("the server answers {0}")]
    Status(StatusCode),
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
            Self::Status(status) => Some(*status),
            _ => None,
        }
    }

    /// Whether it may come if it is asked for again: it was lost on the way, or the server cannot just now.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect(PoolError::Open(error)) => error.is_retryable(),
            Self::Connect(_) | Self::Short => true,
            Self::Exchange(error) => passes(error),
            Self::Body(BodyError::Stream(error)) => error.downcast_ref().is_none_or(passes),
            Self::Body(error) => !matches!(error, BodyError::TooLarge(_)),
            Self::Status(status) => {
                status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED
                    || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS]
                        .contains(status)
            }
            Self::Scheme
            | Self::Authority(_)
            | Self::Credentials(_)
            | Self::Request(_)
            | Self::Redirects(_)
            | Self::Lead(_)
            | Self::Range
            | Self::Other
            | Self::Changed => false,
        }
    }
}

/// Whether an exchange failed by the connection, and not by what the server said.
fn passes(error: &ExchangeError) -> bool {
    match error {
        ExchangeError::Io(_) | ExchangeError::Closed | ExchangeError::Timeout => true,
        ExchangeError::Fault(fault) => *fault == Fault::Incomplete,
        ExchangeError::Body(_) | ExchangeError::Misuse(_) => false,
    }
}
