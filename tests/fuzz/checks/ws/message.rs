//! Messages with `permessage-deflate` (RFC 7692): compressed by us, or by nobody; whole or in fragments; bombs.
//!
//! The input is read as decisions: what was agreed on, the limits, and then one message after the other. A second opinion inflates each
//! payload in one go and counts what comes out.

use flate2::{Decompress, FlushDecompress, Status};
use wireworks::proto::ws::codec::{Codec, Role};
use wireworks::proto::ws::deflate::{Agreed, Params};
use wireworks::proto::ws::limits::Limits;
use wireworks::proto::ws::message::{Incoming, Message, Outgoing, Text};
use wireworks::proto::ws::reject::Reject;

use super::super::{Choices, arrivals};
use super::{codec, hear, masked, say};

/// Checks one connection, and says whether all of its messages were good.
pub(crate) fn check(input: &[u8]) -> bool {
    let mut choices = Choices(input);
    let limits = choices.pick(&[
        Limits::default(),
        Limits { frame: 60, message: 100, empty_frames: 2 },
        Limits { message: 5000, ..Limits::default() },
    ]);
    let takeover = choices.flag();
    let bits = 9 + choices.below(7) as u8;
    let params = Params {
        server_no_context_takeover: !takeover,
        client_no_context_takeover: !takeover,
        server_window_bits: bits,
        client_window_bits: bits,
    };
    let agreed = Agreed { params, level: choices.below(10) as u32, threshold: 0 };
    let mut server = codec(Role::Server, limits).deflate(agreed);
    let mut scale = Scale::new(takeover, bits);
    let mut wire = Vec::new();
    let mut expected = Vec::new();
    let mut fault = None;
    let mut raw = false;
    while !choices.is_empty() && fault.is_none() && expected.len() < 20 {
        let before = wire.len();
        let message = one(&mut choices, &mut server, &mut wire);
        fault = weigh(&wire[before..], &mut scale, &limits, &mut expected);
        // With takeover, what nobody has compressed may end within a block, and nobody could tell.
        raw |= takeover && message.is_none();
        if let (Some(message), None, false) = (message, fault, raw) {
            assert_eq!(expected.last(), Some(&message), "what was compressed is what is heard");
        }
    }
    let client = || codec(Role::Client, limits).deflate(agreed);
    compare(&client, &limits, &wire, &expected, fault);
    let wire = masked(&wire).unwrap();
    compare(&|| codec(Role::Server, limits).deflate(agreed), &limits, &wire, &expected, fault);
    fault.is_none() && !expected.is_empty()
}

/// A fault in what a message contains. Which one is named may hang on the arrival, when there are several.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fault(bool, Reject);

fn compare(
    make: &dyn Fn() -> Codec,
    limits: &Limits,
    wire: &[u8],
    expected: &[Incoming],
    fault: Option<Fault>,
) {
    for way in arrivals(wire) {
        let heard = hear(make(), limits, &way);
        assert_eq!(heard.items, expected, "as {} pieces", way.len());
        match (fault, heard.refused) {
            (None, None) => {}
            (Some(Fault(false, reject)), Some(named)) => assert_eq!(named, reject),
            (Some(Fault(true, _)), Some(named)) => assert!(is_of_content(named), "{named:?}"),
            (fault, named) => panic!("{named:?}, not {fault:?}, as {} pieces", way.len()),
        }
    }
}

fn is_of_content(reject: Reject) -> bool {
    matches!(reject, Reject::TextNotUtf8 | Reject::BadDeflate | Reject::MessageTooLong { .. })
}

/// Puts a message on the wire, as a server says it; and says which it is, if that is known.
fn one(choices: &mut Choices<'_>, server: &mut Codec, wire: &mut Vec<u8>) -> Option<Incoming> {
    let text = choices.flag();
    let kind = choices.below(4);
    let content = match kind {
        // A bomb.
        3 => vec![choices.byte(); 100 * choices.below(256)],
        _ => choices.some().repeat(1 + choices.below(3)),
    };
    if kind == 2 {
        // As if it were compressed.
        fragments(choices, if text { 0x41 } else { 0x42 }, &content, wire);
        return None;
    }
    let message: Message = match Text::new(content.clone().into()) {
        Some(text_) if text => Message::Text(text_),
        _ => content.into(),
    };
    let said = say(server, [Outgoing::Message(message.clone())]);
    let frame = super::frames(&said).pop().unwrap();
    fragments(choices, frame.first & 0x7f, &frame.payload, wire);
    Some(Incoming::Message(message))
}

/// A message as one to four frames, perhaps with a ping between them.
fn fragments(choices: &mut Choices<'_>, first: u8, payload: &[u8], wire: &mut Vec<u8>) {
    let count = 1 + choices.below(4);
    let mut rest = payload;
    for index in 0..count {
        let last = index + 1 == count;
        let size = if last { rest.len() } else { choices.below(256).min(rest.len()) };
        let (piece, after) = rest.split_at(size);
        rest = after;
        let opcode = if index == 0 { first } else { 0 };
        wire.push(opcode | if last { 0x80 } else { 0 });
        match piece.len() {
            short @ 0..126 => wire.push(short as u8),
            long @ 126..0x1_0000 => wire.extend([126, (long >> 8) as u8, long as u8]),
            long => {
                wire.push(127);
                wire.extend((long as u64).to_be_bytes());
            }
        }
        wire.extend_from_slice(piece);
        if !last && choices.flag() {
            wire.extend(b"\x89\x01p");
        }
    }
}

/// What one message on the wire has to make.
fn weigh(wire: &[u8], scale: &mut Scale, limits: &Limits, expected: &mut Vec<Incoming>) -> Option<Fault> {
    let all = super::frames(wire);
    let (mut payload, mut empty) = (Vec::new(), 0);
    let compressed = all[0].first & 0x40 != 0;
    let text = all[0].opcode() == 1;
    // Faults of a frame's head come before those of what is in it.
    for frame in &all {
        if frame.is_control() {
            expected.push(Incoming::Ping(frame.payload.clone().into()));
            continue;
        }
        if frame.payload.len() > limits.frame {
            let fault = Reject::FrameTooLong { length: frame.payload.len() as u64, limit: limits.frame };
            return Some(early(scale, compressed, text, &payload, limits, fault));
        }
        if payload.len() + frame.payload.len() > limits.message {
            let fault = Reject::MessageTooLong { limit: limits.message };
            return Some(early(scale, compressed, text, &payload, limits, fault));
        }
        empty += u32::from(frame.payload.is_empty() && !frame.is_last());
        if empty > limits.empty_frames {
            let fault = Reject::EmptyFrames { limit: limits.empty_frames };
            return Some(early(scale, compressed, text, &payload, limits, fault));
        }
        payload.extend_from_slice(&frame.payload);
        if !frame.is_last() && scale.is_bad(compressed, text, &payload, limits) {
            return Some(Fault(true, Reject::BadDeflate));
        }
    }
    let content = match compressed {
        true => scale.inflate(&payload, limits.message),
        false => Ok(payload),
    };
    let content = match content {
        Ok(content) => content,
        Err(fault) => return Some(Fault(true, fault)),
    };
    expected.push(Incoming::Message(match text {
        true => match Text::new(content.into()) {
            Some(text) => Message::Text(text),
            None => return Some(Fault(true, Reject::TextNotUtf8)),
        },
        false => content.into(),
    }));
    None
}

/// A fault of a head, unless what came before it was bad already.
fn early(
    scale: &Scale,
    compressed: bool,
    text: bool,
    payload: &[u8],
    limits: &Limits,
    fault: Reject,
) -> Fault {
    let bad = scale.is_bad(compressed, text, payload, limits);
    Fault(bad, fault)
}

/// Inflates messages, each in one go.
struct Scale {
    takeover: bool,
    bits: u8,
    /// The payloads so far that the next one may lean on.
    before: Vec<Vec<u8>>,
}

impl Scale {
    fn new(takeover: bool, bits: u8) -> Self {
        Self { takeover, bits, before: Vec::new() }
    }

    /// Whether what is there of a message is bad already.
    fn is_bad(&self, compressed: bool, text: bool, payload: &[u8], limits: &Limits) -> bool {
        let content = match compressed {
            true => match self.run(payload, limits.message) {
                Ok((content, _)) => content,
                Err(_) => return true,
            },
            false => payload.to_vec(),
        };
        text && std::str::from_utf8(&content).is_err_and(|error| error.error_len().is_some())
    }

    /// A whole message.
    fn inflate(&mut self, payload: &[u8], limit: usize) -> Result<Vec<u8>, Reject> {
        let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
        let content = self.run(&whole, limit)?.0;
        // A further empty block would change the content of one that is cut; the last one would not end the stream.
        let last = u8::from(!self.takeover);
        let whole = [&whole[..], &[last, 0, 0, 0xff, 0xff]].concat();
        if self.run(&whole, limit) != Ok((content.clone(), !self.takeover)) {
            return Err(Reject::BadDeflate);
        }
        if self.takeover {
            self.before.push(whole);
        }
        Ok(content)
    }

    /// All that was said before, and then this: its content, and whether it ends with the end of a stream.
    fn run(&self, payload: &[u8], limit: usize) -> Result<(Vec<u8>, bool), Reject> {
        // Without takeover the window is the largest, as a pool has one kind.
        let bits = if self.takeover { self.bits } else { 15 };
        let mut inner = Decompress::new_with_window_bits(false, bits);
        let (mut content, mut ended) = (Vec::new(), false);
        for one in self.before.iter().map(|one| &one[..]).chain([payload]) {
            content.clear();
            let mut rest = one;
            while !rest.is_empty() {
                content.reserve(64 * 1024);
                let (taken, made) = (inner.total_in(), content.len());
                let status = inner
                    .decompress_vec(rest, &mut content, FlushDecompress::Sync)
                    .map_err(|_| Reject::BadDeflate)?;
                let taken = (inner.total_in() - taken) as usize;
                rest = &rest[taken..];
                ended = status == Status::StreamEnd;
                match status {
                    Status::StreamEnd => inner.reset(false),
                    _ if taken == 0 && content.len() == made => return Err(Reject::BadDeflate),
                    _ => {}
                }
            }
            // What the last byte of input still holds back.
            loop {
                content.reserve(64 * 1024);
                let made = content.len();
                inner
                    .decompress_vec(&[], &mut content, FlushDecompress::Sync)
                    .map_err(|_| Reject::BadDeflate)?;
                if content.len() == made {
                    break;
                }
            }
        }
        if content.len() > limit { Err(Reject::MessageTooLong { limit }) } else { Ok((content, ended)) }
    }
}
