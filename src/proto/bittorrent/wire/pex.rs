//! Peers that tell each other of peers (BEP 11).

use std::net::SocketAddr;

use crate::proto::bittorrent::addresses;
use crate::proto::bittorrent::bencode::{Document, Fault, Limits, Tree, Value};

/// Peers of one kind in a message at most (BEP 11, "at most 50").
pub const MAX_PEERS: usize = 50;

/// What is known of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// It would rather have encrypted connections.
    pub const ENCRYPTION: Self = Self(0x01);
    /// It has all, or wants nothing more.
    pub const UPLOAD_ONLY: Self = Self(0x02);
    /// It speaks uTP.
    pub const UTP: Self = Self(0x04);
    /// It can be reached by holepunch.
    pub const HOLEPUNCH: Self = Self(0x08);
    /// It can be reached from outside.
    pub const OUTGOING: Self = Self(0x10);

    /// Whether it has all of these.
    #[must_use]
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// A message of `ut_pex`: who came, and who left, since the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Peers that the sender is connected with.
    pub added: Vec<(SocketAddr, Flags)>,
    /// Peers that it is not connected with any more. They are no hint to anybody, and may not be dialled.
    pub dropped: Vec<SocketAddr>,
}

impl Exchange {
    /// Reads one: the first [`MAX_PEERS`] of each kind.
    ///
    /// # Errors
    /// It is no bencode.
    pub fn read(payload: &[u8]) -> Result<Self, Fault> {
        let document = Document::read(payload, Limits::MESSAGE)?;
        let root = document.root();
        let bytes = |key| root.get(key).and_then(Value::bytes).unwrap_or_default();
        let flagged = |peers: Vec<SocketAddr>, flags: &[u8]| -> Vec<_> {
            let flags = flags.iter().map(|flags| Flags(*flags)).chain(std::iter::repeat(Flags::default()));
            peers.into_iter().zip(flags).take(MAX_PEERS).collect()
        };
        let mut added = flagged(addresses::read_v4(bytes("added")), bytes("added.f"));
        added.extend(flagged(addresses::read_v6(bytes("added6")), bytes("added6.f")));
        let mut dropped = addresses::read_v4(bytes("dropped"));
        dropped.truncate(MAX_PEERS);
        dropped.extend(addresses::read_v6(bytes("dropped6")).into_iter().take(MAX_PEERS));
        Ok(Self { added, dropped })
    }

    /// The payload.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let flags = |v4: bool| -> Vec<u8> {
            self.added.iter().filter(|(peer, _)| peer.is_ipv4() == v4).map(|(_, flags)| flags.0).collect()
        };
        let added = || self.added.iter().map(|(peer, _)| *peer);
        let dropped = || self.dropped.iter().copied();
        Tree::dictionary([
            ("added", addresses::write_v4(added())),
            ("added.f", flags(true)),
            ("added6", addresses::write_v6(added())),
            ("added6.f", flags(false)),
            ("dropped", addresses::write_v4(dropped())),
            ("dropped6", addresses::write_v6(dropped())),
        ])
        .to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_come_and_go() {
        let exchange = Exchange {
            added: vec![
                ("10.0.0.1:6881".parse().unwrap(), Flags::UTP),
                ("10.0.0.2:1".parse().unwrap(), Flags(Flags::UPLOAD_ONLY.0 | Flags::OUTGOING.0)),
                ("[2001:db8::1]:6882".parse().unwrap(), Flags::ENCRYPTION),
            ],
            dropped: vec!["10.0.0.3:6881".parse().unwrap(), "[::2]:1".parse().unwrap()],
        };
        assert_eq!(Exchange::read(&exchange.to_bytes()), Ok(exchange.clone()));
        assert!(exchange.added[1].1.has(Flags::OUTGOING) && !exchange.added[1].1.has(Flags::UTP));
        // Without flags, and with half an address.
        let read = Exchange::read(b"d5:added9:\x0a\0\0\x01\x1a\xe1abce").unwrap();
        assert_eq!(read.added, [("10.0.0.1:6881".parse().unwrap(), Flags::default())]);
        let many = Tree::dictionary([("added", vec![1; 6 * 1000])]).to_bytes();
        assert_eq!(Exchange::read(&many).unwrap().added.len(), MAX_PEERS);
    }
}
