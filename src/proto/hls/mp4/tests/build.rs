//! Files for tests, box by box.

use bytes::{Bytes, BytesMut};

use super::super::entry;
use crate::proto::hls::codec::{aac, avc};
use crate::proto::hls::track::{Config, Edit, Language, Matrix, Sample, Shape, Timescale, Track};

const AVC_C: &[u8] = b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x02\x68\xee\xfd\xf8\xf8\x00";

pub(in super::super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

pub(in super::super) fn boxed(name: &[u8; 4], inside: &[&[u8]]) -> Vec<u8> {
    let inside = inside.concat();
    [&(inside.len() as u32 + 8).to_be_bytes()[..], name, &inside].concat()
}

/// A box whose inside is words of 32 bits.
pub(in super::super) fn worded(name: &[u8; 4], inside: &[u32]) -> Vec<u8> {
    boxed(name, &[&words(inside)])
}

pub(in super::super) fn video(id: u32) -> Track {
    Track {
        id,
        timescale: Timescale::new(12_800).unwrap(),
        config: Config::Avc(avc::Config::parse(AVC_C).unwrap()),
        in_band: false,
        shape: Shape::Video { width: 1280, height: 720 },
        matrix: Matrix::UNITY,
        language: Language::UNDETERMINED,
        edit: Edit::default(),
        extensions: Bytes::from_static(b"\0\0\0\x10pasp\0\0\0\x01\0\0\0\x01"),
    }
}

pub(in super::super) fn audio(id: u32) -> Track {
    Track {
        id,
        timescale: Timescale::new(48_000).unwrap(),
        config: Config::Aac(aac::Config::parse(b"\x11\x90").unwrap()),
        in_band: false,
        shape: Shape::Audio { sample_rate: 48_000, channels: 2 },
        matrix: Matrix::UNITY,
        language: Language::new("deu").unwrap(),
        edit: Edit::default(),
        extensions: Bytes::new(),
    }
}

/// Samples with random measures that follow each other from decode time 0.
pub(in super::super) fn samples(dice: &mut fastrand::Rng, count: usize) -> Vec<Sample> {
    let mut dts = 0;
    let sample = |index| {
        let duration = dice.u32(0..3) * 512;
        let sample = Sample {
            dts,
            composition_offset: dice.i32(-2..4) * 512,
            duration,
            size: dice.u32(0..50),
            key: index == 0 || dice.u8(0..5) == 0,
        };
        dts += i64::from(duration);
        sample
    };
    (0..count).map(sample).collect()
}

/// The boxes of `stbl` behind `stsd`: chunks of `per_chunk` samples each at one of `chunks`.
pub(in super::super) fn tables(samples: &[Sample], per_chunk: u32, chunks: &[u32]) -> Vec<u8> {
    let count = samples.len() as u32;
    let durations: Vec<u32> = samples.iter().flat_map(|sample| [1, sample.duration]).collect();
    let offsets = samples.iter().flat_map(|sample| [1, sample.composition_offset.cast_unsigned()]);
    let sizes: Vec<u32> = samples.iter().map(|sample| sample.size).collect();
    let keys: Vec<u32> =
        (1..).zip(samples).filter(|(_, sample)| sample.key).map(|(number, _)| number).collect();
    [
        worded(b"stts", &[&[0, count], &durations[..]].concat()),
        worded(b"ctts", &[&[1 << 24, count], &offsets.collect::<Vec<u32>>()[..]].concat()),
        worded(b"stsc", &[0, 1, 1, per_chunk, 1]),
        worded(b"stsz", &[&[0, 0, count], &sizes[..]].concat()),
        worded(b"stco", &[&[0, chunks.len() as u32], chunks].concat()),
        worded(b"stss", &[&[0, keys.len() as u32], &keys[..]].concat()),
    ]
    .concat()
}

/// `trak` of a track with those tables.
pub(in super::super) fn trak(track: &Track, tables: &[u8]) -> Vec<u8> {
    let mut stsd = BytesMut::new();
    entry::put(&mut stsd, track);
    trak_with(track, &boxed(b"stbl", &[&stsd, tables]))
}

/// `trak` of a track with that `stbl`.
pub(in super::super) fn trak_with(track: &Track, stbl: &[u8]) -> Vec<u8> {
    let language = u32::from(track.language.packed()) << 16;
    let handler = if matches!(track.shape, Shape::Video { .. }) { b"vide" } else { b"soun" };
    let dref = boxed(b"dref", &[&words(&[0, 1]), &worded(b"url ", &[1])]);
    let minf = boxed(b"minf", &[&boxed(b"dinf", &[&dref]), stbl]);
    let mdhd = worded(b"mdhd", &[0, 0, 0, track.timescale.ticks(), 0, language]);
    let hdlr = boxed(b"hdlr", &[&[0; 8], handler, &[0; 13]]);
    let tkhd = boxed(
        b"tkhd",
        &[&words(&[3, 0, 0, track.id]), &[0; 24], &words(&track.matrix.0.map(i32::cast_unsigned))],
    );
    boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd, &hdlr, &minf])])
}

/// `moov` of those boxes behind `mvhd`, with a timescale of 1000.
pub(in super::super) fn moov(boxes: &[&[u8]]) -> Vec<u8> {
    let mvhd = worded(b"mvhd", &[0, 0, 0, 1000, 0]);
    boxed(b"moov", &[&[&mvhd[..]], boxes].concat())
}
