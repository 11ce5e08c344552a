//! How soon a player follows a network that became better.
//!
//! When the network carries a higher quality than before, than anything in the buffer, and than what is waited for already, a wait begins. It ends when that quality is played, when the network carries it no longer, or
//! after the largest buffer.

use std::collections::VecDeque;

use crate::proto::hls::abr::{Ms, Quality};

use super::Change;

/// What is waited for.
#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Ms,
    quality: Quality,
    until: Option<Ms>,
}

/// The waits of a session.
#[derive(Clone, Debug)]
pub(super) struct Reactions {
    waits: VecDeque<Wait>,
    /// No wait counts for more.
    most: Ms,
    total: Ms,
}

impl Reactions {
    pub(super) fn new(most: Ms) -> Self {
        Self { waits: VecDeque::new(), most, total: 0.0 }
    }

    /// All waits that have been counted.
    pub(super) fn total(&self) -> Ms {
        self.total
    }

    /// Counts what is over by now.
    pub(super) fn settle(&mut self, now: Ms) {
        let over = now - self.most;
        while let Some(wait) = self.waits.front().filter(|wait| wait.since < over) {
            self.total += wait.until.map_or(self.most, |until| self.most.min(until - wait.since));
            self.waits.pop_front();
        }
    }

    /// A segment begins to be played.
    pub(super) fn played(&mut self, quality: Quality, now: Ms) {
        let waiting = self.waits.iter_mut().filter(|wait| wait.until.is_none() && quality >= wait.quality);
        waiting.for_each(|wait| wait.until = Some(now));
    }

    /// The network has changed, with this in the buffer.
    pub(super) fn changed(&mut self, change: Change, buffer: &VecDeque<Quality>) {
        let now = change.at;
        self.settle(now);
        let lost = self.waits.iter_mut().filter(|wait| wait.until.is_none() && wait.quality > change.to);
        lost.for_each(|wait| wait.until = Some(now));
        let mut known = buffer.iter().chain(self.waits.iter().map(|wait| &wait.quality));
        if change.to > change.from && known.all(|quality| change.to > *quality) {
            self.waits.push_back(Wait { since: now, quality: change.to, until: None });
        }
    }
}
