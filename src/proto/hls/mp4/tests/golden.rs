//! Files that ffmpeg made, read, and compared with the packets that ffprobe lists of them (`tests/data/hls/mp4/make` made both).

use bytes::{Buf, Bytes, BytesMut};

use super::super::fragment::Fragments;
use super::super::movie::Movie;
use super::super::push::{Event, Push};
use super::super::table::Located;
use super::super::walk::{Step, Walk};
use super::super::{chunk, init, segment};
use crate::proto::hls::track::{Config, Edit, Sample, Shape, Track};

macro_rules! file {
    ($name:literal, $extension:literal) => {
        File {
            name: $name,
            bytes: include_bytes!(concat!("../../../../../tests/data/hls/mp4/", $name, $extension)),
            packets: include_str!(concat!("../../../../../tests/data/hls/mp4/", $name, ".packets")),
        }
    };
}

const FILES: [File; 9] = [
    file!("av1_ac3", ".mp4"),
    file!("bframes", ".mp4"),
    file!("cmaf", ".mp4"),
    file!("eac3", ".mp4"),
    file!("faststart", ".mp4"),
    file!("fragmented", ".mp4"),
    file!("hevc_opus", ".mp4"),
    file!("hybrid", ".mp4"),
    file!("late", ".mov"),
];

#[derive(Clone, Copy)]
struct File {
    name: &'static str,
    bytes: &'static [u8],
    packets: &'static str,
}

/// A packet, of the track with that index, as ffprobe lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    track: usize,
    dts: i64,
    pts: i64,
    /// `None` where ffprobe does not say.
    duration: Option<u32>,
    size: u32,
    at: u64,
    key: bool,
}

impl File {
    fn named(name: &str) -> Self {
        *FILES.iter().find(|file| file.name == name).unwrap()
    }

    fn packets(self) -> Vec<Packet> {
        let packet = |line: &str| {
            let fields: Vec<&str> = line.split(',').collect();
            Packet {
                track: fields[0].parse().unwrap(),
                pts: fields[1].parse().unwrap(),
                dts: fields[2].parse().unwrap(),
                duration: fields[3].parse().ok(),
                size: fields[4].parse().unwrap(),
                at: fields[5].parse().unwrap(),
                key: fields[6] == "K",
            }
        };
        let mut packets: Vec<Packet> = self.packets.lines().map(packet).collect();
        packets.sort_unstable();
        packets
    }

    /// What is read of the file by ranges of it, and in how many reads.
    fn read(self) -> (Movie, Vec<Packet>, usize) {
        let mut walk = Walk::new(self.bytes.len() as u64, &[b"moov", b"moof"]);
        let (mut state, mut packets, mut reads): (Option<(Movie, Fragments)>, _, _) = (None, Vec::new(), 0);
        loop {
            match (walk.step().unwrap(), &mut state) {
                (Step::Read(range), _) => {
                    reads += 1;
                    walk.give(Bytes::from_static(&self.bytes[range.start as usize..range.end as usize]));
                }
                (Step::Found(found), None) => {
                    let movie = Movie::read(found.at, found.bytes).unwrap();
                    for (index, track) in movie.tracks.iter().enumerate() {
                        packets.extend(track.table.iter().map(|located| packet(index, &located)));
                    }
                    state = Some((movie.clone(), Fragments::new(&movie)));
                }
                (Step::Found(found), Some((movie, fragments))) => {
                    for run in fragments.read(found.at, found.bytes).unwrap().runs {
                        let index =
                            movie.tracks.iter().position(|track| track.track.id == run.track).unwrap();
                        packets.extend(run.samples().map(|located| packet(index, &located)));
                    }
                }
                (Step::End, state) => {
                    packets.sort_unstable();
                    return (state.take().unwrap().0, packets, reads);
                }
            }
        }
    }
}

fn packet(track: usize, located: &Located) -> Packet {
    let Sample { dts, duration, size, key, .. } = located.sample;
    Packet { track, dts, pts: located.sample.pts(), duration: Some(duration), size, at: located.at, key }
}

#[test]
fn packets_are_those_of_ffprobe() {
    for file in FILES {
        let (movie, ours, reads) = file.read();
        let mut theirs = file.packets();
        assert_eq!(ours.len(), theirs.len(), "{}", file.name);
        assert!(reads <= 2, "{}: {reads} reads", file.name);
        // ffprobe adds to times of fragments what makes no composition offset be below 0.
        let shift = if file.name == "cmaf" { 1024 } else { 0 };
        theirs.iter_mut().filter(|packet| packet.track == 0).for_each(|packet| packet.pts -= shift);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            // Durations of sound in fragments are ffprobe's own, from the coding.
            let told = if movie.fragmented { ours.duration } else { theirs.duration };
            assert_eq!(*ours, Packet { duration: told, ..*theirs }, "{}", file.name);
        }
    }
}

#[test]
fn tracks_are_what_was_asked_of_the_encoder() {
    let late = Edit { offset: 6400 - 1024, duration: Some(25_600) };
    let primed = Edit { offset: -1024, duration: Some(96_000) };
    let reordered = Edit { offset: -1024, duration: Some(25_600) };
    // file, track, start of its name for players, its edit
    let table = [
        ("bframes", 0, "avc1.64000A", reordered),
        ("bframes", 1, "mp4a.40.2", primed),
        ("late", 0, "avc1.64000A", late),
        ("late", 1, "mp4a.40.2", primed),
        ("fragmented", 0, "avc1.64000A", Edit { offset: 0, duration: None }),
        ("hevc_opus", 0, "hvc1.", reordered),
        ("hevc_opus", 1, "opus", Edit { offset: -312, duration: Some(96_000) }),
        ("av1_ac3", 0, "av01.0.", Edit { offset: 0, duration: Some(25_600) }),
        ("av1_ac3", 1, "ac-3", Edit { offset: -256, duration: Some(96_480) }),
        ("eac3", 0, "ec-3", Edit { offset: -256, duration: Some(96_480) }),
    ];
    for (name, index, codec, edit) in table {
        let (movie, ..) = File::named(name).read();
        let track = &movie.tracks[index].track;
        let string = track.codec_string();
        assert!(string.to_ascii_lowercase().starts_with(&codec.to_ascii_lowercase()), "{name}: {string}");
        assert_eq!(track.edit, edit, "{name}, track {index}");
        match track.shape {
            Shape::Video { width, height } => assert_eq!((width, height, index), (64, 36, 0)),
            Shape::Audio { sample_rate, .. } => assert_eq!(sample_rate, 48_000),
            Shape::Text => panic!("{name} has no text"),
        }
    }
    let bframes = File::named("bframes").read().0;
    assert!(
        matches!(&bframes.tracks[0].track.config, Config::Avc(config) if config.size() == Some((64, 36)))
    );
}

#[test]
fn composition_offsets_below_0_say_the_same_as_an_edit_list() {
    let (edited, ..) = File::named("bframes").read();
    let (_, packets, _) = File::named("cmaf").read();
    let track = &edited.tracks[0];
    let presented = track.table.iter().map(|located| track.track.presented_at(&located.sample));
    let pts = packets.iter().filter(|packet| packet.track == 0).map(|packet| packet.pts);
    assert!(presented.eq(pts));
}

#[test]
fn what_arrives_is_what_is_in_the_file() {
    for name in ["cmaf", "faststart", "fragmented", "hybrid"] {
        let file = File::named(name);
        for piece in [1, 1000, file.bytes.len()] {
            let (mut push, mut packets, mut ids) = (Push::default(), Vec::new(), Vec::new());
            for bytes in file.bytes.chunks(piece) {
                push.push(bytes);
                while let Some(event) = push.event().unwrap() {
                    match event {
                        Event::Init { movie, .. } => {
                            ids = movie.tracks.iter().map(|track| track.track.id).collect();
                        }
                        Event::Fragment(_) | Event::Message(..) | Event::Last => {}
                        Event::Sample { track, located, bytes } => {
                            assert_eq!(file.bytes[located.at as usize..][..bytes.len()], bytes);
                            packets.push(packet(ids.iter().position(|id| *id == track).unwrap(), &located));
                        }
                    }
                }
            }
            assert_eq!(push.end(), Ok(()));
            packets.sort_unstable();
            assert_eq!(packets, file.read().1, "{name} in pieces of {piece}");
        }
    }
}

/// A stream of fragments of all samples of `movie`, cut at each key sample of its first track, and those samples by track.
fn repackaged(file: &[u8], movie: &Movie) -> (Bytes, Vec<Vec<Sample>>) {
    let mut out = BytesMut::new();
    let tracks: Vec<Track> = movie.tracks.iter().map(|track| track.track.clone()).collect();
    init::put(&mut out, &tracks);
    let lead = &movie.tracks[0];
    let (mut from, mut sequence, mut all) = (vec![0; tracks.len()], 0, vec![Vec::new(); tracks.len()]);
    let mut key = lead.table.key_after(0);
    while let Some(first) = key {
        key = lead.table.key_after(first + 1);
        let end = key.and_then(|key| lead.table.from(key).next()).map(|located| located.sample.dts);
        let (mut lists, mut data) = (Vec::new(), Vec::new());
        for (index, track) in movie.tracks.iter().enumerate() {
            let end = end.and_then(|end| lead.track.timescale.rescale(end, track.track.timescale));
            let to = end.and_then(|end| track.table.number_at(end)).unwrap_or(track.table.len());
            let samples = track.table.from(from[index]).take((to - from[index]) as usize);
            let list: Vec<Sample> = samples
                .map(|Located { sample, at, .. }| {
                    data.extend_from_slice(&file[at as usize..][..sample.size as usize]);
                    sample
                })
                .collect();
            from[index] = to;
            all[index].extend_from_slice(&list);
            lists.push((tracks[index].id, list));
        }
        segment::put_type(&mut out, segment::Piece::Segment);
        sequence += 1;
        let runs: Vec<chunk::Run<'_>> = lists
            .iter()
            .map(|(track, samples)| chunk::Run {
                track: *track,
                start: samples.first().map_or(0, |sample| sample.dts.unsigned_abs()),
                samples,
            })
            .collect();
        assert_eq!(chunk::put(&mut out, sequence, &runs), Ok(data.len() as u64));
        out.extend_from_slice(&data);
    }
    (out.freeze(), all)
}

#[test]
fn what_is_packaged_is_what_was_in_the_file() {
    for name in ["bframes", "late", "hevc_opus", "av1_ac3", "eac3"] {
        let file = File::named(name);
        let (movie, ..) = file.read();
        let (wire, samples) = repackaged(file.bytes, &movie);
        let mut push = Push::default();
        push.push(&wire);
        let (mut tracks, mut again, mut bytes_in_all) = (Vec::new(), vec![Vec::new(); samples.len()], 0);
        while let Some(event) = push.event().unwrap() {
            match event {
                Event::Init { movie, .. } => {
                    tracks = movie.tracks.iter().map(|track| track.track.clone()).collect();
                }
                Event::Fragment(_) | Event::Message(..) | Event::Last => {}
                Event::Sample { track, located, bytes } => {
                    let index = tracks.iter().position(|read| read.id == track).unwrap();
                    let number = again[index].len() as u32;
                    let source = movie.tracks[index].table.from(number).next().unwrap();
                    assert_eq!(file.bytes[source.at as usize..][..bytes.len()], bytes, "{name}");
                    again[index].push(located.sample);
                    bytes_in_all += bytes.len() as u64;
                }
            }
        }
        assert_eq!(again, samples, "{name}");
        assert_eq!(bytes_in_all, movie.tracks.iter().map(|track| track.table.bytes()).sum::<u64>());
        for (ours, theirs) in tracks.iter().zip(&movie.tracks) {
            assert_eq!(*ours, theirs.track, "{name}");
        }
    }
}

#[test]
fn cut_anywhere_a_file_is_a_fault_or_what_was_good() {
    let file = File::named("fragmented");
    let (_, whole, _) = file.read();
    let first = file.bytes.windows(4).position(|window| window == b"moof").unwrap() - 4;
    let second = first + 8 + Bytes::from_static(&file.bytes[first..]).get_u32() as usize;
    for cut in (first..second).step_by(7).chain((second..file.bytes.len()).step_by(501)) {
        let mut push = Push::default();
        push.push(&file.bytes[..cut]);
        let mut samples = 0;
        while let Ok(Some(event)) = push.event() {
            samples += usize::from(matches!(event, Event::Sample { .. }));
        }
        assert!(samples <= whole.len());
        assert!(push.end().is_err() || cut == first, "{cut}");
    }
}
