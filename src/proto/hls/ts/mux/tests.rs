//! What stands in the packets that are written: parameter sets, tables, counters, clocks, sound.

use super::super::clock::{WRAP, unwrap};
use super::super::event::Event;
use super::super::packet::Packet;
use super::super::tests::{FILES, events, samples, tracks};
use super::super::{PACKET, psi};
use super::*;
use crate::proto::hls::codec::{aac, avc, opus};
use crate::proto::hls::track::{Edit, Matrix, Shape};

const SPS: &[u8] = &[
    0x67, 0x64, 0x00, 0x0c, 0xac, 0xd9, 0x41, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
    0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60,
];
const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb];

fn track(scale: u32, config: Config, shape: Shape) -> Track {
    Track {
        id: 1,
        timescale: Timescale::new(scale).unwrap(),
        config,
        in_band: false,
        shape,
        language: Language::UNDETERMINED,
        edit: Edit::default(),
        matrix: Matrix::UNITY,
        extensions: bytes::Bytes::new(),
    }
}

fn video() -> Track {
    let set = |nal| vec![bytes::Bytes::from_static(nal)];
    let config = avc::Config::from_parameter_sets(set(SPS), set(PPS)).unwrap();
    track(90_000, Config::Avc(config), Shape::Video { width: 320, height: 180 })
}

fn sound(rate: u32) -> Track {
    let config = aac::Config::plain(2, rate, 2).unwrap();
    track(rate, Config::Aac(config), Shape::Audio { sample_rate: rate, channels: 2 })
}

fn sample(nals: &[&[u8]]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [&(nal.len() as u32).to_be_bytes()[..], nal].concat()).collect()
}

const IDR: &[u8] = &[0x65, 0x88, 1, 2, 3];
const P: &[u8] = &[0x41, 0x9a, 4, 5];

fn packets(stream: &[u8]) -> Vec<Packet<'_>> {
    let (packets, rest) = stream.as_chunks::<PACKET>();
    assert!(rest.is_empty());
    packets.iter().map(|packet| Packet::parse(packet).unwrap()).collect()
}

/// The payload of the only PES packet of `stream`.
fn payload(stream: &[u8]) -> Vec<u8> {
    let whole: Vec<u8> =
        packets(stream).iter().filter_map(|packet| packet.payload).flatten().copied().collect();
    let header = pes::Header::parse(&whole).unwrap();
    whole[header.size..].to_vec()
}

#[test]
fn pictures_behind_what_they_need() {
    let start = [0, 0, 0, 1];
    let delimiter = [&start[..], &[9, 0xf0]].concat();
    let sets = [&delimiter[..], &start, SPS, &start, PPS].concat();
    let short = |nal: &[u8]| [&[0, 0, 1], nal].concat();
    type Nals<'a> = &'a [&'a [u8]];
    let table: [(bool, Nals<'_>, Vec<Vec<u8>>); 6] = [
        (true, &[IDR], vec![sets.clone(), short(IDR)]),
        (false, &[P, P], vec![delimiter.clone(), short(P), short(P)]),
        (true, &[&[9, 0x10], &[6, 1], IDR], vec![sets.clone(), short(&[6, 1]), short(IDR)]),
        // Sets that the sample has itself are not doubled.
        (true, &[SPS, PPS, IDR], vec![delimiter.clone(), short(SPS), short(PPS), short(IDR)]),
        (true, &[PPS, IDR], vec![sets, short(PPS), short(IDR)]),
        (false, &[], vec![delimiter]),
    ];
    for (key, nals, expected) in table {
        let (mut muxer, mut out) = (Muxer::new(&[video()], Options::default()).unwrap(), Vec::new());
        muxer.write(0, &Frame { dts: 0, pts: 3600, key, data: &sample(nals) }, &mut out).unwrap();
        assert_eq!(payload(&out), expected.concat());
        let first = packets(&out)[0];
        assert_eq!((first.random_access, first.pcr), (key, Some((START - AHEAD) as u64 * 300)));
    }
}

#[test]
fn segments_begin_with_tables_and_go_on() {
    let (mut muxer, mut stream) =
        (Muxer::new(&[video(), sound(48_000)], Options::default()).unwrap(), Vec::new());
    let (picture, frame) = (sample(&[&[&[0x65, 0x88][..], &[7; 3000]].concat()]), [8; 100]);
    for segment in 0..20i64 {
        let begins = stream.len();
        muxer.start_segment(&mut stream);
        for at in segment * 25..segment * 25 + 25 {
            muxer
                .write(
                    0,
                    &Frame { dts: at * 3600, pts: at * 3600, key: at % 25 == 0, data: &picture },
                    &mut stream,
                )
                .unwrap();
            for at in at * 48 * 40 / 1024..(at + 1) * 48 * 40 / 1024 {
                muxer
                    .write(1, &Frame { dts: at * 1024, pts: at * 1024, key: true, data: &frame }, &mut stream)
                    .unwrap();
            }
        }
        muxer.end_segment(&mut stream);
        let packets = packets(&stream[begins..]);
        assert_eq!(
            packets[..3].iter().map(|packet| (packet.pid, packet.start)).collect::<Vec<_>>(),
            [(0, true), (MAP_PID, true), (FIRST_PID, true)]
        );
        let map = psi::Map::parse(&packets[1].payload.unwrap()[1..]).unwrap().unwrap();
        assert_eq!((map.pcr_pid, map.streams.len()), (FIRST_PID, 2));
        assert!(packets[2].random_access);
    }
    let mut counters = std::collections::HashMap::new();
    for packet in packets(&stream) {
        if let Some(before) = counters.insert(packet.pid, packet.counter) {
            assert_eq!((before + 1) & 0x0f, packet.counter, "{:#x}", packet.pid);
        }
    }
    let events = events(std::iter::once(&stream[..]));
    assert!(events[1..].iter().all(|event| matches!(event, Event::Sample(_))));
    let sounds = samples(&events).into_iter().filter(|sample| sample.track == 0x101);
    // Both began at the start that is added.
    assert!(
        sounds
            .enumerate()
            .all(|(at, sample)| sample.dts == 67_200 + at as i64 * 1024 && sample.data[..] == frame)
    );
}

#[test]
fn segments_that_are_written_apart_go_on_as_well() {
    let tracks = [video(), sound(48_000)];
    let write = |muxer: &mut Muxer, segment: usize, stream: &mut Vec<u8>| {
        muxer.start_segment(stream);
        let pictures = segment as i64 * 25..segment as i64 * 25 + 25;
        let last = pictures.end - 1;
        for at in pictures {
            let picture = sample(&[&[&[0x65, 0x88][..], &vec![7; at as usize * 97 % 1500]].concat()]);
            let frame = Frame { dts: at * 3600, pts: at * 3600, key: at % 25 == 0, data: &picture };
            let write = if at == last { Muxer::write_last } else { Muxer::write };
            write(muxer, 0, &frame, stream).unwrap();
            // The third segment has no sound.
            for at in (at * 1920 / 1024..(at + 1) * 1920 / 1024).filter(|_| segment != 3) {
                let data = vec![8; 90 + at as usize % 20];
                let frame = Frame { dts: at * 1024, pts: at * 1024, key: true, data: &data };
                muxer.write(1, &frame, stream).unwrap();
            }
        }
        muxer.end_segment(stream);
    };
    let (mut apart, mut together) = (Vec::new(), Vec::new());
    let mut muxer = Muxer::new(&tracks, Options::default()).unwrap();
    for segment in 0..20 {
        let mut alone = Muxer::new(&tracks, Options::default()).unwrap().apart(segment);
        write(&mut alone, segment, &mut apart);
        write(&mut muxer, segment, &mut together);
    }
    let mut counters = std::collections::HashMap::new();
    for packet in packets(&apart).into_iter().filter(|packet| packet.payload.is_some()) {
        if let Some(before) = counters.insert(packet.pid, packet.counter) {
            assert_eq!((before + 1) & 0x0f, packet.counter, "{:#x}", packet.pid);
        }
    }
    let events = |stream: &[u8]| events(std::iter::once(stream));
    assert_eq!(samples(&events(&apart)), samples(&events(&together)));
    assert!(apart.len() - together.len() <= 20 * 2 * 15 * PACKET);
}

#[test]
fn the_clock_runs_in_time() {
    for (step, wraps) in [(1500, false), (3600, true), (8999, false), (9001, true), (90_000, false)] {
        let start = if wraps { WRAP - 200_000 } else { START };
        let (mut muxer, mut out) =
            (Muxer::new(&[video()], Options { start, metadata: false }).unwrap(), Vec::new());
        for at in 0..100 {
            muxer
                .write(
                    0,
                    &Frame { dts: at * step, pts: at * step, key: false, data: &sample(&[P]) },
                    &mut out,
                )
                .unwrap();
        }
        let mut last: Option<i64> = None;
        for packet in packets(&out) {
            let Some(pcr) = packet.pcr else { continue };
            let clock = unwrap(pcr / 300, last.unwrap_or((pcr / 300) as i64));
            assert!(
                pcr % 300 == 0 && last.is_none_or(|last| (1..=CLOCK_STEP).contains(&(clock - last))),
                "{step}"
            );
            if let Some(payload) = packet.payload {
                let dts = pes::Header::parse(payload).unwrap().pts.unwrap();
                assert_eq!(unwrap(dts, clock) - clock, AHEAD);
            }
            last = Some(clock);
        }
        let again = samples(&events(std::iter::once(&out[..])));
        assert!(again.is_empty(), "there were no tables");
    }
    // Another timeline is not bridged.
    let (mut muxer, mut out) = (Muxer::new(&[video()], Options::default()).unwrap(), Vec::new());
    for dts in [0, 1 << 40, 0] {
        muxer.write(0, &Frame { dts, pts: dts, key: false, data: &sample(&[P]) }, &mut out).unwrap();
    }
    assert_eq!(packets(&out).len(), 3);
}

#[test]
fn sound_is_gathered() {
    // Rate, whether there is video beside it, and the longest and the usual number of frames of a packet.
    for (rate, beside, usual) in
        [(44_100, true, 7), (48_000, true, 7), (24_000, true, 3), (44_100, false, 4), (48_000, false, 4)]
    {
        let tracks = if beside { vec![sound(rate), video()] } else { vec![sound(rate)] };
        let (mut muxer, mut out) = (Muxer::new(&tracks, Options::default()).unwrap(), Vec::new());
        muxer.start_segment(&mut out);
        for at in 0..usual * 10 {
            muxer
                .write(0, &Frame { dts: at * 1024, pts: at * 1024, key: true, data: &[5; 200] }, &mut out)
                .unwrap();
        }
        muxer.end_segment(&mut out);
        let starts = packets(&out).iter().filter(|packet| packet.pid == FIRST_PID && packet.start).count();
        assert_eq!(starts, 10, "{rate} {beside}");
        let clocks = packets(&out).iter().filter(|packet| packet.pcr.is_some()).count();
        assert_eq!(clocks, if beside { 0 } else { 10 });
    }
    // A hole ends a packet.
    let (mut muxer, mut out) = (Muxer::new(&[sound(48_000)], Options::default()).unwrap(), Vec::new());
    muxer.start_segment(&mut out);
    for dts in [0, 1024, 5000, 6024, 6100] {
        muxer.write(0, &Frame { dts, pts: dts, key: true, data: &[5; 20] }, &mut out).unwrap();
    }
    muxer.end_segment(&mut out);
    let times: Vec<i64> =
        samples(&events(std::iter::once(&out[..]))).iter().map(|sample| sample.dts - 67_200).collect();
    assert_eq!(times, [0, 1024, 5000, 6024, 6100]);
}

#[test]
fn tags() {
    let options = Options { metadata: true, ..Options::default() };
    let (mut muxer, mut out) = (Muxer::new(&[sound(48_000)], options).unwrap(), Vec::new());
    muxer.start_segment(&mut out);
    let frame = Frame { dts: 0, pts: 0, key: true, data: &[5; 20] };
    muxer.write(0, &frame, &mut out).unwrap();
    muxer.write_metadata(45_000, b"ID3 one", &mut out).unwrap();
    muxer.write_metadata(90_000, &[7; 1000], &mut out).unwrap();
    muxer.end_segment(&mut out);
    let tags: Vec<(i64, usize)> = events(std::iter::once(&out[..]))
        .iter()
        .filter_map(|event| {
            if let Event::Metadata { pts, data, .. } = event { Some((*pts, data.len())) } else { None }
        })
        .collect();
    assert_eq!(tags, [(START + 45_000, 7), (START + 90_000, 1000)]);
    assert_eq!(muxer.write_metadata(0, &[0; 70_000], &mut out), Err(Error::Long(70_000)));
    let mut without = Muxer::new(&[sound(48_000)], Options::default()).unwrap();
    assert_eq!(without.write_metadata(0, b"ID3", &mut out), Err(Error::NoTrack(1)));
}

#[test]
fn faults() {
    let (mut muxer, mut out) =
        (Muxer::new(&[video(), sound(48_000)], Options::default()).unwrap(), Vec::new());
    let good = sample(&[P]);
    let frame = |dts, pts, data| Frame { dts, pts, key: false, data };
    assert_eq!(muxer.write(0, &frame(5, 4, &good), &mut out), Err(Error::Order { track: 0, dts: 5, pts: 4 }));
    assert_eq!(
        muxer.write(0, &frame(i64::MAX, i64::MAX, &good), &mut out),
        Err(Error::Time { track: 0, dts: i64::MAX })
    );
    assert!(matches!(
        muxer.write(0, &frame(0, 0, &good[..6]), &mut out),
        Err(Error::Codec(CodecError::Short { at: 6, .. }))
    ));
    assert_eq!(muxer.write(1, &frame(0, 0, &[0; 9000]), &mut out), Err(Error::Long(9000)));
    assert_eq!(muxer.write(2, &frame(0, 0, &good), &mut out), Err(Error::NoTrack(2)));
    assert!(out.is_empty());

    let config = opus::Config::parse(&[0, 2, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0]).unwrap();
    let opus = track(48_000, Config::Opus(config), Shape::Audio { sample_rate: 48_000, channels: 2 });
    let error = Muxer::new(&[opus], Options::default()).unwrap_err();
    assert_eq!(error.to_string(), "opus cannot be carried in MPEG-TS");
    assert_eq!(Muxer::new(&vec![sound(48_000); 33], Options::default()).unwrap_err(), Error::Tracks(33));
}

#[test]
fn many_tracks() {
    let (mut tracks_in, mut out) = (vec![video()], Vec::new());
    for code in ["eng", "deu", "fra"] {
        tracks_in.push(Track { language: Language::new(code).unwrap(), ..sound(44_100) });
    }
    let first = tracks(&events(std::iter::once(FILES[6].bytes)));
    tracks_in.extend(first);
    let mut muxer = Muxer::new(&tracks_in, Options::default()).unwrap();
    muxer.start_segment(&mut out);
    muxer.write(0, &Frame { dts: 0, pts: 0, key: true, data: &sample(&[IDR]) }, &mut out).unwrap();
    let dolby = samples(&events(std::iter::once(FILES[6].bytes)));
    for track in 1..4 {
        muxer.write(track, &Frame { dts: 0, pts: 0, key: true, data: &[3; 30] }, &mut out).unwrap();
    }
    muxer.write(4, &Frame { dts: 0, pts: 0, key: true, data: &dolby[0].data }, &mut out).unwrap();
    muxer.end_segment(&mut out);
    let told = tracks(&events(std::iter::once(&out[..])));
    let heard: Vec<(u32, String, &str)> =
        told.iter().map(|track| (track.id, track.codec_string(), track.language.as_str())).collect();
    let expected = [
        (0x100, "avc1.64000c", "und"),
        (0x101, "mp4a.40.2", "eng"),
        (0x102, "mp4a.40.2", "deu"),
        (0x103, "mp4a.40.2", "fra"),
        (0x104, "ac-3", "und"),
    ];
    assert_eq!(heard, expected.map(|(pid, codec, language)| (pid, codec.to_owned(), language)));
}
