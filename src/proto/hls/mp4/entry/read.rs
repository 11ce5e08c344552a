//! Reading of sample entries.

use bytes::{Bytes, BytesMut};

use super::super::read::{Body, needed};
use super::super::{Fault, FourCc, Wrong, esds};
use super::{ENCRYPTED, Entry, KEPT};
use crate::proto::hls::codec::{self, aac, ac3, av1, avc, eac3, hevc, opus};
use crate::proto::hls::track::{Config, Shape, Timescale};

/// Bytes of the fields of a QuickTime entry that MP4 does not have, by its version.
const QUICKTIME_V1: usize = 16;

/// The one entry that all samples have, or the name of a coding that is not understood. `media` stands in for a sample
/// rate that the entry cannot hold.
pub(in super::super) fn read(mut stsd: Body, media: Timescale) -> Result<Result<Entry, FourCc>, Fault> {
    let (version, _) = stsd.full(1)?;
    stsd.skip(4)?;
    let mut entries = stsd.boxes();
    let Some(first) = entries.next()? else { return Ok(Err(FourCc(*b"none"))) };
    let name = first.name;
    let Some(entry) = read_entry(first, version, media)? else { return Ok(Err(name)) };
    while let Some(other) = entries.next()? {
        let at = other.at();
        if read_entry(other, version, media)?.as_ref() != Some(&entry) {
            return Err(Wrong::Descriptions(name).at(at));
        }
    }
    Ok(Ok(entry))
}

/// A reader of a configuration.
type Parse = fn(&[u8]) -> Result<Config, codec::Error>;

fn read_entry(mut entry: Body, version: u8, media: Timescale) -> Result<Option<Entry>, Fault> {
    let (name, at) = (entry.name, entry.at());
    if ENCRYPTED.contains(&&name.0) {
        return Err(Wrong::Encrypted(name).at(at - 8));
    }
    let (parse, record, kind): (Parse, &[u8; 4], Kind) = match &name.0 {
        b"avc1" | b"avc3" => (|bytes| avc::Config::parse(bytes).map(Config::Avc), b"avcC", Kind::Picture),
        b"hvc1" | b"hev1" => (|bytes| hevc::Config::parse(bytes).map(Config::Hevc), b"hvcC", Kind::Picture),
        b"av01" => (|bytes| av1::Config::parse(bytes).map(Config::Av1), b"av1C", Kind::Picture),
        b"mp4a" => (|bytes| aac::Config::parse(bytes).map(Config::Aac), b"esds", Kind::Sound),
        b"Opus" => (|bytes| opus::Config::parse(bytes).map(Config::Opus), b"dOps", Kind::Sound),
        b"ac-3" => (|bytes| ac3::Config::parse(bytes).map(Config::Ac3), b"dac3", Kind::Sound),
        b"ec-3" => (|bytes| eac3::Config::parse(bytes).map(Config::Eac3), b"dec3", Kind::Sound),
        b"wvtt" => (|bytes| Ok(Config::Wvtt(Bytes::copy_from_slice(bytes))), b"vttC", Kind::Text),
        _ => return Ok(None),
    };
    entry.skip(6)?;
    let reference = entry.u16()?;
    let mut shape = match kind {
        Kind::Picture => picture_fields(&mut entry)?,
        Kind::Sound => sound_fields(&mut entry, version)?,
        Kind::Text => Shape::Text,
    };
    let (found, extensions) = boxes(entry, record, &mut shape)?;
    if let Shape::Audio { sample_rate, .. } = &mut shape
        && *sample_rate == 0
    {
        *sample_rate = media.ticks();
    }
    let found = needed(found, record, name, at)?;
    let record_at = found.at();
    let bytes = match found.name.0 == *b"esds" {
        false => found.rest(),
        true => match esds::read(found)? {
            Some(stream)
                if stream.object_type == esds::AAC || esds::AAC_MPEG2.contains(&stream.object_type) =>
            {
                stream.specific
            }
            _ => return Ok(None),
        },
    };
    let config = parse(&bytes).map_err(|why| Wrong::Config { name: FourCc(*record), why }.at(record_at))?;
    let in_band = matches!(&name.0, b"avc3" | b"hev1");
    Ok(Some(Entry { config, in_band, shape, extensions, reference }))
}

/// The fields that an entry has by what it is for.
#[derive(Clone, Copy)]
enum Kind {
    Picture,
    Sound,
    Text,
}

/// `VisualSampleEntry` (ISO/IEC 14496-12 section 12.1.3).
fn picture_fields(entry: &mut Body) -> Result<Shape, Fault> {
    entry.skip(16)?;
    let (width, height) = (entry.u16()?, entry.u16()?);
    entry.skip(50)?;
    Ok(Shape::Video { width, height })
}

/// `AudioSampleEntry` (section 12.2.3), and what QuickTime made of it.
fn sound_fields(entry: &mut Body, stsd_version: u8) -> Result<Shape, Fault> {
    let at = entry.at();
    let version = entry.u16()?;
    entry.skip(6)?;
    let mut channels = entry.u16()?;
    entry.skip(6)?;
    let mut sample_rate = entry.u32()? >> 16;
    match version {
        0 => {}
        // In version 1 of stsd an entry of version 1 has no more fields than one of version 0.
        1 if stsd_version == 1 => {}
        1 => entry.skip(QUICKTIME_V1)?,
        2 => {
            entry.skip(4)?;
            sample_rate = f64::from_bits(entry.u64()?) as u32;
            channels = u16::try_from(entry.u32()?).unwrap_or(u16::MAX);
            entry.skip(20)?;
        }
        version => {
            let wrong = Wrong::Value { name: entry.name, field: "version", value: i64::from(version) };
            return Err(wrong.at(at));
        }
    }
    Ok(Shape::Audio { sample_rate, channels })
}

/// The box `record`, which QuickTime has in `wave`, and those that are kept.
fn boxes(entry: Body, record: &[u8; 4], shape: &mut Shape) -> Result<(Option<Body>, Bytes), Fault> {
    let name = entry.name;
    let (mut found, mut kept) = (None, BytesMut::new());
    let mut at = entry.at();
    let mut boxes = entry.boxes();
    while let Some((head, whole)) = boxes.next_whole()? {
        let mut inside = Body::new(head.name, at + head.length as u64, whole.slice(head.length..));
        at += whole.len() as u64;
        match &head.name.0 {
            own if own == record => found = found.or(Some(inside)),
            b"wave" => found = found.or(inside.boxes().find(record)?),
            b"sinf" => return Err(inside.fault(Wrong::Encrypted(name))),
            b"srat" => {
                inside.full(0)?;
                let rate = inside.u32()?;
                if let Shape::Audio { sample_rate, .. } = shape {
                    *sample_rate = rate;
                }
            }
            // QuickTime has a form of its own, which MP4 does not know; what it says is in the stream, too.
            b"colr" if whole.get(head.length..head.length + 4) == Some(b"nclc") => {}
            other if KEPT.contains(&other) && head.size.is_some() => kept.extend_from_slice(&whole),
            _ => {}
        }
    }
    Ok((found, kept.freeze()))
}
