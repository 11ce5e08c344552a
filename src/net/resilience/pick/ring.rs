//! The same key, the same endpoint: a ring of points, as ketama has it.
//!
//! Each endpoint has [`POINTS`] points on a circle of hashes, more or fewer by its weight, and a key belongs to the first point at or after
//! its hash. When one of n endpoints goes, its keys go to the points that follow its own, which are those of all others; when one comes, keys move only
//! to it. That holds exactly while the weights are equal; otherwise the others may gain or lose a point too, as their share is of the
//! average weight. The shares are less even than those of Maglev: one endpoint has about 8 % more or less than another.
//!
//! The points are sorted, and an index over the circle says where to begin, so that a look-up does not depend on their number.
//! An endpoint that may not be chosen is passed over: its keys go where they would go without it, and come back with it.

use super::rendezvous::highest;
use super::{Ask, Bound, Endpoint, Fit, Picker, Total, admits, first_good, key};

/// The points of an endpoint of average weight, as of ketama and nginx.
pub const POINTS: u32 = 160;

/// How many points are passed over before all endpoints are looked at.
const PASSES: usize = 256;

/// The endpoint with the next point on the ring.
#[derive(Clone, Debug)]
pub struct Ring {
    seed: u64,
    bound: Option<Bound>,
    /// The upper half of hashes, and the places of their endpoints, in the order of the hashes: eight bytes, as a large ring misses the cache anyway.
    points: Box<[(u32, u32)]>,
    /// For the upper bits of a hash, the first point that can be its successor.
    index: Box<[u32]>,
    /// The number of the bits that the index does not look at.
    shift: u32,
}

impl Ring {
    /// Those who are to choose alike have the same seed.
    #[must_use]
    pub fn new(seed: u64, bound: Option<Bound>) -> Self {
        Self { seed, bound, points: Box::default(), index: Box::default(), shift: 0 }
    }

    /// The number of the first point at or after this hash.
    fn successor(&self, hash: u32) -> usize {
        let begin = self.index.get((hash >> self.shift) as usize).map_or(0, |begin| *begin as usize);
        let later = self.points[begin..].iter().position(|(point, _)| *point >= hash);
        later.map_or(0, |later| begin + later)
    }
}

/// The points of these endpoints.
fn points<E: Endpoint>(endpoints: &[E], seed: u64) -> Box<[(u32, u32)]> {
    let sum: u128 = endpoints.iter().map(|endpoint| u128::from(endpoint.weight())).sum();
    let count = endpoints.iter().filter(|endpoint| endpoint.weight() > 0).count() as u128;
    let points_of = |endpoint: &E| match u128::from(endpoint.weight()) {
        0 => 0,
        weight => ((weight * count * u128::from(POINTS) + sum / 2) / sum).max(1) as u64,
    };
    let of_one = |(place, endpoint): (u32, &E)| {
        let key = endpoint.key();
        (0..points_of(endpoint)).map(move |number| (upper(key::joined(key ^ seed, number)), key, place))
    };
    let mut points: Vec<_> = (0..).zip(endpoints).flat_map(of_one).collect();
    // Where two points meet, the key decides, and not the order of the list.
    points.sort_unstable();
    points.into_iter().map(|(hash, _, place)| (hash, place)).collect()
}

impl Picker for Ring {
    fn update<E: Endpoint>(&mut self, endpoints: &[E]) {
        self.points = points(endpoints, self.seed);
        // At least half as many parts as points, so that a part has two points at most, on average.
        let bits = (self.points.len() / 2).clamp(2, 1 << 31).next_power_of_two().trailing_zeros();
        self.shift = u32::BITS - bits;
        let first = |part: u32| self.points.partition_point(|(hash, _)| *hash < part << self.shift) as u32;
        self.index = (0..1_u32 << bits).map(first).collect();
    }

    fn choose<E: Endpoint>(&self, endpoints: &[E], ask: &Ask<'_>, may: impl Fn(&E) -> bool) -> Option<usize> {
        let fit = fitting(self.bound, endpoints, ask, &may);
        let start = self.successor(upper(key::mixed(ask.key ^ self.seed)));
        let places =
            self.points[start..].iter().chain(&self.points[..start]).map(|(_, place)| *place as usize);
        let good = first_good(places.take(PASSES), |place| fit(endpoints.get(place)?));
        good.ok().or_else(|| highest(endpoints, self.seed, ask, fit))
    }
}

/// The half of a hash that decides. Of the 160,000 points of a thousand endpoints, some three pairs share it.
const fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// How well endpoints fit, for the pickers that pass over those that do not.
pub(super) fn fitting<E: Endpoint>(
    bound: Option<Bound>,
    endpoints: &[E],
    ask: &Ask<'_>,
    may: impl Fn(&E) -> bool,
) -> impl Fn(&E) -> Option<Fit> {
    let bound = bound.map(|bound| {
        let count = || Total::of(endpoints.iter().filter(|endpoint| may(endpoint)));
        (bound, ask.total.unwrap_or_else(count))
    });
    let (now, key) = (ask.now, ask.key);
    // The same key gets the same ticket each time, so that it moves to a growing endpoint once.
    let ticket = move |endpoint: &E| key::joined(!endpoint.key(), key);
    move |endpoint| match bound {
        _ if !may(endpoint) => None,
        Some((bound, total)) if !bound.has_room(endpoint, total) => Some(Fit::Full),
        _ if endpoint.warmth(now) < 1.0 && !admits(endpoint, now, ticket(endpoint)) => Some(Fit::Warming),
        _ => Some(Fit::Good),
    }
}
