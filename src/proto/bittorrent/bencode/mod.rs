//! Bencode: the form of everything in BitTorrent that is not a message between peers (BEP 3).
//!
//! Reading is strict where two readers could disagree: integers and lengths have one spelling, no key comes twice, nothing follows the value. A [`Document`] is a flat
//! list of tokens over the bytes, so that hostile nesting costs neither stack nor time, and that what is hashed, the `info` dictionary, is exactly what was received.
//! Keys that are not in order are read, as some trackers send such, and told by [`Value::is_canonical`]. A [`Tree`] is written in canonical form always.

mod document;
mod fault;
mod tree;

pub use self::document::{Document, Entries, Items, Limits, Value};
pub use self::fault::Fault;
pub use self::tree::Tree;
