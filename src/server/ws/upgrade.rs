//! From a request to a socket: the handshake, on any route.

use std::future::Future;
use std::sync::{Arc, LazyLock};

use http::HeaderValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::metrics::SocketMetrics;
use super::settings::Settings;
use super::socket::{About, Socket};
use crate::proto::http::list::is_token;
use crate::proto::ws::codec::{Codec, Role};
use crate::proto::ws::deflate::{Memory, Terms as DeflateTerms};
use crate::proto::ws::handshake::UPGRADE;
use crate::proto::ws::handshake::server::{Accepted, Origins, Refusal, Terms, judge};
use crate::proto::ws::limits::Limits;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};
use crate::server::http::upgrade::Upgraded;

/// Connections that may have compressors of their own, unless [`Upgrade::max_contexts`] says otherwise: some 300 KiB each.
pub const MAX_CONTEXTS: usize = 1024;

/// Answers a request for a WebSocket: with `101`, and then `then` has the [`Socket`] in a task of its own; or with the status that
/// says what is wrong with it, such as `426` when it asks for none.
///
/// Without subprotocols and compression, and for pages of the same origin only: an [`Upgrade`] can be told otherwise.
pub fn upgrade<F, Fut>(request: Request, then: F) -> Response
where
    F: FnOnce(Socket) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    static DEFAULT: LazyLock<Upgrade> = LazyLock::new(Upgrade::new);
    DEFAULT.accept(request, then)
}

/// How requests become sockets: made once, and used for all of them. Clones are the same.
///
/// ```
/// use std::sync::Arc;
/// use wireworks::proto::ws::deflate;
/// use wireworks::server::http::request::Request;
/// use wireworks::server::http::router::Router;
/// use wireworks::server::ws::{Message, Upgrade};
///
/// let upgrade = Upgrade::new().subprotocol("v1.greetings")?.deflate(deflate::Terms::default());
/// let router = Router::new().get("/hello", move |request: Request| {
///     let upgrade = upgrade.clone();
///     async move {
///         upgrade.accept(request, |mut socket| async move {
///             let _ = socket.send("hello").await;
///         })
///     }
/// });
/// # let _ = router;
/// # Ok::<(), wireworks::server::ws::BadSubprotocol>(())
/// ```
#[derive(Clone, Debug)]
pub struct Upgrade(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    terms: Terms,
    /// The same for connections that are to have no compressors of their own.
    frugal: Terms,
    settings: Arc<Settings>,
    contexts: Arc<Semaphore>,
    metrics: Option<SocketMetrics>,
}

/// A name that no subprotocol may have: it is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be the name of a subprotocol")]
pub struct BadSubprotocol(pub String);

impl Default for Upgrade {
    fn default() -> Self {
        Self::new()
    }
}

impl Upgrade {
    /// Without subprotocols and compression, and for pages of the same origin only.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            terms: Terms::default(),
            frugal: Terms::default(),
            settings: Arc::default(),
            contexts: Arc::new(Semaphore::new(MAX_CONTEXTS)),
            metrics: None,
        }))
    }

    /// Offers a subprotocol; what is offered first is preferred.
    ///
    /// # Errors
    /// The name is no token.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, BadSubprotocol> {
        let value = HeaderValue::from_str(name).ok().filter(|_| is_token(name.as_bytes()));
        let value = value.ok_or_else(|| BadSubprotocol(name.to_owned()))?;
        let inner = Arc::make_mut(&mut self.0);
        inner.terms.subprotocols.push(value.clone());
        inner.frugal.subprotocols.push(value);
        Ok(self)
    }

    /// From which pages browsers may come.
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.terms.origins = origins.clone();
        inner.frugal.origins = origins;
        self
    }

    /// Compresses messages, with clients that can (`permessage-deflate`).
    #[must_use]
    pub fn deflate(mut self, terms: DeflateTerms) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.terms.deflate = Some(terms);
        inner.frugal.deflate = Some(DeflateTerms { memory: Memory::Shared, ..terms });
        self
    }

    /// How many connections may have compressors of their own; those beyond share them, and compress each message by itself.
    #[must_use]
    pub fn max_contexts(mut self, connections: usize) -> Self {
        Arc::make_mut(&mut self.0).contexts =
            Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        self
    }

    /// What the sockets put up with.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        Arc::make_mut(&mut self.0).settings = Arc::new(settings);
        self
    }

    /// Counts the sockets.
    #[must_use]
    pub fn metrics(mut self, metrics: SocketMetrics) -> Self {
        Arc::make_mut(&mut self.0).metrics = Some(metrics);
        self
    }

    /// What a peer may send.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.0.settings.limits
    }

    /// Answers a request, as [`upgrade`](upgrade()) does.
    pub fn accept<F, Fut>(&self, request: Request, then: F) -> Response
    where
        F: FnOnce(Socket) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (accepted, context) = match self.judge(&request) {
            Ok(agreed) => agreed,
            Err(refusal) => return refused(refusal).into_response(),
        };
        let (settings, metrics) = (Arc::clone(&self.0.settings), self.0.metrics.clone());
        let mut codec = Codec::server(settings.limits);
        if let Some(agreed) = accepted.deflate() {
            codec = codec.deflate(agreed);
        }
        let subprotocol = accepted.subprotocol.clone().map(Box::new);
        let start = move |upgraded: Upgraded| {
            let Upgraded { conn, peer, drain, place } = upgraded;
            let about = About { peer: Some(peer), subprotocol, _place: Some(place), _context: context };
            let mut socket = Socket::new(conn.switch(codec), Role::Server, settings, drain, about);
            if let Some(metrics) = metrics {
                socket.count(&metrics);
            }
            then(socket)
        };
        let mut response = Response::upgrade(HeaderValue::from_static(UPGRADE), start);
        accepted.fill(response.fields_mut());
        response
    }

    /// What is agreed on, with the right to compressors of its own if they were.
    fn judge(&self, request: &Request) -> Result<(Accepted, Option<OwnedSemaphorePermit>), Refusal> {
        let Inner { terms, frugal, contexts, .. } = &*self.0;
        let dedicated = terms.deflate.is_some_and(|terms| terms.memory == Memory::Dedicated);
        let context = dedicated.then(|| Arc::clone(contexts).try_acquire_owned().ok()).flatten();
        let terms = if dedicated && context.is_none() { frugal } else { terms };
        let accepted = judge(request.head(), terms)?;
        // Nothing was agreed on: the right goes back at once.
        let context = context.filter(|_| accepted.deflate().is_some());
        Ok((accepted, context))
    }
}

fn refused(refusal: Refusal) -> Problem {
    let problem = Problem::new(refusal.status(), refusal.to_string());
    refusal.fields().iter().fold(problem, |problem, (name, value)| problem.with(name.clone(), value.clone()))
}
