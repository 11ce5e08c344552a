//! What a thread has counted, and what the members of all threads have seen together.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ledger::Ledger;
use crate::net::times::Times;
use crate::server::load::DIGITS;
use crate::server::load::faults::Faults;

/// What the members of a thread have seen.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) ledgers: Vec<Ledger>,
    /// Messages that members heard of others, or of themselves when they came back.
    pub(super) deliveries: u64,
    /// Other events of rooms.
    pub(super) events: u64,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    pub(super) unanswered: u64,
    /// Due by the rate, and not sent.
    pub(super) behind: u64,
    pub(super) opened: u64,
    /// Connections that were lost, and taken up again.
    pub(super) reconnects: u64,
    /// Since the run began.
    pub(super) opened_after: Duration,
    /// From when a message was due to its acknowledgement, and to each delivery.
    pub(super) acknowledgement: Times,
    pub(super) delivery: Times,
    /// From the first sending to the last delivery or acknowledgement.
    pub(super) measured: Duration,
    pub(super) faults: Faults,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            ledgers: Vec::new(),
            deliveries: 0,
            events: 0,
            acknowledged: 0,
            refused: 0,
            unanswered: 0,
            behind: 0,
            opened: 0,
            reconnects: 0,
            opened_after: Duration::ZERO,
            acknowledgement: Times::exact_to(DIGITS),
            delivery: Times::exact_to(DIGITS),
            measured: Duration::ZERO,
            faults: Faults::default(),
        }
    }

    /// Counts something that went wrong.
    pub(super) fn fault(&mut self, what: impl ToString) {
        self.faults.count(what.to_string(), 1);
    }

    /// Adds that of another thread.
    pub(super) fn add(&mut self, other: Self) {
        self.ledgers.extend(other.ledgers);
        self.deliveries += other.deliveries;
        self.events += other.events;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.behind += other.behind;
        self.opened += other.opened;
        self.reconnects += other.reconnects;
        self.opened_after = self.opened_after.max(other.opened_after);
        self.acknowledgement.add(&other.acknowledgement);
        self.delivery.add(&other.delivery);
        self.measured = self.measured.max(other.measured);
        self.faults.add(other.faults);
    }

    /// Compares what the members of each room have seen, with each other and with what was acknowledged there.
    pub(super) fn judge(&mut self, acknowledged: impl Fn(u32) -> u64) {
        let mut rooms: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        let (mut missing, mut unlike) = (0, 0);
        for cursor in self.ledgers.iter().filter(|ledger| !ledger.gone).flat_map(|ledger| &ledger.rooms) {
            let said = acknowledged(cursor.room);
            let (count, sum) = *rooms.entry(cursor.room).or_insert((cursor.count, cursor.sum));
            if cursor.count < said {
                missing += said - cursor.count;
            } else if cursor.count == count && cursor.sum != sum {
                unlike += 1;
            }
        }
        for (what, times) in [
            ("an acknowledged message was not delivered to a member", missing),
            ("a member has seen other messages, or in another order, than another one", unlike),
            ("a message was not acknowledged", self.unanswered),
        ] {
            if times > 0 {
                self.faults.count(what.into(), times);
            }
        }
    }
}

/// Nobody panics with it locked.
pub(super) fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Cursor;
    use super::super::payload::Payload;
    use super::*;

    /// A member of room 0 that has seen these numbers of one sender.
    fn member(numbers: &[u64]) -> Ledger {
        let mut cursor = Cursor::new(0, false);
        for number in numbers {
            let payload = Payload { sender: 1, number: *number, due: Duration::ZERO };
            cursor.message(None, &payload).unwrap();
        }
        Ledger { rooms: vec![cursor], gone: false }
    }

    fn judged(ledgers: Vec<Ledger>, acknowledged: u64) -> Vec<(String, u64)> {
        let mut tally = Tally { ledgers, ..Tally::new() };
        tally.judge(|_| acknowledged);
        tally.faults.iter().map(|(what, times)| (what.to_owned(), times)).collect()
    }

    #[test]
    fn members_must_have_seen_the_same() {
        assert_eq!(judged(vec![member(&[1, 2]), member(&[1, 2])], 2), []);
        let gone = Ledger { gone: true, ..member(&[]) };
        assert_eq!(judged(vec![member(&[1, 2]), gone], 2), [], "it has said so by itself");
        let faults = judged(vec![member(&[1, 2, 3]), member(&[1])], 3);
        assert_eq!(faults, [("an acknowledged message was not delivered to a member".into(), 2)]);
        let faults = judged(vec![member(&[1, 2]), member(&[2, 1])], 2);
        assert!(matches!(&*faults, [(what, 1)] if what.contains("in another order")), "{faults:?}");
    }
}
