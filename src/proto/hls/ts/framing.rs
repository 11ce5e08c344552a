//! Packets among bytes: of 188 bytes, or of 188 behind four bytes of arrival time (192, the manner of Blu-ray) or before sixteen of
//! parity (204, the manner of DVB). What is between them is passed over and counted.

use memchr::memchr;

use super::{PACKET, SYNC};

/// Bytes from one packet to the next, in the order in which they are tried.
const STRIDES: [usize; 3] = [PACKET, 192, 204];

/// Bytes behind a sync byte that are needed to believe it: it has to come twice again.
const LOOK: usize = 2 * 204 + 1;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A packet.
    Packet {
        /// Where it begins in the input.
        at: u64,
        /// The packet.
        bytes: &'a [u8; PACKET],
    },
    /// Bytes that belong to no packet.
    Lost {
        /// Where they begin.
        at: u64,
        /// How many there are.
        bytes: u64,
    },
}

/// Finds packets in an input that comes in pieces. It keeps less than a kilobyte.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    held: Vec<u8>,
    /// Where what is held, or else the next byte, stands in the input.
    at: u64,
    stride: Option<usize>,
    /// Where bytes that belong to no packet began.
    lost: Option<u64>,
}

impl Framer {
    /// Takes the next bytes, and gives what is found to `each`.
    pub fn push(&mut self, mut input: &[u8], mut each: impl FnMut(Found<'_>)) {
        while !self.held.is_empty() && !input.is_empty() {
            let taken = input.len().min(LOOK);
            let mut held = std::mem::take(&mut self.held);
            held.extend_from_slice(&input[..taken]);
            let used = self.scan(&held, false, &mut each);
            let left = held.len() - used;
            if left <= taken {
                input = &input[taken - left..];
            } else {
                held.drain(..used);
                self.held = held;
                input = &input[taken..];
            }
        }
        let used = if self.held.is_empty() { self.scan(input, false, &mut each) } else { 0 };
        self.held.extend_from_slice(&input[used..]);
    }

    /// The input is over: what is held is judged by what there is.
    pub fn finish(&mut self, mut each: impl FnMut(Found<'_>)) {
        let held = std::mem::take(&mut self.held);
        let used = self.scan(&held, true, &mut each);
        if used < held.len() {
            self.lost.get_or_insert(self.at);
            self.at += (held.len() - used) as u64;
        }
        self.report(&mut each);
    }

    fn report(&mut self, each: &mut impl FnMut(Found<'_>)) {
        if let Some(at) = self.lost.take()
            && self.at > at
        {
            each(Found::Lost { at, bytes: self.at - at });
        }
    }

    /// Gives the packets of `bytes`; says how many bytes are done with.
    fn scan(&mut self, bytes: &[u8], last: bool, each: &mut impl FnMut(Found<'_>)) -> usize {
        let (start, mut used) = (self.at, 0);
        while used < bytes.len() {
            let Some(stride) = self.stride else {
                let Some(skipped) = self.search(&bytes[used..], last) else { break };
                used += skipped;
                self.at = start + used as u64;
                if self.stride.is_some() {
                    self.report(each);
                }
                continue;
            };
            let rest = &bytes[used..];
            if rest[0] != SYNC {
                (self.stride, self.lost) = (None, Some(self.at));
                continue;
            }
            let Some(packet) = rest.first_chunk().filter(|_| rest.len() >= stride || last) else { break };
            each(Found::Packet { at: self.at, bytes: packet });
            used += stride.min(rest.len());
            self.at = start + used as u64;
        }
        used
    }

    /// Looks for three sync bytes at equal distances, and sets the stride when there are. Says how many bytes to pass over; `None`
    /// when more are needed first.
    fn search(&mut self, bytes: &[u8], last: bool) -> Option<usize> {
        let from = *self.lost.get_or_insert(self.at);
        let Some(found) = memchr(SYNC, bytes) else { return Some(bytes.len()) };
        let rest = &bytes[found..];
        if rest.len() < LOOK && !last {
            return (found > 0).then_some(found);
        }
        let agrees = |at: usize| rest.get(at).is_none_or(|byte| *byte == SYNC);
        let fits = |stride: &&usize| rest.len() >= PACKET && agrees(**stride) && agrees(2 * **stride);
        let Some(&stride) = STRIDES.iter().find(fits) else { return Some(found + 1) };
        // The arrival time in front of the first packet is not lost.
        if stride == 192 && from == 0 && self.at + found as u64 == 4 {
            self.lost = None;
        }
        self.stride = Some(stride);
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet whose bytes tell its number, without a sync byte inside.
    fn packet(number: u8) -> Vec<u8> {
        let mut packet = vec![number; PACKET];
        packet[0] = SYNC;
        packet
    }

    fn stream(count: u8, before: usize, after: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        for number in 0..count {
            wire.extend(std::iter::repeat_n(0xee, before));
            wire.extend(packet(number));
            wire.extend(std::iter::repeat_n(0xff, after));
        }
        wire
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Heard {
        Packet(u64, u8),
        Lost(u64, u64),
    }

    fn hear<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Heard> {
        let (mut framer, mut heard) = (Framer::default(), Vec::new());
        let mut each = |found: Found<'_>| {
            heard.push(match found {
                Found::Packet { at, bytes } => Heard::Packet(at, bytes[1]),
                Found::Lost { at, bytes } => Heard::Lost(at, bytes),
            });
        };
        for piece in pieces {
            framer.push(piece, &mut each);
            assert!(framer.held.len() <= LOOK);
        }
        framer.finish(&mut each);
        heard
    }

    fn check(wire: &[u8], expected: &[Heard]) {
        assert_eq!(hear(std::iter::once(wire)), expected);
        for cut in 0..wire.len() {
            let (front, back) = wire.split_at(cut);
            assert_eq!(hear([front, back].into_iter()), expected, "cut at {cut}");
        }
        for size in [1, 2, 3, 100, 187, 188, 189, 600] {
            assert_eq!(hear(wire.chunks(size)), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn strides() {
        let packets = |count: u8, first: u64, stride: u64| -> Vec<Heard> {
            (0..count).map(|number| Heard::Packet(first + stride * u64::from(number), number)).collect()
        };
        for count in 1..6 {
            check(&stream(count, 0, 0), &packets(count, 0, 188));
        }
        check(&stream(5, 4, 0), &packets(5, 4, 192));
        check(&stream(5, 0, 16), &packets(5, 0, 204));
        check(&[], &[]);
    }

    #[test]
    fn what_is_between() {
        let mut wire = vec![1, 2, SYNC, 3, SYNC];
        wire.extend(stream(4, 0, 0));
        check(
            &wire,
            &[
                Heard::Lost(0, 5),
                Heard::Packet(5, 0),
                Heard::Packet(193, 1),
                Heard::Packet(381, 2),
                Heard::Packet(569, 3),
            ],
        );
        // Seven bytes are cut out of the third packet, so that the fourth one begins within it.
        let mut wire = stream(7, 0, 0);
        wire.drain(400..407);
        check(
            &wire,
            &[
                Heard::Packet(0, 0),
                Heard::Packet(188, 1),
                Heard::Packet(376, 2),
                Heard::Lost(564, 181),
                Heard::Packet(745, 4),
                Heard::Packet(933, 5),
                Heard::Packet(1121, 6),
            ],
        );
        // One sync byte is damaged; the end is cut.
        let mut wire = stream(8, 0, 0);
        wire[564] = 0;
        wire.truncate(1200);
        check(
            &wire,
            &[
                Heard::Packet(0, 0),
                Heard::Packet(188, 1),
                Heard::Packet(376, 2),
                Heard::Lost(564, 188),
                Heard::Packet(752, 4),
                Heard::Packet(940, 5),
                Heard::Lost(1128, 72),
            ],
        );
        check(&[SYNC; 100], &[Heard::Lost(0, 100)]);
        check(&[0; 1000], &[Heard::Lost(0, 1000)]);
    }
}
