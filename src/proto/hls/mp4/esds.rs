//! The descriptors in `esds`: what an MPEG-4 stream is, and the configuration of its decoder (ISO/IEC 14496-1 section 7.2.6,
//! ISO/IEC 14496-14 section 5.6).

use bytes::{BufMut, Bytes, BytesMut};

use super::read::Body;
use super::{Fault, write};

const ES_DESCRIPTOR: u8 = 0x03;
const DECODER_CONFIG: u8 = 0x04;
const DECODER_SPECIFIC: u8 = 0x05;
const SL_CONFIG: u8 = 0x06;

/// The object type of AAC as MPEG-4 has it (ISO/IEC 14496-1 table 5).
pub(super) const AAC: u8 = 0x40;
/// Object types of AAC as MPEG-2 has it: main, low complexity, scalable.
pub(super) const AAC_MPEG2: [u8; 3] = [0x66, 0x67, 0x68];
/// A stream of sound, which is not for the other way.
const AUDIO_STREAM: u8 = 0x05 << 2 | 1;

/// What `esds` says of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    /// What it is (`objectTypeIndication`).
    pub(super) object_type: u8,
    /// The configuration of its decoder: empty when there is none.
    pub(super) specific: Bytes,
}

/// What `esds` says; `None` when it says nothing of a decoder.
pub(super) fn read(mut esds: Body) -> Result<Option<Stream>, Fault> {
    esds.full(0)?;
    let Some(mut es) = find(esds, ES_DESCRIPTOR)? else { return Ok(None) };
    es.skip(2)?;
    let flags = es.u8()?;
    if flags & 0x80 != 0 {
        es.skip(2)?;
    }
    if flags & 0x40 != 0 {
        let length = es.u8()?;
        es.skip(usize::from(length))?;
    }
    if flags & 0x20 != 0 {
        es.skip(2)?;
    }
    let Some(mut decoder) = find(es, DECODER_CONFIG)? else { return Ok(None) };
    let object_type = decoder.u8()?;
    decoder.skip(12)?;
    let specific = find(decoder, DECODER_SPECIFIC)?.map(Body::rest).unwrap_or_default();
    Ok(Some(Stream { object_type, specific }))
}

/// The inside of the next descriptor with that tag. One that announces more than there is ends where the bytes do: encoders are
/// known that count wrongly around descriptors that are sound.
fn find(mut body: Body, wanted: u8) -> Result<Option<Body>, Fault> {
    while body.len() > 0 {
        let tag = body.u8()?;
        let mut length = 0;
        for _ in 0..4 {
            let byte = body.u8()?;
            length = length << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        let at = body.at();
        let inside = body.take(length.min(body.len()))?;
        if tag == wanted {
            return Ok(Some(Body::new(body.name, at, inside)));
        }
    }
    Ok(None)
}

/// Appends `esds` of a stream of AAC.
pub(super) fn put_aac(out: &mut BytesMut, specific: &[u8]) {
    let decoder = 13 + head_size(specific.len()) + specific.len();
    let es = 3 + head_size(decoder) + decoder + 3;
    write::full(out, b"esds", 0, 0, |out| {
        put_head(out, ES_DESCRIPTOR, es);
        out.put_slice(&[0, 0, 0]);
        put_head(out, DECODER_CONFIG, decoder);
        out.put_slice(&[AAC, AUDIO_STREAM]);
        out.put_bytes(0, 11);
        put_head(out, DECODER_SPECIFIC, specific.len());
        out.put_slice(specific);
        put_head(out, SL_CONFIG, 1);
        out.put_u8(0x02);
    });
}

/// Bytes of the head of a descriptor with so many bytes in it.
fn head_size(length: usize) -> usize {
    if length < 0x80 { 2 } else { 3 }
}

/// Appends the head of a descriptor. A configuration of more than 16 KiB is none of AAC.
fn put_head(out: &mut BytesMut, tag: u8, length: usize) {
    out.put_u8(tag);
    if length >= 0x80 {
        out.put_u8(0x80 | (length >> 7) as u8 & 0x7f);
    }
    out.put_u8(length as u8 & 0x7f);
}

#[cfg(test)]
mod tests {
    use super::super::FourCc;
    use super::*;

    fn stream(bytes: &[u8]) -> Result<Option<Stream>, Fault> {
        read(Body::new(FourCc(*b"esds"), 8, Bytes::copy_from_slice(bytes)))
    }

    #[test]
    fn streams_as_writers_have_them() {
        let aac = Some(Stream { object_type: 0x40, specific: Bytes::from_static(b"\x12\x10") });
        let table: &[(&[u8], Option<Stream>)] = &[
            // Lengths of one byte.
            (
                b"\0\0\0\0\x03\x19\0\x01\0\x04\x11\x40\x15\0\0\0\0\0\0\0\0\0\0\0\x05\x02\x12\x10\x06\x01\x02",
                aac.clone(),
            ),
            // Lengths of four bytes, as ffmpeg writes them.
            (
                b"\0\0\0\0\x03\x80\x80\x80\x25\0\x01\0\x04\x80\x80\x80\x17\x40\x15\0\0\0\0\0\0\0\0\0\0\0\x05\x80\x80\x80\x02\x12\x10\x06\x80\x80\x80\x01\x02",
                aac.clone(),
            ),
            // All optional fields, and a descriptor in front of the right one.
            (
                b"\0\0\0\0\x03\x40\0\x01\xe0\0\x02\x03url\0\x09\x11\x01x\x04\x11\x40\x15\0\0\0\0\0\0\0\0\0\0\0\x05\x02\x12\x10",
                aac,
            ),
            // MP3 has no configuration.
            (
                b"\0\0\0\0\x03\x15\0\x01\0\x04\x0d\x6b\x15\0\0\0\0\0\0\0\0\0\0\0",
                Some(Stream { object_type: 0x6b, specific: Bytes::new() }),
            ),
            (b"\0\0\0\0", None),
            (b"\0\0\0\0\x03\x03\0\x01\0", None),
        ];
        for (bytes, expected) in table {
            assert_eq!(stream(bytes).unwrap(), *expected, "{bytes:02x?}");
            for cut in 0..bytes.len() {
                // Cut anywhere it is less or a fault, and no panic.
                let _ = stream(&bytes[..cut]);
            }
        }
        assert!(stream(b"\0\0\0").is_err());
        assert!(stream(b"\0\0\0\0\x03\x19\0\x01").is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        for length in [0, 2, 5, 100, 110, 127, 128, 300, 16_000] {
            let specific: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let mut out = BytesMut::new();
            put_aac(&mut out, &specific);
            let read = read(Body::of_box(0, out.freeze()).unwrap()).unwrap().unwrap();
            assert_eq!(read, Stream { object_type: AAC, specific: specific.into() }, "{length} bytes");
        }
    }
}
