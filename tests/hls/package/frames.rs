//! Nothing is lost, added or moved: the samples of all segments, one after the other, are those of the input, with their times and their bytes.

use std::fs;
use std::path::Path;

use wireworks::proto::hls::track::{Shape, Timescale};
use wireworks::server::hls::vod::Media;

use super::{file, master, media, members, packaged, segment};

/// A sample: when it is decoded and presented, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packet {
    dts: i64,
    pts: i64,
    key: bool,
    data: Vec<u8>,
}

/// The samples of a track.
#[derive(Clone, Debug)]
struct Packets {
    scale: Timescale,
    is_video: bool,
    list: Vec<Packet>,
}

/// The samples of all tracks of a file.
fn packets(path: &Path) -> Vec<Packets> {
    let media = Media::open_file(path).unwrap();
    let read = |track: &wireworks::server::hls::vod::MediaTrack| {
        let offset = track.track.edit.offset;
        let list = track.samples.from(0).map(|located| {
            let mut data = vec![0; located.sample.size as usize];
            track.source.read(&mut data, located.at).unwrap();
            let sample = located.sample;
            Packet { dts: sample.dts + offset, pts: track.track.presented_at(&sample), key: sample.key, data }
        });
        let is_video = matches!(track.track.shape, Shape::Video { .. });
        Packets { scale: track.track.timescale, is_video, list: list.collect() }
    };
    media.tracks().iter().map(read).collect()
}

/// The same times on another clock, from `zero` of it on.
fn on_clock(packets: &Packets, zero: i64) -> Vec<(i64, i64)> {
    let time = |ticks| packets.scale.rescale(ticks, Timescale::MPEG).unwrap() - zero;
    packets.list.iter().map(|packet| (time(packet.dts), time(packet.pts))).collect()
}

/// When the first sample of all is presented, in ticks of 90 kHz.
fn zero(tracks: &[Packets]) -> i64 {
    let firsts = tracks.iter().flat_map(|track| {
        let pts = track.list.iter().map(|packet| packet.pts).min();
        pts.and_then(|pts| track.scale.rescale(pts, Timescale::MPEG))
    });
    firsts.min().unwrap()
}

/// A rendition as one file: its initialization section, and all segments.
fn joined(dir: &tempfile::TempDir, uri: &str) -> std::path::PathBuf {
    let mut whole = Vec::new();
    for n in 0..media(dir, uri).segments.len() {
        let (init, bytes) = segment(dir, uri, n);
        if n == 0 {
            whole.extend(init);
        }
        whole.extend(bytes);
    }
    let path = dir.path().join(uri.replace('/', "-"));
    fs::write(&path, whole).unwrap();
    path
}

/// The samples of all renditions, videos first.
fn packets_of(dir: &tempfile::TempDir) -> Vec<Packets> {
    let all = members(&master(dir));
    let mut tracks: Vec<Packets> = all.iter().flat_map(|uri| packets(&joined(dir, uri))).collect();
    tracks.sort_by_key(|track| !track.is_video);
    tracks
}

const CLIPS: &[&str] = &[
    "240p.mp4",
    "360p.mp4",
    "480p.mp4",
    "audio.m4a",
    "hevc.mp4",
    "av1.mp4",
    "mp4/bframes.mp4",
    "mp4/fragmented.mp4",
    "mp4/hybrid.mp4",
    "mp4/cmaf.mp4",
    "mp4/late.mov",
    "mp4/hevc_opus.mp4",
    "mp4/av1_ac3.mp4",
    "mp4/eac3.mp4",
    "ts/avc_aac.ts",
    "ts/wrap.ts",
    "ts/open_gop.ts",
    "ts/field.ts",
    "ts/hevc.ts",
    "ts/ac3.ts",
    "ts/eac3.ts",
    "ts/blu_ray.ts",
];

#[test]
fn fragments_hold_the_samples_of_the_input() {
    for clip in CLIPS {
        let mut source = packets(Path::new(&file(clip)));
        source.sort_by_key(|track| !track.is_video);
        for how in ["", "--single-file", "--sound muxed --index", "--sound muxed --single-file"] {
            let dir = packaged(&format!("{clip} --segment 2s {how}"));
            let found = packets_of(&dir);
            assert_eq!(found.len(), source.len(), "{clip} {how}");
            for (found, source) in found.iter().zip(&source) {
                assert_eq!(found.scale, source.scale, "{clip} {how}");
                assert_eq!(found.list.len(), source.list.len(), "{clip} {how}");
                for (n, (found, source)) in found.list.iter().zip(&source.list).enumerate() {
                    assert!(
                        found == source,
                        "{clip} {how}: sample {n}: {} {}, and {} {}",
                        found.dts,
                        found.pts,
                        source.dts,
                        source.pts
                    );
                }
            }
        }
    }
}

#[test]
fn transport_streams_hold_the_samples_of_the_input() {
    for clip in CLIPS {
        if ["av1", "opus"].iter().any(|coding| clip.contains(coding)) || *clip == "hevc.mp4" {
            continue; // MPEG-TS has no place for AV1, and HLS none for Opus in it
        }
        let mut source = packets(Path::new(&file(clip)));
        source.sort_by_key(|track| !track.is_video);
        for how in ["", "--single-file"] {
            let dir = packaged(&format!("{clip} --format ts --segment 2s {how}"));
            let found = packets_of(&dir);
            assert_eq!(found.len(), source.len(), "{clip} {how}");
            let zeros = (zero(&found), zero(&source));
            for (found, source) in found.iter().zip(&source) {
                let is_video = source.is_video;
                assert_eq!(found.list.len(), source.list.len(), "{clip} {how}");
                for (n, (found, source)) in found.list.iter().zip(&source.list).enumerate() {
                    assert_eq!(found.data, source.data, "{clip} {how}: sample {n}");
                    assert_eq!(found.key, source.key, "{clip} {how}: sample {n}");
                }
                let times = on_clock(found, zeros.0).into_iter().zip(on_clock(source, zeros.1));
                // Only the first of the frames of sound that are gathered has its time: that of the others is counted from it.
                let rounded = i64::from(!is_video);
                // What is decoded earlier than it says is so by the same time throughout.
                let earlier = times.clone().next().map_or(0, |(found, source)| source.0 - found.0);
                for (n, (found, source)) in times.enumerate() {
                    assert!(
                        (found.0 + earlier - source.0).abs() <= rounded
                            && (found.1 - source.1).abs() <= rounded,
                        "{clip} {how}: sample {n} at {found:?}, and {source:?}"
                    );
                }
            }
        }
    }
}
