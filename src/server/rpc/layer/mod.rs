//! What goes around the calls of a server: who may call, how often, and whatever else is the same for every method.
//!
//! A layer is a [`Service`] around a service, as everywhere in this crate: it gets the call before its handler does, and the answer before its
//! caller. So it can refuse the call with a [`Status`], change what the handler sees of it, add trailers, or take the time. A call is one
//! [`Incoming`] whatever its kind: a layer goes around a stream as a whole. [`Services::layer`](super::Services::layer) puts a layer around
//! all methods that are there; services that are added behind it (health and reflection, often) are left alone. Where there is no layer,
//! there is no cost.
//!
//! ```
//! use wireworks::net::service::{Layer, Service};
//! use wireworks::server::rpc::layer::{Answer, Incoming};
//! use wireworks::server::rpc::{Channel, Code, Context, Metadata, Status};
//! use wireworks::{service, wire_types};
//!
//! service! {
//!     /// Knows who asks.
//!     pub service Mirror as MirrorClient in mirror {
//!         /// The name of the caller.
//!         1 => unary whoami(()) -> String, idempotent;
//!     }
//! }
//!
//! /// Who calls, for handlers.
//! #[derive(Clone)]
//! struct User(String);
//!
//! /// Lets in who has a token, and says what the call has cost.
//! struct Bearer;
//!
//! struct Checked<S>(S);
//!
//! impl<S> Layer<S> for Bearer {
//!     type Service = Checked<S>;
//!
//!     fn layer(&self, inner: S) -> Checked<S> {
//!         Checked(inner)
//!     }
//! }
//!
//! fn user(metadata: &Metadata) -> Option<User> {
//!     match metadata.text("authorization")?.strip_prefix("Bearer ")? {
//!         "s3cret" => Some(User("ada".into())),
//!         _ => None,
//!     }
//! }
//!
//! impl<S: Service<Incoming, Res = Answer>> Service<Incoming> for Checked<S> {
//!     type Res = Answer;
//!
//!     async fn call(&self, mut incoming: Incoming) -> Answer {
//!         let Some(user) = user(&incoming.context.metadata) else {
//!             let text = format!("{} needs a token", incoming.method.name);
//!             return Status::new(Code::Unauthenticated, text).into();
//!         };
//!         incoming.context.extensions.insert(user);
//!         let begun = std::time::Instant::now();
//!         let mut answer = self.0.call(incoming).await;
//!         let took = begun.elapsed().as_micros().to_string();
//!         if let Ok(trailers) = answer.status.trailers.with("took", took) {
//!             answer.status.trailers = trailers;
//!         }
//!         answer
//!     }
//! }
//!
//! struct Knows;
//!
//! impl Mirror for Knows {
//!     async fn whoami(&self, context: Context, (): ()) -> Result<String, Status> {
//!         let user = context.extensions.get::<User>();
//!         Ok(user.map(|user| user.0.clone()).unwrap_or_default())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let services = mirror::serve(Knows).layer(Bearer).health();
//! let running = services.server()?.listen("127.0.0.1:0").threads(1).start()?;
//! # let address = running.tcp().ok_or("no address")?.to_string();
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let client = MirrorClient::new(Channel::to([address])?.lazy());
//! let failure = client.whoami(()).await.unwrap_err();
//! assert_eq!(failure.to_string(), "unauthenticated: whoami needs a token");
//! let token = Metadata::new().with("authorization", "Bearer s3cret")?;
//! let reply = client.whoami(()).metadata(token).reply().await?;
//! assert_eq!(reply.message, "ada");
//! assert!(reply.trailers.text("took").is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok(())
//! # }
//! ```
//!
//! What only looks at calls before their handlers is a function, for [`Services::intercept`](super::Services::intercept). Ready to be used are
//! [`RateLimit`], so many calls a second for each peer, and [`CallLimit`], so many at a time for all of them.

pub mod call_limit;
pub mod rate_limit;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, ready};

pub use self::call_limit::CallLimit;
pub use self::rate_limit::RateLimit;
use super::context::Context;
use super::link::{Asked, Handle, Streams};
use super::method::Description;
use crate::net::service::Service;
use crate::proto::rpc::session::Message;
use crate::proto::rpc::status::{Code, Status};

#[cfg(test)]
mod tests;

/// A call on its way to its handler.
pub struct Incoming {
    /// What is called.
    pub method: &'static Description,
    /// What the handler will know of it. A deadline that is changed here is one that the handler sees; the call itself ends when it would have.
    pub context: Context,
    request: Message,
    streams: Option<Streams>,
    handler: Arc<dyn Handle>,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description { service, name, .. } = self.method;
        f.debug_struct("Incoming")
            .field("method", &format_args!("{service}.{name}"))
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// How a call ends: what its handler said, or who refused it. Of a stream of answers, only its end.
#[derive(Debug)]
pub struct Answer {
    /// How it went, with the trailers. An answer that was good and is given another code here loses its message; to refuse a call as one that its
    /// handler has never seen ([`Advice::NotProcessed`](super::Advice::NotProcessed)) is true only of one that was not passed on.
    pub status: Status,
    /// The answer, when it is not a stream.
    pub(super) message: Option<Message>,
}

impl Answer {
    /// One that went well.
    pub(super) fn of(message: Message) -> Self {
        Self { status: Status::ok(), message: Some(message) }
    }

    /// Bytes of the message, before it is compressed; 0 for a stream and a failure.
    #[must_use]
    pub fn size(&self) -> usize {
        self.message.as_ref().map_or(0, |message| message.bytes.len())
    }

    /// What can be sent: a message if and only if it went well and is no stream.
    fn fit(mut self, gives_stream: bool) -> Self {
        match (self.status.is_ok(), &self.message) {
            (false, Some(_)) => self.message = None,
            (true, None) if !gives_stream => {
                return Status::new(Code::Internal, "a call was called good that has no answer").into();
            }
            _ => {}
        }
        self
    }
}

impl From<Status> for Answer {
    fn from(status: Status) -> Self {
        Self { status, message: None }
    }
}

/// What a layer goes around: the handler of whichever method is called, and the layers that were there before.
#[derive(Clone, Copy, Debug)]
pub struct Next(());

impl Next {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl Service<Incoming> for Next {
    type Res = Answer;

    fn call(&self, incoming: Incoming) -> impl Future<Output = Answer> + Send {
        let Incoming { method: _, context, request, streams, handler } = incoming;
        let answering = Arc::clone(&handler);
        answering.handle(Asked { context, request, streams, handler })
    }
}

/// A handler with a layer around it.
pub(super) struct Layered<S> {
    pub(super) service: Arc<S>,
    pub(super) inner: Arc<dyn Handle>,
}

impl<S> Handle for Layered<S>
where
    S: Service<Incoming, Res = Answer> + 'static,
{
    fn takes_stream(&self) -> bool {
        self.inner.takes_stream()
    }

    fn gives_stream(&self) -> bool {
        self.inner.gives_stream()
    }

    fn description(&self) -> &'static Description {
        self.inner.description()
    }

    fn handle(&self, asked: Asked) -> BoxFuture<'static, Answer> {
        let Asked { context, request, streams, handler: _ } = asked;
        let (method, gives_stream) = (self.description(), self.gives_stream());
        let handler = Arc::clone(&self.inner);
        let incoming = Incoming { method, context, request, streams, handler };
        let service = Arc::clone(&self.service);
        async move { service.call(incoming).await.fit(gives_stream) }.boxed()
    }
}

/// A function that looks at calls.
pub(super) struct Intercepted<F> {
    pub(super) look: Arc<F>,
    pub(super) next: Next,
}

impl<F> Service<Incoming> for Intercepted<F>
where
    F: Fn(&mut Incoming) -> Result<(), Status> + Send + Sync,
{
    type Res = Answer;

    fn call(&self, mut incoming: Incoming) -> impl Future<Output = Answer> + Send {
        match (self.look)(&mut incoming) {
            Ok(()) => Either::Left(self.next.call(incoming)),
            Err(status) => Either::Right(ready(status.into())),
        }
    }
}
