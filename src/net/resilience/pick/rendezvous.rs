//! The same key, the same endpoint: rendezvous hashing, with weights.
//!
//! Each pair of key and endpoint has a score, and the endpoint with the highest gets the key. When one goes, its keys spread over the others
//! and no other key moves; when one comes, it takes its share from all. This is as little movement as there can be, with no
//! table to build and none to keep, so that all balancers of a group choose alike without a word. Weights are by the
//! logarithmic method of Schindelhauer and Schomaker. Every endpoint is looked at for each call, which is right for hundreds of them;
//! among thousands, [`Maglev`](super::Maglev) or a [`Ring`](super::Ring) costs less.

use super::{Ask, Bound, Endpoint, Fit, Picker, Total, key};

/// The endpoint with the highest score for the key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rendezvous {
    seed: u64,
    bound: Option<Bound>,
}

impl Rendezvous {
    /// With no bound on what an endpoint gets, and seed 0.
    #[must_use]
    pub fn new() -> Self {
        Self { seed: 0, bound: None }
    }

    /// With a bound of so many percent: see [`Bound::new`].
    #[must_use]
    pub fn bounded(percent: u32) -> Self {
        Self { seed: 0, bound: Some(Bound::new(percent)) }
    }

    /// With this seed and bound. Those who are to choose alike have the same seed.
    #[must_use]
    pub fn with(seed: u64, bound: Option<Bound>) -> Self {
        Self { seed, bound }
    }
}

impl Picker for Rendezvous {
    fn choose<E: Endpoint>(&self, endpoints: &[E], ask: &Ask<'_>, may: impl Fn(&E) -> bool) -> Option<usize> {
        let bound = self.bound.map(|bound| {
            let count = || Total::of(endpoints.iter().filter(|endpoint| may(endpoint)));
            (bound, ask.total.unwrap_or_else(count))
        });
        let fit = |endpoint: &E| match bound {
            _ if !may(endpoint) => None,
            Some((bound, total)) if !bound.has_room(endpoint, total) => Some(Fit::Full),
            _ => Some(Fit::Good),
        };
        highest(endpoints, self.seed, ask, fit)
    }
}

/// Of those that fit best, the endpoint with the highest score for the key.
pub(super) fn highest<E: Endpoint>(
    endpoints: &[E],
    seed: u64,
    ask: &Ask<'_>,
    fit: impl Fn(&E) -> Option<Fit>,
) -> Option<usize> {
    let scored = endpoints.iter().enumerate().filter_map(|(place, endpoint)| {
        let weight = f64::from(endpoint.weight()) * endpoint.warmth(ask.now);
        Some((fit(endpoint)?, score(endpoint.key() ^ seed, ask.key, weight), place))
    });
    let order = |a: &(Fit, f64, usize), b: &(Fit, f64, usize)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
    scored.max_by(order).map(|(.., place)| place)
}

/// How well an endpoint and a key go together: -weight / ln(h), with h in (0, 1) from the hash of both.
fn score(endpoint: u64, key: u64, weight: f64) -> f64 {
    // The half keeps both ends out.
    let part = key::fraction(key::joined(endpoint, key)) + 0.5 / (1_u64 << 53) as f64;
    -weight / part.ln()
}
