//! Whether the bytes of a piece are those that the metainfo promises.

use super::BLOCK;
use super::hash::{Sha1, Sha256};
use super::merkle;
use super::metainfo::Expected;

/// Zeros to hash padding with.
const ZEROS: [u8; 4096] = [0; 4096];

impl Expected {
    /// Whether anything is known of the piece: of version 2, nothing is until the layer of its file has come.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.v1.is_some() || self.v2.is_some()
    }

    /// Whether a piece is right. Its bytes come in blocks, each of [`BLOCK`] bytes but the last one; so many bytes of padding follow, which nobody sends. Both hashes of a
    /// hybrid torrent have to fit: it is refused otherwise, as nobody can say which of its halves is meant.
    #[must_use]
    pub fn is_met_by<B: AsRef<[u8]>>(&self, blocks: &[B], padding: u32) -> bool {
        self.is_known() && self.has_leaves(blocks) && self.v1.is_none_or(|hash| hash == of(blocks, padding))
    }

    /// Whether the tree of version 2, as far as it is known, stands on these blocks.
    #[must_use]
    pub fn has_leaves<B: AsRef<[u8]>>(&self, blocks: &[B]) -> bool {
        self.v2.is_none_or(|(root, height)| {
            let leaves: Vec<Sha256> = blocks.iter().map(|block| Sha256::of(block.as_ref())).collect();
            root == merkle::root_of(&leaves, 0, height)
        })
    }
}

/// The hash of version 1.
fn of<B: AsRef<[u8]>>(blocks: &[B], padding: u32) -> Sha1 {
    use sha1::Digest as _;
    let mut hash = sha1::Sha1::new();
    blocks.iter().for_each(|block| hash.update(block.as_ref()));
    let mut left = padding as usize;
    while left > 0 {
        let now = left.min(ZEROS.len());
        hash.update(&ZEROS[..now]);
        left -= now;
    }
    Sha1(hash.finalize().into())
}

/// The hash of each block, by which it is found out who sent a wrong one.
#[must_use]
pub fn of_blocks<B: AsRef<[u8]>>(blocks: &[B]) -> Vec<Sha1> {
    blocks.iter().map(|block| Sha1::of(block.as_ref())).collect()
}

/// Bytes in blocks, as [`Expected::is_met_by`] has them.
#[must_use]
pub fn in_blocks(piece: &[u8]) -> Vec<&[u8]> {
    piece.chunks(BLOCK as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_hashed_with_its_padding() {
        let piece: Vec<u8> = (0..40_000u32).map(|byte| byte as u8).collect();
        let whole = [&piece[..], &[0; 9152]].concat();
        let leaves: Vec<Sha256> = in_blocks(&piece).into_iter().map(Sha256::of).collect();
        let root = merkle::root_of(&leaves, 0, 2);
        let both = Expected { v1: Some(Sha1::of(&whole)), v2: Some((root, 2)) };
        assert!(both.is_met_by(&in_blocks(&piece), 9152));
        assert!(!both.is_met_by(&in_blocks(&piece), 9151));
        let mut bad = piece.clone();
        bad[39_999] ^= 1;
        for expected in [both, Expected { v2: None, ..both }, Expected { v1: None, ..both }] {
            assert!(expected.is_met_by(&in_blocks(&piece), 9152));
            assert!(!expected.is_met_by(&in_blocks(&bad), 9152));
        }
        let halves = Expected { v2: Some((Sha256([0; 32]), 2)), ..both };
        assert!(!halves.is_met_by(&in_blocks(&piece), 9152), "one half is not enough");
        let nothing = Expected { v1: None, v2: None };
        assert!(!nothing.is_met_by(&in_blocks(&piece), 0), "what is not known is not right");
    }
}
