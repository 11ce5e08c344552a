//! Keys: 64 bits that stand for a name, the same on every machine and in every version.

use std::net::IpAddr;

/// A key of some bytes, the same on every machine and in every version: FNV-1a, mixed.
///
/// It is no secret: who chooses the bytes can choose the endpoint.
#[must_use]
pub fn key_of(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mixed(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// A key of a client's address, by its octets: the same wherever addresses are hashed.
#[must_use]
pub fn key_of_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => key_of(&address.octets()),
        IpAddr::V6(address) => key_of(&address.octets()),
    }
}

/// One number from two, as good as random. The order matters.
pub(super) const fn joined(first: u64, second: u64) -> u64 {
    mixed(mixed(first).wrapping_add(second))
}

/// splitmix64 (Steele, Lea and Flood): each bit of the input moves half of those of the output.
pub(super) const fn mixed(value: u64) -> u64 {
    finished(value.wrapping_add(GOLDEN))
}

/// The step of splitmix64: the golden ratio, in 64 bits.
pub(super) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of splitmix64.
pub(super) const fn finished(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A number from 0 to just below 1, of the upper 53 bits, which are what a float holds.
pub(super) fn fraction(value: u64) -> f64 {
    (value >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number below `count`, by the upper bits; 0 if `count` is.
pub(super) fn below(value: u64, count: usize) -> usize {
    ((u128::from(value) * count as u128) >> 64) as usize
}
