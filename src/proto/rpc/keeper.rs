//! When to ping, and when to give up: decided without a clock.
//!
//! A connection with calls under way is looked after closely, as somebody waits; one without less so. A peer that does not greet in
//! time, or does not answer, is gone.

use std::time::{Duration, Instant};

/// Timeouts of the keepalive of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until the peer's HELLO has come.
    pub hello_timeout: Duration,
    /// A peer that was silent for so long while calls are under way is pinged; `None` never pings.
    pub busy_interval: Option<Duration>,
    /// The same while none are.
    pub idle_interval: Option<Duration>,
    /// How long it may stay silent after a ping.
    pub pong_timeout: Duration,
}

impl Default for Patience {
    /// gRPC leaves pings out by default, and connections whose peer is gone without a word then wait for ever; with it the advice
    /// is 10 s to 60 s, and 20 s for the answer. With calls under way, ours is short enough for a call of 30 s, which a client makes unless
    /// told otherwise, to be tried again elsewhere when its server is gone without a word.
    fn default() -> Self {
        Self {
            hello_timeout: Duration::from_secs(10),
            busy_interval: Some(Duration::from_secs(15)),
            idle_interval: Some(Duration::from_secs(60)),
            pong_timeout: Duration::from_secs(10),
        }
    }
}

/// The state of one connection's patience.
#[derive(Clone, Copy, Debug)]
pub struct Keeper {
    begun: Instant,
    greeted: bool,
    pinged: Option<Instant>,
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing before this time; `None` for ever.
    Wait(Option<Instant>),
    /// Send a ping, and look again.
    Ping,
    /// The peer is gone.
    Silent,
}

impl Keeper {
    /// A connection that was made at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { begun: now, greeted: false, pinged: None }
    }

    /// The HELLO has come.
    pub fn greeted(&mut self) {
        self.greeted = true;
    }

    /// What has to be done at `now`, when the peer was heard last at `heard`, with calls under way or not.
    pub fn look(&mut self, now: Instant, heard: Instant, busy: bool, patience: &Patience) -> Verdict {
        // A moment that no clock can show never comes.
        let until = |end: Option<Instant>| match end {
            Some(end) if now >= end => Verdict::Silent,
            end => Verdict::Wait(end),
        };
        if !self.greeted {
            return until(self.begun.checked_add(patience.hello_timeout));
        }
        if let Some(pinged) = self.pinged
            && heard < pinged
        // an answer in the same moment is one
        {
            return until(pinged.checked_add(patience.pong_timeout));
        }
        self.pinged = None;
        let interval = if busy { patience.busy_interval } else { patience.idle_interval };
        let due = interval.and_then(|interval| heard.checked_add(interval));
        let Some(due) = due else { return Verdict::Wait(None) };
        if now >= due {
            self.pinged = Some(now);
            return Verdict::Ping;
        }
        Verdict::Wait(Some(due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_of_a_connection_in_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let wait = |seconds| Verdict::Wait(Some(at(seconds)));
        let patience = Patience::default();
        let mut keeper = Keeper::new(start);
        assert_eq!(keeper.look(at(0), at(0), false, &patience), wait(10));
        assert_eq!(keeper.look(at(10), at(0), false, &patience), Verdict::Silent);
        keeper.greeted();
        let table = [
            // now, heard, busy
            (1, 1, false, wait(61)),
            (1, 1, true, wait(16)),
            (16, 1, true, Verdict::Ping),
            (16, 1, true, wait(26)),
            (22, 22, true, wait(37)), // it answered
            (37, 22, true, Verdict::Ping),
            (47, 22, true, Verdict::Silent),
        ];
        for (now, heard, busy, verdict) in table {
            assert_eq!(keeper.look(at(now), at(heard), busy, &patience), verdict, "at {now}");
        }
    }

    #[test]
    fn who_does_not_ping_waits_for_ever() {
        let start = Instant::now();
        let mut keeper = Keeper::new(start);
        keeper.greeted();
        let patience = Patience { busy_interval: None, ..Patience::default() };
        let late = start + Duration::from_secs(1_000_000);
        assert_eq!(keeper.look(late, start, true, &patience), Verdict::Wait(None));
    }

    #[test]
    fn patience_without_an_end_has_none() {
        let start = Instant::now();
        let late = start + Duration::from_secs(1_000_000);
        let endless = Duration::MAX;
        let patience = Patience {
            hello_timeout: endless,
            busy_interval: Some(endless),
            idle_interval: Some(Duration::from_secs(1)),
            pong_timeout: endless,
        };
        let mut keeper = Keeper::new(start);
        assert_eq!(keeper.look(late, start, true, &patience), Verdict::Wait(None));
        keeper.greeted();
        assert_eq!(keeper.look(late, start, true, &patience), Verdict::Wait(None));
        assert_eq!(keeper.look(late, start, false, &patience), Verdict::Ping);
        assert_eq!(keeper.look(late, start, false, &patience), Verdict::Wait(None));
    }
}
