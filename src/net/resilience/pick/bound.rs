//! A bound on the load of an endpoint, for the pickers that go by a key.
//!
//! A key can be hot. With a bound, an endpoint that has more than its share of the calls under way, by a factor, passes keys
//! on to the next in their order (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads"; HAProxy's
//! `hash-balance-factor`). The share is by weight, among the endpoints that may be chosen.

use super::Endpoint;

/// How far above its share of the calls under way an endpoint may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    percent: u32,
}

impl Bound {
    /// No endpoint gets more of the calls under way than `percent` hundredths of its share by weight; at least 100. HAProxy recommends
    /// 125 to 200.
    #[must_use]
    pub fn new(percent: u32) -> Self {
        Self { percent: percent.max(100) }
    }

    /// How many calls an endpoint may have under way, with the one that is to be placed: rounded up, so that one always has room.
    #[must_use]
    pub fn most(self, weight: u32, total: Total) -> u128 {
        let calls = u128::from(total.calls) + 1;
        let share = calls * u128::from(self.percent) * u128::from(weight);
        share.div_ceil(u128::from(total.weight.max(1)) * 100)
    }

    pub(super) fn has_room<E: Endpoint>(self, endpoint: &E, total: Total) -> bool {
        (endpoint.outstanding() as u128) < self.most(endpoint.weight(), total)
    }
}

/// What the endpoints that may be chosen have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Their calls under way.
    pub calls: u64,
    /// The sum of their weights.
    pub weight: u64,
}

impl Total {
    /// Counts it, by a look at every endpoint.
    pub fn of<'a, E: Endpoint + 'a>(endpoints: impl IntoIterator<Item = &'a E>) -> Self {
        let add = |total: Self, endpoint: &E| Self {
            calls: total.calls.saturating_add(endpoint.outstanding() as u64),
            weight: total.weight.saturating_add(u64::from(endpoint.weight())),
        };
        endpoints.into_iter().fold(Self::default(), add)
    }
}
