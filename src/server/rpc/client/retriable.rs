//! A call whose request is a stream: what was sent is kept, so that the call can be made again until its answer begins.
//!
//! After gRFC A6: when there is too much to be kept, or the first message of an answer was handed on, the call stays with the server that it is
//! at. The half that notices a failure first has the call made again, by a task that needs neither half to go on: both only wait for
//! what comes of it. The task ends with the call's deadline, or when the call is given up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::ClientMetrics;
use super::attempt::{ActiveAttempt, about, class, is_unknown_there, verdict};
use super::endpoint::{Endpoint, now};
use super::replay::ReplayBuffer;
use super::servers::{Avoid, Servers};
use crate::net::resilience::breaker::Verdict;
use crate::net::resilience::ewma::Outstanding;
use crate::net::resilience::pick::Endpoint as _;
use crate::net::resilience::retry::{Decision, Retrying};
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::status::{Advice, Code, Status};
use crate::server::rpc::caller::{Caller, Failure, Pending, Reach};
use crate::server::rpc::link::mailbox::Outgoing;
use crate::server::rpc::method::Description;

/// A call whose request is a stream.
#[derive(Debug)]
pub(in super::super) struct StreamRequest {
    pub(in super::super) call: Call,
    /// What is called, if that is known when the program is compiled.
    pub(in super::super) method: Option<&'static Description>,
    /// Whether doing it twice is as good as once.
    pub(in super::super) idempotent: bool,
    /// When it has to be over, all attempts together.
    pub(in super::super) deadline: Instant,
}

impl StreamRequest {
    /// The numbers of its service and method.
    fn key(&self) -> (u32, u16) {
        (self.call.service, self.call.method)
    }
}

/// The call, for both of its halves.
#[derive(Debug)]
pub(super) struct RetriableStream {
    servers: Servers,
    request: StreamRequest,
    /// Ends the task that makes the call again.
    given_up: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    attempt: Arc<Attempt>,
    /// Decides on further attempts. A task has it while it makes the call again.
    retrying: Option<Retrying>,
    replay: ReplayBuffer,
    /// The attempts that were made.
    made: u32,
    /// The endpoints that have failed the call.
    tried: Vec<u64>,
    /// How the call has failed for good.
    over: Option<Failure>,
    /// The halves that wait for the call to be made again.
    waiting: Waiting,
}

type Waiting = [Option<Waker>; 2];

/// Who waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Half {
    Send,
    Recv,
}

/// One attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    number: u32,
    pub(super) pending: Pending,
    /// The key of its endpoint.
    key: u64,
    /// Whose load it is, until it is known what came of it.
    load: Mutex<Option<(Arc<Endpoint>, Outstanding)>>,
}

impl Servers {
    /// Makes a call whose request is a stream, as soon as an endpoint is ready.
    pub(super) async fn open(&self, request: StreamRequest) -> Result<RetriableStream, Failure> {
        let shared = &self.0;
        shared.budget.deposit(now());
        let about = about(request.idempotent, request.deadline);
        let mut retrying = Retrying::begun(shared.calls.of(request.key()).retry, about, &shared.budget);
        let anywhere = Avoid::IfPossible(&[]);
        let (endpoint, caller) = self.place(&request, &mut retrying, anywhere, Duration::ZERO).await?;
        shared.metrics.iter().for_each(ClientMetrics::attempt);
        let pending = caller.replay(request.call.clone(), Vec::new(), request.deadline);
        let state = State {
            attempt: Attempt::new(1, pending, endpoint),
            retrying: Some(retrying),
            replay: ReplayBuffer::new(Arc::clone(shared)),
            made: 1,
            tried: Vec::new(),
            over: None,
            waiting: Waiting::default(),
        };
        let (servers, given_up) = (self.clone(), Notify::new());
        Ok(RetriableStream { servers, request, given_up, state: Mutex::new(state) })
    }

    /// An endpoint that is ready after `wait`, or later if none can be had then and it may be tried again.
    async fn place(
        &self,
        request: &StreamRequest,
        retrying: &mut Retrying,
        avoid: Avoid<'_>,
        mut wait: Duration,
    ) -> Result<(Arc<Endpoint>, Caller), Failure> {
        loop {
            if !wait.is_zero() {
                sleep(wait).await;
            }
            let failure = match self.ready(avoid, request.deadline, now()).await {
                Ok(ready) => return Ok(ready),
                Err(failure) => failure,
            };
            let retryable = self.0.calls.of(request.key()).retryable;
            match retrying.after(now(), class(&failure, retryable)) {
                Decision::Retry { wait: next, .. } if matches!(avoid, Avoid::IfPossible(_)) => wait = next,
                Decision::Retry { .. } => return Err(failure),
                Decision::GiveUp(why) => {
                    self.0.gave_up(why);
                    return Err(failure);
                }
            }
        }
    }
}

impl RetriableStream {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The attempt that counts, as soon as the call is not being made again.
    pub(super) fn poll_attempt(&self, half: Half, cx: &Context<'_>) -> Poll<Arc<Attempt>> {
        let mut state = self.state();
        if state.is_recovering() {
            state.waiting[half as usize] = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Arc::clone(&state.attempt))
    }

    #[cfg(test)]
    pub(super) fn recovers(&self) -> bool {
        self.state().is_recovering()
    }

    /// Sends something, and keeps it if there is room.
    pub(super) fn send(&self, outgoing: Outgoing) {
        let attempt = Arc::clone(&self.state().attempt);
        // What is compressed is compressed before anybody has to wait for it. Another attempt may have another peer, so the plain one is kept.
        let compressed = match &outgoing {
            Outgoing::Message(message) => Outgoing::Message(attempt.pending.compressed(message.clone())),
            Outgoing::End => Outgoing::End,
        };
        let mut state = self.state();
        state.replay.keep(&outgoing);
        // What is being sent again is limited when that is done: there is no room for more than one message meanwhile.
        if !state.is_recovering() {
            state.replay.limit();
        }
        if state.attempt.number == attempt.number {
            attempt.pending.send(compressed);
        } else {
            state.attempt.pending.send(outgoing);
        }
    }

    /// Something of an attempt's answer is about to be handed on: it is the one that counts. `false` if another is, or will be.
    pub(super) fn commit(&self, attempt: &Attempt) -> bool {
        let mut state = self.state();
        if state.attempt.number != attempt.number || state.is_recovering() {
            return false;
        }
        state.replay.forget();
        drop(state);
        if attempt.report(&self.servers, Verdict::Success) {
            self.servers.0.budget.succeeded();
        }
        true
    }

    /// After a failure of an attempt: has the call made again, unless it is already.
    ///
    /// # Errors
    /// The call has failed for good: how.
    pub(super) fn recover(self: &Arc<Self>, attempt: &Attempt, failure: Failure) -> Result<(), Failure> {
        let mut state = self.state();
        if let Some(over) = &state.over {
            return Err(over.clone());
        }
        if state.attempt.number != attempt.number {
            return Ok(());
        }
        let Some(mut retrying) = state.retrying.take() else { return Ok(()) };
        state.tried.push(attempt.key);
        let tried = state.tried.clone();
        if state.replay.sent().is_none() {
            retrying.commit();
        }
        drop(state);
        attempt.report(&self.servers, verdict_of_stream(&failure));
        if Avoid::after(&failure, &tried, &self.servers).is_none() {
            return Err(self.fail(failure));
        }
        let retryable = self.servers.0.calls.of(self.request.key()).retryable;
        match retrying.after(now(), class(&failure, retryable)) {
            Decision::Retry { wait, .. } => {
                let recovery = Recovery { stream: Arc::clone(self), failure: Some(failure) };
                tokio::spawn(recovery.run(retrying, tried, wait));
                Ok(())
            }
            Decision::GiveUp(why) => {
                self.servers.0.gave_up(why);
                Err(self.fail(failure))
            }
        }
    }

    /// Goes on at another endpoint.
    fn resume(&self, retrying: Retrying, endpoint: Arc<Endpoint>, caller: &Caller) {
        // What is to be compressed is so outside the lock; what is sent meanwhile follows as it is.
        let Some(sent) = self.state().replay.sent().map(<[_]>::to_vec) else { return };
        let (again, request) = (sent.len(), &self.request);
        self.servers.0.metrics.iter().for_each(ClientMetrics::attempt);
        let attempt = u8::try_from(retrying.previous_attempts()).unwrap_or(u8::MAX);
        let pending = caller.replay(Call { attempt, ..request.call.clone() }, sent, request.deadline);
        let mut state = self.state();
        if state.over.is_some() {
            drop(state);
            return; // and the call is cancelled
        }
        for outgoing in state.replay.sent().into_iter().flatten().skip(again) {
            pending.send(outgoing.clone());
        }
        state.made += 1;
        state.retrying = Some(retrying);
        let next = Attempt::new(state.attempt.number + 1, pending, endpoint);
        let failed = std::mem::replace(&mut state.attempt, next);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(failed);
        wake(waiting);
    }

    /// Ends the call, unless it is over: how it has failed.
    fn fail(&self, failure: Failure) -> Failure {
        let mut state = self.state();
        let attempts = state.made;
        let over = state.over.get_or_insert(Failure { attempts, ..failure }).clone();
        state.replay.forget();
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        wake(waiting);
        over
    }

    /// Gives the call up.
    pub(super) fn cancel(&self) {
        if self.state().over.is_some() {
            return;
        }
        let status = Status::new(Code::Cancelled, "given up").advice(Advice::Never);
        self.fail(Failure { status, reach: Reach::Unknown, attempts: 0 });
        // From now on there is no other attempt.
        let attempt = Arc::clone(&self.state().attempt);
        attempt.pending.cancel();
        self.given_up.notify_one();
    }
}

impl State {
    /// Whether a task makes the call again.
    fn is_recovering(&self) -> bool {
        self.retrying.is_none() && self.over.is_none()
    }
}

fn wake(waiting: Waiting) {
    waiting.into_iter().flatten().for_each(Waker::wake);
}

/// Makes a call again. If its task is lost, with its runtime, the call has failed as it had before.
struct Recovery {
    stream: Arc<RetriableStream>,
    failure: Option<Failure>,
}

impl Recovery {
    async fn run(mut self, mut retrying: Retrying, tried: Vec<u64>, wait: Duration) {
        let RetriableStream { servers, request, given_up, .. } = &*self.stream;
        let elsewhere = self.failure.as_ref().is_some_and(is_unknown_there);
        let avoid = if elsewhere { Avoid::Always(&tried) } else { Avoid::IfPossible(&tried) };
        let placed = tokio::select! {
            placed = servers.place(request, &mut retrying, avoid, wait) => placed,
            () = given_up.notified() => return,
        };
        match placed {
            Ok((endpoint, caller)) => self.stream.resume(retrying, endpoint, &caller),
            // What was answered says more than that no other can be asked.
            Err(failure) => {
                let told = self.failure.take().filter(|_| elsewhere).unwrap_or(failure);
                self.stream.fail(told);
            }
        }
        self.failure = None;
    }
}

impl Drop for Recovery {
    fn drop(&mut self) {
        if let Some(failure) = self.failure.take() {
            self.stream.fail(failure);
        }
    }
}

impl Attempt {
    fn new(number: u32, pending: Pending, endpoint: Arc<Endpoint>) -> Arc<Self> {
        let (key, outstanding) = (endpoint.key(), endpoint.load.begin(now()));
        Arc::new(Self { number, pending, key, load: Mutex::new(Some((endpoint, outstanding))) })
    }

    /// Tells what came of it, the first time. Whether it was that.
    ///
    /// How long a stream of requests takes to be answered is up to who sends it: it says nothing of the endpoint's latency, and it holds no place of a
    /// breaker that is half open while it is under way. So both are told of it as of a call that begins when its outcome is known.
    fn report(&self, servers: &Servers, verdict: Verdict) -> bool {
        let load = self.load.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((endpoint, under_way)) = load else { return false };
        drop(under_way);
        let time = now();
        // Who is left alone is told nothing.
        if let Some(active) = ActiveAttempt::begin(endpoint, &servers.0, time) {
            active.report(verdict, time);
        }
        true
    }
}

/// What a failed stream says of the server. Its deadline may have passed while it was sent.
fn verdict_of_stream(failure: &Failure) -> Verdict {
    if failure.status.code == Code::DeadlineExceeded { Verdict::Neither } else { verdict(failure) }
}
