//! Any [`Codec`] as a codec of tokio-util, for programs that stand on its `Framed`.
//!
//! It costs what `Framed` costs: bodies are copied into one buffer, and `send` flushes each item. [`Conn`](super::conn::Conn)
//! does neither.

use bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use super::conn::ConnError;
use crate::codec::{Codec, Outbox};

/// A codec in the clothes of tokio-util.
#[derive(Clone, Debug, Default)]
pub struct Adapter<C>(pub C);

impl<C: Codec> Decoder for Adapter<C> {
    type Item = C::In;
    type Error = ConnError<C::Error>;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<C::In>, Self::Error> {
        self.0.decode(src).map_err(ConnError::Proto)
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<C::In>, Self::Error> {
        match self.0.decode_eof(src).map_err(ConnError::Proto)? {
            None if !src.is_empty() => Err(ConnError::Torn),
            item => Ok(item),
        }
    }
}

impl<C: Codec> Encoder<C::Out> for Adapter<C> {
    type Error = ConnError<C::Error>;

    fn encode(&mut self, item: C::Out, dst: &mut BytesMut) -> Result<(), Self::Error> {
        let mut out = Outbox::new();
        self.0.encode(item, &mut out).map_err(ConnError::Proto)?;
        while !out.is_empty() {
            let mut slices = [std::io::IoSlice::new(&[]); 16];
            let used = out.slices(&mut slices);
            let before = dst.len();
            slices[..used].iter().for_each(|slice| dst.extend_from_slice(slice));
            out.advance(dst.len() - before);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{SinkExt, StreamExt};
    use tokio_util::codec::Framed;

    use super::*;
    use crate::codec::Raw;

    #[tokio::test]
    async fn a_codec_within_framed() {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (mut ours, mut theirs) = (Framed::new(ours, Adapter(Raw)), Framed::new(theirs, Adapter(Raw)));
        let large = Bytes::from(vec![b'x'; 100_000]);
        ours.send(large.clone()).await.unwrap();
        drop(ours);
        let mut got = Vec::new();
        while let Some(piece) = theirs.next().await {
            got.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(got, large);
    }
}
