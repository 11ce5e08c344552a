//! Segments that are made here: packed audio, WebVTT, and what is no segment. Those of MPEG-TS and MP4 are broken in the tests of `server::hls::check`, which
//! has a packager at hand.

use super::super::super::codec::{aac, adts, id3};
use super::super::super::playlist::media::PlaylistKind;
use super::super::Finding;
use super::*;

/// Rules that are broken here.
pub(in crate::proto::hls::check) const OF_FRAMES: &[&str] = &["packed-audio-timestamp"];

/// 48,000 samples a second: 46 frames are 0.981 s.
const FRAMES: usize = 46;

/// Ticks of 90 kHz that they take.
const TICKS: u64 = FRAMES as u64 * 1024 * 90_000 / 48_000;

fn frames(rate: u32, count: usize) -> Vec<u8> {
    let template = adts::Template::new(&aac::Config::plain(2, rate, 2).unwrap()).unwrap();
    let frame = [&template.header(5).unwrap()[..], b"sound"].concat();
    frame.repeat(count)
}

/// A segment of packed audio at that time.
fn packed(time: u64, rate: u32, count: usize) -> Bytes {
    [id3::timestamp(time), frames(rate, count)].concat().into()
}

fn playlist() -> MediaPlaylist {
    MediaPlaylist { target_duration: 1, kind: Some(PlaylistKind::Vod), ended: true, ..Default::default() }
}

/// What is found in segments that follow each other.
fn found(segments: &[Bytes]) -> Vec<Vec<&'static str>> {
    let mut checker = Checker::new(&playlist(), false);
    let segment = Segment { uri: "0.aac".into(), duration: Duration::from_millis(981), ..Segment::default() };
    let names = |found: Vec<Finding>| found.into_iter().map(|finding| finding.rule).collect();
    segments.iter().map(|bytes| names(checker.segment(&segment, bytes))).collect()
}

#[test]
fn formats_are_told_by_their_first_bytes() {
    let mut packets = vec![0x47; 376];
    assert_eq!(Format::of(&packets), Some(Format::Transport));
    packets[188] = 0;
    assert_eq!(Format::of(&packets), None);
    for (bytes, expected) in [
        (&b"G"[..], Some(Format::Transport)),
        (b"\0\0\0\x18stypmsdh", Some(Format::Fragments)),
        (b"\0\0\0\x18moof", Some(Format::Fragments)),
        (b"ID3\x04", Some(Format::PackedAudio)),
        (b"\xff\xf1\x4c", Some(Format::PackedAudio)),
        (b"\x0b\x77", Some(Format::PackedAudio)),
        (b"WEBVTT\n", Some(Format::Text)),
        (b"\xef\xbb\xbfWEBVTT", Some(Format::Text)),
        (b"<html>", None),
        (b"", None),
    ] {
        assert_eq!(Format::of(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn packed_audio() {
    let none: Vec<&str> = Vec::new();
    let first = packed(0, 48_000, FRAMES);
    for (what, second, expected) in [
        ("goes on", packed(TICKS, 48_000, FRAMES), none.clone()),
        ("jumps", packed(TICKS + 9_000, 48_000, FRAMES), vec!["timestamps-continue"]),
        ("has no time", frames(48_000, FRAMES).into(), vec!["packed-audio-timestamp", "timestamps-continue"]),
        ("is short", packed(TICKS, 48_000, FRAMES - 10), vec!["segment-duration"]),
        ("is cut", packed(TICKS, 48_000, FRAMES).slice(..620), vec!["segment-format"]),
    ] {
        assert_eq!(found(&[first.clone(), second]), [none.clone(), expected], "what {what}");
    }
    // Times start over after 33 bits.
    let last = packed((1 << 33) - TICKS, 48_000, FRAMES);
    assert_eq!(found(&[last, packed(0, 48_000, FRAMES)]), [none.clone(), none]);
}

#[test]
fn what_changes_without_a_discontinuity() {
    let sound = packed(0, 48_000, FRAMES);
    let text = Bytes::from_static(b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n");
    assert_eq!(found(&[sound.clone(), text.clone()]), [vec![], vec!["discontinuity"]]);
    let mut checker = Checker::new(&playlist(), false);
    let duration = Duration::from_millis(981);
    let plain = Segment { uri: "0".into(), duration, ..Segment::default() };
    let marked = Segment { discontinuity: true, ..plain.clone() };
    assert_eq!(checker.segment(&plain, &sound), []);
    assert_eq!(checker.segment(&marked, &text), []);
    // What was not read is continued by anything.
    checker.skip();
    assert_eq!(checker.segment(&plain, &packed(900_000, 48_000, FRAMES)), []);
}

#[test]
fn what_was_found_is_added_up() {
    let mut checker = Checker::new(&playlist(), false);
    let segment = Segment { uri: "0".into(), duration: Duration::from_millis(981), ..Segment::default() };
    for n in 0..3 {
        assert_eq!(checker.segment(&segment, &packed(n * TICKS, 48_000, FRAMES)), []);
    }
    let [track] = checker.tracks() else { panic!("{:?}", checker.tracks()) };
    assert_eq!((track.codec.as_str(), track.samples, track.sense), ("mp4a.40.2", 138, Sense::Audio));
    assert!(track.rate().is_some_and(|rate| (rate - 46.875).abs() < 0.01), "{track:?}");
}

#[test]
fn any_bytes_are_taken() {
    let whole = packed(0, 48_000, 3);
    for cut in 0..whole.len() {
        found(&[whole.slice(..cut), whole.slice(cut..)]);
    }
    for front in [&b"\0\0\0\x08moof"[..], b"\0\0\0\x10styp", b"G", b"WEBVTT"] {
        for length in 0..400 {
            let bytes: Bytes = front.iter().copied().chain((0..length).map(|at| (at * 7) as u8)).collect();
            let mut checker = Checker::new(&playlist(), true);
            checker.map(&bytes);
            checker.segment(&Segment::default(), &bytes);
        }
    }
}
