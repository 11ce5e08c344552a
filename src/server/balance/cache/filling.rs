//! A response that is arriving: a task of its own reads it from the backend, stores it, and gives it to all who wait for it.
//!
//! So a slow client delays nobody else, and a client that leaves does not lose what has arrived. The task reads no more than may be stored:
//! beyond that the rest is read at the first client's pace, and nothing is stored. A [`Budget`] limits all that is arriving.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::Notify;

use super::object::{Content, Meta};
use crate::server::http::body::{Body, BodyError, BoxError, Frame};

/// Pieces of a response of unknown length that are kept at most: each costs more than its bytes, and a backend may send chunks of one byte.
pub(super) const MAX_PIECES: usize = 16 * 1024;

/// The bytes that arriving responses may hold.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0) }
    }

    fn take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }
}

/// A part of a budget.
#[derive(Debug)]
struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Share {
    fn grow(&mut self, bytes: u64) -> bool {
        let grown = self.budget.take(bytes);
        self.bytes += if grown { bytes } else { 0 };
        grown
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Why an arriving response cannot be passed on.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the response ended early")]
struct BrokenOff;

/// An arriving response.
#[derive(Debug)]
pub(super) struct Filling {
    pub(super) meta: Meta,
    /// Its length, if the backend has announced it.
    pub(super) length: Option<u64>,
    /// The longest body that is stored.
    limit: u64,
    state: Mutex<State>,
    /// Something has arrived, or ended.
    changed: Notify,
    /// The last reader has left.
    left: Notify,
}

#[derive(Debug)]
struct State {
    pieces: Vec<Bytes>,
    size: u64,
    share: Share,
    readers: usize,
    end: Option<End>,
}

#[derive(Debug)]
enum End {
    Whole,
    Broken,
    /// It is too long to be stored: the first reader gets the rest.
    Rest(Option<Body>),
}

/// The state of a response.
#[derive(Debug)]
pub(super) enum Filled {
    /// It is complete.
    Whole(Content),
    /// It is too long to be stored.
    TooLong,
    /// It ended early.
    Broken,
    /// It has no readers, and less than half of it had arrived.
    Abandoned,
}

impl Filling {
    /// A new one. `None` when too much is arriving already.
    pub(super) fn begin(
        meta: Meta,
        length: Option<u64>,
        limit: u64,
        budget: &Arc<Budget>,
    ) -> Option<Arc<Self>> {
        let mut share = Share { budget: Arc::clone(budget), bytes: 0 };
        share.grow(length.unwrap_or(0)).then(|| {
            let state = Mutex::new(State { pieces: Vec::new(), size: 0, share, readers: 0, end: None });
            Arc::new(Self { meta, length, limit, state, changed: Notify::new(), left: Notify::new() })
        })
    }

    /// The body for one client; `None` when it has failed. When the length is unknown, only the first client may ask.
    pub(super) fn body(self: &Arc<Self>) -> Option<Body> {
        let mut state = self.lock();
        if matches!(state.end, Some(End::Broken)) {
            return None;
        }
        state.readers += 1;
        drop(state);
        let reader = Reader { filling: Arc::clone(self), at: 0, rest: None };
        let frames =
            stream::unfold(
                reader,
                |mut reader| async move { reader.next().await.map(|frame| (frame, reader)) },
            );
        Some(Body::frames(frames, self.length))
    }

    /// Reads the response to its end, or as far as it is useful. `is_wanted` says whether anybody still waits for it.
    pub(super) async fn fill(&self, mut source: Body, is_wanted: impl Fn() -> bool) -> Filled {
        loop {
            let frame = tokio::select! {
                frame = source.frame() => frame,
                () = self.left.notified() => {
                    if !is_wanted() && self.abandon() {
                        return Filled::Abandoned;
                    }
                    continue;
                }
            };
            match frame {
                Some(Ok(Frame::Data(data))) => {
                    if !self.keep(&data) {
                        self.end(End::Rest(Some(source)));
                        return Filled::TooLong;
                    }
                }
                // Trailer fields are not stored, as RFC 9111 section 3.1 allows, and nobody gets what the next will not.
                Some(Ok(Frame::Trailers(_))) => {}
                Some(Err(error)) => return self.broken(&error),
                None => return self.whole(),
            }
        }
    }

    /// Stores a piece, and returns whether more may follow.
    fn keep(&self, data: &[u8]) -> bool {
        let length = data.len() as u64;
        let mut state = self.lock();
        state.size += length;
        let fits = state.size <= self.limit
            && (self.length.is_some() || state.pieces.len() < MAX_PIECES && state.share.grow(length));
        state.pieces.push(Bytes::copy_from_slice(data));
        drop(state);
        self.changed.notify_waiters();
        fits
    }

    fn whole(&self) -> Filled {
        let state = self.lock();
        if self.length.is_some_and(|length| length != state.size) {
            drop(state);
            self.end(End::Broken);
            return Filled::Broken;
        }
        let content = Content::of(&state.pieces);
        drop(state);
        self.end(End::Whole);
        Filled::Whole(content)
    }

    fn broken(&self, error: &BodyError) -> Filled {
        tracing::debug!(%error, "a response ended early while it was being stored");
        self.end(End::Broken);
        Filled::Broken
    }

    /// Cancels it if it has no readers and less than half of it has arrived.
    fn abandon(&self) -> bool {
        let mut state = self.lock();
        let half_here = self.length.is_some_and(|length| state.size >= length.div_ceil(2));
        let abandoned = state.readers == 0 && !half_here;
        if abandoned {
            state.end = Some(End::Broken);
        }
        abandoned
    }

    fn end(&self, end: End) {
        self.lock().end = Some(end);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's position in a response.
struct Reader {
    filling: Arc<Filling>,
    at: usize,
    rest: Option<Body>,
}

impl Reader {
    async fn next(&mut self) -> Option<Result<Frame, BoxError>> {
        loop {
            if let Some(rest) = &mut self.rest {
                return rest.frame().await.map(|frame| frame.map_err(BoxError::from));
            }
            let filling = Arc::clone(&self.filling);
            let mut changed = std::pin::pin!(filling.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            {
                let mut state = filling.lock();
                if let Some(piece) = state.pieces.get(self.at) {
                    self.at += 1;
                    return Some(Ok(Frame::Data(piece.clone())));
                }
                match &mut state.end {
                    None => {}
                    Some(End::Whole) => return None,
                    Some(End::Rest(rest)) if rest.is_some() => {
                        self.rest = rest.take();
                        continue;
                    }
                    Some(End::Broken | End::Rest(_)) => return Some(Err(BrokenOff.into())),
                }
            }
            changed.await;
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.filling.lock();
        state.readers -= 1;
        let last = state.readers == 0;
        drop(state);
        if last {
            self.filling.left.notify_one();
        }
    }
}
