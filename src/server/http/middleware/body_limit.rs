//! How long a request's body may be for these handlers: less than the connection lets through.

use std::ops::ControlFlow;

use http::StatusCode;

use crate::server::http::problem::Problem;
use crate::server::http::request::{GATHER_LIMIT, Request};
use crate::server::http::response::{IntoResponse, Response};

/// The part that limits bodies. One that is announced to be longer is 413 at once, before a client that waits for
/// `100 Continue` has sent any of it; one that turns out to be longer fails when it is read, which a handler that passes
/// the error on answers with 413 too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// Bytes of a body.
    pub bytes: u64,
    /// Bytes of a body that a handler gathers in memory; at most `bytes` count.
    pub gather: u64,
}

impl BodyLimit {
    /// Bodies of `bytes` at most, with the gather limit by default.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self { bytes, gather: GATHER_LIMIT }
    }

    /// Limits the body.
    pub(super) fn before(self, request: &mut Request) -> ControlFlow<Response> {
        if request.body.len().is_some_and(|length| length > self.bytes) {
            let detail = format!("the body must not be longer than {} bytes", self.bytes);
            return ControlFlow::Break(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response());
        }
        request.body = std::mem::take(&mut request.body).limited(self.bytes);
        request.gather_limit = self.gather.min(self.bytes);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;

    use super::super::test_support::{get, run};
    use super::*;
    use crate::server::http::body::{Body, BoxError};
    use crate::server::http::middleware::Stack;

    async fn gather(mut request: Request) -> Result<Bytes, Problem> {
        request.bytes().await
    }

    async fn read(mut request: Request) -> Result<&'static str, Problem> {
        while let Some(data) = request.body_mut().data().await {
            data?;
        }
        Ok("read")
    }

    async fn ignore(_: Request) -> &'static str {
        "ignored"
    }

    fn known(length: usize) -> Body {
        Body::from(vec![b'x'; length])
    }

    fn unknown(length: usize) -> Body {
        let chunks: Vec<Result<Bytes, BoxError>> =
            (0..length).map(|_| Ok(Bytes::from_static(b"x"))).collect();
        Body::stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn too_long_a_body_is_413_announced_or_not() {
        let limit = BodyLimit { bytes: 8, gather: 4 };
        let status = async |handler: u8, body: Body| {
            let stack = Stack { body_limit: Some(limit), ..Stack::default() };
            let mut request = get("/", &[]);
            request.body = body;
            let response = match handler {
                b'g' => run(stack, gather, request).await,
                b'r' => run(stack, read, request).await,
                _ => run(stack, ignore, request).await,
            };
            response.code().as_u16()
        };
        assert_eq!(status(b'i', known(8)).await, 200);
        assert_eq!(status(b'i', known(9)).await, 413, "at once");
        assert_eq!(status(b'i', unknown(9)).await, 200, "nobody read it");
        assert_eq!(status(b'r', unknown(8)).await, 200);
        assert_eq!(status(b'r', unknown(9)).await, 413);
        assert_eq!(status(b'g', unknown(4)).await, 200);
        assert_eq!(status(b'g', unknown(5)).await, 413, "the lower limit of gathering");
    }
}
