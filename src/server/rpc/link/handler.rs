//! The peer's calls: from OPEN to the handler, and from its answer to END.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable, BoxFuture};
use http::Extensions;

use super::inbox::{Inbox, Reach};
use super::mailbox::{Compressing, Mailbox};
use super::{Ctx, Link, Work};
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::session::{Message, SayError};
use crate::proto::rpc::status::{Code, Status};
use crate::server::rpc::inherited::{Inherited, Inheriting};
use crate::server::rpc::layer::Answer;
use crate::server::rpc::method::Description;
use crate::server::rpc::settings::LONGEST;

/// What answers calls, by the number of their service and method.
pub(in super::super) trait Serve: Send + Sync {
    /// The handler of a call.
    ///
    /// # Errors
    /// There is none, or it cannot understand the call: what the caller is told.
    fn find(&self, call: &Call) -> Result<Arc<dyn Handle>, Status>;
}

/// What answers the calls of one method.
pub(in super::super) trait Handle: Send + Sync {
    /// Whether its request is a stream of messages; or else exactly one.
    fn takes_stream(&self) -> bool;

    /// Whether its answer is a stream of messages; or else exactly one.
    fn gives_stream(&self) -> bool;

    /// What there is to know of the method.
    fn description(&self) -> &'static Description;

    /// Answers a call.
    fn handle(&self, asked: Asked) -> BoxFuture<'static, Answer>;
}

/// A call, for its handler.
pub(in super::super) struct Asked {
    pub(in super::super) context: Ctx,
    /// The request, when it is not a stream.
    pub(in super::super) request: Message,
    /// Where a stream comes in, and goes out by.
    pub(in super::super) streams: Option<Streams>,
    /// What answers it; or what goes around that.
    pub(in super::super) handler: Arc<dyn Handle>,
}

/// The streams of a call, for its handler.
#[derive(Clone)]
pub(in super::super) struct Streams {
    pub(in super::super) inbox: Arc<Inbox>,
    pub(in super::super) mailbox: Arc<Mailbox>,
}

/// How a handler ended: by itself, by a panic, or because it was given up.
type Outcome = Option<Result<Answer, Box<dyn Any + Send>>>;

/// A handler at work.
pub(super) struct Running {
    stream: u32,
    /// It is done, and its answer is being compressed.
    answered: bool,
    future: Abortable<futures_util::future::CatchUnwind<AssertUnwindSafe<Inheriting<Answer>>>>,
}

/// Gives a handler up.
pub(super) type Abort = AbortHandle;

impl Future for Running {
    type Output = (u32, bool, Outcome);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(u32, bool, Outcome)> {
        let Self { stream, answered, .. } = *self;
        self.future.poll_unpin(cx).map(|outcome| (stream, answered, outcome.ok()))
    }
}

impl Link {
    /// The peer calls.
    pub(super) fn called(&mut self, stream: u32, call: Call, message: Option<Message>, last: bool) {
        self.watch.called(stream, &call, self.conn.heard());
        let handler = match self.serve.find(&call) {
            Ok(handler) => handler,
            Err(status) => {
                self.session.release();
                return self.finish(stream, status.into());
            }
        };
        let limit = self.settings.max_deadline.min(LONGEST);
        let left = call.deadline.map_or(limit, |left| left.min(limit));
        let context = Ctx {
            peer: Arc::clone(&self.peer),
            metadata: call.metadata,
            deadline: self.conn.heard() + left,
            attempt: call.attempt,
            trace: call.trace,
            extensions: Extensions::new(),
            codec: call.codec,
            max_message: self.settings.max_message,
            home: Arc::clone(&self.home),
            stream,
        };
        let streams = (handler.takes_stream() || handler.gives_stream()).then(|| {
            let inbox = Inbox::new();
            inbox.set_stream(stream);
            Streams { inbox, mailbox: Arc::clone(&self.mailbox) }
        });
        let takes_stream = handler.takes_stream();
        let asked = Asked { context, request: Message::default(), streams, handler };
        match message {
            _ if takes_stream => {
                if let Some(streams) = &asked.streams {
                    streams.inbox.message(message, last);
                }
                self.start(stream, asked);
            }
            Some(request) => self.start(stream, Asked { request, ..asked }),
            None if last => {
                self.session.release();
                self.finish(stream, Status::new(Code::InvalidArgument, "there is no request").into());
            }
            None => {
                self.deadlines.add(asked.context.deadline, stream);
                self.theirs.insert(stream, Work::Awaited(Box::new(asked)));
            }
        }
    }

    /// Starts the handler of a call. Most are done at once.
    fn start(&mut self, stream: u32, asked: Asked) {
        let (deadline, handler) = (asked.context.deadline, Arc::clone(&asked.handler));
        let inbox = asked.streams.as_ref().map(|streams| Arc::clone(&streams.inbox));
        let inherited = Inherited::of(&asked.context);
        // It may panic before it awaits anything, too.
        let begin = || Inheriting::begun(inherited, || handler.handle(asked));
        let begun = std::panic::catch_unwind(AssertUnwindSafe(begin));
        let mut future = match begun {
            Ok(future) => AssertUnwindSafe(future).catch_unwind(),
            Err(panic) => {
                self.session.release();
                return self.done(stream, Some(Err(panic)));
            }
        };
        let mut answered = false;
        if inbox.is_none() {
            // Nobody is woken by this; who is not done is polled again by who can be.
            if let Poll::Ready(outcome) = future.poll_unpin(&mut Context::from_waker(Waker::noop())) {
                match self.compress(Some(outcome)) {
                    Ok(outcome) => {
                        self.session.release();
                        self.done(stream, outcome);
                        if self.session.is_open(stream) {
                            self.deadlines.add(deadline, stream); // the answer has not left
                        }
                        return;
                    }
                    Err(compressing) => {
                        let compressing = Inheriting::alone(compressing);
                        (future, answered) = (AssertUnwindSafe(compressing).catch_unwind(), true);
                    }
                }
            }
        }
        let (abort, registration) = AbortHandle::new_pair();
        self.handlers.push(Running { stream, answered, future: Abortable::new(future, registration) });
        self.deadlines.add(deadline, stream);
        self.theirs.insert(stream, Work::Running(abort, inbox));
    }

    /// A message has come on a stream, or the end of its messages.
    pub(super) fn delivered(&mut self, stream: u32, message: Option<Message>, last: bool) {
        if let Some(inbox) = self.ours.get(&stream) {
            return inbox.message(message, last);
        }
        match (self.theirs.get(&stream), message) {
            (Some(Work::Running(_, Some(inbox))), message) => inbox.message(message, last),
            (Some(Work::Running(_, None)), None) => {}
            (Some(Work::Awaited(_)), Some(request)) => {
                if let Some(Work::Awaited(asked)) = self.theirs.remove(&stream) {
                    self.session.consumed(stream, request.credit);
                    self.start(stream, Asked { request, ..*asked });
                }
            }
            (Some(_), message) => {
                self.session.consumed(stream, message.map_or(0, |message| message.credit));
                let status = Status::new(Code::InvalidArgument, "exactly one message is a request");
                self.give_up(stream, &status);
                self.finish(stream, status.into());
            }
            (None, message) => self.session.consumed(stream, message.map_or(0, |message| message.credit)),
        }
    }

    /// Stops the handler of a call. What it holds is dropped in this turn; its place is free when it is.
    pub(super) fn give_up(&mut self, stream: u32, status: &Status) {
        self.gave_up = true;
        self.home.trailers.take(stream, usize::MAX, |_| true);
        match self.theirs.remove(&stream) {
            Some(Work::Running(abort, inbox)) => {
                abort.abort();
                if let Some(inbox) = inbox {
                    inbox.end(status.clone(), None, Reach::Unknown);
                    self.session.consumed(stream, inbox.discard());
                }
            }
            Some(Work::Awaited(_)) => self.session.release(),
            None => {}
        }
    }

    /// Lets the handlers go on. Whether one was done.
    pub(super) fn run_handlers(&mut self, cx: &mut Context<'_>) -> bool {
        let mut busy = false;
        while let Poll::Ready(Some((stream, answered, outcome))) = self.handlers.poll_next_unpin(cx) {
            busy = true;
            let outcome = match if answered { Ok(outcome) } else { self.compress(outcome) } {
                Ok(outcome) => outcome,
                Err(compressing) => {
                    self.go_on(stream, compressing);
                    continue;
                }
            };
            self.session.release();
            if let Some(Work::Running(_, Some(inbox))) = self.theirs.remove(&stream) {
                self.read_mail(cx); // what it has said comes before its end
                self.session.consumed(stream, inbox.discard());
                inbox.end(Status::new(Code::Cancelled, "the call is answered"), None, Reach::Answered);
            }
            self.done(stream, outcome);
        }
        busy
    }

    /// Compresses the message of an answer, if it should be; `Err` if it is so long that the workers do it, while the call goes on.
    fn compress(&self, outcome: Outcome) -> Result<Outcome, BoxFuture<'static, Answer>> {
        let Some(Ok(Answer { status, message: Some(message) })) = outcome else { return Ok(outcome) };
        match self.mailbox.compress(message) {
            Compressing::Done(message) => Ok(Some(Ok(Answer { status, message: Some(message) }))),
            Compressing::Elsewhere(job) => {
                Err(async move { Answer { status, message: Some(job.await) } }.boxed())
            }
        }
    }

    /// The handler of a call is done, and its answer is compressed before it is sent. The call can be given up as before.
    fn go_on(&mut self, stream: u32, compressing: BoxFuture<'static, Answer>) {
        let (abort, registration) = AbortHandle::new_pair();
        let compressing = AssertUnwindSafe(Inheriting::alone(compressing)).catch_unwind();
        let future = Abortable::new(compressing, registration);
        self.handlers.push(Running { stream, answered: true, future });
        if let Some(Work::Running(known, _)) = self.theirs.get_mut(&stream) {
            *known = abort;
        }
    }

    fn done(&mut self, stream: u32, outcome: Outcome) {
        match outcome {
            Some(Ok(answer)) => self.finish(stream, answer),
            Some(Err(panic)) => {
                let text = panic.downcast_ref::<&str>().copied();
                let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
                tracing::error!(panic = text.unwrap_or("something that is no text"), "a handler panicked");
                self.finish(stream, Status::new(Code::Internal, "the handler panicked").into());
            }
            None => {} // it was given up
        }
    }

    /// The answer with what its handler has added to the end of the call, if anything.
    fn with_trailers(&self, stream: u32, answer: Answer) -> Answer {
        let lives = |stream| self.theirs.contains_key(&stream);
        let Some(added) = self.home.trailers.take(stream, self.theirs.len(), lives) else { return answer };
        match answer.status.trailers.join(&added) {
            Ok(trailers) => Answer { status: answer.status.trailers(trailers), ..answer },
            Err(error) => Status::new(Code::Internal, format!("the trailers cannot be sent: {error}")).into(),
        }
    }

    /// Answers a call.
    pub(super) fn finish(&mut self, stream: u32, answer: Answer) {
        let Answer { status, message } = self.with_trailers(stream, answer);
        match self.session.end(stream, status, message) {
            Ok(()) | Err(SayError::Closed) => {}
            Err(error) => {
                let status =
                    Status::new(Code::ResourceExhausted, format!("the answer cannot be sent: {error}"));
                // Without message and trailers it can.
                let _ = self.session.end(stream, status, None);
            }
        }
    }
}
