//! Ids of nodes: how far they are from each other (BEP 5, "overview"), and how they are tied to addresses (BEP 42).
//!
//! Whoever could choose its id could sit beside any info hash. So the first 21 bits of an id are a checksum of the
//! node's address, three bits that it may choose, and nothing else.

use std::net::IpAddr;

use super::scope;
use crate::proto::bittorrent::hash::Sha1;

/// Bits of an id.
pub const BITS: usize = 160;

/// How far two ids are from each other: a number of 160 bits, of which less is closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distance(u128, u32);

/// How far two ids are from each other: their exclusive or.
#[must_use]
pub fn distance(a: Sha1, b: Sha1) -> Distance {
    let parts =
        |Sha1([front @ .., q, r, s, t]): Sha1| (u128::from_be_bytes(front), u32::from_be_bytes([q, r, s, t]));
    let (a, b) = (parts(a), parts(b));
    Distance(a.0 ^ b.0, a.1 ^ b.1)
}

/// How many bits in front two ids share, up to [`BITS`].
#[must_use]
pub fn shared_bits(a: Sha1, b: Sha1) -> usize {
    let apart = match distance(a, b) {
        Distance(0, last) => 128 + last.leading_zeros(),
        Distance(front, _) => front.leading_zeros(),
    };
    apart as usize
}

/// An id that shares this many bits with `own`, and the next one not; the others are those of `random`.
#[must_use]
pub fn sharing(own: Sha1, bits: usize, random: Sha1) -> Sha1 {
    let mut id = random;
    for at in 0..bits.min(BITS) + 1 {
        let (Some(byte), Some(own)) = (id.0.get_mut(at / 8), own.0.get(at / 8)) else { break };
        let bit = 0x80 >> (at % 8);
        let wanted = if at < bits { own & bit } else { !own & bit };
        *byte = *byte & !bit | wanted;
    }
    id
}

/// The id of a node at an address: `random` with the bits that the address decides. Its last byte decides along
/// with it.
#[must_use]
pub fn of_address(ip: IpAddr, random: Sha1) -> Sha1 {
    let mut id = random;
    let [first, second, third, _] = checksum(ip, random.0[19]).to_be_bytes();
    (id.0[0], id.0[1]) = (first, second);
    id.0[2] = third & 0xf8 | id.0[2] & 0x07;
    id
}

/// Whether a node at this address may have this id. In private networks it may have any.
#[must_use]
pub fn fits(id: Sha1, ip: IpAddr) -> bool {
    scope::is_local(ip) || of_address(ip, id) == id
}

/// The checksum of the part of an address that its owner cannot choose, and of the three bits that it can.
fn checksum(ip: IpAddr, random: u8) -> u32 {
    const V4: [u8; 4] = [0x03, 0x0f, 0x3f, 0xff];
    const V6: [u8; 8] = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];
    let choice = (random & 7) << 5;
    match ip {
        IpAddr::V4(ip) => {
            let mut bytes = ip.octets();
            bytes.iter_mut().zip(V4).for_each(|(byte, mask)| *byte &= mask);
            bytes[0] |= choice;
            crc32c(&bytes)
        }
        IpAddr::V6(ip) => {
            let octets = ip.octets();
            let mut bytes: [u8; 8] = std::array::from_fn(|at| octets[at] & V6[at]);
            bytes[0] |= choice;
            crc32c(&bytes)
        }
    }
}

/// CRC-32C (RFC 3720, appendix B.4), bit by bit: there are eight bytes at most.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum() {
        // RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// The table of BEP 42.
    #[test]
    fn ids_of_addresses() {
        for (ip, random, id) in [
            ("124.31.75.21", 1, "5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401"),
            ("21.75.31.124", 86, "5a3ce9c14e7a08645677bbd1cfe7d8f956d53256"),
            ("65.23.51.170", 22, "a5d43220bc8f112a3d426c84764f8c2a1150e616"),
            ("84.124.73.14", 65, "1b0321dd1bb1fe518101ceef99462b947a01ff41"),
            ("43.213.53.83", 90, "e56f6cbf5b7c4be0237986d5243b87aa6d51305a"),
        ] {
            let (ip, id): (IpAddr, Sha1) = (ip.parse().unwrap(), id.parse().unwrap());
            assert_eq!(id.0[19], random);
            assert!(fits(id, ip), "{ip}");
            assert_eq!(of_address(ip, id), id);
            for bit in 0..21 {
                let mut wrong = id;
                wrong.0[bit / 8] ^= 0x80 >> (bit % 8);
                assert!(!fits(wrong, ip), "{ip}: bit {bit} is one of the address");
            }
            let mut other = id;
            other.0[2] ^= 0x07;
            other.0[18] ^= 0xff;
            assert!(fits(other, ip), "the other bits are free");
            assert!(fits(other, "10.0.0.1".parse().unwrap()), "a private network has no rule");
        }
    }

    #[test]
    fn ids_of_ipv6_are_those_of_the_first_half() {
        let random = Sha1::of(b"random");
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let id = of_address(ip("2a00:1:2:3::1"), random);
        assert!(fits(id, ip("2a00:1:2:3::1")) && fits(id, ip("2a00:1:2:3:4:5:6:7")));
        assert!(!fits(id, ip("2a00:1:2:4::1")));
        assert_eq!(id.0[3..], random.0[3..]);
    }

    #[test]
    fn distances() {
        let own = Sha1::of(b"own");
        assert_eq!((distance(own, own), shared_bits(own, own)), (Distance(0, 0), 160));
        for bits in 0..BITS {
            let other = sharing(own, bits, Sha1::of(&[bits as u8]));
            assert_eq!(shared_bits(own, other), bits);
            assert_eq!(shared_bits(other, own), bits);
        }
        assert_eq!(sharing(own, 160, Sha1([0; 20])), own);
        assert_eq!(sharing(own, 500, Sha1([0; 20])), own);
        let (one, two) = (Sha1([1; 20]), Sha1([2; 20]));
        assert!(distance(one, one) < distance(one, two));
        assert_eq!(distance(one, two), Distance(u128::from_be_bytes([3; 16]), 0x0303_0303));
        let mut far = one;
        far.0[19] = 0;
        assert_eq!((distance(one, far), shared_bits(one, far)), (Distance(0, 1), 159));
    }
}
