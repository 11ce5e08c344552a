//! BitTorrent: what peers, trackers and nodes of the DHT say to each other, and what each of them makes of it, without a socket, a file or a clock.
//!
//! Terms are those of the enhancement proposals (<https://www.bittorrent.org/beps/bep_0000.html>): a *torrent* is a set of files cut into *pieces*, which are fetched in
//! *blocks* of 16 KiB; the *metainfo* describes it, and its *info hash* names it.

pub mod addresses;
pub mod bencode;
pub mod choker;
pub mod contacts;
pub mod dht;
pub mod fetch;
pub mod gossip;
pub mod hash;
pub mod holepunch;
pub mod lanes;
pub mod lsd;
pub mod magnet;
pub mod merkle;
pub mod metainfo;
pub mod mse;
pub mod picker;
pub mod pipeline;
mod random;
pub mod rate;
pub mod rows;
pub mod torrent;
pub mod tracker;
pub mod utp;
pub mod verify;
pub mod webseed;
pub mod wire;

/// Bytes of a block: what peers ask each other for at once (BEP 3, "All current implementations use 2^14"), and a leaf of the trees of BEP 52.
pub const BLOCK: u32 = 16 << 10;
