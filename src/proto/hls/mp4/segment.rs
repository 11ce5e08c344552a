//! The boxes around fragments: the type of a segment, its index, and events (`styp`, `sidx` in ISO/IEC 14496-12 section 8.16; `emsg` in
//! ISO/IEC 23009-1 section 5.10.3.3).

use bytes::{BufMut, BytesMut};

use super::chunk::Unwritable;
use super::write;
use crate::proto::hls::track::Timescale;

/// What of a stream a piece is (ISO/IEC 23000-19 section 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A segment: fragments, the first of which begins with a key sample.
    Segment,
    /// A part of a segment.
    Chunk,
}

/// Appends `styp`.
pub fn put_type(out: &mut BytesMut, piece: Piece) {
    let brands: &[&[u8; 4]] = match piece {
        Piece::Segment => &[b"msdh", b"cmfs", b"cmff", b"cmfl"],
        Piece::Chunk => &[b"msdh", b"cmfl"],
    };
    write::boxed(out, b"styp", |out| {
        out.put_slice(brands[0]);
        out.put_u32(0);
        brands.iter().for_each(|brand| out.put_slice(*brand));
    });
}

/// A piece of the media, for an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Bytes of it, with all its boxes.
    pub bytes: u64,
    /// How long it is, in ticks of the index.
    pub duration: u32,
    /// Whether it begins with a key sample.
    pub key: bool,
}

/// Appends `sidx`: `entries` follow it at once, the first of which begins to be presented at `start`, in ticks of `timescale`.
///
/// # Errors
/// When there are more than 65535 entries, or one has 2 GiB. Nothing is appended then.
pub fn put_index(
    out: &mut BytesMut,
    track: u32,
    timescale: Timescale,
    start: u64,
    entries: &[Entry],
) -> Result<(), Unwritable> {
    let count = u16::try_from(entries.len()).map_err(|_| Unwritable::Entries(entries.len()))?;
    if let Some(entry) = entries.iter().find(|entry| entry.bytes >= 1 << 31) {
        return Err(Unwritable::Piece(entry.bytes));
    }
    write::full(out, b"sidx", 1, 0, |out| {
        out.put_u32(track);
        out.put_u32(timescale.ticks());
        out.put_u64(start);
        out.put_u64(0);
        out.put_u16(0);
        out.put_u16(count);
        for entry in entries {
            out.put_u32(entry.bytes as u32);
            out.put_u32(entry.duration);
            // Starts with a stream access point of type 1, which is a closed group of pictures.
            out.put_u32(if entry.key { 0x9000_0000 } else { 0 });
        }
    });
    Ok(())
}

/// Appends `emsg` with an ID3 tag that goes for `time`, in ticks of `timescale`; `id` tells it from others.
pub fn put_id3(out: &mut BytesMut, timescale: Timescale, time: u64, id: u32, tag: &[u8]) {
    write::full(out, b"emsg", 1, 0, |out| {
        out.put_u32(timescale.ticks());
        out.put_u64(time);
        out.put_u32(u32::MAX); // its duration is not known
        out.put_u32(id);
        out.put_slice(super::message::ID3);
        out.put_slice(b"\0\0");
        out.put_slice(tag);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(put: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
        let mut out = BytesMut::new();
        put(&mut out);
        out.to_vec()
    }

    #[test]
    fn types_by_the_piece() {
        assert_eq!(
            written(|out| put_type(out, Piece::Segment)),
            b"\0\0\0\x20stypmsdh\0\0\0\0msdhcmfscmffcmfl"
        );
        assert_eq!(written(|out| put_type(out, Piece::Chunk)), b"\0\0\0\x18stypmsdh\0\0\0\0msdhcmfl");
    }

    #[test]
    fn an_index_byte_by_byte() {
        let entries = [
            Entry { bytes: 0x1234, duration: 180_000, key: true },
            Entry { bytes: 1, duration: 1, key: false },
        ];
        let mut out = BytesMut::new();
        put_index(&mut out, 3, Timescale::MPEG, 1 << 32, &entries).unwrap();
        let expected: &[&[u8]] = &[
            b"\0\0\0\x40sidx\x01\0\0\0\0\0\0\x03\0\x01\x5f\x90",
            b"\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02",
            b"\0\0\x12\x34\0\x02\xbf\x20\x90\0\0\0",
            b"\0\0\0\x01\0\0\0\x01\0\0\0\0",
        ];
        assert_eq!(out, expected.concat());
        assert_eq!(out.len(), 40 + 2 * 12);
    }

    #[test]
    fn indexes_have_limits() {
        let entry = |bytes| Entry { bytes, duration: 1, key: true };
        let mut out = BytesMut::new();
        let most = vec![entry(1); 65_535];
        assert_eq!(put_index(&mut out, 1, Timescale::MPEG, 0, &most), Ok(()));
        assert_eq!(out.len(), 40 + 65_535 * 12);
        out.clear();
        let more = vec![entry(1); 65_536];
        assert_eq!(put_index(&mut out, 1, Timescale::MPEG, 0, &more), Err(Unwritable::Entries(65_536)));
        let long = [entry(1 << 31)];
        assert_eq!(put_index(&mut out, 1, Timescale::MPEG, 0, &long), Err(Unwritable::Piece(1 << 31)));
        assert!(out.is_empty());
    }

    #[test]
    fn events_byte_by_byte() {
        assert_eq!(
            written(|out| put_id3(out, Timescale::MILLIS, 5, 6, b"ID3...")),
            [
                &b"\0\0\0\x44emsg\x01\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\0\x05\xff\xff\xff\xff\0\0\0\x06"[..],
                b"https://aomedia.org/emsg/ID3\0\0ID3..."
            ]
            .concat()
        );
    }
}
