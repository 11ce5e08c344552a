//! Typed calls of a channel.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, TryFutureExt};

use tokio::time::Instant;

use super::Channel;
use super::attempt::{Request, deadline_after};
use super::conversation::{Conversation, Upload};
use super::retriable::StreamRequest;
use crate::proto::rpc::frame::{Call as WireCall, Trace};
use crate::proto::rpc::metadata::Metadata;
use crate::proto::rpc::payload::CodecId;
use crate::proto::rpc::status::{Advice, Code, Status};
use crate::server::rpc::caller::{Failure, Reach};
use crate::server::rpc::context::Context;
use crate::server::rpc::inherited::Inherited;
use crate::server::rpc::method::{Method, description_of};
use crate::server::rpc::stream::{Format, Responses, answered};

/// A call that has not been made: awaiting it makes it.
#[derive(Debug)]
#[must_use = "a call is made when it is awaited"]
pub struct Call<'a, M, T> {
    channel: &'a Channel,
    request: T,
    timeout: Option<Duration>,
    /// When the call is over that it is a part of.
    until: Option<Instant>,
    trace: Option<Box<Trace>>,
    /// It is no part of the call that is answered where it is made.
    detached: bool,
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
        let (metadata, codec) = (Metadata::new(), CodecId::default());
        let (timeout, until, trace, detached) = (None, None, None, false);
        Call { channel: self, request, timeout, until, trace, detached, metadata, codec, method: PhantomData }
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

    /// As a part of the call that a handler answers: it is over when that is at the latest, and stands in the same trace, as a span of its own.
    /// As everything that a handler awaits, it is cancelled when the handler is given up. Metadata is not passed on.
    ///
    /// What a handler awaits itself is so without being told. It is for tasks that a handler spawns, and for a context that a layer has changed.
    ///
    /// ```
    /// # use wireworks::server::rpc::{Code, Context, Status};
    /// # use wireworks::service;
    /// # service! {
    /// #     pub service Names as NamesClient in names {
    /// #         1 => unary of(u64) -> String, idempotent;
    /// #     }
    /// # }
    /// struct Front {
    ///     names: NamesClient,
    /// }
    ///
    /// impl Names for Front {
    ///     async fn of(&self, context: Context, number: u64) -> Result<String, Status> {
    ///         let names = self.names.clone();
    ///         let asking = tokio::spawn(async move { names.of(number).within(&context).await });
    ///         let name = asking.await.map_err(|_| Status::new(Code::Internal, "it panicked"))?;
    ///         name.map_err(|failure| failure.status)
    ///     }
    /// }
    /// # fn main() {}
    /// ```
    pub fn within(self, context: &Context) -> Self {
        let until = self.until.map_or(context.deadline, |until| until.min(context.deadline));
        let trace = Inherited::of(context).trace();
        Self { until: Some(until), trace: trace.or(self.trace), ..self }
    }

    /// Not as a part of the call that a handler answers: it has the channel's deadline, or its own, and no trace but its own. It is cancelled with the handler all the same, if
    /// that awaits it.
    pub fn detached(self) -> Self {
        Self { detached: true, ..self }
    }

    /// What it takes over from the call that is answered where it is made, if it was not told otherwise.
    fn inherited(&self) -> Option<Inherited> {
        if self.detached || self.until.is_some() { None } else { Inherited::current() }
    }

    /// Where it stands in a trace: the trace's number, and that of the caller's span.
    pub fn trace(self, trace: Trace) -> Self {
        Self { trace: Some(Box::new(trace)), ..self }
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
        Format { codec: self.codec, limit: self.channel.max_message() }
    }

    fn wire(&self) -> WireCall {
        WireCall {
            service: M::service(),
            method: M::DESCRIPTION.number,
            codec: self.codec.number(),
            schema: M::schema(),
            metadata: self.metadata.clone(),
            trace: self.trace.clone().or_else(|| self.inherited()?.trace()),
            ..WireCall::default()
        }
    }

    /// When it has to be over that begins now.
    fn deadline(&self, now: Instant) -> Instant {
        let key = || (M::service(), M::DESCRIPTION.number);
        let timeout = self.timeout.unwrap_or_else(|| self.channel.deadline(key));
        let own = deadline_after(now, timeout);
        let until = self.until.or_else(|| Some(self.inherited()?.deadline));
        until.map_or(own, |until| own.min(until))
    }

    /// The call with a message, for as many attempts as it takes.
    fn with(&self, message: &M::Request) -> Result<Request, Failure> {
        let message = self.format().write(message).map_err(never)?;
        let idempotent = M::DESCRIPTION.idempotent;
        let begun = Instant::now();
        let deadline = self.deadline(begun);
        let method = Some(description_of::<M>());
        Ok(Request { call: self.wire(), message, method, idempotent, begun, deadline })
    }

    /// The call without one.
    fn stream_request(&self) -> StreamRequest {
        let idempotent = M::DESCRIPTION.idempotent;
        let method = Some(description_of::<M>());
        StreamRequest { call: self.wire(), method, idempotent, deadline: self.deadline(Instant::now()) }
    }
}

impl<'a, M: Method> Call<'a, M, Unary<M::Request>> {
    /// Makes the call, for who wants the trailers too.
    ///
    /// # Errors
    /// How it failed, and whether it can have had an effect.
    pub fn reply(self) -> impl Future<Output = Result<Reply<M::Response>, Failure>> + Send + use<'a, M> {
        // The future carries what it needs from here on, and no more: it is moved, and mostly allocated, for every call.
        let (channel, format, request) = (self.channel, self.format(), self.with(&self.request.0));
        async move {
            let (message, trailers) = channel.call(&request?).await?;
            let message = format.read(message, Code::Internal).map_err(answered)?;
            Ok(Reply { message, trailers })
        }
    }
}

impl<'a, M: Method> IntoFuture for Call<'a, M, Unary<M::Request>>
where
    M::Request: Sync,
{
    type Output = Result<M::Response, Failure>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.reply().map_ok(|reply| reply.message).boxed()
    }
}

impl<'a, M: Method> IntoFuture for Call<'a, M, ServerStream<M::Request>>
where
    M::Request: Sync,
{
    type Output = Result<Responses<M::Response>, Failure>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let (channel, format, request) = (self.channel, self.format(), self.with(&self.request.0));
        async move { Ok(Responses::new(channel.stream(&request?).await?, format)) }.boxed()
    }
}

impl<'a, M: Method> IntoFuture for Call<'a, M, ClientStream> {
    type Output = Result<Upload<M::Request, M::Response>, Failure>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { Ok(Upload::new(self.channel.open(self.stream_request()).await?, self.format())) }.boxed()
    }
}

impl<'a, M: Method> IntoFuture for Call<'a, M, Bidi> {
    type Output = Result<Conversation<M::Request, M::Response>, Failure>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move { Ok(Conversation::new(self.channel.open(self.stream_request()).await?, self.format())) }
            .boxed()
    }
}

/// A failure of ours to say something.
fn never(status: Status) -> Failure {
    Failure { status: status.advice(Advice::Never), reach: Reach::Never, attempts: 0 }
}
