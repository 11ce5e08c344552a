//! A trace as a link that bytes of real downloads go through, in the order in which they come.

use std::sync::Arc;

use super::{Period, Trace};
use crate::proto::hls::abr::{Bits, Ms};

/// A link. Times are milliseconds since it began, and do not go back.
#[derive(Clone, Debug)]
pub struct Link {
    trace: Arc<Trace>,
    /// The period of the trace that `at` is in, and when that ends.
    period: usize,
    ends: Ms,
    /// Until when it is busy.
    at: Ms,
}

impl Link {
    /// The beginning of a trace.
    #[must_use]
    pub fn new(trace: Arc<Trace>) -> Self {
        let ends = trace.periods()[0].time;
        Self { trace, period: 0, ends, at: 0.0 }
    }

    fn period(&self) -> Period {
        self.trace.periods()[self.period]
    }

    /// Goes to a time, if that is not past.
    fn go(&mut self, to: Ms) {
        self.at = self.at.max(to);
        // Whole rounds of the trace at once, however long nobody looked.
        let round = self.trace.time();
        let rounds = ((self.at - self.ends) / round).floor();
        if rounds >= 1.0 {
            self.ends += rounds * round;
        }
        while self.ends <= self.at {
            self.next();
        }
    }

    fn next(&mut self) {
        self.period = (self.period + 1) % self.trace.periods().len();
        self.ends += self.period().time;
    }

    /// How long a request that is made now waits for its answer to begin.
    pub fn latency(&mut self, now: Ms) -> Ms {
        // A link that is busy is further on than the request.
        if now >= self.at {
            self.go(now);
        }
        self.period().latency
    }

    /// When these bits, which are there now, have come through, behind all that was there before.
    pub fn carry(&mut self, now: Ms, bits: Bits) -> Ms {
        self.go(now);
        let mut left = bits;
        while left > 0.0 {
            let Period { bandwidth, .. } = self.period();
            let room = (self.ends - self.at) * bandwidth;
            if left <= room {
                self.at += left / bandwidth;
                break;
            }
            left -= room;
            self.at = self.ends;
            self.next();
        }
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        let period = |time, bandwidth, latency| Period { time, bandwidth, latency };
        let periods =
            vec![period(1000.0, 1000.0, 10.0), period(500.0, 0.0, 50.0), period(500.0, 4000.0, 20.0)];
        Link::new(Arc::new(Trace::new(periods).unwrap()))
    }

    #[test]
    fn bits_come_at_the_rate_of_the_moment_one_after_the_other() {
        let mut link = link();
        for (now, bits, done) in [
            (0.0, 100_000.0, 100.0),
            // Behind the first.
            (50.0, 100_000.0, 200.0),
            // Nothing is saved up while nobody asks.
            (900.0, 50_000.0, 950.0),
            // Over the silence.
            (950.0, 50_001.0, 1_500.000_25),
            // The next round, and the one after the one after.
            (1_600.0, 1_600_000.0 + 1.0, 2_000.001),
            (9_500.0, 4_000.0, 9_501.0),
            (10_000.0, 3_000_000.0, 12_000.0),
        ] {
            let at = link.carry(now, bits);
            assert!((at - done).abs() < 0.001, "{now} {bits}: {at}");
        }
    }

    #[test]
    fn requests_wait_as_long_as_the_moment_says() {
        let mut link = link();
        for (now, latency) in
            [(0.0, 10.0), (999.0, 10.0), (1_000.0, 50.0), (1_500.0, 20.0), (2_000.0, 10.0), (1e9, 10.0)]
        {
            assert!((link.latency(now) - latency).abs() < 1e-9, "{now}");
        }
    }
}
