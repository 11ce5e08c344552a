//! Streams that ffmpeg made, taken apart and compared with the packets that ffprobe lists of them and of the MP4 that each was made from
//! (`tests/data/hls/ts/make` made all), and written again.

use super::super::codec::access::Entry;
use super::super::track::{Config, Timescale, Track};
use super::clock::{WRAP, wrap};
use super::demux::{Demuxer, Limits};
use super::event::{Event, Sample};
use super::mux::{Frame, Muxer, Options};
use super::{NULL_PID, PACKET};

macro_rules! file {
    ($name:literal, $codecs:expr) => {
        File {
            name: $name,
            bytes: include_bytes!(concat!("../../../../tests/data/hls/ts/", $name, ".ts")),
            packets: include_str!(concat!("../../../../tests/data/hls/ts/", $name, ".packets")),
            codecs: &$codecs,
        }
    };
}

pub(super) const FILES: [File; 8] = [
    file!("avc_aac", ["avc1.64000a", "mp4a.40.2"]),
    file!("wrap", ["avc1.64000a", "mp4a.40.2"]),
    file!("open_gop", ["avc1.64000a"]),
    file!("field", ["avc1.64000a"]),
    file!("blu_ray", ["avc1.64000a"]),
    file!("hevc", ["hvc1.1.6.L30.90"]),
    file!("ac3", ["ac-3"]),
    file!("eac3", ["ec-3"]),
];

#[derive(Clone, Copy)]
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) bytes: &'static [u8],
    packets: &'static str,
    codecs: &'static [&'static str],
}

/// All that is said of a stream that comes in such pieces.
pub(super) fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Event> {
    let (mut demuxer, mut events) = (Demuxer::new(Limits::default()), Vec::new());
    for piece in pieces {
        demuxer.push(piece);
        events.extend(std::iter::from_fn(|| demuxer.poll()));
    }
    demuxer.finish();
    events.extend(std::iter::from_fn(|| demuxer.poll()));
    events
}

pub(super) fn samples(events: &[Event]) -> Vec<Sample> {
    events
        .iter()
        .filter_map(|event| if let Event::Sample(sample) = event { Some(sample.clone()) } else { None })
        .collect()
}

pub(super) fn tracks(events: &[Event]) -> Vec<Track> {
    events
        .iter()
        .find_map(|event| if let Event::Tracks(tracks) = event { Some(tracks.clone()) } else { None })
        .unwrap()
}

/// CRC-32 as zip has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

#[test]
fn samples_are_those_of_the_source() {
    for file in FILES {
        let events = events(std::iter::once(file.bytes));
        let tracks = tracks(&events);
        assert_eq!(tracks.iter().map(Track::codec_string).collect::<Vec<_>>(), file.codecs, "{}", file.name);
        let samples = samples(&events);
        assert_eq!(events.len(), samples.len() + 1, "{}: nothing else", file.name);
        let mut listed = 0;
        for (index, track) in tracks.iter().enumerate() {
            let ours = samples.iter().filter(|sample| sample.track == track.id);
            let theirs: Vec<Vec<&str>> = file.packets.lines().map(|line| line.split(',').collect()).collect();
            let theirs: Vec<&Vec<&str>> =
                theirs.iter().filter(|packet| packet[0] == index.to_string()).collect();
            assert_eq!(ours.clone().count(), theirs.len(), "{} {index}", file.name);
            listed += theirs.len();
            for (sample, packet) in ours.zip(theirs) {
                let [_, pts, dts, flags, size, hash] = packet[..] else { panic!("{packet:?}") };
                let what = format!("{}: {packet:?}, {} {}", file.name, sample.pts, sample.dts);
                for (ours, theirs) in [(sample.pts, pts), (sample.dts, dts)] {
                    let ours = track.timescale.rescale(ours, Timescale::MPEG).unwrap();
                    let apart = wrap(ours - theirs.parse::<i64>().unwrap() + 1);
                    // Times of sound are whole samples here and whole ticks there.
                    let most = if track.timescale == Timescale::MPEG { 1..=1 } else { 0..=2 };
                    assert!(most.contains(&apart), "{what}");
                }
                assert_eq!(sample.entry != Entry::None, flags.starts_with('K'), "{what}");
                assert_eq!(sample.data.len().to_string(), size, "{what}");
                assert!(hash.is_empty() || format!("{:08x}", crc32(&sample.data)) == hash, "{what}");
            }
        }
        assert_eq!(listed, samples.len(), "{}", file.name);
    }
}

#[test]
fn the_times_of_one_stream_start_over() {
    let wraps = FILES[1];
    assert_eq!(wraps.name, "wrap");
    let samples = samples(&events(std::iter::once(wraps.bytes)));
    let dts: Vec<i64> =
        samples.iter().filter(|sample| sample.track == 0x100).map(|sample| sample.dts).collect();
    assert!(dts[0] < WRAP && dts[dts.len() - 1] > WRAP);
    assert!(dts.windows(2).all(|pair| pair[1] - pair[0] == 3600));
}

#[test]
fn however_it_arrives() {
    for file in FILES {
        let whole = events(std::iter::once(file.bytes));
        for size in [1, 187, 188, 189, 1000] {
            assert_eq!(events(file.bytes.chunks(size)), whole, "{} in pieces of {size}", file.name);
        }
        for cut in (0..file.bytes.len()).step_by(1009) {
            let (front, back) = file.bytes.split_at(cut);
            assert_eq!(events([front, back].into_iter()), whole, "{} cut at {cut}", file.name);
        }
    }
}

/// Writes the samples again, in segments of `segment` samples.
pub(super) fn write(tracks: &[Track], samples: &[Sample], segment: usize) -> Vec<Vec<u8>> {
    let mut muxer = Muxer::new(tracks, Options { start: 0, metadata: false }).unwrap();
    let write = |samples: &[Sample]| {
        let mut out = Vec::new();
        muxer.start_segment(&mut out);
        for Sample { track, dts, pts, entry, data } in samples {
            let track = tracks.iter().position(|known| known.id == *track).unwrap();
            let frame = Frame { dts: *dts, pts: *pts, key: *entry != Entry::None, data };
            muxer.write(track, &frame, &mut out).unwrap();
        }
        muxer.end_segment(&mut out);
        out
    };
    samples.chunks(segment).map(write).collect()
}

#[test]
fn there_and_back() {
    for file in FILES {
        let first = events(std::iter::once(file.bytes));
        let (tracks, samples) = (tracks(&first), samples(&first));
        for segment in [1, 7, usize::MAX] {
            let segments = write(&tracks, &samples, segment);
            let again = events(segments.iter().map(Vec::as_slice));
            let Some((Event::Tracks(now), rest)) = again.split_first() else { panic!("{again:?}") };
            for (before, now) in tracks.iter().zip(now) {
                assert_eq!((&before.config, before.shape), (&now.config, now.shape), "{}", file.name);
            }
            let rest = self::samples(rest);
            assert_eq!(rest.len(), again.len() - 1, "{}: nothing else", file.name);
            for (index, track) in tracks.iter().enumerate() {
                let of = |samples: &[Sample], id| {
                    samples
                        .iter()
                        .filter(|sample| sample.track == id)
                        .map(|sample| Sample { track: 0, ..sample.clone() })
                        .collect::<Vec<_>>()
                };
                assert_eq!(
                    of(&samples, track.id),
                    of(&rest, 0x100 + index as u32),
                    "{} {segment}",
                    file.name
                );
            }
            if segment == usize::MAX && matches!(tracks[0].config, Config::Avc(_)) {
                assert!(segments[0].len() <= file.bytes.len(), "{}: no longer than ffmpeg's", file.name);
            }
        }
    }
}

#[test]
fn a_packet_is_missing() {
    let file = FILES[0];
    let all = samples(&events(std::iter::once(file.bytes)));
    for missing in 0..file.bytes.len() / PACKET {
        let at = missing * PACKET;
        let pid = u16::from_be_bytes([file.bytes[at + 1] & 0x1f, file.bytes[at + 2]]);
        let events = events([&file.bytes[..at], &file.bytes[at + PACKET..]].into_iter());
        let left = samples(&events);
        let last = !file.bytes[at + PACKET..]
            .chunks(PACKET)
            .any(|packet| packet[1] & 0x1f == file.bytes[at + 1] & 0x1f && packet[2] == file.bytes[at + 2]);
        if last {
            continue; // nothing tells that the end is missing
        }
        // Without a table, all is missing until the next one.
        if matches!(pid, 0x100 | 0x101 | 0x11) {
            assert_eq!(left.len() == all.len(), pid == 0x11, "{missing}: {pid:#x}");
        }
        // What is left is as it was.
        for sample in left {
            let same = |other: &&Sample| {
                other.data == sample.data
                    && other.track == sample.track
                    && other.pts.abs_diff(sample.pts) <= 1
            };
            assert!(all.iter().any(|other| same(&other)), "{missing}: {sample:?}");
        }
        assert!(!events.contains(&Event::Discontinuity));
    }
}

#[test]
fn cut_short_anywhere() {
    for file in FILES {
        let all = samples(&events(std::iter::once(file.bytes)));
        for end in (0..file.bytes.len()).step_by(151) {
            let events = events(std::iter::once(&file.bytes[..end]));
            for track in [0x100, 0x101, 0x1011] {
                let of = |samples: &[Sample]| -> Vec<Sample> {
                    samples.iter().filter(|sample| sample.track == track).cloned().collect()
                };
                let (whole, mut left) = (of(&all), of(&samples(&events)));
                // A picture whose end is where the next one begins is cut where the stream is.
                if let Some(last) = left.pop() {
                    assert_eq!(last.dts, whole[left.len()].dts, "{} {end}", file.name);
                }
                assert!(whole.starts_with(&left), "{} {end}", file.name);
            }
        }
    }
}

#[test]
fn damaged_anywhere() {
    let mut dice = fastrand::Rng::with_seed(7);
    for file in FILES {
        for _ in 0..150 {
            let mut bytes = file.bytes.to_vec();
            for _ in 0..dice.usize(1..20) {
                let at = dice.usize(..bytes.len());
                bytes[at] = dice.u8(..);
            }
            for event in events(bytes.chunks(dice.usize(1..5000))) {
                if let Event::Lost(lost) = event {
                    assert!(lost.at <= bytes.len() as u64 && lost.bytes <= bytes.len() as u64);
                }
            }
        }
    }
    // A stream of nothing.
    let mut null = [0xff; PACKET];
    null[..4].copy_from_slice(&[0x47, (NULL_PID >> 8) as u8, NULL_PID as u8, 0x10]);
    assert_eq!(events([null; 50].iter().map(|packet| &packet[..])), []);
}
