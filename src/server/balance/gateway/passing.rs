//! The body of a response on its way from a backend to a client, and what its end says about the backend.
//!
//! A response that is not finished is a fault of its backend, like a connection that is refused; one that the client gave up is not. So the
//! backend is judged when the body has ended, and not when the response began.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use super::attempt::Lent;
use super::replay::Replay;
use crate::net::splice::Pipe;
use crate::proto::balance::outlier::Outcome;
use crate::server::balance::counters::Event;
use crate::server::balance::lease::Lease;
use crate::server::balance::log::{End, Note};
use crate::server::balance::upstream::Upstream;
use crate::server::http::body::{BoxError, Frame, Splice};
use crate::server::http::client::exchange::Exchange;

/// A response whose head has arrived.
pub(super) struct Passing {
    pub(super) first: Option<Bytes>,
    pub(super) exchange: Exchange<Lent>,
    pub(super) call: Call,
    pub(super) received: u64,
}

/// A call to a backend that is under way.
pub(super) struct Call {
    pub(super) upstream: Arc<Upstream>,
    /// It is under way until this is dropped.
    pub(super) lease: Lease,
    /// The body of the request, and the bytes of it that were counted when the response began.
    pub(super) request: (Replay, usize),
    pub(super) note: Option<Note>,
    /// How long the response took to begin; `None` if the backend was judged by that already.
    pub(super) latency: Option<Duration>,
}

impl Call {
    /// Judges the backend by the end of the response.
    fn ended(&mut self, lost: bool) {
        if lost {
            if let Some(note) = &self.note {
                note.end(End::BackendCut);
            }
            self.lease.backend().counters().count(Event::Cut);
        }
        let Some(latency) = self.latency.take() else { return };
        let outcome = if lost { Outcome::Fault } else { Outcome::Answered(latency) };
        self.lease.report(&self.upstream, Instant::now().into_std(), outcome);
    }
}

impl Stream for Passing {
    type Item = Result<Frame, BoxError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let frame = match this.first.take() {
            Some(first) => Some(Ok(Frame::Data(first))),
            None => ready!(this.exchange.poll_frame(cx)),
        };
        match &frame {
            Some(Ok(Frame::Data(data))) => this.received += data.len() as u64,
            Some(Ok(Frame::Trailers(_))) => {}
            Some(Err(_)) => this.call.ended(true),
            None => this.call.ended(false),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)))
    }
}

impl Splice for Passing {
    fn poll_fill(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<Option<Result<usize, BoxError>>> {
        let this = self.get_mut();
        if this.first.is_some() {
            return Poll::Ready(None);
        }
        let filled = ready!(this.exchange.poll_fill(cx, pipe));
        match &filled {
            Some(Ok(count)) => this.received += *count as u64,
            Some(Err(_)) => this.call.ended(true),
            None => {}
        }
        Poll::Ready(filled.map(|filled| filled.map_err(BoxError::from)))
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        // Unless the end came already: the client has gone, or has all that its head promised. Neither is the backend's fault.
        self.call.ended(false);
        let (request, counted) = &self.call.request;
        let counters = self.call.lease.backend().counters();
        counters.add(Event::Received, self.received);
        counters.add(Event::Sent, request.passed().saturating_sub(*counted) as u64);
    }
}
