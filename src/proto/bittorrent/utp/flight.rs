//! Packets that were sent and are not acknowledged, in the order of their numbers: what an acknowledgement says of them, and which of them are lost.
//!
//! Each transmission has a place in the order of all of them. A packet is lost when three that were sent later have arrived (RFC 9002, section 6.1.1): that holds for what was
//! sent again as well, so a packet that is lost twice is found without waiting for a timeout.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::limits::IN_FLIGHT;

/// Packets that have to arrive behind one until it is lost (`kPacketThreshold`; three duplicate acknowledgements in BEP 29).
const THRESHOLD: u64 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Flying,
    Lost,
    Arrived,
}

/// A packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Where its bytes are in the stream.
    pub(super) offset: u64,
    /// How many they are.
    pub(super) length: u16,
    /// Whether it is the `ST_FIN`.
    pub(super) fin: bool,
    order: u64,
    at: Instant,
    again: bool,
    fate: Fate,
}

/// What an acknowledgement has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Acked {
    /// Packets that have arrived.
    pub(super) packets: u32,
    /// Bytes that have arrived.
    pub(super) bytes: u64,
    /// How long the newest packet took there and back, if it was sent once.
    pub(super) round_trip: Option<Duration>,
    /// Up to where all bytes of the stream have arrived.
    pub(super) until: Option<u64>,
    /// Whether the `ST_FIN` and all before it has arrived.
    pub(super) fin: bool,
}

/// The packets.
#[derive(Debug)]
pub(super) struct Flight {
    packets: VecDeque<Sent>,
    /// The number of the first of them.
    first: u64,
    /// Bytes under way.
    bytes: u64,
    /// How many are lost and not sent again.
    lost: usize,
    /// How many were lost in all.
    all_lost: u64,
    /// No packet before this one is lost.
    lost_from: u64,
    /// Transmissions so far.
    orders: u64,
    /// The latest transmission that has arrived.
    arrived: u64,
    /// Whether some of those that arrived were not the oldest.
    holes: bool,
    /// Acknowledgements that acknowledged nothing, since the last that did.
    duplicates: u32,
    /// The newest packet that was not full.
    partial: Option<u64>,
}

impl Flight {
    /// None yet; the first will have this number.
    pub(super) fn new(first: u64) -> Self {
        Self {
            packets: VecDeque::new(),
            first,
            bytes: 0,
            lost: 0,
            all_lost: 0,
            lost_from: first,
            orders: 0,
            arrived: 0,
            holes: false,
            duplicates: 0,
            partial: None,
        }
    }

    /// The number of the oldest that was not acknowledged, or else of the next.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next one will have.
    pub(super) fn next(&self) -> u64 {
        self.first + self.packets.len() as u64
    }

    /// Bytes under way.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether there can be no more of them.
    pub(super) fn is_full(&self) -> bool {
        self.packets.len() >= IN_FLIGHT
    }

    /// Whether one that is not full has not arrived.
    pub(super) fn has_partial(&self) -> bool {
        self.partial.is_some_and(|number| number >= self.first)
    }

    /// How many transmissions there were.
    pub(super) fn orders(&self) -> u64 {
        self.orders
    }

    /// How many were lost.
    pub(super) fn all_lost(&self) -> u64 {
        self.all_lost
    }

    /// A new one leaves; its number.
    pub(super) fn push(&mut self, now: Instant, offset: u64, length: u16, fin: bool, partial: bool) -> u64 {
        let number = self.next();
        self.orders += 1;
        self.bytes += u64::from(length);
        let order = self.orders;
        self.packets.push_back(Sent {
            offset,
            length,
            fin,
            order,
            at: now,
            again: false,
            fate: Fate::Flying,
        });
        if partial {
            self.partial = Some(number);
        }
        number
    }

    /// The first that is lost, with its number.
    pub(super) fn lost(&self) -> Option<(u64, Sent)> {
        if self.lost == 0 {
            return None;
        }
        let from = self.lost_from.saturating_sub(self.first) as usize;
        let found = self.packets.iter().enumerate().skip(from).find(|(_, packet)| packet.fate == Fate::Lost);
        found.map(|(index, packet)| (self.first + index as u64, *packet))
    }

    /// It leaves again.
    pub(super) fn sent_again(&mut self, now: Instant, number: u64) {
        let Some(packet) = self.packets.get_mut(number.saturating_sub(self.first) as usize) else { return };
        if packet.fate == Fate::Lost {
            self.lost -= 1;
            self.lost_from = number + 1;
            self.bytes += u64::from(packet.length);
        }
        self.orders += 1;
        (packet.fate, packet.again, packet.at, packet.order) = (Fate::Flying, true, now, self.orders);
    }

    /// All up to this number have arrived, and those that a mask names, whose first bit is two behind it. `arrived` hears of each. No number may be one that was not sent.
    pub(super) fn acknowledge(
        &mut self,
        now: Instant,
        ack: u64,
        mask: &[u8],
        least: Duration,
        mut arrived: impl FnMut(u64),
    ) -> Acked {
        let mut acked = Acked::default();
        let mut newest = None;
        let oldest = (ack + 1).saturating_sub(self.first) as usize;
        for index in 0..oldest.min(self.packets.len()) {
            self.arrive(now, index, least, &mut acked, &mut newest, &mut arrived);
        }
        let named = mask.iter().zip(0u64..).flat_map(|(byte, at)| {
            (0..8).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| at * 8 + bit)
        });
        for bit in named {
            let Some(index) = (ack + 2 + bit).checked_sub(self.first) else { continue };
            if index >= self.packets.len() as u64 {
                break;
            }
            self.holes = true;
            self.arrive(now, index as usize, least, &mut acked, &mut newest, &mut arrived);
        }
        while let Some(packet) = self.packets.front().filter(|packet| packet.fate == Fate::Arrived) {
            acked.until = Some(packet.offset + u64::from(packet.length));
            acked.fin |= packet.fin;
            self.packets.pop_front();
            self.first += 1;
            self.duplicates = 0;
        }
        acked
    }

    fn arrive(
        &mut self,
        now: Instant,
        index: usize,
        least: Duration,
        acked: &mut Acked,
        newest: &mut Option<u64>,
        arrived: &mut impl FnMut(u64),
    ) {
        let packet = &mut self.packets[index];
        match packet.fate {
            Fate::Arrived => return,
            Fate::Lost => self.lost -= 1,
            Fate::Flying => self.bytes -= u64::from(packet.length),
        }
        packet.fate = Fate::Arrived;
        acked.packets += 1;
        acked.bytes += u64::from(packet.length);
        let took = now.saturating_duration_since(packet.at);
        // What was sent again may have arrived the first time; not if that would have been too fast for the second (RFC 8985, section 6.2).
        if !packet.again || took >= least {
            self.arrived = self.arrived.max(packet.order);
            self.holes |= packet.again;
        }
        if !packet.again && newest.is_none_or(|newest| newest < packet.order) {
            *newest = Some(packet.order);
            acked.round_trip = Some(took);
        }
        arrived(self.first + index as u64);
    }

    /// An acknowledgement has acknowledged nothing. Of a peer that does not tell selectively, the third one shows that the oldest packet is lost.
    pub(super) fn duplicate(&mut self) {
        self.duplicates += 1;
        if u64::from(self.duplicates) == THRESHOLD
            && let Some(oldest) = self.packets.front()
        {
            self.arrived = self.arrived.max(oldest.order + THRESHOLD);
            self.holes = true;
        }
    }

    /// Finds those that are lost by what has arrived behind them. `lost` hears of each: its number and its place in the order.
    pub(super) fn find_lost(&mut self, lost: impl FnMut(u64, u64)) {
        if !self.holes {
            return;
        }
        let overtaken = self.arrived;
        self.lose(u64::MAX, |packet| packet.order + THRESHOLD <= overtaken, lost);
        self.holes = self.packets.iter().any(|packet| match packet.fate {
            Fate::Arrived => true,
            Fate::Flying => packet.order < overtaken,
            Fate::Lost => false,
        });
    }

    /// Likewise by a mask that names none, though some have come early, or there would be no mask: libtorrent counts its bytes without the gap in front of what came early, and
    /// where that is wide says nothing else. All up to this number have been overtaken, unless they were sent after this time.
    pub(super) fn lose_unnamed(&mut self, until: u64, sent_by: Instant, lost: impl FnMut(u64, u64)) {
        self.lose(until, |packet| packet.at <= sent_by, lost);
    }

    fn lose(&mut self, until: u64, is_lost: impl Fn(&Sent) -> bool, mut lost: impl FnMut(u64, u64)) {
        for (packet, number) in self.packets.iter_mut().zip(self.first..=until) {
            if packet.fate == Fate::Flying && is_lost(packet) {
                packet.fate = Fate::Lost;
                self.bytes -= u64::from(packet.length);
                self.lost += 1;
                self.all_lost += 1;
                self.lost_from = self.lost_from.min(number);
                lost(number, packet.order);
            }
        }
    }

    /// Has one sent again, the newest if none is lost; what it overtakes then is lost. `again` hears of it.
    pub(super) fn probe(&mut self, mut again: impl FnMut(u64)) -> bool {
        // All others were sent long before it.
        self.orders += THRESHOLD - 1;
        if self.lost > 0 {
            return true;
        }
        let newest = self.packets.iter().rposition(|packet| packet.fate == Fate::Flying);
        let Some(index) = newest else { return false };
        let (packet, number) = (&mut self.packets[index], self.first + index as u64);
        packet.fate = Fate::Lost;
        (self.lost, self.lost_from) = (1, number);
        self.bytes -= u64::from(packet.length);
        again(number);
        true
    }

    /// None has arrived for long: all are lost. `lost` hears of each.
    pub(super) fn time_out(&mut self, mut lost: impl FnMut(u64)) {
        for (packet, number) in self.packets.iter_mut().zip(self.first..) {
            if packet.fate == Fate::Flying {
                packet.fate = Fate::Lost;
                self.lost += 1;
                self.all_lost += 1;
                lost(number);
            }
        }
        self.bytes = 0;
        self.lost_from = self.first;
        self.duplicates = 0;
    }
}
