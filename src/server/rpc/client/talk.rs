//! A call whose request is a stream: what was said is kept, so that the call can be made again until its answer begins.
//!
//! After gRFC A6: messages are kept as long as they are few, for each call and for all of a channel; when they are too many, or the first
//! message of an answer was handed on, the call stays with the server that it is at. A message that is kept is shared, not copied. Both
//! sides of the call, each perhaps in a task of its own, may notice that it has failed: the first one makes it again, the other
//! finds it made.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::attempt::{Held, class, verdict};
use super::endpoint::{Endpoint, now};
use super::{Channel, Shared};
use crate::net::resilience::breaker::Verdict;
use crate::net::resilience::ewma::Outstanding;
use crate::net::resilience::pick::Endpoint as _;
use crate::net::resilience::retry::{self, Decision, Retrying};
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::{Advice, Code, Status};
use crate::server::rpc::caller::{Arrived, Caller, Failure, Pending, Reach};

/// How much of what calls say is kept, so that they can be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Bytes for each call. gRPC's implementations have 1 MiB, or 256 KiB.
    pub call: usize,
    /// Bytes for all calls of a channel. grpc-java has 16 MiB.
    pub channel: usize,
}

impl Replay {
    /// 1 MiB for a call, 16 MiB for a channel, as in grpc-java.
    pub const DEFAULT: Self = Self { call: 1 << 20, channel: 16 << 20 };
}

impl Default for Replay {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a message counts at least: one without a byte takes memory too.
const LEAST: usize = 64;

/// What is to be called.
#[derive(Debug)]
pub(in super::super) struct Plan {
    pub(in super::super) call: Call,
    pub(in super::super) idempotent: bool,
    pub(in super::super) deadline: Instant,
}

/// The sending side. Dropped before [`say_last`](Self::say_last), it cancels the call: a part of a stream must not look like the whole.
#[derive(Debug)]
pub(in super::super) struct Mouth {
    talk: Arc<Talk>,
    recovering: Option<Recovering>,
    finished: bool,
}

/// The receiving side. Dropped before the end, it cancels the call.
#[derive(Debug)]
pub(in super::super) struct Ears {
    talk: Arc<Talk>,
    recovering: Option<Recovering>,
    ended: bool,
}

/// The call, for both of its sides.
#[derive(Debug)]
struct Talk {
    channel: Channel,
    plan: Plan,
    /// The attempts that were made.
    made: AtomicU32,
    /// Held by who makes the call again.
    retrying: tokio::sync::Mutex<Retrying>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    attempt: Arc<Attempt>,
    /// What was said; `None` when it is not kept any longer.
    said: Option<Vec<(Option<Message>, bool)>>,
    /// What it holds of the channel's budget.
    bytes: usize,
    /// The endpoints that have failed the call.
    tried: Vec<u64>,
    /// How the call has failed for good.
    over: Option<Failure>,
}

/// One attempt.
#[derive(Debug)]
struct Attempt {
    number: u32,
    pending: Pending,
    /// Whose it is.
    endpoint: u64,
    /// Who was asked, until it is known what came of it.
    asked: Mutex<Option<Asked>>,
}

#[derive(Debug)]
struct Asked {
    endpoint: Arc<Endpoint>,
    outstanding: Outstanding,
    held: Held<Arc<Shared>>,
}

struct Recovering(BoxFuture<'static, Result<(), Failure>>);

impl std::fmt::Debug for Recovering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recovering")
    }
}

impl Channel {
    /// Makes a call whose request is a stream, as soon as an endpoint is ready.
    pub(in super::super) async fn talk(&self, plan: Plan) -> Result<(Mouth, Ears), Failure> {
        let shared = &self.0;
        shared.budget.deposit(now());
        let about = retry::Call {
            idempotent: plan.idempotent,
            deadline: Some(plan.deadline.into_std()),
            seed: fastrand::u64(..),
        };
        let mut retrying = Retrying::begun(shared.policies.retry, about, &shared.budget);
        let (asked, caller) = self.place(&plan, &mut retrying, &[], None).await?;
        let pending = caller.replay(plan.call.clone(), Vec::new(), plan.deadline);
        let attempt = Attempt::new(1, pending, asked);
        let state = State { attempt, said: Some(Vec::new()), bytes: 0, tried: Vec::new(), over: None };
        let talk = Arc::new(Talk {
            channel: self.clone(),
            plan,
            made: AtomicU32::new(1),
            retrying: tokio::sync::Mutex::new(retrying),
            state: Mutex::new(state),
        });
        let mouth = Mouth { talk: Arc::clone(&talk), recovering: None, finished: false };
        Ok((mouth, Ears { talk, recovering: None, ended: false }))
    }

    /// An endpoint that is ready; after a failure, if the call may be tried again, and when.
    async fn place(
        &self,
        plan: &Plan,
        retrying: &mut Retrying,
        tried: &[u64],
        mut failure: Option<Failure>,
    ) -> Result<(Asked, Caller), Failure> {
        loop {
            if let Some(failure) = failure {
                match retrying.after(now(), class(&failure)) {
                    Decision::Retry { wait, .. } => sleep(wait).await,
                    Decision::GiveUp(_) => return Err(failure),
                }
            }
            loop {
                let time = now();
                let (endpoint, caller) = match self.ready(tried, plan.deadline, time).await {
                    Ok(ready) => ready,
                    Err(error) => {
                        failure = Some(error);
                        break;
                    }
                };
                if let Ok(permit) = endpoint.enter(time) {
                    let held = Held { permit, shared: Arc::clone(&self.0) };
                    let outstanding = endpoint.load.begin(time);
                    return Ok((Asked { endpoint, outstanding, held }, caller));
                }
            }
        }
    }
}

impl Talk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempt(&self) -> Arc<Attempt> {
        Arc::clone(&self.state().attempt)
    }

    /// Says something, or `None` for the end, and keeps it if there is room.
    fn say(&self, message: Option<Message>, last: bool) {
        let mut state = self.state();
        let size = message.as_ref().map_or(0, |message| message.bytes.len()).max(LEAST);
        let Replay { call, channel } = self.channel.0.policies.replay;
        if state.said.is_some() {
            let all = self.channel.0.replayed.fetch_add(size, Ordering::Relaxed).saturating_add(size);
            state.bytes += size;
            if state.bytes > call || all > channel {
                self.forget(&mut state);
            }
        }
        if let Some(said) = &mut state.said {
            said.push((message.clone(), last));
        }
        match message {
            Some(message) => state.attempt.pending.say(message, last),
            None => state.attempt.pending.say_last(),
        }
    }

    /// Keeps what was said no longer: the call stays where it is.
    fn forget(&self, state: &mut State) {
        state.said = None;
        self.channel.0.replayed.fetch_sub(std::mem::take(&mut state.bytes), Ordering::Relaxed);
    }

    /// Something of an attempt's answer is about to be handed on: it is the one that counts. `false` if another is by now.
    fn commit(&self, attempt: &Attempt) -> bool {
        let mut state = self.state();
        if state.attempt.number != attempt.number {
            return false;
        }
        if state.said.is_some() {
            self.forget(&mut state);
        }
        drop(state);
        if attempt.report(Verdict::Success) {
            self.channel.0.budget.succeeded();
        }
        true
    }

    /// After a failure of attempt `number`: makes the call again, unless another has, if it may be.
    async fn recover(self: Arc<Self>, number: u32, failure: Failure) -> Result<(), Failure> {
        let mut retrying = self.retrying.lock().await;
        let tried = {
            let mut state = self.state();
            if let Some(over) = &state.over {
                return Err(over.clone());
            }
            if state.attempt.number != number {
                return Ok(());
            }
            let attempt = Arc::clone(&state.attempt);
            attempt.report(verdict(&failure));
            state.tried.push(attempt.endpoint);
            if state.said.is_none() {
                return Err(self.fail(&mut state, failure));
            }
            state.tried.clone()
        };
        let placed = self.channel.place(&self.plan, &mut retrying, &tried, Some(failure.clone())).await;
        let mut state = self.state();
        let (asked, caller) = match placed {
            Ok(placed) => placed,
            Err(failure) => return Err(self.fail(&mut state, failure)),
        };
        if state.over.is_some() {
            return Err(state.over.clone().unwrap_or(failure));
        }
        let Some(said) = state.said.clone() else { return Err(self.fail(&mut state, failure)) };
        let attempt = u8::try_from(retrying.previous_attempts()).unwrap_or(u8::MAX);
        let pending = caller.replay(Call { attempt, ..self.plan.call.clone() }, said, self.plan.deadline);
        self.made.fetch_add(1, Ordering::Relaxed);
        state.attempt = Attempt::new(number + 1, pending, asked);
        Ok(())
    }

    fn fail(&self, state: &mut State, failure: Failure) -> Failure {
        let failure = Failure { attempts: self.made.load(Ordering::Relaxed), ..failure };
        self.forget(state);
        state.over = Some(failure.clone());
        failure
    }

    fn cancel(&self) {
        let mut state = self.state();
        if state.over.is_none() {
            let status = Status::new(Code::Cancelled, "given up").advice(Advice::Never);
            self.fail(&mut state, Failure { status, reach: Reach::Unknown, attempts: 0 });
            state.attempt.pending.cancel();
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.channel.0.replayed.fetch_sub(state.bytes, Ordering::Relaxed);
    }
}

impl Attempt {
    fn new(number: u32, pending: Pending, asked: Asked) -> Arc<Self> {
        Arc::new(Self { number, pending, endpoint: asked.endpoint.key(), asked: Mutex::new(Some(asked)) })
    }

    /// Tells what came of it, the first time. Whether it was that.
    fn report(&self, verdict: Verdict) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Asked { endpoint, outstanding, held }) = asked else { return false };
        let time = now();
        match verdict {
            Verdict::Success => outstanding.answered(time),
            Verdict::Failure | Verdict::Overload(_) => outstanding.failed(time),
            Verdict::Neither => drop(outstanding),
        }
        held.report(&endpoint, verdict, time);
        true
    }
}

impl Mouth {
    /// Ready when something may be said.
    pub(in super::super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            ready!(poll_recovered(&mut self.recovering, cx))?;
            let attempt = self.talk.attempt();
            match ready!(attempt.pending.poll_room(cx)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(failure) => self.recovering = Some(recovering(&self.talk, &attempt, failure)),
            }
        }
    }

    /// Says a message.
    pub(in super::super) fn say(&self, message: Message) {
        self.talk.say(Some(message), false);
    }

    /// Says that no message follows.
    pub(in super::super) fn say_last(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.talk.say(None, true);
        }
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        if !self.finished {
            self.talk.cancel();
        }
    }
}

impl Ears {
    /// The next message, or the end.
    pub(in super::super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrived, Failure>> {
        loop {
            ready!(poll_recovered(&mut self.recovering, cx))?;
            let attempt = self.talk.attempt();
            match ready!(attempt.pending.poll_next(cx)) {
                Ok(arrived) if self.talk.commit(&attempt) => {
                    self.ended |= matches!(arrived, Arrived::End(_));
                    return Poll::Ready(Ok(arrived));
                }
                Ok(_) => {} // of an attempt that was given up meanwhile
                Err(failure) => self.recovering = Some(recovering(&self.talk, &attempt, failure)),
            }
        }
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        if !self.ended {
            self.talk.cancel();
        }
    }
}

fn recovering(talk: &Arc<Talk>, attempt: &Attempt, failure: Failure) -> Recovering {
    Recovering(Arc::clone(talk).recover(attempt.number, failure).boxed())
}

/// Waits until the call is made again, if it has to be.
fn poll_recovered(recovering: &mut Option<Recovering>, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
    let Some(Recovering(future)) = recovering else { return Poll::Ready(Ok(())) };
    let outcome = ready!(future.poll_unpin(cx));
    *recovering = None;
    Poll::Ready(outcome)
}
