//! The right to send one request to a backend, with its counters and its slot, which are released when it ends.
//!
//! A backend may have a limit on its requests (in TCP mode: connections). When all backends that could take one have reached theirs,
//! the request waits in the `Line` of its upstream. The count of slots and the queue are under one lock, so that the two rules of
//! [`queue`](crate::net::resilience::queue) hold: nobody overtakes, and a slot that becomes free goes to the one that has waited longest, in the same step. A
//! request that gives up leaves the queue, or passes on the slot that it was just given. Upstreams without limits never take that lock.
//!
//! A call of a session waits in the same line for the one backend that has the session. While that is full it is passed over, and holds nobody up who may go elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::backend::Backend;
use super::log::End;
use super::upstream::{Members, Upstream};
use crate::net::resilience::breaker::{self, Permit, Verdict};
use crate::net::resilience::ewma::Outstanding;
use crate::net::resilience::queue::{Queue, Ticket};
use crate::proto::balance::outlier::Outcome;

/// The default length of the queue.
pub const QUEUE: usize = 1024;

/// The default time limit in the queue. HAProxy's `timeout queue` defaults to that of connecting.
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a request gets no backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No backend is available.
    #[error("no backend is available")]
    Unavailable,
    /// All backends have reached their limit, and the queue is full.
    #[error("the queue for a backend is full")]
    Full,
    /// It waited too long in the queue.
    #[error("no backend became free in time")]
    Waited,
}

impl Refusal {
    /// The reason of the end in the access log.
    #[must_use]
    pub fn end(self) -> End {
        match self {
            Self::Unavailable => End::NoBackend,
            Self::Full => End::QueueFull,
            Self::Waited => End::QueueTimeout,
        }
    }
}

/// A request to a backend that may be sent, or is in progress. It ends when this is dropped.
#[derive(Debug)]
pub struct Lease {
    backend: Arc<Backend>,
    under_way: Option<Outstanding>,
    /// The permit of the circuit breaker, if there is one.
    permit: Option<Box<Permit>>,
    /// Where the slot is released, if the backend has a limit.
    line: Option<Arc<Line>>,
    /// The request counter of the upstream, if it is needed.
    calls: Option<Arc<AtomicU64>>,
}

impl Lease {
    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// The answer has begun; the call is under way until its end. A probe of the circuit breaker has succeeded by that: it must not depend on how long the
    /// answer lasts.
    pub fn began(&mut self, upstream: &Upstream, now: Instant) {
        if let Some(under_way) = &self.under_way {
            under_way.began(now);
        }
        if let Some(permit) = self.permit.take_if(|permit| permit.is_probe()) {
            self.switch(upstream, now, permit.report(now, Verdict::Success));
        }
    }

    /// The connection stands, which its latency is until. Whether the backend is good for anything is not known yet.
    pub fn connected(&self, now: Instant) {
        if let Some(under_way) = &self.under_way {
            under_way.began(now);
        }
    }

    /// Whether it is a probe of the circuit breaker, whose report is waited for.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.permit.as_ref().is_some_and(|permit| permit.is_probe())
    }

    /// The request failed.
    pub fn failed(&mut self, now: Instant) {
        if let Some(under_way) = self.under_way.take() {
            under_way.failed(now);
        }
    }

    /// Reports how the request ended, by which its backend is judged. Without a report it has no effect on the backend.
    pub fn report(&mut self, upstream: &Upstream, now: Instant, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            let verdict = match outcome {
                Outcome::Answered(_) => Verdict::Success,
                Outcome::Error | Outcome::Fault => Verdict::Failure,
            };
            self.switch(upstream, now, permit.report(now, verdict));
        }
        upstream.report(&self.backend, now, outcome);
    }

    /// Notes the state of the circuit breaker that the call has led to, if it is another than before.
    fn switch(&self, upstream: &Upstream, now: Instant, state: Option<breaker::State>) {
        let Some(state) = state else { return };
        self.backend.fused(state);
        tracing::info!(upstream = %upstream.name(), backend = %self.backend.name(), ?state, "the circuit breaker changed its state");
        upstream.refresh(now);
    }

    /// Releases everything while the lock of the queue is held.
    fn cancel(mut self) {
        if self.line.take().is_some() {
            self.backend.vitals().leave();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(calls) = &self.calls {
            calls.fetch_sub(1, Ordering::Relaxed);
        }
        // Before the place goes to another call, which may look at them.
        drop(self.under_way.take());
        drop(self.permit.take());
        if let Some(line) = self.line.take() {
            line.give_back(&self.backend);
        }
    }
}

/// The members of an upstream, and the requests that wait for one of them.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) members: ArcSwap<Members>,
    queue: Mutex<Queue<Waiting>>,
}

/// A waiting request.
#[derive(Debug)]
struct Waiting {
    /// The backend that has the session of the call, if there is one.
    session: Option<u64>,
    key: u64,
    tried: Box<[u64]>,
    hand: oneshot::Sender<Lease>,
}

/// A position in the queue, which is left when this is dropped.
struct InLine<'a> {
    line: &'a Line,
    ticket: Ticket,
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.line.queue().leave(self.ticket);
    }
}

/// Why a backend cannot take a request.
enum Closed {
    /// Its circuit breaker refuses.
    Broken,
    /// It has reached its limit.
    Full,
}

impl Line {
    pub(super) fn new(members: Members) -> Self {
        Self { members: ArcSwap::from_pointee(members), queue: Mutex::new(Queue::new(QUEUE)) }
    }

    /// The number of waiting requests.
    pub(super) fn waiting(&self) -> usize {
        self.queue().len()
    }

    /// Chooses a backend of these members, at once or after waiting in the queue. May be dropped while it waits.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        members: &Members,
        key: u64,
        tried: &[u64],
        now: Instant,
    ) -> Result<Lease, Refusal> {
        if !members.is_limited() {
            return self.take(members, key, tried, now).ok_or(Refusal::Unavailable);
        }
        let place = {
            let mut queue = self.queue();
            // Those who wait for one backend alone are not overtaken by who goes to another.
            if queue.iter().all(|waiting| waiting.session.is_some()) {
                if let Some(lease) = self.take(members, key, tried, now) {
                    return Ok(lease);
                }
                if !members.has_full(now) {
                    return Err(Refusal::Unavailable);
                }
            }
            Self::join(&mut queue, members, (None, key, tried))?
        };
        self.wait(members, place).await
    }

    /// The backend of a session, at once or after waiting in the queue. `None` if it cannot continue the session: then another must be chosen.
    pub(super) async fn resume(
        self: &Arc<Self>,
        members: &Members,
        session: u64,
        key: u64,
        now: Instant,
    ) -> Option<Result<Lease, Refusal>> {
        let place = {
            let mut queue = members.is_limited().then(|| self.queue());
            match self.enter(members, members.of_session(session, now)?, now) {
                Ok(lease) => return Some(Ok(lease)),
                Err(Closed::Broken) => return None,
                // Without a limit nobody is full.
                Err(Closed::Full) => Self::join(queue.as_mut()?, members, (Some(session), key, &[])),
            }
        };
        match place {
            Ok(place) => Some(self.wait(members, place).await),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// Puts a call at the end of the line: whom it is for, by session and by key, and whom it has tried.
    fn join(
        queue: &mut Queue<Waiting>,
        members: &Members,
        (session, key, tried): (Option<u64>, u64, &[u64]),
    ) -> Result<(oneshot::Receiver<Lease>, Ticket), Refusal> {
        queue.set_most(members.settings().queue);
        let (hand, handed) = oneshot::channel();
        let ticket = queue.join(Waiting { session, key, tried: tried.into(), hand });
        Ok((handed, ticket.map_err(|_| Refusal::Full)?))
    }

    /// Waits in line.
    async fn wait(
        &self,
        members: &Members,
        (handed, ticket): (oneshot::Receiver<Lease>, Ticket),
    ) -> Result<Lease, Refusal> {
        // Boxed, as few calls wait.
        Box::pin(async {
            // Dropped after the receiver: a lease that arrives meanwhile is given back by that.
            let in_line = InLine { line: self, ticket };
            let lease = timeout(members.settings().queue_timeout, handed).await;
            drop(in_line);
            lease.ok().and_then(Result::ok).ok_or(Refusal::Waited)
        })
        .await
    }

    /// A backend below its limit. With limits, the lock of the queue is held.
    fn take(self: &Arc<Self>, members: &Members, key: u64, tried: &[u64], now: Instant) -> Option<Lease> {
        let mut tried = std::borrow::Cow::Borrowed(tried);
        // Only in a panic is a backend chosen whose circuit breaker refuses, or who has no room.
        for _ in 0..members.backends().len().min(PANIC_CHOICES) {
            let backend = members.choose(key, &tried, now)?;
            match self.enter(members, backend, now) {
                Ok(lease) => return Some(lease),
                Err(Closed::Broken | Closed::Full) => {
                    tried.to_mut().push(crate::net::resilience::pick::Endpoint::key(backend));
                }
            }
        }
        None
    }

    /// The lease for this backend. With limits, the lock of the queue is held.
    fn enter(
        self: &Arc<Self>,
        members: &Members,
        backend: &Arc<Backend>,
        now: Instant,
    ) -> Result<Lease, Closed> {
        let permit = backend.breaker().map(|breaker| breaker.enter(now).map_err(|_| Closed::Broken));
        let permit = permit.transpose()?.map(Box::new);
        let limit = backend.limit();
        if limit.is_some_and(|limit| !backend.vitals().enter(limit)) {
            return Err(Closed::Full);
        }
        let calls = members.counted().map(|calls| {
            calls.fetch_add(1, Ordering::Relaxed);
            Arc::clone(calls)
        });
        Ok(Lease {
            backend: Arc::clone(backend),
            under_way: Some(backend.begin(now)),
            permit,
            line: limit.map(|_| Arc::clone(self)),
            calls,
        })
    }

    /// A request has ended: its slot goes to the one that has waited longest.
    fn give_back(self: &Arc<Self>, backend: &Backend) {
        let mut queue = self.queue();
        backend.vitals().leave();
        self.serve(&mut queue);
    }

    /// Gives slots to waiting requests after a backend came up, or a limit was raised.
    pub(super) fn look(self: &Arc<Self>) {
        self.serve(&mut self.queue());
    }

    fn serve(self: &Arc<Self>, queue: &mut Queue<Waiting>) {
        if queue.is_empty() {
            return;
        }
        let (now, members) = (tokio::time::Instant::now().into_std(), self.members.load());
        let mut place = 0;
        // Whether a call that may go anywhere may find a place.
        let mut room = true;
        while let Some(waiting) = queue.get(place) {
            let of_session = waiting.session.map(|session| self.enter_session(&members, session, now));
            let bound = matches!(of_session, Some(Err(Closed::Full)));
            let lease = match of_session {
                Some(Ok(lease)) => Some(lease),
                Some(Err(Closed::Full)) => None,
                // It cannot go on with the session, if there was one.
                _ if room => self.take(&members, waiting.key, &waiting.tried, now),
                _ => None,
            };
            let Some(lease) = lease else {
                room &= bound;
                place += 1;
                continue;
            };
            let Some(waiting) = queue.take(place) else { return lease.cancel() };
            // A call that has given up leaves the line itself; until then its place is here.
            if let Err(lease) = waiting.hand.send(lease) {
                lease.cancel();
            }
        }
    }

    /// The lease for the backend of a session. With limits, the lock of the queue is held.
    fn enter_session(
        self: &Arc<Self>,
        members: &Members,
        session: u64,
        now: Instant,
    ) -> Result<Lease, Closed> {
        let backend = members.of_session(session, now).ok_or(Closed::Broken)?;
        self.enter(members, backend, now)
    }

    fn queue(&self) -> MutexGuard<'_, Queue<Waiting>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many backends are asked in a panic until one has a circuit breaker that lets a request pass.
const PANIC_CHOICES: usize = 8;

#[cfg(test)]
mod tests;
