//! The deadlines of a connection's calls: one timer for all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// Deadlines of calls that are over which are kept before anybody looks for them.
const SPARE: usize = 256;

/// The deadlines of calls, by stream. Those of calls that are over stay for a while: a heap has no way to find them, and nearly all calls are
/// over long before. The timer stays where it was set, too, unless it would be late.
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
        let Some(&Reverse((first, _))) = self.heap.peek() else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(first)));
        if first < sleep.deadline() {
            sleep.as_mut().reset(first);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            let due = sleep.deadline();
            loop {
                let Some(&Reverse((at, stream))) = self.heap.peek() else { return Poll::Pending };
                let open = is_open(stream);
                if open && at > due {
                    sleep.as_mut().reset(at);
                    break;
                }
                self.heap.pop();
                if open {
                    return Poll::Ready(stream);
                }
            }
        }
        Poll::Pending
    }
}
