//! One call of a channel: its attempts, one after the other or side by side, until one is answered.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::Either;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep, sleep_until};

use super::endpoint::{Endpoint, now};
use super::{Channel, Shared};
use crate::net::resilience::breaker::{self, Verdict};
use crate::net::resilience::ewma::Outstanding;
use crate::net::resilience::hedge::{Hedge, Step};
use crate::net::resilience::pick::Endpoint as _;
use crate::net::resilience::retry::{self, Decision, Pushback, Repeat, Retrying};
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::metadata::Metadata;
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::{Advice, Code, Status};
use crate::server::rpc::caller::{Caller, Failure, Pending, Reach};
use crate::server::rpc::settings::LONGEST;

/// A call whose request is one message.
#[derive(Clone, Debug)]
pub(in super::super) struct Request {
    pub(in super::super) call: Call,
    pub(in super::super) message: Message,
    /// Whether doing it twice is as good as once.
    pub(in super::super) idempotent: bool,
    /// When it was made.
    pub(in super::super) begun: Instant,
    /// When it has to be over, all attempts together.
    pub(in super::super) deadline: Instant,
}

/// One attempt among those of a call.
#[derive(Clone, Copy)]
struct AttemptContext<'a> {
    /// How often the call was tried before, for the server.
    previous: u32,
    /// The endpoints that have failed it.
    tried: &'a [u64],
    /// Now.
    time: std::time::Instant,
    /// The attempts that were made, this one not yet.
    made: &'a AtomicU32,
}

/// What an attempt at a unary call has brought.
type Answered = Result<(Message, Metadata), Failure>;

impl Channel {
    /// Makes a call whose request and answer are one message each.
    pub(in super::super) async fn call(&self, request: &Request) -> Answered {
        let key = (request.call.service, request.call.method);
        match self.0.hedge(key).filter(|_| request.idempotent) {
            Some(hedge) => Box::pin(self.hedged(request, &hedge)).await,
            None => self.retried(request, async |pending| pending.answer().await).await,
        }
    }

    /// Makes a call of which `begin` waits for the first sign of success; until then it is tried again as the policy says.
    pub(in super::super) async fn retried<T>(
        &self,
        request: &Request,
        begin: impl AsyncFn(Pending) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let time = request.begun.into_std();
        self.0.budget.deposit(time);
        let made = AtomicU32::new(0);
        let context = AttemptContext { previous: 0, tried: &[], time, made: &made };
        let (outcome, endpoint) = self.attempt(request, context, &begin).await;
        match outcome {
            Ok(begun) => {
                self.0.budget.succeeded();
                Ok(begun)
            }
            // Few calls come here: the others need not carry what it takes.
            Err(failure) => Box::pin(self.retry(request, failure, endpoint, &made, begin)).await,
        }
    }

    /// Makes a call again whose first attempt has failed, as the policy says.
    async fn retry<T>(
        &self,
        request: &Request,
        mut failure: Failure,
        mut endpoint: Option<u64>,
        made: &AtomicU32,
        begin: impl AsyncFn(Pending) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let shared = &self.0;
        let mut retrying = Retrying::begun(shared.policies.retry, request.about(), &shared.budget);
        let mut tried = Vec::new();
        loop {
            failure.attempts = made.load(Ordering::Relaxed);
            tried.extend(endpoint);
            match retrying.after(now(), class(&failure)) {
                Decision::Retry { wait, .. } => sleep(wait).await,
                Decision::GiveUp(_) => return Err(failure),
            }
            let context =
                AttemptContext { previous: retrying.previous_attempts(), tried: &tried, time: now(), made };
            let (outcome, asked) = self.attempt(request, context, &begin).await;
            match outcome {
                Ok(begun) => {
                    retrying.succeeded();
                    return Ok(begun);
                }
                Err(next) => (failure, endpoint) = (next, asked),
            }
        }
    }

    /// Makes a call, and another copy of it when the first takes too long.
    async fn hedged(&self, request: &Request, hedge: &Hedge) -> Answered {
        let shared = &self.0;
        let (begun, made) = (request.begun, AtomicU32::new(0));
        let mut hedging = hedge.begin(request.about(), &shared.budget, begun.into_std());
        let (mut tried, mut last) = (Vec::new(), None);
        let mut copies = FuturesUnordered::new();
        let made = &made;
        let copy = |previous: u32, tried: Vec<u64>| async move {
            let begin = async |pending: Pending| pending.answer().await;
            self.attempt(request, AttemptContext { previous, tried: &tried, time: now(), made }, &begin).await
        };
        copies.push(copy(0, Vec::new()));
        loop {
            let due = pin!(match hedging.next() {
                Some(at) => Either::Left(sleep_until(at.into())),
                None => Either::Right(std::future::pending::<()>()),
            });
            tokio::select! {
                Some((outcome, endpoint)) = copies.next() => {
                    let failure = match outcome {
                        Ok(answer) => {
                            hedge.record(now(), begun.elapsed());
                            hedging.succeeded();
                            return Ok(answer);
                        }
                        Err(failure) => Failure { attempts: made.load(Ordering::Relaxed), ..failure },
                    };
                    tried.extend(endpoint);
                    match hedging.after(now(), class(&failure)) {
                        Step::Send => {
                            copies.push(copy(hedging.previous_attempts(), tried.clone()));
                        }
                        Step::Wait => last = Some(failure),
                        Step::GiveUp(_) => return Err(failure),
                    }
                }
                () = due => if hedging.due(now()) {
                    copies.push(copy(hedging.previous_attempts(), tried.clone()));
                } else if copies.is_empty() && let Some(failure) = last.take() {
                    return Err(failure); // there will be no other copy
                },
            }
        }
    }

    /// One attempt, which is counted when there is a connection for it; and the endpoint that was asked, if there was one.
    async fn attempt<T>(
        &self,
        request: &Request,
        context: AttemptContext<'_>,
        begin: &impl AsyncFn(Pending) -> Result<T, Failure>,
    ) -> (Result<T, Failure>, Option<u64>) {
        let sent = match self.send_now(request, context) {
            Some(sent) => sent,
            None => match Box::pin(self.send(request, context)).await {
                Ok(sent) => sent,
                Err(failure) => return (Err(failure), None),
            },
        };
        let (pending, active) = sent;
        let (outcome, key) = (begin(pending).await, active.endpoint.key());
        active.report(outcome.as_ref().map_or_else(verdict, |_| Verdict::Success), now());
        (outcome, Some(key))
    }

    /// Sends a request, when an endpoint is ready.
    async fn send(&self, request: &Request, mut context: AttemptContext<'_>) -> Result<Sent<'_>, Failure> {
        loop {
            let (endpoint, caller) = self.ready(context.tried, request.deadline, context.time).await?;
            // Between the choice and this, another call may have taken the last place of a breaker that is half open.
            if let Some(sent) = self.send_to(endpoint, &caller, request, context) {
                return Ok(sent);
            }
            context.time = now();
        }
    }

    /// Sends a request, if an endpoint is ready.
    fn send_now(&self, request: &Request, context: AttemptContext<'_>) -> Option<Sent<'_>> {
        let (endpoint, caller) = self.ready_now(context.tried, context.time)?;
        self.send_to(endpoint, &caller, request, context)
    }

    /// Sends a request, if the endpoint's breaker has a place for it.
    fn send_to(
        &self,
        endpoint: Arc<Endpoint>,
        caller: &Caller,
        request: &Request,
        context: AttemptContext<'_>,
    ) -> Option<Sent<'_>> {
        let AttemptContext { previous, time, made, .. } = context;
        let active = ActiveAttempt::begin(endpoint, &self.0, time)?;
        made.fetch_add(1, Ordering::Relaxed);
        let call = Call { attempt: u8::try_from(previous).unwrap_or(u8::MAX), ..request.call.clone() };
        let pending = caller.call(call, Some(request.message.clone()), true, Some(request.deadline));
        Some((pending, active))
    }
}

/// A request under way.
type Sent<'a> = (Pending, ActiveAttempt<'a>);

/// An attempt until its outcome is known, for the endpoint's load and its breaker. Dropped without a report, it says nothing of the endpoint.
#[derive(Debug)]
pub(super) struct ActiveAttempt<'a> {
    endpoint: Arc<Endpoint>,
    outstanding: Outstanding,
    permit: BreakerPermit<'a>,
}

impl<'a> ActiveAttempt<'a> {
    /// An attempt that begins now, if the endpoint's breaker has a place for it.
    pub(super) fn begin(
        endpoint: Arc<Endpoint>,
        shared: &'a Shared,
        time: std::time::Instant,
    ) -> Option<Self> {
        let permit = BreakerPermit { permit: endpoint.enter(time).ok()?, shared };
        let outstanding = endpoint.load.begin(time);
        Some(Self { endpoint, outstanding, permit })
    }

    /// Tells what came of it.
    pub(super) fn report(self, verdict: Verdict, time: std::time::Instant) {
        match verdict {
            Verdict::Success => self.outstanding.answered(time),
            Verdict::Failure | Verdict::Overload(_) => self.outstanding.failed(time),
            Verdict::Neither => drop(self.outstanding),
        }
        self.permit.report(&self.endpoint, verdict, time);
    }
}

/// The right to make a call. When a probe ends, however it does, those who wait for what it finds are told.
#[derive(Debug)]
struct BreakerPermit<'a> {
    permit: Option<breaker::Permit>,
    shared: &'a Shared,
}

impl BreakerPermit<'_> {
    fn report(mut self, endpoint: &Endpoint, verdict: Verdict, time: std::time::Instant) {
        let Some(permit) = self.permit.take() else { return };
        let was_probe = permit.is_probe();
        let changed = permit.report(time, verdict);
        match changed {
            Some(breaker::State::Open { .. }) => {
                tracing::warn!(endpoint = %endpoint.place.target, "too many calls fail: it is left alone for a while");
            }
            Some(breaker::State::Closed) => {
                tracing::info!(endpoint = %endpoint.place.target, "it answers again");
            }
            Some(breaker::State::HalfOpen { .. }) | None => {}
        }
        if was_probe || changed.is_some() {
            self.shared.changed.notify_waiters();
        }
    }
}

impl Drop for BreakerPermit<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take().filter(breaker::Permit::is_probe) else { return };
        drop(permit);
        self.shared.changed.notify_waiters();
    }
}

impl Request {
    fn about(&self) -> retry::Call {
        about(self.idempotent, self.deadline)
    }
}

/// What there is to know about a call to try it again.
pub(super) fn about(idempotent: bool, deadline: Instant) -> retry::Call {
    retry::Call { idempotent, deadline: Some(deadline.into_std()), seed: fastrand::u64(..) }
}

impl Shared {
    /// The hedging of a method.
    fn hedge(&self, key: (u32, u16)) -> Option<Hedge> {
        let policy = self.policies.hedge?;
        let mut hedges = self.hedges.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Some(hedges.entry(key).or_insert_with(|| Hedge::new(policy, now())).clone())
    }
}

/// Whether a failed call may be made again.
pub(super) fn class(failure: &Failure) -> retry::Failure {
    let Failure { status: Status { code, advice, .. }, reach, .. } = failure;
    let repeat = match (reach, advice, code) {
        // Waiting for a connection has used up the time, or the request itself is what cannot be sent.
        (_, _, Code::DeadlineExceeded) | (Reach::Never, Advice::Never, _) => Repeat::Never,
        // No such method, other types, an unknown codec: another server of the same kind would say the same, whatever this one advises.
        (_, _, Code::Unimplemented | Code::FailedPrecondition) => Repeat::Never,
        (Reach::Never, ..) | (_, Advice::NotProcessed | Advice::Later(_), _) => Repeat::Safe,
        (_, _, Code::Unavailable) | (_, Advice::Again(_), _) => Repeat::IfIdempotent,
        _ => Repeat::Never,
    };
    let pushback = match *advice {
        Advice::Again(wait) | Advice::Later(wait) => Some(Pushback::Wait(wait)),
        Advice::Never => Some(Pushback::Stop),
        Advice::None | Advice::NotProcessed => None,
    };
    retry::Failure { repeat, pushback }
}

/// What a failed call says of the server.
pub(super) fn verdict(failure: &Failure) -> Verdict {
    match (failure.status.code, failure.status.advice) {
        (Code::ResourceExhausted, Advice::Again(wait) | Advice::Later(wait)) => Verdict::Overload(Some(wait)),
        (Code::ResourceExhausted, _) if failure.reach != Reach::Never => Verdict::Overload(None),
        (Code::Unavailable | Code::DeadlineExceeded | Code::Internal | Code::DataLoss, _) => Verdict::Failure,
        (Code::Cancelled, _) => Verdict::Neither,
        // An answer, if not the one that was hoped for.
        _ => Verdict::Success,
    }
}

/// The deadline of a call that may take so long: a year at most.
pub(in super::super) fn deadline_in(timeout: Duration) -> Instant {
    deadline_after(Instant::now(), timeout)
}

/// The same for one that begins now.
pub(super) fn deadline_after(now: Instant, timeout: Duration) -> Instant {
    now + timeout.min(LONGEST)
}
