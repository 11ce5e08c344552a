//! Whether the bytes of a piece are those that the metainfo promises.

use super::BLOCK;
use super::hash::{Sha1, Sha256};
use super::lanes::{Hasher, LANES, update_four};
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
        let hashed = self.v1.is_some().then(|| of_pieces(&[(blocks, padding)]));
        self.is_known() && self.is_met(hashed.and_then(|hashes| hashes.first().copied()), blocks)
    }

    /// The same for a piece whose hash of version 1 is known already, if it is to have one.
    #[must_use]
    pub fn is_met<B: AsRef<[u8]>>(&self, hash: Option<Sha1>, blocks: &[B]) -> bool {
        self.is_known() && (self.v1.is_none() || self.v1 == hash) && self.has_leaves(blocks)
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

/// The hashes of version 1 of pieces, each with its blocks and the bytes of padding behind them. Four are hashed at once.
#[must_use]
pub fn of_pieces<B: AsRef<[u8]>>(pieces: &[(&[B], u32)]) -> Vec<Sha1> {
    pieces.chunks(LANES).flat_map(of_some).collect()
}

/// Those of four pieces at most.
fn of_some<B: AsRef<[u8]>>(pieces: &[(&[B], u32)]) -> Vec<Sha1> {
    let mut hashers: [Hasher; LANES] = Default::default();
    if let [(blocks, _)] = pieces {
        blocks.iter().for_each(|block| hashers[0].update(block.as_ref()));
    } else {
        let most = pieces.iter().map(|(blocks, _)| blocks.len()).max().unwrap_or_default();
        for number in 0..most {
            // A lane without a piece is fed what the first one is: all four take the time of one.
            let bytes = std::array::from_fn(|lane| {
                let (blocks, _) = pieces.get(lane).or(pieces.first())?;
                blocks.get(number).map(AsRef::as_ref)
            });
            update_four(hashers.each_mut(), bytes.map(Option::unwrap_or_default));
        }
    }
    let padded = hashers.into_iter().zip(pieces).map(|(mut hasher, (_, padding))| {
        let mut left = *padding as usize;
        while left > 0 {
            let now = left.min(ZEROS.len());
            hasher.update(&ZEROS[..now]);
            left -= now;
        }
        hasher.finish()
    });
    padded.collect()
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
        let short = vec![7; 20_000];
        let several =
            [(&in_blocks(&piece)[..], 9152), (&in_blocks(&short)[..], 0), (&in_blocks(&bad)[..], 1)];
        let expected = [&whole[..], &short, &[&bad[..], &[0]].concat()].map(Sha1::of);
        for count in 0..=3 {
            assert_eq!(of_pieces(&several[..count]), expected[..count]);
        }
        let nothing = Expected { v1: None, v2: None };
        assert!(!nothing.is_met_by(&in_blocks(&piece), 0), "what is not known is not right");
    }
}
