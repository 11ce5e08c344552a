//! The `info` dictionary in pieces of 16 KiB, from those who have it to those who know its hash only (BEP 9).

use bytes::Bytes;

use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::bencode::{Document, Fault, Limits, Tree, Value};

/// A message of `ut_metadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// A piece is wanted.
    Request {
        /// Its number.
        piece: u32,
    },
    /// A piece.
    Data {
        /// Its number.
        piece: u32,
        /// Bytes of all pieces, as the sender says.
        total: u32,
        /// Its bytes.
        data: Bytes,
    },
    /// A piece is not given.
    Reject {
        /// Its number.
        piece: u32,
    },
}

/// Why a message is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// It is no bencode.
    #[error(transparent)]
    Bencode(#[from] Fault),
    /// It has no number of a piece.
    #[error("a message of metadata without a piece")]
    Piece,
    /// It has more bytes than a piece, or none.
    #[error("a piece of metadata with {0} bytes")]
    Length(usize),
}

impl Metadata {
    /// Reads one; `None` if it is of a kind that nobody knows, and is to be passed over.
    ///
    /// # Errors
    /// It is none.
    pub fn read(payload: &Bytes) -> Result<Option<Self>, MetadataError> {
        let (document, rest) = Document::prefix(payload, Limits::MESSAGE)?;
        let root = document.root();
        let number = |key| root.get(key).and_then(Value::size).and_then(|number| u32::try_from(number).ok());
        let piece = number("piece").ok_or(MetadataError::Piece)?;
        Ok(match root.get("msg_type").and_then(Value::integer) {
            Some(0) => Some(Self::Request { piece }),
            Some(1) => {
                if rest.is_empty() || rest.len() > BLOCK as usize {
                    return Err(MetadataError::Length(rest.len()));
                }
                let total = number("total_size").unwrap_or_default();
                Some(Self::Data { piece, total, data: payload.slice_ref(rest) })
            }
            Some(2) => Some(Self::Reject { piece }),
            _ => None,
        })
    }

    /// The payload.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let of = |kind: i64, piece: u32| Tree::dictionary([("msg_type", kind)]).with("piece", piece);
        match self {
            Self::Request { piece } => of(0, *piece).to_bytes(),
            Self::Data { piece, total, data } => {
                let mut bytes = of(1, *piece).with("total_size", *total).to_bytes();
                bytes.extend_from_slice(data);
                bytes
            }
            Self::Reject { piece } => of(2, *piece).to_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        for (message, bytes) in [
            (Metadata::Request { piece: 0 }, &b"d8:msg_typei0e5:piecei0ee"[..]),
            (
                Metadata::Data { piece: 1, total: 34256, data: Bytes::from_static(b"xxxx") },
                b"d8:msg_typei1e5:piecei1e10:total_sizei34256eexxxx",
            ),
            (Metadata::Reject { piece: 2 }, b"d8:msg_typei2e5:piecei2ee"),
        ] {
            assert_eq!(message.to_bytes(), bytes);
            assert_eq!(Metadata::read(&bytes.into()), Ok(Some(message)));
        }
        let read = |text: &'static [u8]| Metadata::read(&Bytes::from_static(text));
        assert_eq!(read(b"d8:msg_typei7e5:piecei0ee"), Ok(None), "of a kind to come");
        assert_eq!(read(b"d8:msg_typei0ee"), Err(MetadataError::Piece));
        assert_eq!(read(b"d8:msg_typei0e5:piecei-1ee"), Err(MetadataError::Piece));
        assert_eq!(read(b"d8:msg_typei1e5:piecei0ee"), Err(MetadataError::Length(0)));
        assert_eq!(read(b"x"), Err(MetadataError::Bencode(Fault::NoValue { at: 0 })));
    }
}
