//! How many requests are worked on at once. The rest wait for their turn in a bounded queue, or are turned away.

use std::future::Future;

use http::StatusCode;

use super::{Run, later};
use crate::net::service::{Limit, Service};
use crate::server::http::response::Response;

/// When to come again, in seconds: `Retry-After` of the 503.
pub const RETRY_AFTER_SECONDS: u64 = 1;

/// The part that limits requests at once: over it 503 with `Retry-After`. A request counts until its handler has a reply,
/// whose body may take longer.
#[derive(Debug)]
pub struct Concurrency(Limit<Run>);

impl Concurrency {
    /// At most `at_once` requests (at least one), and `queue` that wait, in order.
    #[must_use]
    pub fn new(at_once: usize, queue: usize) -> Self {
        Self(Limit::new(Run, at_once, queue))
    }

    /// Requests that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting()
    }

    /// Runs the rest of the way when there is room.
    pub(super) async fn run(&self, rest: impl Future<Output = Response> + Send) -> Response {
        self.0.call(rest).await.unwrap_or_else(|_| {
            let detail = "there are too many requests at once";
            later(StatusCode::SERVICE_UNAVAILABLE, detail, RETRY_AFTER_SECONDS)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::poll;
    use tokio::sync::Notify;

    use super::super::test_support::{field, get};
    use super::*;
    use crate::server::http::middleware::Stack;
    use crate::server::http::request::Request;

    #[tokio::test]
    async fn one_works_one_waits_one_is_turned_away() {
        let gate = Arc::new(Notify::new());
        let held = Arc::clone(&gate);
        let handler = move |_: Request| {
            let gate = Arc::clone(&held);
            async move { gate.notified().await }
        };
        let stack = Stack { concurrency: Some(Concurrency::new(1, 1)), ..Stack::default() };
        let shared = stack.around(Arc::new(handler));
        let mut working = shared.handle(get("/1", &[]));
        let mut waiting = shared.handle(get("/2", &[]));
        assert!(poll!(&mut working).is_pending() && poll!(&mut waiting).is_pending());
        let refused = shared.handle(get("/3", &[])).await;
        assert_eq!(refused.code(), 503);
        assert_eq!(field(&refused, "retry-after"), Some("1"));
        gate.notify_one();
        assert_eq!(working.await.code(), 200);
        assert!(poll!(&mut waiting).is_pending());
        gate.notify_one();
        assert_eq!(waiting.await.code(), 200);
    }
}
