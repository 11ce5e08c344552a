//! Typed calls of a channel.

use std::future::{IntoFuture, poll_fn};
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};

use super::Channel;
use super::attempt::{Request, deadline_after, deadline_in};
use super::conversation::{Conversation, Upload};
use super::talk::Plan;
use crate::proto::rpc::frame::Call as WireCall;
use crate::proto::rpc::metadata::Metadata;
use crate::proto::rpc::payload::CodecId;
use crate::proto::rpc::status::{Advice, Code, Status};
use crate::server::rpc::caller::{Failure, Pending, Reach};
use crate::server::rpc::method::Method;
use crate::server::rpc::stream::{Format, Responses, answered};

/// A call that has not been made: awaiting it makes it.
#[derive(Debug)]
#[must_use = "a call is made when it is awaited"]
pub struct Call<'a, M, T> {
    channel: &'a Channel,
    request: T,
    timeout: Option<Duration>,
    metadata: Metadata,
    codec: CodecId,
    method: PhantomData<fn() -> M>,
}

/// An answer, and what came with its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply<T> {
    /// The answer.
    pub message: T,
    /// Names and values at the end of the call.
    pub trailers: Metadata,
}

impl Channel {
    /// Calls a unary method.
    pub fn unary<M: Method>(&self, request: M::Request) -> Call<'_, M, Unary<M::Request>> {
        self.prepare(Unary(request))
    }

    /// Calls a method that answers with a stream.
    pub fn server_stream<M: Method>(&self, request: M::Request) -> Call<'_, M, ServerStream<M::Request>> {
        self.prepare(ServerStream(request))
    }

    /// Calls a method that takes a stream and answers once.
    pub fn client_stream<M: Method>(&self) -> Call<'_, M, ClientStream> {
        self.prepare(ClientStream)
    }

    /// Calls a method with streams in both directions.
    pub fn bidi<M: Method>(&self) -> Call<'_, M, Bidi> {
        self.prepare(Bidi)
    }

    fn prepare<M: Method, T>(&self, request: T) -> Call<'_, M, T> {
        let (timeout, metadata, codec) = (None, Metadata::new(), CodecId::default());
        Call { channel: self, request, timeout, metadata, codec, method: PhantomData }
    }
}

/// The request of a unary call.
#[derive(Debug)]
pub struct Unary<T>(T);

/// The request of a call that is answered with a stream.
#[derive(Debug)]
pub struct ServerStream<T>(T);

/// A call that takes a stream.
#[derive(Debug)]
pub struct ClientStream;

/// A call with streams in both directions.
#[derive(Debug)]
pub struct Bidi;

impl<M: Method, T> Call<'_, M, T> {
    /// How long it may take, all attempts together, in place of the channel's deadline. Of a stream, until its end.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Names and values that go with it.
    pub fn metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }

    /// Writes and reads messages with this codec, in place of bincode.
    pub fn codec(self, codec: CodecId) -> Self {
        Self { codec, ..self }
    }

    fn format(&self) -> Format {
        Format { codec: self.codec, limit: self.channel.0.settings.max_message }
    }

    fn wire(&self) -> WireCall {
        WireCall {
            service: M::service(),
            method: M::DESCRIPTION.number,
            codec: self.codec.number(),
            schema: M::schema(),
            metadata: self.metadata.clone(),
            ..WireCall::default()
        }
    }

    /// How long it may take.
    fn time(&self) -> Duration {
        self.timeout.unwrap_or(self.channel.0.deadline)
    }

    /// The call with a message, for as many attempts as it takes.
    fn with(&self, message: &M::Request) -> Result<Request, Failure> {
        let message = self.format().write(message).map_err(never)?;
        let idempotent = M::DESCRIPTION.idempotent;
        let begun = tokio::time::Instant::now();
        let deadline = deadline_after(begun, self.time());
        Ok(Request { call: self.wire(), message, idempotent, begun, deadline })
    }

    /// The call without one.
    fn plan(&self) -> Plan {
        let idempotent = M::DESCRIPTION.idempotent;
        Plan { call: self.wire(), idempotent, deadline: deadline_in(self.time()) }
    }
}

impl<M: Method> Call<'_, M, Unary<M::Request>> {
    /// Makes the call, for who wants the trailers too.
    ///
    /// # Errors
    /// How it failed, and whether it can have had an effect.
    pub async fn reply(self) -> Result<Reply<M::Response>, Failure> {
        let (format, request) = (self.format(), self.with(&self.request.0)?);
        let (message, trailers) = self.channel.call(request).await?;
        let message = format.read(message, Code::Internal).map_err(answered)?;
        Ok(Reply { message, trailers })
    }
}

impl<'a, M: Method> IntoFuture for Call<'a, M, Unary<M::Request>>
where
    M::Request: Sync,
{
    type Output = Result<M::Response, Failure>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { Ok(self.reply().await?.message) }.boxed()
    }
}

impl<'a, M: Method> IntoFuture for Call<'a, M, ServerStream<M::Request>>
where
    M::Request: Sync,
{
    type Output = Result<Responses<M::Response>, Failure>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let (format, request) = (self.format(), self.with(&self.request.0)?);
            // Until the first message, nothing of the answer was handed on: it can be tried again.
            let begin = async |pending: Pending| {
                let first = poll_fn(|cx| pending.poll_next(cx)).await?;
                Ok((pending, first))
            };
            let (pending, first) = self.channel.retried(request, begin).await?;
            Ok(Responses::new(pending, Some(first), format))
        }
        .boxed()
    }
}

impl<'a, M: Method> IntoFuture for Call<'a, M, ClientStream> {
    type Output = Result<Upload<M::Request, M::Response>, Failure>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { Ok(Upload::new(self.channel.talk(self.plan()).await?, self.format())) }.boxed()
    }
}

impl<'a, M: Method> IntoFuture for Call<'a, M, Bidi> {
    type Output = Result<Conversation<M::Request, M::Response>, Failure>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { Ok(Conversation::new(self.channel.talk(self.plan()).await?, self.format())) }.boxed()
    }
}

/// A failure of ours to say something.
fn never(status: Status) -> Failure {
    Failure { status: status.advice(Advice::Never), reach: Reach::Never, attempts: 0 }
}
