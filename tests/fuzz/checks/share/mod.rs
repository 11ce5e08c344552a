//! The languages of BitTorrent, and the RPC of its front ends.

use wireworks::codec::Outbox;
use wireworks::proto::bittorrent::bencode::{Tree, Value};

pub(crate) mod bencode;
pub(crate) mod krpc;
pub(crate) mod lanes;
pub(crate) mod lsd;
pub(crate) mod magnet;
pub(crate) mod metainfo;
pub(crate) mod mse;
pub(crate) mod tracker;
pub(crate) mod transmission;
pub(crate) mod utp;
pub(crate) mod wire;

/// What was read, to be written again: in the order of its keys.
fn tree(value: Value<'_>) -> Tree {
    if let Some(number) = value.integer() {
        return Tree::Integer(number);
    }
    if let Some(bytes) = value.bytes() {
        return bytes.into();
    }
    match value.entries() {
        Some(entries) => Tree::dictionary(entries.map(|(key, value)| (key, tree(value)))),
        None => Tree::list(value.items().into_iter().flatten().map(tree)),
    }
}

/// All that is in an outbox.
fn emptied(out: &mut Outbox) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !out.is_empty() {
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let used = out.slices(&mut slices);
        let now: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
        out.advance(now.len());
        bytes.extend(now);
    }
    bytes
}

/// A place of `bytes` that hangs on nothing but them, in front of their end. There is one byte at least.
fn place(bytes: &[u8]) -> usize {
    super::Dice::of(bytes).below(bytes.len())
}
