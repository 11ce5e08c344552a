//! The deadlines of a connection's calls: one timer for all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// Deadlines of calls that are over which are kept before anybody looks for them.
const SPARE: usize = 256;

/// The deadlines of calls, by stream. Those of calls that are over stay until they are due: a heap has no other way to find them.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadlines {
    /// Adds the deadline of a stream.
    pub(super) fn add(&mut self, at: Instant, stream: u32) {
        self.heap.push(Reverse((at, stream)));
    }

    /// Forgets those of calls that are over, when they are more than those of the `open` ones.
    pub(super) fn trim(&mut self, open: usize, is_open: impl Fn(u32) -> bool) {
        if self.heap.len() > 2 * open + SPARE {
            self.heap.retain(|Reverse((_, stream))| is_open(*stream));
        }
    }

    /// The streams whose deadline has passed. Ready with each of them; pending until the next.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, is_open: impl Fn(u32) -> bool) -> Poll<u32> {
        loop {
            let Some(&Reverse((at, stream))) = self.heap.peek() else { return Poll::Pending };
            if !is_open(stream) {
                self.heap.pop();
                continue;
            }
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.heap.pop();
            return Poll::Ready(stream);
        }
    }
}
