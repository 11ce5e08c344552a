//! What time does to a connection: packets that are not acknowledged are sent again, each time after twice as long (BEP 29, "timeouts"), and at last the peer is given up.
//!
//! A timeout is half a second at least, which is long where packets take a millisecond: so before the first one a packet is sent once more, and what it is answered by
//! shows what was lost (RFC 8985, section 7).

use std::time::{Duration, Instant};

use super::connection::{Changes, Connection, Reason, State, over};

/// Timeouts in a row until a peer is given up: about a minute, as each takes twice as long as the one before. libtorrent has 3, libutp 4.
const TIMEOUTS: u32 = 6;

/// Likewise of the first packet: 1, 2, 4 and 8 seconds.
const SYN_TIMEOUTS: u32 = 4;

/// Likewise when both sides have said all, and the peer is only to confirm that it has heard it (libtorrent: 2).
const FIN_TIMEOUTS: u32 = 2;

/// How long to wait for an acknowledgement at least until one is asked for: more than a computer that is busy takes.
const TAIL: Duration = Duration::from_millis(10);

/// How long somebody who asked for a connection may take to use it.
const HALF_OPEN: Duration = Duration::from_secs(10);

/// How long nothing is sent at most, so that routers on the way remember the addresses (libutp: `KEEPALIVE_INTERVAL`).
const KEEP_ALIVE: Duration = Duration::from_secs(29);

/// How long a connection that is being closed may make no progress.
const CLOSING: Duration = Duration::from_secs(30);

impl Connection {
    /// When [`time`](Self::time) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::SynSent => self.timer,
            State::SynReceived { since } => Some(since + HALF_OPEN),
            State::Done { until } => Some(until),
            State::Connected => {
                let closing = self.closing.map(|since| since + CLOSING);
                let alive = (!self.ack_due).then_some(self.last_sent + KEEP_ALIVE);
                [self.timer, closing, alive].into_iter().flatten().min()
            }
        }
    }

    /// Time has gone by.
    pub(super) fn time(&mut self, now: Instant) -> Changes {
        let timer = self.timer.filter(|timer| *timer <= now).is_some();
        match self.state {
            State::SynReceived { since } if since + HALF_OPEN <= now => {
                return Changes { gone: true, ..Changes::default() };
            }
            State::Done { until } if until <= now => return Changes { gone: true, ..Changes::default() },
            State::SynSent if timer => {
                self.silent += 1;
                if self.silent >= SYN_TIMEOUTS {
                    return over(Reason::TimedOut);
                }
                (self.syn_due, self.timer) = (true, None);
                self.in_vain += 1;
            }
            State::Connected => {
                if self.closing.is_some_and(|since| since + CLOSING <= now) {
                    return over(if self.fin_acked { Reason::Closed } else { Reason::TimedOut });
                }
                self.ack_due |= self.last_sent + KEEP_ALIVE <= now;
                if timer && self.tail().is_some() && self.probe(now) {
                    return Changes::default();
                }
                if timer {
                    self.silent += 1;
                    let said_all = self.fin_sent && self.queue.held() == 0 && self.incoming.ended();
                    if said_all && self.silent > FIN_TIMEOUTS {
                        return over(Reason::Closed);
                    }
                    if self.silent > TIMEOUTS {
                        return over(Reason::TimedOut);
                    }
                    self.time_out(now);
                }
            }
            _ => {}
        }
        Changes::default()
    }

    /// How long to wait for something to arrive.
    pub(super) fn patience(&self) -> Duration {
        self.tail().unwrap_or_else(|| self.round_trip.timeout(self.in_vain))
    }

    /// How long to wait until one packet is sent again to hear of the others: twice as long each time, as long as that comes well before a timeout.
    fn tail(&self) -> Option<Duration> {
        let mean = self.round_trip.mean().filter(|_| self.in_vain == 0 && self.peer_window > 0)?;
        let tail = (mean * 2).max(TAIL).saturating_mul(1 << self.probed.min(16));
        (tail < self.round_trip.timeout(0) / 2).then_some(tail)
    }

    /// Has one packet sent again, whatever the window: if those at the end were lost, nothing behind them shows it, and what this one is answered by does.
    fn probe(&mut self, now: Instant) -> bool {
        let Self { flight, size, .. } = self;
        self.beyond = flight.probe(|number| size.lost(number));
        if self.beyond {
            self.probed += 1;
            self.timer = Some(now + self.patience());
        }
        self.beyond
    }

    /// Nothing has arrived for as long as it should take.
    fn time_out(&mut self, now: Instant) {
        self.in_vain += 1;
        self.timeouts += 1;
        let Self { flight, size, .. } = self;
        let only_probe = size.is_probe(flight.first()) && flight.next() == flight.first() + 1;
        flight.time_out(|number| size.lost(number));
        if flight.is_empty() {
            self.window_probe = true;
        } else if !only_probe && self.peer_window > 0 {
            size.timed_out(self.in_vain);
            self.ledbat.set_packet(size.size());
            self.ledbat.timed_out();
        }
        self.answered = self.flight.orders();
        self.timer = Some(now + self.round_trip.timeout(self.in_vain));
    }

    /// If the peer has no room and nothing is under way that it would answer, it is asked after a while.
    pub(super) fn wait_for_room(&mut self, now: Instant) {
        if self.state != State::Connected || !self.flight.is_empty() {
            return;
        }
        if self.peer_window > 0 || self.queue.unsent() == 0 {
            (self.timer, self.in_vain, self.window_probe) = (None, 0, false);
        } else {
            self.timer.get_or_insert(now + self.round_trip.timeout(self.in_vain));
        }
    }
}
