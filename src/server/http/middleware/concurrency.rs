//! How many requests are worked on at once. The rest wait for their turn in a bounded queue, or are turned away.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::refusal::RefusalReason;
use super::{Run, later};
use crate::net::service::{Limit, Overloaded};
use crate::server::http::response::Response;

/// When to come again, in seconds: `Retry-After` of the 503.
pub const RETRY_AFTER_SECONDS: u64 = 1;

/// The part that limits requests at once: over it 503 with `Retry-After`. A request counts until its handler has a reply,
/// whose body may take longer, unless it is to count [until that has left](Self::until_sent). Clones count together.
#[derive(Clone, Debug)]
pub struct Concurrency {
    limit: Arc<Limit<Run>>,
    /// Requests at once, and those that wait.
    most: (usize, usize),
    wait: Option<Duration>,
    until_sent: bool,
}

impl Concurrency {
    /// At most `at_once` requests (at least one), and `queue` that wait, in order.
    #[must_use]
    pub fn new(at_once: usize, queue: usize) -> Self {
        let limit = Arc::new(Limit::new(Run, at_once, queue));
        Self { limit, most: (at_once, queue), wait: None, until_sent: false }
    }

    /// The same with a queue in which a request stands for so long at most; without, as long as its client waits.
    #[must_use]
    pub fn queue_timeout(mut self, wait: Duration) -> Self {
        self.wait = Some(wait);
        self
    }

    /// The same, where a request counts until its reply has left: for handlers whose work goes on while the body is sent. A request that
    /// becomes another protocol counts until then.
    #[must_use]
    pub fn until_sent(mut self) -> Self {
        self.until_sent = true;
        self
    }

    /// Counts on from where `before` is, together with it, if both let in as many.
    pub fn count_on(&mut self, before: &Self) {
        if self.most == before.most {
            self.limit = Arc::clone(&before.limit);
        }
    }

    /// Requests that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.limit.waiting()
    }

    /// Runs the rest of the way when there is room.
    pub(super) async fn run(&self, rest: impl Future<Output = Response> + Send) -> Response {
        let permit = match self.limit.admit(self.wait).await {
            Ok(permit) => permit,
            Err(overloaded) => {
                let detail = "there are too many requests at once";
                let answer = later(StatusCode::SERVICE_UNAVAILABLE, detail, RETRY_AFTER_SECONDS);
                return answer.refused(match overloaded {
                    Overloaded::Full => RefusalReason::QueueFull,
                    Overloaded::Waited => RefusalReason::QueueTimeout,
                });
            }
        };
        let mut response = rest.await;
        // What is in memory is no work any more.
        if self.until_sent && response.body().as_bytes().is_none() {
            response.on_sent(move |_| drop(permit));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::sync::Notify;

    use super::super::test_support::{field, get};
    use super::*;
    use crate::server::http::body::{Body, BoxError};
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
        assert_eq!((refused.code().as_u16(), refused.refusal()), (503, Some(RefusalReason::QueueFull)));
        assert_eq!(field(&refused, "retry-after"), Some("1"));
        gate.notify_one();
        assert_eq!(working.await.code(), 200);
        assert!(poll!(&mut waiting).is_pending());
        gate.notify_one();
        assert_eq!(waiting.await.code(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_counts_until_its_reply_has_left_and_waits_for_its_turn_only_so_long() {
        let stream = || Body::stream(futures_util::stream::empty::<Result<bytes::Bytes, BoxError>>());
        let handler = move |request: Request| async move {
            if request.path() == "/whole" { Response::text("x") } else { Response::new(stream()) }
        };
        let limit = Concurrency::new(1, 1).queue_timeout(Duration::from_secs(2)).until_sent();
        let shared = Stack { concurrency: Some(limit), ..Stack::default() }.around(Arc::new(handler));
        for _ in 0..2 {
            assert_eq!(shared.handle(get("/whole", &[])).await.code(), 200, "nothing is left to do");
        }
        let sending = shared.handle(get("/stream", &[])).await;
        let begun = tokio::time::Instant::now();
        let refused = shared.handle(get("/whole", &[])).await;
        assert_eq!((refused.code().as_u16(), refused.refusal()), (503, Some(RefusalReason::QueueTimeout)));
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        drop(sending);
        assert_eq!(shared.handle(get("/whole", &[])).await.code(), 200);
    }
}
