//! Chance, from a seed: splitmix64, which is enough to tell pieces apart.

/// Numbers by chance. They guard no secret.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit; 0 if that is 0.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        // The high half of a product is as even as it has to be.
        ((u64::from(self.next() as u32) * u64::from(limit)) >> 32) as u32
    }
}
