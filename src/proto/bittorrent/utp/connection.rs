//! A connection: what it is, how it begins (BEP 29, "connection setup"), and what its user does with it.
//!
//! Numbers of packets are counted in 64 bits, and start high enough never to go below nothing; only their lowest 16 bits are sent. What a packet changes is in `receiving`,
//! what time does in `timing`, and what leaves is decided in `sending`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::delay::Delays;
use super::flight::Flight;
use super::header::Packet;
use super::incoming::Incoming;
use super::ledbat::Ledbat;
use super::limits::Limits;
use super::mtu::PacketSize;
use super::queue::SendQueue;
use super::rtt::RoundTrip;

/// Added to all numbers of packets.
pub(super) const FIRST: u64 = 1 << 32;

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Both sides have said all, and heard it.
    #[error("it was closed")]
    Closed,
    /// The peer knows nothing of it any more.
    #[error("it was reset by the peer")]
    Reset,
    /// The peer does not want it.
    #[error("it was refused by the peer")]
    Refused,
    /// The peer does not answer.
    #[error("the peer does not answer")]
    TimedOut,
}

/// What is measured of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The average time to the peer and back, once it is known.
    pub round_trip: Option<Duration>,
    /// How long packets to the peer wait in queues.
    pub queueing: Option<Duration>,
    /// Bytes that may be under way.
    pub window: u64,
    /// Bytes that are under way.
    pub under_way: u64,
    /// Bytes of a datagram.
    pub datagram: u16,
    /// Packets with data that were sent, again or for the first time.
    pub sent: u64,
    /// Those that were taken for lost.
    pub lost: u64,
    /// How often nothing arrived for as long as it should take.
    pub timeouts: u32,
}

/// Now, by our clock and as packets say it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) micros: u32,
}

/// What somebody has to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// It can be used. Whoever did not begin it hears of it now.
    pub(super) connected: bool,
    /// There is something to read.
    pub(super) readable: bool,
    /// There is room to write again.
    pub(super) writable: bool,
    /// The peer has said all.
    pub(super) ended: bool,
    /// It is over.
    pub(super) closed: Option<Reason>,
    /// It is to be forgotten.
    pub(super) gone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// We asked for it: `CS_SYN_SENT`.
    SynSent,
    /// The peer asked for it, from an address that may not be its own: `CS_SYN_RECV`.
    SynReceived { since: Instant },
    /// `CS_CONNECTED`.
    Connected,
    /// Over, but the peer may not know.
    Done { until: Instant },
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    /// The id in what comes.
    pub(super) receive_id: u16,
    /// The id in what leaves.
    pub(super) send_id: u16,
    pub(super) state: State,
    pub(super) limits: Limits,
    pub(super) queue: SendQueue,
    pub(super) flight: Flight,
    pub(super) incoming: Incoming,
    pub(super) ledbat: Ledbat,
    pub(super) size: PacketSize,
    pub(super) round_trip: RoundTrip,
    /// How long what leaves takes, as the peer sees it.
    pub(super) delays: Delays,
    /// How long the last packet took that came.
    pub(super) difference: u32,
    /// Bytes that the peer has room for.
    pub(super) peer_window: u32,
    /// The room that the peer was told of last.
    pub(super) told_window: u32,
    /// Whether a `ST_STATE` has to leave, or what says the same.
    pub(super) ack_due: bool,
    /// Whether the `ST_SYN` has to leave.
    pub(super) syn_due: bool,
    /// Since when it is being closed, without progress.
    pub(super) closing: Option<Instant>,
    pub(super) fin_sent: bool,
    pub(super) fin_acked: bool,
    /// Whether a byte is sent to a peer without room, to see if there is any.
    pub(super) window_probe: bool,
    /// When what was sent is taken for lost.
    pub(super) timer: Option<Instant>,
    /// How often that has happened since something arrived.
    pub(super) in_vain: u32,
    /// How often a packet was sent again since something arrived, to hear what is lost.
    pub(super) probed: u32,
    /// Whether that is to leave, though there may be no room for it.
    pub(super) beyond: bool,
    /// How often nothing came for as long as it should, since anything came.
    pub(super) silent: u32,
    /// Likewise in all.
    pub(super) timeouts: u32,
    pub(super) last_sent: Instant,
    /// Losses of transmissions up to this one have been answered.
    pub(super) answered: u64,
    /// Whether somebody waits for room.
    pub(super) wants_room: bool,
}

impl Connection {
    /// One that we ask for. `number` is by chance.
    pub(super) fn to(now: Instant, peer: SocketAddr, receive_id: u16, number: u16, limits: Limits) -> Self {
        let mut connection = Self::new(now, peer, receive_id, receive_id.wrapping_add(1), number, limits);
        connection.state = State::SynSent;
        connection.syn_due = true;
        connection
    }

    /// One that a peer asks for by its packet. `number` is by chance, and proves the peer's address when it comes back.
    pub(super) fn from(
        now: Instant,
        peer: SocketAddr,
        syn: &Packet<'_>,
        number: u16,
        limits: Limits,
    ) -> Self {
        let send_id = syn.header.connection;
        let mut connection = Self::new(now, peer, send_id.wrapping_add(1), send_id, number, limits);
        let next = FIRST + u64::from(syn.header.sequence) + 1;
        connection.incoming = Incoming::new(next, limits.receive_window);
        connection.peer_window = syn.header.window;
        connection.ack_due = true;
        connection
    }

    fn new(
        now: Instant,
        peer: SocketAddr,
        receive_id: u16,
        send_id: u16,
        number: u16,
        limits: Limits,
    ) -> Self {
        let size = PacketSize::new(peer);
        Self {
            peer,
            receive_id,
            send_id,
            state: State::SynReceived { since: now },
            limits,
            queue: SendQueue::default(),
            flight: Flight::new(FIRST + u64::from(number)),
            incoming: Incoming::new(FIRST, limits.receive_window),
            ledbat: Ledbat::new(size.size()),
            size,
            round_trip: RoundTrip::default(),
            delays: Delays::default(),
            difference: 0,
            peer_window: 0,
            told_window: limits.receive_window,
            ack_due: false,
            syn_due: false,
            closing: None,
            fin_sent: false,
            fin_acked: false,
            window_probe: false,
            timer: None,
            in_vain: 0,
            probed: 0,
            beyond: false,
            silent: 0,
            timeouts: 0,
            last_sent: now,
            answered: 0,
            wants_room: false,
        }
    }

    /// Bytes that may be written.
    pub(super) fn room(&self) -> usize {
        let open = self.closing.is_none() && !matches!(self.state, State::Done { .. });
        if open { self.limits.send_buffer.saturating_sub(self.queue.held()) } else { 0 }
    }

    /// Takes as many of these bytes as there is room for.
    pub(super) fn write(&mut self, bytes: &mut Bytes) -> usize {
        let taken = bytes.len().min(self.room());
        self.queue.push(bytes.split_to(taken));
        self.wants_room |= !bytes.is_empty();
        taken
    }

    /// Takes bytes that have come.
    pub(super) fn read(&mut self) -> Option<Bytes> {
        let bytes = self.incoming.read();
        let more = self.incoming.room().saturating_sub(self.told_window);
        // The peer may be waiting for room; to tell of every byte would make it send small packets.
        self.ack_due |= self.state == State::Connected && more >= self.limits.receive_window / 2;
        bytes
    }

    /// All that was written is the last; nothing will be read.
    pub(super) fn close(&mut self, now: Instant) {
        self.closing.get_or_insert(now);
        self.incoming.stop();
    }

    pub(super) fn statistics(&self) -> Statistics {
        Statistics {
            round_trip: self.round_trip.mean(),
            queueing: self.delays.queueing(),
            window: self.ledbat.window(),
            under_way: self.flight.bytes(),
            datagram: self.size.size(),
            sent: self.flight.orders(),
            lost: self.flight.all_lost(),
            timeouts: self.timeouts,
        }
    }
}

/// It is over, and forgotten at once.
pub(super) fn over(reason: Reason) -> Changes {
    Changes { closed: Some(reason), gone: true, ..Changes::default() }
}
