//! Authorisation of changes, and errors as `application/problem+json` (RFC 9457).

use std::sync::Arc;

use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use subtle::ConstantTimeEq;

use crate::net::addr::PeerAddr;
use crate::server::balance::balancer::Balancer;
use crate::server::balance::config::Token;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// An error response.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {detail}")]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) detail: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::new(problem.status(), problem.detail())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Told<'a> {
            title: &'a str,
            status: u16,
            detail: &'a str,
        }
        let title = self.status.canonical_reason().unwrap_or("Error");
        let told = Told { title, status: self.status.as_u16(), detail: &self.detail };
        let json = serde_json::to_vec(&told).unwrap_or_default();
        let response = Response::of(HeaderValue::from_static("application/problem+json"), json)
            .status(self.status)
            .with(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            return response.with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"balance\""));
        }
        response
    }
}

/// Decides who may change things.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    balancer: Arc<Balancer>,
}

impl Guard {
    /// By the token of the configuration in use.
    pub(super) fn new(balancer: &Arc<Balancer>) -> Self {
        Self { balancer: Arc::clone(balancer) }
    }

    /// Allows a change that comes over a Unix socket, or has the token.
    pub(super) fn check(&self, request: &Request) -> Result<(), ApiError> {
        if request.peer().addr == PeerAddr::Unix {
            return Ok(());
        }
        let Some(Token(token)) = self.balancer.token() else {
            let detail = "changes are turned off: [admin] has no token-file, and this is no Unix socket";
            return Err(ApiError::new(StatusCode::FORBIDDEN, detail));
        };
        let shown = request.field("authorization").and_then(|value| value.split_once(' '));
        let shown =
            shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        match shown {
            Some(shown) if bool::from(shown.as_bytes().ct_eq(token.as_bytes())) => Ok(()),
            Some(_) => Err(ApiError::new(StatusCode::UNAUTHORIZED, "the token is wrong")),
            None => Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "changes need the token: Authorization: Bearer TOKEN",
            )),
        }
    }
}
