//! The endpoint with the fewest calls under way.
//!
//! For connections that last, whose number says more than their speed. HAProxy and nginx call it `leastconn` and `least_conn`. Up to [`SCAN`]
//! endpoints are compared for each call; of more, that many from a random place on, which is nearly as good: the least loaded of 64
//! is among the least loaded 5 % of all in 96 of 100 cases.

use super::chance::Chance;
use super::{Ask, Endpoint, Picker, key};

/// How many endpoints are looked at for a call; more only while none of them may be chosen.
pub const SCAN: usize = 64;

/// The fewest calls for its weight, by chance among equals.
#[derive(Clone, Debug)]
pub struct Least {
    chance: Chance,
}

impl Least {
    /// Chance comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed) }
    }
}

impl Picker for Least {
    fn choose<E: Endpoint>(&self, endpoints: &[E], ask: &Ask<'_>, may: impl Fn(&E) -> bool) -> Option<usize> {
        // What it would have with one more call.
        let share = |endpoint: &E| {
            let weight = f64::from(endpoint.weight()) * endpoint.warmth(ask.now);
            (endpoint.outstanding() as f64 + 1.0) / weight.max(f64::MIN_POSITIVE)
        };
        let chance = self.chance.next();
        let start = key::below(chance, endpoints.len());
        let mut best: Option<(usize, f64)> = None;
        let mut equals = 0;
        for (looked, place) in (start..endpoints.len()).chain(0..start).enumerate() {
            if looked >= SCAN && best.is_some() {
                break;
            }
            let endpoint = &endpoints[place];
            if !may(endpoint) {
                continue;
            }
            let share = share(endpoint);
            match best {
                Some((_, least)) if share > least => {}
                Some((_, least)) if share == least => {
                    // The nth of equals replaces those before it once in n times.
                    equals += 1;
                    if key::below(key::joined(chance, equals), equals as usize) == 0 {
                        best = Some((place, share));
                    }
                }
                _ => (best, equals) = (Some((place, share)), 1),
            }
        }
        best.map(|(place, _)| place)
    }
}
