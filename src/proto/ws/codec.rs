//! The codec of one connection after the handshake, at either end.

use bytes::{Bytes, BytesMut};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::close::CloseReason;
use super::deflate::{Agreed, Deflate, Deflater};
use super::frame::{FrameHead, MAX_CONTROL, MAX_HEAD, Opcode};
use super::inbound::{IN_PLACE, Inbound};
use super::limits::Limits;
use super::mask::Mask;
use super::message::{Incoming, Message, Outgoing};
use super::reject::Reject;
use crate::codec::{COALESCE, Outbox};

/// Which end of a connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Its frames are not masked, and those of the peer have to be.
    Server,
    /// Its frames are masked.
    Client,
}

/// What goes wrong on the way in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WsError {
    /// The peer's fault.
    #[error(transparent)]
    Peer(#[from] Reject),
    /// Something was to be said behind our close frame.
    #[error("the connection is closing")]
    Closing,
}

/// Frames in and out.
#[derive(Debug)]
pub struct Codec {
    inbound: Inbound,
    deflate: Option<Box<Deflate>>,
    /// Where masking keys come from; a server has none.
    keys: Option<Box<ChaCha8Rng>>,
    /// We have sent our close frame.
    closing: bool,
}

impl Codec {
    /// Bytes that a connection must be ready to hold while they wait to be decoded.
    pub const READ_LIMIT: usize = IN_PLACE + 1024;

    /// The end of a server.
    #[must_use]
    pub fn server(limits: Limits) -> Self {
        Self { inbound: Inbound::new(Role::Server, limits), deflate: None, keys: None, closing: false }
    }

    /// The end of a client. The masking keys come from a ChaCha generator with `seed`, which nobody may guess (section 10.3).
    #[must_use]
    pub fn client(limits: Limits, seed: [u8; 32]) -> Self {
        let keys = Some(Box::new(ChaCha8Rng::from_seed(seed)));
        Self { inbound: Inbound::new(Role::Client, limits), deflate: None, keys, closing: false }
    }

    /// The same with compression, as the handshake has agreed on it.
    #[must_use]
    pub fn deflate(mut self, agreed: Agreed) -> Self {
        let role = if self.keys.is_some() { Role::Client } else { Role::Server };
        self.deflate = Some(Box::new(Deflate::new(role, agreed)));
        self
    }

    /// What was agreed on about compression, if anything was.
    #[must_use]
    pub fn agreed(&self) -> Option<&Agreed> {
        self.deflate.as_ref().map(|deflate| deflate.agreed())
    }

    /// Whether a message of the peer has begun and not ended; and if so, how many bytes of it have come.
    #[must_use]
    pub fn unfinished(&self) -> Option<usize> {
        self.inbound.unfinished()
    }

    /// Whether the peer's close frame has come.
    #[must_use]
    pub fn is_closed_by_peer(&self) -> bool {
        self.inbound.is_over()
    }

    /// Takes the compressor for a message of `length` bytes, to compress it elsewhere; `None` when it would not be
    /// compressed. Its output goes out as [`Outgoing::Deflated`], after [`return_deflater`](Self::return_deflater) has brought it back and
    /// before anything else is compressed. One that is lost is replaced by a new one, which leans on nothing that the peer does not have.
    pub fn lend_deflater(&mut self, length: usize) -> Option<Deflater> {
        self.deflate.as_mut()?.deflater(length)
    }

    /// Takes the compressor back.
    pub fn return_deflater(&mut self, deflater: Deflater) {
        if let Some(deflate) = &mut self.deflate {
            deflate.put_deflater(deflater);
        }
    }

    fn message(&mut self, message: Message, dst: &mut Outbox) {
        let opcode = message.opcode();
        let payload = message.into_bytes();
        if let Some(deflate) = &mut self.deflate
            && let Some(mut deflater) = deflate.deflater(payload.len())
        {
            let compressed = deflater.deflate(&payload);
            deflate.put_deflater(deflater);
            return self.deflated(opcode, compressed.into(), dst);
        }
        self.frame(FrameHead::whole(opcode, payload.len()), payload, dst);
    }

    fn deflated(&mut self, opcode: Opcode, payload: Bytes, dst: &mut Outbox) {
        self.frame(FrameHead { rsv1: true, ..FrameHead::whole(opcode, payload.len()) }, payload, dst);
    }

    fn control(&mut self, opcode: Opcode, mut payload: Bytes, dst: &mut Outbox) {
        payload.truncate(MAX_CONTROL);
        self.frame(FrameHead::whole(opcode, payload.len()), payload, dst);
    }

    fn close(&mut self, reason: Option<&CloseReason>, dst: &mut Outbox) {
        let payload = match reason {
            Some(reason) => {
                let (payload, size) = reason.to_payload();
                Bytes::copy_from_slice(&payload[..size])
            }
            None => Bytes::new(),
        };
        self.control(Opcode::Close, payload, dst);
        self.closing = true;
    }

    fn frame(&mut self, head: FrameHead, payload: Bytes, dst: &mut Outbox) {
        let Some(keys) = &mut self.keys else {
            if payload.len() >= COALESCE {
                head.put(dst.tail());
                return dst.push(payload);
            }
            let tail = dst.tail();
            tail.reserve(MAX_HEAD + payload.len());
            head.put(tail);
            return tail.extend_from_slice(&payload);
        };
        let key = keys.next_u32().to_ne_bytes();
        FrameHead { mask: Some(key), ..head }.put(dst.tail());
        let mut mask = Mask::new(key);
        // Nobody else may see the masked bytes: they are masked where they are only if nobody shares them.
        match payload.try_into_mut() {
            Ok(mut own) if own.len() >= COALESCE => {
                mask.apply(&mut own);
                dst.push(own.freeze());
            }
            Ok(own) => put_masked(mask, &own, dst),
            Err(shared) => put_masked(mask, &shared, dst),
        }
    }
}

fn put_masked(mut mask: Mask, payload: &[u8], dst: &mut Outbox) {
    let tail = dst.tail();
    let start = tail.len();
    tail.extend_from_slice(payload);
    mask.apply(&mut tail[start..]);
}

/// A message as the frame of a server, to be sent to many as [`Outgoing::Frames`]; compressed by itself when a `deflater` is
/// given, for connections without context takeover.
#[must_use]
pub fn encode(message: &Message, deflater: Option<&mut Deflater>) -> Bytes {
    let payload = message.as_bytes();
    let deflated = deflater.filter(|_| !payload.is_empty()).map(|deflater| deflater.deflate(payload));
    let payload = deflated.as_deref().unwrap_or(payload);
    let head = FrameHead { rsv1: deflated.is_some(), ..FrameHead::whole(message.opcode(), payload.len()) };
    let mut frame = BytesMut::with_capacity(MAX_HEAD + payload.len());
    head.put(&mut frame);
    frame.extend_from_slice(payload);
    frame.freeze()
}

impl crate::codec::Codec for Codec {
    type In = Incoming;
    type Out = Outgoing;
    type Error = WsError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Incoming>, WsError> {
        Ok(self.inbound.decode(src, &mut self.deflate)?)
    }

    fn encode(&mut self, item: Outgoing, dst: &mut Outbox) -> Result<(), WsError> {
        if self.closing {
            return Err(WsError::Closing);
        }
        match item {
            Outgoing::Message(message) => self.message(message, dst),
            Outgoing::Ping(payload) => self.control(Opcode::Ping, payload, dst),
            Outgoing::Pong(payload) => self.control(Opcode::Pong, payload, dst),
            Outgoing::Close(reason) => self.close(reason.as_ref(), dst),
            Outgoing::Frames(frames) => dst.push(frames),
            Outgoing::Deflated { text, payload } => {
                self.deflated(if text { Opcode::Text } else { Opcode::Binary }, payload, dst);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
