//! The endpoint with the fewest calls under way.
//!
//! For connections that last, whose number says more than their speed. Every endpoint is looked at for each call. HAProxy and nginx call it
//! `leastconn` and `least_conn`.

use super::{Ask, Endpoint, Picker, least_of};

/// The fewest calls for its weight, by chance among equals.
#[derive(Clone, Debug)]
pub struct Least {
    rng: fastrand::Rng,
}

impl Least {
    /// Chance comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed) }
    }
}

impl Picker for Least {
    fn choose<E: Endpoint>(
        &mut self,
        endpoints: &[E],
        _: &Ask<'_>,
        may: impl Fn(&E) -> bool,
    ) -> Option<usize> {
        // What it would have with one more call. Fractions are compared crosswise: a/b < c/d where a*d < c*b.
        let share = |endpoint: &E| (endpoint.outstanding() as u128 + 1, u128::from(endpoint.weight()));
        let compare = |a: &(u128, u128), b: &(u128, u128)| (a.0 * b.1).cmp(&(b.0 * a.1));
        least_of(endpoints, may, share, compare, &mut self.rng)
    }
}
