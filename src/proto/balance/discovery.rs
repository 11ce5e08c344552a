//! Which answers of service discovery are used: addresses, no addresses, or no answer at all.
//!
//! An answer with backends is used at once, for its time to live within limits. Timeouts and errors say nothing about the backends: the last good answer stays in use
//! for as long as they last. An answer without backends (no such name, no addresses) is used only when it has been repeated for some time, as with HAProxy's `hold nx`:
//! a zone that is being reloaded, or a registry that is starting, gives such answers for a moment.

use std::time::{Duration, Instant};

/// The wait after the first query without an answer; it doubles with each further one.
pub const RETRY: Duration = Duration::from_secs(1);

/// The longest wait between two queries without an answer.
pub const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// For how long answers are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// An answer is used for at least this time, whatever its time to live.
    pub min_ttl: Duration,
    /// And for at most this time.
    pub max_ttl: Duration,
    /// An answer without backends is used when it has been repeated for this time.
    pub hold: Duration,
}

impl Policy {
    /// 1 s to 5 minutes, and 30 s as in HAProxy.
    pub const DEFAULT: Self = Self {
        min_ttl: Duration::from_secs(1),
        max_ttl: Duration::from_secs(300),
        hold: Duration::from_secs(30),
    };
}

/// The outcome of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<T> {
    /// These backends, with the time to live of the answer.
    Members(Vec<T>, Duration),
    /// No backends.
    Gone,
    /// No usable answer.
    Failed,
}

/// The effect of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// Whether other backends are believed in than before; when nothing was, also whether it is believed that there are none.
    pub changed: bool,
    /// How long to wait until the next query.
    pub wait: Duration,
}

/// The list of backends in use.
#[derive(Clone, Debug)]
pub struct Belief<T> {
    /// Whether anything is: before, whoever holds this may still use what another source has said.
    settled: bool,
    members: Vec<T>,
    /// Since when the answers have no backends.
    gone: Option<Instant>,
    /// Queries in a row without an answer.
    failures: u32,
}

impl<T> Default for Belief<T> {
    fn default() -> Self {
        Self { settled: false, members: Vec::new(), gone: None, failures: 0 }
    }
}

impl<T: Ord> Belief<T> {
    /// The backends, in order.
    #[must_use]
    pub fn members(&self) -> &[T] {
        &self.members
    }

    /// Whether anything is believed: that there are these backends, or none.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Takes in the outcome of a query.
    pub fn hear(&mut self, policy: &Policy, now: Instant, heard: Heard<T>) -> Next {
        match heard {
            Heard::Members(members, _) if members.is_empty() => self.hear(policy, now, Heard::Gone),
            Heard::Members(mut members, ttl) => {
                (self.gone, self.failures) = (None, 0);
                members.sort();
                members.dedup();
                let changed = members != self.members;
                (self.members, self.settled) = (members, true);
                Next { changed, wait: ttl.min(policy.max_ttl).max(policy.min_ttl) }
            }
            Heard::Gone => {
                self.failures = 0;
                let since = *self.gone.get_or_insert(now);
                let left = policy.hold.saturating_sub(now.saturating_duration_since(since));
                let changed = left.is_zero() && !(self.settled && self.members.is_empty());
                if changed {
                    self.members.clear();
                    self.settled = true;
                }
                let wait = policy.min_ttl.max(RETRY);
                Next { changed, wait: if left.is_zero() { wait } else { wait.min(left) } }
            }
            Heard::Failed => {
                let doubled = RETRY.saturating_mul(1 << self.failures.min(10));
                self.failures = self.failures.saturating_add(1);
                Next { changed: false, wait: doubled.min(LONGEST_RETRY) }
            }
        }
    }
}

/// Numbers pools by priorities of any size, such as those of SRV records (RFC 2782): the lowest becomes 0, the next 1, and so on.
pub fn ranks<T>(members: &mut [T], priority: impl Fn(&T) -> u32, set: impl Fn(&mut T, u32)) {
    let mut all: Vec<u32> = members.iter().map(&priority).collect();
    all.sort_unstable();
    all.dedup();
    for member in members {
        let rank = all.binary_search(&priority(member)).unwrap_or_default();
        set(member, u32::try_from(rank).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        min_ttl: Duration::from_secs(2),
        max_ttl: Duration::from_secs(60),
        hold: Duration::from_secs(30),
    };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_is_believed_and_for_how_long() {
        let start = Instant::now();
        let members = |members: &[u8], ttl| Heard::Members(members.to_vec(), s(ttl));
        let mut belief = Belief::default();
        /// At this second this is heard: does that change anything, when is asked again, and who is believed in.
        type Row = (u64, Heard<u8>, bool, u64, &'static [u8]);
        let rows: Vec<Row> = vec![
            (0, Heard::Failed, false, 1, &[]),
            (1, Heard::Failed, false, 2, &[]),
            (3, members(&[2, 1, 2], 10), true, 10, &[1, 2]),
            (13, members(&[1, 2], 0), false, 2, &[1, 2]),
            (15, members(&[1, 3], 3600), true, 60, &[1, 3]),
            // Errors and silence change nothing, however long they last; the pauses grow.
            (75, Heard::Failed, false, 1, &[1, 3]),
            (76, Heard::Failed, false, 2, &[1, 3]),
            (78, Heard::Failed, false, 4, &[1, 3]),
            (82, Heard::Failed, false, 8, &[1, 3]),
            (90, Heard::Failed, false, 16, &[1, 3]),
            (106, Heard::Failed, false, 30, &[1, 3]),
            (90_000, Heard::Failed, false, 30, &[1, 3]),
            // That there are none is believed when it was said for long enough, whatever fails in between.
            (90_001, Heard::Gone, false, 2, &[1, 3]),
            (90_003, members(&[], 5), false, 2, &[1, 3]),
            (90_005, Heard::Failed, false, 1, &[1, 3]),
            (90_030, Heard::Gone, false, 1, &[1, 3]),
            (90_031, Heard::Gone, true, 2, &[]),
            (90_033, Heard::Gone, false, 2, &[]),
            // And not if it was taken back.
            (90_040, members(&[1], 5), true, 5, &[1]),
            (90_045, Heard::Gone, false, 2, &[1]),
            (90_060, members(&[1], 5), false, 5, &[1]),
            (90_065, Heard::Gone, false, 2, &[1]),
            (90_094, Heard::Gone, false, 1, &[1]),
            (90_095, Heard::Gone, true, 2, &[]),
        ];
        for (second, heard, changed, wait, expected) in rows {
            let next = belief.hear(&POLICY, start + s(second), heard.clone());
            assert_eq!(next, Next { changed, wait: s(wait) }, "{second}: {heard:?}");
            assert_eq!(belief.members(), expected, "{second}: {heard:?}");
        }
        // From the first question on, too: the backends of the name that was asked for before are not this one's.
        let mut belief: Belief<u8> = Belief::default();
        for (second, changed) in [(0, false), (29, false), (30, true), (32, false)] {
            assert_eq!(belief.hear(&POLICY, start + s(second), Heard::Gone).changed, changed, "{second}");
        }
        let at_once = Policy { hold: Duration::ZERO, ..POLICY };
        let mut belief = Belief::default();
        belief.hear(&at_once, start, members(&[1], 5));
        assert!(belief.hear(&at_once, start, Heard::Gone).changed);
    }

    #[test]
    fn ranks_follow_priorities() {
        let mut members = [(10, 0), (0, 0), (65_535, 0), (10, 0)];
        ranks(&mut members, |member| member.0, |member, rank| member.1 = rank);
        assert_eq!(members.map(|(_, rank)| rank), [1, 0, 2, 1]);
        ranks::<()>(&mut [], |()| 0, |(), _| ());
    }
}
