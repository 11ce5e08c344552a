//! The same key, the same endpoint: rendezvous hashing, with weights.
//!
//! Each pair of key and endpoint has a score, and the endpoint with the highest gets the key. When one goes, its keys spread over the others
//! and no other key moves; when one comes, it takes its share from all. This is as little movement as there can be, with no
//! table to build and none to keep, so that all balancers of a group choose alike without a word. Weights are by the
//! logarithmic method of Schindelhauer and Schomaker. Every endpoint is looked at for each call, which is right for hundreds of them;
//! for the packets of an L4 balancer a table is better (Maglev).
//!
//! A key can be hot. With a bound on the load, an endpoint that has more than its share of the calls under way, by a factor, passes keys
//! on to the next in their order (Mirrokni and others, "Consistent Hashing with Bounded Loads"; HAProxy's `hash-balance-factor`).

use super::{Ask, Endpoint, Picker};

/// The endpoint with the highest score for the key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rendezvous {
    bound: Option<u32>,
}

impl Rendezvous {
    /// With no bound on what an endpoint gets.
    #[must_use]
    pub fn new() -> Self {
        Self { bound: None }
    }

    /// No endpoint gets more of the calls under way than `percent` hundredths of its share by weight; at least 100. HAProxy recommends
    /// 125 to 200.
    #[must_use]
    pub fn bounded(percent: u32) -> Self {
        Self { bound: Some(percent.max(100)) }
    }
}

impl Picker for Rendezvous {
    fn choose<E: Endpoint>(
        &mut self,
        endpoints: &[E],
        ask: &Ask<'_>,
        may: impl Fn(&E) -> bool,
    ) -> Option<usize> {
        let live = || endpoints.iter().enumerate().filter(|(_, endpoint)| may(endpoint));
        let score = |endpoint: &E| score(endpoint.key(), ask.key, endpoint.weight());
        let highest = |(place, endpoint): (usize, &E)| (place, score(endpoint));
        let Some(percent) = self.bound else {
            return live().map(highest).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(place, _)| place);
        };
        let weights: u128 = live().map(|(_, endpoint)| u128::from(endpoint.weight())).sum();
        let calls: u128 = live().map(|(_, endpoint)| endpoint.outstanding() as u128).sum::<u128>() + 1;
        // With this call it has calls <= percent/100 * calls * weight/weights, rounded up, so that one always has room.
        let has_room = |endpoint: &E| {
            let share =
                (calls * u128::from(percent) * u128::from(endpoint.weight())).div_ceil(weights.max(1) * 100);
            (endpoint.outstanding() as u128) < share
        };
        let roomy = live().filter(|(_, endpoint)| has_room(endpoint));
        roomy.map(highest).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(place, _)| place)
    }
}

/// How well an endpoint and a key go together: -weight / ln(h), with h in (0, 1) from the hash of both.
fn score(endpoint: u64, key: u64, weight: u32) -> f64 {
    let hash = mixed(mixed(endpoint).wrapping_add(key));
    // 53 bits are what a float holds; the half keeps both ends out.
    let part = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -f64::from(weight) / part.ln()
}

/// The finalizer of splitmix64 (Steele, Lea and Flood): each bit of the input moves half of those of the output.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A key of some bytes, the same on every machine and in every version: FNV-1a, mixed.
///
/// It is no secret: who chooses the bytes can choose the endpoint.
#[must_use]
pub fn key_of(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mixed(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}
