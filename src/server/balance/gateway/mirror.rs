//! Requests mirrored: a copy goes to another upstream, and what comes back is dropped.
//!
//! The request itself never waits for its copy and never fails with it. Of a body that is still arriving, the pieces are kept as they pass, and the copy is sent
//! when the last one has. What would cost too much is not copied: a body that is too long, and requests beyond the number of copies that may be under
//! way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::stream::poll_fn;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::forward::Forward;
use crate::proto::http::list::FieldLines;
use crate::proto::http::list::contains_token;
use crate::server::balance::log::Note;
use crate::server::http::body::{Body, BoxError, Frame};
use crate::server::http::request::{Parts, Request};

/// Bytes of an answer to a copy that are read, so that the connection can be used again; one that is longer ends its connection.
const MAX_ANSWER: u64 = 1 << 20;

/// Where copies go, and how many. Clones count together.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// The upstream.
    pub to: Arc<Forward>,
    /// The share of the requests that are copied, from 0 to 1.
    pub share: f64,
    /// Bytes of a body that is copied at most.
    pub max_body: u64,
    /// How many there may be.
    pub copies: Copies,
    /// What became of them.
    pub counters: Arc<MirrorCounters>,
}

/// How many copies may be under way. Clones count together.
#[derive(Clone, Debug)]
pub struct Copies {
    most: usize,
    /// `most`, less those that are under way.
    places: Arc<Semaphore>,
}

impl Copies {
    /// None yet, and at most so many at once.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { most, places }
    }

    /// Counts on from where `before` is, together with it, if there may be as many.
    pub fn count_on(&mut self, before: &Self) {
        if self.most == before.most {
            self.places = Arc::clone(&before.places);
        }
    }
}

/// What became of copies.
#[derive(Debug, Default)]
pub struct MirrorCounters {
    /// Answered by a status below 500.
    pub answered: AtomicU64,
    /// Not answered, or by a status from 500 on.
    pub failed: AtomicU64,
    /// Not sent: too many were under way.
    pub busy: AtomicU64,
    /// Not sent: the body was too long, had trailer fields, or did not come to its end.
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

/// A copy that is to be sent.
struct Copy {
    to: Arc<Forward>,
    request: Request,
    counters: Arc<MirrorCounters>,
    /// Held until its answer was read.
    place: OwnedSemaphorePermit,
}

impl Mirror {
    /// Sends a copy of the request, if this one is copied. The body goes on in what this returns.
    pub(super) fn copy(&self, parts: &Parts, body: Body) -> Body {
        if fastrand::f64() >= self.share || contains_token(parts.head().lines("connection"), "upgrade") {
            return body;
        }
        if body.len().is_some_and(|length| length > self.max_body) {
            count(&self.counters.dropped);
            return body;
        }
        let Ok(place) = Arc::clone(&self.copies.places).try_acquire_owned() else {
            count(&self.counters.busy);
            return body;
        };
        let mut request = parts.to_request(Body::empty());
        // The log tells of the request itself.
        request.extensions_mut().remove::<Note>();
        let copy = Copy { to: Arc::clone(&self.to), request, counters: Arc::clone(&self.counters), place };
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

/// What has passed of a body.
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
    /// Sends it, in a task of its own.
    fn send(self, body: Bytes) {
        let Self { to, mut request, counters, place } = self;
        *request.body_mut() = body.into();
        tokio::spawn(async move {
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
            drop(place);
        });
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
