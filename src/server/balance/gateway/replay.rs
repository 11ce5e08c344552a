//! A request body that is kept for retries, up to a limit.
//!
//! What has passed is kept. Beyond the limit nothing is kept, and the request can be sent only once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::poll_fn;

use crate::server::http::body::{Body, BodyError, BoxError, Frame};

/// A body that can be sent again.
#[derive(Debug)]
pub(super) enum Replay {
    /// It is in memory, or there is none.
    Whole(Bytes),
    /// It is still arriving.
    Arriving(Arc<Mutex<Kept>>, Option<u64>),
}

/// The part of a body that has passed.
#[derive(Debug)]
pub(super) struct Kept {
    source: Body,
    /// The pieces that have passed; `None` when they exceeded the limit.
    pieces: Option<Vec<Bytes>>,
    size: usize,
    limit: usize,
    /// The source has ended, or failed.
    ended: bool,
    /// The next piece was asked for, and has not come.
    starved: bool,
}

/// Pieces that are kept at most: each costs more than its bytes, and a body can come in pieces of one byte.
const MAX_PIECES: usize = 1024;

impl Replay {
    /// Keeps at most `limit` bytes.
    pub(super) fn new(body: Body, limit: usize) -> Self {
        if let Some(bytes) = body.as_bytes() {
            let bytes = Bytes::copy_from_slice(bytes);
            return Self::Whole(bytes);
        }
        let length = body.len();
        let kept =
            Kept { source: body, pieces: Some(Vec::new()), size: 0, limit, ended: false, starved: false };
        Self::Arriving(Arc::new(Mutex::new(kept)), length)
    }

    /// Whether all of it can be sent again.
    pub(super) fn is_kept(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Arriving(kept, _) => lock(kept).pieces.is_some(),
        }
    }

    /// Whether an attempt waits for what has not come of it: then it is not the backend that is slow.
    pub(super) fn is_starved(&self) -> bool {
        match self {
            Self::Whole(_) => false,
            Self::Arriving(kept, _) => lock(kept).starved,
        }
    }

    /// Bytes that have passed so far.
    pub(super) fn passed(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Arriving(kept, _) => lock(kept).size,
        }
    }

    /// The body for an attempt: first what was kept, then what arrives. Only one attempt at a time reads what arrives.
    pub(super) fn body(&self) -> Body {
        let (kept, length) = match self {
            Self::Whole(bytes) => return bytes.clone().into(),
            Self::Arriving(kept, length) => (Arc::clone(kept), *length),
        };
        let mut again: VecDeque<Bytes> = lock(&kept).pieces.iter().flatten().cloned().collect();
        let frames = poll_fn(move |cx| match again.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::Data(piece)))),
            None => lock(&kept).poll(cx).map(|frame| frame.map(|frame| frame.map_err(BoxError::from))),
        });
        Body::frames(frames, length)
    }
}

impl Kept {
    /// The next piece that arrives.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = self.source.poll_next_frame(cx);
        self.starved = frame.is_pending();
        let frame = std::task::ready!(frame);
        match &frame {
            Some(Ok(Frame::Data(data))) => {
                self.size += data.len();
                match &mut self.pieces {
                    Some(pieces) if self.size <= self.limit && pieces.len() < MAX_PIECES => {
                        pieces.push(data.clone());
                    }
                    pieces => *pieces = None,
                }
            }
            // Trailers would be missing the second time.
            Some(Ok(Frame::Trailers(_))) => (self.pieces, self.ended) = (None, true),
            Some(Err(_)) => (self.pieces, self.ended) = (None, true),
            None => self.ended = true,
        }
        Poll::Ready(frame)
    }
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn arriving(pieces: &'static [&'static str]) -> Body {
        Body::stream(stream::iter(
            pieces.iter().map(|piece| Ok::<_, BoxError>(Bytes::from_static(piece.as_bytes()))),
        ))
    }

    async fn text(body: Body) -> String {
        String::from_utf8(body.collect(1 << 20).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn what_has_passed_comes_again_and_then_what_arrives() {
        let replay = Replay::new(arriving(&["one ", "two ", "three"]), 100);
        let mut first = replay.body();
        assert!(matches!(first.frame().await, Some(Ok(Frame::Data(data))) if data == "one "));
        drop(first);
        assert!(replay.is_kept());
        assert_eq!(text(replay.body()).await, "one two three");
        assert_eq!(text(replay.body()).await, "one two three");
    }

    #[tokio::test]
    async fn beyond_the_limit_nothing_is_kept() {
        for (limit, kept) in [(7, true), (6, false)] {
            let replay = Replay::new(arriving(&["one ", "two"]), limit);
            assert_eq!(text(replay.body()).await, "one two");
            assert_eq!(replay.is_kept(), kept, "{limit}");
        }
    }

    #[tokio::test]
    async fn pieces_of_one_byte_are_not_kept_without_end() {
        for (count, kept) in [(MAX_PIECES, true), (MAX_PIECES + 1, false)] {
            let pieces = stream::iter((0..count).map(|_| Ok::<_, BoxError>(Bytes::from_static(b"x"))));
            let replay = Replay::new(Body::stream(pieces), 1 << 20);
            assert_eq!(text(replay.body()).await.len(), count);
            assert_eq!(replay.is_kept(), kept, "{count}");
        }
    }

    #[tokio::test]
    async fn a_body_in_memory_is_always_kept() {
        let replay = Replay::new(Body::from("whole"), 0);
        assert!(replay.is_kept());
        assert_eq!((text(replay.body()).await, text(replay.body()).await), ("whole".into(), "whole".into()));
        assert!(Replay::new(Body::empty(), 0).is_kept());
    }
}
