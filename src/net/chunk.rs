//! Buffers that files are read into: the last part of one that was sent gives it back to the stock of its thread.
//!
//! They are filled with zeros once, when they are made. A new one for each read would cost as much as the read: the system clears its pages, and then
//! takes them back.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use bytes::Bytes;

/// Bytes of a buffer of the stock: sixteen blocks of BitTorrent.
pub const CHUNK: usize = 256 * 1024;

/// Buffers that a thread keeps.
const STOCK: usize = 8;

thread_local! {
    static CHUNKS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer for a read. What is in it may have been there before.
#[derive(Debug)]
pub struct Chunk(Box<[u8]>);

impl Chunk {
    /// One of at least so many bytes, and at most twice as many: small and large ones are made for the occasion, and not kept.
    #[must_use]
    pub fn of(length: usize) -> Self {
        if length <= CHUNK / 2 || length > CHUNK {
            return Self(vec![0; length].into());
        }
        Self(CHUNKS.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; CHUNK].into()))
    }

    /// What was read, to be sent by parts.
    #[must_use]
    pub fn share(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Chunk {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        if buffer.len() != CHUNK {
            return;
        }
        // A thread that ends has no stock any more.
        let _ = CHUNKS.try_with(|stock| {
            let mut stock = stock.borrow_mut();
            if stock.len() < STOCK {
                stock.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_all_of_it_has_left() {
        let mut chunk = Chunk::of(CHUNK - 1);
        let address = chunk.as_ptr();
        chunk[..3].copy_from_slice(b"abc");
        let mut bytes = chunk.share();
        let first = bytes.split_to(2);
        drop(bytes);
        assert_ne!(Chunk::of(CHUNK).as_ptr(), address, "a part of it waits");
        assert_eq!(first, "ab");
        drop(first);
        assert_eq!(Chunk::of(CHUNK).as_ptr(), address);
    }

    #[test]
    fn others_are_as_long_as_they_have_to_be() {
        for length in [1, CHUNK / 2, CHUNK + 1] {
            drop(Chunk::of(length));
            assert_eq!(Chunk::of(length).len(), length);
        }
        assert_eq!(Chunk::of(CHUNK / 2 + 1).len(), CHUNK);
    }
}
