//! Frames, as they stand on the wire (section "Frames").

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};

use super::metadata::Metadata;
use super::reject::{ErrorCode, Reject};
use super::settings::Settings;
use super::status::{Advice, Code, MAX_TEXT, Status};
use crate::codec::Outbox;

/// Bytes of a frame's head.
pub const HEAD: usize = 8;

/// Bytes that an OPEN has in front of its trace, metadata and message.
const OPEN_HEAD: usize = 20;

/// Bytes of a status in front of its text.
const STATUS_HEAD: usize = 12;

/// The longest text of a RESET or GOAWAY, in bytes. What is longer is cut.
pub const MAX_REASON: usize = 256;

/// The longest deadline that can be said; a longer one is said as this. It is almost nine years.
pub const MAX_DEADLINE: Duration = Duration::from_micros((1 << 48) - 1);

pub(super) const HELLO: u8 = 1;
const OPEN: u8 = 2;
const DATA: u8 = 3;
const END: u8 = 4;
const RESET: u8 = 5;
const CREDIT: u8 = 6;
const PING: u8 = 7;
const PONG: u8 = 8;
const GOAWAY: u8 = 9;
/// Types from here on may be skipped.
const OPTIONAL: u8 = 128;

const LAST: u8 = 1;
const MESSAGE: u8 = 2;
const MORE: u8 = 4;
const COMPRESSED: u8 = 8;
const TRACE: u8 = 16;
const STATUS: u8 = 32;

/// What one peer says to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// What the sender puts up with.
    Hello(Settings),
    /// Begins a call.
    Open(Open),
    /// A message, or a piece of one.
    Data(Data),
    /// The end of the answer.
    End(End),
    /// Ends a stream at once.
    Reset(Reset),
    /// So many bytes more may be sent.
    Credit {
        /// On which stream; 0 for the connection.
        stream: u32,
        /// How many, from 1 to 2^31 - 1.
        bytes: u32,
    },
    /// Wants a [`Frame::Pong`] with the same bytes.
    Ping([u8; 8]),
    /// Answers a ping.
    Pong([u8; 8]),
    /// No further calls, or none at all.
    GoAway(GoAway),
}

/// A message, or a piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes.
    pub bytes: Bytes,
    /// The message goes on in the next DATA frame of the stream.
    pub more: bool,
    /// The message that begins here is compressed.
    pub compressed: bool,
}

/// Begins a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The number of the new stream.
    pub stream: u32,
    /// What is called.
    pub call: Call,
    /// The first message.
    pub message: Option<Piece>,
    /// The caller sends nothing more.
    pub last: bool,
}

/// What is called, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The hash of the service's name.
    pub service: u32,
    /// The method's number.
    pub method: u16,
    /// How often the call was tried before.
    pub attempt: u8,
    /// The payload codec.
    pub codec: u8,
    /// What caller and called must agree on; 0 when it is not said.
    pub schema: u32,
    /// How much time is left; microseconds on the wire, at most [`MAX_DEADLINE`].
    pub deadline: Option<Duration>,
    /// Where the call stands in a trace.
    pub trace: Option<Box<Trace>>,
    /// Names and values.
    pub metadata: Metadata,
}

/// A place in a trace, as in W3C Trace Context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub trace: [u8; 16],
    /// The span of the caller.
    pub span: [u8; 8],
}

/// A message, or a piece of one, or only the end of a direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The stream.
    pub stream: u32,
    /// The message; with none the frame has to be the last.
    pub message: Option<Piece>,
    /// The sender sends no further message.
    pub last: bool,
}

/// The end of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The stream.
    pub stream: u32,
    /// How it went.
    pub status: Status,
    /// The last message, whole; only when it went well.
    pub message: Option<Piece>,
}

/// Ends a stream at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// The stream.
    pub stream: u32,
    /// Why.
    pub code: ErrorCode,
    /// The same for logs.
    pub text: String,
}

/// No further calls, or none at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The highest stream of the other side that will still be answered.
    pub last: u32,
    /// Why.
    pub code: ErrorCode,
    /// The same for logs.
    pub text: String,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Bytes of payload.
    pub length: u16,
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The stream; 0 for the connection.
    pub stream: u32,
}

impl FrameHead {
    /// The head at the front of `src`; `None` when more bytes are needed.
    #[must_use]
    pub fn parse(src: &[u8]) -> Option<Self> {
        let &[a, b, kind, flags, s0, s1, s2, s3] = src.first_chunk::<HEAD>()?;
        let (length, stream) = (u16::from_le_bytes([a, b]), u32::from_le_bytes([s0, s1, s2, s3]));
        Some(Self { length, kind, flags, stream })
    }

    /// The head as it stands on the wire.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEAD] {
        let Self { length, kind, flags, stream } = self;
        // In one word: bytes that are written one by one and copied together stall the processor.
        let word =
            u64::from(length) | u64::from(kind) << 16 | u64::from(flags) << 24 | u64::from(stream) << 32;
        word.to_le_bytes()
    }

    fn malformed(self) -> Reject {
        Reject::Malformed { kind: self.kind }
    }

    /// Whether its flags are among `allowed`.
    fn only(self, allowed: u8) -> Result<(), Reject> {
        if self.flags & !allowed == 0 {
            Ok(())
        } else {
            Err(Reject::Flags { kind: self.kind, flags: self.flags })
        }
    }

    /// Whether it is of the connection, or of a stream.
    fn belongs(self, stream: bool) -> Result<(), Reject> {
        let Self { kind, stream: number, .. } = self;
        if (number != 0) == stream { Ok(()) } else { Err(Reject::WrongStream { kind, stream: number }) }
    }

    /// The message in `payload`, as the flags say it.
    fn message(self, payload: Bytes) -> Result<Option<Piece>, Reject> {
        let has = |flag| self.flags & flag != 0;
        let wrong = if has(MESSAGE) { has(LAST) && has(MORE) } else { has(MORE) || has(COMPRESSED) };
        if wrong {
            return Err(Reject::Flags { kind: self.kind, flags: self.flags });
        }
        if has(MESSAGE) {
            return Ok(Some(Piece { bytes: payload, more: has(MORE), compressed: has(COMPRESSED) }));
        }
        if payload.is_empty() { Ok(None) } else { Err(self.malformed()) }
    }
}

impl Frame {
    /// What a frame says; `None` for one of a type that is skipped.
    ///
    /// # Errors
    /// What is wrong with it by itself, whatever came before.
    #[inline]
    pub fn parse(head: FrameHead, payload: Bytes, ours: &Settings) -> Result<Option<Self>, Reject> {
        Ok(Some(match head.kind {
            OPEN => Self::Open(open(head, payload, ours)?),
            DATA => {
                head.only(LAST | MESSAGE | MORE | COMPRESSED)?;
                head.belongs(true)?;
                let last = head.flags & LAST != 0;
                let message = head.message(payload)?;
                if message.is_none() && !last {
                    return Err(head.malformed());
                }
                Self::Data(Data { stream: head.stream, message, last })
            }
            END => Self::End(end(head, payload, ours)?),
            _ => return Self::parse_rare(head, &payload),
        }))
    }

    fn parse_rare(head: FrameHead, mut payload: &[u8]) -> Result<Option<Self>, Reject> {
        if head.kind >= OPTIONAL {
            return Ok(None);
        }
        if !(HELLO..=GOAWAY).contains(&head.kind) {
            return Err(Reject::UnknownFrame(head.kind));
        }
        head.only(0)?;
        let stream = head.stream;
        let ping = || <[u8; 8]>::try_from(payload).map_err(|_| head.malformed());
        let frame = match head.kind {
            HELLO => Self::Hello(Settings::parse(payload)?),
            RESET => {
                let code = ErrorCode(payload.try_get_u16_le().map_err(|_| head.malformed())?);
                Self::Reset(Reset { stream, code, text: text(payload, MAX_REASON).ok_or(head.malformed())? })
            }
            CREDIT => {
                let &bytes = payload.as_array::<4>().ok_or(head.malformed())?;
                Self::Credit { stream, bytes: u32::from_le_bytes(bytes) }
            }
            PING => Self::Ping(ping()?),
            PONG => Self::Pong(ping()?),
            _ => {
                let last = payload.try_get_u32_le().map_err(|_| head.malformed())?;
                let code = ErrorCode(payload.try_get_u16_le().map_err(|_| head.malformed())?);
                Self::GoAway(GoAway { last, code, text: text(payload, MAX_REASON).ok_or(head.malformed())? })
            }
        };
        match head.kind {
            CREDIT => {}
            RESET => head.belongs(true)?,
            _ => head.belongs(false)?,
        }
        Ok(Some(frame))
    }

    /// Appends the frame. Its parts must fit: a message within the peer's `max_frame`, metadata within its `max_metadata`.
    #[inline]
    pub fn put(self, out: &mut Outbox) {
        match self {
            Self::Open(open) => put_open(open, out),
            Self::Data(Data { stream, message, last }) => {
                let flags = if last { LAST } else { 0 } | flags_of(message.as_ref());
                put(FrameHead { length: 0, kind: DATA, flags, stream }, &[], message, out);
            }
            Self::End(end) => put_end(end, out),
            rare => rare.put_rare(out),
        }
    }

    fn put_rare(self, out: &mut Outbox) {
        let mut put = |kind, stream, payload: &[u8]| {
            put(FrameHead { length: 0, kind, flags: 0, stream }, payload, None, out);
        };
        match self {
            Self::Hello(settings) => {
                let mut payload = bytes::BytesMut::new();
                settings.put(&mut payload);
                put(HELLO, 0, &payload);
            }
            Self::Reset(Reset { stream, code, text }) => {
                put(RESET, stream, &[&code.0.to_le_bytes(), cut(&text, MAX_REASON)].concat());
            }
            Self::Credit { stream, bytes } => put(CREDIT, stream, &bytes.to_le_bytes()),
            Self::Ping(bytes) => put(PING, 0, &bytes),
            Self::Pong(bytes) => put(PONG, 0, &bytes),
            Self::GoAway(GoAway { last, code, text }) => {
                let fixed = [&last.to_le_bytes()[..], &code.0.to_le_bytes()].concat();
                put(GOAWAY, 0, &[&fixed, cut(&text, MAX_REASON)].concat());
            }
            Self::Open(_) | Self::Data(_) | Self::End(_) => {}
        }
    }
}

fn open(head: FrameHead, mut payload: Bytes, ours: &Settings) -> Result<Open, Reject> {
    head.only(LAST | MESSAGE | MORE | COMPRESSED | TRACE)?;
    head.belongs(true)?;
    let fixed = *payload.first_chunk::<OPEN_HEAD>().ok_or(head.malformed())?;
    let mut fields = &fixed[..];
    let (service, method) = (fields.get_u32_le(), fields.get_u16_le());
    let (attempt, codec) = (fields.get_u8(), fields.get_u8());
    let schema = fields.get_u32_le();
    let deadline = fields.get_uint_le(6);
    let length = usize::from(fields.get_u16_le());
    payload.advance(OPEN_HEAD);
    let mut trace = None;
    if head.flags & TRACE != 0 {
        let (&id, rest) = payload.split_first_chunk::<16>().ok_or(head.malformed())?;
        let &span = rest.first_chunk::<8>().ok_or(head.malformed())?;
        trace = Some(Box::new(Trace { trace: id, span }));
        payload.advance(24);
    }
    let metadata = metadata(&mut payload, length, head, ours)?;
    let deadline = (deadline > 0).then(|| Duration::from_micros(deadline));
    let call = Call { service, method, attempt, codec, schema, deadline, trace, metadata };
    let last = head.flags & LAST != 0;
    Ok(Open { stream: head.stream, call, message: head.message(payload)?, last })
}

fn end(head: FrameHead, mut payload: Bytes, ours: &Settings) -> Result<End, Reject> {
    head.only(MESSAGE | COMPRESSED | STATUS)?;
    head.belongs(true)?;
    let mut status = Status::ok();
    if head.flags & STATUS != 0 {
        let fixed = *payload.first_chunk::<STATUS_HEAD>().ok_or(head.malformed())?;
        let mut fields = &fixed[..];
        status.code = Code::of(fields.get_u16_le());
        let (advice, zero) = (fields.get_u8(), fields.get_u8());
        let wait = Duration::from_millis(u64::from(fields.get_u32_le()));
        status.advice = match advice {
            0 => Advice::None,
            1 => Advice::Again(wait),
            2 => Advice::Never,
            3 if wait.is_zero() => Advice::NotProcessed,
            3 => Advice::Later(wait),
            _ => return Err(head.malformed()),
        };
        if zero != 0 {
            return Err(head.malformed());
        }
        let (size, length) = (usize::from(fields.get_u16_le()), usize::from(fields.get_u16_le()));
        payload.advance(STATUS_HEAD);
        let said = payload.get(..size).and_then(|bytes| text(bytes, MAX_TEXT));
        status.text = said.ok_or(head.malformed())?;
        payload.advance(size);
        status.trailers = metadata(&mut payload, length, head, ours)?;
        if !status.is_ok() && head.flags & MESSAGE != 0 {
            return Err(Reject::Flags { kind: END, flags: head.flags });
        }
    }
    Ok(End { stream: head.stream, status, message: head.message(payload)? })
}

/// Takes metadata of `length` bytes off the front.
fn metadata(
    payload: &mut Bytes,
    length: usize,
    head: FrameHead,
    ours: &Settings,
) -> Result<Metadata, Reject> {
    if length == 0 {
        return Ok(Metadata::new());
    }
    if length > payload.len() {
        return Err(head.malformed());
    }
    Metadata::parse(payload.split_to(length), ours.max_metadata as usize).ok_or(Reject::Metadata)
}

fn text(bytes: &[u8], limit: usize) -> Option<String> {
    std::str::from_utf8(bytes).ok().filter(|text| text.len() <= limit).map(str::to_owned)
}

fn cut(text: &str, limit: usize) -> &[u8] {
    &text.as_bytes()[..text.floor_char_boundary(limit)]
}

fn put_open(open: Open, out: &mut Outbox) {
    let Open { stream, call, message, last } = open;
    let metadata = call.metadata.as_bytes();
    let deadline = call.deadline.map_or(0, |left| left.min(MAX_DEADLINE).as_micros() as u64);
    // A deadline that is almost there is not none.
    let deadline = if call.deadline.is_some() { deadline.max(1) } else { 0 };
    let mut fixed = [0; OPEN_HEAD];
    let mut fields = &mut fixed[..];
    fields.put_u64_le(
        u64::from(call.service)
            | u64::from(call.method) << 32
            | u64::from(call.attempt) << 48
            | u64::from(call.codec) << 56,
    );
    fields.put_u32_le(call.schema);
    fields.put_u64_le(deadline | (metadata.len() as u64) << 48);
    let flags = if last { LAST } else { 0 } | if call.trace.is_some() { TRACE } else { 0 };
    let flags = flags | flags_of(message.as_ref());
    let head = FrameHead { length: 0, kind: OPEN, flags, stream };
    if call.trace.is_none() && metadata.is_empty() {
        return put(head, &fixed, message, out);
    }
    let mut front = fixed.to_vec();
    if let Some(trace) = &call.trace {
        front.extend_from_slice(&trace.trace);
        front.extend_from_slice(&trace.span);
    }
    front.extend_from_slice(metadata);
    put(head, &front, message, out);
}

fn put_end(end: End, out: &mut Outbox) {
    let End { stream, status, message } = end;
    let mut head = FrameHead { length: 0, kind: END, flags: flags_of(message.as_ref()), stream };
    if status.is_plain() {
        return put(head, &[], message, out);
    }
    head.flags |= STATUS;
    let (text, trailers) = (cut(&status.text, MAX_TEXT), status.trailers.as_bytes());
    let millis = |wait: Duration| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
    let (advice, wait) = match status.advice {
        Advice::None => (0, 0),
        Advice::Again(wait) => (1, millis(wait)),
        Advice::Never => (2, 0),
        Advice::NotProcessed => (3, 0),
        Advice::Later(wait) => (3, millis(wait).max(1)),
    };
    let mut front = Vec::with_capacity(STATUS_HEAD + text.len() + trailers.len());
    front.put_u16_le(status.code.number());
    front.put_u16_le(advice);
    front.put_u32_le(wait);
    front.put_u16_le(text.len() as u16);
    front.put_u16_le(trailers.len() as u16);
    front.extend_from_slice(text);
    front.extend_from_slice(trailers);
    put(head, &front, message, out);
}

fn flags_of(message: Option<&Piece>) -> u8 {
    message.map_or(0, |piece| {
        MESSAGE | if piece.more { MORE } else { 0 } | if piece.compressed { COMPRESSED } else { 0 }
    })
}

/// Appends a frame: its head, what stands in front, and its message.
#[inline]
fn put(mut head: FrameHead, front: &[u8], message: Option<Piece>, out: &mut Outbox) {
    let size = message.as_ref().map_or(0, |piece| piece.bytes.len());
    debug_assert!(front.len() + size <= usize::from(u16::MAX), "a frame that cannot be said");
    head.length = (front.len() + size) as u16;
    let tail = out.tail();
    tail.reserve(HEAD + front.len());
    tail.put_slice(&head.to_bytes());
    tail.put_slice(front);
    if let Some(piece) = message {
        out.push(piece.bytes);
    }
}

#[cfg(test)]
mod tests;
