//! What all packets have in common: numbers in the order of the network, and how large they may be.

/// Bytes of a packet that we send at most: what passes every link in one piece, and leaves room for tunnels.
pub const MAX_PACKET: usize = 1400;

pub(super) const CONNECT_ACTION: u32 = 0;
pub(super) const ANNOUNCE_ACTION: u32 = 1;
pub(super) const SCRAPE_ACTION: u32 = 2;
pub(super) const ERROR_ACTION: u32 = 3;

/// Why a packet is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// It ends before it is whole.
    #[error("a packet of {0} bytes is too short for its kind")]
    Short(usize),
    /// A kind that is not known.
    #[error("action {0} is not known")]
    Action(u32),
    /// Someone who asks for a connection id, but by another protocol.
    #[error("it is another protocol")]
    Protocol,
}

/// Takes numbers from the front of a packet.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
    whole: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, whole: bytes.len() }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PacketError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(PacketError::Short(self.whole))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u16(&mut self) -> Result<u16, PacketError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PacketError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, PacketError> {
        self.array().map(u64::from_be_bytes)
    }
}
