//! A weighted split: which of several branches a request takes, such as 95 % to the stable release and 5 % to a canary.
//!
//! The choice is a function of the weights and of a *point*, any 64 bits. The branches divide the range of all points in their order, each with a part proportional
//! to its weight, and the branch of the point is chosen. A random point splits at random. A point derived from a client's key
//! ([`point_of`]) keeps each client on its branch, on every balancer and without any state. When a branch grows at the expense of its neighbour, only
//! clients of that neighbour move: a canary that goes from 5 % to 10 % keeps the clients that it has.

/// Branches with their weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Where each branch ends: the sum of the weights up to it. The last one is the total, and more than zero.
    ends: Vec<u64>,
}

/// No branch has a weight above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a split needs a weight above 0")]
pub struct NoWeight;

impl Split {
    /// A split by these weights. A branch with a weight of zero is never taken.
    ///
    /// # Errors
    /// All weights are zero, or there are none.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Result<Self, NoWeight> {
        let ends = weights.into_iter().scan(0_u64, |sum, weight| {
            *sum += u64::from(weight);
            Some(*sum)
        });
        let ends: Vec<_> = ends.collect();
        if ends.last().is_none_or(|total| *total == 0) { Err(NoWeight) } else { Ok(Self { ends }) }
    }

    /// The number of the branch at this point.
    #[must_use]
    pub fn branch(&self, point: u64) -> usize {
        let total = self.ends.last().copied().unwrap_or(1);
        // A multiplication in place of a remainder: the order of the points is kept. The high half is below the total.
        let place = (u128::from(point) * u128::from(total)) >> 64;
        self.ends.partition_point(|end| u128::from(*end) <= place)
    }
}

/// The point of a client's key. It is independent of how the same key chooses a backend afterwards: each branch gets clients for all of its
/// backends.
#[must_use]
pub const fn point_of(key: u64) -> u64 {
    // The finalizer of MurmurHash3, which moves half of the bits for each that changes; the constant keeps zero from being its own point.
    let mut point = key ^ 0x5851_f42d_4c95_7f2d;
    point = (point ^ (point >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    point = (point ^ (point >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    point ^ (point >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(weights: &[u32]) -> Split {
        Split::new(weights.iter().copied()).expect("a weight above zero")
    }

    #[test]
    fn points_choose_by_weight() {
        const HALF: u64 = 1 << 63;
        /// Weights, and points with the branches that they choose.
        type Row = (&'static [u32], &'static [(u64, usize)]);
        let rows: [Row; 6] = [
            (&[1], &[(0, 0), (u64::MAX, 0)]),
            (&[1, 1], &[(0, 0), (HALF - 1, 0), (HALF, 1), (u64::MAX, 1)]),
            (&[0, 1], &[(0, 1), (u64::MAX, 1)]),
            (&[1, 0], &[(0, 0), (u64::MAX, 0)]),
            (&[1, 0, 1], &[(HALF - 1, 0), (HALF, 2)]),
            (&[u32::MAX, u32::MAX], &[(HALF - 1, 0), (HALF, 1), (u64::MAX, 1)]),
        ];
        for (weights, points) in rows {
            for (point, branch) in points {
                assert_eq!(split(weights).branch(*point), *branch, "{weights:?} at {point}");
            }
        }
        for none in [&[][..], &[0], &[0, 0]] {
            assert_eq!(Split::new(none.iter().copied()), Err(NoWeight));
        }
    }

    #[test]
    fn keys_are_spread_by_weight() {
        let split = split(&[90, 7, 3]);
        let mut count = [0_u32; 3];
        for key in 0..100_000 {
            count[split.branch(point_of(key))] += 1;
        }
        for (found, expected) in count.iter().zip([90_000_u32, 7_000, 3_000]) {
            let off = found.abs_diff(expected);
            assert!(off < expected / 10, "{count:?}");
        }
    }

    #[test]
    fn a_branch_that_grows_keeps_its_clients() {
        let (small, large) = (split(&[95, 5]), split(&[80, 20]));
        for key in 0..10_000 {
            let point = point_of(key);
            assert!(small.branch(point) <= large.branch(point), "{key} left the canary");
        }
    }
}
