//! `wireworks share` beside the clients of others, each cell of the table in `docs/share.md`: a folder goes from one to the other, and is
//! the same there, byte by byte.
//!
//! Peers have an address each, on a network of the test's own: Transmission talks to nobody at 127.0.0.1, and libtorrent to one peer an address.

mod aria2;
mod dht;
mod faults;
mod holepunch;
mod killed;
mod libtorrent;
mod network;
mod ours;
mod pex;
mod qbittorrent;
mod trackers;
mod transmission;
mod tree;
mod utp;
mod web_seed;
