//! Which connection a packet is for, what comes of one that is for none, and the lists that lead to connections: by id, by time, and of those that have something to send.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::connection::{Changes, Connection};
use super::header::{Header, Kind, Packet};
use super::multiplex::{Entry, Event, Utp};
use super::table::Handle;

/// `ST_RESET`s that wait to be sent, at most.
pub(super) const RESETS: usize = 64;

impl Utp {
    /// The connection that a packet is for.
    pub(super) fn find(&mut self, from: SocketAddr, header: &Header) -> Option<Handle> {
        let id = match header.kind {
            Kind::Syn => header.connection.wrapping_add(1),
            _ => header.connection,
        };
        if let Some((key, handle)) = self.last
            && key == (from, id)
        {
            return Some(handle);
        }
        let found = self.by_id.get(&(from, id)).copied();
        if let Some(handle) = found {
            self.last = Some(((from, id), handle));
        }
        if found.is_some() || header.kind != Kind::Reset {
            return found;
        }
        // Who knows no such connection does not know its ids either, and repeats the one that we sent.
        let neighbours = [id.wrapping_sub(1), id.wrapping_add(1)];
        let sends =
            |handle: &Handle| self.table.get(*handle).is_some_and(|entry| entry.connection.send_id == id);
        neighbours.into_iter().filter_map(|id| self.by_id.get(&(from, id)).copied()).find(sends)
    }

    /// A packet that is for no connection.
    pub(super) fn stranger(&mut self, now: Instant, from: SocketAddr, packet: &Packet<'_>) {
        let header = &packet.header;
        match header.kind {
            Kind::Reset => {}
            Kind::Syn => {
                if self.half_open.len() >= self.limits.half_open {
                    self.evict();
                }
                if self.table.len() < self.limits.connections && self.limits.half_open > 0 {
                    let connection = Connection::from(now, from, packet, self.draw(), self.limits);
                    let handle = self.insert(connection, false);
                    self.half_open.push_back(handle);
                }
            }
            _ => {
                if self.resets.len() < RESETS && self.may_reset(now) {
                    self.resets.push_back((from, reset(header.connection, 0, header.sequence)));
                }
            }
        }
    }

    /// Whether one more packet from nowhere may be answered.
    fn may_reset(&mut self, now: Instant) -> bool {
        let (left, until) = &mut self.allowed;
        if now >= *until {
            (*left, *until) = (self.limits.resets, now + Duration::from_secs(1));
        }
        let may = *left > 0;
        *left = left.saturating_sub(1);
        may
    }

    /// The oldest of those that are not proven makes room.
    fn evict(&mut self) {
        if let Some(handle) = self.half_open.pop_front()
            && self.table.get(handle).is_some_and(|entry| !entry.known)
        {
            self.remove(handle);
        }
    }

    pub(super) fn insert(&mut self, connection: Connection, known: bool) -> Handle {
        let key = (connection.peer, connection.receive_id);
        let handle = self.table.insert(Entry { connection, queued: false, timer: None, known });
        self.by_id.insert(key, handle);
        self.queue(handle);
        self.arm(handle);
        handle
    }

    pub(super) fn remove(&mut self, handle: Handle) {
        let Some(entry) = self.table.remove(handle) else { return };
        let key = (entry.connection.peer, entry.connection.receive_id);
        self.by_id.remove(&key);
        self.last = self.last.filter(|(_, last)| *last != handle);
        if let Some(timer) = entry.timer {
            self.timers.remove(&(timer, handle));
        }
    }

    /// Tells what has changed.
    pub(super) fn apply(&mut self, handle: Handle, changes: Changes) {
        let Some(entry) = self.table.get_mut(handle) else { return };
        if changes.connected {
            let accepted = Event::Accepted(handle, entry.connection.peer);
            self.events.push_back(if entry.known { Event::Connected(handle) } else { accepted });
            entry.known = true;
        }
        let told = [
            (changes.readable, Event::Readable(handle)),
            (changes.writable, Event::Writable(handle)),
            (changes.ended, Event::Finished(handle)),
        ];
        self.events.extend(told.into_iter().filter_map(|(is, event)| (is && entry.known).then_some(event)));
        if let Some(reason) = changes.closed.filter(|_| entry.known) {
            self.events.push_back(Event::Closed(handle, reason));
        }
        if changes.gone {
            self.remove(handle);
            return;
        }
        self.queue(handle);
        self.arm(handle);
    }

    /// It may have something to send.
    pub(super) fn queue(&mut self, handle: Handle) {
        if let Some(entry) = self.table.get_mut(handle)
            && !std::mem::replace(&mut entry.queued, true)
        {
            self.ready.push_back(handle);
        }
    }

    /// Sets its timer. A deadline moves with every packet; the timer only if it would be late.
    pub(super) fn arm(&mut self, handle: Handle) {
        let Some(entry) = self.table.get_mut(handle) else { return };
        let Some(deadline) = entry.connection.deadline() else { return };
        if let Some(timer) = entry.timer {
            if timer <= deadline {
                return;
            }
            self.timers.remove(&(timer, handle));
        }
        entry.timer = Some(deadline);
        self.timers.insert((deadline, handle));
    }
}

/// What says that there is no such connection.
pub(super) fn reset(connection: u16, sequence: u16, ack: u16) -> Header {
    Header { kind: Kind::Reset, connection, timestamp: 0, difference: 0, window: 0, sequence, ack }
}
