//! Retries and circuit breakers around any service; what a response means, a function of the caller says.

use std::fmt;
use std::time::{Duration, Instant};

use super::Service;
use crate::net::resilience::breaker::{Breaker, Refused, Verdict};
use crate::net::resilience::budget::Budget;
use crate::net::resilience::retry::{Call, Decision, Failure, Policy, Retrying};

/// tokio's clock, so that tests can move it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Makes calls again that failed.
pub struct Retry<S, J> {
    inner: S,
    policy: Policy,
    budget: Budget,
    judge: J,
    within: Option<Duration>,
}

impl<S, J> Retry<S, J> {
    /// Repeats calls of `inner` by `policy`, within `budget`, as long as `judge` finds a failure in the response. It sees the request too: one
    /// that must not be done twice is for it to say ([`Repeat::Never`](crate::net::resilience::retry::Repeat::Never)). When no
    /// repetition is left, the last response is the answer.
    pub fn new(inner: S, policy: Policy, budget: Budget, judge: J) -> Self {
        Self { inner, policy, budget, judge, within: None }
    }

    /// Begins no attempt later than this after the first. It does not cut one that runs; [`Timeout`](super::Timeout) does.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self { within: Some(time), ..self }
    }
}

impl<S: fmt::Debug, J> fmt::Debug for Retry<S, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, J, Req> Service<Req> for Retry<S, J>
where
    S: Service<Req>,
    J: Fn(&Req, &S::Res) -> Option<Failure> + Send + Sync,
    Req: Clone + Send,
{
    type Res = S::Res;

    async fn call(&self, req: Req) -> S::Res {
        let begun = now();
        let deadline = self.within.and_then(|within| begun.checked_add(within));
        let call = Call { idempotent: true, deadline, seed: fastrand::u64(..) };
        let mut retrying = Retrying::begin(self.policy, call, &self.budget, begun);
        loop {
            let again = req.clone();
            let wait = {
                let answer = self.inner.call(again).await;
                let Some(failure) = (self.judge)(&req, &answer) else {
                    retrying.succeeded();
                    return answer;
                };
                match retrying.after(now(), failure) {
                    Decision::Retry { wait, .. } => wait,
                    Decision::GiveUp(_) => return answer,
                }
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// Leaves a service alone that fails.
pub struct Guarded<S, J> {
    inner: S,
    breaker: Breaker,
    judge: J,
}

impl<S, J> Guarded<S, J> {
    /// Lets calls of `inner` pass as `breaker` says, which learns what `judge` makes of the responses. A call that is cancelled says
    /// nothing, so that what bounds a call's time belongs inside.
    pub fn new(inner: S, breaker: Breaker, judge: J) -> Self {
        Self { inner, breaker, judge }
    }
}

impl<S: fmt::Debug, J> fmt::Debug for Guarded<S, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, J, Req> Service<Req> for Guarded<S, J>
where
    S: Service<Req>,
    J: Fn(&S::Res) -> Verdict + Send + Sync,
    Req: Send,
{
    type Res = Result<S::Res, Refused>;

    async fn call(&self, req: Req) -> Self::Res {
        let permit = self.breaker.enter(now())?;
        let answer = self.inner.call(req).await;
        permit.report(now(), (self.judge)(&answer));
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::poll;

    use super::*;
    use crate::net::resilience::backoff::{self, Growth, Jitter};
    use crate::net::resilience::retry::Repeat;
    use crate::net::resilience::{breaker, budget};
    use crate::net::service::service_fn;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Waits of 100 and 200 ms.
    fn policy() -> Policy {
        let growth = Growth::Exponential { first: ms(100), jitter: Jitter::None };
        Policy { backoff: backoff::Policy { growth, cap: ms(10_000) }, ..Policy::DEFAULT }
    }

    /// Fails so many times, and then answers with the number of its calls. Each takes 10 ms.
    fn flaky(failures: u32) -> impl Service<&'static str, Res = Result<u32, u32>> {
        let calls = AtomicU32::new(0);
        service_fn(move |_: &'static str| {
            let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
            async move {
                tokio::time::sleep(ms(10)).await;
                if call > failures { Ok(call) } else { Err(call) }
            }
        })
    }

    fn judge(req: &&'static str, answer: &Result<u32, u32>) -> Option<Failure> {
        let repeat = if *req == "read" { Repeat::IfIdempotent } else { Repeat::Never };
        answer.is_err().then(|| Failure::new(repeat))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_repeated_while_it_is_of_use() {
        for (failures, req, within, answer, took) in [
            (0, "read", None, Ok(1), 10),
            (1, "read", None, Ok(2), 10 + 100 + 10),
            (2, "read", None, Ok(3), 10 + 100 + 10 + 200 + 10),
            (3, "read", None, Err(3), 10 + 100 + 10 + 200 + 10),
            (3, "write", None, Err(1), 10),
            (2, "read", Some(320), Err(2), 10 + 100 + 10),
            (2, "read", Some(321), Ok(3), 10 + 100 + 10 + 200 + 10),
        ] {
            let budget = Budget::new(budget::Policy::DEFAULT, now());
            let mut service = Retry::new(flaky(failures), policy(), budget, judge);
            if let Some(within) = within {
                service = service.within(ms(within));
            }
            let begun = now();
            assert_eq!(service.call(req).await, answer, "{failures} of {req}");
            assert_eq!(now() - begun, ms(took), "{failures} of {req}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn repetitions_are_paid_for() {
        let broke = budget::Policy::Share { percent: 0, reserve: 0, window: ms(1_000) };
        let budget = Budget::new(broke, now());
        let service = Retry::new(flaky(2), policy(), budget.clone(), judge);
        assert_eq!(service.call("read").await, Err(1));
        assert_eq!(budget.stats(), budget::Stats { requests: 1, retries: 0, refused: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_fails_is_left_alone() {
        let breaker = Breaker::new(breaker::Policy { consecutive: 2, ..breaker::Policy::DEFAULT }, 1, now());
        let judge = |answer: &Result<u32, u32>| match answer {
            Ok(_) => Verdict::Success,
            Err(_) => Verdict::Failure,
        };
        let service = Guarded::new(flaky(2), breaker.clone(), judge);
        assert_eq!(service.call("a").await, Ok(Err(1)));
        assert_eq!(service.call("a").await, Ok(Err(2)));
        let Err(Refused::Open(wait)) = service.call("a").await else {
            panic!("it is called all the same");
        };
        tokio::time::advance(wait).await;
        // A probe that is cancelled gives its place to the next.
        let mut cancelled = Box::pin(service.call("a"));
        assert!(poll!(&mut cancelled).is_pending());
        assert_eq!(service.call("a").await, Err(Refused::Probing));
        drop(cancelled);
        assert_eq!(service.call("a").await, Ok(Ok(4)));
        assert_eq!(breaker.state(now()), breaker::State::Closed);
    }
}
