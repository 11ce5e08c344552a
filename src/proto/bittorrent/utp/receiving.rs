//! What a packet changes: whether it is from the peer at all, what it acknowledges, what it brings, and whether all is said (BEP 29, "packet loss").
//!
//! Addresses can be forged, ids and numbers guessed: what acknowledges something that was never sent, or has a number far from all that count, changes nothing, and is not
//! answered.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::connection::{Changes, Connection, FIRST, Moment, Reason, State, over};
use super::header::{Kind, Packet, widen};
use super::incoming::Incoming;
use super::limits::REORDER;

/// How long one that is closed answers a peer that has not heard of it: two of its shortest timeouts.
const LINGER: Duration = Duration::from_secs(1);

/// What uTorrent sends as a difference when it has none.
const NO_DIFFERENCE: u32 = i32::MAX.cast_unsigned();

impl Connection {
    /// A packet has come.
    pub(super) fn receive(&mut self, now: Moment, packet: &Packet<'_>, datagram: &Bytes) -> Changes {
        let mut changes = Changes::default();
        let header = &packet.header;
        let ack = widen(self.flight.first() - 1, header.ack);
        let known = ack + REORDER >= self.flight.first() && ack <= self.flight.next();
        match (self.state, header.kind) {
            // It acknowledges nothing yet.
            (State::SynReceived { .. }, Kind::Syn) => {
                self.ack_due = true;
                return changes;
            }
            (_, Kind::Syn) => return changes,
            _ if !known => return changes,
            (State::Done { .. }, kind) => {
                self.ack_due |= matches!(kind, Kind::Fin | Kind::Data);
                return changes;
            }
            (state, Kind::Reset) => {
                let refused = state == State::SynSent;
                return over(if refused { Reason::Refused } else { Reason::Reset });
            }
            (State::SynSent, kind) => {
                // Whether this is the number of the next packet is known of a ST_STATE alone.
                if kind != Kind::State || ack + 1 != self.flight.first() {
                    return changes;
                }
                let next = FIRST + u64::from(header.sequence);
                self.incoming = Incoming::new(next, self.limits.receive_window);
                if self.silent == 0 {
                    self.round_trip.add(now.at.saturating_duration_since(self.last_sent));
                }
                (self.state, self.ack_due, self.timer, self.in_vain) = (State::Connected, true, None, 0);
                changes.connected = true;
            }
            (State::SynReceived { .. } | State::Connected, _) => {}
        }
        let number = widen(self.incoming.next(), header.sequence);
        // An acknowledgement of what was not sent, or a number from nowhere: it is not from the peer.
        if ack >= self.flight.next() || number.abs_diff(self.incoming.next()) > REORDER {
            return changes;
        }
        if matches!(self.state, State::SynReceived { .. }) {
            if ack + 1 != self.flight.first() {
                return changes;
            }
            self.state = State::Connected;
            changes.connected = true;
        }
        self.silent = 0;
        let unanswered = header.window == self.peer_window && header.kind == Kind::State;
        if ack + 1 >= self.flight.first() {
            // One that was overtaken by others says what is not so any more.
            self.peer_window = header.window;
        }
        self.measure(now, packet);
        self.acknowledged(now.at, ack, packet.mask, unanswered, &mut changes);
        self.payload(number, packet, datagram, &mut changes);
        if self.fin_acked && self.incoming.ended() {
            self.state = State::Done { until: now.at + LINGER };
            self.timer = None;
            changes.closed = Some(Reason::Closed);
        }
        changes
    }

    /// What the clocks say.
    fn measure(&mut self, now: Moment, packet: &Packet<'_>) {
        let header = &packet.header;
        self.difference = now.micros.wrapping_sub(header.timestamp);
        if header.difference != 0 && header.difference != NO_DIFFERENCE {
            self.delays.add(now.at, header.difference);
        }
    }

    /// What has arrived at the peer, and what by that is lost.
    fn acknowledged(
        &mut self,
        now: Instant,
        ack: u64,
        mask: Option<&[u8]>,
        bare: bool,
        changes: &mut Changes,
    ) {
        let Self { flight, size, .. } = self;
        let under_way = flight.bytes();
        let again = ack + 1 == flight.first() && bare && mask.is_none() && !flight.is_empty();
        let mut grown = false;
        let least = self.round_trip.least();
        let acked = flight
            .acknowledge(now, ack, mask.unwrap_or_default(), least, |number| grown |= size.arrived(number));
        if again {
            flight.duplicate();
        }
        let mut loss = false;
        let mut hear = |number, order| {
            // What is lost because it is large says nothing about the link.
            loss |= !size.is_probe(number) && order > self.answered;
            size.lost(number);
        };
        flight.find_lost(&mut hear);
        if let Some(mask) = mask.filter(|mask| !mask.is_empty() && mask.iter().all(|byte| *byte == 0))
            && let Some(sent_by) = self.round_trip.mean().and_then(|mean| now.checked_sub(mean))
        {
            flight.lose_unnamed(ack + 1 + 8 * mask.len() as u64, sent_by, &mut hear);
        }
        if grown {
            self.ledbat.set_packet(size.size());
        }
        if let Some(round_trip) = acked.round_trip {
            self.round_trip.add(round_trip);
        }
        let round_trip = self.round_trip.mean().unwrap_or_default();
        if acked.packets > 0 {
            // A queue in which a packet waits longer than it takes there and back does not exist.
            let queueing = self.delays.queueing();
            let queueing = queueing.map(|waits| acked.round_trip.map_or(waits, |both| both.min(waits)));
            self.ledbat.acked(now, acked.bytes, under_way, queueing, round_trip);
            (self.in_vain, self.probed, self.window_probe) = (0, 0, false);
            self.fin_acked |= acked.fin;
            self.closing = self.closing.map(|_| now);
            let late = now + self.patience();
            self.timer = (!self.flight.is_empty()).then_some(late);
        }
        if loss {
            self.answered = self.flight.orders();
            self.ledbat.lost(now, round_trip);
        }
        if let Some(until) = acked.until {
            self.queue.release(until);
            if self.wants_room && self.room() >= self.limits.send_buffer / 4 {
                (self.wants_room, changes.writable) = (false, true);
            }
        }
        self.wait_for_room(now);
    }

    fn payload(&mut self, number: u64, packet: &Packet<'_>, datagram: &Bytes, changes: &mut Changes) {
        let (had, ended) = (self.incoming.readable(), self.incoming.ended());
        match packet.header.kind {
            Kind::Data => self.incoming.data(number, datagram.slice(packet.payload.min(datagram.len())..)),
            Kind::Fin => self.incoming.fin(number),
            _ => return,
        }
        self.ack_due = true;
        changes.readable = had == 0 && self.incoming.readable() > 0;
        changes.ended = !ended && self.incoming.ended();
    }
}
