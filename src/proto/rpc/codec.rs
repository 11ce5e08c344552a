//! The codec of one connection: the preface, and then frames.

use bytes::{Buf, BytesMut};

use super::frame::{Frame, FrameHead, HEAD};
use super::reject::Reject;
use super::settings::Settings;
use crate::codec::Outbox;

/// What each side begins with.
pub const PREFACE: [u8; 8] = *b"WWRPC/1\n";

/// The name of the protocol for TLS's ALPN.
pub const ALPN: &[u8] = b"wwrpc/1";

/// Where the version stands in it.
const VERSION: usize = 6;

/// What an HTTP server begins with.
const HTTP: &[u8] = b"HTTP/1.1";

/// Frames in and out. The first frame out must be HELLO: the preface goes with it.
#[derive(Debug)]
pub struct Codec {
    ours: Settings,
    heard: Heard,
}

/// How far the peer's beginning has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    Preface,
    Hello,
}

impl Codec {
    /// Bytes that a connection must be ready to hold while they wait to be decoded: one frame.
    pub const READ_LIMIT: usize = u16::MAX as usize + HEAD;

    /// A codec that reads what `ours` allows.
    #[must_use]
    pub fn new(ours: Settings) -> Self {
        Self { ours, heard: Heard::Nothing }
    }

    /// Takes the preface; whether it was all there. Something else is refused at the first byte that tells what.
    fn preface(&mut self, src: &mut BytesMut) -> Result<bool, Reject> {
        let seen = &src[..src.len().min(PREFACE.len())];
        let whole = seen.len() == PREFACE.len();
        if seen == &PREFACE[..seen.len()] {
            if whole {
                src.advance(PREFACE.len());
                self.heard = Heard::Preface;
            }
            return Ok(whole);
        }
        // A record of TLS 1.0 or later: an alert or a handshake.
        if let [0x15 | 0x16, version @ ..] = seen
            && version.first().is_none_or(|major| *major == 0x03)
        {
            return if version.is_empty() { Ok(false) } else { Err(Reject::IsTls) };
        }
        let is_ours =
            seen.iter().zip(PREFACE).enumerate().all(|(at, (byte, ours))| at == VERSION || *byte == ours);
        match (is_ours, HTTP.starts_with(seen)) {
            (true, _) if whole => Err(Reject::Version(seen[VERSION])),
            (_, true) if whole => Err(Reject::IsHttp),
            (false, false) => Err(Reject::NotRpc),
            _ => Ok(false),
        }
    }
}

impl crate::codec::Codec for Codec {
    type In = Frame;
    type Out = Frame;
    type Error = Reject;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, Reject> {
        if self.heard == Heard::Nothing && !self.preface(src)? {
            return Ok(None);
        }
        loop {
            let Some(head) = FrameHead::parse(src) else { return Ok(None) };
            let (length, limit) = (usize::from(head.length), self.ours.max_frame as usize);
            if length > limit {
                return Err(Reject::FrameTooLarge { length, limit });
            }
            if src.len() < HEAD + length {
                return Ok(None);
            }
            src.advance(HEAD);
            let payload = src.split_to(length).freeze();
            let frame = Frame::parse(head, payload, &self.ours)?;
            match (self.heard, &frame) {
                (Heard::Hello, Some(Frame::Hello(_))) => return Err(Reject::SecondHello),
                (Heard::Hello, Some(_)) => {}
                (Heard::Hello, None) => continue,
                (_, Some(Frame::Hello(_))) => self.heard = Heard::Hello,
                // A peer that has not greeted may say nothing else, not even what could be skipped later.
                _ => return Err(Reject::NoHello),
            }
            return Ok(frame);
        }
    }

    fn encode(&mut self, frame: Frame, dst: &mut Outbox) -> Result<(), Reject> {
        if matches!(frame, Frame::Hello(_)) {
            dst.put(&PREFACE);
        }
        frame.put(dst);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
