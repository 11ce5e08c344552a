//! The RPC as its clients speak it, and as they hear it.

mod answers;
mod clients;
mod hostile;
mod refused;
mod session;
mod torrents;
mod values;

use super::{Method, Refusal, Request};

/// What a request asks for.
fn method(body: &str) -> Method {
    Request::read(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}")).method
}

/// Why a request is refused.
fn refusal(body: &str) -> Refusal {
    Request::read(body.as_bytes()).expect_err(body).refusal
}
