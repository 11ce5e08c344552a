//! Counting what arrives, as cheaply as it can be done: frames of WebSocket by their heads, lines of IRC by their ends.

/// A stream of which the units are counted.
#[derive(Clone, Copy)]
pub(crate) enum Units {
    /// The head of a response, up to its blank line: so many bytes of that were seen.
    Head(u8),
    Frames(Frames),
    Lines,
}

/// Where the stream is in a frame.
#[derive(Clone, Copy, Default)]
pub(crate) struct Frames {
    head: [u8; 10],
    /// Bytes of the head that are there.
    got: u8,
    /// Bytes of the payload to come.
    left: u64,
}

/// The end of the head of a response.
const BLANK: &[u8; 4] = b"\r\n\r\n";

impl Units {
    /// How many units end in `bytes`. A head is none.
    pub(crate) fn count(&mut self, mut bytes: &[u8]) -> u64 {
        if let Self::Head(seen) = self {
            while let Some((&byte, rest)) = bytes.split_first() {
                bytes = rest;
                *seen = match BLANK[usize::from(*seen)] == byte {
                    true => *seen + 1,
                    false => u8::from(byte == BLANK[0]),
                };
                if usize::from(*seen) == BLANK.len() {
                    *self = Self::Frames(Frames::default());
                    break;
                }
            }
        }
        match self {
            Self::Head(_) => 0,
            Self::Frames(frames) => frames.count(bytes),
            Self::Lines => memchr::memchr_iter(b'\n', bytes).count() as u64,
        }
    }
}

impl Frames {
    fn count(&mut self, mut bytes: &[u8]) -> u64 {
        let mut count = 0;
        while !bytes.is_empty() {
            if self.left > 0 {
                let step = self.left.min(bytes.len() as u64);
                bytes = &bytes[step as usize..];
                self.left -= step;
                count += u64::from(self.left == 0 && self.is_data());
                continue;
            }
            self.head[usize::from(self.got)] = bytes[0];
            self.got += 1;
            bytes = &bytes[1..];
            if let Some(length) = self.length() {
                self.got = 0;
                self.left = length;
                count += u64::from(length == 0 && self.is_data());
            }
        }
        count
    }

    /// Pings are no deliveries.
    fn is_data(&self) -> bool {
        self.head[0] & 0x08 == 0
    }

    /// The length of the payload, once the head is whole. A server masks nothing.
    fn length(&self) -> Option<u64> {
        let got = &self.head[..usize::from(self.got)];
        let extended = |count: usize| {
            let bytes = got.get(2..2 + count)?;
            Some(bytes.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)))
        };
        match got.get(1)? & 0x7f {
            126 => extended(2),
            127 => extended(8),
            short => Some(u64::from(short)),
        }
    }
}
