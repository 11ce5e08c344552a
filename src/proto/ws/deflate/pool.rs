//! Compressors that belong to no connection, one small stock a thread.
//!
//! They are reset after each message, so which connection had one before makes no difference to what it says.

use std::cell::RefCell;

use super::{Deflater, Inflater, MAX_WINDOW_BITS};

/// Compressors, and decompressors, that a thread keeps.
const STOCK: usize = 8;

#[derive(Default)]
struct Stock {
    deflaters: Vec<Deflater>,
    inflaters: Vec<Inflater>,
}

thread_local! {
    static POOL: RefCell<Stock> = RefCell::default();
}

/// A compressor without context takeover.
pub(super) fn deflater(window_bits: u8, level: u32) -> Deflater {
    let found = POOL.with_borrow_mut(|stock| {
        let deflaters = &mut stock.deflaters;
        let at = deflaters.iter().position(|deflater| deflater.kind() == (window_bits, level))?;
        Some(deflaters.swap_remove(at))
    });
    found.unwrap_or_else(|| Deflater::new(window_bits, level, false))
}

pub(super) fn put_deflater(deflater: Deflater) {
    POOL.with_borrow_mut(|stock| keep(&mut stock.deflaters, deflater));
}

/// A decompressor without context takeover. Its window is the largest, which reads what any smaller one has written.
pub(super) fn inflater() -> Inflater {
    let found = POOL.with_borrow_mut(|stock| stock.inflaters.pop());
    found.unwrap_or_else(|| Inflater::new(MAX_WINDOW_BITS, false))
}

pub(super) fn put_inflater(inflater: Inflater) {
    POOL.with_borrow_mut(|stock| keep(&mut stock.inflaters, inflater));
}

/// Keeps the newest: an old one of a kind that nobody wants must not block the stock.
fn keep<T>(stock: &mut Vec<T>, one: T) {
    if stock.len() >= STOCK {
        stock.remove(0);
    }
    stock.push(one);
}
