//! What a member has seen of its rooms, in a few words of memory: whether anything is missing, comes twice or out of order.
//!
//! The events of a room are numbered, so a member sees each at once that is missing or comes again. That all members see the *same* messages in the same order
//! is told at the end by a sum over what each has seen, in which order counts: members of a room with the same sum and count have seen the same. The first member of a
//! room looks at the senders' own numbers as well, so it notices a message that is in the log twice; by the sums this holds for the others. At a door
//! without numbers (IRC) the sums alone tell.

use std::collections::HashMap;

use super::payload::Payload;

/// What must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    /// A number was left out.
    #[error("an event is missing in a room")]
    Gap,
    /// A number came again.
    #[error("an event came twice, or out of order")]
    Again,
    /// A message has two numbers, or two messages of a sender changed places.
    #[error("a message is in a room twice, or out of order")]
    Doubled,
    /// An acknowledgement names another number than that under which the message came.
    #[error("an acknowledgement does not fit what was delivered")]
    Unlike,
    /// Too far behind to be told what was missed.
    #[error("a member was too far behind to go on where it was")]
    Lost,
}

/// One room, as a member sees it.
#[derive(Debug)]
pub(super) struct Cursor {
    /// Which.
    pub(super) room: u32,
    /// The last event's number; 0 before the first.
    pub(super) last: u64,
    /// Messages.
    pub(super) count: u64,
    /// Of all messages, in their order.
    pub(super) sum: u64,
    /// The last number of each sender, for the first member of the room.
    witness: Option<HashMap<u32, u64>>,
}

impl Cursor {
    /// Before anything was seen.
    pub(super) fn new(room: u32, is_first: bool) -> Self {
        Self { room, last: 0, count: 0, sum: 0, witness: is_first.then(HashMap::new) }
    }

    /// An event with a number came.
    pub(super) fn event(&mut self, seq: u64) -> Result<(), Wrong> {
        let last = self.last;
        if seq > last {
            self.last = seq;
        }
        match seq {
            // The first one: its own coming.
            _ if last == 0 => Ok(()),
            seq if seq == last + 1 => Ok(()),
            seq if seq > last => Err(Wrong::Gap),
            _ => Err(Wrong::Again),
        }
    }

    /// A message came, with a number if there are any.
    pub(super) fn message(&mut self, seq: Option<u64>, payload: &Payload) -> Result<(), Wrong> {
        let outcome = seq.map_or(Ok(()), |seq| self.event(seq));
        if outcome == Err(Wrong::Again) {
            return outcome;
        }
        self.count += 1;
        let key = u64::from(payload.sender) << 40 ^ payload.number ^ seq.unwrap_or_default().rotate_left(20);
        self.sum = (self.sum.rotate_left(5) ^ key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if let Some(witness) = &mut self.witness {
            let last = witness.entry(payload.sender).or_default();
            if payload.number <= *last {
                return Err(Wrong::Doubled);
            }
            *last = payload.number;
        }
        outcome
    }

    /// One's own message was acknowledged under a number; `again` when it had been said before, so that it has been delivered or will never be.
    pub(super) fn acknowledged(&mut self, seq: u64, again: bool, payload: &Payload) -> Result<(), Wrong> {
        match again {
            true if seq > self.last => Err(Wrong::Unlike),
            true => Ok(()),
            false => self.message(Some(seq), payload),
        }
    }
}

/// All rooms of a member.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Sorted by room.
    pub(super) rooms: Vec<Cursor>,
    /// Whether it is out.
    pub(super) gone: bool,
}

impl Ledger {
    /// The place of a room among those of the member.
    pub(super) fn place(&self, room: u32) -> Option<usize> {
        match self.rooms.as_slice() {
            [only] => (only.room == room).then_some(0),
            rooms => rooms.binary_search_by_key(&room, |cursor| cursor.room).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn said(sender: u32, number: u64) -> Payload {
        Payload { sender, number, due: Duration::ZERO }
    }

    #[test]
    fn what_is_missing_or_comes_again_is_noticed() {
        let mut cursor = Cursor::new(0, true);
        assert_eq!(cursor.event(5), Ok(()), "its own coming");
        assert_eq!(cursor.message(Some(6), &said(1, 1)), Ok(()));
        assert_eq!(cursor.message(Some(6), &said(1, 1)), Err(Wrong::Again));
        assert_eq!(cursor.message(Some(8), &said(1, 2)), Err(Wrong::Gap));
        assert_eq!(cursor.event(9), Ok(()), "it is told once");
        assert_eq!(cursor.message(Some(10), &said(1, 2)), Err(Wrong::Doubled));
        assert_eq!(cursor.message(Some(11), &said(2, 7)), Ok(()));
        assert_eq!(cursor.message(Some(12), &said(2, 6)), Err(Wrong::Doubled));
    }

    #[test]
    fn acknowledgements_stand_for_deliveries() {
        let mut cursor = Cursor::new(0, false);
        cursor.event(1).unwrap();
        assert_eq!(cursor.acknowledged(2, false, &said(1, 1)), Ok(()));
        assert_eq!((cursor.last, cursor.count), (2, 1));
        // It was told while the connection came back, and is acknowledged then.
        assert_eq!(cursor.message(Some(3), &said(1, 2)), Ok(()));
        assert_eq!(cursor.acknowledged(3, true, &said(1, 2)), Ok(()));
        assert_eq!(cursor.acknowledged(4, true, &said(1, 3)), Err(Wrong::Unlike));
        assert_eq!((cursor.last, cursor.count), (3, 2));
    }

    #[test]
    fn sums_differ_by_order_and_by_number() {
        let sum = |messages: &[(Option<u64>, Payload)]| {
            let mut cursor = Cursor::new(0, false);
            messages.iter().for_each(|(seq, payload)| cursor.message(*seq, payload).unwrap());
            cursor.sum
        };
        let (one, two) = (said(1, 1), said(2, 1));
        let sums = [
            sum(&[(None, one), (None, two)]),
            sum(&[(None, two), (None, one)]),
            sum(&[(Some(1), one), (Some(2), two)]),
            sum(&[(Some(1), two), (Some(2), one)]),
            sum(&[(None, one)]),
        ];
        for (at, sum) in sums.iter().enumerate() {
            assert!(!sums[at + 1..].contains(sum));
        }
    }

    #[test]
    fn a_room_is_found() {
        let rooms = [3, 5, 9].map(|room| Cursor::new(room, false)).into();
        let ledger = Ledger { rooms, gone: false };
        assert_eq!((ledger.place(5), ledger.place(4)), (Some(1), None));
    }
}
