//! Calls on one connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::lane::Lane;
pub use super::link::inbox::Reach;
use super::link::inbox::{Ended, Inbox, Next};
use super::link::mailbox::{Command, Mailbox, NewCall, Outgoing};
use super::stream::answered;
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::metadata::Metadata;
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::{Code, Status};

/// Makes calls on one connection. Clones are the same connection; it is closed when the last is dropped and its calls are over.
#[derive(Debug)]
pub(super) struct Caller(Arc<Mailbox>);

impl Clone for Caller {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.part();
    }
}

/// Makes calls on a connection without keeping it open: those of a handler to whoever called it. When the connection is over, each fails at once, and has
/// reached nobody.
#[derive(Clone, Debug)]
pub(super) struct PeerCaller {
    mailbox: Arc<Mailbox>,
    /// Bytes of the longest message that we read, decompressed.
    max_message: usize,
}

impl PeerCaller {
    pub(super) fn new(mailbox: &Arc<Mailbox>, max_message: usize) -> Self {
        Self { mailbox: Arc::clone(mailbox), max_message }
    }

    /// Where the handlers of the connection leave heavy work, on a server that has workers.
    pub(super) fn lane(&self) -> Option<&Arc<Lane>> {
        self.mailbox.lane()
    }

    /// Bytes of the longest message that is read, decompressed.
    pub(super) fn max_message(&self) -> usize {
        self.max_message
    }

    /// Makes a call, with its first message if there is one, and whether it is the last.
    pub(super) fn call(
        &self,
        call: Call,
        message: Option<Message>,
        last: bool,
        deadline: Option<Instant>,
    ) -> Pending {
        make(&self.mailbox, NewCall::new(call, message, last, deadline, Inbox::new()))
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}")]
pub struct Failure {
    /// What happened.
    pub status: Status,
    /// Whether the request can have had an effect.
    pub reach: Reach,
    /// How many attempts were made; 0 if none came as far as a connection.
    pub attempts: u32,
}

impl From<Ended> for Failure {
    fn from(ended: Ended) -> Self {
        Self { status: ended.status, reach: ended.reach, attempts: 1 }
    }
}

/// A call that has been made. When it is dropped before its end, it is cancelled.
#[derive(Debug)]
pub(super) struct Pending {
    mailbox: Arc<Mailbox>,
    inbox: Arc<Inbox>,
    over: AtomicBool,
}

/// What comes on a call.
#[derive(Debug)]
pub(super) enum Arrived {
    /// A message.
    Message(Message),
    /// The end: the call went well.
    End(Metadata),
}

impl Caller {
    pub(super) fn new(mailbox: &Arc<Mailbox>) -> Self {
        mailbox.join();
        Self(Arc::clone(mailbox))
    }

    /// Whether calls can still be made.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_open()
    }

    /// Whether the other side has answered a call or taken one, as far as is known when no further calls can be made.
    pub(super) fn has_served(&self) -> bool {
        self.0.has_served()
    }

    /// Makes a call, with its first message if there is one, and whether it is the last.
    pub(super) fn call(
        &self,
        call: Call,
        message: Option<Message>,
        last: bool,
        deadline: Option<Instant>,
    ) -> Pending {
        make(&self.0, NewCall::new(call, message, last, deadline, Inbox::new()))
    }

    /// Makes a call whose request is a stream, of which this was sent already.
    pub(super) fn replay(&self, call: Call, sent: Vec<Outgoing>, deadline: Instant) -> Pending {
        make(&self.0, NewCall { sent, ..NewCall::new(call, None, false, Some(deadline), Inbox::new()) })
    }
}

fn make(mailbox: &Arc<Mailbox>, mut new: NewCall) -> Pending {
    let inbox = Arc::clone(&new.inbox);
    let compress = |message: &mut Message| *message = mailbox.compressed(std::mem::take(message));
    new.message.iter_mut().for_each(compress);
    new.sent.iter_mut().filter_map(Outgoing::message_mut).for_each(compress);
    mailbox.send(Command::Call(Box::new(new)));
    Pending { mailbox: Arc::clone(mailbox), inbox, over: AtomicBool::new(false) }
}

impl Pending {
    /// The next message, or the end.
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Result<Arrived, Failure>> {
        self.inbox.poll_next(cx).map(|next| match next {
            Next::Message(message) => {
                self.mailbox.send_consumed(&self.inbox, message.credit);
                Ok(Arrived::Message(message))
            }
            Next::End(ended) => {
                self.over.store(true, Ordering::Relaxed);
                if ended.status.is_ok() { Ok(Arrived::End(ended.status.trailers)) } else { Err(ended.into()) }
            }
            Next::Last => Err(misbehaved("the answer ended without a status")),
        })
    }

    /// The one message of an answer, and its trailers.
    pub(super) async fn answer(self) -> Result<(Message, Metadata), Failure> {
        if let Some((message, status)) = poll_fn(|cx| self.inbox.poll_answer(cx)).await {
            self.over.store(true, Ordering::Relaxed);
            return Ok((message, status.trailers));
        }
        let mut answer = None;
        loop {
            match poll_fn(|cx| self.poll_next(cx)).await? {
                Arrived::Message(message) if answer.is_none() => answer = Some(message),
                Arrived::Message(_) => return Err(misbehaved("more than one message came as the answer")),
                Arrived::End(trailers) => {
                    let message = answer.ok_or_else(|| misbehaved("the call went well and has no answer"))?;
                    return Ok((message, trailers));
                }
            }
        }
    }

    /// Ready when a message may be said.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), Failure>> {
        self.inbox.poll_room(cx).map(|room| match room {
            // The answer came early, and it went well: what is said now is not heard, and that is no failure.
            Err(ended) if ended.status.is_ok() => Ok(()),
            room => room.map_err(Failure::from),
        })
    }

    /// Says a message.
    pub(super) fn say(&self, message: Message, last: bool) {
        self.inbox.say(&self.mailbox, message, last);
    }

    /// The message as it is sent best on this connection.
    pub(super) fn compressed(&self, message: Message) -> Message {
        self.mailbox.compressed(message)
    }

    /// Sends something as it is.
    pub(super) fn send(&self, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Message(message) => self.inbox.post(&self.mailbox, message, false),
            Outgoing::End => self.say_last(),
        }
    }

    /// Gives the call up, unless it is over.
    pub(super) fn cancel(&self) {
        if !self.over.swap(true, Ordering::Relaxed) {
            self.mailbox.send(Command::Cancel { inbox: Arc::clone(&self.inbox) });
        }
    }

    /// Says that no message follows.
    pub(super) fn say_last(&self) {
        self.mailbox.send(Command::SayLast { inbox: Arc::clone(&self.inbox) });
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.cancel();
    }
}

fn misbehaved(text: &str) -> Failure {
    answered(Status::new(Code::Internal, text))
}
