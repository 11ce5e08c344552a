//! The power of two choices: of two at random the cheaper one.
//!
//! Mitzenmacher showed that this is nearly as good as asking all of them, and nobody runs at the one that was best a moment ago. With the
//! cost of [`ewma`](crate::net::resilience::ewma) it is what Finagle, Linkerd and tower do. A call looks at two endpoints,
//! however many there are; only if most of them are down are all looked at.

use super::{Ask, Endpoint, Picker};

/// How often two are drawn before all are looked at.
const DRAWS: usize = 4;

/// Of two at random the one with the lower cost for its weight.
#[derive(Clone, Debug)]
pub struct P2c {
    rng: fastrand::Rng,
}

impl P2c {
    /// Chance comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed) }
    }

    /// Two different places of `count`, which is at least two.
    fn two(&mut self, count: usize) -> (usize, usize) {
        let first = self.rng.usize(0..count);
        let second = self.rng.usize(0..count - 1);
        (first, if second < first { second } else { second + 1 })
    }
}

impl Picker for P2c {
    fn choose<E: Endpoint>(
        &mut self,
        endpoints: &[E],
        ask: &Ask<'_>,
        may: impl Fn(&E) -> bool,
    ) -> Option<usize> {
        let cost = |place: usize| {
            let endpoint: &E = &endpoints[place];
            endpoint.cost(ask.now) / f64::from(endpoint.weight().max(1))
        };
        let cheaper = |(a, b): (usize, usize)| if cost(b) < cost(a) { b } else { a };
        if endpoints.len() >= 2 {
            for _ in 0..DRAWS {
                let (a, b) = self.two(endpoints.len());
                if may(&endpoints[a]) && may(&endpoints[b]) {
                    return Some(cheaper((a, b)));
                }
            }
        }
        let live: Vec<_> = (0..endpoints.len()).filter(|place| may(&endpoints[*place])).collect();
        match live[..] {
            [] => None,
            [only] => Some(only),
            _ => {
                let (a, b) = self.two(live.len());
                Some(cheaper((live[a], live[b])))
            }
        }
    }
}
