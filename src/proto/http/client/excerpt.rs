//! The beginning of a body, for a message to a person: why a server said no.
//!
//! It is one item, said when the body ends, when there is enough of it, or when its framing breaks. The rest is not looked
//! at, so the connection is of no further use.

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};

use crate::codec::{Codec, Outbox};
use crate::proto::http::chunked::{Chunk, Chunked};
use crate::proto::http::head::BodyLength;
use crate::proto::http::limits::Limits;

/// The codec of the body behind a response's head. Nothing can be said in it.
#[derive(Debug)]
pub struct Excerpt {
    framing: Framing,
    gathered: Vec<u8>,
    most: usize,
    said: bool,
}

#[derive(Debug)]
enum Framing {
    /// So many bytes are to come.
    Left(u64),
    Chunked(Box<Chunked>),
}

impl Excerpt {
    /// At most `most` bytes of a body that is delimited like `body`.
    #[must_use]
    pub fn new(body: BodyLength, most: usize) -> Self {
        let framing = match body {
            BodyLength::Empty => Framing::Left(0),
            BodyLength::Exactly(length) => Framing::Left(length),
            BodyLength::UntilClose => Framing::Left(u64::MAX),
            BodyLength::Chunked => Framing::Chunked(Box::new(Chunked::new(&Limits::default()))),
        };
        Self { framing, gathered: Vec::new(), most, said: false }
    }

    /// Takes what is there, and says whether that is all.
    fn gather(&mut self, src: &mut BytesMut) -> bool {
        let (piece, last) = match &mut self.framing {
            Framing::Left(left) => {
                let available = u64::try_from(src.len()).unwrap_or(u64::MAX).min(*left);
                *left -= available;
                let piece = src.split_to(usize::try_from(available).unwrap_or(usize::MAX)).freeze();
                (piece, *left == 0)
            }
            Framing::Chunked(chunked) => match chunked.decode(src) {
                Ok(Some(Chunk::Data(data))) => (data, false),
                Ok(None) => return false,
                Ok(Some(Chunk::End(_))) | Err(_) => (Bytes::new(), true),
            },
        };
        let room = self.most - self.gathered.len();
        self.gathered.extend_from_slice(&piece[..piece.len().min(room)]);
        last || self.gathered.len() == self.most
    }

    /// What there is of it so far, for who does not want to wait longer. After that nothing is said.
    pub fn take(&mut self) -> Bytes {
        self.said = true;
        std::mem::take(&mut self.gathered).into()
    }
}

impl Codec for Excerpt {
    type In = Bytes;
    type Out = Infallible;
    type Error = Infallible;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, Infallible> {
        while !self.said {
            let before = src.len();
            if self.gather(src) {
                return Ok(Some(self.take()));
            }
            if src.is_empty() || src.len() == before {
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, Infallible> {
        let item = self.decode(src)?;
        src.clear();
        Ok(item.or_else(|| (!self.said).then(|| self.take())))
    }

    fn encode(&mut self, item: Infallible, _: &mut Outbox) -> Result<(), Infallible> {
        match item {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The excerpt, and whether it was said before the end of the connection.
    fn hear(body: BodyLength, most: usize, pieces: &[&[u8]]) -> (String, bool) {
        let (mut codec, mut src) = (Excerpt::new(body, most), BytesMut::new());
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        for piece in pieces {
            src.extend_from_slice(piece);
            if let Some(excerpt) = codec.decode(&mut src).unwrap() {
                assert_eq!(codec.decode_eof(&mut src), Ok(None), "it is said once");
                return (text(excerpt), true);
            }
        }
        (text(codec.decode_eof(&mut src).unwrap().unwrap()), false)
    }

    #[test]
    fn the_beginning_of_a_body_by_its_framing() {
        use BodyLength::{Chunked, Empty, Exactly, UntilClose};
        let chunked = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nA: b\r\n\r\n";
        let rows: [(BodyLength, usize, &[u8], &str, bool); 12] = [
            (Empty, 10, b"abc", "", true),
            (Exactly(3), 10, b"abcdef", "abc", true),
            (Exactly(3), 10, b"ab", "ab", false),
            (Exactly(9), 3, b"abcdef", "abc", true),
            (Exactly(u64::MAX), 3, b"abcdef", "abc", true),
            (UntilClose, 10, b"abc", "abc", false),
            (UntilClose, 2, b"abc", "ab", true),
            (Chunked, 10, chunked, "abcdefg", true),
            (Chunked, 5, chunked, "abcde", true),
            (Chunked, 10, b"3\r\nabc\r\nz", "abc", true),
            (Chunked, 10, b"3\r\nab", "ab", false),
            (UntilClose, 0, b"abc", "", true),
        ];
        for (body, most, wire, expected, complete) in rows {
            let whole = hear(body, most, &[wire]);
            assert_eq!(whole, (expected.to_owned(), complete), "{body:?}, {}", wire.escape_ascii());
            for at in 0..=wire.len() {
                assert_eq!(hear(body, most, &[&wire[..at], &wire[at..]]), whole, "{body:?} split at {at}");
            }
            assert_eq!(hear(body, most, &wire.chunks(1).collect::<Vec<_>>()), whole, "{body:?} byte by byte");
        }
    }
}
