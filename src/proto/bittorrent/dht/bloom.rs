//! How many different peers there are, counted by many nodes that each know some: a Bloom filter of addresses (BEP 33).
//!
//! Filters of several nodes are united bit by bit, and a peer that several of them know is counted once.

use std::fmt;
use std::net::IpAddr;

use crate::proto::bittorrent::hash::Sha1;

/// Bytes of a filter.
pub const BYTES: usize = 256;

/// Bits of a filter, of which each address sets two.
const BITS: usize = BYTES * 8;

/// A set of addresses, of which only the size can be told, roughly.
#[derive(Clone, PartialEq, Eq)]
pub struct Bloom(Box<[u8; BYTES]>);

impl Default for Bloom {
    fn default() -> Self {
        Self(Box::new([0; BYTES]))
    }
}

impl Bloom {
    /// Takes a filter from a message. `None` if it has not [`BYTES`].
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self(Box::new(bytes.try_into().ok()?)))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Adds an address.
    pub fn insert(&mut self, ip: IpAddr) {
        let hash = match ip {
            IpAddr::V4(ip) => Sha1::of(&ip.octets()),
            IpAddr::V6(ip) => Sha1::of(&ip.octets()),
        };
        let [a, b, c, d, ..] = hash.0;
        for index in [[a, b], [c, d]] {
            let index = usize::from(u16::from_le_bytes(index)) % BITS;
            self.0[index / 8] |= 1 << (index % 8);
        }
    }

    /// Adds all that another one has.
    pub fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(own, other)| *own |= other);
    }

    /// About how many addresses there are. A filter that is full says about 7,800.
    #[must_use]
    pub fn estimate(&self) -> f64 {
        let zeros: u32 = self.0.iter().map(|byte| byte.count_zeros()).sum();
        let bits = BITS as f64;
        // BEP 33 takes no filter for quite empty, and none for quite full.
        let zeros = f64::from(zeros).clamp(1.0, bits - 1.0);
        let estimate = (zeros / bits).ln() / (2.0 * (1.0 - 1.0 / bits).ln());
        if self.0.iter().all(|byte| *byte == 0) { 0.0 } else { estimate }
    }
}

impl fmt::Debug for Bloom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Bloom(about {:.0})", self.estimate())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(numbers: std::ops::Range<u32>) -> Bloom {
        let mut bloom = Bloom::default();
        numbers.for_each(|number| bloom.insert(Ipv4Addr::from(0xc000_0200 + number).into()));
        bloom
    }

    /// The test vector of BEP 33.
    #[test]
    fn the_vector() {
        let mut bloom = v4(0..256);
        for number in 0..=0x3e7 {
            bloom.insert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number).into());
        }
        let expected = "f6c3f5eaa07ffd91bde89f777f26fb2bff37bdb8fb2bbaa2fd3ddde7bacfff75\
                        ee7ccbaefe5eedb1fbfaff67f6abff5e43ddbca3fd9b9ffdf4ffd3e9dff12d1b\
                        df59db53dbe9fa5b7ff3b8fdfcde1afb8bedd7be2f3ee71ebbbfe93bcdeefe14\
                        8246c2bc5dbff7e7efdcf24fd8dc7adffd8fffdfddfff7a4bbeedf5cb95ce81f\
                        c7fcff1ff4ffffdfe5f7fdcbb7fd79b3fa1fc77bfe07fff905b7b7ffc7fefeff\
                        e0b8370bb0cd3f5b7f2bd93feb4386cfdd6f7fd5bfaf2e9ebffffeecd67adbf7\
                        c67f17efd5d75eba6ffeba7fff47a91eb1bfbb53e8abfb5762abe8ff237279bf\
                        efbfeef5ffc5febfdfe5adffadfee1fb737ffffbfd9f6aeffeee76b6fd8f72ef";
        let written: String = bloom.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, expected);
        assert!((bloom.estimate() - 1224.9308).abs() < 0.0001, "{}", bloom.estimate());
    }

    #[test]
    fn a_union_counts_each_address_once() {
        let mut union = v4(0..200);
        union.unite(&v4(100..300));
        assert_eq!(union, v4(0..300));
        assert!((union.estimate() - 300.0).abs() < 20.0, "{union:?}");
        assert_eq!(format!("{:?}", v4(0..1)), "Bloom(about 1)");
    }

    #[test]
    fn bounds() {
        assert_eq!(Bloom::default().estimate(), 0.0);
        let full = Bloom::read(&[0xff; BYTES]).unwrap();
        assert!((7_000.0..8_000.0).contains(&full.estimate()), "{full:?}");
        assert_eq!(Bloom::read(&[0; BYTES - 1]), None);
        assert_eq!(Bloom::read(&[0; BYTES + 1]), None);
    }
}
