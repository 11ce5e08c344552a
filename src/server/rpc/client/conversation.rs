//! Typed calls whose request is a stream: with one answer, or with a stream of them, in one piece or in two halves.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::call::Reply;
use super::halves::{RecvHalf, SendHalf};
use crate::proto::rpc::metadata::Metadata;
use crate::proto::rpc::payload::Payload;
use crate::proto::rpc::status::{Advice, Code, Status};
use crate::server::rpc::caller::{Failure, Reach};
use crate::server::rpc::stream::{AnswerReader, Format, answered};

/// The sending side of a call that takes a stream. When it is dropped before its end, the call is cancelled.
#[derive(Debug)]
pub struct Upload<Q, R>(Conversation<Q, R>);

impl<Q: Payload, R: Payload> Upload<Q, R> {
    pub(super) fn new(halves: (SendHalf, RecvHalf), format: Format) -> Self {
        Self(Conversation::new(halves, format))
    }

    /// Sends a message, when there is room for it.
    ///
    /// # Errors
    /// The call is over already: how it failed.
    pub async fn send(&mut self, message: &Q) -> Result<(), Failure> {
        self.0.send(message).await
    }

    /// Says that no message follows, and waits for the answer.
    ///
    /// # Errors
    /// How the call failed.
    pub async fn finish(self) -> Result<R, Failure> {
        self.reply().await.map(|reply| reply.message)
    }

    /// The same for who wants what comes with the end of the call, too: its trailers.
    ///
    /// # Errors
    /// How the call failed.
    pub async fn reply(mut self) -> Result<Reply<R>, Failure> {
        self.0.finish();
        let none = || answered(Status::new(Code::Internal, "the call went well and has no answer"));
        let answer = self.0.next().await.ok_or_else(none)??;
        match self.0.next().await {
            None => {
                let trailers = self.0.trailers().cloned().unwrap_or_default();
                Ok(Reply { message: answer, trailers })
            }
            Some(Ok(_)) => {
                Err(answered(Status::new(Code::Internal, "more than one message came as the answer")))
            }
            Some(Err(failure)) => Err(failure),
        }
    }
}

/// The two sides of a call with streams in both directions. When it is dropped before its end, the call is cancelled.
#[derive(Debug)]
pub struct Conversation<Q, R> {
    sender: Sender<Q>,
    receiver: Receiver<R>,
}

impl<Q: Payload, R: Payload> Conversation<Q, R> {
    pub(super) fn new((send, recv): (SendHalf, RecvHalf), format: Format) -> Self {
        Self { sender: Sender::new(send, format), receiver: Receiver::new(recv, format) }
    }

    /// Sends a message, when there is room for it.
    ///
    /// # Errors
    /// The call is over already: how it failed.
    pub async fn send(&mut self, message: &Q) -> Result<(), Failure> {
        self.sender.send(message).await
    }

    /// Says that no message follows.
    pub fn finish(&mut self) {
        self.sender.finish();
    }

    /// The next message of the answer; `None` when the call went well and this was all.
    ///
    /// # Errors
    /// How the call failed; nothing follows.
    pub async fn next(&mut self) -> Option<Result<R, Failure>> {
        self.receiver.next().await
    }

    /// What came with the end of the call; `None` before the end.
    #[must_use]
    pub fn trailers(&self) -> Option<&Metadata> {
        self.receiver.trailers()
    }

    /// Both sides, each for a task of its own.
    #[must_use]
    pub fn split(self) -> (Sender<Q>, Receiver<R>) {
        (self.sender, self.receiver)
    }
}

/// The sending side of a [`Conversation`]. Dropped before [`finish`](Self::finish), it cancels the call, as a part of a stream must not look like
/// the whole.
#[derive(Debug)]
pub struct Sender<Q> {
    half: SendHalf,
    format: Format,
    messages: PhantomData<fn(Q)>,
}

impl<Q> Sender<Q> {
    fn new(half: SendHalf, format: Format) -> Self {
        Self { half, format, messages: PhantomData }
    }

    /// Says that no message follows. What is sent later is not heard.
    pub fn finish(&mut self) {
        self.half.finish();
    }
}

impl<Q: Payload> Sender<Q> {
    /// Sends a message, when there is room for it.
    ///
    /// # Errors
    /// The call is over already: how it failed.
    pub async fn send(&mut self, message: &Q) -> Result<(), Failure> {
        poll_fn(|cx| self.half.poll_room(cx)).await?;
        self.half.send(self.format.write(message).map_err(unsent)?);
        Ok(())
    }
}

/// The receiving side of a [`Conversation`]. Also a [`Stream`]. Dropped before its end, it cancels the call.
#[derive(Debug)]
pub struct Receiver<R> {
    half: RecvHalf,
    answer: AnswerReader<R>,
}

impl<R> Receiver<R> {
    fn new(half: RecvHalf, format: Format) -> Self {
        Self { half, answer: AnswerReader::new(format) }
    }

    /// What came with the end of the call; `None` before the end.
    #[must_use]
    pub fn trailers(&self) -> Option<&Metadata> {
        self.answer.trailers()
    }
}

impl<R: Payload> Receiver<R> {
    /// The next message; `None` when the call went well and this was all.
    ///
    /// # Errors
    /// How the call failed; nothing follows.
    pub async fn next(&mut self) -> Option<Result<R, Failure>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<R, Failure>>> {
        self.answer.poll(|| self.half.poll_next(cx))
    }
}

impl<R: Payload> Stream for Receiver<R> {
    type Item = Result<R, Failure>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

/// A failure of ours to send something on a call that is under way.
fn unsent(status: Status) -> Failure {
    Failure { status: status.advice(Advice::Never), reach: Reach::Unknown, attempts: 1 }
}
