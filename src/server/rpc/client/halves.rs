//! The two halves of a call whose request is a stream, each perhaps in a task of its own. They may be left unpolled at any time.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::CallMeter;
use super::retriable::{Half, RetriableStream};
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::Code;
use crate::server::rpc::caller::{Arrived, Failure, Pending};
use crate::server::rpc::link::mailbox::Outgoing;

/// What both halves are halves of.
#[derive(Clone, Debug)]
enum Whole {
    /// It can be made again, elsewhere.
    Retriable(Arc<RetriableStream>),
    /// It is made once.
    Plain(Arc<Pending>),
}

impl Whole {
    fn send(&self, outgoing: Outgoing) {
        match (self, outgoing) {
            (Self::Retriable(stream), outgoing) => stream.send(outgoing),
            (Self::Plain(pending), Outgoing::Message(message)) => pending.say(message, false),
            (Self::Plain(pending), Outgoing::End) => pending.say_last(),
        }
    }

    fn cancel(&self) {
        match self {
            Self::Retriable(stream) => stream.cancel(),
            Self::Plain(pending) => pending.cancel(),
        }
    }
}

/// The sending half. Dropped before [`finish`](Self::finish), it cancels the call: a part of a stream must not look like the whole.
#[derive(Debug)]
pub(in super::super) struct SendHalf {
    whole: Whole,
    finished: bool,
}

/// The receiving half. Dropped before the end, it cancels the call.
#[derive(Debug)]
pub(in super::super) struct RecvHalf {
    whole: Whole,
    ended: bool,
    /// What counts the call when it is over.
    meter: CallMeter,
}

/// Both halves of a call that can be made again.
pub(super) fn halves(stream: RetriableStream, meter: CallMeter) -> (SendHalf, RecvHalf) {
    of(Whole::Retriable(Arc::new(stream)), meter)
}

/// Both halves of a call that is made once.
pub(super) fn plain_halves(pending: Pending) -> (SendHalf, RecvHalf) {
    of(Whole::Plain(Arc::new(pending)), CallMeter::default())
}

fn of(whole: Whole, meter: CallMeter) -> (SendHalf, RecvHalf) {
    (SendHalf { whole: whole.clone(), finished: false }, RecvHalf { whole, ended: false, meter })
}

impl SendHalf {
    /// Ready when a message may be sent.
    pub(in super::super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let stream = match &self.whole {
            Whole::Retriable(stream) => stream,
            Whole::Plain(pending) => return pending.poll_room(cx),
        };
        loop {
            let attempt = ready!(stream.poll_attempt(Half::Send, cx));
            match ready!(attempt.pending.poll_room(cx)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(failure) => stream.recover(&attempt, failure)?,
            }
        }
    }

    /// Sends a message; to be called once after [`poll_room`](Self::poll_room) has been ready.
    pub(in super::super) fn send(&mut self, message: Message) {
        self.whole.send(Outgoing::Message(message));
    }

    /// Says that no message follows.
    pub(in super::super) fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.whole.send(Outgoing::End);
        }
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        if !self.finished {
            self.whole.cancel();
        }
    }
}

impl RecvHalf {
    /// The next message, or the end.
    pub(in super::super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrived, Failure>> {
        let next = ready!(self.poll_arrived(cx));
        match &next {
            Ok(Arrived::Message(_)) => {}
            Ok(Arrived::End(_)) => self.meter.end(Code::Ok),
            Err(failure) => self.meter.end(failure.status.code),
        }
        Poll::Ready(next)
    }

    fn poll_arrived(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrived, Failure>> {
        let stream = match &self.whole {
            Whole::Retriable(stream) => stream,
            Whole::Plain(pending) => {
                let next = ready!(pending.poll_next(cx));
                self.ended |= matches!(next, Ok(Arrived::End(_)) | Err(_));
                return Poll::Ready(next);
            }
        };
        loop {
            let attempt = ready!(stream.poll_attempt(Half::Recv, cx));
            match ready!(attempt.pending.poll_next(cx)) {
                Ok(arrived) if stream.commit(&attempt) => {
                    self.ended |= matches!(arrived, Arrived::End(_));
                    return Poll::Ready(Ok(arrived));
                }
                Ok(_) => {} // of an attempt that was given up meanwhile
                Err(failure) => stream.recover(&attempt, failure)?,
            }
        }
    }
}

#[cfg(test)]
impl RecvHalf {
    /// Whether the call is being made again.
    pub(super) fn recovers(&self) -> bool {
        matches!(&self.whole, Whole::Retriable(stream) if stream.recovers())
    }
}

impl Drop for RecvHalf {
    fn drop(&mut self) {
        if !self.ended {
            self.whole.cancel();
        }
    }
}
