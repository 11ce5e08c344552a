//! One stream out of segments of several renditions, as ffmpeg decodes it: without a word, each picture as it is in the rendition that was chosen for it, each when it is due.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use wireworks::proto::hls::play::remux::{Format, Lane, Limits, Piece, Remux};
use wireworks::proto::hls::playlist::read::Playlist;
use wireworks::proto::hls::playlist::variables::Variables;

use super::decoded::{decodes, frames, pictures};
use super::origin::{media, package};
use crate::support::tool::Tool;

/// The samples that are one programme in three qualities, of 25 pictures a second.
const LADDER: [&str; 3] = ["240p", "360p", "480p"];

/// A segment of a rendition, as a player has it.
#[derive(Clone)]
struct Segment {
    lane: Lane,
    /// Which rendition it is of.
    of: usize,
    map: Option<Bytes>,
    bytes: Bytes,
    era: u64,
    start: f64,
    duration: f64,
}

/// The segments of a media playlist.
#[track_caller]
fn segments(lane: Lane, of: usize, path: &Path) -> Vec<Segment> {
    let Playlist::Media(playlist) = Playlist::read(&fs::read(path).unwrap(), Variables::default()).unwrap()
    else {
        panic!("{} is no media playlist", path.display())
    };
    let read = |uri: &str| Bytes::from(fs::read(path.parent().unwrap().join(uri)).unwrap());
    let (mut era, mut start) = (playlist.discontinuity_sequence, 0.0);
    let segment = |segment: &wireworks::proto::hls::playlist::media::Segment| {
        era += u64::from(segment.discontinuity);
        let duration = segment.duration.as_secs_f64() * 1000.0;
        let map = segment.map.as_ref().map(|map| read(&map.uri));
        let one = Segment { lane, of, map, bytes: read(&segment.uri), era, start, duration };
        start += duration;
        one
    };
    playlist.segments.iter().map(segment).collect()
}

/// What is chosen: of segment after segment one rendition after the other, and of `sound` beside it.
fn chosen(renditions: &[Vec<Segment>], sound: Option<&[Segment]>) -> Vec<Segment> {
    let mut all = Vec::new();
    for n in 0..renditions[0].len() {
        // Each is followed by each, and by itself.
        all.push(renditions[[0, 2, 1, 1, 0, 0, 2, 2][n % 8] % renditions.len()][n].clone());
        all.extend(sound.and_then(|sound| sound.get(n)).cloned());
    }
    all
}

/// The stream of these segments.
#[track_caller]
fn joined(format: Format, list: &[Segment]) -> Vec<u8> {
    let mut remux = Remux::new(Some(format), Limits::default());
    remux.lanes(list.iter().any(|segment| segment.lane == Lane::Audio));
    let (mut out, mut before) = (Vec::new(), [None, None]);
    for segment in list {
        let last = before[segment.lane as usize].replace((segment.of, segment.era));
        let piece = Piece {
            lane: segment.lane,
            map: segment.map.as_ref(),
            bytes: &segment.bytes,
            part: false,
            anew: last != Some((segment.of, segment.era)),
            era: segment.era,
            start: segment.start,
        };
        let heard = remux.piece(&piece).unwrap();
        assert!(heard.key && heard.lost == 0 && !heard.moved && heard.refused.is_empty(), "{heard:?}");
        let apart = (heard.end - heard.start - segment.duration).abs();
        assert!(apart < 100.0, "{heard:?} of {}", segment.duration);
        out.extend(remux.output());
    }
    remux.finish();
    out.extend(remux.output());
    out
}

/// That a stream of the ladder is each picture of the renditions that were chosen, when it is due, and all the sound.
#[track_caller]
fn judged(
    folder: &Path,
    what: &str,
    stream: &[u8],
    format: Format,
    list: &[Segment],
    sources: &[Vec<(i64, String)>],
) {
    let path = folder.join(if format == Format::MpegTs { "joined.ts" } else { "joined.mp4" });
    fs::write(&path, stream).unwrap();
    let seen = pictures(&path);
    let mut expected = Vec::new();
    for segment in list.iter().filter(|segment| segment.lane == Lane::Main) {
        let from = segment.start / 10.0 - 1.0;
        let due = from..from + segment.duration / 10.0;
        let source = &sources[segment.of];
        expected.extend(source.iter().filter(|(time, _)| due.contains(&(*time as f64))).cloned());
    }
    assert_eq!(seen.len(), expected.len(), "{what}");
    for (n, (seen, expected)) in seen.iter().zip(&expected).enumerate() {
        assert_eq!(seen, expected, "{what}: picture {n}");
    }
    decodes(&path);
    let sound = frames(&path);
    assert!((750..=752).contains(&sound), "{what}: {sound} frames of sound");
}

#[test]
fn ffmpeg_decodes_what_was_chosen_of_packages_and_of_its_own_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = LADDER.map(|name| media(&format!("{name}.mp4")));
    let sources: Vec<_> = inputs.iter().map(|input| pictures(Path::new(input))).collect();
    let args = |how: &[&str]| -> Vec<String> {
        let segment = ["--segment", "2s"].map(str::to_owned);
        inputs.iter().cloned().chain(segment).chain(how.iter().map(|word| (*word).to_owned())).collect()
    };
    let packaged = |name: &str, how: &[&str]| -> PathBuf {
        let out = dir.path().join(name);
        let args = args(how);
        package(&out, &args.iter().map(String::as_str).collect::<Vec<_>>());
        out
    };
    let ladder = |out: &Path| -> Vec<Vec<Segment>> {
        let rendition =
            |(of, name): (usize, &&str)| segments(Lane::Main, of, &out.join(name).join("index.m3u8"));
        LADDER.iter().enumerate().map(rendition).collect()
    };
    let ts = ladder(&packaged("ts", &["--format", "ts"]));
    let muxed = ladder(&packaged("muxed", &["--sound", "muxed"]));
    let out = packaged("apart", &[]);
    let (apart, sound) = (ladder(&out), segments(Lane::Audio, 9, &out.join("audio-main/index.m3u8")));
    let out = dir.path().join("ffmpeg");
    let of_ffmpeg = |kind: &str, init: &[&str]| -> Vec<Vec<Segment>> {
        for (name, input) in LADDER.iter().zip(&inputs) {
            let folder = out.join(kind).join(name);
            fs::create_dir_all(&folder).unwrap();
            let playlist = folder.join("index.m3u8").display().to_string();
            let hls = [
                "-c",
                "copy",
                "-f",
                "hls",
                "-hls_time",
                "2",
                "-hls_list_size",
                "0",
                "-hls_segment_type",
                kind,
            ];
            let front = ["-v", "error", "-i", input];
            Tool::new("ffmpeg").args([&front[..], &hls, init, &[&playlist]].concat()).run().success();
        }
        ladder(&out.join(kind))
    };
    let theirs = of_ffmpeg("mpegts", &[]);
    let theirs_muxed = of_ffmpeg("fmp4", &["-hls_fmp4_init_filename", "init.mp4"]);
    let mixed = [ts[0].clone(), muxed[1].clone(), ts[2].clone()];
    for format in [Format::MpegTs, Format::Fmp4] {
        for (what, renditions, sound) in [
            ("MPEG-TS", &ts[..], None),
            ("MP4", &muxed, None),
            ("MP4, with sound of a lane of its own", &apart, Some(&sound[..])),
            ("MPEG-TS of ffmpeg", &theirs, None),
            ("MP4 of ffmpeg", &theirs_muxed, None),
            ("MPEG-TS and MP4", &mixed, None),
        ] {
            let list = chosen(renditions, sound);
            // Ours have other times in MPEG-TS than in MP4: that is another presentation, so to speak.
            let list: Vec<Segment> = match what {
                "MPEG-TS and MP4" => list
                    .into_iter()
                    .enumerate()
                    .map(|(n, segment)| Segment { era: n as u64, ..segment })
                    .collect(),
                _ => list,
            };
            let stream = joined(format, &list);
            judged(dir.path(), &format!("{what} as {format:?}"), &stream, format, &list, &sources);
        }
    }
}
