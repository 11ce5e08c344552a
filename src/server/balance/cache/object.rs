//! A stored response. Its bytes are exact copies, as the read buffers of connections are larger.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::proto::http::cache::freshness::Freshness;
use crate::proto::http::cache::validation;
use crate::proto::http::conditional::Validators;
use crate::proto::http::fields::Fields;
use crate::server::http::body::{Body, BoxError, Frame};

/// The overhead of a response: its structures.
const OVERHEAD: u64 = 512;

/// The overhead of a piece of a body or a field line.
const PIECE_OVERHEAD: u64 = 64;

/// Bodies whose pieces are smaller than this on average are joined when they are complete.
const SMALL_PIECE: usize = 4096;

/// The largest joined piece, in bytes.
const JOINED_PIECE: usize = 256 * 1024;

/// A body in memory. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pieces: Arc<[Bytes]>,
    length: u64,
}

impl Content {
    /// A copy of bytes in memory.
    pub(super) fn copy(bytes: &[u8]) -> Self {
        let pieces = if bytes.is_empty() { Vec::new() } else { vec![Bytes::copy_from_slice(bytes)] };
        Self { pieces: pieces.into(), length: bytes.len() as u64 }
    }

    /// Exact copies of pieces, in order.
    pub(super) fn of(pieces: &[Bytes]) -> Self {
        let length: usize = pieces.iter().map(Bytes::len).sum();
        let is_small = pieces.len() > 1 && length / pieces.len() < SMALL_PIECE;
        let pieces = if is_small { joined(pieces, length) } else { pieces.to_vec() };
        Self { pieces: pieces.into(), length: length as u64 }
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.length
    }

    /// All of it.
    pub(super) fn body(&self) -> Body {
        match &*self.pieces {
            [] => Body::empty(),
            [one] => one.clone().into(),
            many => of_pieces(many.to_vec(), self.length),
        }
    }

    /// The bytes of a range, which must lie within it.
    pub(super) fn range(&self, range: Range<u64>) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for piece in &*self.pieces {
            let end = start + piece.len() as u64;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                // Both lie within the piece, whose length is a usize.
                pieces.push(piece.slice((from - start) as usize..(to - start) as usize));
            }
            start = end;
        }
        pieces
    }

    fn weight(&self) -> u64 {
        self.length + PIECE_OVERHEAD * self.pieces.len() as u64
    }
}

/// A body made of pieces that have so many bytes.
pub(super) fn of_pieces(pieces: Vec<Bytes>, length: u64) -> Body {
    let frames = pieces.into_iter().map(|piece| Ok::<_, BoxError>(Frame::Data(piece)));
    Body::frames(stream::iter(frames), Some(length))
}

fn joined(pieces: &[Bytes], length: usize) -> Vec<Bytes> {
    let mut whole = Vec::new();
    let mut left = length;
    let mut block = BytesMut::with_capacity(left.min(JOINED_PIECE));
    for piece in pieces {
        let mut rest = &piece[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(JOINED_PIECE - block.len()));
            block.extend_from_slice(now);
            rest = later;
            if block.len() == JOINED_PIECE {
                left -= JOINED_PIECE;
                let next = BytesMut::with_capacity(left.min(JOINED_PIECE));
                whole.push(std::mem::replace(&mut block, next).freeze());
            }
        }
    }
    if !block.is_empty() {
        whole.push(block.freeze());
    }
    whole
}

/// The head of a stored response.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub(super) status: StatusCode,
    pub(super) fields: Fields,
    pub(super) freshness: Freshness,
    pub(super) validators: Validators,
    /// Whether it may be used for requests with `Authorization`.
    pub(super) for_all: bool,
    /// The fields of its `Vary`, and their values in the request.
    pub(super) names: Arc<[HeaderName]>,
    pub(super) selection: Bytes,
}

impl Meta {
    /// The head with its fields copied into one buffer.
    pub(super) fn compact(mut self, now: SystemTime) -> Self {
        let mut buffer = BytesMut::with_capacity(self.fields.iter().map(|(_, value)| value.len()).sum());
        self.fields.iter().for_each(|(_, value)| buffer.extend_from_slice(value.as_bytes()));
        let mut buffer = buffer.freeze();
        let mut fields = Fields::new();
        for (name, value) in self.fields.iter() {
            let value = buffer.split_to(value.len());
            // It was a value already.
            if let Ok(value) = HeaderValue::from_maybe_shared(value) {
                fields.append(name.clone(), value);
            }
        }
        self.validators = validation::validators(&fields, now);
        self.fields = fields;
        self.selection = Bytes::copy_from_slice(&self.selection);
        self
    }
}

/// A stored response.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) meta: Meta,
    pub(super) content: Content,
}

impl Stored {
    /// Its memory cost in bytes.
    pub(super) fn weight(&self) -> u64 {
        let meta = &self.meta;
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().len() + value.len()) as u64 + PIECE_OVERHEAD
        };
        let fields: u64 = meta.fields.iter().map(line).sum();
        let tag = meta.validators.etag.as_ref().map_or(0, |tag| tag.opaque().len()) as u64;
        let names: u64 = meta.names.iter().map(|name| name.as_str().len() as u64 + PIECE_OVERHEAD).sum();
        OVERHEAD + fields + tag + names + meta.selection.len() as u64 + self.content.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(lengths: &[usize]) -> Vec<Bytes> {
        let mut next = 0_u8;
        let piece = |length: &usize| {
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                next = next.wrapping_add(1);
                next
            })
            .take(*length)
            .collect();
            Bytes::from(bytes)
        };
        lengths.iter().map(piece).collect()
    }

    #[test]
    fn ranges_are_cut_from_the_pieces() {
        let pieces = pieces(&[5000, 6000, 7000]);
        let whole = pieces.concat();
        let content = Content::of(&pieces);
        assert_eq!((content.len(), content.pieces.len()), (18_000, 3));
        for (from, to) in [(0, 18_000), (0, 1), (4999, 5001), (5000, 11_000), (1, 17_999), (17_999, 18_000)] {
            let range = content.range(from..to).concat();
            assert_eq!(range, &whole[from as usize..to as usize], "{from} to {to}");
        }
    }

    #[test]
    fn small_pieces_are_put_together() {
        for lengths in [vec![1; 1000], vec![100; 6000], vec![JOINED_PIECE / 256; 512], vec![3, 0, 4]] {
            let pieces = pieces(&lengths);
            let content = Content::of(&pieces);
            let total: usize = lengths.iter().sum();
            assert_eq!(content.pieces.len(), total.div_ceil(JOINED_PIECE), "{total}");
            assert_eq!(content.pieces.concat(), pieces.concat());
            assert!(content.weight() < total as u64 + 1000);
        }
    }
}
