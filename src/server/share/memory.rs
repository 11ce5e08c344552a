//! How many bytes of blocks wait to be written, of all torrents together.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Bytes from which blocks are written before their piece is whole.
pub const CACHE: usize = 16 << 20;

/// The bytes that are held.
#[derive(Debug)]
pub(super) struct Memory {
    held: AtomicUsize,
    limit: usize,
    room: Notify,
}

impl Memory {
    pub(super) fn new(limit: usize) -> Self {
        Self { held: AtomicUsize::new(0), limit: limit.max(1), room: Notify::new() }
    }

    /// More bytes are held; whether some should go to the disk.
    pub(super) fn take(&self, bytes: usize) -> bool {
        self.held.fetch_add(bytes, Ordering::Relaxed) + bytes > self.limit
    }

    /// Fewer are.
    pub(super) fn give(&self, bytes: usize) {
        let before = self.held.fetch_sub(bytes, Ordering::Relaxed);
        if before > self.most() && before - bytes <= self.most() {
            self.room.notify_waiters();
        }
    }

    /// Whether nobody may take more now: the disk does not keep up.
    pub(super) fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) > self.most()
    }

    /// Waits until there is room again.
    pub(super) async fn room(&self) {
        loop {
            let told = self.room.notified();
            tokio::pin!(told);
            // Registered before the look, so that no notice falls between.
            told.as_mut().enable();
            if !self.is_full() {
                return;
            }
            told.await;
        }
    }

    /// What was begun may go on: twice the bytes from which the disk is at work.
    fn most(&self) -> usize {
        self.limit * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_of_room() {
        let memory = Memory::new(10);
        assert!(!memory.take(10));
        assert!(memory.take(1));
        memory.room().await;
        memory.take(15);
        assert!(memory.is_full());
        let waits = memory.room();
        tokio::pin!(waits);
        assert!(futures_util::poll!(&mut waits).is_pending());
        memory.give(5);
        assert!(futures_util::poll!(&mut waits).is_pending(), "21 are more than 20");
        memory.give(1);
        waits.await;
    }
}
