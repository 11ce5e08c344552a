//! How long a server is left alone that has failed: twice as long each time, or as long as it says.

use std::time::{Duration, Instant};

/// The first rest.
const FIRST: Duration = Duration::from_secs(5);

/// The longest rest that is taken without being asked for.
const LONGEST: Duration = Duration::from_secs(600);

/// The longest rest that a server can ask for.
pub const LONGEST_REST: Duration = Duration::from_secs(3600);

/// What has happened to an ask. It is tried again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection, or no more of it.
    #[error("it cannot be reached, or breaks off")]
    Connection,
    /// No byte for [`PATIENCE`](super::PATIENCE).
    #[error("it sends nothing")]
    Silent,
    /// An answer that is not about the file.
    #[error("it answers with status {0}")]
    Status(u16),
    /// Fewer bytes than it said.
    #[error("it sends less than it said")]
    Short,
    /// More bytes than were asked for.
    #[error("it sends more than was asked for")]
    Long,
}

/// The rest that a server has.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// How often it has failed in a row.
    failures: u32,
    until: Option<(Instant, Fault)>,
}

impl Rest {
    /// It has done what it was asked for.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// It has failed, and wants to be left alone for so long, if it says so.
    pub(super) fn failed(&mut self, now: Instant, fault: Fault, wait: Option<Duration>) {
        // Of several asks that were under way each may fail for the same reason, which counts once.
        let rests = self.until.filter(|(until, _)| *until > now);
        let longer = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(u32::from(rests.is_none()));
        let until = match wait {
            Some(wait) => now + wait.clamp(FIRST, LONGEST_REST),
            None if rests.is_some() => return,
            None => now + longer,
        };
        if rests.is_none_or(|(other, _)| other < until) {
            self.until = Some((until, fault));
        }
    }

    /// Until when it rests, and why; also if that is over.
    pub(super) fn under_way(&self) -> Option<(Instant, Fault)> {
        self.until
    }
}
