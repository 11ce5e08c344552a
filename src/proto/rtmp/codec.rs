//! The handshake, and then messages. Sections 5.2 and 5.3.
//!
//! The handshake is the plain one of the specification. The digests that Flash Player wanted are not made: an encoder that offers them (librtmp,
//! FFmpeg) sees by the version 0 in S1 that it has to do without.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::chunk::{self, ChunkError, Payload};
use super::message::{Body, Message, MessageError};
use crate::codec::{Codec, Outbox};

/// Bytes of C1, S1, C2 and S2.
pub const CHALLENGE: usize = 1536;

/// Bytes of the chunks that a server writes: its messages are short.
const CHUNK: usize = chunk::DEFAULT_CHUNK;

/// Bytes of a message before its sender may publish, at most: commands are short.
pub const MAX_COMMAND: usize = 64 * 1024;

/// What an encoder says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// C0 and C1, which [`Said::Answer`] answers.
    Challenge(Bytes),
    /// A message.
    Message(Message),
}

/// What a server says.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// S0, S1 and S2.
    Answer {
        /// C1, which S2 repeats.
        challenge: Bytes,
        /// Milliseconds, of any clock.
        time: u32,
        /// Random bytes of S1.
        random: Box<[u8; CHALLENGE - 8]>,
    },
    /// A message.
    Message(Message),
}

/// What a peer can do wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtmpError {
    /// Another protocol, or RTMPE.
    #[error("RTMP version {0}; version 3 is spoken here")]
    Version(u8),
    /// Chunks that make no sense.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// A message that makes none.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The connection ended within a message.
    #[error("the connection ended within a message")]
    Torn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// C0 and C1 are to come.
    Challenge,
    /// C2 is to come.
    Answer,
    Messages,
}

/// The server's side.
#[derive(Debug)]
pub struct ServerCodec {
    phase: Phase,
    reader: chunk::Reader,
    /// Bytes since the beginning, wrapping.
    received: u32,
    acknowledged: u32,
    window: u32,
}

impl Default for ServerCodec {
    fn default() -> Self {
        let mut reader = chunk::Reader::default();
        reader.set_largest(MAX_COMMAND);
        Self { phase: Phase::Challenge, reader, received: 0, acknowledged: 0, window: 2_500_000 }
    }
}

impl ServerCodec {
    /// The peer may publish: messages of up to [`chunk::MAX_MESSAGE`] bytes are taken from now on, and not of [`MAX_COMMAND`].
    pub fn take_media(&mut self) {
        self.reader.set_largest(chunk::MAX_MESSAGE);
    }

    /// An acknowledgement that the peer waits for, if it is due (section 5.4.3). It is to be sent.
    pub fn acknowledgement(&mut self) -> Option<Message> {
        if self.received.wrapping_sub(self.acknowledged) < self.window {
            return None;
        }
        self.acknowledged = self.received;
        Some(Message { timestamp: 0, stream: 0, body: Body::Acknowledgement(self.received) })
    }

    /// Takes what is about the connection itself.
    fn control(&mut self, body: &Body) -> Result<(), ChunkError> {
        match body {
            Body::SetChunkSize(size) => self.reader.set_size(*size)?,
            Body::Abort(id) => self.reader.abort(*id),
            // No less than a chunk, or acknowledgements would be most of what is said.
            Body::WindowAcknowledgementSize(window) => self.window = (*window).max(64 * 1024),
            _ => {}
        }
        Ok(())
    }

    fn step(&mut self, src: &mut BytesMut) -> Result<Option<Heard>, RtmpError> {
        if self.phase == Phase::Challenge {
            if let Some(version) = src.first().filter(|version| **version != 3) {
                return Err(RtmpError::Version(*version));
            }
            if src.len() < 1 + CHALLENGE {
                return Ok(None);
            }
            src.advance(1);
            self.phase = Phase::Answer;
            return Ok(Some(Heard::Challenge(src.split_to(CHALLENGE).freeze())));
        }
        if self.phase == Phase::Answer {
            if src.len() < CHALLENGE {
                return Ok(None);
            }
            // It repeats S1; whoever repeats something else harms nobody.
            src.advance(CHALLENGE);
            self.phase = Phase::Messages;
        }
        let Some(payload) = self.reader.read(src)? else { return Ok(None) };
        let body = Body::read(payload.kind, payload.bytes)?;
        self.control(&body)?;
        Ok(Some(Heard::Message(Message { timestamp: payload.timestamp, stream: payload.stream, body })))
    }
}

impl Codec for ServerCodec {
    type In = Heard;
    type Out = Said;
    type Error = RtmpError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Heard>, RtmpError> {
        let before = src.len();
        let heard = self.step(src);
        let taken = u32::try_from(before - src.len()).unwrap_or(0);
        self.received = self.received.wrapping_add(taken);
        heard
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Heard>, RtmpError> {
        match self.decode(src)? {
            // Parts of messages are not in `src` any longer.
            None if !self.reader.is_idle() => Err(RtmpError::Torn),
            heard => Ok(heard),
        }
    }

    fn encode(&mut self, said: Said, dst: &mut Outbox) -> Result<(), RtmpError> {
        let out = dst.tail();
        match said {
            Said::Answer { challenge, time, random } => {
                out.put_u8(3);
                out.put_u32(time);
                out.put_u32(0);
                out.put_slice(&*random);
                // S2 is C1 with the time at which it was read in its second field.
                let (first, rest) = challenge.split_at(challenge.len().min(4));
                out.put_slice(first);
                out.put_u32(time);
                out.put_slice(rest.get(4..).unwrap_or_default());
            }
            Said::Message(message) => {
                let id = match message.body {
                    Body::Command(_) | Body::Data(_) => 3,
                    _ => 2,
                };
                let payload = Payload {
                    timestamp: message.timestamp,
                    kind: message.body.kind(),
                    stream: message.stream,
                    bytes: message.body.write(),
                };
                chunk::write(id, &payload, CHUNK, out);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(codec: &mut ServerCodec, said: Said) -> Vec<u8> {
        let mut outbox = Outbox::new();
        codec.encode(said, &mut outbox).unwrap();
        outbox.single().unwrap().to_vec()
    }

    fn hello() -> Vec<u8> {
        let mut bytes = vec![3];
        bytes.extend((0..CHALLENGE).map(|n| (n % 256) as u8));
        bytes
    }

    /// Past the handshake.
    fn opened() -> ServerCodec {
        let mut codec = ServerCodec::default();
        let mut src = BytesMut::from(&hello()[..]);
        assert!(matches!(codec.decode(&mut src), Ok(Some(Heard::Challenge(_)))));
        src.extend_from_slice(&[0; CHALLENGE]);
        assert_eq!(codec.decode(&mut src), Ok(None));
        codec
    }

    #[test]
    fn the_handshake_byte_by_byte() {
        let (mut codec, mut src, mut challenge) = (ServerCodec::default(), BytesMut::new(), None);
        for byte in hello() {
            assert_eq!(challenge, None);
            src.extend_from_slice(&[byte]);
            challenge = codec.decode(&mut src).unwrap();
        }
        let Some(Heard::Challenge(challenge)) = challenge else { panic!() };
        let answer =
            Said::Answer { challenge: challenge.clone(), time: 7, random: Box::new([9; CHALLENGE - 8]) };
        let bytes = out(&mut codec, answer);
        assert_eq!(bytes.len(), 1 + 2 * CHALLENGE);
        assert_eq!(&bytes[..10], b"\x03\0\0\0\x07\0\0\0\0\x09");
        let s2 = &bytes[1 + CHALLENGE..];
        assert_eq!((&s2[..4], &s2[4..8], &s2[8..]), (&challenge[..4], &b"\0\0\0\x07"[..], &challenge[8..]));
    }

    #[test]
    fn messages_follow() {
        let mut codec = opened();
        let size = Message { timestamp: 0, stream: 0, body: Body::SetChunkSize(4096) };
        let video = Message { timestamp: 40, stream: 1, body: Body::Video(vec![0x17; 3000].into()) };
        let mut src = BytesMut::from(&out(&mut codec, Said::Message(size.clone()))[..]);
        let payload = Payload { timestamp: 40, kind: 9, stream: 1, bytes: vec![0x17; 3000].into() };
        chunk::write(4, &payload, 4096, &mut src);
        assert_eq!(codec.decode(&mut src).unwrap(), Some(Heard::Message(size)));
        assert_eq!(codec.decode(&mut src).unwrap(), Some(Heard::Message(video)));
        assert_eq!(codec.decode_eof(&mut src), Ok(None));
        chunk::write(4, &payload, 4096, &mut src);
        src.truncate(100);
        assert_eq!(codec.decode_eof(&mut src), Err(RtmpError::Torn));
    }

    #[test]
    fn acknowledgements_are_due() {
        let mut codec = opened();
        let window = Message { timestamp: 0, stream: 0, body: Body::WindowAcknowledgementSize(100_000) };
        let mut src = BytesMut::from(&out(&mut codec, Said::Message(window))[..]);
        codec.decode(&mut src).unwrap();
        assert_eq!(codec.acknowledgement(), None);
        codec.take_media();
        let payload = Payload { timestamp: 0, kind: 9, stream: 1, bytes: vec![0; 100_000].into() };
        chunk::write(4, &payload, chunk::DEFAULT_CHUNK, &mut src);
        codec.decode(&mut src).unwrap();
        let Some(Message { body: Body::Acknowledgement(bytes), .. }) = codec.acknowledgement() else {
            panic!()
        };
        assert!(bytes > 100_000);
        assert_eq!(codec.acknowledgement(), None);
    }

    #[test]
    fn long_messages_are_for_those_who_may_publish() {
        let payload = Payload { timestamp: 0, kind: 9, stream: 1, bytes: vec![0; MAX_COMMAND + 1].into() };
        let mut src = BytesMut::new();
        chunk::write(4, &payload, chunk::DEFAULT_CHUNK, &mut src);
        let error = ChunkError::Message { bytes: MAX_COMMAND + 1, largest: MAX_COMMAND };
        assert_eq!(opened().decode(&mut src.clone()), Err(error.into()));
        let mut codec = opened();
        codec.take_media();
        assert!(matches!(codec.decode(&mut src), Ok(Some(Heard::Message(_)))));
    }

    #[test]
    fn other_protocols() {
        for first in [b'G', 6, 0x16] {
            let mut src = BytesMut::from(&[first][..]);
            assert_eq!(ServerCodec::default().decode(&mut src), Err(RtmpError::Version(first)));
        }
    }
}
