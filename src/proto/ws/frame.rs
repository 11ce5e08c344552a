//! The head of a frame (RFC 6455 section 5.2): 2 to 14 bytes in front of each payload.

use bytes::{BufMut, BytesMut};

use super::reject::Reject;

/// Bytes of the longest head: two, a 64-bit length, and a masking key.
pub const MAX_HEAD: usize = 14;

/// The longest payload of a control frame, in bytes (section 5.5).
pub const MAX_CONTROL: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
/// The bit of the second byte that says that there is a masking key.
pub(super) const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
/// Values of the seven bits of length that announce a longer one.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// What a frame is (section 11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Goes on with the message that a frame before began.
    Continuation = 0x0,
    /// UTF-8 text.
    Text = 0x1,
    /// Bytes.
    Binary = 0x2,
    /// The end is near.
    Close = 0x8,
    /// Asks for a pong.
    Ping = 0x9,
    /// Answers a ping.
    Pong = 0xa,
}

impl Opcode {
    fn of(byte: u8) -> Result<Self, Reject> {
        Ok(match byte & 0x0f {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            reserved => return Err(Reject::ReservedOpcode(reserved)),
        })
    }

    /// Whether it may come between the frames of a message (section 5.5).
    #[must_use]
    pub fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// The first reserved bit: the message is compressed (RFC 7692 section 6).
    pub rsv1: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The masking key, when the payload is masked.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub length: u64,
}

impl FrameHead {
    /// The head of a whole message or a control frame, not masked.
    #[must_use]
    pub fn whole(opcode: Opcode, length: usize) -> Self {
        Self { fin: true, rsv1: false, opcode, mask: None, length: length as u64 }
    }

    /// The head at the front of `src` and how many bytes it has; `None` when more are needed. Each byte is judged as soon as it is
    /// there.
    ///
    /// # Errors
    /// Rules that need no more than the head: reserved bits and opcodes, long or fragmented control frames, a length that is
    /// not written in the fewest bytes or has its highest bit set.
    pub fn parse(src: &[u8]) -> Result<Option<(Self, usize)>, Reject> {
        let Some(&first) = src.first() else { return Ok(None) };
        if first & RSV2_RSV3 != 0 {
            return Err(Reject::ReservedBits);
        }
        let opcode = Opcode::of(first)?;
        let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
        if opcode.is_control() {
            if rsv1 {
                return Err(Reject::ReservedBits);
            }
            if !fin {
                return Err(Reject::FragmentedControl);
            }
        }
        let Some(&second) = src.get(1) else { return Ok(None) };
        let short = second & LENGTH;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL {
            return Err(Reject::LongControl);
        }
        let (length, mut size) = match short {
            LENGTH_16 => match src.get(2..4) {
                Some(&[a, b]) => (u64::from(u16::from_be_bytes([a, b])), 4),
                _ => return Ok(None),
            },
            LENGTH_64 => match src.get(2..10).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok()) {
                Some(bytes) => (u64::from_be_bytes(bytes), 10),
                None => return Ok(None),
            },
            short => (u64::from(short), 2),
        };
        let least = match short {
            LENGTH_16 => 126,
            LENGTH_64 => 1 << 16,
            _ => 0,
        };
        if length < least {
            return Err(Reject::LengthNotMinimal);
        }
        if length > i64::MAX.unsigned_abs() {
            return Err(Reject::LengthTooLarge);
        }
        let mut mask = None;
        if second & MASKED != 0 {
            let Some(&[a, b, c, d]) = src.get(size..size + 4) else { return Ok(None) };
            mask = Some([a, b, c, d]);
            size += 4;
        }
        Ok(Some((Self { fin, rsv1, opcode, mask, length }, size)))
    }

    /// Appends the head. It is written in whole words: bytes that are written one by one and read back together at once stall the
    /// processor for longer than all the rest takes.
    pub fn put(&self, out: &mut BytesMut) {
        let fin = if self.fin { FIN } else { 0 };
        let rsv1 = if self.rsv1 { RSV1 } else { 0 };
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        let start = |length: u8| u16::from_be_bytes([fin | rsv1 | self.opcode as u8, masked | length]);
        match self.length {
            short @ 0..126 => out.put_u16(start(short as u8)),
            middle @ 126..0x1_0000 => out.put_u32(u32::from(start(LENGTH_16)) << 16 | middle as u32),
            long => {
                out.put_u16(start(LENGTH_64));
                out.put_u64(long);
            }
        }
        if let Some(mask) = self.mask {
            out.put_slice(&mask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(opcode: Opcode, length: u64) -> FrameHead {
        FrameHead { fin: true, rsv1: false, opcode, mask: None, length }
    }

    #[test]
    fn heads_both_ways() {
        let key = Some([0x37, 0xfa, 0x21, 0x3d]);
        let table: &[(&[u8], FrameHead)] = &[
            (b"\x81\x05", head(Opcode::Text, 5)),
            (b"\x81\x85\x37\xfa\x21\x3d", FrameHead { mask: key, ..head(Opcode::Text, 5) }),
            (b"\x01\x03", FrameHead { fin: false, ..head(Opcode::Text, 3) }),
            (b"\x80\x02", head(Opcode::Continuation, 2)),
            (b"\xc1\x07", FrameHead { rsv1: true, ..head(Opcode::Text, 7) }),
            (b"\x89\x7d", head(Opcode::Ping, 125)),
            (b"\x8a\x00", head(Opcode::Pong, 0)),
            (b"\x88\x02", head(Opcode::Close, 2)),
            (b"\x82\x7d", head(Opcode::Binary, 125)),
            (b"\x82\x7e\x00\x7e", head(Opcode::Binary, 126)),
            (b"\x82\x7e\x01\x00", head(Opcode::Binary, 256)),
            (b"\x82\x7e\xff\xff", head(Opcode::Binary, 0xffff)),
            (b"\x82\x7f\0\0\0\0\0\x01\0\0", head(Opcode::Binary, 0x1_0000)),
            (b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff", head(Opcode::Binary, i64::MAX.unsigned_abs())),
            (
                b"\x82\xff\0\0\0\0\0\x01\0\0\x37\xfa\x21\x3d",
                FrameHead { mask: key, ..head(Opcode::Binary, 0x1_0000) },
            ),
        ];
        for (bytes, head) in table {
            let mut written = BytesMut::new();
            head.put(&mut written);
            assert_eq!(written, **bytes, "{head:?}");
            for cut in 0..bytes.len() {
                assert_eq!(FrameHead::parse(&bytes[..cut]), Ok(None), "{head:?} cut at {cut}");
            }
            let behind = [bytes, &b"payload"[..]].concat();
            assert_eq!(FrameHead::parse(&behind), Ok(Some((*head, bytes.len()))));
        }
    }

    #[test]
    fn what_no_head_may_hold_is_refused_at_its_first_bad_byte() {
        let table: &[(&[u8], Reject)] = &[
            (b"\xa1", Reject::ReservedBits),
            (b"\x91", Reject::ReservedBits),
            (b"\xc9", Reject::ReservedBits),
            (b"\xc8", Reject::ReservedBits),
            (b"\x83", Reject::ReservedOpcode(3)),
            (b"\x87", Reject::ReservedOpcode(7)),
            (b"\x8b", Reject::ReservedOpcode(0xb)),
            (b"\x8f", Reject::ReservedOpcode(0xf)),
            (b"\x09", Reject::FragmentedControl),
            (b"\x08", Reject::FragmentedControl),
            (b"\x89\x7e", Reject::LongControl),
            (b"\x88\xfe", Reject::LongControl),
            (b"\x8a\x7f", Reject::LongControl),
            (b"\x81\x7e\x00\x7d", Reject::LengthNotMinimal),
            (b"\x81\xfe\x00\x00", Reject::LengthNotMinimal),
            (b"\x81\x7f\0\0\0\0\0\0\xff\xff", Reject::LengthNotMinimal),
            (b"\x81\x7f\x80\0\0\0\0\0\0\0", Reject::LengthTooLarge),
        ];
        for (bytes, reject) in table {
            assert_eq!(FrameHead::parse(bytes), Err(*reject), "{bytes:02x?}");
            for cut in 0..bytes.len() {
                assert_eq!(FrameHead::parse(&bytes[..cut]), Ok(None), "{bytes:02x?} cut at {cut}");
            }
        }
    }
}
