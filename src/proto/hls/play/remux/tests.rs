//! Streams that are written of whole pieces; and what the tests of this folder have in common.

use std::sync::Arc;

use bytes::Bytes;

use super::super::super::codec::access::{Coding, Entry};
use super::super::super::codec::nal::Lengths;
use super::super::super::codec::{aac, adts, avc, id3};
use super::super::super::mp4::push::{self, Push};
use super::super::super::track::{Config, Edit, Language, Matrix, Shape, Timescale, Track};
use super::super::super::ts::demux::{self, Demuxer};
use super::super::super::ts::event::Event;
use super::taken::{Sense, Taken};
use super::*;

const AVC_C: &[u8] = b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x02\x68\xee\xfd\xf8\xf8\x00";

fn track(id: u32, timescale: Timescale, config: Config, shape: Shape) -> Arc<Track> {
    Arc::new(Track {
        id,
        timescale,
        config,
        in_band: false,
        shape,
        matrix: Matrix::UNITY,
        language: Language::UNDETERMINED,
        edit: Edit::default(),
        extensions: Bytes::new(),
    })
}

/// A picture at that time, in ticks of 90 kHz, of which nobody says how long it takes.
pub(super) fn picture(dts: i64, entry: Entry) -> Taken {
    let config = Config::Avc(avc::Config::parse(AVC_C).unwrap());
    let track = track(1, Timescale::MPEG, config, Shape::Video { width: 320, height: 240 });
    let data = Bytes::from_static(b"\0\0\0\x02\x65\x88");
    Taken { sense: Sense::Video, track, dts, pts: dts, duration: 0, entry, holed: false, data }
}

/// A frame of sound at that time, in samples of 48 kHz.
pub(super) fn sound(dts: i64) -> Taken {
    let config = Config::Aac(aac::Config::plain(2, 48_000, 2).unwrap());
    let scale = Timescale::new(48_000).unwrap();
    let track = track(2, scale, config, Shape::Audio { sample_rate: 48_000, channels: 2 });
    let data = Bytes::from_static(&[7; 20]);
    Taken {
        sense: Sense::Audio,
        track,
        dts,
        pts: dts,
        duration: 1024,
        entry: Entry::Closed,
        holed: false,
        data,
    }
}

const AVC_AAC: &[u8] = include_bytes!("../../../../../tests/data/hls/ts/avc_aac.ts");
const OPEN_GOP: &[u8] = include_bytes!("../../../../../tests/data/hls/ts/open_gop.ts");
const CMAF: &[u8] = include_bytes!("../../../../../tests/data/hls/mp4/cmaf.mp4");
const AV1: &[u8] = include_bytes!("../../../../../media/av1.mp4");

/// A segment that begins there.
fn segment(bytes: &Bytes, start: Ms) -> Piece<'_> {
    Piece { lane: Lane::Main, map: None, bytes, part: false, anew: false, era: 0, start }
}

/// What is written of pieces, and what was heard of each.
fn written(format: Format, pieces: &[Piece<'_>]) -> (Vec<u8>, Vec<Heard>) {
    let mut remux = Remux::new(Some(format), Limits::default());
    let (mut out, mut heard) = (Vec::new(), Vec::new());
    for piece in pieces {
        heard.push(remux.piece(piece).unwrap());
        out.extend(remux.output());
    }
    remux.finish();
    out.extend(remux.output());
    (out, heard)
}

/// The samples of MPEG-TS: track, decode time, bytes. Nothing of it is lost.
fn samples(stream: &[u8]) -> Vec<(u32, i64, Bytes)> {
    let (mut demuxer, mut samples) = (Demuxer::new(demux::Limits::default()), Vec::new());
    demuxer.push(stream);
    demuxer.finish();
    while let Some(event) = demuxer.poll() {
        match event {
            Event::Sample(sample) => samples.push((sample.track, sample.dts, sample.data)),
            Event::Lost(lost) => panic!("{lost:?}"),
            _ => {}
        }
    }
    assert_eq!(demuxer.stats().continuity_errors, 0);
    samples.sort_by_key(|(track, ..)| *track);
    samples
}

#[test]
fn a_segment_is_written_as_it_was_and_says_how_long_it_is() {
    let bytes = Bytes::from_static(AVC_AAC);
    let (out, heard) = written(Format::MpegTs, &[segment(&bytes, 5000.0)]);
    let (before, after) = (samples(AVC_AAC), samples(&out));
    assert_eq!(before.len(), after.len());
    assert!(before.iter().zip(&after).all(|(before, after)| before.2 == after.2));
    let [heard] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((heard.start, heard.key, heard.video, heard.audio), (5000.0, true, true, true));
    assert_eq!((heard.samples, heard.dropped, heard.lost, heard.moved), (before.len(), 0, 0, false));
    let pictures = before.iter().filter(|(track, ..)| *track == before[0].0).count();
    assert!((heard.end - heard.start - pictures as f64 * 40.0).abs() < 0.1, "{heard:?}");
}

#[test]
fn parts_make_the_segment_wherever_they_are_cut() {
    let whole = Bytes::from_static(AVC_AAC);
    for cuts in [vec![1], vec![3, 40, 41], vec![60, 100], (1..130).collect()] {
        let at: Vec<usize> =
            std::iter::once(0).chain(cuts).map(|packets| packets * 188).chain([whole.len()]).collect();
        let parts: Vec<Bytes> = at.windows(2).map(|pair| whole.slice(pair[0]..pair[1])).collect();
        let pieces: Vec<Piece<'_>> =
            parts.iter().map(|part| Piece { part: true, ..segment(part, 0.0) }).collect();
        for format in [Format::MpegTs, Format::Fmp4] {
            let (out, heard) = written(format, &pieces);
            assert!(heard.iter().all(|heard| heard.dropped == 0 && heard.lost == 0));
            if format == Format::MpegTs {
                let (before, after) = (samples(AVC_AAC), samples(&out));
                assert!(before.len() == after.len(), "{} {}", before.len(), after.len());
                assert!(before.iter().zip(&after).all(|(before, after)| before.2 == after.2));
            }
        }
        // The next segment ends what a part left open, and so does another rendition. Its first frame of sound may be too early.
        let pictures = |stream: &[u8]| samples(stream).iter().filter(|(track, ..)| *track == 0x100).count();
        for anew in [false, true] {
            let next = Piece { anew, era: 1, ..segment(&whole, 10_000.0) };
            let (out, _) = written(Format::MpegTs, &[&pieces[..], &[next]].concat());
            assert_eq!(pictures(&out), 2 * pictures(AVC_AAC));
        }
    }
}

#[test]
fn pieces_that_are_of_no_use_are_refused_and_nothing_of_them_is_written() {
    /// Bytes, and whether an error is the right one.
    type Row = (&'static [u8], fn(&RemuxError) -> bool);
    let table: [Row; 11] = [
        (b"", |error| *error == RemuxError::Nothing),
        (
            b"<!DOCTYPE html>",
            |error| matches!(error, RemuxError::Unknown(first) if first == "<!DOCTYPE html>"),
        ),
        (b"Gone away", |error| matches!(error, RemuxError::Unknown(_))),
        (b"#EXTM3U\n", |error| matches!(error, RemuxError::Unknown(_))),
        (b"WEBVTT\n\n", |error| *error == RemuxError::Text),
        (b"\xff\xfb\x90\x64\0\0\0\0", |error| *error == RemuxError::Sound),
        (&AVC_AAC[..188 * 40 + 3], |error| matches!(error, RemuxError::Truncated(_))),
        (&AVC_AAC[..188 * 2], |error| matches!(error, RemuxError::Empty(_))),
        (&CMAF[..CMAF.len() - 10], |error| matches!(error, RemuxError::Truncated(_))),
        (b"\0\0\0\x10moof\0\0\0\x08mfhd", |error| *error == RemuxError::NoMap),
        (AV1, |error| matches!(error, RemuxError::Coding(_))),
    ];
    let good = Bytes::from_static(AVC_AAC);
    for (bytes, expected) in table {
        let mut remux = Remux::new(Some(Format::MpegTs), Limits::default());
        remux.piece(&segment(&good, 0.0)).unwrap();
        let before = remux.output();
        assert!(!before.is_empty());
        let bad = Bytes::copy_from_slice(bytes);
        let error = remux.piece(&segment(&bad, 1000.0)).unwrap_err();
        assert!(expected(&error), "{error:?}");
        assert!(!error.to_string().contains('\n') && remux.output().is_empty(), "{error}");
        // What comes behind it is played.
        let heard = remux.piece(&segment(&good, 2000.0)).unwrap();
        assert_eq!((heard.start, heard.dropped), (2000.0, 0), "{error}");
        let both = [before, remux.output()].concat();
        remux.finish();
        assert!(samples(&[both, remux.output().to_vec()].concat()).len() == 2 * samples(AVC_AAC).len());
    }
}

#[test]
fn too_many_samples_are_refused() {
    let bytes = Bytes::from_static(AVC_AAC);
    let mut remux = Remux::new(None, Limits { samples: 10, ..Limits::default() });
    assert_eq!(remux.piece(&segment(&bytes, 0.0)), Err(RemuxError::Samples(10)));
}

#[test]
fn what_is_only_looked_at_is_heard_all_the_same() {
    let bytes = Bytes::from_static(CMAF);
    let (_, heard) = written(Format::MpegTs, &[segment(&bytes, 0.0)]);
    let mut remux = Remux::new(None, Limits::default());
    assert_eq!(remux.piece(&segment(&bytes, 0.0)).as_ref(), Ok(&heard[0]));
    remux.finish();
    assert!(remux.output().is_empty() && heard[0].video);
}

#[test]
fn fragments_bring_their_parameter_sets_with_them() {
    let bytes = Bytes::from_static(OPEN_GOP);
    let (out, _) = written(Format::Fmp4, &[segment(&bytes, 0.0)]);
    let (mut push, mut keys) = (Push::default(), 0);
    push.push(&out);
    while let Some(event) = push.event().unwrap() {
        match event {
            push::Event::Init { movie, .. } => {
                assert!(movie.tracks.iter().all(|track| track.track.codec_string().starts_with("avc3")));
            }
            push::Event::Sample { located, bytes, .. } if located.sample.key => {
                let mut nals = Lengths::new(&bytes, 4).map(Result::unwrap);
                assert!(nals.any(|nal| Coding::Avc.begins_sequence(nal)));
                keys += 1;
            }
            _ => {}
        }
    }
    push.end().unwrap();
    assert!(keys > 1);
}

#[test]
fn another_track_has_a_place_in_mpeg_ts_and_none_in_fragments() {
    let (both, sound) = (Bytes::from_static(AVC_AAC), packed());
    let pieces = [segment(&sound, 0.0), Piece { anew: true, ..segment(&both, 1100.0) }];
    let (out, heard) = written(Format::MpegTs, &pieces);
    assert_eq!((heard[1].dropped, heard[1].refused.len()), (0, 0));
    let tracks: std::collections::BTreeSet<u32> =
        samples(&out).into_iter().map(|(track, ..)| track).collect();
    assert_eq!(tracks.len(), 2);
    let (_, heard) = written(Format::Fmp4, &pieces);
    assert!(heard[1].refused[0].starts_with("avc1.") && heard[1].dropped > 0, "{:?}", heard[1]);
}

/// Packed audio: a second of frames behind a tag.
fn packed() -> Bytes {
    let config = aac::Config::plain(2, 48_000, 2).unwrap();
    let header = adts::Template::new(&config).unwrap().header(20).unwrap();
    [id3::timestamp(126_000), [&header[..], &[7; 20]].concat().repeat(47)].concat().into()
}

#[test]
fn sound_of_its_own_lane_takes_the_place_of_what_is_in_the_other() {
    let (both, sound) = (Bytes::from_static(AVC_AAC), packed());
    let mut remux = Remux::new(Some(Format::MpegTs), Limits::default());
    remux.lanes(true);
    let heard = remux.piece(&segment(&both, 0.0)).unwrap();
    assert!(heard.video && !heard.audio);
    // It waits for the other lane.
    assert!(remux.output().is_empty());
    let heard = remux.piece(&Piece { lane: Lane::Audio, ..segment(&sound, 0.0) }).unwrap();
    assert!(!heard.video && heard.audio && heard.key);
    let first = remux.output();
    remux.finish();
    let out = samples(&[first, remux.output()].concat());
    assert_eq!(out.iter().filter(|(.., data)| data[..] == [7; 20]).count(), 47);
    // Where it does not come by the other lane, that lane has nothing that is wanted.
    let mut remux = Remux::new(Some(Format::MpegTs), Limits::default());
    let none = remux.piece(&Piece { lane: Lane::Audio, ..segment(&sound, 0.0) });
    assert_eq!(none, Err(RemuxError::Empty(String::new())));
}
