//! When to ping, and when to give up: the deadlines of one connection, decided without a clock.
//!
//! A connection that is quiet is pinged; one that does not answer is dead, as its network or its peer is gone without a word. A
//! close handshake has its deadline, a message that trickles has one, and so has the number of control frames a second.

use std::time::{Duration, Instant};

use super::reject::Reject;

/// Timeouts of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A peer that was not heard for so long is pinged; `None` never pings.
    pub ping_interval: Option<Duration>,
    /// How long it may stay silent after a ping.
    pub pong_timeout: Duration,
    /// How long the close handshake may take.
    pub close_timeout: Duration,
    /// How long any message may take from its first byte to its last, beside what `message_rate` allows; and how long it may
    /// stand still.
    pub message_grace: Duration,
    /// Bytes a second that a message has to make beyond that.
    pub message_rate: u32,
    /// Pings and pongs of the peer in a second.
    pub controls: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ping_interval: Some(Duration::from_secs(30)), // below the 60 s after which nginx cuts a quiet tunnel
            pong_timeout: Duration::from_secs(20),        // websockets (Python) has 20 s for both
            close_timeout: Duration::from_secs(5),        // ws has 30 s, websockets 10 s
            message_grace: Duration::from_secs(30),
            message_rate: 500,
            controls: 1000,
        }
    }
}

/// The state of one connection's patience.
#[derive(Clone, Copy, Debug)]
pub struct Keeper {
    phase: Phase,
    /// How the unfinished message is getting on.
    message: Option<Progress>,
    /// Control frames since `second`.
    controls: u32,
    second: Option<Instant>,
}

/// A message that has begun.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// When it was seen first.
    since: Instant,
    /// Bytes of it that have come.
    bytes: usize,
    /// When it was seen to have grown.
    grew: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// A ping was sent then.
    Pinged(Instant),
    /// The close handshake began then.
    Closing(Instant),
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing before this time; `None` for ever.
    Wait(Option<Instant>),
    /// Send a ping, and look again.
    Ping,
    /// The peer is gone: it did not answer a ping.
    Silent,
    /// The peer does not finish the close handshake.
    Unclosed,
    /// The peer breaks a limit of time.
    Refuse(Reject),
}

impl Default for Keeper {
    fn default() -> Self {
        Self { phase: Phase::Open, message: None, controls: 0, second: None }
    }
}

impl Keeper {
    /// What has to be done at `now`, when the peer was heard last at `heard` and so many bytes of a message have come that is not
    /// finished.
    pub fn look(
        &mut self,
        now: Instant,
        heard: Instant,
        unfinished: Option<usize>,
        patience: &Patience,
    ) -> Verdict {
        let quiet = match self.phase {
            Phase::Closing(since) => {
                let end = since + patience.close_timeout;
                return if now >= end { Verdict::Unclosed } else { Verdict::Wait(Some(end)) };
            }
            Phase::Pinged(since) if heard < since => {
                let end = since + patience.pong_timeout;
                if now >= end {
                    return Verdict::Silent;
                }
                Some(end)
            }
            Phase::Pinged(_) | Phase::Open => {
                self.phase = Phase::Open;
                let ping = patience.ping_interval.map(|interval| heard + interval);
                if ping.is_some_and(|ping| now >= ping) {
                    self.phase = Phase::Pinged(now);
                    return Verdict::Ping;
                }
                ping
            }
        };
        let message = match unfinished {
            None => {
                self.message = None;
                None
            }
            Some(bytes) => {
                let message = self.message.get_or_insert(Progress { since: now, bytes, grew: now });
                if bytes > message.bytes {
                    (message.bytes, message.grew) = (bytes, now);
                }
                // What came fast buys time at the rate that is asked for, but no leave to stop.
                let slow = message.since + patience.message_grace + pace(bytes, patience.message_rate);
                let end = slow.min(message.grew + patience.message_grace);
                if now >= end {
                    return Verdict::Refuse(Reject::SlowMessage);
                }
                Some(end)
            }
        };
        Verdict::Wait(quiet.into_iter().chain(message).min())
    }

    /// A message was finished: the next one has its own time.
    pub fn message_done(&mut self) {
        self.message = None;
    }

    /// The close handshake begins.
    pub fn close(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Closing(_)) {
            self.phase = Phase::Closing(now);
        }
    }

    /// The peer sent a ping or a pong.
    ///
    /// # Errors
    /// They are too many for one second.
    pub fn control(&mut self, now: Instant, patience: &Patience) -> Result<(), Reject> {
        let within = |second: Instant| now.saturating_duration_since(second) < Duration::from_secs(1);
        if !self.second.is_some_and(within) {
            self.second = Some(now);
            self.controls = 0;
        }
        self.controls = self.controls.saturating_add(1);
        let limit = patience.controls;
        if self.controls > limit { Err(Reject::ControlFlood { limit }) } else { Ok(()) }
    }
}

/// How long `bytes` may take.
fn pace(bytes: usize, rate: u32) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Duration::from_secs(1) * (bytes / rate.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        ping_interval: Some(Duration::from_secs(30)),
        pong_timeout: Duration::from_secs(20),
        close_timeout: Duration::from_secs(5),
        message_grace: Duration::from_secs(10),
        message_rate: 100,
        controls: 3,
    };

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_quiet_peer_is_pinged_and_a_silent_one_given_up() {
        let start = Instant::now();
        let at = |n| start + seconds(n);
        let mut keeper = Keeper::default();
        let mut look = |now, heard| keeper.look(at(now), at(heard), None, &PATIENCE);
        assert_eq!(look(0, 0), Verdict::Wait(Some(at(30))));
        assert_eq!(look(29, 0), Verdict::Wait(Some(at(30))));
        assert_eq!(look(30, 10), Verdict::Wait(Some(at(40))), "heard meanwhile");
        assert_eq!(look(40, 10), Verdict::Ping);
        assert_eq!(look(40, 10), Verdict::Wait(Some(at(60))));
        assert_eq!(look(60, 41), Verdict::Wait(Some(at(71))), "it answered");
        assert_eq!(look(71, 41), Verdict::Ping);
        assert_eq!(look(90, 41), Verdict::Wait(Some(at(91))));
        assert_eq!(look(91, 41), Verdict::Silent);
    }

    #[test]
    fn an_answer_in_the_same_moment_is_an_answer() {
        let start = Instant::now();
        let pinged = start + seconds(30);
        let mut keeper = Keeper::default();
        assert_eq!(keeper.look(pinged, start, None, &PATIENCE), Verdict::Ping);
        assert_eq!(keeper.look(pinged, pinged, None, &PATIENCE), Verdict::Wait(Some(start + seconds(60))));
    }

    #[test]
    fn without_pings_nothing_is_due() {
        let start = Instant::now();
        let patience = Patience { ping_interval: None, ..PATIENCE };
        let far = start + seconds(1_000_000);
        assert_eq!(Keeper::default().look(far, start, None, &patience), Verdict::Wait(None));
    }

    #[test]
    fn the_close_handshake_has_a_deadline_whatever_is_heard() {
        let start = Instant::now();
        let mut keeper = Keeper::default();
        keeper.close(start);
        keeper.close(start + seconds(4)); // no second beginning
        let look =
            |keeper: &mut Keeper, n| keeper.look(start + seconds(n), start + seconds(n), Some(1), &PATIENCE);
        assert_eq!(look(&mut keeper, 4), Verdict::Wait(Some(start + seconds(5))));
        assert_eq!(look(&mut keeper, 5), Verdict::Unclosed);
    }

    #[test]
    fn a_message_has_to_make_progress() {
        let start = Instant::now();
        let at = |n| start + seconds(n);
        let mut keeper = Keeper::default();
        let mut look = |now, bytes| keeper.look(at(now), at(now), bytes, &PATIENCE);
        assert_eq!(look(0, Some(50)), Verdict::Wait(Some(at(10))));
        assert_eq!(look(10, Some(500)), Verdict::Wait(Some(at(15))), "five seconds' worth more");
        assert_eq!(look(15, Some(599)), Verdict::Refuse(Reject::SlowMessage));
        assert_eq!(look(15, None), Verdict::Wait(Some(at(45))), "finished after all");
        assert_eq!(look(16, Some(0)), Verdict::Wait(Some(at(26))), "the next has its own time");
        assert_eq!(
            look(17, Some(100_000)),
            Verdict::Wait(Some(at(27))),
            "what came fast buys no leave to stop"
        );
        assert_eq!(look(27, Some(100_000)), Verdict::Refuse(Reject::SlowMessage));
    }

    #[test]
    fn messages_that_follow_each_other_closely_are_timed_one_by_one() {
        let start = Instant::now();
        let mut keeper = Keeper::default();
        for second in 0..100 {
            let now = start + seconds(second);
            let verdict = keeper.look(now, now, Some(10), &PATIENCE);
            assert!(matches!(verdict, Verdict::Wait(Some(_))), "{second}: {verdict:?}");
            keeper.message_done(); // the rest came with the beginning of the next
        }
    }

    #[test]
    fn control_frames_are_counted_by_the_second() {
        let start = Instant::now();
        let mut keeper = Keeper::default();
        for (ms, good) in [
            (0, true),
            (10, true),
            (999, true),
            (999, false),
            (1000, true),
            (1500, true),
            (1600, true),
            (1700, false),
        ] {
            let counted = keeper.control(start + Duration::from_millis(ms), &PATIENCE);
            assert_eq!(
                counted,
                if good { Ok(()) } else { Err(Reject::ControlFlood { limit: 3 }) },
                "at {ms} ms"
            );
        }
    }
}
