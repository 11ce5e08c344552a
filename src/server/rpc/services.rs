//! What a server answers: methods and their handlers.

use std::collections::HashMap;
use std::future::{Future, poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Settings;
use super::context::Context;
use super::detached::Detached;
use super::lane::is_long;
use super::layer::{Answer, Incoming, Intercepted, Layered, Next};
use super::link::mailbox::Compressing;
use super::link::{Asked, Handle, Serve, Streams};
use super::method::{Description, Method, description_of};
use super::server::Server;
use super::stream::{Format, Requests};
use crate::net::service::{Layer, Service};
use crate::proto::rpc::frame::Call;
use crate::proto::rpc::payload::{CodecId, Payload};
use crate::proto::rpc::schema::{Describe, Document, Documents, Type};
use crate::proto::rpc::status::{Advice, Code, Status};

/// Methods and their handlers. A handler is an async function, and a failure of it a [`Status`].
#[derive(Clone, Default)]
pub struct Services {
    methods: HashMap<(u32, u16), Registered>,
    /// By the hash of their names.
    names: HashMap<u32, &'static str>,
    /// What comments say of them.
    docs: HashMap<&'static str, &'static str>,
    wrong: Option<ServicesError>,
}

#[derive(Clone)]
struct Registered {
    description: Description,
    request: Type,
    response: Type,
    /// Adds what comments say of both types.
    document: fn(&mut Documents),
    schema: u32,
    handler: Arc<dyn Handle>,
}

/// Methods that cannot be told from each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServicesError {
    /// Two methods of a service have the same number.
    #[error("{service}.{name} and {service}.{other} are both method {number}")]
    Number {
        /// The service.
        service: &'static str,
        /// The number.
        number: u16,
        /// The first.
        name: &'static str,
        /// The second.
        other: &'static str,
    },
    /// Two services have names with the same hash: one has to be called otherwise.
    #[error("the services {0} and {1} cannot be told from each other on the wire: rename one")]
    Hash(&'static str, &'static str),
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.descriptions().map(|description| (description.service, description.name)))
            .finish()
    }
}

impl Services {
    /// Nothing is answered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers a method whose request and answer are one message each.
    #[must_use]
    pub fn unary<M, F, Fut>(self, handler: F) -> Self
    where
        M: Method,
        F: Fn(Context, M::Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<M::Response, Status>> + Send + 'static,
    {
        self.add::<M, _, _>(move |asked| {
            let (format, context) = (format(&asked)?, asked.context);
            let response = handler(context, format.read(asked.request, Code::InvalidArgument)?);
            Ok(async move { Ok(Answer::of(format.write(&response.await?)?)) })
        })
    }

    /// Answers a method whose request is one message, with a stream.
    #[must_use]
    pub fn server_stream<M, F, Fut, S>(self, handler: F) -> Self
    where
        M: Method,
        F: Fn(Context, M::Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, Status>> + Send + 'static,
        S: Stream<Item = Result<M::Response, Status>> + Send + 'static,
    {
        self.add::<M, _, _>(move |asked| {
            let (format, streams) = (format(&asked)?, asked.streams.ok_or_else(no_streams)?);
            let responses = handler(asked.context, format.read(asked.request, Code::InvalidArgument)?);
            Ok(async move { send(&streams, format, responses.await?).await })
        })
    }

    /// Answers a method whose request is a stream, with one message.
    #[must_use]
    pub fn client_stream<M, F, Fut>(self, handler: F) -> Self
    where
        M: Method,
        F: Fn(Context, Requests<M::Request>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<M::Response, Status>> + Send + 'static,
    {
        self.add::<M, _, _>(move |asked| {
            let (format, streams) = (format(&asked)?, asked.streams.ok_or_else(no_streams)?);
            let response = handler(asked.context, Requests::new(streams, format));
            Ok(async move { Ok(Answer::of(format.write(&response.await?)?)) })
        })
    }

    /// Answers a method whose request is a stream, with a stream.
    #[must_use]
    pub fn bidi<M, F, Fut, S>(self, handler: F) -> Self
    where
        M: Method,
        F: Fn(Context, Requests<M::Request>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<S, Status>> + Send + 'static,
        S: Stream<Item = Result<M::Response, Status>> + Send + 'static,
    {
        self.add::<M, _, _>(move |asked| {
            let (format, streams) = (format(&asked)?, asked.streams.ok_or_else(no_streams)?);
            let responses = handler(asked.context, Requests::new(streams.clone(), format));
            Ok(async move { send(&streams, format, responses.await?).await })
        })
    }

    fn add<M, F, Fut>(mut self, begin: F) -> Self
    where
        M: Method,
        F: Fn(Asked) -> Result<Fut, Status> + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer, Status>> + Send + 'static,
    {
        let description = M::DESCRIPTION;
        let Description { service, number, .. } = description;
        let hash = M::service();
        self.name(hash, service);
        let handler = Arc::new(Typed { description: description_of::<M>(), begin: Arc::new(begin) });
        let (request, response, schema) = (M::Request::describe(), M::Response::describe(), M::schema());
        let document = |documents: &mut Documents| {
            M::Request::document(documents);
            M::Response::document(documents);
        };
        let registered = Registered { description, request, response, document, schema, handler };
        self.insert((hash, number), registered);
        self
    }

    /// Tells what a service is for, to those who ask by [reflection](Self::reflection). `service!` does it with the comment on the service.
    #[must_use]
    pub fn documented(mut self, service: &'static str, docs: &'static str) -> Self {
        self.docs.insert(service, docs);
        self
    }

    fn name(&mut self, hash: u32, service: &'static str) {
        let known = *self.names.entry(hash).or_insert(service);
        if known != service {
            self.wrong.get_or_insert(ServicesError::Hash(known, service));
        }
    }

    fn insert(&mut self, key: (u32, u16), registered: Registered) {
        let Description { service, number, name, .. } = registered.description;
        if let Some(other) = self.methods.insert(key, registered) {
            let (name, other) = (other.description.name, name);
            self.wrong.get_or_insert(ServicesError::Number { service, number, name, other });
        }
    }

    /// These and others.
    #[must_use]
    pub fn with(mut self, others: Self) -> Self {
        self.wrong = self.wrong.or(others.wrong);
        for (hash, service) in others.names {
            self.name(hash, service);
        }
        for (key, registered) in others.methods {
            self.insert(key, registered);
        }
        self.docs.extend(others.docs);
        self
    }

    /// Puts a layer around the calls of every method that is there by now; of those that are added later, around none. Of two layers the one that
    /// is added later is the outer one. [`layer`](super::layer) shows how to write one.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Next>,
        L::Service: Service<Incoming, Res = Answer> + 'static,
    {
        let service = Arc::new(layer.layer(Next::new()));
        for registered in self.methods.values_mut() {
            let (service, inner) = (Arc::clone(&service), Arc::clone(&registered.handler));
            registered.handler = Arc::new(Layered { service, inner });
        }
        self
    }

    /// Looks at every call of the methods that are there by now, before their handlers: it can change what they see, or refuse the call.
    #[must_use]
    pub fn intercept(
        self,
        look: impl Fn(&mut Incoming) -> Result<(), Status> + Send + Sync + 'static,
    ) -> Self {
        let look = Arc::new(look);
        self.layer(move |next: Next| Intercepted { look: Arc::clone(&look), next })
    }

    /// What is answered.
    pub fn descriptions(&self) -> impl Iterator<Item = &Description> {
        self.methods.values().map(|registered| &registered.description)
    }

    /// The same with their types.
    pub(super) fn described(&self) -> impl Iterator<Item = (&Description, &Type, &Type)> {
        self.methods.values().map(|method| (&method.description, &method.request, &method.response))
    }

    /// What comments say of a service; nothing of one without.
    pub(super) fn docs(&self, service: &str) -> &'static str {
        self.docs.get(service).copied().unwrap_or_default()
    }

    /// What comments say of all types.
    pub(super) fn documents(&self) -> Vec<Document> {
        let mut documents = Documents::default();
        self.methods.values().for_each(|method| (method.document)(&mut documents));
        documents.into_sorted()
    }

    /// The names of the services.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.values().copied()
    }

    /// A server of them, to be told where to listen and what else is wanted.
    ///
    /// # Errors
    /// Two methods or services cannot be told from each other.
    pub fn server(self) -> Result<Server, ServicesError> {
        let services = self.checked()?;
        let described = |(key, method): (&(u32, u16), &Registered)| (*key, method.handler.description());
        let methods = services.methods.iter().map(described).collect();
        Ok(Server::of(Arc::new(services)).observing(methods))
    }

    /// A server of them for connections that somebody else accepts. To be made in the runtime that is to drive them.
    ///
    /// # Errors
    /// As for [`server`](Self::server).
    pub fn detached(self, settings: Settings) -> Result<Detached, ServicesError> {
        Ok(Detached::of(Arc::new(self.checked()?), settings))
    }

    pub(super) fn checked(mut self) -> Result<Self, ServicesError> {
        self.wrong.take().map_or(Ok(self), Err)
    }
}

impl Serve for Services {
    fn find(&self, call: &Call) -> Result<Arc<dyn Handle>, Status> {
        let refused = |code, text: String| Status::new(code, text).advice(Advice::NotProcessed);
        let Some(registered) = self.methods.get(&(call.service, call.method)) else {
            let text = match self.names.get(&call.service) {
                Some(service) => format!("{service} has no method {}", call.method),
                None => format!("there is no service {:#010x}", call.service),
            };
            return Err(refused(Code::Unimplemented, text));
        };
        if call.schema != 0 && call.schema != registered.schema {
            let Description { service, name, .. } = registered.description;
            let text =
                format!("caller and server do not mean the same by {service}.{name}: its types differ");
            return Err(refused(Code::FailedPrecondition, text));
        }
        if CodecId::of(call.codec).is_none() {
            return Err(refused(Code::Unimplemented, format!("there is no payload codec {}", call.codec)));
        }
        Ok(Arc::clone(&registered.handler))
    }
}

/// A handler with its types forgotten.
struct Typed<F> {
    description: &'static Description,
    begin: Arc<F>,
}

impl<F, Fut> Handle for Typed<F>
where
    F: Fn(Asked) -> Result<Fut, Status> + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer, Status>> + Send + 'static,
{
    fn takes_stream(&self) -> bool {
        self.description.kind.takes_stream()
    }

    fn gives_stream(&self) -> bool {
        self.description.kind.gives_stream()
    }

    fn description(&self) -> &'static Description {
        self.description
    }

    fn handle(&self, asked: Asked) -> BoxFuture<'static, Answer> {
        if let Some(lane) = asked.context.home.back.lane().filter(|_| is_long(&asked.request)) {
            let (lane, begin) = (Arc::clone(lane), Arc::clone(&self.begin));
            return async move {
                let request = match lane.decompress(asked.request, asked.context.max_message).await {
                    Ok(request) => request,
                    Err(status) => return status.into(), // no handler has seen it
                };
                match begin(Asked { request, ..asked }) {
                    Ok(answer) => answer.await.unwrap_or_else(reached),
                    Err(status) => reached(status),
                }
            }
            .boxed();
        }
        match (self.begin)(asked) {
            Ok(answer) => answer.map(|answer| answer.unwrap_or_else(reached)).boxed(),
            Err(status) => ready(reached(status)).boxed(),
        }
    }
}

/// What a handler says of its own calls does not hold for this one, which has reached it.
fn reached(status: Status) -> Answer {
    let advice = match status.advice {
        Advice::NotProcessed => Advice::None,
        Advice::Later(wait) => Advice::Again(wait),
        advice => advice,
    };
    status.advice(advice).into()
}

/// Sends the messages of an answer, each when there is room for it.
async fn send<T: Payload>(
    streams: &Streams,
    format: Format,
    responses: impl Stream<Item = Result<T, Status>> + Send,
) -> Result<Answer, Status> {
    let mut responses = pin!(responses);
    loop {
        if let Err(ended) = poll_fn(|cx| streams.inbox.poll_room(cx)).await {
            return Err(ended.status); // nobody hears it
        }
        match poll_fn(|cx| responses.as_mut().poll_next(cx)).await {
            Some(response) => {
                let message = match streams.mailbox.compress(format.write(&response?)?) {
                    Compressing::Done(message) => message,
                    Compressing::Elsewhere(job) => job.await,
                };
                streams.inbox.post(&streams.mailbox, message, false);
            }
            None => return Ok(Status::ok().into()),
        }
    }
}

fn format(asked: &Asked) -> Result<Format, Status> {
    let Context { codec, max_message, .. } = asked.context;
    let codec =
        CodecId::of(codec).ok_or_else(|| Status::new(Code::Unimplemented, "an unknown payload codec"))?;
    Ok(Format { codec, limit: max_message })
}

fn no_streams() -> Status {
    Status::new(Code::Internal, "a stream without a stream")
}
