//! HTTP/1.1, the client's side: what asks, and the head of what answers.
//!
//! What is here serves connections that are about to speak another protocol: a request without a body, then the head of its
//! response ([`Opening`]). After `101 Switching Protocols`, or when a proxy has built a [tunnel], whatever follows
//! belongs to others.
//!
//! Responses are read as strictly as requests are by the server: bare LF, folded lines and space before a colon are faults.

mod authority;
mod excerpt;
mod fault;
mod opening;
mod request;
mod response;
pub mod tunnel;

use http::StatusCode;

pub use self::authority::{Authority, AuthorityError};
pub use self::excerpt::Excerpt;
pub use self::fault::Fault;
pub use self::opening::{MAX_INTERIM, Opening};
pub use self::request::{RequestError, RequestHead};
pub use self::response::{ResponseHead, parse};

/// Whether a server that answers `status` may answer otherwise later, with nothing changed at the client: it is overloaded,
/// restarting, or waits for another (RFC 9110 section 15, RFC 6585 section 4).
#[must_use]
pub fn is_transient(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
