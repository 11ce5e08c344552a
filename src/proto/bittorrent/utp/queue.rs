//! Bytes to send, by reference, until all before them are acknowledged.

use std::collections::VecDeque;

use bytes::Bytes;

/// The bytes, each known by its offset in the stream.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    /// Chunks and where each begins.
    chunks: VecDeque<(u64, Bytes)>,
    /// What was released.
    start: u64,
    /// The first byte that was never sent.
    next: u64,
    end: u64,
}

impl SendQueue {
    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            let at = self.end;
            self.end += bytes.len() as u64;
            self.chunks.push_back((at, bytes));
        }
    }

    /// Bytes that are not released.
    pub(super) fn held(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Bytes that were never sent.
    pub(super) fn unsent(&self) -> usize {
        (self.end - self.next) as usize
    }

    /// Where the first byte is that was never sent.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// So many more were sent.
    pub(super) fn sent(&mut self, length: u16) {
        self.next = (self.next + u64::from(length)).min(self.end);
    }

    /// Appends bytes of the stream to `out`; those that are not held are left out.
    pub(super) fn copy(&self, mut at: u64, length: u16, out: &mut Vec<u8>) {
        let mut missing = usize::from(length);
        let first = self.chunks.partition_point(|(begin, _)| *begin <= at).saturating_sub(1);
        for (begin, chunk) in self.chunks.range(first..) {
            let skip = at.saturating_sub(*begin) as usize;
            let part = chunk.get(skip..).unwrap_or_default();
            let part = &part[..part.len().min(missing)];
            out.extend_from_slice(part);
            missing -= part.len();
            at += part.len() as u64;
            if missing == 0 {
                break;
            }
        }
    }

    /// Forgets what is before this offset.
    pub(super) fn release(&mut self, until: u64) {
        self.start = self.start.max(until.min(self.next));
        while let Some((begin, chunk)) = self.chunks.front()
            && begin + chunk.len() as u64 <= self.start
        {
            self.chunks.pop_front();
        }
    }
}
