//! What follows the handshake: another codec, through the ciphers that were agreed on.

use std::io::IoSlice;

use bytes::BytesMut;

use super::cipher::Ciphers;
use super::{Established, Method};
use crate::codec::{Codec, Outbox};

/// A codec whose bytes go through RC4, or in the clear: one type for either, as a server has both.
///
/// In the clear it costs nothing, and blocks are sent by reference. Through RC4 each byte is copied once.
#[derive(Debug)]
pub struct Sealed<C> {
    inner: C,
    ciphers: Option<Box<Ciphers>>,
    /// Bytes at the front of the buffer that are deciphered already.
    clear: usize,
}

impl<C> Sealed<C> {
    /// One for the buffer that a handshake has left: of [`Initiator`](super::Initiator) or
    /// [`Responder`](super::Responder), by `Conn::switch`.
    #[must_use]
    pub fn new(inner: C, established: Established) -> Self {
        Self { inner, ciphers: established.ciphers, clear: established.clear }
    }

    /// One for a connection that began in the clear, without any handshake of encryption.
    #[must_use]
    pub fn plain(inner: C) -> Self {
        Self { inner, ciphers: None, clear: 0 }
    }

    /// How the payload is sent.
    #[must_use]
    pub fn method(&self) -> Method {
        if self.ciphers.is_some() { Method::Rc4 } else { Method::Plain }
    }

    /// The codec within.
    #[must_use]
    pub fn inner(&self) -> &C {
        &self.inner
    }

    /// Deciphers what has come since.
    fn open(&mut self, src: &mut BytesMut) {
        if let Some(ciphers) = &mut self.ciphers {
            ciphers.incoming.apply(src.get_mut(self.clear..).unwrap_or_default());
        }
    }
}

impl<C: Codec> Codec for Sealed<C> {
    type In = C::In;
    type Out = C::Out;
    type Error = C::Error;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<C::In>, C::Error> {
        self.open(src);
        let item = self.inner.decode(src);
        self.clear = src.len();
        item
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<C::In>, C::Error> {
        self.open(src);
        let item = self.inner.decode_eof(src);
        self.clear = src.len();
        item
    }

    fn encode(&mut self, item: C::Out, dst: &mut Outbox) -> Result<(), C::Error> {
        let Some(ciphers) = &mut self.ciphers else {
            return self.inner.encode(item, dst);
        };
        let mut plain = Outbox::new();
        self.inner.encode(item, &mut plain)?;
        let tail = dst.tail();
        let begin = tail.len();
        while !plain.is_empty() {
            let mut slices = [IoSlice::new(&[]); 4];
            let used = plain.slices(&mut slices);
            let mut bytes = 0;
            for slice in &slices[..used] {
                tail.extend_from_slice(slice);
                bytes += slice.len();
            }
            plain.advance(bytes);
        }
        ciphers.outgoing.apply(&mut tail[begin..]);
        Ok(())
    }
}
