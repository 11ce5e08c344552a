//! Buffers that no connection needs at the moment, one small stock a thread.
//!
//! A connection that waits holds no buffer: it takes one when bytes arrive and gives it back when it has nothing left to
//! do. Ten thousand idle connections share a handful.

use std::cell::RefCell;

use bytes::BytesMut;

/// Bytes of a buffer: a browser's request fits several times.
pub const BUFFER: usize = 8 * 1024;

/// Bytes of a large buffer, for a connection whose peer sends more than it takes to fill the small one. What is cut at its end is copied to the
/// next: the larger it is, the less.
pub const LARGE: usize = 256 * 1024;

/// Small, and large buffers that a thread keeps.
const STOCK: usize = 64;
const LARGE_STOCK: usize = 8;

thread_local! {
    static BUFFERS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static LARGE_BUFFERS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for [`BUFFER`] bytes.
#[must_use]
pub fn take() -> BytesMut {
    BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(BUFFER))
}

/// An empty buffer with room for [`LARGE`] bytes.
#[must_use]
pub fn take_large() -> BytesMut {
    LARGE_BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(LARGE))
}

/// Gives a buffer back; what it holds is forgotten. One that grew, or of which a part is still in use, is freed instead.
pub fn give(mut buffer: BytesMut) {
    buffer.clear();
    if buffer.try_reclaim(LARGE) {
        if buffer.capacity() <= 2 * LARGE {
            LARGE_BUFFERS.with_borrow_mut(|stock| keep(stock, LARGE_STOCK, buffer));
        }
    } else if buffer.try_reclaim(BUFFER) && buffer.capacity() <= 2 * BUFFER {
        BUFFERS.with_borrow_mut(|stock| keep(stock, STOCK, buffer));
    }
}

fn keep(stock: &mut Vec<BytesMut>, most: usize, buffer: BytesMut) {
    if stock.len() < most {
        stock.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_nobody_shares_it() {
        let mut buffer = take();
        buffer.extend_from_slice(b"request");
        let address = buffer.as_ptr();
        let shared = buffer.split_to(7).freeze();
        drop(shared);
        give(buffer);
        let again = take();
        assert_eq!(again.as_ptr(), address);
        assert!(again.is_empty() && again.capacity() >= BUFFER);
    }

    #[test]
    fn large_buffers_are_a_stock_of_their_own() {
        let large = take_large();
        let address = large.as_ptr();
        give(large);
        assert_ne!(take().as_ptr(), address);
        assert_eq!(take_large().as_ptr(), address);
    }

    #[test]
    fn a_buffer_in_use_is_not_kept() {
        let mut buffer = BytesMut::with_capacity(BUFFER);
        buffer.extend_from_slice(b"request");
        let address = buffer.as_ptr();
        let shared = buffer.split_to(7).freeze();
        give(buffer);
        assert_ne!(take().as_ptr(), address);
        assert_eq!(shared, "request");
    }
}
