//! The client's side, as the proposals have it.

mod allowed;
mod announce;
mod packets;
mod reply;
mod tiers;
mod udp;
mod url;

use super::*;
use crate::proto::bittorrent::hash::Sha1;

/// The bytes of BEP 3's own kind of example: every value, so that escapes matter.
const HASH: Sha1 = Sha1(*b"\x12\x34\x56\x78\x9a\xbc\xde\xf1\x23\x45\x67\x89\xab\xcd\xef\x12\x34\x56\x78\x9a");

const ID: [u8; 20] = *b"-WW0100-abcdefghijkl";

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().unwrap()
}

fn addr(text: &str) -> std::net::SocketAddr {
    text.parse().unwrap()
}
