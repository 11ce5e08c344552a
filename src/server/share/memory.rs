//! How many bytes of blocks wait to be written, of all torrents together.
//!
//! Those of pieces that are whole wait for the disk alone: if they are many, peers are not listened to until there are fewer. Those of pieces that are not whole wait for
//! peers: if they are many, some are written early, and read again later.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Bytes from which blocks are written before their piece is whole.
pub const CACHE: usize = 16 << 20;

/// The bytes that are held.
#[derive(Debug)]
pub(super) struct Memory {
    held: Mutex<Held>,
    limit: usize,
    room: Notify,
}

#[derive(Debug, Default)]
struct Held {
    /// Of all pieces.
    all: usize,
    /// Of those that are whole.
    whole: usize,
}

impl Memory {
    pub(super) fn new(limit: usize) -> Self {
        Self { held: Mutex::default(), limit: limit.max(1), room: Notify::new() }
    }

    /// More bytes are held; whether some of pieces that are not whole should go to the disk.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let mut held = self.held();
        held.all += bytes;
        held.all - held.whole > self.limit
    }

    /// So many of them are of a piece that is whole now.
    pub(super) fn whole(&self, bytes: usize) {
        self.held().whole += bytes;
    }

    /// Bytes of a piece that is not whole are held no more.
    pub(super) fn give(&self, bytes: usize) {
        self.change(|held| held.all -= bytes);
    }

    /// Bytes of a piece that was whole are held no more.
    pub(super) fn give_whole(&self, bytes: usize) {
        self.change(|held| {
            held.all -= bytes;
            held.whole -= bytes;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Held)) {
        let mut held = self.held();
        let was_full = self.has_no_room(&held);
        change(&mut held);
        if was_full && !self.has_no_room(&held) {
            self.room.notify_waiters();
        }
    }

    /// Whether nobody may take more now: the disk does not keep up.
    pub(super) fn is_full(&self) -> bool {
        self.has_no_room(&self.held())
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

    /// What is being written early is held until it is written.
    fn has_no_room(&self, held: &Held) -> bool {
        held.whole > self.limit / 2 || held.all > self.limit * 2
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[tokio::test]
    async fn whole_pieces_wait_for_the_disk_alone() {
        let memory = Memory::new(10);
        memory.take(9);
        memory.whole(6);
        assert!(memory.is_full(), "the disk is behind");
        assert!(!memory.take(7), "10 are not whole");
        assert!(memory.take(1));
        memory.give_whole(6);
        memory.room().await;
    }
}
