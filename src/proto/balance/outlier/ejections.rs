//! Which backends of a group are ejected, until when, and how many may be at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Policy;

/// The ejections of a group of backends, which are identified by their keys.
#[derive(Clone, Debug)]
pub struct Ejections {
    policy: Policy,
    /// Backends that were ejected at some time and whose ejections are not all forgiven.
    ejected: HashMap<u64, Ejected>,
}

#[derive(Clone, Copy, Debug)]
struct Ejected {
    until: Instant,
    /// The number of ejections, without forgiven ones.
    times: u32,
}

/// The group at the time of an ejection, as the limits see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its backends, except those that are draining.
    pub members: usize,
    /// Those of them that are available now, including the one that is to be ejected: up by their checks, and not ejected.
    pub available: usize,
}

/// Why a backend is not ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spared {
    /// It is ejected already: failures that arrive now are of requests that were in progress.
    #[error("it is ejected already")]
    Already,
    /// The cap of the group is reached.
    #[error("the ejection cap is reached")]
    Most,
    /// No other backend is available.
    #[error("no other backend is available")]
    Last,
}

impl Ejections {
    /// A group without ejections.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, ejected: HashMap::new() }
    }

    /// Ejects a backend; returns until when.
    ///
    /// # Errors
    /// It is not ejected.
    pub fn eject(&mut self, id: u64, now: Instant, group: Group) -> Result<Instant, Spared> {
        self.forgive(now);
        if self.until(id, now).is_some() {
            return Err(Spared::Already);
        }
        if group.available < 2 {
            return Err(Spared::Last);
        }
        if self.count(now) >= self.most(group.members) {
            return Err(Spared::Most);
        }
        let times = self.ejected.get(&id).map_or(0, |ejected| ejected.times).saturating_add(1);
        let time = self.policy.time.saturating_mul(times).min(self.policy.longest).min(LONGEST);
        let until = now + time;
        self.ejected.insert(id, Ejected { until, times });
        Ok(until)
    }

    /// Until when a backend is ejected, if it is.
    #[must_use]
    pub fn until(&self, id: u64, now: Instant) -> Option<Instant> {
        self.ejected.get(&id).map(|ejected| ejected.until).filter(|until| now < *until)
    }

    /// How many are ejected.
    #[must_use]
    pub fn count(&self, now: Instant) -> usize {
        self.ejected.values().filter(|ejected| now < ejected.until).count()
    }

    /// How many of `count` backends may be ejected at once.
    #[must_use]
    pub fn most(&self, members: usize) -> usize {
        let percent = usize::from(self.policy.most.min(100));
        let part = (members as u128 * percent as u128 / 100) as usize;
        if percent == 0 { 0 } else { part.max(1).min(members.saturating_sub(1)) }
    }

    /// Forgets all backends except these, the current ones of the group.
    pub fn retain(&mut self, members: impl Fn(u64) -> bool) {
        self.ejected.retain(|id, _| members(*id));
    }

    /// Changes the policy for future ejections; current ones keep their time.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Forgives one ejection for each full interval without any.
    fn forgive(&mut self, now: Instant) {
        let step = self.policy.forgive.max(Duration::from_millis(1));
        self.ejected.retain(|_, ejected| {
            let quiet = now.saturating_duration_since(ejected.until);
            let forgiven = (quiet.as_nanos() / step.as_nanos()).min(u128::from(ejected.times)) as u32;
            if forgiven > 0 {
                ejected.times -= forgiven;
                ejected.until += step.saturating_mul(forgiven).min(quiet);
            }
            ejected.times > 0
        });
    }
}

/// The longest ejection, whatever a policy says.
const LONGEST: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        time: Duration::from_secs(30),
        longest: Duration::from_secs(100),
        forgive: Duration::from_secs(60),
        most: 50,
        ..Policy::DEFAULT
    };

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn all_well(members: usize) -> Group {
        Group { members, available: members }
    }

    #[test]
    fn how_many_may_be_ejected() {
        for (percent, members, expected) in [
            (50, 0, 0),
            (50, 1, 0), // one stays
            (50, 2, 1),
            (50, 3, 1),
            (50, 4, 2),
            (50, 1_000, 500),
            (10, 5, 1), // one may be, though 10 % of five is none
            (10, 20, 2),
            (0, 20, 0),
            (100, 4, 3),
            (255, 4, 3),
        ] {
            let policy = Policy { most: percent, ..POLICY };
            assert_eq!(Ejections::new(policy).most(members), expected, "{percent} % of {members}");
        }
    }

    #[test]
    fn who_is_spared() {
        let now = Instant::now();
        let mut ejections = Ejections::new(POLICY);
        assert_eq!(ejections.eject(1, now, all_well(4)), Ok(now + s(30)));
        assert_eq!(ejections.eject(1, now, Group { members: 4, available: 3 }), Err(Spared::Already));
        assert_eq!(ejections.eject(2, now, Group { members: 4, available: 3 }), Ok(now + s(30)));
        assert_eq!(ejections.eject(3, now, Group { members: 4, available: 2 }), Err(Spared::Most));
        // Those that return make room.
        assert_eq!(ejections.eject(3, now + s(30), all_well(4)), Ok(now + s(60)));
        assert_eq!((ejections.count(now + s(30)), ejections.until(1, now + s(30))), (1, None));
        // The limit has room, but the others are down by their checks.
        let mut ejections = Ejections::new(POLICY);
        assert_eq!(ejections.eject(1, now, Group { members: 4, available: 1 }), Err(Spared::Last));
        assert_eq!(ejections.eject(1, now, Group { members: 4, available: 2 }), Ok(now + s(30)));
    }

    #[test]
    fn ejections_grow_and_are_forgiven() {
        let start = Instant::now();
        let mut ejections = Ejections::new(POLICY);
        let mut now = start;
        for seconds in [30, 60, 90, 100, 100] {
            let until = ejections.eject(1, now, all_well(3)).expect("nobody else is ejected");
            assert_eq!(until - now, s(seconds));
            now = until + s(5);
        }
        // Five times, and 5 s since. After four minutes four are forgiven, and the next lasts as long as the second did.
        now += s(4 * 60);
        assert_eq!(ejections.eject(1, now, all_well(3)), Ok(now + s(60)));
        // Two minutes after its end both are; half minutes do not add up to one twice.
        now += s(60);
        let mut once = ejections.clone();
        for half in 1..=3 {
            ejections.forgive(now + s(30 * half));
        }
        assert_eq!(ejections.eject(1, now + s(119), all_well(3)), once.eject(1, now + s(119), all_well(3)));
        ejections.retain(|_| false);
        let mut ejections = once;
        ejections.forgive(now + s(10_000));
        assert!(ejections.ejected.is_empty(), "what is forgiven takes no memory");
    }

    #[test]
    fn times_have_a_limit_whatever_is_configured() {
        let now = Instant::now();
        let mut ejections = Ejections::new(Policy { time: Duration::MAX, longest: Duration::MAX, ..POLICY });
        assert_eq!(ejections.eject(1, now, all_well(2)), Ok(now + LONGEST));
        let mut ejections = Ejections::new(Policy { forgive: Duration::ZERO, ..POLICY });
        assert_eq!(ejections.eject(1, now, all_well(2)), Ok(now + s(30)));
        assert_eq!(ejections.eject(1, now + s(31), all_well(2)), Ok(now + s(61)), "forgiven at once");
    }

    #[test]
    fn they_leave_with_their_backends() {
        let now = Instant::now();
        let mut ejections = Ejections::new(POLICY);
        for id in 1..=3 {
            ejections.eject(id, now + s(id), all_well(10)).expect("there is room");
        }
        assert_eq!(
            [1, 2, 3].map(|id| ejections.until(id, now)),
            [31, 32, 33].map(|second| Some(now + s(second)))
        );
        ejections.retain(|id| id == 3);
        assert_eq!((ejections.count(now), ejections.until(3, now)), (1, Some(now + s(33))));
        assert_eq!([ejections.until(1, now), ejections.until(3, now + s(33))], [None; 2]);
    }

    /// Backends that all fail, for an hour: never more than the limit are ejected, and one always takes calls.
    #[test]
    fn when_all_fail_some_stay() {
        let start = Instant::now();
        for (members, percent) in [(2, 50), (3, 50), (3, 100), (10, 30), (10, 100), (7, 1)] {
            let mut ejections = Ejections::new(Policy { most: percent, ..POLICY });
            for second in 0..3_600 {
                let now = start + s(second);
                for id in 0..members {
                    let available = members as usize - ejections.count(now);
                    let _spared = ejections.eject(id, now, Group { members: members as usize, available });
                    assert!(ejections.count(now) <= ejections.most(members as usize));
                    assert!(ejections.count(now) < members as usize);
                }
            }
        }
    }
}
