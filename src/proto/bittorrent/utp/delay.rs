//! How long packets wait in queues on their way: what their one-way delay has above the least one of the last minutes (RFC 6817, sections 2.2 and 3.3).
//!
//! Delays are differences of two clocks that agree on nothing but their speed, in microseconds modulo 32 bits: only differences of delays mean anything.

use std::time::{Duration, Instant};

/// Minutes that are remembered: `BASE_HISTORY` of RFC 6817.
const MINUTES: usize = 10;

const MINUTE: Duration = Duration::from_secs(60);

/// Samples of which the least counts: `CURRENT_FILTER` of RFC 6817.
const FILTER: usize = 4;

/// The delays of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delays {
    history: Option<History>,
}

#[derive(Clone, Copy, Debug)]
struct History {
    /// The least of each minute.
    minutes: [u32; MINUTES],
    newest: usize,
    since: Instant,
    /// The least of them.
    base: u32,
    recent: [u32; FILTER],
    at: usize,
}

/// Whether a delay is shorter than another.
fn shorter(one: u32, other: u32) -> bool {
    one.wrapping_sub(other).cast_signed() < 0
}

fn least(delays: &[u32]) -> u32 {
    delays
        .iter()
        .copied()
        .reduce(|one, other| if shorter(other, one) { other } else { one })
        .unwrap_or_default()
}

impl Delays {
    /// A packet took so long.
    pub(super) fn add(&mut self, now: Instant, sample: u32) {
        let Some(history) = &mut self.history else {
            self.history = Some(History {
                minutes: [sample; MINUTES],
                newest: 0,
                since: now,
                base: sample,
                recent: [sample; FILTER],
                at: 0,
            });
            return;
        };
        history.recent[history.at % FILTER] = sample;
        history.at = (history.at + 1) % FILTER;
        if now.saturating_duration_since(history.since) >= MINUTE {
            history.since = now;
            history.newest = (history.newest + 1) % MINUTES;
            history.minutes[history.newest] = sample;
            history.base = least(&history.minutes);
        } else if shorter(sample, history.minutes[history.newest]) {
            history.minutes[history.newest] = sample;
        }
        if shorter(sample, history.base) {
            history.base = sample;
        }
    }

    /// How long packets wait at present.
    pub(super) fn queueing(&self) -> Option<Duration> {
        let history = self.history.as_ref()?;
        let waits = least(&history.recent).wrapping_sub(history.base);
        Some(Duration::from_micros(waits.into()))
    }
}
