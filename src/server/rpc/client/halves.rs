//! The two halves of a call whose request is a stream, each perhaps in a task of its own. They may be left unpolled at any time.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::retriable::{Half, RetriableStream};
use crate::proto::rpc::session::Message;
use crate::server::rpc::caller::{Arrived, Failure};
use crate::server::rpc::link::mailbox::Outgoing;

/// The sending half. Dropped before [`finish`](Self::finish), it cancels the call: a part of a stream must not look like the whole.
#[derive(Debug)]
pub(in super::super) struct SendHalf {
    stream: Arc<RetriableStream>,
    finished: bool,
}

/// The receiving half. Dropped before the end, it cancels the call.
#[derive(Debug)]
pub(in super::super) struct RecvHalf {
    stream: Arc<RetriableStream>,
    ended: bool,
}

/// Both halves of a call.
pub(super) fn halves(stream: RetriableStream) -> (SendHalf, RecvHalf) {
    let stream = Arc::new(stream);
    (SendHalf { stream: Arc::clone(&stream), finished: false }, RecvHalf { stream, ended: false })
}

impl SendHalf {
    /// Ready when a message may be sent.
    pub(in super::super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            let attempt = ready!(self.stream.poll_attempt(Half::Send, cx));
            match ready!(attempt.pending.poll_room(cx)) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(failure) => self.stream.recover(&attempt, failure)?,
            }
        }
    }

    /// Sends a message; to be called once after [`poll_room`](Self::poll_room) has been ready.
    pub(in super::super) fn send(&mut self, message: Message) {
        self.stream.send(Outgoing::Message(message));
    }

    /// Says that no message follows.
    pub(in super::super) fn finish(&mut self) {
        if !std::mem::replace(&mut self.finished, true) {
            self.stream.send(Outgoing::End);
        }
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        if !self.finished {
            self.stream.cancel();
        }
    }
}

impl RecvHalf {
    /// The next message, or the end.
    pub(in super::super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrived, Failure>> {
        loop {
            let attempt = ready!(self.stream.poll_attempt(Half::Recv, cx));
            match ready!(attempt.pending.poll_next(cx)) {
                Ok(arrived) if self.stream.commit(&attempt) => {
                    self.ended |= matches!(arrived, Arrived::End(_));
                    return Poll::Ready(Ok(arrived));
                }
                Ok(_) => {} // of an attempt that was given up meanwhile
                Err(failure) => self.stream.recover(&attempt, failure)?,
            }
        }
    }
}

#[cfg(test)]
impl RecvHalf {
    /// Whether the call is being made again.
    pub(super) fn recovers(&self) -> bool {
        self.stream.recovers()
    }
}

impl Drop for RecvHalf {
    fn drop(&mut self) {
        if !self.ended {
            self.stream.cancel();
        }
    }
}
