//! What names a torrent: the hash of its `info` dictionary, by SHA-1 (BEP 3), by SHA-256 (BEP 52), or both.

use std::fmt;
use std::str::FromStr;

use sha1::Digest as _;

/// A hash by SHA-1: of an `info` dictionary, of a piece, or an id in the DHT.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha1(pub [u8; 20]);

/// A hash by SHA-256: of an `info` dictionary of version 2, or a node of a Merkle tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

impl Sha1 {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha1::Sha1::digest(bytes).into())
    }
}

impl Sha256 {
    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Its first 20 bytes, which stand for it where there is room for no more: in handshakes, the DHT and announces (BEP 52).
    #[must_use]
    pub fn truncated(self) -> Sha1 {
        let mut short = [0; 20];
        short.copy_from_slice(&self.0[..20]);
        Sha1(short)
    }
}

/// The name of a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InfoHash {
    /// Of version 1.
    V1(Sha1),
    /// Of version 2.
    V2(Sha256),
    /// Of both versions: two swarms share the same files.
    Hybrid(Sha1, Sha256),
}

impl InfoHash {
    /// Of an `info` dictionary that is of these versions. `None` if it is of neither.
    #[must_use]
    pub fn of(info: &[u8], v1: bool, v2: bool) -> Option<Self> {
        match (v1, v2) {
            (true, false) => Some(Self::V1(Sha1::of(info))),
            (false, true) => Some(Self::V2(Sha256::of(info))),
            (true, true) => Some(Self::Hybrid(Sha1::of(info), Sha256::of(info))),
            (false, false) => None,
        }
    }

    /// That of version 1.
    #[must_use]
    pub fn v1(self) -> Option<Sha1> {
        match self {
            Self::V1(hash) | Self::Hybrid(hash, _) => Some(hash),
            Self::V2(_) => None,
        }
    }

    /// That of version 2.
    #[must_use]
    pub fn v2(self) -> Option<Sha256> {
        match self {
            Self::V2(hash) | Self::Hybrid(_, hash) => Some(hash),
            Self::V1(_) => None,
        }
    }

    /// The names of its swarms: that of version 1 first, and that of version 2 in 20 bytes.
    pub fn swarms(self) -> impl Iterator<Item = Sha1> {
        self.v1().into_iter().chain(self.v2().map(Sha256::truncated))
    }

    /// Whether a peer means this torrent by this name.
    #[must_use]
    pub fn is_named(self, name: Sha1) -> bool {
        self.swarms().any(|swarm| swarm == name)
    }

    /// The name by which it is known here: that of its first swarm.
    #[must_use]
    pub fn id(self) -> Sha1 {
        match self {
            Self::V1(hash) | Self::Hybrid(hash, _) => hash,
            Self::V2(hash) => hash.truncated(),
        }
    }

    /// Whether these bytes are the `info` dictionary that it names. Of a hybrid torrent that is known by one of its hashes, only that can be compared.
    #[must_use]
    pub fn is_of(self, info: &[u8]) -> bool {
        self.v1().is_none_or(|hash| hash == Sha1::of(info))
            && self.v2().is_none_or(|hash| hash == Sha256::of(info))
    }
}

/// A text that is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has {0} hexadecimal digits")]
pub struct NoHash(usize);

fn write_hex(bytes: &[u8], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
}

fn read_hex<const N: usize>(text: &str) -> Result<[u8; N], NoHash> {
    let mut bytes = [0; N];
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(NoHash(2 * N));
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(NoHash(2 * N));
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Ok(bytes)
}

macro_rules! in_hex {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, formatter)
            }
        }

        impl FromStr for $name {
            type Err = NoHash;

            /// Reads hexadecimal digits.
            fn from_str(text: &str) -> Result<Self, NoHash> {
                read_hex(text).map(Self)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
    };
}

in_hex!(Sha1);
in_hex!(Sha256);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_written_and_read() {
        let hash = Sha1::of(b"abc");
        assert_eq!(hash.to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hash.to_string().to_uppercase().parse(), Ok(hash));
        let hash = Sha256::of(b"abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert_eq!(hash.truncated().to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a3");
        for bad in
            ["", "a9", "+9993e364706816aba3e25717850c26c9cd0d89d", "é9993e364706816aba3e25717850c26c9cd0d89d"]
        {
            assert_eq!(bad.parse::<Sha1>(), Err(NoHash(40)), "{bad}");
        }
    }

    #[test]
    fn a_hybrid_torrent_has_two_swarms() {
        let both = InfoHash::of(b"de", true, true).unwrap();
        assert_eq!(both.swarms().collect::<Vec<_>>(), [Sha1::of(b"de"), Sha256::of(b"de").truncated()]);
        assert!(both.is_of(b"de") && !both.is_of(b"d1:ai1ee"));
        assert!(both.swarms().all(|name| both.is_named(name)) && !both.is_named(Sha1::of(b"")));
        assert_eq!(both.id(), Sha1::of(b"de"));
        assert_eq!(InfoHash::of(b"de", false, false), None);
    }
}
