//! How many bytes may be under way: as many as fill the link and hold packets in its queue for a tenth of a second, and no more (LEDBAT, RFC 6817; BEP 29, "congestion control").
//!
//! Three rules are of its successor, LEDBAT++ (draft-irtf-iccrg-ledbat-plus-plus, section 4), because BEP 29's have a known flaw: who comes late takes the queue of
//! those who were there for the length of the link, and starves them. So above the target the window shrinks in proportion to itself; slow start ends before the target is
//! reached; and now and then, if there was a queue, we step aside for two round trips, and see how long the empty link is.

use std::time::{Duration, Instant};

/// How long packets are to wait in queues (BEP 29, `CCONTROL_TARGET`; RFC 6817: at most this).
pub(super) const TARGET: Duration = Duration::from_millis(100);

/// Bytes that the window grows by in a round trip (BEP 29, `MAX_CWND_INCREASE_PACKETS_PER_RTT`).
const GAIN: f64 = 3000.0;

/// Packets at the beginning: `INIT_CWND` of RFC 6817 is 2; TCP has 10 by now (RFC 6928), and a peer is proven when this counts.
const INITIAL: f64 = 4.0;

/// Packets at least: `MIN_CWND`.
const LEAST: f64 = 2.0;

/// The part of the target at which slow start ends.
const CAUTION: f64 = 0.75;

/// The part of the target that is a queue.
const QUEUE: f64 = 0.5;

/// Between two times that we step aside, as a multiple of how long that takes.
const PAUSE: u32 = 9;

/// Whether we make room for others.
#[derive(Clone, Copy, Debug)]
enum Aside {
    /// The first time comes after slow start.
    Not,
    /// From then on, if there was a queue since.
    From { at: Instant, queue: bool },
    /// Since and until then there are few packets under way.
    Stepping { since: Instant, until: Instant },
    /// Slow start back to where it was.
    Returning { since: Instant },
}

/// The window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ledbat {
    /// Bytes.
    window: f64,
    /// Bytes of a packet.
    packet: f64,
    /// Where slow start ends.
    threshold: f64,
    slow_start: bool,
    aside: Aside,
}

impl Ledbat {
    pub(super) fn new(packet: u16) -> Self {
        let packet = f64::from(packet);
        Self {
            window: packet * INITIAL,
            packet,
            threshold: f64::INFINITY,
            slow_start: true,
            aside: Aside::Not,
        }
    }

    /// Bytes that may be under way.
    pub(super) fn window(&self) -> u64 {
        // Not negative, and not beyond what has ever been under way.
        self.window as u64
    }

    /// Packets have another size from now on.
    pub(super) fn set_packet(&mut self, packet: u16) {
        self.packet = packet.into();
        self.window = self.window.max(self.packet * LEAST);
    }

    /// So many bytes have arrived, of those that were under way; and how long packets wait in queues.
    pub(super) fn acked(
        &mut self,
        now: Instant,
        acked: u64,
        under_way: u64,
        queueing: Option<Duration>,
        round_trip: Duration,
    ) {
        let waits = queueing.map_or(0.0, |queueing| queueing.as_secs_f64() / TARGET.as_secs_f64());
        self.step_aside(now, waits, round_trip);
        if matches!(self.aside, Aside::Stepping { .. }) {
            return;
        }
        let acked = acked as f64;
        // What was not used says nothing about whether more could be.
        let used = under_way as f64 + self.packet >= self.window;
        if self.slow_start {
            if waits < CAUTION && self.window < self.threshold {
                if used {
                    self.window += acked;
                }
                return;
            }
            self.end_slow_start(now, round_trip);
        }
        let share = (acked / self.window).min(1.0);
        let gain = if used { GAIN.max(2.0 * self.packet) } else { 0.0 };
        let change = (gain - self.window * (waits - 1.0).max(0.0)).max(-self.window / 2.0);
        self.window = (self.window + change * share).max(self.packet * LEAST);
    }

    fn end_slow_start(&mut self, now: Instant, round_trip: Duration) {
        self.slow_start = false;
        self.aside = match self.aside {
            Aside::Not => Aside::From { at: now + round_trip * 2, queue: true },
            Aside::Returning { since } => {
                let took = now.saturating_duration_since(since);
                Aside::From { at: now + took * PAUSE, queue: false }
            }
            other => other,
        };
    }

    fn step_aside(&mut self, now: Instant, waits: f64, round_trip: Duration) {
        match &mut self.aside {
            Aside::From { at, queue } => {
                *queue |= waits > QUEUE;
                if *queue && now >= *at && !self.slow_start {
                    self.threshold = self.window;
                    self.window = self.packet * LEAST;
                    self.aside = Aside::Stepping { since: now, until: now + round_trip * 2 };
                }
            }
            Aside::Stepping { since, until } if now >= *until => {
                self.aside = Aside::Returning { since: *since };
                self.slow_start = true;
            }
            _ => {}
        }
    }

    /// Packets of a round trip were lost.
    pub(super) fn lost(&mut self, now: Instant, round_trip: Duration) {
        if matches!(self.aside, Aside::Stepping { .. }) {
            self.threshold = (self.threshold / 2.0).max(self.packet * LEAST);
            return;
        }
        self.window = (self.window / 2.0).max(self.packet * LEAST);
        self.threshold = self.window;
        if self.slow_start {
            self.end_slow_start(now, round_trip);
        }
    }

    /// Nothing has arrived for long.
    pub(super) fn timed_out(&mut self) {
        if !matches!(self.aside, Aside::Stepping { .. }) {
            self.threshold = (self.window / 2.0).max(self.packet * LEAST);
        }
        self.window = self.packet;
        self.slow_start = true;
        self.aside = Aside::Not;
    }
}
