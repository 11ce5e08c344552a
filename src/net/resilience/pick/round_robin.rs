//! One after the other, each as often as its weight says.
//!
//! The "smooth" order of nginx: with weights 5, 1 and 1 it is a a b a c a a, not a a a a a b c. At each call every endpoint earns its weight,
//! the richest gets the call, and pays what all have earned. Every endpoint is looked at for each call. Where it begins comes from the seed,
//! so that a thousand clients that start together do not begin with the same endpoint.

use std::collections::HashMap;

use super::{Ask, Endpoint, Picker};

/// One after the other by weight.
#[derive(Clone, Debug)]
pub struct RoundRobin {
    seed: u64,
    /// The key of each endpoint, and what it has earned.
    purses: Vec<(u64, i64)>,
}

impl RoundRobin {
    /// Among equals the order begins where `seed` says.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, purses: Vec::new() }
    }

    /// Brings the purses into the order of the endpoints, which may have come, gone or moved since the last call.
    fn align<E: Endpoint>(&mut self, endpoints: &[E]) {
        let aligned = self.purses.len() == endpoints.len()
            && self.purses.iter().zip(endpoints).all(|((key, _), endpoint)| *key == endpoint.key());
        if !aligned {
            let known: HashMap<u64, i64> = self.purses.drain(..).collect();
            let purse = |key: u64| (key, known.get(&key).copied().unwrap_or(0));
            self.purses = endpoints.iter().map(|endpoint| purse(endpoint.key())).collect();
        }
    }
}

impl Picker for RoundRobin {
    fn choose<E: Endpoint>(
        &mut self,
        endpoints: &[E],
        _: &Ask<'_>,
        may: impl Fn(&E) -> bool,
    ) -> Option<usize> {
        self.align(endpoints);
        let count = endpoints.len();
        let start = (self.seed % count.max(1) as u64) as usize;
        let (mut richest, mut earned) = (None, 0);
        for place in (start..count).chain(0..start).filter(|place| may(&endpoints[*place])) {
            let weight = i64::from(endpoints[place].weight());
            let purse = &mut self.purses[place].1;
            *purse = purse.saturating_add(weight);
            earned += weight;
            if richest.is_none_or(|(_, most)| *purse > most) {
                richest = Some((place, *purse));
            }
        }
        let (place, _) = richest?;
        let purse = &mut self.purses[place].1;
        *purse = purse.saturating_sub(earned);
        Some(place)
    }
}
