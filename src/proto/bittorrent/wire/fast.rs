//! The pieces that are given even to whom is choked, so that somebody new soon has something to give in turn (BEP 6, "allowed fast set generation").

use std::net::Ipv4Addr;

use sha1::{Digest, Sha1 as Hasher};

use crate::proto::bittorrent::hash::Sha1;

/// How many pieces a peer is allowed (BEP 6: `k`).
pub const ALLOWED: usize = 10;

/// The pieces for a peer at this address: the same ones for all of its network, so that nobody gets more by coming from many addresses. Fewer if there are fewer.
#[must_use]
pub fn allowed(ip: Ipv4Addr, swarm: Sha1, pieces: u32, count: usize) -> Vec<u32> {
    let count = count.min(pieces as usize);
    let mut allowed = Vec::with_capacity(count);
    let network = u32::from(ip) & 0xffff_ff00;
    let mut state: [u8; 20] =
        Hasher::new().chain_update(network.to_be_bytes()).chain_update(swarm.0).finalize().into();
    while allowed.len() < count {
        let (numbers, _) = state.as_chunks::<4>();
        for number in numbers {
            let piece = u32::from_be_bytes(*number) % pieces;
            if allowed.len() < count && !allowed.contains(&piece) {
                allowed.push(piece);
            }
        }
        state = Hasher::digest(state).into();
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_of_the_specification() {
        let ip = Ipv4Addr::new(80, 4, 4, 200);
        let seven = [1059, 431, 808, 1217, 287, 376, 1188];
        assert_eq!(allowed(ip, Sha1([0xaa; 20]), 1313, 7), seven);
        assert_eq!(allowed(ip, Sha1([0xaa; 20]), 1313, 9), [&seven[..], &[353, 508]].concat());
        assert_eq!(
            allowed(Ipv4Addr::new(80, 4, 4, 7), Sha1([0xaa; 20]), 1313, 7),
            seven,
            "of the same network"
        );
    }

    #[test]
    fn there_are_not_more_than_there_are() {
        let mut all = allowed(Ipv4Addr::LOCALHOST, Sha1([1; 20]), 3, ALLOWED);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        assert!(allowed(Ipv4Addr::LOCALHOST, Sha1([1; 20]), 0, ALLOWED).is_empty());
    }
}
