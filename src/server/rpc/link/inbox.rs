//! What a connection has for the one who waits for a call's messages or its end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::mailbox::{Command, Mailbox};
use crate::proto::rpc::session::{HIGH_WATER, MESSAGE_WEIGHT, Message};
use crate::proto::rpc::status::Status;

/// How far a call that failed may have come: whether its request can have had an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// It never reached a handler.
    Never,
    /// It was sent, and nobody knows.
    Unknown,
    /// The other side has answered, with messages or with its end.
    Answered,
}

/// One call, shared by the connection and by the one who waits.
#[derive(Debug, Default)]
pub(in super::super) struct Inbox {
    /// The stream; 0 before it has one.
    stream: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Message>,
    /// The message that came with the end; it comes after the others.
    tail: Option<Message>,
    /// No message follows.
    last: bool,
    /// How it ended.
    end: Option<Ended>,
    reader: Option<Waker>,
    /// Bytes that were said and not seen by the connection.
    posted: usize,
    /// As much waits on the connection as should.
    full: bool,
    writer: Option<Waker>,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(in super::super) struct Ended {
    pub(in super::super) status: Status,
    pub(in super::super) reach: Reach,
}

/// What one who waits is told.
#[derive(Debug)]
pub(in super::super) enum Next {
    /// A message.
    Message(Message),
    /// No message follows; for who was called.
    Last,
    /// The call is over; for who has called, or when it was cancelled.
    End(Ended),
}

impl Inbox {
    pub(in super::super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn stream(&self) -> u32 {
        self.stream.load(Ordering::Relaxed)
    }

    pub(super) fn set_stream(&self, stream: u32) {
        self.stream.store(stream, Ordering::Relaxed);
    }

    /// A message has come.
    pub(super) fn message(&self, message: Option<Message>, last: bool) {
        let mut state = self.lock();
        state.messages.extend(message);
        state.last |= last;
        wake(&mut state.reader.take());
    }

    /// The call is over.
    pub(super) fn end(&self, status: Status, message: Option<Message>, reach: Reach) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.tail = message;
            state.end = Some(Ended { status, reach });
        }
        wake(&mut state.reader.take());
        wake(&mut state.writer.take());
    }

    /// Takes the messages that nobody will take, and says how much credit they held.
    pub(super) fn discard(&self) -> u32 {
        let mut state = self.lock();
        state.tail = None; // it holds none
        state.messages.drain(..).fold(0, |credit, message| credit.saturating_add(message.credit))
    }

    /// The connection has seen what was said, and says whether there is room for more.
    pub(super) fn seen(&self, room: bool) {
        let mut state = self.lock();
        (state.posted, state.full) = (0, !room);
        if room {
            wake(&mut state.writer.take());
        }
    }

    /// Whether the call is over.
    pub(super) fn is_over(&self) -> bool {
        self.lock().end.is_some()
    }

    /// The next message, or the end.
    pub(in super::super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Next> {
        let mut state = self.lock();
        let tail = if state.messages.is_empty() { state.tail.take() } else { None };
        if let Some(message) = tail.or_else(|| state.messages.pop_front()) {
            return Poll::Ready(Next::Message(message));
        }
        if let Some(end) = &state.end {
            return Poll::Ready(Next::End(end.clone()));
        }
        if state.last {
            return Poll::Ready(Next::Last);
        }
        keep(&mut state.reader, cx);
        Poll::Pending
    }

    /// The one message of an answer and how the call ended, when that came in one piece, as nearly always. Otherwise `None`: it is told by
    /// [`poll_next`](Self::poll_next) then.
    pub(in super::super) fn poll_answer(&self, cx: &Context<'_>) -> Poll<Option<(Message, Status)>> {
        let mut state = self.lock();
        let State { messages, tail, last, end, reader, .. } = &mut *state;
        match end {
            Some(Ended { status, .. }) if messages.is_empty() && status.is_ok() => {
                let answer = tail.take().map(|message| (message, std::mem::replace(status, Status::ok())));
                Poll::Ready(answer)
            }
            None if messages.is_empty() && !*last => {
                keep(reader, cx);
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    }

    /// Ready when something may be said: `Ok`, or `Err` when the call is over.
    pub(in super::super) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), Ended>> {
        let mut state = self.lock();
        if let Some(end) = &state.end {
            return Poll::Ready(Err(end.clone()));
        }
        if !state.full && state.posted < HIGH_WATER {
            return Poll::Ready(Ok(()));
        }
        keep(&mut state.writer, cx);
        Poll::Pending
    }

    /// Says a message, compressed if it should be.
    pub(in super::super) fn say(self: &Arc<Self>, mailbox: &Mailbox, message: Message, last: bool) {
        self.post(mailbox, mailbox.compressed(message), last);
    }

    /// Says a message as it is.
    pub(in super::super) fn post(self: &Arc<Self>, mailbox: &Mailbox, message: Message, last: bool) {
        let mut state = self.lock();
        if state.end.is_some() {
            return; // nobody hears it, and who goes on saying something would fill the mailbox
        }
        state.posted += message.bytes.len().max(MESSAGE_WEIGHT);
        drop(state);
        mailbox.send(Command::Say { inbox: Arc::clone(self), message, last });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn keep(place: &mut Option<Waker>, cx: &Context<'_>) {
    if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_is_said_on_a_call_that_is_over_is_not_kept() {
        let (mailbox, inbox) = (Mailbox::default(), Inbox::new());
        let say =
            || inbox.say(&mailbox, Message { bytes: Bytes::from_static(b"?"), ..Message::default() }, false);
        say();
        assert!(mailbox.has_mail());
        mailbox.take(&mut Vec::new(), Waker::noop());
        // It was answered before all was said, and went well: who says the rest is told of no failure.
        inbox.end(Status::ok(), None, Reach::Answered);
        say();
        assert!(!mailbox.has_mail());
    }
}
