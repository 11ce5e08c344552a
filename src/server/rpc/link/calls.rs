//! The calls of ours: made now or when the peer can take them, given up when nobody waits for them any more or their time is over.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::Link;
use super::inbox::{Inbox, Reach};
use super::mailbox::{NewCall, Outgoing};
use crate::proto::rpc::payload::CodecId;
use crate::proto::rpc::reject::ErrorCode;
use crate::proto::rpc::session::{CallError, HIGH_WATER, Message, SayError};
use crate::proto::rpc::status::{Advice, Code, Status};

impl Link {
    /// Makes a call, now or when the peer can take it.
    pub(super) fn call(&mut self, new: Box<NewCall>) {
        if new.inbox.is_over() {
            return;
        }
        match self.session.can_call() {
            Ok(()) => {
                if let Some(status) = self.unread(new.call.codec) {
                    return new.inbox.end(status, None, Reach::Never);
                }
            }
            Err(CallError::TooEarly | CallError::TooMany(_))
                if self.queued.len() < self.settings.max_queued_calls =>
            {
                let mut new = new;
                if let Some(at) = new.deadline {
                    self.serial = self.serial.wrapping_add(1);
                    new.serial = self.serial;
                    self.waits.add(at, self.serial);
                }
                return self.queued.push_back(new);
            }
            Err(CallError::Leaving) => {
                // A call of the peer that comes before we have left is still answered, perhaps with the help of calls of ours.
                if !self.session.is_done_leaving() {
                    self.depart(); // also when the numbers of streams are used up: another connection is needed
                    self.leaving = true;
                }
                return new.inbox.end(refused("the connection takes no further calls"), None, Reach::Never);
            }
            Err(error) => {
                let status = Status::new(Code::ResourceExhausted, error.to_string());
                return new.inbox.end(status.advice(Advice::NotProcessed), None, Reach::Never);
            }
        }
        let NewCall { mut call, message, last, deadline, inbox, sent, serial: _ } = *new;
        if let Some(at) = deadline {
            // Counted from when it leaves: waiting in our own queue is not the other side's time.
            call.deadline = Some(at.saturating_duration_since(self.taken));
        }
        match self.session.call(call, message, last) {
            Ok(stream) => {
                inbox.set_stream(stream);
                inbox.seen(self.session.waiting(stream) < HIGH_WATER);
                if let Some(at) = deadline {
                    self.deadlines.add(at, stream);
                }
                self.ours.insert(stream, Arc::clone(&inbox));
                let mut sent = sent.into_iter().peekable();
                while let Some(outgoing) = sent.next() {
                    match outgoing {
                        Outgoing::Message(message) => {
                            let last = sent.next_if(|next| matches!(next, Outgoing::End)).is_some();
                            self.say_message(&inbox, message, last);
                        }
                        Outgoing::End => self.session.say_last(stream),
                    }
                }
            }
            Err(error) => {
                let status = Status::new(Code::ResourceExhausted, error.to_string());
                inbox.end(status.advice(Advice::Never), None, Reach::Never);
            }
        }
    }

    /// Why the peer would not understand a message that is written with this codec, if it would not.
    fn unread(&self, codec: u8) -> Option<Status> {
        let reads = self.session.theirs()?.codecs;
        let can = |codec: u8| reads.checked_shr(codec.into()).is_some_and(|bits| bits & 1 != 0);
        if can(codec) {
            return None;
        }
        let name = |codec: u8| match CodecId::of(codec) {
            Some(known) => format!("{codec} ({})", known.name()),
            None => codec.to_string(),
        };
        let known: Vec<_> = (0..64).filter(|codec| can(*codec)).map(name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let text = format!("the other side does not read payload codec {}; it reads {known}", name(codec));
        Some(Status::new(Code::Unimplemented, text).advice(Advice::NotProcessed))
    }

    /// Makes calls that had to wait.
    pub(super) fn call_queued(&mut self) {
        while !self.queued.is_empty() && self.session.can_call().is_ok() {
            if let Some(call) = self.queued.pop_front() {
                self.taken = Instant::now();
                self.call(call);
            }
        }
    }

    pub(super) fn say_last(&mut self, inbox: &Arc<Inbox>) {
        match self.queued(inbox) {
            Some(call) => call.sent.push(Outgoing::End),
            None => self.session.say_last(inbox.stream()),
        }
    }

    /// The call, if it waits to be made.
    fn queued(&mut self, inbox: &Arc<Inbox>) -> Option<&mut NewCall> {
        let waits = inbox.stream() == 0;
        let call = waits.then(|| self.queued.iter_mut().find(|call| Arc::ptr_eq(&call.inbox, inbox)));
        call.flatten().map(|call| &mut **call)
    }

    pub(super) fn say_message(&mut self, inbox: &Arc<Inbox>, message: Message, last: bool) {
        if let Some(call) = self.queued(inbox) {
            // No more than there is room for: nobody has told of any.
            call.sent.push(Outgoing::Message(message));
            return call.sent.extend(last.then_some(Outgoing::End));
        }
        let stream = inbox.stream();
        match self.session.say(stream, message, last) {
            Ok(()) => inbox.seen(self.session.waiting(stream) < HIGH_WATER),
            Err(SayError::Closed) => {}
            Err(error) => {
                // The caller of a stream is told by its end; a handler likewise.
                let status = Status::new(Code::ResourceExhausted, error.to_string());
                self.session.reset(stream, ErrorCode::MESSAGE_TOO_LARGE, &error.to_string());
                if let Some(inbox) = self.ours.remove(&stream) {
                    inbox.end(status, None, Reach::Unknown);
                } else if self.theirs.contains_key(&stream) {
                    self.give_up(stream, &status);
                }
            }
        }
    }

    /// A call of ours of which nobody wants to know more.
    pub(super) fn cancel(&mut self, inbox: &Arc<Inbox>) {
        let stream = inbox.stream();
        inbox.end(Status::new(Code::Cancelled, "given up"), None, Reach::Unknown);
        self.session.consumed(stream, inbox.discard());
        if self.ours.remove(&stream).is_some() {
            self.session.reset(stream, ErrorCode::CANCELLED, "");
            self.call_queued();
        } else if stream == 0 {
            self.queued.retain(|call| !Arc::ptr_eq(&call.inbox, inbox));
        }
    }

    /// The deadline of a call has passed.
    fn expire(&mut self, stream: u32) {
        let status = || Status::new(Code::DeadlineExceeded, "the deadline has passed");
        if let Some(inbox) = self.ours.remove(&stream) {
            inbox.end(status(), None, Reach::Unknown);
            self.session.reset(stream, ErrorCode::CANCELLED, "deadline");
            self.call_queued();
        } else if self.theirs.contains_key(&stream) {
            self.give_up(stream, &status());
            // It is refused only when the caller has gone meanwhile; here and below.
            let _ = self.session.end_now(stream, status());
        } else {
            // Its handler is done, and the caller does not read the answer.
            let _ = self.session.end_now(stream, status());
        }
    }

    /// The peer takes no further calls of ours.
    pub(super) fn depart(&mut self) {
        let status = refused("the other side is going away");
        self.mailbox.refuse(&status);
        self.refuse_queued(&status);
    }

    /// We leave: what waits to be called can be called no more once the last call of the peer is answered.
    pub(super) fn leave(&mut self) {
        if self.queued.is_empty() {
            // A peer that leaves itself closes the connection when its calls are answered. To tell it that it may not call any more would take the
            // means from it to answer those of ours that need something from us.
            if !self.session.peer_leaves() || self.drain.is_stopping() {
                self.session.leave(); // only the first time it says something
            }
        } else if self.session.is_done_leaving() {
            self.refuse_queued(&refused("the connection takes no further calls"));
        }
    }

    fn refuse_queued(&mut self, status: &Status) {
        for call in self.queued.drain(..) {
            call.inbox.end(status.clone(), None, Reach::Never);
        }
    }

    /// Gives up the calls whose deadline has passed. Whether there was one.
    pub(super) fn expire_all(&mut self, cx: &mut Context<'_>) -> bool {
        let mut busy = false;
        self.deadlines.trim(self.session.open(), |stream| self.session.is_open(stream));
        while let Poll::Ready(stream) = self.deadlines.poll(cx, |stream| self.session.is_open(stream)) {
            busy = true;
            self.expire(stream);
        }
        self.waits.trim(self.queued.len(), |serial| self.queued.iter().any(|call| call.serial == serial));
        while let Poll::Ready(serial) = self.waits.poll(cx, |_| true) {
            busy = true;
            if let Some(at) = self.queued.iter().position(|call| call.serial == serial)
                && let Some(call) = self.queued.remove(at)
            {
                let status = Status::new(
                    Code::DeadlineExceeded,
                    "the deadline has passed before the call could be made",
                );
                call.inbox.end(status, None, Reach::Never);
            }
        }
        busy
    }
}

fn refused(text: &str) -> Status {
    Status::new(Code::Unavailable, text).advice(Advice::NotProcessed)
}
