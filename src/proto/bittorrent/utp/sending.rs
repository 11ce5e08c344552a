//! What leaves next: what is lost, then new bytes in packets as full as they can be, then an acknowledgement if nothing else said it (BEP 29, "packet sizes").
//!
//! Packets are written one behind another into one buffer, all of one size but the last, which may be shorter: that is how a system takes many of them at once
//! (`UDP_SEGMENT`). So data carries no selective acknowledgement; that goes by itself, at the end.

use super::connection::{Connection, Moment, State};
use super::flight::Sent;
use super::header::{Header, Kind, LENGTH};
use super::limits::REORDER;

/// Bytes that leave at once at most: what one send with `UDP_SEGMENT` takes.
const BATCH: usize = 65_000;

/// Full packets that have to follow one that tries a size, so that its loss shows.
const BEHIND_PROBE: usize = 3;

/// Packets that were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Bytes of each but the last.
    pub(super) segment: usize,
    /// Whether it is one that may not be fragmented.
    pub(super) probe: bool,
}

#[derive(Clone, Copy, Debug)]
enum Plan {
    Syn,
    State,
    Again { number: u64, sent: Sent },
    New { length: u16, partial: bool, probe: bool },
    Fin,
}

impl Connection {
    /// Appends packets, at most so many.
    pub(super) fn transmit(&mut self, now: Moment, out: &mut Vec<u8>, most: usize) -> Option<Batch> {
        let begin = out.len();
        let mut batch: Option<Batch> = None;
        for _ in 0..most {
            let Some((plan, length)) = self.plan() else { break };
            let probe = matches!(plan, Plan::New { probe: true, .. });
            let fits =
                |batch: &Batch| !probe && length <= batch.segment && out.len() - begin + length <= BATCH;
            if !batch.as_ref().is_none_or(fits) {
                break;
            }
            self.carry_out(now, plan, out);
            let batch = batch.get_or_insert(Batch { segment: length, probe });
            if probe || length < batch.segment {
                break;
            }
        }
        batch
    }

    /// What is next, and how many bytes it has.
    fn plan(&self) -> Option<(Plan, usize)> {
        match self.state {
            State::SynSent => self.syn_due.then_some((Plan::Syn, LENGTH)),
            State::SynReceived { .. } | State::Done { .. } => self.ack_due.then_some((Plan::State, LENGTH)),
            State::Connected => self.plan_data().or_else(|| self.plan_state()),
        }
    }

    fn plan_state(&self) -> Option<(Plan, usize)> {
        if !self.ack_due {
            return None;
        }
        let mask = self.incoming.mask(&mut [0; REORDER as usize / 8]).len();
        Some((Plan::State, LENGTH + if mask > 0 { mask + 2 } else { 0 }))
    }

    fn plan_data(&self) -> Option<(Plan, usize)> {
        if let Some((number, sent)) = self.flight.lost() {
            let under_way = self.flight.bytes();
            let fits =
                self.beyond || under_way == 0 || under_way + u64::from(sent.length) <= self.ledbat.window();
            return fits.then_some((Plan::Again { number, sent }, LENGTH + usize::from(sent.length)));
        }
        if self.flight.is_full() {
            return None;
        }
        let unsent = self.queue.unsent();
        if unsent == 0 {
            return (self.closing.is_some() && !self.fin_sent).then_some((Plan::Fin, LENGTH));
        }
        self.plan_new(unsent).map(|(length, partial, probe)| {
            (Plan::New { length, partial, probe }, LENGTH + usize::from(length))
        })
    }

    /// How many new bytes leave, whether they fill a packet, and whether that tries a size.
    fn plan_new(&self, unsent: usize) -> Option<(u16, bool, bool)> {
        let under_way = self.flight.bytes();
        let window = self.ledbat.window().min(self.peer_window.into());
        let room = usize::try_from(window.saturating_sub(under_way)).unwrap_or(usize::MAX);
        let full = self.size.size() - LENGTH as u16;
        if let Some(larger) = self.size.candidate().map(|size| size - LENGTH as u16)
            && self.leaves_behind(window, unsent, larger, full)
        {
            // It waits for as much room as it needs: acknowledgements make room for one packet at a time.
            return (room >= usize::from(larger)).then_some((larger, false, true));
        }
        let mut length = u16::try_from(unsent).map_or(full, |unsent| unsent.min(full));
        if usize::from(length) > room {
            // One packet may always be under way, or none would be where the window is smaller.
            if under_way > 0 {
                return None;
            }
            let least = if self.window_probe { 1 } else { 0 };
            length = u16::try_from(self.peer_window.max(least)).map_or(length, |room| room.min(length));
        }
        // Nagle's rule as Minshall put it: one packet that is not full may be under way, the next waits until it is full.
        let partial = length < full;
        let waits = partial && self.closing.is_none() && self.flight.has_partial();
        (length > 0 && !waits).then_some((length, partial, false))
    }

    /// Whether enough packets can follow one that tries a size.
    fn leaves_behind(&self, window: u64, unsent: usize, larger: u16, full: u16) -> bool {
        let all = usize::from(larger) + BEHIND_PROBE * usize::from(full);
        unsent >= all && window >= all as u64
    }

    fn carry_out(&mut self, now: Moment, plan: Plan, out: &mut Vec<u8>) {
        self.last_sent = now.at;
        match plan {
            Plan::Syn => {
                self.syn_due = false;
                let mut header = self.header(now, Kind::Syn, self.flight.first() - 1);
                (header.connection, header.ack) = (self.receive_id, 0);
                header.write_bare(out);
                self.timer = Some(now.at + self.round_trip.timeout(self.in_vain));
                return;
            }
            Plan::State => {
                let header = self.header(now, Kind::State, self.flight.next());
                match self.incoming.mask(&mut [0; REORDER as usize / 8]) {
                    [] => header.write_bare(out),
                    mask => header.write_with_mask(mask, out),
                }
                (self.ack_due, self.told_window) = (false, header.window);
                return;
            }
            Plan::Again { number, sent } => {
                let kind = if sent.fin { Kind::Fin } else { Kind::Data };
                self.header(now, kind, number).write_bare(out);
                self.queue.copy(sent.offset, sent.length, out);
                self.flight.sent_again(now.at, number);
                self.beyond = false;
            }
            Plan::New { length, partial, probe } => {
                self.header(now, Kind::Data, self.flight.next()).write_bare(out);
                let offset = self.queue.next();
                self.queue.copy(offset, length, out);
                self.queue.sent(length);
                let number = self.flight.push(now.at, offset, length, false, partial);
                if probe {
                    self.size.tried(number);
                }
            }
            Plan::Fin => {
                self.header(now, Kind::Fin, self.flight.next()).write_bare(out);
                self.flight.push(now.at, self.queue.next(), 0, true, false);
                self.fin_sent = true;
            }
        }
        self.told_window = self.incoming.room();
        self.ack_due &= self.incoming.has_early();
        self.timer.get_or_insert(now.at + self.patience());
    }

    fn header(&self, now: Moment, kind: Kind, number: u64) -> Header {
        Header {
            kind,
            connection: self.send_id,
            timestamp: now.micros,
            difference: self.difference,
            window: self.incoming.room(),
            sequence: number as u16,
            ack: (self.incoming.next() - 1) as u16,
        }
    }
}
