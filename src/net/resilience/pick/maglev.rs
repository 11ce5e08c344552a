//! The same key, the same endpoint: the table of Google's Maglev.
//!
//! A table of a prime number of slots; a key's hash is a slot, and the slot has an endpoint. Each endpoint has the slots in an order of its
//! own, and they take turns: each takes the first in its order that is free, until none is (Eisenbud and others, "Maglev: A Fast and Reliable
//! Software Network Load Balancer", section 3.4; an endpoint of half the weight takes every other turn, as in Envoy). The shares are even to
//! about one percent while there are a hundred slots for each endpoint. When one of n endpoints goes, its keys move, and some
//! few others: less than with a remainder, slightly more than with a [`Ring`](super::Ring).
//!
//! The table is built when the set changes, and not when an endpoint fails. A key whose endpoint may not be chosen is hashed again, to another slot, until
//! the endpoint of that one may be: so only the keys of the one that failed move, evenly to all others, and they come back with it. (The slot beside it would not
//! do: the slots of two endpoints lie at distances that repeat, so that one neighbour would get more than another.)

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::places::Places;
use super::rendezvous::highest;
use super::ring::fitting;
use super::{Ask, Bound, Endpoint, Picker, first_good, key};

/// The sizes of a table: primes just above 2^16, 2^18, 2^20 and 2^22. By itself a table has the first that is at least a hundred times the number of
/// endpoints. The next size moves nearly all keys, so the steps are long: they are at 656, 2,622 and 10,486 endpoints.
pub const SIZES: [u32; 4] = [65_537, 262_147, 1_048_583, 4_194_319];

/// The size for up to 655 endpoints; 128 KiB.
pub const DEFAULT_SIZE: u32 = SIZES[0];

/// How many slots are tried before all endpoints are looked at.
const PASSES: usize = 256;

/// The endpoint in the key's slot of the table.
#[derive(Clone, Debug)]
pub struct Maglev {
    seed: u64,
    bound: Option<Bound>,
    smallest: u32,
    slots: Places,
}

impl Maglev {
    /// Those who are to choose alike have the same seed.
    #[must_use]
    pub fn new(seed: u64, bound: Option<Bound>) -> Self {
        Self { seed, bound, smallest: DEFAULT_SIZE, slots: Places::default() }
    }

    /// With at least so many slots, rounded up to one of [`SIZES`], for who expects to have more endpoints later.
    #[must_use]
    pub fn at_least(self, slots: u32) -> Self {
        Self { smallest: slots, ..self }
    }
}

/// The size of a table for so many endpoints.
fn size(smallest: u32, endpoints: usize) -> u32 {
    let wanted = (endpoints as u64 * 100).max(u64::from(smallest));
    SIZES.into_iter().find(|size| u64::from(*size) >= wanted).unwrap_or(SIZES[SIZES.len() - 1])
}

/// One that takes turns.
struct Taking {
    place: u32,
    weight: u64,
    /// The next slot in its order, and the way to the one after that.
    slot: u32,
    skip: u32,
    /// The turns that it has earned, in units of the largest weight.
    earned: u64,
}

/// The table of these endpoints.
fn slots<E: Endpoint>(endpoints: &[E], seed: u64, size: u32) -> Box<[u32]> {
    const FREE: u32 = u32::MAX;
    let mut order: Vec<_> = (0..).zip(endpoints).filter(|(_, endpoint)| endpoint.weight() > 0).collect();
    // The order of the keys, and not of the list.
    order.sort_by_key(|(place, endpoint)| (endpoint.key(), *place));
    let taking = |(place, endpoint): (u32, &E)| {
        let (first, second) = (key::joined(endpoint.key() ^ seed, 1), key::joined(endpoint.key() ^ seed, 2));
        let (slot, skip) = (key::below(first, size as usize), key::below(second, size as usize - 1) + 1);
        Taking {
            place,
            weight: u64::from(endpoint.weight()),
            slot: slot as u32,
            skip: skip as u32,
            earned: 0,
        }
    };
    let mut order: Vec<_> = order.into_iter().map(taking).collect();
    let Some(heaviest) = order.iter().map(|taking| taking.weight).max() else { return Box::default() };
    let mut slots = vec![FREE; size as usize].into_boxed_slice();
    let mut free = size;
    let mut take = |taking: &mut Taking| {
        while slots[taking.slot as usize] != FREE {
            taking.slot = (taking.slot + taking.skip) % size;
        }
        slots[taking.slot as usize] = taking.place;
        free -= 1;
        free > 0
    };
    let sum: u64 = order.iter().map(|taking| taking.weight).sum();
    if heaviest * order.len() as u64 <= sum.saturating_mul(IDLE_TURNS) {
        while order.iter_mut().all(|taking| !taking.has_turn(heaviest) || take(taking)) {}
    } else {
        // Most would be asked in vain in most rounds: so it is counted out in which round each has its next turn.
        let turn = |taken: u64, taking: &Taking| (taken * heaviest).div_ceil(taking.weight);
        let first = order.iter().enumerate().map(|(at, taking)| Reverse((turn(1, taking), at, 1)));
        let mut turns: BinaryHeap<_> = first.collect();
        while let Some(mut next) = turns.peek_mut() {
            let Reverse((_, at, taken)) = *next;
            if !take(&mut order[at]) {
                break;
            }
            *next = Reverse((turn(taken + 1, &order[at]), at, taken + 1));
        }
    }
    slots
}

/// How many turns on average may be asked for and not be had, for each that is.
const IDLE_TURNS: u64 = 16;

impl Taking {
    /// Whether it takes a slot in this round: those of the largest weight in each, those of half of it in every other.
    fn has_turn(&mut self, heaviest: u64) -> bool {
        self.earned += self.weight;
        let has = self.earned >= heaviest;
        if has {
            self.earned -= heaviest;
        }
        has
    }
}

impl Picker for Maglev {
    fn update<E: Endpoint>(&mut self, endpoints: &[E]) {
        self.slots = Places::new(slots(endpoints, self.seed, size(self.smallest, endpoints.len())));
    }

    fn choose<E: Endpoint>(&self, endpoints: &[E], ask: &Ask<'_>, may: impl Fn(&E) -> bool) -> Option<usize> {
        let fit = fitting(self.bound, endpoints, ask, &may);
        let slot = |hash: u64| self.slots.at(key::below(hash, self.slots.len()));
        let hashes =
            std::iter::successors(Some(key::mixed(ask.key ^ self.seed)), |hash| Some(key::mixed(*hash)));
        let good = first_good(hashes.map_while(slot).take(PASSES), |place| fit(endpoints.get(place)?));
        good.ok().or_else(|| highest(endpoints, self.seed, ask, fit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key and a weight.
    struct Weighted(u64, u32);

    impl Endpoint for Weighted {
        fn state(&self, _: std::time::Instant) -> super::super::State {
            super::super::State::Ready
        }

        fn key(&self) -> u64 {
            self.0
        }

        fn weight(&self) -> u32 {
            self.1
        }

        fn outstanding(&self) -> usize {
            0
        }
    }

    /// How often each has a turn, by the rule of the paper: in each round each earns its weight, and whoever has earned the largest takes a slot.
    fn by_rounds(weights: &[u32], size: usize) -> Vec<usize> {
        let heaviest = *weights.iter().max().unwrap();
        let (mut earned, mut taken, mut left) = (vec![0_u64; weights.len()], vec![0; weights.len()], size);
        while left > 0 {
            for (at, weight) in weights.iter().enumerate() {
                earned[at] += u64::from(*weight);
                if earned[at] >= u64::from(heaviest) && left > 0 {
                    earned[at] -= u64::from(heaviest);
                    (taken[at], left) = (taken[at] + 1, left - 1);
                }
            }
        }
        taken
    }

    #[test]
    fn turns_are_counted_out_as_they_are_taken() {
        let few = [&[1; 50][..], &[40]].concat();
        let rows: [&[u32]; 5] =
            [&[1], &[3, 7, 1], &few, &[1, 1000, 3, 1, 1, 999, 1, 2], &[u32::MAX, 1, 70_000, 5]];
        for weights in rows {
            let endpoints: Vec<_> = (1..).zip(weights).map(|(key, weight)| Weighted(key, *weight)).collect();
            let table = slots(&endpoints, 0, DEFAULT_SIZE);
            let of = |place| table.iter().filter(|slot| **slot == place).count();
            let counts: Vec<_> = (0..weights.len() as u32).map(of).collect();
            assert_eq!(counts, by_rounds(weights, table.len()), "{weights:?}");
        }
    }

    #[test]
    fn the_sizes_are_primes_with_a_hundred_slots_for_each() {
        for size in SIZES {
            assert!((2..=2_048).all(|divisor| size % divisor > 0), "{size}");
        }
        for (smallest, endpoints, expected) in [
            (0, 0, 65_537),
            (DEFAULT_SIZE, 655, 65_537),
            (DEFAULT_SIZE, 656, 262_147),
            (DEFAULT_SIZE, 1_000, 262_147),
            (DEFAULT_SIZE, 10_486, 4_194_319),
            (100_000, 1, 262_147),
            (u32::MAX, 1, 4_194_319),
            (0, usize::MAX / 200, 4_194_319),
        ] {
            assert_eq!(size(smallest, endpoints), expected, "{smallest}, {endpoints}");
        }
    }
}
