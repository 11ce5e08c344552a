//! Records, headers and texts of the codings of HLS: what is read can be written and read again.

use bytes::BytesMut;
use wireworks::proto::hls::codec::nal::{
    AnnexB, Lengths, lengths_in_place, put_with_length, start_codes_in_place,
};
use wireworks::proto::hls::codec::webvtt::{Document, TimestampMap};
use wireworks::proto::hls::codec::{
    aac, ac3, access, adts, av1, avc, avc_sps, eac3, hevc, hevc_sps, id3, opus,
};

/// Reads a record and writes it again, and what was written is the same; gives its string.
macro_rules! record {
    ($coding:ident, $bytes:expr) => {
        $coding::Config::parse($bytes).ok().map(|config| {
            let mut out = BytesMut::new();
            config.write(&mut out);
            assert_eq!($coding::Config::parse(&out).as_ref(), Ok(&config));
            config.codec_string()
        })
    };
}

/// Checks the reader that the first byte of `input` names on the rest; says whether it was taken for sound.
pub(crate) fn check(input: &[u8]) -> bool {
    let Some((which, bytes)) = input.split_first() else { return false };
    let string = match which % 14 {
        0 => record!(avc, bytes),
        1 => record!(hevc, bytes),
        2 => record!(av1, bytes),
        3 => record!(aac, bytes),
        4 => record!(opus, bytes),
        5 => record!(ac3, bytes),
        6 => record!(eac3, bytes),
        7 => return avc_sps::Sps::parse(bytes).is_ok_and(|sps| sps.width > 0 && sps.height > 0),
        8 => return hevc_sps::Sps::parse(bytes).is_ok_and(|sps| sps.width > 0 && sps.height > 0),
        9 => return units(bytes),
        10 => return frames(bytes),
        11 => return tag(bytes),
        12 => return text(bytes),
        _ => return sample(bytes),
    };
    if let Some(string) = &string {
        assert!(
            string.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')),
            "{string}"
        );
    }
    string.is_some()
}

/// A byte stream: its units behind their lengths are the same units, and back again.
fn units(stream: &[u8]) -> bool {
    let units: Vec<&[u8]> = AnnexB::new(stream).collect();
    let mut sample = BytesMut::new();
    for unit in &units {
        assert!(
            !unit.is_empty() && unit.last() != Some(&0) && memchr::memmem::find(unit, &[0, 0, 1]).is_none()
        );
        put_with_length(unit, &mut sample);
        let _ = (
            access::Coding::Avc.role(unit),
            access::Coding::Hevc.role(unit),
            access::is_recovery_point(unit),
        );
    }
    assert!(Lengths::new(&sample, 4).map(Result::unwrap).eq(units.iter().copied()));
    let lengths = sample.clone();
    start_codes_in_place(&mut sample).unwrap();
    assert!(AnnexB::new(&sample).eq(units.iter().copied()));
    assert!(lengths_in_place(&mut sample) && sample == lengths);
    !units.is_empty()
}

/// A sample: lengths that are sound can be turned.
fn sample(sample: &[u8]) -> bool {
    for size in [1, 2, 4] {
        let _ = Lengths::new(sample, size).count();
    }
    let sound = Lengths::new(sample, 4).all(|unit| unit.is_ok());
    assert_eq!(start_codes_in_place(&mut sample.to_vec()).is_ok(), sound);
    sound
}

/// Heads of frames of sound.
fn frames(bytes: &[u8]) -> bool {
    let _ = (opus::packet_samples(bytes), eac3::Head::parse(bytes), ac3::syncframe(bytes));
    let Ok(header) = adts::Header::parse(bytes) else { return false };
    let Ok(config) = header.config() else { return false };
    let written = adts::Template::new(&config).unwrap().header(header.frame - header.size).unwrap();
    let again = adts::Header::parse(&written).unwrap();
    assert!(again.same_stream(&header) && again.frame - again.size == header.frame - header.size);
    true
}

fn tag(bytes: &[u8]) -> bool {
    let Ok(Some(tag)) = id3::Tag::parse(bytes) else { return false };
    assert!(tag.size >= 10);
    let frames: Vec<id3::Frame<'_>> = tag.frames().collect();
    let written = id3::write(&frames).unwrap();
    let again = id3::Tag::parse(&written).unwrap().unwrap();
    assert!(again.frames().eq(frames) && again.timestamp() == tag.timestamp());
    true
}

fn text(bytes: &[u8]) -> bool {
    let Ok(document) = Document::parse(bytes) else { return false };
    let map = document.map.unwrap_or(TimestampMap { mpegts: 900_000, local: 1 });
    let written = document.segment(0, u64::MAX, map);
    let again = Document::parse(written.as_bytes()).unwrap();
    assert_eq!(again, Document { map: Some(map), ..document });
    true
}
