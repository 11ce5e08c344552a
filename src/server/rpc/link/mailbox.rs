//! How other tasks tell a connection what to say.
//!
//! What they want is put into one queue; the connection takes all of it at once, so what comes together leaves in one write.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::inbox::{Inbox, Reach};
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::payload::compress::compress;
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::Status;
use crate::server::rpc::lane::{Lane, OFFLOAD};
use crate::server::rpc::settings::Compression;

/// What a connection is told.
#[derive(Debug)]
pub(in super::super) enum Command {
    /// Make a call.
    Call(Box<NewCall>),
    /// Send a message on a call, and whether it is the last.
    Say { inbox: Arc<Inbox>, message: Message, last: bool },
    /// No message follows.
    SayLast { inbox: Arc<Inbox> },
    /// Nobody is interested in the call any more.
    Cancel { inbox: Arc<Inbox> },
    /// A message was taken, which held so much credit.
    Consumed { inbox: Arc<Inbox>, credit: u32 },
    /// Make no further calls, and close when those under way are over.
    Leave,
}

/// What is sent on a call after its beginning.
#[derive(Clone, Debug)]
pub(in super::super) enum Outgoing {
    Message(Message),
    /// No message follows.
    End,
}

impl Outgoing {
    pub(in super::super) fn message_mut(&mut self) -> Option<&mut Message> {
        match self {
            Self::Message(message) => Some(message),
            Self::End => None,
        }
    }
}

/// A call to be made.
#[derive(Debug)]
pub(in super::super) struct NewCall {
    pub(in super::super) call: Call,
    pub(in super::super) message: Option<Message>,
    pub(in super::super) last: bool,
    /// When it is given up.
    pub(in super::super) deadline: Option<Instant>,
    pub(in super::super) inbox: Arc<Inbox>,
    /// What was sent on it before it could be made.
    pub(in super::super) sent: Vec<Outgoing>,
    /// What it is told from others by while it waits, if it has a deadline.
    pub(in super::super) serial: u32,
}

impl NewCall {
    pub(in super::super) fn new(
        call: Call,
        message: Option<Message>,
        last: bool,
        deadline: Option<Instant>,
        inbox: Arc<Inbox>,
    ) -> Self {
        Self { call, message, last, deadline, inbox, sent: Vec::new(), serial: 0 }
    }
}

/// The message, compressed if it becomes smaller by it.
fn compressed(message: Message) -> Message {
    match compress(&message.bytes) {
        Some(bytes) => Message { bytes, compressed: true, ..message },
        None => message,
    }
}

/// The queue of one connection.
#[derive(Debug, Default)]
pub(in super::super) struct Mailbox {
    state: Mutex<State>,
    /// Those who may still make calls.
    callers: AtomicUsize,
    /// Which messages are compressed; nothing before the peer has said what it reads.
    compression: OnceLock<Compression>,
    /// Who compresses and decompresses long messages.
    lane: Option<Arc<Lane>>,
    /// The peer has answered a call of ours, or taken one; told when no further calls can be made.
    served: AtomicBool,
}

/// A message on its way to be compressed.
pub(in super::super) enum Compressing {
    /// It is as it should be sent.
    Done(Message),
    /// The workers are at it.
    Elsewhere(BoxFuture<'static, Message>),
}

#[derive(Debug, Default)]
struct State {
    queue: Vec<Command>,
    /// The connection, when it waits.
    waker: Option<Waker>,
    /// Why no calls are taken any more.
    refusing: Option<Status>,
    /// Why nothing is taken any more.
    closed: Option<Status>,
}

impl Mailbox {
    pub(super) fn new(lane: Option<Arc<Lane>>) -> Self {
        Self { lane, ..Self::default() }
    }

    /// The peer has said what it reads.
    pub(in super::super) fn set_compression(&self, compression: Compression) {
        // It says so once.
        let _ = self.compression.set(compression);
    }

    /// Who compresses and decompresses long messages, on a server that has workers.
    pub(in super::super) fn lane(&self) -> Option<&Arc<Lane>> {
        self.lane.as_ref()
    }

    /// The message as it should be sent, compressed here and now: for whom nobody else has to wait.
    pub(in super::super) fn compressed(&self, message: Message) -> Message {
        if self.compresses(&message) { compressed(message) } else { message }
    }

    /// Compresses a message if it should be: a long one by the workers. When they are busy, it is sent as it is.
    pub(in super::super) fn compress(&self, message: Message) -> Compressing {
        if !self.compresses(&message) {
            return Compressing::Done(message);
        }
        match &self.lane {
            Some(lane) if message.bytes.len() >= OFFLOAD => {
                let Ok(job) = lane.submit({
                    let message = message.clone();
                    move || compressed(message)
                }) else {
                    return Compressing::Done(message);
                };
                Compressing::Elsewhere(Box::pin(async move { job.await.unwrap_or(message) }))
            }
            _ => Compressing::Done(compressed(message)),
        }
    }

    fn compresses(&self, message: &Message) -> bool {
        self.compression.get().is_some_and(|compression| compression.is_for(message))
    }

    /// Puts a command into the queue, and wakes the connection if it waits. Once the connection is over, a call ends at once and
    /// anything else means nothing.
    pub(in super::super) fn send(&self, command: Command) {
        let mut state = self.lock();
        let is_call = matches!(command, Command::Call(_));
        let refused = if is_call { state.refusing.clone() } else { None };
        if let Some(why) = state.closed.clone().or(refused) {
            drop(state);
            if let Command::Call(call) = command {
                call.inbox.end(why, None, Reach::Never);
            }
            return;
        }
        state.queue.push(command);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Tells that a message was taken. What held no credit is told as well while the call goes on: the connection counts messages too.
    pub(in super::super) fn send_consumed(&self, inbox: &Arc<Inbox>, credit: u32) {
        if credit > 0 || !inbox.is_over() {
            self.send(Command::Consumed { inbox: Arc::clone(inbox), credit });
        }
    }

    /// Takes what is there; with nothing there, `waker` is woken when there is.
    pub(super) fn take(&self, into: &mut Vec<Command>, waker: &Waker) {
        let mut state = self.lock();
        std::mem::swap(&mut state.queue, into);
        if into.is_empty() && !state.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
    }

    /// Whether something is there.
    pub(super) fn has_mail(&self) -> bool {
        !self.lock().queue.is_empty()
    }

    /// Takes nothing any more. Calls that are in the queue, and that come later, end with `why`.
    pub(super) fn close(&self, why: &Status) {
        let mut state = self.lock();
        state.closed = Some(why.clone());
        let queue = std::mem::take(&mut state.queue);
        drop(state);
        for command in queue {
            if let Command::Call(call) = command {
                call.inbox.end(why.clone(), None, Reach::Never);
            }
        }
    }

    /// Takes no calls any more: those in the queue, and that come later, end with `why`. What is to be said on others still passes.
    pub(super) fn refuse(&self, why: &Status) {
        let mut state = self.lock();
        state.refusing = Some(why.clone());
        let (calls, queue) = std::mem::take(&mut state.queue)
            .into_iter()
            .partition(|command| matches!(command, Command::Call(_)));
        state.queue = queue;
        drop(state);
        let calls: Vec<Command> = calls;
        for command in calls {
            if let Command::Call(call) = command {
                call.inbox.end(why.clone(), None, Reach::Never);
            }
        }
    }

    /// Whether calls can still be made.
    pub(in super::super) fn is_open(&self) -> bool {
        let state = self.lock();
        state.closed.is_none() && state.refusing.is_none()
    }

    /// The peer has answered a call of ours, or taken one.
    pub(super) fn set_served(&self) {
        self.served.store(true, Ordering::Relaxed);
    }

    /// Whether it has, as far as is known when no further calls can be made.
    pub(in super::super) fn has_served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    /// One more who may make calls.
    pub(in super::super) fn join(&self) {
        self.callers.fetch_add(1, Ordering::Relaxed);
    }

    /// One less. The last one ends the connection.
    pub(in super::super) fn part(&self) {
        if self.callers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.send(Command::Leave);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
