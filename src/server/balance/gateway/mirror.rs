//! Mirrored requests: a copy goes to another upstream, and its response is discarded.
//!
//! The request itself never waits for its copy and never fails with it. While a body arrives, its pieces are kept as they pass, and the copy is sent
//! after the last one. Requests with a long body, and those beyond the limit of copies in progress, are not copied.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::stream::poll_fn;

use super::forward::Forward;
use crate::net::workers::{Slot, Tasks};
use crate::proto::http::list::FieldLines;
use crate::proto::http::list::contains_token;
use crate::server::balance::log::Note;
use crate::server::http::body::{Body, BoxError, Frame};
use crate::server::http::request::{Parts, Request};

/// How many bytes of a response to a copy are read so that the connection can be reused; a longer response closes it.
const MAX_ANSWER: u64 = 1 << 20;

/// Where copies go, and how many. Clones share their counters.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The upstream.
    pub to: Arc<Forward>,
    /// The share of the requests that are copied, from 0 to 1.
    pub share: f64,
    /// The longest body that is copied, in bytes.
    pub max_body: u64,
    /// How many there may be.
    pub copies: Copies,
    /// Counters of copies.
    pub counters: Arc<MirrorCounters>,
}

/// How many copies may be under way. Clones count together.
#[derive(Clone, Debug)]
pub struct Copies(Tasks);

impl Copies {
    /// None yet, and at most so many at once.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Tasks::new("mirror", most))
    }

    /// Counts on from where `before` is, together with it, if there may be as many.
    pub fn count_on(&mut self, before: &Self) {
        if self.0.size() == before.0.size() {
            self.0 = before.0.clone();
        }
    }
}

/// Counters of copies.
#[derive(Debug, Default)]
pub struct MirrorCounters {
    /// Answered with a status below 500.
    pub answered: AtomicU64,
    /// Not answered, or with a status from 500 on.
    pub failed: AtomicU64,
    /// Not sent: too many were in progress.
    pub busy: AtomicU64,
    /// Not sent: the body was too long, had trailer fields, or was incomplete.
    pub dropped: AtomicU64,
}

impl MirrorCounters {
    /// All of them by name.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 4] {
        let Self { answered, failed, busy, dropped } = self;
        [("answered", answered), ("failed", failed), ("busy", busy), ("dropped", dropped)]
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}

/// A copy that will be sent.
struct Copy {
    to: Arc<Forward>,
    request: Request,
    counters: Arc<MirrorCounters>,
    /// Its slot, until its response was read.
    slot: Slot,
}

impl Mirror {
    /// Sends a copy of the request, if it is selected. The body of the request continues in the result.
    pub(super) fn copy(&self, parts: &Parts, body: Body) -> Body {
        if fastrand::f64() >= self.share || contains_token(parts.head().lines("connection"), "upgrade") {
            return body;
        }
        if body.len().is_some_and(|length| length > self.max_body) {
            count(&self.counters.dropped);
            return body;
        }
        let Ok(slot) = self.copies.0.reserve() else {
            count(&self.counters.busy);
            return body;
        };
        let mut request = parts.to_request(Body::empty());
        // The log tells of the request itself.
        request.extensions_mut().remove::<Note>();
        let copy = Copy { to: Arc::clone(&self.to), request, counters: Arc::clone(&self.counters), slot };
        match body.as_bytes() {
            Some(bytes) => {
                copy.send(Bytes::copy_from_slice(bytes));
                body
            }
            None => self.passing(copy, body),
        }
    }

    /// The body, which is kept while it passes.
    fn passing(&self, copy: Copy, mut body: Body) -> Body {
        let length = body.len();
        let limit = self.max_body;
        let mut kept = Kept { copy: Some(copy), bytes: BytesMut::new() };
        let frames = poll_fn(move |cx| {
            let frame = std::task::ready!(body.poll_next_frame(cx));
            match &frame {
                Some(Ok(Frame::Data(data))) => kept.keep(data, limit),
                Some(Ok(Frame::Trailers(_)) | Err(_)) => kept.give_up(),
                None => kept.send(),
            }
            Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)))
        });
        Body::frames(frames, length)
    }
}

/// The part of a body that has passed.
struct Kept {
    /// `None` when it was sent, or cannot be.
    copy: Option<Copy>,
    bytes: BytesMut,
}

impl Kept {
    fn keep(&mut self, data: &[u8], limit: u64) {
        if self.copy.is_some() && (self.bytes.len() + data.len()) as u64 <= limit {
            self.bytes.extend_from_slice(data);
        } else {
            self.give_up();
        }
    }

    fn send(&mut self) {
        if let Some(copy) = self.copy.take() {
            copy.send(std::mem::take(&mut self.bytes).freeze());
        }
    }

    fn give_up(&mut self) {
        self.bytes = BytesMut::new();
        if let Some(copy) = self.copy.take() {
            count(&copy.counters.dropped);
        }
    }
}

/// A body that is dropped before its end is not copied.
impl Drop for Kept {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Copy {
    /// Sends it in a task of its own.
    fn send(self, body: Bytes) {
        let Self { to, mut request, counters, slot } = self;
        *request.body_mut() = body.into();
        slot.spawn(async move {
            let response = to.answer(request).await;
            let failed = response.code().is_server_error();
            count(if failed { &counters.failed } else { &counters.answered });
            let mut body = response.into_body();
            let mut read = 0;
            while let Some(Ok(Frame::Data(data))) = body.frame().await {
                read += data.len() as u64;
                if read > MAX_ANSWER {
                    break;
                }
            }
        });
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
