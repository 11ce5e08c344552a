//! Packets, written: a PES packet or a section cut into pieces of 184 bytes behind headers, each byte copied once.

use super::{PACKET, SYNC};

/// Bytes of a packet behind its header.
const ROOM: usize = PACKET - 4;

/// What stands in the adaptation field of the first packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// The program clock reference, in ticks of 90 kHz.
    pub(super) clock: Option<u64>,
    /// A decoder may begin here.
    pub(super) random_access: bool,
}

impl Marks {
    /// Bytes of the field, its length among them.
    fn size(self) -> usize {
        match (self.clock, self.random_access) {
            (Some(_), _) => 8,
            (None, true) => 2,
            (None, false) => 0,
        }
    }
}

/// The packets of one packet identifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    pid: u16,
    counter: u8,
}

impl Writer {
    pub(super) fn new(pid: u16) -> Self {
        Self { pid, counter: 0 }
    }

    /// Counts from here on.
    pub(super) fn count_from(&mut self, counter: u8) {
        self.counter = counter & 0x0f;
    }

    /// Appends the packets of `parts`, one behind the other: a PES packet, or a section with its pointer.
    pub(super) fn put(&mut self, parts: &[&[u8]], marks: Marks, out: &mut Vec<u8>) {
        let mut left: usize = parts.iter().map(|part| part.len()).sum();
        out.reserve((left + marks.size()).div_ceil(ROOM) * PACKET);
        let (mut parts, mut part) = (parts.iter(), &[][..]);
        let (mut marks, mut start) = (marks, true);
        while left > 0 {
            let field = marks.size();
            let taken = left.min(ROOM - field);
            self.put_head(start, ROOM - taken, marks, out);
            let mut missing = taken;
            while missing > 0 {
                if part.is_empty() {
                    let Some(next) = parts.next() else { break };
                    part = next;
                }
                let (piece, rest) = part.split_at(missing.min(part.len()));
                out.extend_from_slice(piece);
                (part, missing) = (rest, missing - piece.len());
            }
            (left, start, marks) = (left - taken, false, Marks::default());
            // The hot path: what is all payload, out of one part.
            let (whole, _) = part.as_chunks::<ROOM>();
            for piece in whole {
                out.extend_from_slice(&self.head(false, 0x10));
                out.extend_from_slice(piece);
            }
            part = &part[whole.len() * ROOM..];
            left -= whole.len() * ROOM;
        }
    }

    /// Appends the packets of `parts` as [`Writer::put`] does, but so many that the counter comes to 0 behind them: the last bytes have a packet
    /// each. Fewer than 17 bytes, which no PES packet has, may be too few for that.
    pub(super) fn put_aligned(&mut self, parts: &[&[u8]], marks: Marks, out: &mut Vec<u8>) {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let counter_behind = |apart: usize| {
            let packets = (length - apart + marks.size()).div_ceil(ROOM) + apart;
            (usize::from(self.counter) + packets) % 16
        };
        let apart = (0..length.min(17)).find(|apart| counter_behind(*apart) == 0).unwrap_or(0);
        let (mut together, mut last) = (Vec::with_capacity(parts.len()), Vec::with_capacity(apart));
        let mut left = length - apart;
        for part in parts {
            let (front, back) = part.split_at(left.min(part.len()));
            left -= front.len();
            together.push(front);
            last.extend_from_slice(back);
        }
        self.put(&together, marks, out);
        for byte in last {
            self.put_head(false, ROOM - 1, Marks::default(), out);
            out.push(byte);
        }
    }

    /// Appends a packet without payload that carries the clock.
    pub(super) fn put_clock(&mut self, clock: u64, out: &mut Vec<u8>) {
        // The counter counts payloads only.
        self.counter = self.counter.wrapping_sub(1);
        let marks = Marks { clock: Some(clock), random_access: false };
        out.extend_from_slice(&self.head(false, 0x20));
        put_field(ROOM, marks, out);
    }

    /// A header and an adaptation field of `field` bytes.
    fn put_head(&mut self, start: bool, field: usize, marks: Marks, out: &mut Vec<u8>) {
        let control = if field > 0 { 0x30 } else { 0x10 };
        out.extend_from_slice(&self.head(start, control));
        if field > 0 {
            put_field(field, marks, out);
        }
    }

    fn head(&mut self, start: bool, control: u8) -> [u8; 4] {
        let [high, low] = self.pid.to_be_bytes();
        let counter = self.counter & 0x0f;
        self.counter = self.counter.wrapping_add(1);
        [SYNC, high | u8::from(start) << 6, low, control | counter]
    }
}

/// An adaptation field of `size` bytes, 1 to 184, stuffing included (section 2.4.3.4).
fn put_field(size: usize, marks: Marks, out: &mut Vec<u8>) {
    let end = out.len() + size;
    out.push((size - 1) as u8);
    if size > 1 {
        out.push(u8::from(marks.random_access) << 6 | u8::from(marks.clock.is_some()) << 4);
    }
    if let Some(clock) = marks.clock {
        // 33 bits of 90 kHz, six reserved, and nine of 27 MHz, which are 0.
        out.extend_from_slice(&((clock >> 1) as u32).to_be_bytes());
        out.extend_from_slice(&[(clock as u8 & 1) << 7 | 0x7e, 0]);
    }
    out.resize(end, 0xff);
}

#[cfg(test)]
mod tests {
    use super::super::packet::Packet;
    use super::*;

    /// What is carried: the payloads together, with counters that follow on each other.
    fn carried(out: &[u8], mut counter: u8) -> Vec<u8> {
        let (packets, rest) = out.as_chunks::<PACKET>();
        assert!(rest.is_empty());
        let mut whole = Vec::new();
        for (at, packet) in packets.iter().enumerate() {
            let packet = Packet::parse(packet).unwrap();
            assert_eq!((packet.pid, packet.start, packet.counter), (0x101, at == 0, counter));
            whole.extend(packet.payload.unwrap());
            counter = (counter + 1) & 0x0f;
        }
        whole
    }

    #[test]
    fn every_length_fits() {
        let bytes: Vec<u8> = (0..2000u32).map(|at| (at % 251) as u8).collect();
        for (clock, random_access) in
            [(None, false), (None, true), (Some(0x1_2345_6789), true), (Some(5), false)]
        {
            let marks = Marks { clock, random_access };
            for length in (1..400).chain([551, 552, 553, 1999, 2000]) {
                for cuts in [vec![0], vec![1], vec![length / 2], vec![1, length / 3], vec![length]] {
                    let mut rest = &bytes[..length];
                    let mut parts: Vec<&[u8]> = Vec::new();
                    for cut in cuts {
                        let (part, behind) = rest.split_at(cut.min(rest.len()));
                        parts.push(part);
                        rest = behind;
                    }
                    parts.push(rest);
                    let (mut writer, mut out) = (Writer::new(0x101), Vec::new());
                    writer.put(&parts, marks, &mut out);
                    assert_eq!(out.len(), (length + marks.size()).div_ceil(ROOM) * PACKET);
                    assert_eq!(carried(&out, 0), bytes[..length]);
                    let first = Packet::parse(out.first_chunk().unwrap()).unwrap();
                    assert_eq!(
                        (first.pcr, first.random_access),
                        (clock.map(|clock| clock * 300), random_access)
                    );
                }
            }
        }
    }

    #[test]
    fn counters_come_to_0() {
        let bytes: Vec<u8> = (0..5000u32).map(|at| (at % 251) as u8).collect();
        for clock in [None, Some(0x1_2345_6789)] {
            let marks = Marks { clock, random_access: clock.is_some() };
            for length in (17..600).chain([2900, 3000, 5000]) {
                for counter in 0..16 {
                    let (mut writer, mut out) = (Writer::new(0x101), Vec::new());
                    writer.count_from(counter);
                    let (front, back) = bytes[..length].split_at(length - length.min(9));
                    writer.put_aligned(&[front, &[], back], marks, &mut out);
                    assert_eq!(carried(&out, counter), bytes[..length]);
                    assert_eq!((out.len() / PACKET + usize::from(counter)) % 16, 0, "{length} {counter}");
                    assert!(out.len() / PACKET <= (length + marks.size()).div_ceil(ROOM) + 15);
                }
            }
        }
        let (mut writer, mut out) = (Writer::new(0x101), Vec::new());
        writer.put_aligned(&[b"abc"], Marks::default(), &mut out);
        assert_eq!(carried(&out, 0), b"abc");
    }

    #[test]
    fn counters_go_on() {
        let (mut writer, mut out) = (Writer::new(0x101), Vec::new());
        for _ in 0..5 {
            writer.put(&[&[7; 700]], Marks::default(), &mut out);
        }
        assert_eq!(out.len(), 20 * PACKET);
        for (at, packet) in out.as_chunks::<PACKET>().0.iter().enumerate() {
            assert_eq!(usize::from(Packet::parse(packet).unwrap().counter), at % 16);
        }
        out.clear();
        writer.put_clock(90_000, &mut out);
        writer.put(&[&[7; 10]], Marks::default(), &mut out);
        let packets = out.as_chunks::<PACKET>().0;
        let clock = Packet::parse(&packets[0]).unwrap();
        assert_eq!((clock.pcr, clock.payload, clock.counter), (Some(27_000_000), None, 3));
        assert_eq!(Packet::parse(&packets[1]).unwrap().counter, 4);
    }
}
