//! The parts next to the handler: body limit, compression, panics.
//!
//! They are there for nearly every request, so they are one small future written by hand, not one more layer of `async`.

use std::future::Future;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::body_limit::BodyLimit;
use super::compression::{Compression, Wish};
use super::panics;
use super::refusal::RefusalReason;
use crate::server::http::handler::{Handler, HandlerFuture, SharedHandler};
use crate::server::http::request::Request;
use crate::server::http::response::Response;

/// A handler with the inner parts around it.
pub(super) struct Inner {
    pub(super) body_limit: Option<BodyLimit>,
    pub(super) compression: Option<Compression>,
    pub(super) catch_panics: bool,
    pub(super) handler: SharedHandler,
}

impl Handler for Inner {
    fn handle(&self, mut request: Request) -> HandlerFuture<'_> {
        if let Some(part) = &self.body_limit
            && let ControlFlow::Break(answer) = part.before(&mut request)
        {
            return Box::pin(std::future::ready(answer.refused(RefusalReason::Body)));
        }
        let compression = self.compression.as_ref();
        let compression = compression.map(|part| (part, part.before(&mut request)));
        let head = self.catch_panics.then(|| request.head.bytes().clone());
        let handler = match &head {
            None => Ok(self.handler.handle(request)),
            Some(_) => catch_unwind(AssertUnwindSafe(|| self.handler.handle(request))),
        };
        match (handler, head) {
            (Ok(handler), head) => Box::pin(Answering { handler, head, compression, compressing: None }),
            (Err(panic), head) => {
                Box::pin(std::future::ready(panics::answer(&head.unwrap_or_default(), &*panic)))
            }
        }
    }
}

/// A request under way.
struct Answering<'a> {
    handler: HandlerFuture<'a>,
    /// The request's head as it arrived, when panics are caught.
    head: Option<Bytes>,
    /// Until the handler has answered.
    compression: Option<(&'a Compression, Wish)>,
    compressing: Option<HandlerFuture<'a>>,
}

impl Answering<'_> {
    fn poll_handler(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        let Some(head) = &self.head else {
            return self.handler.as_mut().poll(cx);
        };
        // The future is dropped after its panic; what it shares with others is theirs to keep sound.
        match catch_unwind(AssertUnwindSafe(|| self.handler.as_mut().poll(cx))) {
            Ok(polled) => polled,
            Err(panic) => Poll::Ready(panics::answer(head, &*panic)),
        }
    }
}

impl Future for Answering<'_> {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        let this = &mut *self;
        if let Some(compressing) = &mut this.compressing {
            return compressing.as_mut().poll(cx);
        }
        let mut response = ready!(this.poll_handler(cx));
        let Some((part, wish)) = this.compression.take() else {
            return Poll::Ready(response);
        };
        if !part.judge(&wish, &mut response) {
            return Poll::Ready(response);
        }
        this.compressing.insert(Box::pin(part.compress(wish, response))).as_mut().poll(cx)
    }
}
