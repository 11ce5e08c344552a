//! The rates of the last minutes, a sample a second.

use std::collections::VecDeque;

/// Samples that are kept: five minutes.
pub(super) const SAMPLES: usize = 300;

/// The rates of the last minutes, in bytes a second.
#[derive(Clone, Debug, Default)]
pub(super) struct History(VecDeque<(u64, u64)>);

impl History {
    /// A second has gone by.
    pub(super) fn add(&mut self, down: u64, up: u64) {
        if self.0.len() >= SAMPLES {
            self.0.pop_front();
        }
        self.0.push_back((down, up));
    }

    /// The rates of the last second.
    pub(super) fn last(&self) -> (u64, u64) {
        self.0.back().copied().unwrap_or_default()
    }

    /// All of them, the oldest first: down, and up.
    pub(super) fn both(&self) -> (Vec<u64>, Vec<u64>) {
        self.0.iter().copied().unzip()
    }
}
