//! What a handler answers when it cannot do what it was asked: a status and one sentence.

use http::{HeaderName, HeaderValue, StatusCode};

use super::body::BodyError;
use super::response::{IntoResponse, Response};
use crate::proto::http::cookie::CookieError;
use crate::proto::http::fields::Fields;

/// An error reply. `?` in a handler turns the errors of the request's methods into one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{status}: {detail}")]
pub struct Problem {
    status: StatusCode,
    detail: String,
    fields: Fields,
}

impl Problem {
    /// A problem with any status. `detail` is shown to the client.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), fields: Fields::new() }
    }

    /// 400: the client's fault.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here")
    }

    /// 500: our fault. The detail is logged; the client sees the status alone.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// The same, with a field more.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.set(name, value);
        self
    }

    /// What is shown to the client beside it, but for 500.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let status = match &error {
            BodyError::Rejected(reject) => reject.status(),
            BodyError::Disconnected => StatusCode::BAD_REQUEST,
            BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Stream(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<CookieError> for Problem {
    fn from(error: CookieError) -> Self {
        Self::internal(error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let detail = if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(detail = %self.detail, "a handler failed");
            "something went wrong here"
        } else {
            &self.detail
        };
        let reason = self.status.canonical_reason().unwrap_or("Error");
        let mut response =
            Response::text(format!("{} {reason}: {detail}\n", self.status.as_str())).status(self.status);
        for (name, value) in self.fields.iter() {
            response.fields_mut().append(name.clone(), value.clone());
        }
        response
    }
}
