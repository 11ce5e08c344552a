//! The frame of messages: a length, a number, and what follows (BEP 3).

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::handshake::{Handshake, LENGTH, PROTOCOL};
use super::message::{Block, HashRange, Message};
use super::reject::Reject;
use crate::codec::Outbox;
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::hash::Sha256;
use crate::proto::bittorrent::metainfo::MAX_PIECES;

/// Bytes of a bitfield at most.
pub const MAX_BITFIELD: u32 = MAX_PIECES / 8;

/// Bytes of an extension's message at most: a block of metadata with what is in front of it, and handshakes of those who say a lot.
pub const MAX_EXTENDED: u32 = 64 << 10;

/// Bytes of hashes at most: 8192 nodes of a tree, as libtorrent gives them.
const MAX_HASHES: u32 = 8192 * 32;

/// Bytes of a message of any kind at most, those that nobody knows here among them.
const MAX_MESSAGE: u32 = 1 << 20;

/// Bytes of a [`HashRange`].
const RANGE: u32 = 48;

/// What is said on a connection, by either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The first words.
    Handshake(Handshake),
    /// What follows.
    Message(Message),
}

/// Both directions of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Codec {
    /// Whether the peer has introduced itself.
    met: bool,
    /// Bytes of a message that nobody knows, which are still to come.
    skipping: u32,
}

impl Codec {
    /// One for a connection on which nothing was said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn handshake(&mut self, src: &mut BytesMut) -> Result<Option<Handshake>, Reject> {
        let begun = src.len().min(PROTOCOL.len());
        if src[..begun] != PROTOCOL[..begun] {
            return Err(Reject::Protocol);
        }
        let Some(bytes) = src.first_chunk::<LENGTH>() else { return Ok(None) };
        let handshake = Handshake::read(bytes);
        src.advance(LENGTH);
        self.met = true;
        Ok(Some(handshake))
    }

    /// Drops what nobody knows; whether all of it has come.
    fn skip(&mut self, src: &mut BytesMut) -> bool {
        let come = src.len().min(self.skipping as usize);
        src.advance(come);
        self.skipping -= come as u32;
        self.skipping == 0
    }
}

impl crate::codec::Codec for Codec {
    type In = Said;
    type Out = Said;
    type Error = Reject;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Said>, Reject> {
        if !self.met {
            return Ok(self.handshake(src)?.map(Said::Handshake));
        }
        loop {
            if !self.skip(src) {
                return Ok(None);
            }
            let Some(head) = src.first_chunk::<4>() else { return Ok(None) };
            let length = u32::from_be_bytes(*head);
            if length == 0 {
                src.advance(4);
                return Ok(Some(Said::Message(Message::KeepAlive)));
            }
            if length > MAX_MESSAGE {
                return Err(Reject::Long(length));
            }
            let Some(&kind) = src.get(4) else { return Ok(None) };
            let rest = length - 1;
            match fits(kind, rest) {
                None => {
                    src.advance(5);
                    self.skipping = rest;
                    continue;
                }
                Some(false) => return Err(Reject::Length { kind, length: rest }),
                Some(true) => {}
            }
            let whole = length as usize + 4;
            if src.len() < whole {
                return Ok(None);
            }
            let mut body = src.split_to(whole);
            body.advance(5);
            return Ok(Some(Said::Message(message(kind, body.freeze()))));
        }
    }

    fn encode(&mut self, item: Said, dst: &mut Outbox) -> Result<(), Reject> {
        match item {
            Said::Handshake(handshake) => dst.put(&handshake.to_bytes()),
            Said::Message(message) => write(message, dst),
        }
        Ok(())
    }
}

/// Whether a message of this kind may have so many bytes behind its number; `None` if nobody knows it.
fn fits(kind: u8, rest: u32) -> Option<bool> {
    Some(match kind {
        0..=3 | 14 | 15 => rest == 0,
        4 | 13 | 17 => rest == 4,
        5 => rest <= MAX_BITFIELD,
        6 | 8 | 16 => rest == 12,
        7 => (9..=8 + BLOCK).contains(&rest),
        9 => rest == 2,
        20 => (1..=MAX_EXTENDED).contains(&rest),
        21 | 23 => rest == RANGE,
        22 => (RANGE..=RANGE + MAX_HASHES).contains(&rest) && (rest - RANGE).is_multiple_of(32),
        _ => return None,
    })
}

/// What the bytes of a message mean, which are as many as [`fits`] says.
fn message(kind: u8, mut body: Bytes) -> Message {
    match kind {
        0 => Message::Choke,
        1 => Message::Unchoke,
        2 => Message::Interested,
        3 => Message::NotInterested,
        4 => Message::Have(body.get_u32()),
        5 => Message::Bitfield(body),
        6 => Message::Request(block(body)),
        7 => Message::Piece { piece: body.get_u32(), begin: body.get_u32(), data: body },
        8 => Message::Cancel(block(body)),
        9 => Message::Port(body.get_u16()),
        13 => Message::Suggest(body.get_u32()),
        14 => Message::HaveAll,
        15 => Message::HaveNone,
        16 => Message::Reject(block(body)),
        17 => Message::AllowedFast(body.get_u32()),
        20 => Message::Extended { id: body.get_u8(), payload: body },
        21 => Message::HashRequest(range(&mut body)),
        22 => Message::Hashes { range: range(&mut body), hashes: body },
        _ => Message::HashReject(range(&mut body)),
    }
}

fn block(mut body: Bytes) -> Block {
    Block { piece: body.get_u32(), begin: body.get_u32(), length: body.get_u32() }
}

fn range(body: &mut Bytes) -> HashRange {
    let mut root = Sha256([0; 32]);
    body.copy_to_slice(&mut root.0);
    HashRange {
        root,
        layer: body.get_u32(),
        index: body.get_u32(),
        length: body.get_u32(),
        proofs: body.get_u32(),
    }
}

fn write(message: Message, dst: &mut Outbox) {
    let tail = dst.tail();
    match message {
        Message::KeepAlive => tail.put_u32(0),
        Message::Choke => bare(tail, 0),
        Message::Unchoke => bare(tail, 1),
        Message::Interested => bare(tail, 2),
        Message::NotInterested => bare(tail, 3),
        Message::Have(piece) => numbers(tail, 4, &[piece]),
        Message::Bitfield(bytes) => {
            head(tail, 5, bytes.len());
            dst.push(bytes);
        }
        Message::Request(block) => of_block(tail, 6, block),
        Message::Piece { piece, begin, data } => {
            head(tail, 7, data.len() + 8);
            tail.put_u32(piece);
            tail.put_u32(begin);
            dst.push(data);
        }
        Message::Cancel(block) => of_block(tail, 8, block),
        Message::Port(port) => {
            head(tail, 9, 2);
            tail.put_u16(port);
        }
        Message::Suggest(piece) => numbers(tail, 13, &[piece]),
        Message::HaveAll => bare(tail, 14),
        Message::HaveNone => bare(tail, 15),
        Message::Reject(block) => of_block(tail, 16, block),
        Message::AllowedFast(piece) => numbers(tail, 17, &[piece]),
        Message::Extended { id, payload } => {
            head(tail, 20, payload.len() + 1);
            tail.put_u8(id);
            dst.push(payload);
        }
        Message::HashRequest(range) => of_range(tail, 21, &range, 0),
        Message::Hashes { range, hashes } => {
            of_range(tail, 22, &range, hashes.len());
            dst.push(hashes);
        }
        Message::HashReject(range) => of_range(tail, 23, &range, 0),
    }
}

fn head(tail: &mut BytesMut, kind: u8, rest: usize) {
    // Nothing of ours is longer than 32 bits tell.
    tail.put_u32(rest as u32 + 1);
    tail.put_u8(kind);
}

fn bare(tail: &mut BytesMut, kind: u8) {
    head(tail, kind, 0);
}

fn numbers(tail: &mut BytesMut, kind: u8, numbers: &[u32]) {
    head(tail, kind, numbers.len() * 4);
    numbers.iter().for_each(|number| tail.put_u32(*number));
}

fn of_block(tail: &mut BytesMut, kind: u8, block: Block) {
    numbers(tail, kind, &[block.piece, block.begin, block.length]);
}

fn of_range(tail: &mut BytesMut, kind: u8, range: &HashRange, behind: usize) {
    head(tail, kind, RANGE as usize + behind);
    tail.put_slice(&range.root.0);
    for number in [range.layer, range.index, range.length, range.proofs] {
        tail.put_u32(number);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PeerId, Reserved};
    use super::*;
    use crate::codec::Codec as _;
    use crate::proto::bittorrent::hash::Sha1;

    fn met() -> Codec {
        Codec { met: true, skipping: 0 }
    }

    fn said(message: Message) -> Vec<u8> {
        let mut out = Outbox::new();
        met().encode(Said::Message(message), &mut out).unwrap();
        let mut bytes = Vec::new();
        while !out.is_empty() {
            let mut slices = [std::io::IoSlice::new(&[]); 4];
            let used = out.slices(&mut slices);
            let now: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
            out.advance(now.len());
            bytes.extend(now);
        }
        bytes
    }

    fn heard(bytes: &[u8]) -> Result<Option<Message>, Reject> {
        let mut src = BytesMut::from(bytes);
        let item = met().decode(&mut src)?;
        Ok(item.map(|item| match item {
            Said::Message(message) => {
                assert!(src.is_empty(), "{message:?} leaves {src:?}");
                message
            }
            Said::Handshake(_) => panic!("a second handshake"),
        }))
    }

    #[test]
    fn messages() {
        let block = Block { piece: 1, begin: 0x4000, length: 0x4000 };
        let bytes = b"\0\0\0\x01\0\0\x40\0\0\0\x40\0";
        let of_block = |kind: u8| [&[0, 0, 0, 13, kind][..], &bytes[..]].concat();
        let range = HashRange { root: Sha256([7; 32]), layer: 1, index: 2, length: 3, proofs: 4 };
        let tail = b"\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04";
        let of_range = |length: u8, kind: u8| [&[0, 0, 0, length, kind][..], &[7; 32], tail].concat();
        for (message, expected) in [
            (Message::KeepAlive, vec![0, 0, 0, 0]),
            (Message::Choke, vec![0, 0, 0, 1, 0]),
            (Message::Unchoke, vec![0, 0, 0, 1, 1]),
            (Message::Interested, vec![0, 0, 0, 1, 2]),
            (Message::NotInterested, vec![0, 0, 0, 1, 3]),
            (Message::Have(0x0102_0304), vec![0, 0, 0, 5, 4, 1, 2, 3, 4]),
            (Message::Bitfield(Bytes::from_static(&[0xc0])), vec![0, 0, 0, 2, 5, 0xc0]),
            (Message::Request(block), of_block(6)),
            (
                Message::Piece { piece: 1, begin: 2, data: Bytes::from_static(b"data") },
                b"\0\0\0\x0d\x07\0\0\0\x01\0\0\0\x02data".to_vec(),
            ),
            (Message::Cancel(block), of_block(8)),
            (Message::Port(6881), vec![0, 0, 0, 3, 9, 0x1a, 0xe1]),
            (Message::Suggest(5), vec![0, 0, 0, 5, 13, 0, 0, 0, 5]),
            (Message::HaveAll, vec![0, 0, 0, 1, 14]),
            (Message::HaveNone, vec![0, 0, 0, 1, 15]),
            (Message::Reject(block), of_block(16)),
            (Message::AllowedFast(5), vec![0, 0, 0, 5, 17, 0, 0, 0, 5]),
            (
                Message::Extended { id: 3, payload: Bytes::from_static(b"de") },
                b"\0\0\0\x04\x14\x03de".to_vec(),
            ),
            (Message::HashRequest(range), of_range(49, 21)),
            (
                Message::Hashes { range, hashes: vec![9; 64].into() },
                [of_range(49 + 64, 22), vec![9; 64]].concat(),
            ),
            (Message::HashReject(range), of_range(49, 23)),
        ] {
            assert_eq!(said(message.clone()), expected, "{message:?}");
            assert_eq!(heard(&expected), Ok(Some(message)));
        }
    }

    #[test]
    fn lengths_that_are_wrong_are_known_before_the_bytes_have_come() {
        for (kind, length) in [
            (0, 1),
            (4, 3),
            (5, MAX_BITFIELD + 1),
            (6, 13),
            (7, 8),
            (7, 9 + BLOCK),
            (9, 4),
            (14, 1),
            (20, 0),
            (20, MAX_EXTENDED + 1),
            (21, 47),
            (22, 49),
            (22, RANGE + MAX_HASHES + 32),
            (23, 0),
        ] {
            let head = [&(length + 1).to_be_bytes()[..], &[kind]].concat();
            assert_eq!(heard(&head), Err(Reject::Length { kind, length }), "{kind}");
        }
        assert_eq!(heard(&[0, 0x10, 0, 1]), Err(Reject::Long(0x0010_0001)));
        assert_eq!(heard(&[0xff; 4]), Err(Reject::Long(u32::MAX)));
    }

    #[test]
    fn what_nobody_knows_is_passed_over() {
        let mut codec = met();
        let mut src = BytesMut::from(&[&[0, 0, 0, 11, 99][..], &[1; 10], &[0, 0, 0, 1, 2]].concat()[..]);
        let mut behind = src.split_off(8);
        assert_eq!(codec.decode(&mut src), Ok(None));
        assert!(src.is_empty(), "it is not kept");
        assert_eq!(codec.decode(&mut behind), Ok(Some(Said::Message(Message::Interested))));
    }

    #[test]
    fn handshakes_come_first() {
        let handshake = Handshake {
            reserved: Reserved::ours(true, true),
            swarm: Sha1([1; 20]),
            peer: PeerId(*b"-WW0001-abcdefghijkl"),
        };
        let bytes = [&handshake.to_bytes()[..], &[0, 0, 0, 1, 2]].concat();
        let mut codec = Codec::new();
        let mut src = BytesMut::from(&bytes[..67]);
        assert_eq!(codec.decode(&mut src), Ok(None));
        src.extend_from_slice(&bytes[67..]);
        assert_eq!(codec.decode(&mut src), Ok(Some(Said::Handshake(handshake))));
        assert_eq!(codec.decode(&mut src), Ok(Some(Said::Message(Message::Interested))));
        for wrong in [&b"\x13BitTorrent protocoL"[..], b"GET / HTTP/1.1", b"\x14"] {
            assert_eq!(Codec::new().decode(&mut BytesMut::from(wrong)), Err(Reject::Protocol));
        }
    }
}
