//! How long a handler may take until it has a reply. The reply's body is not part of it: connections have deadlines of
//! their own for that.

use std::future::Future;
use std::time::Duration;

use http::{Extensions, StatusCode};
use tokio::time::Instant;

use super::refusal::RefusalReason;
use super::{Run, later};
use crate::net::service::{Service, Timeout as Deadline};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// The time by default; nginx waits 60 s for an upstream, Caddy for ever.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// When to come again, in seconds: `Retry-After` of the 503.
pub const RETRY_AFTER_SECONDS: u64 = 5;

/// When the part in front gives up on a request: an extension of the request, for handlers that would rather give up themselves and say why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivesUp(pub Instant);

impl GivesUp {
    /// Notes that somebody gives up after this time. Who gives up first counts.
    pub fn within(time: Duration, extensions: &mut Extensions) {
        let before = extensions.get::<Self>().map(|Self(at)| *at);
        // A time that no clock can show is none.
        if let Some(at) = Instant::now().checked_add(time).into_iter().chain(before).min() {
            extensions.insert(Self(at));
        }
    }
}

/// The part that gives up on handlers: 503 with `Retry-After`, or 504. The handler's future is dropped.
#[derive(Clone, Debug)]
pub struct Timeout {
    after: Duration,
    deadline: Deadline<Run>,
    gateway: bool,
}

impl Timeout {
    /// Waits `after` for a reply.
    #[must_use]
    pub fn new(after: Duration) -> Self {
        Self { after, deadline: Deadline::new(Run, after), gateway: false }
    }

    /// The same for a handler that asks other servers: 504 (RFC 9110 section 15.6.5).
    #[must_use]
    pub fn gateway(mut self) -> Self {
        self.gateway = true;
        self
    }

    /// Tells the handler until when it has time.
    pub(super) fn before(&self, request: &mut Request) {
        GivesUp::within(self.after, &mut request.extensions);
    }

    /// Runs the rest of the way.
    pub(super) async fn run(&self, rest: impl Future<Output = Response> + Send) -> Response {
        let elapsed = match self.deadline.call(rest).await {
            Ok(response) => return response,
            Err(elapsed) => elapsed,
        };
        let answer = if self.gateway {
            tracing::debug!(%elapsed, "a request was given up");
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "the reply took too long to come").into_response()
        } else {
            tracing::warn!(%elapsed, "a handler was given up");
            let detail = "the reply took too long to make";
            later(StatusCode::SERVICE_UNAVAILABLE, detail, RETRY_AFTER_SECONDS)
        };
        answer.refused(RefusalReason::Timeout)
    }
}

impl Default for Timeout {
    fn default() -> Self {
        Self::new(TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{field, get, run};
    use super::*;
    use crate::server::http::middleware::Stack;

    #[tokio::test(start_paused = true)]
    async fn a_slow_handler_is_given_up_and_a_quick_one_is_not() {
        async fn slow(request: Request) -> &'static str {
            let seconds: u64 = request.path()[1..].parse().unwrap();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            "done"
        }
        for (path, status) in [("/9", 200), ("/11", 503)] {
            let stack = Stack { timeout: Some(Timeout::new(Duration::from_secs(10))), ..Stack::default() };
            let response = run(stack, slow, get(path, &[])).await;
            assert_eq!(response.code(), status, "{path}");
            assert_eq!(field(&response, "retry-after").is_some(), status == 503);
        }
        let gateway = Timeout::new(Duration::from_secs(10)).gateway();
        let stack = Stack { timeout: Some(gateway), ..Stack::default() };
        assert_eq!(run(stack, slow, get("/11", &[])).await.code(), 504);
    }
}
