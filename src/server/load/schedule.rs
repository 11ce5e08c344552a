//! When a connection sends: decided without a clock.

use std::time::{Duration, Instant};

/// Messages or calls in flight on one connection of an open loop: what the memory of a server that does not answer is bounded by.
pub(in crate::server) const MAX_IN_FLIGHT: usize = 4096;

/// What decides when the next message is sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) enum Loop {
    /// An answer makes room for the next message, so many being in flight.
    Closed(usize),
    /// The clock: messages a second on all connections, of which this is number `index` of `connections`.
    Open { rate: f64, index: u32, connections: u32 },
}

/// The messages of one connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Schedule {
    how: Loop,
    begin: Instant,
    /// Nothing is sent after this.
    end: Option<Instant>,
    /// Messages at most.
    most: u64,
    sent: u64,
}

impl Schedule {
    /// Messages from `begin` until `end`, at most so many.
    pub(in crate::server) fn new(how: Loop, begin: Instant, end: Option<Instant>, most: u64) -> Self {
        Self { how, begin, end, most, sent: 0 }
    }

    /// When the message was due that can be sent at `now`, while so many are in flight; `None` when none can be.
    pub(in crate::server) fn due(&self, now: Instant, in_flight: usize) -> Option<Instant> {
        if self.sent >= self.most || self.end.is_some_and(|end| now >= end) {
            return None;
        }
        match self.how {
            Loop::Closed(depth) => (in_flight < depth).then_some(now),
            Loop::Open { .. } if in_flight >= MAX_IN_FLIGHT || self.sent >= self.owed(now) => None,
            Loop::Open { rate, index, connections } => {
                let number = u64::from(index) + self.sent * u64::from(connections);
                Some(self.begin + seconds(number, rate))
            }
        }
    }

    /// The message is sent. Gives its number.
    pub(in crate::server) fn send(&mut self) -> u64 {
        self.sent += 1;
        self.sent - 1
    }

    /// Nothing is sent after `now`.
    pub(in crate::server) fn stop(&mut self, now: Instant) {
        self.end = Some(self.end.map_or(now, |end| end.min(now)));
    }

    /// When sending ends at the latest.
    pub(in crate::server) fn end(&self) -> Option<Instant> {
        self.end
    }

    /// Whether nothing is sent any more.
    pub(in crate::server) fn is_over(&self, now: Instant) -> bool {
        self.sent >= self.most || self.end.is_some_and(|end| now >= end)
    }

    /// Messages that were due before the end, or before `now`, and were not sent.
    pub(in crate::server) fn behind(&self, now: Instant) -> u64 {
        let Loop::Open { rate, index, connections } = self.how else {
            return 0;
        };
        let until = self.end.map_or(now, |end| end.min(now));
        let passed = until.saturating_duration_since(self.begin);
        let all = (passed.as_secs_f64() * rate - EXACT).ceil() as u64;
        part(all, index, connections).min(self.most).saturating_sub(self.sent)
    }

    /// Messages that are due at `now`.
    fn owed(&self, now: Instant) -> u64 {
        match self.how {
            Loop::Closed(_) => 0,
            Loop::Open { rate, index, connections } => {
                owed(now.saturating_duration_since(self.begin), rate, index, connections)
            }
        }
    }
}

/// What floats may be wrong by, in messages.
const EXACT: f64 = 1e-6;

/// How many of connection `index` are due when `passed` has passed: number 0 is due at once.
fn owed(passed: Duration, rate: f64, index: u32, connections: u32) -> u64 {
    // As many as a float can count, and a clock can tell apart.
    let all = (passed.as_secs_f64() * rate + EXACT).floor() as u64;
    part(all.saturating_add(1), index, connections)
}

/// How many of the first `all` messages are those of connection `index`, as they take turns.
pub(in crate::server) fn part(all: u64, index: u32, connections: u32) -> u64 {
    all.saturating_sub(u64::from(index)).div_ceil(u64::from(connections.max(1)))
}

/// When message `number` is due.
pub(in crate::server) fn seconds(number: u64, rate: f64) -> Duration {
    Duration::try_from_secs_f64(number as f64 / rate).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_closed_loop_waits_for_answers() {
        let begin = Instant::now();
        let mut schedule = Schedule::new(Loop::Closed(2), begin, Some(begin + ms(10)), 3);
        let at = begin + ms(5);
        assert_eq!(
            (schedule.due(at, 0), schedule.due(at, 1), schedule.due(at, 2)),
            (Some(at), Some(at), None)
        );
        assert_eq!((schedule.send(), schedule.send()), (0, 1));
        assert_eq!(schedule.due(begin + ms(10), 0), None, "time is up");
        assert!(schedule.is_over(begin + ms(10)) && !schedule.is_over(at));
        schedule.send();
        assert!(schedule.due(at, 0).is_none() && schedule.is_over(at), "there were three");
        assert_eq!(schedule.behind(at), 0);
    }

    #[test]
    fn an_open_loop_keeps_its_times() {
        let begin = Instant::now();
        // 1000 a second on 4 connections: each sends every 4 ms, this one 1 ms after the first.
        let how = Loop::Open { rate: 1000.0, index: 1, connections: 4 };
        let mut schedule = Schedule::new(how, begin, Some(begin + ms(20)), u64::MAX);
        assert_eq!(schedule.due(begin, 0), None);
        let mut due = Vec::new();
        let late = begin + ms(11);
        while let Some(at) = schedule.due(late, due.len()) {
            schedule.send();
            due.push(at - begin);
        }
        assert_eq!(due, [ms(1), ms(5), ms(9)], "all that were due, as of when they were");
        assert_eq!(schedule.due(begin + ms(12), 0), None);
        assert_eq!(schedule.due(begin + ms(13), 0), Some(begin + ms(13)));
        assert_eq!(schedule.due(begin + ms(13), MAX_IN_FLIGHT), None);
        assert_eq!(schedule.behind(begin + ms(60)), 2, "13 and 17 ms");
        assert_eq!(schedule.behind(begin + ms(13)), 0, "due in this moment");
        schedule.stop(begin + ms(14));
        assert_eq!((schedule.behind(begin + ms(60)), schedule.end()), (1, Some(begin + ms(14))));
    }

    #[test]
    fn all_connections_together_send_at_the_rate() {
        for (rate, connections, passed, expected) in
            [(100.0, 7, 0, 1), (100.0, 7, 995, 100), (0.5, 3, 4000, 3), (5.0, 10, 1000, 6)]
        {
            let sum: u64 = (0..connections).map(|index| owed(ms(passed), rate, index, connections)).sum();
            assert_eq!(sum, expected, "{rate} on {connections}");
        }
    }

    #[test]
    fn shares_are_even() {
        assert_eq!((0..4).map(|index| part(10, index, 4)).collect::<Vec<_>>(), [3, 3, 2, 2]);
        assert_eq!(part(0, 0, 1), 0);
    }
}
