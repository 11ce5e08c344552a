//! A service: one async function from request to response, for servers and clients alike.
//!
//! There is no readiness to poll; readiness is a permit, which a wrapper takes inside `call`. The wrappers know nothing of
//! any protocol: each gives `Result<Response, E>` with an error of its own ([`Elapsed`], [`Overloaded`], [`Limited`]),
//! and the server that knows the protocol maps it to its answer, for example with [`MapErr`] at the outside: 503 or 504 for
//! HTTP, a status for RPC. Wrappers nest by value, and a call through them allocates nothing.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::bucket::{Buckets, Rate};

/// One async function from request to response.
pub trait Service<Req>: Send + Sync {
    /// The response; a `Result` where the service can fail.
    type Res;

    /// Answers one request. Dropping the future cancels the work.
    fn call(&self, req: Req) -> impl Future<Output = Self::Res> + Send;
}

impl<S: Service<Req>, Req> Service<Req> for Arc<S> {
    type Res = S::Res;

    fn call(&self, req: Req) -> impl Future<Output = Self::Res> + Send {
        (**self).call(req)
    }
}

/// A service made of a function; see [`service_fn`].
#[derive(Clone, Copy)]
pub struct ServiceFn<F>(F);

impl<F> fmt::Debug for ServiceFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceFn")
    }
}

/// Makes a service of an async function.
pub fn service_fn<F, Req, Fut>(function: F) -> ServiceFn<F>
where
    F: Fn(Req) -> Fut + Send + Sync,
    Fut: Future + Send,
{
    ServiceFn(function)
}

impl<F, Req, Fut> Service<Req> for ServiceFn<F>
where
    F: Fn(Req) -> Fut + Send + Sync,
    Fut: Future + Send,
{
    type Res = Fut::Output;

    fn call(&self, req: Req) -> impl Future<Output = Self::Res> + Send {
        (self.0)(req)
    }
}

/// What puts something around a service: a wrapper that has not been told yet what it goes around. A function from service to service is one,
/// and so is a pair: the first goes around the second.
pub trait Layer<S> {
    /// The service with this around it.
    type Service;

    /// Goes around `inner`.
    fn layer(&self, inner: S) -> Self::Service;
}

impl<F, S, T> Layer<S> for F
where
    F: Fn(S) -> T,
{
    type Service = T;

    fn layer(&self, inner: S) -> T {
        self(inner)
    }
}

impl<Outer, Inner, S> Layer<S> for (Outer, Inner)
where
    Inner: Layer<S>,
    Outer: Layer<Inner::Service>,
{
    type Service = Outer::Service;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.layer(self.1.layer(inner))
    }
}

/// Gives up on a call after a time.
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    after: Duration,
}

/// The call took longer than allowed, and was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer within {0:?}")]
pub struct Elapsed(pub Duration);

impl<S> Timeout<S> {
    /// Cancels calls of `inner` that take longer than `after`.
    pub fn new(inner: S, after: Duration) -> Self {
        Self { inner, after }
    }
}

impl<S: Service<Req>, Req: Send> Service<Req> for Timeout<S> {
    type Res = Result<S::Res, Elapsed>;

    async fn call(&self, req: Req) -> Self::Res {
        let answer = tokio::time::timeout(self.after, self.inner.call(req)).await;
        answer.map_err(|_| Elapsed(self.after))
    }
}

/// Lets so many calls run at once and so many more wait; refuses the rest.
#[derive(Debug)]
pub struct Limit<S> {
    inner: S,
    permits: Arc<Semaphore>,
    queue: usize,
    waiting: AtomicUsize,
}

/// Too many calls run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overloaded {
    /// Too many wait, too.
    #[error("too many calls at once")]
    Full,
    /// The call has waited for its turn too long.
    #[error("too many calls at once for too long")]
    Waited,
}

impl<S> Limit<S> {
    /// At most `concurrent` calls of `inner` at once (at least one), and `queue` that wait for their turn, in order. With a
    /// queue of zero a call is refused as soon as all are busy.
    pub fn new(inner: S, concurrent: usize, queue: usize) -> Self {
        let permits = Arc::new(Semaphore::new(concurrent.clamp(1, Semaphore::MAX_PERMITS)));
        Self { inner, permits, queue, waiting: AtomicUsize::new(0) }
    }

    /// Calls that wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Room for one call that is made elsewhere, once there is some; `wait` is how long it may stand in the queue.
    ///
    /// # Errors
    /// The queue is full, or `wait` is over.
    pub async fn admit(&self, wait: Option<Duration>) -> Result<Permit, Overloaded> {
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => return Ok(Permit(permit)),
            Err(TryAcquireError::Closed) => return Err(Overloaded::Full),
            Err(TryAcquireError::NoPermits) => {}
        }
        // The place in the queue is given back on every way out, the dropped future included.
        let _place = Place::take(&self.waiting, self.queue).ok_or(Overloaded::Full)?;
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = match wait {
            None => permit.await,
            Some(wait) => tokio::time::timeout(wait, permit).await.map_err(|_| Overloaded::Waited)?,
        };
        permit.map(Permit).map_err(|_| Overloaded::Full)
    }
}

/// Room for one call, until it is dropped.
#[derive(Debug)]
#[must_use = "the room is given back when this is dropped"]
pub struct Permit(#[expect(dead_code, reason = "it is held")] OwnedSemaphorePermit);

/// A place in a bounded queue.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S: Service<Req>, Req: Send> Service<Req> for Limit<S> {
    type Res = Result<S::Res, Overloaded>;

    async fn call(&self, req: Req) -> Self::Res {
        let _permit = self.admit(None).await?;
        Ok(self.inner.call(req).await)
    }
}

/// Lets each key call at a rate, by token bucket.
pub struct RateLimit<S, K, F> {
    inner: S,
    key: F,
    buckets: Mutex<Buckets<K>>,
}

/// The key has used its tokens up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many calls: try again in {retry_after:?}")]
pub struct Limited {
    /// How long until the next call is allowed.
    pub retry_after: Duration,
}

impl<S, K: Eq + Hash + Clone, F> RateLimit<S, K, F> {
    /// Limits calls of `inner` at `rate` for each key that `key` finds in a request, remembering at most `max_keys` keys.
    /// Requests without a key pass.
    pub fn new(inner: S, rate: Rate, max_keys: usize, key: F) -> Self {
        Self { inner, key, buckets: Mutex::new(Buckets::new(rate, max_keys)) }
    }
}

impl<S: fmt::Debug, K, F> fmt::Debug for RateLimit<S, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, K, F, Req> Service<Req> for RateLimit<S, K, F>
where
    S: Service<Req>,
    K: Eq + Hash + Clone + Send,
    F: Fn(&Req) -> Option<K> + Send + Sync,
    Req: Send,
{
    type Res = Result<S::Res, Limited>;

    async fn call(&self, req: Req) -> Self::Res {
        if let Some(key) = (self.key)(&req) {
            // tokio's clock, so that tests can move it.
            let now: Instant = tokio::time::Instant::now().into_std();
            // A bucket holds numbers only, which are right or wrong but never half written.
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = buckets.take(key, now);
            drop(buckets);
            taken.map_err(|retry_after| Limited { retry_after })?;
        }
        Ok(self.inner.call(req).await)
    }
}

/// Turns a wrapper's error into an answer: `Result<Res, E>` becomes `Res`.
#[derive(Clone, Copy)]
pub struct MapErr<S, F> {
    inner: S,
    answer: F,
}

impl<S, F> MapErr<S, F> {
    /// Answers with `answer(error)` where `inner` fails.
    pub fn new(inner: S, answer: F) -> Self {
        Self { inner, answer }
    }
}

impl<S: fmt::Debug, F> fmt::Debug for MapErr<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapErr").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, F, Req, Res, E> Service<Req> for MapErr<S, F>
where
    S: Service<Req, Res = Result<Res, E>>,
    F: Fn(E) -> Res + Send + Sync,
    Req: Send,
{
    type Res = Res;

    async fn call(&self, req: Req) -> Res {
        let answer = self.inner.call(req).await;
        answer.unwrap_or_else(&self.answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use futures_util::poll;
    use tokio::sync::Notify;

    use super::*;

    /// Answers when told to.
    fn gated(gate: &Arc<Notify>) -> impl Service<u32, Res = u32> + use<> {
        let gate = Arc::clone(gate);
        service_fn(move |req: u32| {
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                req
            }
        })
    }

    #[tokio::test]
    async fn a_function_is_a_service_and_so_is_an_arc_of_one() {
        let double = Arc::new(service_fn(|req: u32| async move { req * 2 }));
        assert_eq!(double.call(4).await, 8);
        assert_eq!(Arc::clone(&double).call(5).await, 10);
    }

    #[tokio::test]
    async fn layers_go_around_in_the_order_in_which_they_stand() {
        /// Adds its digit behind.
        struct Digit(u32);
        struct Digits<S>(u32, S);
        impl<S> Layer<S> for Digit {
            type Service = Digits<S>;
            fn layer(&self, inner: S) -> Digits<S> {
                Digits(self.0, inner)
            }
        }
        impl<S: Service<u32, Res = u32>> Service<u32> for Digits<S> {
            type Res = u32;
            async fn call(&self, req: u32) -> u32 {
                self.1.call(req * 10 + self.0).await * 10 + self.0
            }
        }
        let echo = service_fn(|req: u32| async move { req });
        let double = |inner| Digits(2, inner);
        assert_eq!((Digit(1), (double, Digit(3))).layer(echo).call(0).await, 123_321);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_cancels_the_call() {
        struct Tell(Arc<AtomicBool>);
        impl Drop for Tell {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let dropped = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&dropped);
        let sleepy = service_fn(move |time: Duration| {
            let guard = Tell(Arc::clone(&tell));
            async move {
                tokio::time::sleep(time).await;
                std::mem::forget(guard);
                time
            }
        });
        let allowed = Duration::from_secs(5);
        let service = Timeout::new(sleepy, allowed);
        let quick = Duration::from_secs(4);
        assert_eq!(service.call(quick).await, Ok(quick));
        assert!(!dropped.load(Ordering::Relaxed));
        assert_eq!(service.call(Duration::from_secs(6)).await, Err(Elapsed(allowed)));
        assert!(dropped.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_limit_runs_some_queues_some_and_refuses_the_rest() {
        let gate = Arc::new(Notify::new());
        let service = Limit::new(gated(&gate), 1, 1);
        let mut first = Box::pin(service.call(1));
        let mut second = Box::pin(service.call(2));
        assert!(poll!(&mut first).is_pending());
        assert!(poll!(&mut second).is_pending());
        assert_eq!(service.call(3).await, Err(Overloaded::Full));
        assert_eq!(service.waiting(), 1, "a refused call leaves no trace");
        gate.notify_one();
        assert_eq!(first.await, Ok(1));
        assert!(poll!(&mut second).is_pending());
        assert_eq!(service.waiting(), 0);
        gate.notify_one();
        assert_eq!(second.await, Ok(2));
    }

    #[tokio::test]
    async fn a_call_dropped_in_the_queue_or_at_work_gives_its_place_back() {
        let gate = Arc::new(Notify::new());
        let service = Limit::new(gated(&gate), 1, 1);
        let mut running = Box::pin(service.call(1));
        let mut queued = Box::pin(service.call(2));
        assert!(poll!(&mut running).is_pending() && poll!(&mut queued).is_pending());
        drop(queued);
        assert_eq!(service.waiting(), 0);
        drop(running);
        gate.notify_one();
        assert_eq!(service.call(3).await, Ok(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_in_the_queue_is_held_for_a_while_only() {
        let service = Limit::new(service_fn(async |req: u32| req), 1, 1);
        let held = service.admit(None).await.unwrap();
        let begun = tokio::time::Instant::now();
        let wait = Duration::from_secs(3);
        assert_eq!(service.admit(Some(wait)).await.err(), Some(Overloaded::Waited));
        assert_eq!((begun.elapsed(), service.waiting()), (wait, 0));
        let mut queued = Box::pin(service.admit(Some(wait)));
        assert!(poll!(&mut queued).is_pending());
        drop(held);
        assert!(queued.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_limit_counts_by_key_and_says_when_to_come_back() {
        let echo = service_fn(|req: (&'static str, u32)| async move { req.1 });
        let by_name = |req: &(&'static str, u32)| Some(req.0).filter(|name| !name.is_empty());
        let service = RateLimit::new(echo, Rate::new(0.5, 2).unwrap(), 100, by_name);
        assert_eq!(service.call(("a", 1)).await, Ok(1));
        assert_eq!(service.call(("a", 2)).await, Ok(2));
        let limited = service.call(("a", 3)).await.unwrap_err();
        assert_eq!(limited, Limited { retry_after: Duration::from_secs(2) });
        assert_eq!(service.call(("b", 4)).await, Ok(4));
        for i in 0..10 {
            assert_eq!(service.call(("", i)).await, Ok(i), "without a key");
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(service.call(("a", 5)).await, Ok(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stack_maps_each_error_to_its_answer() {
        let sleepy = service_fn(|millis: u64| async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            200
        });
        let timed = MapErr::new(Timeout::new(sleepy, Duration::from_secs(1)), |_: Elapsed| 504);
        let stack = MapErr::new(Limit::new(timed, 1, 0), |_: Overloaded| 503);
        assert_eq!(stack.call(0).await, 200);
        assert_eq!(stack.call(2_000).await, 504);
        let mut busy = Box::pin(stack.call(500));
        assert!(poll!(&mut busy).is_pending());
        assert_eq!(stack.call(0).await, 503);
        assert_eq!(busy.await, 200);
    }
}
