//! WebSocket: what the checkers of frames, messages, handshakes and the comparison with tungstenite share.
//!
//! [`frames`] reads a wire slowly and judges nothing; [`opinion`] is the second opinion on what a codec has to make of it, rule by
//! rule of RFC 6455 sections 5 and 7.4. Fuzzers write frames of servers, which are not masked: [`masked`] makes those of a client of
//! them, that have to mean the same.

pub(crate) mod differential;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod message;

use bytes::{Bytes, BytesMut};
use wireworks::codec::{Codec as _, Outbox};
use wireworks::proto::ws::close::{CloseCode, CloseReason};
use wireworks::proto::ws::codec::{Codec, Role, WsError};
use wireworks::proto::ws::limits::Limits;
use wireworks::proto::ws::message::{Incoming, Message, Outgoing, Text};
use wireworks::proto::ws::reject::Reject;

use super::Dice;

/// A frame as it stands on a wire, perhaps cut.
struct Frame {
    first: u8,
    /// With the bit of the mask.
    second: Option<u8>,
    /// The length, where the frame says it in full.
    length: Option<u64>,
    /// Whether all of its head is there.
    headed: bool,
    /// What is there of the payload, unmasked.
    payload: Vec<u8>,
}

impl Frame {
    fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    fn is_last(&self) -> bool {
        self.first & 0x80 != 0
    }

    fn is_control(&self) -> bool {
        self.first & 0x08 != 0
    }

    fn is_masked(&self) -> bool {
        self.second.is_some_and(|second| second & 0x80 != 0)
    }

    fn is_whole(&self) -> bool {
        self.headed && self.length == Some(self.payload.len() as u64)
    }

    /// Bytes of the length behind the first two.
    fn long(&self) -> usize {
        match self.second.unwrap_or(0) & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }
}

/// The frames of a wire; the last may be cut.
fn frames(mut wire: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(&first) = wire.first() {
        let mut frame =
            Frame { first, second: wire.get(1).copied(), length: None, headed: false, payload: Vec::new() };
        let long = frame.long();
        let mut rest = wire.get(2..).unwrap_or_default();
        if let (Some(second), Some(bytes)) = (frame.second, rest.get(..long)) {
            let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            frame.length = Some(if long == 0 { u64::from(second & 0x7f) } else { number });
            rest = &rest[long..];
            let key = if frame.is_masked() { rest.get(..4) } else { Some(&[0; 4][..]) };
            frame.headed = key.is_some();
            if let Some(key) = key {
                rest = &rest[if frame.is_masked() { 4 } else { 0 }..];
                let there = frame.length.map_or(0, |length| rest.len().min(length as usize));
                let plain = rest[..there].iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]);
                frame.payload = plain.collect();
                rest = &rest[there..];
            }
        }
        let cut = !frame.is_whole();
        frames.push(frame);
        if cut {
            break;
        }
        wire = rest;
    }
    frames
}

/// The same wire from a client, its frames masked with keys that hang on nothing but the wire; `None` when some are masked already.
fn masked(wire: &[u8]) -> Option<Vec<u8>> {
    let mut dice = Dice::of(wire);
    let mut out = Vec::new();
    let mut at = 0;
    for frame in frames(wire) {
        if frame.is_masked() {
            return None;
        }
        let head = (2 + frame.long()).min(wire.len() - at);
        let start = out.len();
        out.extend_from_slice(&wire[at..at + head]);
        if let Some(second) = out.get_mut(start + 1) {
            *second |= 0x80;
        }
        if frame.headed {
            let key = (dice.next() as u32).to_le_bytes();
            out.extend_from_slice(&key);
            out.extend(frame.payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]));
        }
        at += head + frame.payload.len();
    }
    Some(out)
}

fn codec(role: Role, limits: Limits) -> Codec {
    match role {
        Role::Server => Codec::server(limits),
        Role::Client => Codec::client(limits, [5; 32]),
    }
}

/// What a codec made of a wire.
#[derive(Debug, PartialEq)]
struct Heard {
    items: Vec<Incoming>,
    refused: Option<Reject>,
    /// Something has begun and not ended.
    unfinished: bool,
}

/// Feeds a codec, which may at no time hold more than its limits allow.
fn hear(mut codec: Codec, limits: &Limits, pieces: &[&[u8]]) -> Heard {
    let (mut src, mut items) = (BytesMut::new(), Vec::new());
    let most = pieces.iter().map(|piece| piece.len()).sum::<usize>() + 1;
    for piece in pieces {
        src.extend_from_slice(piece);
        loop {
            match codec.decode(&mut src) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(WsError::Peer(reject)) => {
                    return Heard { items, refused: Some(reject), unfinished: true };
                }
                Err(error @ WsError::Closing) => panic!("{error}, says a decoder"),
            }
            assert!(items.len() <= most, "items without end");
        }
        assert!(codec.unfinished().is_none_or(|bytes| bytes <= limits.message), "more is kept than may come");
        assert!(src.len() <= Codec::READ_LIMIT, "{} bytes wait", src.len());
        if codec.is_closed_by_peer() {
            assert!(src.is_empty() && matches!(items.last(), Some(Incoming::Close(_))));
        }
    }
    let begun = codec.unfinished().is_some() || !src.is_empty();
    Heard { items, refused: None, unfinished: begun && !codec.is_closed_by_peer() }
}

/// The bytes of what is said.
fn say(codec: &mut Codec, items: impl IntoIterator<Item = Outgoing>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in items {
        let mut out = Outbox::new();
        codec.encode(item, &mut out).unwrap();
        let mut slices = [std::io::IoSlice::new(&[]); 8];
        let used = out.slices(&mut slices);
        slices[..used].iter().for_each(|slice| bytes.extend_from_slice(slice));
    }
    bytes
}

/// What was heard, to be said again.
fn again(items: &[Incoming]) -> impl Iterator<Item = Outgoing> {
    items.iter().cloned().map(|item| match item {
        Incoming::Message(message) => Outgoing::Message(message),
        Incoming::Ping(payload) => Outgoing::Ping(payload),
        Incoming::Pong(payload) => Outgoing::Pong(payload),
        Incoming::Close(reason) => Outgoing::Close(reason),
    })
}

/// What has to be heard, by a receiver in this role without extensions, and every fault of the first frame that has one. Any of those may
/// be the one that is named.
fn opinion(wire: &[u8], role: Role, limits: &Limits) -> (Vec<Incoming>, Vec<Reject>) {
    let mut items = Vec::new();
    let mut message: Option<Partial> = None;
    for frame in frames(wire) {
        let mut faults = head_faults(&frame, role, limits);
        if frame.headed && !frame.is_control() {
            faults.extend(turn_faults(&frame, message.as_ref(), limits));
        }
        if faults.is_empty() && frame.headed {
            if frame.is_control() {
                faults.extend(control(&frame, &mut items));
            } else {
                faults.extend(data(&frame, &mut message, &mut items));
            }
        }
        if !faults.is_empty() || matches!(items.last(), Some(Incoming::Close(_))) {
            return (items, faults);
        }
    }
    (items, Vec::new())
}

struct Partial {
    text: bool,
    content: Vec<u8>,
    empty: u32,
}

/// Section 5.2 and 5.5, as far as the head is there.
fn head_faults(frame: &Frame, role: Role, limits: &Limits) -> Vec<Reject> {
    let mut faults = Vec::new();
    let opcode = frame.opcode();
    let control = frame.is_control();
    if frame.first & 0x30 != 0 || control && frame.first & 0x40 != 0 {
        faults.push(Reject::ReservedBits);
    }
    if !matches!(opcode, 0..=2 | 8..=10) {
        faults.push(Reject::ReservedOpcode(opcode));
    }
    if control && !frame.is_last() {
        faults.push(Reject::FragmentedControl);
    }
    if control && frame.second.is_some_and(|second| second & 0x7f > 125) {
        faults.push(Reject::LongControl);
    }
    let Some(length) = frame.length else { return faults };
    if frame.long() == 2 && length < 126 || frame.long() == 8 && length < 65_536 {
        faults.push(Reject::LengthNotMinimal);
    }
    if length >= 1 << 63 {
        faults.push(Reject::LengthTooLarge);
    }
    if !frame.headed {
        return faults;
    }
    if frame.first & 0x40 != 0 {
        faults.push(Reject::ReservedBits);
    }
    match role {
        Role::Server if !frame.is_masked() => faults.push(Reject::NotMasked),
        Role::Client if frame.is_masked() => faults.push(Reject::Masked),
        _ => {}
    }
    if length > limits.frame as u64 {
        faults.push(Reject::FrameTooLong { length, limit: limits.frame });
    }
    faults
}

/// Section 5.4: whether a data frame is at its place.
fn turn_faults(frame: &Frame, message: Option<&Partial>, limits: &Limits) -> Vec<Reject> {
    let mut faults = Vec::new();
    match (frame.opcode(), message.is_some()) {
        (0, false) => faults.push(Reject::StrayContinuation),
        (1 | 2, true) => faults.push(Reject::Interrupted),
        _ => {}
    }
    let length = frame.length.unwrap_or(0);
    let before = message.map_or(0, |message| message.content.len() as u64);
    if length.saturating_add(before) > limits.message as u64 {
        faults.push(Reject::MessageTooLong { limit: limits.message });
    }
    let empty = message.map_or(0, |message| message.empty);
    if length == 0 && !frame.is_last() && empty >= limits.empty_frames {
        faults.push(Reject::EmptyFrames { limit: limits.empty_frames });
    }
    faults
}

/// Section 5.5.
fn control(frame: &Frame, items: &mut Vec<Incoming>) -> Option<Reject> {
    if !frame.is_whole() {
        return None;
    }
    let payload = Bytes::from(frame.payload.clone());
    items.push(match (frame.opcode(), &frame.payload[..]) {
        (9, _) => Incoming::Ping(payload),
        (10, _) => Incoming::Pong(payload),
        (_, []) => Incoming::Close(None),
        (_, [_]) => return Some(Reject::HalfCloseCode),
        (_, [high, low, reason @ ..]) => {
            let code = u16::from(*high) << 8 | u16::from(*low);
            // Section 7.4, with the codes that were registered since.
            if !matches!(code, 1000..=1014 | 3000..=4999) || matches!(code, 1004..=1006) {
                return Some(Reject::BadCloseCode(code));
            }
            let Ok(reason) = std::str::from_utf8(reason) else { return Some(Reject::ReasonNotUtf8) };
            Incoming::Close(Some(CloseReason::new(CloseCode::new(code).unwrap(), reason)))
        }
    });
    None
}

/// Section 5.6 and 8.1.
fn data(frame: &Frame, message: &mut Option<Partial>, items: &mut Vec<Incoming>) -> Option<Reject> {
    let mut partial =
        message.take().unwrap_or(Partial { text: frame.opcode() == 1, content: Vec::new(), empty: 0 });
    partial.content.extend_from_slice(&frame.payload);
    partial.empty += u32::from(frame.length == Some(0) && !frame.is_last());
    let over = frame.is_whole() && frame.is_last();
    if partial.text
        && let Err(error) = std::str::from_utf8(&partial.content)
        && (over || error.error_len().is_some())
    {
        return Some(Reject::TextNotUtf8);
    }
    if !over {
        *message = Some(partial);
        return None;
    }
    let content = Bytes::from(partial.content);
    items.push(Incoming::Message(match partial.text {
        true => Message::Text(Text::new(content).unwrap()),
        false => Message::Binary(content),
    }));
    None
}
