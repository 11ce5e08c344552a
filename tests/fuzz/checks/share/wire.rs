//! What peers say on a connection: the same however the bytes arrive, each message the bytes that it was, and messages of extensions that can be written and read again.

use std::net::Ipv4Addr;

use bytes::{Bytes, BytesMut};
use wireworks::codec::{Codec as _, Outbox};
use wireworks::proto::bittorrent::BLOCK;
use wireworks::proto::bittorrent::wire::extension::{self, Extension};
use wireworks::proto::bittorrent::wire::fast::{ALLOWED, allowed};
use wireworks::proto::bittorrent::wire::holepunch::Holepunch;
use wireworks::proto::bittorrent::wire::metadata::Metadata;
use wireworks::proto::bittorrent::wire::pex::{Exchange, MAX_PEERS};
use wireworks::proto::bittorrent::wire::{
    Bitfield, Codec, MAX_BITFIELD, MAX_EXTENDED, Message, Reject, Said,
};

use super::super::arrivals;

/// Bytes of a handshake, and of any message.
const HANDSHAKE: usize = 68;
const LONGEST: usize = 1 << 20;

/// What was heard of a peer.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    said: Vec<Said>,
    refused: Option<Reject>,
    /// Bytes that say nothing yet.
    left: usize,
}

/// Says whether `wire` is a handshake and whole messages.
pub(crate) fn check(wire: &[u8]) -> bool {
    let whole = hear(&[wire]);
    for way in arrivals(wire) {
        assert_eq!(hear(&way), whole, "as {} pieces", way.len());
    }
    frames(wire, &whole);
    for item in &whole.said {
        match item {
            Said::Handshake(handshake) => {
                let pieces = handshake.swarm.0[0].into();
                fast(handshake.peer.0, pieces);
            }
            Said::Message(message) => meaning(message),
        }
    }
    whole.refused.is_none() && whole.left == 0 && !whole.said.is_empty()
}

fn hear(pieces: &[&[u8]]) -> Heard {
    let (mut codec, mut src) = (Codec::new(), BytesMut::new());
    let mut heard = Heard { said: Vec::new(), refused: None, left: 0 };
    for piece in pieces {
        src.extend_from_slice(piece);
        loop {
            match codec.decode(&mut src) {
                Ok(Some(item)) => heard.said.push(item),
                Ok(None) => break,
                Err(reject) => return Heard { refused: Some(reject), ..heard },
            }
        }
        assert!(src.len() < LONGEST + 4, "what waits has a limit");
    }
    heard.left = src.len();
    heard
}

/// Cuts the wire into frames by the lengths in it: what is heard is those whose number is known, byte by byte.
fn frames(wire: &[u8], heard: &Heard) {
    let mut said = heard.said.iter();
    let begin = wire.len().min(20);
    let is_protocol = wire[..begin] == b"\x13BitTorrent protocol"[..begin];
    assert_eq!(heard.refused == Some(Reject::Protocol), !is_protocol);
    if !is_protocol || wire.len() < HANDSHAKE {
        return assert!(heard.said.is_empty());
    }
    assert_eq!(written(said.next().unwrap()), &wire[..HANDSHAKE]);
    let mut rest = &wire[HANDSHAKE..];
    let refused = loop {
        let Some(head) = rest.first_chunk::<4>() else { break None };
        let length = u32::from_be_bytes(*head) as usize;
        let kind = rest.get(4).copied();
        if length > LONGEST {
            break Some(Reject::Long(length as u32));
        }
        if let (Some(kind), 1..) = (kind, length)
            && is_fit(kind, length - 1) == Some(false)
        {
            break Some(Reject::Length { kind, length: length as u32 - 1 });
        }
        let Some((frame, after)) = rest.split_at_checked(4 + length) else { break None };
        if length == 0 || kind.is_some_and(|kind| is_fit(kind, length - 1).is_some()) {
            assert_eq!(written(said.next().unwrap()), frame);
        }
        rest = after;
    };
    assert_eq!(heard.refused, refused);
    assert_eq!(said.next(), None);
}

/// Whether a message of a kind may be so long (BEP 3, 5, 6, 10, 52); `None` if there is none of that kind.
fn is_fit(kind: u8, rest: usize) -> Option<bool> {
    let range = match kind {
        0..=3 | 14 | 15 => 0..=0,
        4 | 13 | 17 => 4..=4,
        5 => 0..=MAX_BITFIELD as usize,
        6 | 8 | 16 => 12..=12,
        7 => 9..=8 + BLOCK as usize,
        9 => 2..=2,
        20 => 1..=MAX_EXTENDED as usize,
        21 | 23 => 48..=48,
        22 => return Some(rest % 32 == 16 && (48..=48 + 8192 * 32).contains(&rest)),
        _ => return None,
    };
    Some(range.contains(&rest))
}

fn written(item: &Said) -> Vec<u8> {
    let mut out = Outbox::new();
    Codec::new().encode(item.clone(), &mut out).unwrap();
    super::emptied(&mut out)
}

/// What a message means, wherever that is decided here.
fn meaning(message: &Message) {
    match message {
        Message::Bitfield(bytes) => bitfield(bytes),
        Message::Extended { id, payload } => {
            assert_eq!(
                Extension::of(*id).map(|extension| extension as u8),
                Some(*id).filter(|id| (1..=5).contains(id))
            );
            // Whoever it is for: nobody knows what a number means to others.
            introduction(payload);
            metadata(payload);
            exchange(payload);
            holepunch(payload);
        }
        _ => {}
    }
}

/// The pieces that a peer has: the bits of its bytes, and none behind the last piece.
fn bitfield(bytes: &Bytes) {
    let bits = bytes.len() as u32 * 8;
    for pieces in bits.saturating_sub(8)..=bits + 1 {
        let read = Bitfield::read(bytes, pieces);
        let bit = |piece: u32| bytes[piece as usize / 8] & (0x80 >> (piece % 8)) != 0;
        let good = pieces.div_ceil(8) == bits / 8 && (pieces..bits).all(|piece| !bit(piece));
        assert_eq!(read.is_some(), good, "{pieces} pieces");
        let Some(field) = read else { continue };
        assert_eq!((field.as_bytes(), field.pieces()), (&bytes[..], pieces));
        let mut again = Bitfield::none(pieces);
        assert!(field.iter().all(|piece| bit(piece) && field.has(piece) && again.set(piece)));
        assert_eq!((again.count(), &again), (field.count(), &field));
        assert_eq!(field.is_all(), field == Bitfield::all(pieces));
        assert_eq!(field.has_more_than(&Bitfield::none(pieces)), field.count() > 0);
        assert_eq!(Bitfield::all(pieces).has_more_than(&field), !field.is_all());
        assert!(field.iter().all(|piece| again.clear(piece)) && again == Bitfield::none(pieces));
    }
}

fn introduction(payload: &[u8]) {
    let Ok(read) = extension::Handshake::read(payload) else { return };
    assert_eq!(extension::Handshake::read(&read.to_bytes()).as_ref(), Ok(&read));
    assert!(read.requests.is_none_or(|requests| (1..=10_000).contains(&requests)));
    assert!(
        read.port != Some(0) && read.metadata_size != Some(0) && read.numbers.len() <= Extension::ALL.len()
    );
    let client = read.client.as_deref().unwrap_or("-");
    assert!((1..=64).contains(&client.chars().count()) && !client.contains(char::is_control), "{client:?}");
    for extension in Extension::ALL {
        let number = read.numbers.iter().find(|(known, _)| *known == extension).map(|(_, number)| *number);
        assert_eq!(read.number(extension), number);
    }
}

fn metadata(payload: &Bytes) {
    let Ok(Some(read)) = Metadata::read(payload) else { return };
    if let Metadata::Data { data, .. } = &read {
        assert!((1..=BLOCK as usize).contains(&data.len()) && payload.ends_with(data));
    }
    assert_eq!(Metadata::read(&read.to_bytes().into()), Ok(Some(read)));
}

fn exchange(payload: &[u8]) {
    let Ok(read) = Exchange::read(payload) else { return };
    for v4 in [true, false] {
        assert!(read.added.iter().filter(|(peer, _)| peer.is_ipv4() == v4).count() <= MAX_PEERS);
        assert!(read.dropped.iter().filter(|peer| peer.is_ipv4() == v4).count() <= MAX_PEERS);
    }
    assert_eq!(Exchange::read(&read.to_bytes()), Ok(read));
}

fn holepunch(payload: &[u8]) {
    let Some(read) = Holepunch::read(payload) else { return };
    let written = read.to_bytes();
    assert_eq!(Holepunch::read(&written), Some(read));
    let same = payload.len().min(written.len() - 4);
    assert_eq!(payload[..same], written[..same], "all but the code is as it was");
}

/// A peer is allowed so many pieces, each once, and its neighbours the same.
fn fast(id: [u8; 20], pieces: u32) {
    let [a, b, c, d, ..] = id;
    let swarm = wireworks::proto::bittorrent::hash::Sha1(id);
    let set = allowed(Ipv4Addr::new(a, b, c, d), swarm, pieces, ALLOWED);
    assert_eq!(set.len(), ALLOWED.min(pieces as usize));
    assert!(set.iter().enumerate().all(|(at, piece)| *piece < pieces && !set[..at].contains(piece)));
    assert_eq!(set, allowed(Ipv4Addr::new(a, b, c, 0), swarm, pieces, ALLOWED));
}
