//! One at random, each as often as its weight says.
//!
//! The alias method of Walker, in the form of Vose: each column of a table holds at most two endpoints, and a draw is a column and a coin,
//! however many endpoints there are and whatever their weights. An endpoint that may not be chosen is drawn again, so the others keep
//! their proportions.

use super::chance::Chance;
use super::{Ask, Endpoint, Fit, Picker, admits, by_weight, first_good, key};

/// How often an endpoint is drawn before all are looked at: only if nearly all of the weight is down.
const DRAWS: usize = 64;

/// One at random by weight.
#[derive(Clone, Debug)]
pub struct Random {
    chance: Chance,
    columns: Box<[Column]>,
}

/// Two endpoints that share a column.
#[derive(Clone, Copy, Debug)]
struct Column {
    /// The part of the column that is the first one's, in 1/2^32; the last value is all of it.
    part: u32,
    first: u32,
    second: u32,
}

impl Random {
    /// Chance comes from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed), columns: Box::default() }
    }

    fn draw(&self, number: u64) -> Option<usize> {
        let (column, coin) = ((number >> 32) << 32, number as u32);
        let column = self.columns.get(key::below(column, self.columns.len()))?;
        let place = if coin <= column.part { column.first } else { column.second };
        Some(place as usize)
    }
}

/// The columns for these places and weights, none of which is zero.
fn columns(weights: &[(u32, u32)]) -> Box<[Column]> {
    let sum: f64 = weights.iter().map(|(_, weight)| f64::from(*weight)).sum();
    let average = sum / weights.len() as f64;
    // What each place still has to give away, in columns.
    let mut rest: Vec<_> = weights.iter().map(|(_, weight)| f64::from(*weight) / average).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..rest.len()).partition(|at| rest[*at] < 1.0);
    let whole = |(place, _): &(u32, u32)| Column { part: u32::MAX, first: *place, second: *place };
    let mut columns: Box<[Column]> = weights.iter().map(whole).collect();
    while let (Some(poor), Some(&rich)) = (small.pop(), large.last()) {
        columns[poor].part = (rest[poor] * f64::from(u32::MAX)) as u32;
        columns[poor].second = weights[rich].0;
        rest[rich] -= 1.0 - rest[poor];
        if rest[rich] < 1.0 {
            large.pop();
            small.push(rich);
        }
    }
    columns
}

impl Picker for Random {
    fn update<E: Endpoint>(&mut self, endpoints: &[E]) {
        let weights = (0..).zip(endpoints).map(|(place, endpoint)| (place, endpoint.weight()));
        let weights: Vec<_> = weights.filter(|(_, weight)| *weight > 0).collect();
        self.columns = columns(&weights);
    }

    fn choose<E: Endpoint>(&self, endpoints: &[E], ask: &Ask<'_>, may: impl Fn(&E) -> bool) -> Option<usize> {
        let draws = (0..DRAWS).map_while(|_| self.draw(self.chance.next()));
        let fit = |place: usize| {
            let endpoint = endpoints.get(place).filter(|endpoint| may(endpoint))?;
            let cold = endpoint.warmth(ask.now) < 1.0 && !admits(endpoint, ask.now, self.chance.next());
            Some(if cold { Fit::Warming } else { Fit::Good })
        };
        let found = first_good(draws, fit).map_or_else(|best| best, Some);
        found.or_else(|| by_weight(endpoints, ask.now, self.chance.next(), &may))
    }
}
