//! Messages of a call, as they come and go: typed, at the pace of the slower side.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::caller::{Arrived, Failure, Pending, Reach};
use super::client::{CallMeter, Streaming};
use super::lane::is_long;
use super::link::Streams;
use super::link::inbox::Next;
use crate::proto::rpc::metadata::Metadata;
use crate::proto::rpc::payload::{CodecId, Payload, PayloadError, compress};
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::{Advice, Code, Status};

/// The messages of an answer, for who answers.
pub type ResponseStream<T> = BoxStream<'static, Result<T, Status>>;

/// How messages are written and read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) codec: CodecId,
    /// The longest message, decompressed.
    pub(super) limit: usize,
}

impl Format {
    /// A message as it stands on the wire.
    pub(super) fn write<T: Payload>(self, value: &T) -> Result<Message, Status> {
        let bytes = value.encode(self.codec);
        let bytes = bytes
            .map_err(|error| Status::new(Code::Internal, format!("a message cannot be written: {error}")))?;
        Ok(Message { bytes, ..Message::default() })
    }

    /// A message that has come, or what is wrong with it.
    pub(super) fn read<T: Payload>(self, message: Message, wrong: Code) -> Result<T, Status> {
        let plain = self.plain(message).and_then(|bytes| T::decode(bytes, self.codec, self.limit));
        plain.map_err(|error| unreadable(wrong, &error))
    }

    /// The bytes of a message that has come.
    pub(super) fn plain(self, message: Message) -> Result<Bytes, PayloadError> {
        if message.compressed {
            return compress::decompress(&message.bytes, self.limit);
        }
        Ok(message.bytes)
    }
}

/// What is said of a message that cannot be read.
pub(super) fn unreadable(wrong: Code, error: &PayloadError) -> Status {
    let why: &dyn fmt::Display = match error {
        PayloadError::Malformed(why) => why, // which says the same in its own words
        error => error,
    };
    Status::new(wrong, format!("a message cannot be read: {why}")).advice(Advice::Never)
}

/// The messages that a caller sends, for their handler. Also a [`Stream`].
pub struct Requests<T> {
    streams: Streams,
    format: Format,
    /// The workers are decompressing the next message.
    decompressing: Option<BoxFuture<'static, Result<Message, Status>>>,
    messages: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Requests<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Requests")
    }
}

impl<T: Payload> Requests<T> {
    pub(super) fn new(streams: Streams, format: Format) -> Self {
        Self { streams, format, decompressing: None, messages: PhantomData }
    }

    /// The next message; `None` when the caller has sent its last.
    ///
    /// # Errors
    /// The message cannot be read, or the caller has gone: a handler best answers with the same.
    pub async fn next(&mut self) -> Option<Result<T, Status>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Status>>> {
        let Self { streams: Streams { inbox, mailbox }, format, decompressing, .. } = self;
        let message = loop {
            if let Some(job) = decompressing {
                let plain = ready!(job.poll_unpin(cx));
                *decompressing = None;
                break plain;
            }
            match ready!(inbox.poll_next(cx)) {
                Next::Message(message) => {
                    mailbox.send_consumed(inbox, message.credit);
                    match mailbox.lane().filter(|_| is_long(&message)) {
                        Some(lane) => *decompressing = Some(lane.decompress(message, format.limit).boxed()),
                        None => break Ok(message),
                    }
                }
                Next::Last => return Poll::Ready(None),
                Next::End(ended) => return Poll::Ready(Some(Err(ended.status))),
            }
        };
        Poll::Ready(Some(message.and_then(|message| format.read(message, Code::InvalidArgument))))
    }
}

impl<T: Payload> Stream for Requests<T> {
    type Item = Result<T, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

/// The messages of an answer, for the caller. Also a [`Stream`]. When it is dropped before its end, the call is cancelled.
#[derive(Debug)]
pub struct Responses<T> {
    pending: Pending,
    /// What came while the call was begun.
    first: Option<Arrived>,
    /// What counts the call when it is over.
    meter: CallMeter,
    answer: AnswerReader<T>,
}

impl<T: Payload> Responses<T> {
    pub(super) fn new(streaming: Streaming, format: Format) -> Self {
        let Streaming { pending, first, meter } = streaming;
        Self { pending, first: Some(first), meter, answer: AnswerReader::new(format) }
    }

    /// The next message; `None` when the call went well and this was all.
    ///
    /// # Errors
    /// How the call failed; nothing follows.
    pub async fn next(&mut self) -> Option<Result<T, Failure>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// What came with the end of the call; `None` before the end.
    #[must_use]
    pub fn trailers(&self) -> Option<&Metadata> {
        self.answer.trailers()
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<Result<T, Failure>>> {
        let Self { pending, first, meter, answer } = self;
        let next = ready!(answer.poll(|| match first.take() {
            Some(first) => Poll::Ready(Ok(first)),
            None => pending.poll_next(cx),
        }));
        match &next {
            None => meter.end(Code::Ok),
            Some(Err(failure)) => meter.end(failure.status.code),
            Some(Ok(_)) => {}
        }
        Poll::Ready(next)
    }
}

impl<T: Payload> Stream for Responses<T> {
    type Item = Result<T, Failure>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(cx)
    }
}

/// Reads a stream of answers: its messages, and then its trailers or how it failed.
#[derive(Debug)]
pub(super) struct AnswerReader<T> {
    format: Format,
    trailers: Option<Metadata>,
    failed: bool,
    messages: PhantomData<fn() -> T>,
}

impl<T> AnswerReader<T> {
    pub(super) fn new(format: Format) -> Self {
        Self { format, trailers: None, failed: false, messages: PhantomData }
    }

    /// What came with the end; `None` before.
    pub(super) fn trailers(&self) -> Option<&Metadata> {
        self.trailers.as_ref()
    }
}

impl<T: Payload> AnswerReader<T> {
    /// The next message of what `next` gives; `None` when there is none. After a failure nothing is asked for any more.
    pub(super) fn poll(
        &mut self,
        next: impl FnOnce() -> Poll<Result<Arrived, Failure>>,
    ) -> Poll<Option<Result<T, Failure>>> {
        if self.failed || self.trailers.is_some() {
            return Poll::Ready(None);
        }
        let read = match ready!(next()) {
            Ok(Arrived::Message(message)) => self.format.read(message, Code::Internal).map_err(answered),
            Ok(Arrived::End(trailers)) => {
                self.trailers = Some(trailers);
                return Poll::Ready(None);
            }
            Err(failure) => Err(failure),
        };
        self.failed = read.is_err();
        Poll::Ready(Some(read))
    }
}

/// A failure of ours to understand an answer.
pub(super) fn answered(status: Status) -> Failure {
    Failure { status, reach: Reach::Answered, attempts: 1 }
}
