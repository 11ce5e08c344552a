//! The bytes of a packet: a header of 20 bytes, a chain of extensions, the payload (BEP 29, "header format").
//!
//! One extension is known, the selective acknowledgement (1); others are skipped.

/// Bytes of a header without extensions.
pub(super) const LENGTH: usize = 20;

const VERSION: u8 = 1;

/// The extension of selective acknowledgements.
const SELECTIVE_ACK: u8 = 1;

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `ST_DATA`: it has a payload.
    Data = 0,
    /// `ST_FIN`: nothing follows.
    Fin = 1,
    /// `ST_STATE`: it acknowledges, and has no number of its own.
    State = 2,
    /// `ST_RESET`: there is no such connection.
    Reset = 3,
    /// `ST_SYN`: a connection is asked for.
    Syn = 4,
}

/// Why a datagram is no packet of uTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is shorter than a header.
    #[error("{0} bytes are no header of uTP")]
    Short(usize),
    /// A version that is not 1.
    #[error("version {0} of uTP is not known")]
    Version(u8),
    /// A type that is not known.
    #[error("a packet of type {0}")]
    Kind(u8),
    /// An extension that does not end before the datagram does.
    #[error("extension {id} at byte {at} is longer than the datagram")]
    Extension {
        /// Its number.
        id: u8,
        /// Where it begins.
        at: usize,
    },
}

/// The 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) connection: u16,
    /// When it was sent, in microseconds, modulo 32 bits.
    pub(super) timestamp: u32,
    /// How long the last packet of the other side took, by both clocks, in microseconds.
    pub(super) difference: u32,
    /// Bytes that its sender has room for.
    pub(super) window: u32,
    pub(super) sequence: u16,
    pub(super) ack: u16,
}

impl Header {
    /// Appends it, to be followed by the extension of this number, or by the payload if that is 0.
    fn write(&self, extension: u8, out: &mut Vec<u8>) {
        let mut bytes = [0; LENGTH];
        bytes[0] = (self.kind as u8) << 4 | VERSION;
        bytes[1] = extension;
        bytes[2..4].copy_from_slice(&self.connection.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.difference.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.window.to_be_bytes());
        bytes[16..18].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[18..].copy_from_slice(&self.ack.to_be_bytes());
        out.extend_from_slice(&bytes);
    }

    /// Appends it without extensions.
    pub(super) fn write_bare(&self, out: &mut Vec<u8>) {
        self.write(0, out);
    }

    /// Appends it with what is received selectively; the mask has at most 252 bytes.
    pub(super) fn write_with_mask(&self, mask: &[u8], out: &mut Vec<u8>) {
        let Ok(length) = u8::try_from(mask.len()) else { return self.write(0, out) };
        self.write(SELECTIVE_ACK, out);
        out.extend_from_slice(&[0, length]);
        out.extend_from_slice(mask);
    }
}

/// A packet that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) header: Header,
    /// The mask of a selective acknowledgement: its first bit, the lowest of the first byte, is the packet two behind `ack`.
    pub(super) mask: Option<&'a [u8]>,
    /// Where the payload begins.
    pub(super) payload: usize,
}

impl<'a> Packet<'a> {
    /// Whether it may be a packet of uTP: what else comes to a socket of BitTorrent, the DHT and trackers, begins otherwise.
    pub(super) fn looks_like(datagram: &[u8]) -> bool {
        datagram.len() >= LENGTH && datagram[0] & 0x0f == VERSION && datagram[0] >> 4 <= Kind::Syn as u8
    }

    /// What a datagram says. Extensions that are not known are skipped.
    pub(super) fn read(datagram: &'a [u8]) -> Result<Self, Fault> {
        let Some(head) = datagram.first_chunk::<LENGTH>() else { return Err(Fault::Short(datagram.len())) };
        let two = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let four = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        if head[0] & 0x0f != VERSION {
            return Err(Fault::Version(head[0] & 0x0f));
        }
        let kind = match head[0] >> 4 {
            0 => Kind::Data,
            1 => Kind::Fin,
            2 => Kind::State,
            3 => Kind::Reset,
            4 => Kind::Syn,
            other => return Err(Fault::Kind(other)),
        };
        let header = Header {
            kind,
            connection: two(2),
            timestamp: four(4),
            difference: four(8),
            window: four(12),
            sequence: two(16),
            ack: two(18),
        };
        let mut packet = Self { header, mask: None, payload: LENGTH };
        let mut id = head[1];
        while id != 0 {
            let at = packet.payload;
            let rest = datagram.get(at..).unwrap_or_default();
            let fault = Fault::Extension { id, at };
            let ([next, length], body) = rest.split_first_chunk::<2>().ok_or(fault)?;
            let body = body.get(..usize::from(*length)).ok_or(fault)?;
            if id == SELECTIVE_ACK {
                packet.mask = Some(body);
            }
            packet.payload = at + 2 + body.len();
            id = *next;
        }
        Ok(packet)
    }
}

/// The number, of all that there could be, which is nearest to another and has these lowest 16 bits: numbers on the wire begin again after 65535.
pub(super) fn widen(near: u64, wire: u16) -> u64 {
    let step = wire.wrapping_sub(near as u16).cast_signed();
    near.wrapping_add_signed(step.into())
}
