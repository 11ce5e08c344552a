//! How many requests a peer is let wait: as many as its rate needs to go on without a pause, and no more, so that what it has not sent can still be asked of another.
//!
//! The number grows with each block that comes until the rate does not grow any more (slow start, as libtorrent has it), and follows the rate from then on. A peer that
//! sends nothing for long is *snubbed*, and asked for one block at a time.

use std::time::{Duration, Instant};

use super::BLOCK;
use super::rate::Rate;

/// Requests at the beginning, and at least.
const LEAST: u32 = 4;

/// Requests at most, whatever a peer takes: 16 MiB. libtorrent has 500.
pub const MOST: u32 = 1024;

/// Requests that a peer takes if it does not say how many: as libtorrent assumes.
pub const ASSUMED: u32 = 250;

/// For how long what is asked for should last, at least.
const AHEAD: Duration = Duration::from_secs(1);

/// How long a peer may send nothing of what it was asked for until it is snubbed: libtorrent's `piece_timeout`.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// In slow start, how often it is looked at whether the rate has grown.
const LOOK: Duration = Duration::from_secs(1);

/// What a rate has to grow by, or slow start is over: a tenth.
const GROWTH: f64 = 1.1;

/// The requests to one peer.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// How many the peer takes.
    taken: u32,
    depth: u32,
    /// The rate when it was looked at last, as long as it is slow start.
    slow_start: Option<(f64, Instant)>,
    /// How long a block takes to come at least: the way there and back.
    round_trip: Duration,
    /// When something was asked for or came last, while something is awaited.
    waits_since: Option<Instant>,
    snubbed: bool,
}

impl Pipeline {
    /// One to a peer of which nothing is known.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            taken: ASSUMED,
            depth: LEAST,
            slow_start: Some((0.0, now)),
            round_trip: Duration::ZERO,
            waits_since: None,
            snubbed: false,
        }
    }

    /// The peer says how many requests it takes.
    pub fn set_taken(&mut self, requests: u32) {
        self.taken = requests.max(1);
    }

    /// How many requests may wait.
    #[must_use]
    pub fn depth(&self) -> u32 {
        if self.snubbed { 1 } else { self.depth.min(self.taken) }
    }

    /// Whether the peer keeps us waiting.
    #[must_use]
    pub fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    /// Requests were sent.
    pub fn asked(&mut self, now: Instant) {
        self.waits_since.get_or_insert(now);
    }

    /// A block has come that was asked for so long ago; whether more is awaited.
    pub fn came(&mut self, now: Instant, took: Duration, rate: &Rate, more: bool) {
        self.snubbed = false;
        self.waits_since = more.then_some(now);
        if self.round_trip.is_zero() || took < self.round_trip {
            self.round_trip = took;
        }
        let per_second = rate.per_second(now);
        match &mut self.slow_start {
            Some((before, looked)) => {
                self.depth = (self.depth + 1).min(MOST);
                if now.saturating_duration_since(*looked) >= LOOK {
                    if per_second < *before * GROWTH {
                        self.slow_start = None;
                    } else {
                        (*before, *looked) = (per_second, now);
                    }
                }
            }
            None => {
                let ahead = AHEAD.max(self.round_trip * 4).min(AHEAD * 4);
                // Not more than 32 bits, as the rate is one of a network, and not negative.
                let blocks = per_second * ahead.as_secs_f64() / f64::from(BLOCK);
                self.depth = (blocks as u32).clamp(LEAST, MOST);
            }
        }
    }

    /// What was asked for is not awaited any more: the peer chokes us.
    pub fn cleared(&mut self) {
        self.waits_since = None;
    }

    /// When the peer will be snubbed, if it sends nothing until then.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.waits_since.filter(|_| !self.snubbed).map(|since| since + PATIENCE)
    }

    /// Looks at the clock; whether the peer is snubbed from now on. What it was asked for is asked of others then.
    pub fn poll(&mut self, now: Instant) -> bool {
        let late = self.deadline().is_some_and(|deadline| deadline <= now);
        if late {
            self.snubbed = true;
            self.waits_since = None;
            self.slow_start = Some((0.0, now));
            self.depth = LEAST;
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer that sends so many blocks a second, each so long after it was asked for: the depth after so many seconds.
    fn depth(blocks: f64, round_trip: Duration, seconds: f64) -> u32 {
        let begun = Instant::now();
        let mut pipeline = Pipeline::new(begun);
        pipeline.set_taken(2000);
        let mut rate = Rate::new(begun);
        let (mut came, mut at) = (0.0, 0.0);
        while at < seconds {
            // What is asked for limits what comes.
            let possible = f64::from(pipeline.depth()) / round_trip.as_secs_f64();
            at += 1.0 / blocks.min(possible);
            came += 1.0;
            let now = begun + Duration::from_secs_f64(at);
            pipeline.asked(now);
            rate.add(now, BLOCK.into());
            pipeline.came(now, round_trip, &rate, true);
        }
        assert!(came > 0.0);
        pipeline.depth()
    }

    #[test]
    fn the_depth_is_what_the_rate_needs() {
        // 16 Mb/s over 50 ms would need 6; one second has 122.
        let near = depth(122.0, Duration::from_millis(50), 60.0);
        assert!((100..=140).contains(&near), "{near}");
        // 80 Mb/s over 600 ms needs 366, and gets more.
        let far = depth(610.0, Duration::from_millis(600), 60.0);
        assert!((500..=MOST).contains(&far), "{far}");
        // A slow one has few, and a very fast one not more than the most.
        assert_eq!(depth(1.0, Duration::from_millis(100), 60.0), LEAST);
        assert_eq!(depth(50_000.0, Duration::from_micros(100), 5.0), MOST);
    }

    #[test]
    fn a_peer_has_no_more_than_it_takes() {
        let now = Instant::now();
        let mut pipeline = Pipeline::new(now);
        pipeline.set_taken(3);
        assert_eq!(pipeline.depth(), 3);
        pipeline.set_taken(0);
        assert_eq!(pipeline.depth(), 1);
    }

    #[test]
    fn who_sends_nothing_is_snubbed() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut pipeline = Pipeline::new(begun);
        assert_eq!(pipeline.deadline(), None, "nothing is awaited");
        pipeline.asked(at(5));
        pipeline.asked(at(20));
        assert_eq!(pipeline.deadline(), Some(at(25)));
        assert!(!pipeline.poll(at(24)) && pipeline.poll(at(25)) && !pipeline.poll(at(26)));
        assert_eq!((pipeline.depth(), pipeline.is_snubbed()), (1, true));
        pipeline.asked(at(70));
        pipeline.came(at(71), Duration::from_secs(1), &Rate::new(begun), false);
        assert!(!pipeline.is_snubbed() && pipeline.depth() > 1 && pipeline.deadline().is_none());
        pipeline.asked(at(80));
        pipeline.cleared();
        assert_eq!(pipeline.deadline(), None);
    }
}
