//! What goes around the calls of a client: tokens that are added, refusals before anything is sent, a log.
//!
//! A layer is a [`Service`] around a service, as at the [server](super::super::layer): it gets the call before it is made, and what has come of it before its
//! caller. It goes around a call as a whole, outside of its retries and copies, as gRPC's interceptors do. A call whose answer is one message
//! is over then; one with streams has begun, and goes on behind it. A channel without layers has no cost of them.
//!
//! ```
//! use std::time::Instant;
//!
//! use wireworks::net::service::{Layer, Service};
//! use wireworks::server::rpc::client::layer::{Begun, Outbound};
//! use wireworks::server::rpc::{Channel, Context, Failure, Status};
//! use wireworks::service;
//!
//! service! {
//!     /// Knows who asks.
//!     pub service Mirror as MirrorClient in mirror {
//!         /// The token of the caller.
//!         1 => unary token(()) -> String, idempotent;
//!     }
//! }
//!
//! # struct Knows;
//! # impl Mirror for Knows {
//! #     async fn token(&self, context: Context, (): ()) -> Result<String, Status> {
//! #         Ok(context.metadata.text("authorization").unwrap_or("none").to_owned())
//! #     }
//! # }
//! /// Says how long calls take.
//! struct Timed;
//!
//! struct Timing<S>(S);
//!
//! impl<S> Layer<S> for Timed {
//!     type Service = Timing<S>;
//!
//!     fn layer(&self, inner: S) -> Timing<S> {
//!         Timing(inner)
//!     }
//! }
//!
//! impl<S: Service<Outbound, Res = Result<Begun, Failure>>> Service<Outbound> for Timing<S> {
//!     type Res = Result<Begun, Failure>;
//!
//!     async fn call(&self, call: Outbound) -> Self::Res {
//!         let (name, begun) = (call.method.name, Instant::now());
//!         let outcome = self.0.call(call).await;
//!         println!("{name} took {:?}", begun.elapsed());
//!         outcome
//!     }
//! }
//!
//! /// What only looks at calls before they are made is an async function.
//! async fn with_token(mut call: Outbound) -> Result<Outbound, Status> {
//!     let token = "Bearer s3cret"; // fetched from somewhere
//!     let invalid = |error| Status::new(wireworks::server::rpc::Code::Internal, format!("{error}"));
//!     call.metadata = call.metadata.with("authorization", token).map_err(invalid)?;
//!     Ok(call)
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let running = mirror::serve(Knows).server()?.listen("127.0.0.1:0").threads(1).start()?;
//! # let address = running.tcp().ok_or("no address")?.to_string();
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let channel = Channel::to([address])?.lazy();
//! let client = MirrorClient::new(channel.layer(Timed).intercept(with_token));
//! assert_eq!(client.token(()).await?, "Bearer s3cret");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::Channel;
use super::attempt::Request;
use super::channel::Streaming;
use super::halves::{RecvHalf, SendHalf};
use super::retriable::StreamRequest;
use crate::net::service::Service;
use crate::proto::rpc::frame::Trace;
use crate::proto::rpc::metadata::Metadata;
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::Status;
use crate::server::rpc::caller::{Failure, Reach};
use crate::server::rpc::method::Description;

/// A call that is about to be made.
pub struct Outbound {
    /// What is called.
    pub method: &'static Description,
    /// Names and values that go with it.
    pub metadata: Metadata,
    /// When it has to be over, all attempts together.
    pub deadline: Instant,
    /// Where it stands in a trace.
    pub trace: Option<Box<Trace>>,
    asked: Asked,
    /// Who makes it: the same without layers.
    channel: Channel,
    /// The layers that it has not come to.
    next: Option<Arc<dyn Around>>,
}

/// A call, by its kind.
pub(super) enum Asked {
    /// One message, and one for an answer.
    Unary(Request),
    /// One message, and a stream for an answer.
    Streamed(Request),
    /// A stream, and whatever is answered.
    Opened(StreamRequest),
}

/// What has come of a call.
pub struct Begun(pub(super) Beginning);

/// The same, by its kind.
pub(super) enum Beginning {
    Answer(Message, Metadata),
    Streaming(Streaming),
    Halves(SendHalf, RecvHalf),
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description { service, name, .. } = self.method;
        f.debug_struct("Outbound")
            .field("method", &format_args!("{service}.{name}"))
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").field("trailers", &self.trailers()).finish_non_exhaustive()
    }
}

impl Begun {
    /// What came with the end of the call; `None` of one that goes on as a stream.
    #[must_use]
    pub fn trailers(&self) -> Option<&Metadata> {
        match &self.0 {
            Beginning::Answer(_, trailers) => Some(trailers),
            Beginning::Streaming(_) | Beginning::Halves(..) => None,
        }
    }
}

impl Outbound {
    pub(super) fn new(channel: Channel, method: &'static Description, mut asked: Asked) -> Self {
        let (call, deadline) = match &mut asked {
            Asked::Unary(request) | Asked::Streamed(request) => (&mut request.call, request.deadline),
            Asked::Opened(request) => (&mut request.call, request.deadline),
        };
        let (metadata, trace) = (std::mem::take(&mut call.metadata), call.trace.take());
        Self { method, metadata, deadline, trace, asked, channel, next: None }
    }

    /// Makes the call.
    async fn make(self) -> Result<Begun, Failure> {
        let Self { metadata, deadline, trace, asked, channel, .. } = self;
        let request = |mut request: Request| {
            (request.call.metadata, request.call.trace, request.deadline) =
                (metadata.clone(), trace.clone(), deadline);
            request
        };
        Ok(Begun(match asked {
            Asked::Unary(asked) => {
                let (message, trailers) = channel.call(&request(asked)).await?;
                Beginning::Answer(message, trailers)
            }
            Asked::Streamed(asked) => Beginning::Streaming(channel.stream(&request(asked)).await?),
            Asked::Opened(mut asked) => {
                (asked.call.metadata, asked.call.trace, asked.deadline) = (metadata, trace, deadline);
                let (send, recv) = channel.open(asked).await?;
                Beginning::Halves(send, recv)
            }
        }))
    }
}

/// What a layer goes around: the call itself, and the layers that were there before.
#[derive(Clone, Copy, Debug)]
pub struct Next(pub(super) ());

impl Service<Outbound> for Next {
    type Res = Result<Begun, Failure>;

    async fn call(&self, mut call: Outbound) -> Self::Res {
        match call.next.take() {
            Some(next) => next.call(call).await,
            None => call.make().await,
        }
    }
}

/// A layer whose type is forgotten.
pub(super) trait Around: Send + Sync {
    fn call(&self, call: Outbound) -> BoxFuture<'static, Result<Begun, Failure>>;
}

/// A layer, and those within it.
pub(super) struct Layered<S> {
    pub(super) service: Arc<S>,
    pub(super) inner: Option<Arc<dyn Around>>,
}

impl<S> Around for Layered<S>
where
    S: Service<Outbound, Res = Result<Begun, Failure>> + 'static,
{
    fn call(&self, call: Outbound) -> BoxFuture<'static, Result<Begun, Failure>> {
        let (service, call) = (Arc::clone(&self.service), Outbound { next: self.inner.clone(), ..call });
        async move { service.call(call).await }.boxed()
    }
}

/// A function that looks at calls.
pub(super) struct Intercepted<F> {
    pub(super) look: Arc<F>,
    pub(super) next: Next,
}

impl<F, Fut> Service<Outbound> for Intercepted<F>
where
    F: Fn(Outbound) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Outbound, Status>> + Send,
{
    type Res = Result<Begun, Failure>;

    async fn call(&self, call: Outbound) -> Self::Res {
        match (self.look)(call).await {
            Ok(call) => self.next.call(call).await,
            Err(status) => Err(Failure { status, reach: Reach::Never, attempts: 0 }),
        }
    }
}
