//! One after the other, each as often as its weight says.
//!
//! The "smooth" order of nginx: with weights 5, 1 and 1 it is a a b a c a a, not a a a a a b c. In every step each endpoint earns its weight,
//! the richest gets the call, and pays what all have earned. The order repeats when the weights are used up, so it is written down once,
//! when the set changes, and a choice is one step along it. The turn of an endpoint that may not be chosen goes to the next in the same order,
//! counted apart: so its calls spread over all others by their weights, where its neighbour alone would get them if the order itself went on.
//! Where the order begins comes from the seed, so that a thousand clients that start together do not begin with the same endpoint.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Ask, Endpoint, Fit, Picker, admits, by_weight, first_good, key};

/// The steps of an order at most, endpoints of equal weight aside. Weights whose sum is larger, after division by what they have in common, are
/// rounded, and none to zero. 256 KiB.
pub const MOST_SLOTS: u32 = 65_536;

/// How often a turn is passed on before all endpoints are looked at.
const PASSES: usize = 64;

/// One after the other by weight.
#[derive(Debug)]
pub struct RoundRobin {
    seed: u64,
    /// The order, as places.
    slots: Box<[u32]>,
    next: AtomicU64,
    /// Where in the order the turns of those stand that may not be chosen.
    spare: AtomicU64,
}

impl RoundRobin {
    /// Among equals the order begins where `seed` says.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, slots: Box::default(), next: AtomicU64::new(0), spare: AtomicU64::new(0) }
    }
}

impl Clone for RoundRobin {
    fn clone(&self) -> Self {
        let copy = |counter: &AtomicU64| AtomicU64::new(counter.load(Ordering::Relaxed));
        let Self { seed, slots, next, spare } = self;
        Self { seed: *seed, slots: slots.clone(), next: copy(next), spare: copy(spare) }
    }
}

/// The order for these weights, from the place `start` on.
fn order(weights: &[u32], start: usize) -> Box<[u32]> {
    // Endpoints of equal weight take turns, so that only the next of each weight has to be compared with the others.
    let mut classes: BTreeMap<u32, VecDeque<Waiting>> = BTreeMap::new();
    let scaled = scaled(weights);
    for (rank, place) in (start..weights.len()).chain(0..start).enumerate() {
        if scaled[place] > 0 {
            let waiting = Waiting { rank, place: place as u32, chosen: 0 };
            classes.entry(scaled[place]).or_default().push_back(waiting);
        }
    }
    let sum: i64 = scaled.iter().map(|weight| i64::from(*weight)).sum();
    let step = |earned: i64| {
        let purse = |weight: u32, waiting: &Waiting| i64::from(weight) * earned - sum * waiting.chosen;
        let next = classes.iter().filter_map(|(weight, class)| Some((*weight, class.front()?)));
        let richest =
            next.max_by_key(|(weight, waiting)| (purse(*weight, waiting), usize::MAX - waiting.rank));
        let class = classes.get_mut(&richest?.0)?;
        let mut waiting = class.pop_front()?;
        let place = waiting.place;
        waiting.chosen += 1;
        class.push_back(waiting);
        Some(place)
    };
    (1..=sum).map_while(step).collect()
}

/// An endpoint that waits for its turn.
#[derive(Debug)]
struct Waiting {
    /// Which of two that are as rich comes first.
    rank: usize,
    place: u32,
    /// How often it was chosen.
    chosen: i64,
}

/// The weights without what they have in common, and so small that their sum is not much above [`MOST_SLOTS`].
fn scaled(weights: &[u32]) -> Vec<u32> {
    let common = weights.iter().copied().fold(0, common_divisor).max(1);
    let sum: u64 = weights.iter().map(|weight| u64::from(weight / common)).sum();
    let positive = weights.iter().filter(|weight| **weight > 0).count() as u64;
    let most = u64::from(MOST_SLOTS).max(positive);
    let scale = |weight: u32| match weight / common {
        weight if weight == 0 || sum <= most => weight,
        weight => ((u64::from(weight) * most + sum / 2) / sum).max(1) as u32,
    };
    weights.iter().map(|weight| scale(*weight)).collect()
}

const fn common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Picker for RoundRobin {
    fn update<E: Endpoint>(&mut self, endpoints: &[E]) {
        let weights: Vec<_> = endpoints.iter().map(Endpoint::weight).collect();
        self.slots = order(&weights, (self.seed % endpoints.len().max(1) as u64) as usize);
    }

    fn choose<E: Endpoint>(&self, endpoints: &[E], ask: &Ask<'_>, may: impl Fn(&E) -> bool) -> Option<usize> {
        let turn = |counter: &AtomicU64| {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            let slot = (number % self.slots.len().max(1) as u64) as usize;
            self.slots.get(slot).map(|place| (*place as usize, number))
        };
        let fit = |place: usize| {
            let endpoint = endpoints.get(place).filter(|endpoint| may(endpoint))?;
            let ticket =
                || key::joined(self.next.load(Ordering::Relaxed), self.spare.load(Ordering::Relaxed));
            let cold = endpoint.warmth(ask.now) < 1.0 && !admits(endpoint, ask.now, ticket());
            Some(if cold { Fit::Warming } else { Fit::Good })
        };
        let (own, number) = turn(&self.next).unwrap_or((0, 0));
        if fit(own) == Some(Fit::Good) {
            return Some(own);
        }
        let passes = (0..PASSES).map_while(|_| Some(turn(&self.spare)?.0));
        let found = first_good(passes, fit).map_or_else(|best| best, Some);
        let found = found.or_else(|| by_weight(endpoints, ask.now, key::mixed(number), &may));
        if found.is_none() {
            // A turn that nobody could take is given back: a caller that asks again, with more to choose from, would skip every other.
            self.next.fetch_sub(1, Ordering::Relaxed);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// nginx's own algorithm, a step at a time.
    fn nginx(weights: &[u32], steps: usize) -> Vec<u32> {
        let sum: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
        let mut purses = vec![0; weights.len()];
        let step = |_| {
            let mut best: Option<usize> = None;
            for place in 0..weights.len() {
                purses[place] += i64::from(weights[place]);
                if weights[place] > 0 && best.is_none_or(|best| purses[place] > purses[best]) {
                    best = Some(place);
                }
            }
            let best = best.expect("there is a weight");
            purses[best] -= sum;
            best as u32
        };
        (0..steps).map(step).collect()
    }

    #[test]
    fn the_order_is_that_of_nginx() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut weights: Vec<_> = (0..rng.usize(1..12)).map(|_| rng.u32(0..9)).collect();
            weights.push(1); // nothing in common but 1
            let order = order(&weights, 0);
            assert_eq!(order[..], nginx(&weights, order.len())[..], "{weights:?}");
            assert_eq!(order.len(), weights.iter().sum::<u32>() as usize);
        }
    }

    #[test]
    fn weights_with_something_in_common_make_a_short_order() {
        assert_eq!(order(&[300, 100, 200], 0).len(), 6);
        assert_eq!(order(&[7, 0, 7], 0)[..], [0, 2]);
        assert_eq!(order(&[u32::MAX], 0)[..], [0]);
        assert!(order(&[], 0).is_empty());
        assert!(order(&[0, 0], 0).is_empty());
    }

    #[test]
    fn weights_that_are_too_large_are_rounded_and_none_to_nothing() {
        let weights = [u32::MAX, u32::MAX - 1, 1_000_000_007, 1, 0];
        let order = order(&weights, 0);
        assert!((65_530..=65_540).contains(&order.len()), "{}", order.len());
        let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        for (place, weight) in (0..).zip(weights) {
            let share = order.iter().filter(|slot| **slot == place).count() as f64;
            let expected = f64::from(weight) / sum * f64::from(MOST_SLOTS);
            assert!((share - expected).abs() <= 1.0, "{share}, not {expected}");
            assert_eq!(share > 0.0, weight > 0);
        }
        // Many endpoints of equal weight need no rounding.
        let many = vec![12_345; 100_000];
        assert_eq!(super::order(&many, 0).len(), many.len());
    }

    /// In any stretch of the order an endpoint has what its weight gives it, but for a call or two.
    #[test]
    fn no_endpoint_gets_its_calls_in_a_burst() {
        for weights in [&[5, 1, 1][..], &[3, 3, 2], &[10, 1], &[1, 2, 3, 4, 5], &[50, 30, 20, 7]] {
            let order = order(weights, 0);
            let sum: u32 = weights.iter().sum();
            let twice = [&order[..], &order[..]].concat();
            for length in 1..=order.len() {
                for window in twice.windows(length) {
                    for (place, weight) in (0..).zip(weights) {
                        let count = window.iter().filter(|slot| **slot == place).count() as f64;
                        let fair = length as f64 * f64::from(*weight) / f64::from(sum);
                        assert!((count - fair).abs() <= 2.0, "{weights:?}: {count} in {length}, not {fair}");
                    }
                }
            }
        }
    }
}
