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
use super::servers::{Avoid, Servers, Shared};
use super::{CallMeter, ClientMetrics, Codes};
use crate::net::resilience::breaker::{self, Verdict};
use crate::net::resilience::ewma::Outstanding;
use crate::net::resilience::hedge::{Hedge, Step};
use crate::net::resilience::pick::Endpoint as _;
use crate::net::resilience::retry::{self, Decision, Pushback, Repeat, Retrying, Why};
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::metadata::Metadata;
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::{Advice, Code, Status};
use crate::server::rpc::caller::{Caller, Failure, Pending, Reach};
use crate::server::rpc::method::Description;
use crate::server::rpc::settings::LONGEST;

/// A call whose request is one message.
#[derive(Clone, Debug)]
pub(in super::super) struct Request {
    pub(in super::super) call: Call,
    pub(in super::super) message: Message,
    /// What is called, if that is known when the program is compiled.
    pub(in super::super) method: Option<&'static Description>,
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
    avoid: Avoid<'a>,
    /// Now.
    time: std::time::Instant,
    /// The attempts that were made, this one not yet.
    made: &'a AtomicU32,
}

/// What an attempt at a unary call has brought.
pub(super) type Answered = Result<(Message, Metadata), Failure>;

impl Servers {
    /// What counts a call, if calls are counted.
    pub(super) fn meter(
        &self,
        method: Option<&'static Description>,
        begun: impl FnOnce() -> Instant,
    ) -> CallMeter {
        self.0.metrics.as_ref().map_or_else(CallMeter::default, |metrics| metrics.begun(method, begun()))
    }

    /// Makes a call whose request and answer are one message each, and counts it.
    pub(super) async fn counted(&self, request: &Request) -> Answered {
        if self.0.metrics.is_none() {
            return self.call(request).await;
        }
        let mut meter = self.meter(request.method, || request.begun);
        let answered = Box::pin(self.call(request)).await;
        meter.ended(&answered);
        answered
    }

    /// Makes a call whose request and answer are one message each.
    pub(in super::super) async fn call(&self, request: &Request) -> Answered {
        match self.0.hedge(request.key()).filter(|_| request.idempotent) {
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
        let context = AttemptContext { previous: 0, avoid: Avoid::IfPossible(&[]), time, made: &made };
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
        let policy = shared.calls.of(request.key());
        let mut retrying = Retrying::begun(policy.retry, request.about(), &shared.budget);
        let mut tried = Vec::new();
        loop {
            failure.attempts = made.load(Ordering::Relaxed);
            tried.extend(endpoint);
            let Some(avoid) = Avoid::after(&failure, &tried, self) else { return Err(failure) };
            match retrying.after(now(), class(&failure, policy.retryable)) {
                Decision::Retry { wait, .. } => sleep(wait).await,
                Decision::GiveUp(why) => {
                    shared.gave_up(why);
                    return Err(failure);
                }
            }
            let context = AttemptContext { previous: retrying.previous_attempts(), avoid, time: now(), made };
            let (outcome, asked) = self.attempt(request, context, &begin).await;
            match outcome {
                Ok(begun) => {
                    retrying.succeeded();
                    return Ok(begun);
                }
                // What was answered says more than that no other can be asked.
                Err(_) if asked.is_none() && matches!(avoid, Avoid::Always(_)) => return Err(failure),
                Err(next) => (failure, endpoint) = (next, asked),
            }
        }
    }

    /// Makes a call, and another copy of it when the first takes too long.
    async fn hedged(&self, request: &Request, hedge: &Hedge) -> Answered {
        let shared = &self.0;
        let (begun, made) = (request.begun, AtomicU32::new(0));
        let mut hedging = hedge.begin(request.about(), &shared.budget, begun.into_std());
        let retryable = shared.calls.of(request.key()).retryable;
        let (mut tried, mut last, mut unknown) = (Vec::new(), None, None);
        let mut copies = FuturesUnordered::new();
        let made = &made;
        let copy = |previous: u32, tried: Vec<u64>, elsewhere: bool| async move {
            let begin = async |pending: Pending| pending.answer().await;
            let avoid = if elsewhere { Avoid::Always(&tried) } else { Avoid::IfPossible(&tried) };
            self.attempt(request, AttemptContext { previous, avoid, time: now(), made }, &begin).await
        };
        copies.push(copy(0, Vec::new(), false));
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
                    let elsewhere = is_unknown_there(&failure);
                    let mut class = class(&failure, retryable);
                    if elsewhere && !self.has_others(&tried) {
                        class.repeat = Repeat::Never;
                    }
                    let failure = match endpoint {
                        Some(_) if elsewhere => unknown.insert(failure).clone(),
                        Some(_) => failure,
                        // What was answered says more than that no other can be asked.
                        None => unknown.clone().unwrap_or(failure),
                    };
                    match hedging.after(now(), class) {
                        Step::Send => copies.push(copy(hedging.previous_attempts(), tried.clone(), elsewhere)),
                        Step::Wait => last = Some(failure),
                        Step::GiveUp(why) => {
                            shared.gave_up(why);
                            return Err(failure);
                        }
                    }
                }
                () = due => if hedging.due(now()) {
                    shared.metrics.iter().for_each(ClientMetrics::hedge);
                    copies.push(copy(hedging.previous_attempts(), tried.clone(), false));
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
            let (endpoint, caller) = self.ready(context.avoid, request.deadline, context.time).await?;
            // Between the choice and this, another call may have taken the last place of a breaker that is half open.
            if let Some(sent) = self.send_to(endpoint, &caller, request, context) {
                return Ok(sent);
            }
            context.time = now();
        }
    }

    /// Sends a request, if an endpoint is ready.
    fn send_now(&self, request: &Request, context: AttemptContext<'_>) -> Option<Sent<'_>> {
        let (endpoint, caller) = self.ready_now(context.avoid, context.time)?;
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
        self.0.metrics.iter().for_each(ClientMetrics::attempt);
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
                self.shared.metrics.iter().for_each(ClientMetrics::trip);
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
    /// The numbers of its service and method.
    fn key(&self) -> (u32, u16) {
        (self.call.service, self.call.method)
    }

    fn about(&self) -> retry::Call {
        about(self.idempotent, self.deadline)
    }
}

/// What there is to know about a call to try it again.
pub(super) fn about(idempotent: bool, deadline: Instant) -> retry::Call {
    retry::Call { idempotent, deadline: Some(deadline.into_std()), seed: fastrand::u64(..) }
}

impl Shared {
    /// A failure is not tried again: counts those for want of budget.
    pub(super) fn gave_up(&self, why: Why) {
        if why == Why::Budget {
            self.metrics.iter().for_each(ClientMetrics::denied);
        }
    }

    /// The hedging of a method.
    fn hedge(&self, key: (u32, u16)) -> Option<Hedge> {
        let policy = self.calls.of(key).hedge?;
        let mut hedges = self.hedges.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Some(hedges.entry(key).or_insert_with(|| Hedge::new(policy, now())).clone())
    }
}

/// Whether a server of this kind has no such method, means other types by it, or reads no such codec: it would say the same again, and another may not.
pub(super) fn is_unknown_there(failure: &Failure) -> bool {
    failure.reach == Reach::Never
        && matches!(failure.status.code, Code::Unimplemented | Code::FailedPrecondition)
}

/// Whether a failed call may be made again; of one that is [unknown there](is_unknown_there), elsewhere. Those that a handler may have seen are told
/// by their codes.
pub(super) fn class(failure: &Failure, retryable: Codes) -> retry::Failure {
    let Failure { status: Status { code, advice, .. }, reach, .. } = failure;
    let repeat = match (reach, advice, code) {
        // Waiting for a connection has used up the time, or the request itself is what cannot be sent.
        (Reach::Never, _, Code::DeadlineExceeded) | (Reach::Never, Advice::Never, _) => Repeat::Never,
        (Reach::Never, ..) | (_, Advice::NotProcessed | Advice::Later(_), _) => Repeat::Safe,
        // The deadline is that of all attempts, unless a server has one of its own.
        (Reach::Unknown, _, Code::DeadlineExceeded) => Repeat::Never,
        (_, Advice::Again(_), _) => Repeat::IfIdempotent,
        (_, _, code) if retryable.contains(*code) => Repeat::IfIdempotent,
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
