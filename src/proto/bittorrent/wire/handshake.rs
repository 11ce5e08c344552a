//! The first 68 bytes: which torrent is meant, who speaks, and what it can (BEP 3).

use std::fmt;

use crate::proto::bittorrent::hash::Sha1;

/// How it begins.
pub(super) const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// Its bytes.
pub(super) const LENGTH: usize = 68;

/// Who a peer is: 20 bytes, of which the first say by custom which program it is (BEP 20).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub [u8; 20]);

impl PeerId {
    /// One of ours: the name and version of this program, and 12 bytes that nobody else has.
    #[must_use]
    pub fn ours(random: [u8; 12]) -> Self {
        let mut id = *b"-WW0001-????????????";
        id[8..].copy_from_slice(&random);
        Self(id)
    }

    /// The program, as far as it can be told: `-WW0001-` for ours.
    #[must_use]
    pub fn client(&self) -> String {
        let head = &self.0[..8];
        let is_plain = |byte: &u8| byte.is_ascii_graphic();
        if head.iter().all(is_plain) { String::from_utf8_lossy(head).into_owned() } else { String::new() }
    }

    /// Whether it is rqbit, which leaves a peer that is silent for ten seconds.
    #[must_use]
    pub fn is_impatient(&self) -> bool {
        self.0.starts_with(b"-rQ")
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.escape_ascii())
    }
}

/// What a peer can: the bits that were once reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// What we can: extensions, the fast extension, the DHT if there is a node here, and version 2 if the torrent has it: of others libtorrent takes that for a mistake.
    #[must_use]
    pub fn ours(dht: bool, v2: bool) -> Self {
        let mut bits = Self([0, 0, 0, 0, 0, 0x10, 0, 0x04]);
        bits.0[7] |= u8::from(dht) | if v2 { 0x10 } else { 0 };
        bits
    }

    /// BEP 10: messages that both sides agree on.
    #[must_use]
    pub fn extensions(self) -> bool {
        self.0[5] & 0x10 != 0
    }

    /// BEP 6: refusals are said, and a few pieces are given to whoever asks.
    #[must_use]
    pub fn fast(self) -> bool {
        self.0[7] & 0x04 != 0
    }

    /// BEP 5: a node of the DHT.
    #[must_use]
    pub fn dht(self) -> bool {
        self.0[7] & 0x01 != 0
    }

    /// BEP 52: it knows version 2. Whoever comes by the hash of version 1 is asked so whether it would rather have the other one.
    #[must_use]
    pub fn v2(self) -> bool {
        self.0[7] & 0x10 != 0
    }
}

/// The first thing that each side says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// What it can.
    pub reserved: Reserved,
    /// The swarm that is meant: an info hash, in 20 bytes.
    pub swarm: Sha1,
    /// Who speaks.
    pub peer: PeerId,
}

impl Handshake {
    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..20].copy_from_slice(PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved.0);
        bytes[28..48].copy_from_slice(&self.swarm.0);
        bytes[48..].copy_from_slice(&self.peer.0);
        bytes
    }

    /// What bytes behind the name of the protocol mean.
    pub(super) fn read(bytes: &[u8; LENGTH]) -> Self {
        let mut read = Self { reserved: Reserved::default(), swarm: Sha1([0; 20]), peer: PeerId([0; 20]) };
        read.reserved.0.copy_from_slice(&bytes[20..28]);
        read.swarm.0.copy_from_slice(&bytes[28..48]);
        read.peer.0.copy_from_slice(&bytes[48..]);
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_can() {
        let ours = Reserved::ours(true, true);
        assert!(ours.extensions() && ours.fast() && ours.dht() && ours.v2());
        assert!(!Reserved::ours(false, false).dht());
        let nothing = Reserved::default();
        assert!(!nothing.extensions() && !nothing.fast() && !nothing.dht() && !nothing.v2());
    }

    #[test]
    fn programs_are_told_by_their_ids() {
        assert_eq!(PeerId::ours([7; 12]).client(), "-WW0001-");
        assert_eq!(PeerId([0xff; 20]).client(), "");
        assert!(PeerId(*b"-rQ0001-............").is_impatient());
        assert_eq!(format!("{:?}", PeerId(*b"-rQ0001-\0...........")), "-rQ0001-\\x00...........");
    }
}
