//! A picker that is chosen by its name, when the program runs.

use std::fmt;
use std::str::FromStr;

use super::{Ask, Bound, Endpoint, Least, Maglev, P2c, Picker, Random, Rendezvous, Ring, RoundRobin};

/// A way to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// [`RoundRobin`].
    RoundRobin,
    /// [`Random`].
    Random,
    /// [`Least`].
    Least,
    /// [`P2c`].
    P2c,
    /// [`Rendezvous`].
    Rendezvous,
    /// [`Ring`].
    Ring,
    /// [`Maglev`].
    Maglev,
}

/// What a picker of any kind is made with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    /// Where chance begins, for those that choose by chance or in turn. Different for each client.
    pub chance: u64,
    /// What the hashes begin with, for those that go by a key. The same for all who are to choose alike.
    pub seed: u64,
    /// A bound on the load, for those that go by a key.
    pub bound: Option<Bound>,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::RoundRobin, Self::Random, Self::Least, Self::P2c, Self::Rendezvous, Self::Ring, Self::Maglev];

    /// Its name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
            Self::Least => "least",
            Self::P2c => "p2c",
            Self::Rendezvous => "rendezvous",
            Self::Ring => "ring",
            Self::Maglev => "maglev",
        }
    }

    /// Whether it goes by [`Ask::key`].
    #[must_use]
    pub const fn is_keyed(self) -> bool {
        matches!(self, Self::Rendezvous | Self::Ring | Self::Maglev)
    }

    /// A picker, to be told of the endpoints by [`Picker::update`].
    #[must_use]
    pub fn picker(self, setup: Setup) -> AnyPicker {
        let Setup { chance, seed, bound } = setup;
        AnyPicker(match self {
            Self::RoundRobin => Kind::RoundRobin(RoundRobin::new(chance)),
            Self::Random => Kind::Random(Random::new(chance)),
            Self::Least => Kind::Least(Least::new(chance)),
            Self::P2c => Kind::P2c(P2c::new(chance)),
            Self::Rendezvous => Kind::Rendezvous(Rendezvous::with(seed, bound)),
            Self::Ring => Kind::Ring(Ring::new(seed, bound)),
            Self::Maglev => Kind::Maglev(Maglev::new(seed, bound)),
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        found.ok_or_else(|| UnknownAlgorithm { name: name.into() })
    }
}

/// There is no algorithm of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm `{name}`; known are {}", Algorithm::ALL.map(Algorithm::name).join(", "))]
pub struct UnknownAlgorithm {
    /// What was asked for.
    pub name: String,
}

/// A picker of any kind.
#[derive(Clone, Debug)]
pub struct AnyPicker(Kind);

#[derive(Clone, Debug)]
enum Kind {
    RoundRobin(RoundRobin),
    Random(Random),
    Least(Least),
    P2c(P2c),
    Rendezvous(Rendezvous),
    Ring(Ring),
    Maglev(Maglev),
}

macro_rules! each {
    ($kind:expr, $picker:ident => $do:expr) => {
        match $kind {
            Kind::RoundRobin($picker) => $do,
            Kind::Random($picker) => $do,
            Kind::Least($picker) => $do,
            Kind::P2c($picker) => $do,
            Kind::Rendezvous($picker) => $do,
            Kind::Ring($picker) => $do,
            Kind::Maglev($picker) => $do,
        }
    };
}

impl Picker for AnyPicker {
    fn update<E: Endpoint>(&mut self, endpoints: &[E]) {
        each!(&mut self.0, picker => picker.update(endpoints));
    }

    fn choose<E: Endpoint>(&self, endpoints: &[E], ask: &Ask<'_>, may: impl Fn(&E) -> bool) -> Option<usize> {
        each!(&self.0, picker => picker.choose(endpoints, ask, may))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        let error = "RoundRobin".parse::<Algorithm>().expect_err("a name in other letters");
        assert_eq!(
            error.to_string(),
            "unknown algorithm `RoundRobin`; known are round-robin, random, least, p2c, rendezvous, ring, maglev"
        );
    }
}
