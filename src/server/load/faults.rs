//! What went wrong, how often.

use std::collections::BTreeMap;

/// Different failures that are told apart. Those after them are counted as others.
const KINDS: usize = 16;

/// The name of the others.
const OTHERS: &str = "other failures";

/// What went wrong, by its words. Those of several threads add up.
#[derive(Debug, Default)]
pub(in crate::server) struct Faults(BTreeMap<String, u64>);

impl Faults {
    /// Counts something that went wrong.
    pub(in crate::server) fn count(&mut self, kind: String, times: u64) {
        let known = self.0.len() < KINDS || self.0.contains_key(&kind);
        let kind = if known { kind } else { OTHERS.into() };
        *self.0.entry(kind).or_default() += times;
    }

    /// How much went wrong.
    pub(in crate::server) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Adds what went wrong elsewhere.
    pub(in crate::server) fn add(&mut self, other: Self) {
        other.0.into_iter().for_each(|(kind, times)| self.count(kind, times));
    }

    /// Each, by its words.
    pub(in crate::server) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(kind, times)| (&**kind, *times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_few() {
        let (mut faults, mut others) = (Faults::default(), Faults::default());
        for kind in 0..100 {
            faults.count(kind.to_string(), 1);
            others.count(kind.to_string(), 1);
        }
        faults.count("0".into(), 1);
        assert_eq!((faults.0.len(), faults.total()), (KINDS + 1, 101));
        assert_eq!(faults.0[OTHERS], 84);
        faults.add(others);
        assert_eq!((faults.0.len(), faults.total(), faults.0["0"]), (KINDS + 1, 201, 3));
    }
}
