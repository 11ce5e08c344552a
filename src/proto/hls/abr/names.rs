//! The algorithms by their names, as commands and their reports have them.

use std::fmt;
use std::str::FromStr;

use super::{
    Abr, Average, Bba, Bola, BolaE, Dynamic, DynamicDash, Ewma, HALF_LIVES, Ladder, Lookahead, Ms, RobustMpc,
    Swings, Throughput, Window,
};

/// Downloads whose harmonic mean counts, where it does (Pensieve's and MPC's simulators).
const HARMONIC: usize = 5;

/// An algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// [`Lookahead`].
    Lookahead,
    /// [`Throughput`] by exponentially weighted averages.
    Throughput,
    /// [`Throughput`] by the harmonic mean of five downloads.
    Harmonic,
    /// [`Bba`].
    Bba,
    /// [`Bola`], as BOLA-O.
    Bola,
    /// [`BolaE`], as BOLA-O.
    BolaE,
    /// [`Dynamic`].
    Dynamic,
    /// [`DynamicDash`].
    DynamicDash,
    /// [`RobustMpc`].
    RobustMpc,
}

/// There is no such algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no algorithm {0:?}; there are {names}", names = Algorithm::ALL.map(Algorithm::name).join(", "))]
pub struct UnknownAlgorithm(String);

impl Algorithm {
    /// All of them, our default first.
    pub const ALL: [Self; 9] = [
        Self::Lookahead,
        Self::Throughput,
        Self::Harmonic,
        Self::Bba,
        Self::Bola,
        Self::BolaE,
        Self::Dynamic,
        Self::DynamicDash,
        Self::RobustMpc,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lookahead => "lookahead",
            Self::Throughput => "throughput",
            Self::Harmonic => "harmonic",
            Self::Bba => "bba",
            Self::Bola => "bola",
            Self::BolaE => "bola-e",
            Self::Dynamic => "dynamic",
            Self::DynamicDash => "dynamic-dash",
            Self::RobustMpc => "robust-mpc",
        }
    }

    /// The algorithm with nothing learned, for these qualities and a buffer of at most so many milliseconds.
    #[must_use]
    pub fn start(self, ladder: &Ladder, buffer: Ms) -> Box<dyn Abr> {
        match self {
            Self::Lookahead => Box::new(Lookahead::new(ladder, buffer)),
            Self::Throughput | Self::Harmonic => Box::new(Throughput::new()),
            Self::Bba => Box::new(Bba::new(ladder, buffer)),
            Self::Bola => Box::new(Bola::new(ladder, buffer, Swings::Avoided)),
            Self::BolaE => Box::new(BolaE::new(ladder, buffer, Swings::Avoided)),
            Self::Dynamic => Box::new(Dynamic::new(ladder, buffer, Swings::Avoided)),
            Self::DynamicDash => Box::new(DynamicDash::new(ladder, buffer, Swings::Avoided)),
            Self::RobustMpc => Box::new(RobustMpc::new(ladder, buffer)),
        }
    }

    /// The average of downloads by which it knows the network.
    #[must_use]
    pub fn average(self, ladder: &Ladder) -> Box<dyn Average> {
        match self {
            Self::Harmonic => Box::new(Window::new(HARMONIC)),
            _ => Box::new(Ewma::new(HALF_LIVES, ladder.segment())),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|known| known.name() == name)
            .ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        let error = "best".parse::<Algorithm>().unwrap_err().to_string();
        assert!(error.contains("\"best\"") && error.contains("lookahead, throughput"), "{error}");
    }
}
