//! HTTP/1.1, the client's side: requests out, responses in.
//!
//! [`ClientCodec`] is a whole client: requests with bodies, one after the other, and their responses. [`Opening`] is for connections that
//! are about to speak another protocol: a request without a body, then the head of its response. After `101 Switching Protocols`, or
//! when a proxy has built a [tunnel], whatever follows belongs to others.
//!
//! Responses are read as strictly as requests are by the server: bare LF, folded lines and space before a colon are faults.

mod authority;
mod codec;
mod excerpt;
mod fault;
mod opening;
mod request;
mod response;
pub mod tunnel;
mod wire;

use http::StatusCode;

pub use self::authority::{Authority, AuthorityError};
pub use self::codec::{ClientCodec, ClientError, Incoming, Outgoing};
pub use self::excerpt::Excerpt;
pub use self::fault::Fault;
pub use self::opening::{MAX_INTERIM, Opening};
pub use self::request::{RequestError, RequestHead};
pub use self::response::{ResponseHead, parse};
pub use self::wire::{Finish, RequestWriter, WireRequest};

/// Whether a server that answers `status` may answer otherwise later, with nothing changed at the client: it is overloaded,
/// restarting, or waits for another (RFC 9110 section 15, RFC 6585 section 4). A 5xx that is not known counts like 500.
#[must_use]
pub fn is_transient(status: StatusCode) -> bool {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => false,
        other => (500..600).contains(&other.as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass() {
        let transient: Vec<u16> =
            (100..=999).filter(|code| is_transient(StatusCode::from_u16(*code).unwrap())).collect();
        let server = (500..600).filter(|code| ![501, 505].contains(code));
        assert_eq!(transient, [408, 429].into_iter().chain(server).collect::<Vec<_>>());
    }
}
