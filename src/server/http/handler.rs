//! What stands behind a route: anything that turns a request into a reply.
//!
//! A route's handler is boxed once, when the route is made; a call costs one allocation for its future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::request::Request;
use super::response::{IntoResponse, Response};

/// The future of a handler.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// A handler. Functions from [`Request`] to a future of anything that is [`IntoResponse`] are handlers.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(&self, request: Request) -> HandlerFuture<'_>;
}

impl<F, Fut> Handler for F
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        let future = self(request);
        Box::pin(async move { future.await.into_response() })
    }
}

/// A handler that can be shared and kept.
pub type SharedHandler = Arc<dyn Handler>;

/// So that what is shared can be routed to, or run, as it is.
impl Handler for SharedHandler {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        (**self).handle(request)
    }
}

/// What a middleware function calls to go on: the rest of the way to the handler.
#[derive(Clone)]
pub struct Next(pub(super) SharedHandler);

impl Next {
    /// Goes on with `request`.
    pub async fn run(&self, request: Request) -> Response {
        self.0.handle(request).await
    }
}

/// A handler with a function around it.
pub(super) struct Layered<F> {
    pub(super) function: F,
    pub(super) inner: SharedHandler,
}

impl<F, Fut> Handler for Layered<F>
where
    F: Fn(Request, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        let future = (self.function)(request, Next(Arc::clone(&self.inner)));
        Box::pin(async move { future.await.into_response() })
    }
}
