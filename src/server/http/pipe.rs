//! The pipe through which the body of a request flows from its connection to its handler.
//!
//! The connection feeds it while there is room, so a handler that reads slowly slows the client down, and one that does
//! not read at all costs [`WINDOW`] bytes. The first read is noted: only then does the client get its `100 Continue`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::body::{BodyError, Frame};
use crate::proto::http::fields::Fields;

/// Bytes that wait in a pipe at most, but for the last arrival. A socket buffer's worth.
pub(super) const WINDOW: usize = 64 * 1024;

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Bytes>,
    buffered: usize,
    /// Set once: how the body ended.
    end: Option<Result<Fields, BodyError>>,
    /// The handler has asked for bytes.
    asked: bool,
    /// The handler has dropped its end.
    abandoned: bool,
    reader: Option<Waker>,
    feeder: Option<Waker>,
}

/// The connection's end.
#[derive(Debug)]
pub(super) struct Feeder(Arc<Mutex<State>>);

/// The handler's end.
#[derive(Debug)]
pub(super) struct Reader(Arc<Mutex<State>>);

/// What the handler wants of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// It waits for bytes.
    Asked,
    /// It has not asked yet; there is room.
    Room,
    /// The window is full.
    Full,
    /// It will never ask again.
    Abandoned,
}

/// A new pipe.
pub(super) fn pipe() -> (Feeder, Reader) {
    let state = Arc::new(Mutex::new(State::default()));
    (Feeder(Arc::clone(&state)), Reader(state))
}

/// What a chunk counts for: its bytes, and what it takes to keep them. A body of single bytes is no way round the window.
fn cost(data: &Bytes) -> usize {
    data.len() + 64
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feeder {
    /// Hands bytes over.
    pub(super) fn push(&self, data: Bytes) {
        let mut state = lock(&self.0);
        state.buffered += cost(&data);
        state.chunks.push_back(data);
        wake(&mut state.reader);
    }

    /// Ends the body. Only the first end counts.
    pub(super) fn end(&self, end: Result<Fields, BodyError>) {
        let mut state = lock(&self.0);
        state.end.get_or_insert(end);
        wake(&mut state.reader);
    }

    /// What the handler wants; a change of it wakes the task of `cx`.
    pub(super) fn demand(&self, cx: &Context<'_>) -> Demand {
        let mut state = lock(&self.0);
        state.feeder = Some(cx.waker().clone());
        match &*state {
            State { abandoned: true, .. } => Demand::Abandoned,
            State { buffered, .. } if *buffered >= WINDOW => Demand::Full,
            State { asked: true, .. } => Demand::Asked,
            _ => Demand::Room,
        }
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.end(Err(BodyError::Disconnected));
    }
}

impl Reader {
    pub(super) fn poll_frame(&mut self, cx: &Context<'_>) -> Poll<Option<Result<Frame, BodyError>>> {
        let mut state = lock(&self.0);
        if !state.asked {
            state.asked = true;
            wake(&mut state.feeder);
        }
        if let Some(data) = state.chunks.pop_front() {
            let was_full = state.buffered >= WINDOW;
            state.buffered -= cost(&data);
            if was_full && state.buffered < WINDOW {
                wake(&mut state.feeder);
            }
            return Poll::Ready(Some(Ok(Frame::Data(data))));
        }
        match &mut state.end {
            Some(Ok(trailers)) if trailers.is_empty() => Poll::Ready(None),
            Some(Ok(trailers)) => Poll::Ready(Some(Ok(Frame::Trailers(std::mem::take(trailers))))),
            Some(Err(error)) => Poll::Ready(Some(Err(error.again()))),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.abandoned = true;
        state.chunks.clear();
        wake(&mut state.feeder);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;

    use super::*;

    #[test]
    fn bytes_then_trailers_then_the_end() {
        let (feeder, mut reader) = pipe();
        let waker = noop_waker();
        let cx = Context::from_waker(&waker);
        assert_eq!(feeder.demand(&cx), Demand::Room);
        assert!(reader.poll_frame(&cx).is_pending());
        assert_eq!(feeder.demand(&cx), Demand::Asked);
        feeder.push(Bytes::from_static(b"a"));
        let mut trailers = Fields::new();
        trailers.append(http::header::ETAG, http::HeaderValue::from_static("x"));
        feeder.end(Ok(trailers));
        assert!(matches!(reader.poll_frame(&cx), Poll::Ready(Some(Ok(Frame::Data(data)))) if data == "a"));
        assert!(
            matches!(reader.poll_frame(&cx), Poll::Ready(Some(Ok(Frame::Trailers(fields)))) if fields.len() == 1)
        );
        assert!(matches!(reader.poll_frame(&cx), Poll::Ready(None)));
    }

    #[test]
    fn the_window_is_bounded_and_opens_again() {
        let (feeder, mut reader) = pipe();
        let waker = noop_waker();
        let cx = Context::from_waker(&waker);
        feeder.push(Bytes::from(vec![0; WINDOW]));
        assert_eq!(feeder.demand(&cx), Demand::Full);
        assert!(reader.poll_frame(&cx).is_ready());
        assert_eq!(feeder.demand(&cx), Demand::Asked);
        drop(reader);
        assert_eq!(feeder.demand(&cx), Demand::Abandoned);
    }

    #[test]
    fn a_lost_connection_is_an_error_not_an_end() {
        let (feeder, mut reader) = pipe();
        let waker = noop_waker();
        drop(feeder);
        for _ in 0..2 {
            let frame = reader.poll_frame(&Context::from_waker(&waker));
            assert!(matches!(frame, Poll::Ready(Some(Err(BodyError::Disconnected)))));
        }
    }
}
