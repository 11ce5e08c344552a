//! What the calls that a handler makes take over from the call that it answers: when it is over, and where it stands in a trace.
//!
//! It is known while the handler is polled, and by nobody else: neither by another handler of the connection, nor by a task that the handler has spawned, which may outlive
//! the call. So a handler cannot forget to pass on how little time is left.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Waking, Poll};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::context::Context;
use crate::proto::rpc::frame::Trace;

thread_local! {
    /// What is inherited from the call whose handler runs on this thread at present.
    static ANSWERED: RefCell<Option<Inherited>> = const { RefCell::new(None) };
}

/// What a call leaves to those that are made to answer it.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    /// When it is over.
    pub(super) deadline: Instant,
    trace: Option<Box<Trace>>,
}

impl Inherited {
    pub(super) fn of(context: &Context) -> Self {
        Self { deadline: context.deadline, trace: context.trace.clone() }
    }

    /// That of the call which is answered at present.
    pub(super) fn current() -> Option<Self> {
        ANSWERED.with_borrow(Clone::clone)
    }

    /// The place of a call within this one: in the same trace, as a span of its own.
    pub(super) fn trace(&self) -> Option<Box<Trace>> {
        self.trace.as_ref().map(|trace| {
            // No span has the number zero (W3C Trace Context section 3.2.2.4).
            let span = fastrand::u64(1..).to_be_bytes();
            Box::new(Trace { trace: trace.trace, span })
        })
    }
}

/// A future within which calls inherit something.
pub(super) struct Inheriting<T> {
    inherited: Option<Inherited>,
    future: BoxFuture<'static, T>,
}

impl<T> Inheriting<T> {
    /// What `begin` makes. It may make calls before it awaits anything, too.
    pub(super) fn begun(inherited: Inherited, begin: impl FnOnce() -> BoxFuture<'static, T>) -> Self {
        let mut inherited = Some(inherited);
        let future = {
            let _entered = Entered::new(&mut inherited);
            begin()
        };
        Self { inherited, future }
    }

    /// One that makes no calls.
    pub(super) fn alone(future: BoxFuture<'static, T>) -> Self {
        Self { inherited: None, future }
    }
}

impl<T> Future for Inheriting<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Waking<'_>) -> Poll<T> {
        let Self { inherited, future } = self.get_mut();
        let _entered = Entered::new(inherited);
        future.as_mut().poll(cx)
    }
}

/// As long as it lives, it is inherited from `.0`, and what was before is kept there. A handler that panics drops it, too.
struct Entered<'a>(&'a mut Option<Inherited>);

impl<'a> Entered<'a> {
    fn new(inherited: &'a mut Option<Inherited>) -> Self {
        ANSWERED.with_borrow_mut(|current| std::mem::swap(current, inherited));
        Self(inherited)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        ANSWERED.with_borrow_mut(|current| std::mem::swap(current, self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Waker;
    use std::time::Duration;

    use super::*;

    fn inherited(second: u64) -> Inherited {
        // Any time will do: they are only compared.
        let deadline = *START + Duration::from_secs(second);
        Inherited { deadline, trace: Some(Box::new(Trace { trace: [7; 16], span: [1; 8] })) }
    }

    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);

    fn current() -> Option<u64> {
        Inherited::current().map(|current| current.deadline.duration_since(*START).as_secs())
    }

    #[test]
    fn it_is_known_while_the_future_runs_and_no_longer() {
        let mut cx = Waking::from_waker(Waker::noop());
        let inner = || Box::pin(async { current() }) as BoxFuture<'static, Option<u64>>;
        let mut outer = Inheriting::begun(inherited(1), || {
            assert_eq!(current(), Some(1));
            Box::pin(async move {
                let before = current();
                let within = Inheriting::begun(inherited(2), inner).await;
                let alone = Inheriting::alone(inner()).await;
                tokio::task::yield_now().await;
                (before, within, alone, current())
            })
        });
        assert_eq!(current(), None);
        assert!(Pin::new(&mut outer).poll(&mut cx).is_pending());
        assert_eq!(current(), None, "while it waits, others run");
        let expected = (Some(1), Some(2), None, Some(1));
        assert_eq!(Pin::new(&mut outer).poll(&mut cx), Poll::Ready(expected));
        assert_eq!(current(), None);
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let mut cx = Waking::from_waker(Waker::noop());
        let mut future: Inheriting<()> =
            Inheriting::begun(inherited(1), || Box::pin(async { panic!("as it was told") }));
        assert!(catch_unwind(AssertUnwindSafe(|| Pin::new(&mut future).poll(&mut cx))).is_err());
        assert_eq!(current(), None);
    }

    #[test]
    fn a_span_of_its_own_in_the_same_trace() {
        let [one, two] = [(), ()].map(|()| inherited(1).trace().unwrap());
        assert!(one.trace == [7; 16] && one.span != [1; 8] && one.span != two.span);
    }
}
