//! All connections of one UDP socket, each known by the peer's address and the id in its packets.
//!
//! Nobody is sent more than one small packet before a number by chance has come back from its address: so nobody can have us send to a third (BEP 29 says nothing of
//! that; Adamsky and others, "P2P File-Sharing in Hell", 2015, show what came of it).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::connection::{Changes, Connection, Moment, Reason, State, Statistics};
use super::header::{Fault, Header, Packet};
use super::limits::Limits;
use super::routing::{RESETS, reset};
use super::table::{Handle, Table};
use crate::proto::bittorrent::hash::Sha1;

/// How often an id is drawn that is not taken.
const DRAWS: u32 = 16;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A connection that we asked for can be used.
    Connected(Handle),
    /// Somebody has connected, whose address is proven.
    Accepted(Handle, SocketAddr),
    /// There is something to [`read`](Utp::read), where there was nothing.
    Readable(Handle),
    /// There is room to [`write`](Utp::write), after not all was taken.
    Writable(Handle),
    /// The peer has said all. What it has said can be read, and be answered, until [`close`](Utp::close).
    Finished(Handle),
    /// It is over: the handle means nothing any more.
    Closed(Handle, Reason),
}

/// Why there is no new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are as many as there may be.
    #[error("there are {0} connections already")]
    Full(usize),
    /// All ids that were drawn are taken: there are tens of thousands to this address.
    #[error("no id is free for this address")]
    NoId,
}

/// Packets to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: SocketAddr,
    /// Bytes of each datagram but the last, which may be shorter.
    pub segment: usize,
    /// Whether it is to be sent so that no router fragments it (`IP_PMTUDISC_PROBE`; all others with `IP_PMTUDISC_DONT`). It is one datagram then, and no fault if it cannot be
    /// sent because it is too large.
    pub probe: bool,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) connection: Connection,
    /// Whether it waits to transmit.
    pub(super) queued: bool,
    /// When it is looked at; never after its deadline.
    pub(super) timer: Option<Instant>,
    /// Whether somebody has heard of it.
    pub(super) known: bool,
}

/// The connections of one UDP socket.
#[derive(Debug)]
pub struct Utp {
    pub(super) limits: Limits,
    pub(super) epoch: Instant,
    pub(super) seed: u64,
    pub(super) drawn: u64,
    pub(super) table: Table<Entry>,
    pub(super) by_id: BTreeMap<(SocketAddr, u16), Handle>,
    /// The last that a packet came for: most often the next one is for it as well.
    pub(super) last: Option<((SocketAddr, u16), Handle)>,
    pub(super) ready: VecDeque<Handle>,
    pub(super) timers: BTreeSet<(Instant, Handle)>,
    pub(super) events: VecDeque<Event>,
    /// Those whose address was not proven when they came, the oldest first.
    pub(super) half_open: VecDeque<Handle>,
    pub(super) resets: VecDeque<(SocketAddr, Header)>,
    /// Resets that may be sent until then.
    pub(super) allowed: (u32, Instant),
}

impl Utp {
    /// None yet. `seed` is to be a secret: ids and numbers that prove addresses come from it.
    #[must_use]
    pub fn new(limits: Limits, now: Instant, seed: u64) -> Self {
        Self {
            limits,
            epoch: now,
            seed,
            drawn: 0,
            table: Table::new(),
            by_id: BTreeMap::new(),
            last: None,
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            events: VecDeque::new(),
            half_open: VecDeque::new(),
            resets: VecDeque::new(),
            allowed: (limits.resets, now),
        }
    }

    /// Whether a datagram may be for it, and not for the DHT or from a tracker, which share the socket.
    #[must_use]
    pub fn is_packet(datagram: &[u8]) -> bool {
        Packet::looks_like(datagram)
    }

    /// How many connections there are, those that nobody was told of among them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.table.len()
    }

    /// Asks a peer for a connection.
    ///
    /// # Errors
    /// There are too many.
    pub fn connect(&mut self, now: Instant, to: SocketAddr) -> Result<Handle, Refused> {
        if self.table.len() >= self.limits.connections {
            return Err(Refused::Full(self.table.len()));
        }
        let taken = |utp: &Self, id: u16| utp.by_id.contains_key(&(to, id));
        for _ in 0..DRAWS {
            let id = self.draw();
            if !taken(self, id) && !taken(self, id.wrapping_add(1)) && !taken(self, id.wrapping_sub(1)) {
                let connection = Connection::to(now, to, id, self.draw(), self.limits);
                return Ok(self.insert(connection, true));
            }
        }
        Err(Refused::NoId)
    }

    /// A datagram has come. Its payload is kept by reference until it is read, so its memory should not be much larger than what it has.
    ///
    /// # Errors
    /// It is no packet of uTP. Nothing has changed then.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: Bytes) -> Result<(), Fault> {
        let packet = Packet::read(&datagram)?;
        let Some(handle) = self.find(from, &packet.header) else {
            self.stranger(now, from, &packet);
            return Ok(());
        };
        let moment = self.moment(now);
        if let Some(entry) = self.table.get_mut(handle) {
            let changes = entry.connection.receive(moment, &packet, &datagram);
            self.apply(handle, changes);
        }
        Ok(())
    }

    /// Appends datagrams for one peer, at most `most`, all of one size but the last; to be called until it gives none. What has come should be
    /// [`read`](Utp::read) before, so that the peer hears of the room.
    pub fn transmit(&mut self, now: Instant, out: &mut Vec<u8>, most: usize) -> Option<Transmit> {
        let moment = self.moment(now);
        if let Some((to, mut header)) = self.resets.pop_front() {
            header.timestamp = moment.micros;
            let begin = out.len();
            header.write_bare(out);
            return Some(Transmit { to, segment: out.len() - begin, probe: false });
        }
        while let Some(handle) = self.ready.pop_front() {
            let Some(entry) = self.table.get_mut(handle) else { continue };
            entry.queued = false;
            let batch = entry.connection.transmit(moment, out, most.max(1));
            let to = entry.connection.peer;
            self.arm(handle);
            if let Some(batch) = batch {
                // The others have their turn before it has another.
                self.queue(handle);
                return Some(Transmit { to, segment: batch.segment, probe: batch.probe });
            }
        }
        None
    }

    /// When [`handle_timeout`](Utp::handle_timeout) has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, handle)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, handle));
            if let Some(entry) = self.table.get_mut(handle) {
                entry.timer = None;
                let due = entry.connection.deadline().is_some_and(|deadline| deadline <= now);
                let changes = if due { entry.connection.time(now) } else { Changes::default() };
                self.apply(handle, changes);
            }
        }
    }

    /// What has happened, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// How many bytes may be written; 0 if the connection is closed or over.
    #[must_use]
    pub fn writable(&self, handle: Handle) -> usize {
        self.table.get(handle).map_or(0, |entry| entry.connection.room())
    }

    /// Takes as many bytes from the front of `bytes` as there is room for, and says how many. If some are left, [`Event::Writable`] tells when to go on.
    pub fn write(&mut self, now: Instant, handle: Handle, bytes: &mut Bytes) -> usize {
        let Some(entry) = self.table.get_mut(handle) else { return 0 };
        let taken = entry.connection.write(bytes);
        entry.connection.wait_for_room(now);
        self.queue(handle);
        self.arm(handle);
        taken
    }

    /// Takes bytes that have come, in order; `None` if there are none at present.
    pub fn read(&mut self, handle: Handle) -> Option<Bytes> {
        let entry = self.table.get_mut(handle)?;
        let bytes = entry.connection.read();
        if entry.connection.ack_due {
            self.queue(handle);
        }
        bytes
    }

    /// Sends what was written, and the end. Nothing is read any more. [`Event::Closed`] follows when the peer has agreed, or has not for half a minute.
    pub fn close(&mut self, now: Instant, handle: Handle) {
        let Some(entry) = self.table.get_mut(handle) else { return };
        if entry.connection.state == State::SynSent {
            // The peer has heard of nothing that could be ended.
            self.apply(handle, Changes { closed: Some(Reason::Closed), gone: true, ..Changes::default() });
            return;
        }
        entry.connection.close(now);
        self.queue(handle);
        self.arm(handle);
    }

    /// Forgets a connection at once, and tells the peer so. No event follows.
    pub fn abort(&mut self, handle: Handle) {
        let Some(entry) = self.table.get(handle) else { return };
        let connection = &entry.connection;
        if connection.state == State::Connected && self.resets.len() < RESETS {
            let (sequence, ack) = (connection.flight.next(), connection.incoming.next() - 1);
            let header = reset(connection.send_id, sequence as u16, ack as u16);
            self.resets.push_back((connection.peer, header));
        }
        self.remove(handle);
    }

    /// Whose it is.
    #[must_use]
    pub fn peer(&self, handle: Handle) -> Option<SocketAddr> {
        self.table.get(handle).map(|entry| entry.connection.peer)
    }

    /// What is measured of it.
    #[must_use]
    pub fn statistics(&self, handle: Handle) -> Option<Statistics> {
        self.table.get(handle).map(|entry| entry.connection.statistics())
    }

    pub(super) fn moment(&self, now: Instant) -> Moment {
        // Modulo 32 bits, as packets have it.
        let micros = now.saturating_duration_since(self.epoch).as_micros() as u32;
        Moment { at: now, micros: micros.wrapping_add(self.seed as u32) }
    }

    /// A number that nobody can guess who has seen others.
    pub(super) fn draw(&mut self) -> u16 {
        self.drawn += 1;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.seed.to_be_bytes());
        bytes[8..].copy_from_slice(&self.drawn.to_be_bytes());
        let Sha1([high, low, ..]) = Sha1::of(&bytes);
        u16::from_be_bytes([high, low])
    }
}
