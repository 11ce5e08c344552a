//! The power of two choices: of two at random the cheaper one.
//!
//! Mitzenmacher showed that this is nearly as good as asking all of them, and nobody runs at the one that was best a moment ago. With the
//! cost of [`ewma`](crate::net::resilience::ewma) it is what Finagle, Linkerd and tower do. A call looks at two endpoints,
//! however many there are; only if most of them are down are all looked at. Which of the two is chosen depends on their weights, which two are
//! drawn does not.

use super::chance::Chance;
use super::{Ask, Endpoint, Picker, admits, key};

/// How often two are drawn before all are looked at.
const DRAWS: usize = 4;

/// Of two endpoints with as many calls under way, costs that differ by less than this factor are alike, and the one drawn first is chosen. Averages of latencies
/// differ by as much by chance, and one that is always a little slower would have none of the calls that come one by one.
const ALIKE: f64 = 1.25;

/// Of two at random the one with the lower cost for its weight.
#[derive(Clone, Debug)]
pub struct P2c {
    chance: Chance,
}

impl P2c {
    /// Chance comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed) }
    }

    /// Two different places of `count`, which is at least two.
    fn two(&self, count: usize) -> [usize; 2] {
        let number = self.chance.next();
        let first = key::below(number & !0xffff_ffff, count);
        let second = key::below(number << 32, count - 1);
        [first, if second < first { second } else { second + 1 }]
    }

    /// Two different places that `may` be chosen, by a look at all; fewer if there are not two.
    fn two_of_all<E>(&self, endpoints: &[E], may: impl Fn(&E) -> bool) -> [Option<usize>; 2] {
        let (mut two, mut seen) = ([None; 2], 0);
        let swap = self.chance.next() & 1 == 1;
        for place in (0..endpoints.len()).filter(|place| may(&endpoints[*place])) {
            // The nth is one of the two in two of n cases.
            let at = if seen < 2 { seen } else { key::below(self.chance.next(), seen + 1) };
            if let Some(slot) = two.get_mut(at) {
                *slot = Some(place);
            }
            seen += 1;
        }
        // Among equals the first is chosen, which must not be the one that comes first in the list.
        if swap && seen > 1 {
            two.swap(0, 1);
        }
        two
    }
}

impl Picker for P2c {
    fn choose<E: Endpoint>(&self, endpoints: &[E], ask: &Ask<'_>, may: impl Fn(&E) -> bool) -> Option<usize> {
        let cost = |place: usize| {
            let endpoint: &E = &endpoints[place];
            endpoint.cost(ask.now) / f64::from(endpoint.weight().max(1))
        };
        let cheaper = |a: usize, b: usize| {
            let even = endpoints[a].outstanding() == endpoints[b].outstanding();
            let margin = if even { ALIKE } else { 1.0 };
            if cost(b) * margin < cost(a) { b } else { a }
        };
        let good = |place: usize| {
            let endpoint: &E = &endpoints[place];
            may(endpoint)
                && (endpoint.warmth(ask.now) >= 1.0 || admits(endpoint, ask.now, self.chance.next()))
        };
        if let [only] = endpoints {
            return may(only).then_some(0);
        }
        if endpoints.len() >= 2 {
            let mut held = None;
            for place in (0..DRAWS).flat_map(|_| self.two(endpoints.len())) {
                match held {
                    _ if held == Some(place) || !good(place) => {}
                    None => held = Some(place),
                    Some(other) => return Some(cheaper(other, place)),
                }
            }
        }
        match self.two_of_all(endpoints, may) {
            [Some(a), Some(b)] => Some(cheaper(a, b)),
            [found, _] => found,
        }
    }
}
