//! What others must not guess, from a seed: ids of transactions, and what tokens are made by.
//!
//! Whoever guesses the id of a transaction answers in the name of another node, and whoever guesses a token
//! announces in the name of another address. So these bytes are hashes of a counter under a key that the caller
//! drew, by SHA-256.

use crate::proto::bittorrent::hash::{Sha1, Sha256};
use crate::proto::bittorrent::random::Random;

/// Bytes that nobody foretells without the seed.
#[derive(Clone)]
pub(super) struct Secrets {
    seed: [u8; 32],
    counter: u64,
    /// Of the last block, what no number was made of yet.
    left: Vec<u8>,
}

impl Secrets {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0, left: Vec::new() }
    }

    /// 32 bytes.
    pub(super) fn block(&mut self) -> [u8; 32] {
        self.counter = self.counter.wrapping_add(1);
        let mut bytes = [0; 40];
        let (seed, counter) = bytes.split_at_mut(32);
        seed.copy_from_slice(&self.seed);
        counter.copy_from_slice(&self.counter.to_be_bytes());
        Sha256::of(&bytes).0
    }

    /// An id.
    pub(super) fn id(&mut self) -> Sha1 {
        Sha256(self.block()).truncated()
    }

    /// A number, from four bytes of a block.
    pub(super) fn number(&mut self) -> u32 {
        if self.left.len() < 4 {
            self.left = self.block().to_vec();
        }
        (0..4).fold(0, |number, _| number << 8 | u32::from(self.left.pop().unwrap_or_default()))
    }

    /// Chance, for what guards no secret.
    pub(super) fn random(&mut self) -> Random {
        Random::new(u64::from(self.number()) << 32 | u64::from(self.number()))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secrets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_and_nothing_comes_twice() {
        let draw = |seed| {
            let mut secrets = Secrets::new([seed; 32]);
            (0..100).map(|_| secrets.block()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(draw(1), draw(1));
        let mut secrets = Secrets::new([1; 32]);
        let numbers: std::collections::BTreeSet<u32> = (0..1000).map(|_| secrets.number()).collect();
        assert_eq!((numbers.len(), secrets.counter), (1000, 125));
        assert_eq!((draw(1).len(), draw(1).is_disjoint(&draw(2))), (100, true));
        assert_eq!(format!("{:?}", Secrets::new([7; 32])), "Secrets", "no log has the seed");
    }
}
