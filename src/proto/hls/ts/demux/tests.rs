//! Streams that change, are damaged, or hold what others put there; a stream of packets is made by hand.

use super::super::event::Loss;
use super::super::psi::{Refused, Stream as Entry, crc32, write_map, write_programs};
use super::super::tests::{FILES, events, samples, tracks};
use super::super::{SYNC, pes};
use super::*;
use crate::proto::hls::track::Language;

const MAP: u16 = 0x1000;

/// Packets of one PID, with counters that go on.
struct Sender {
    pid: u16,
    counter: u8,
}

impl Sender {
    fn new(pid: u16) -> Self {
        Self { pid, counter: 0 }
    }

    /// Packets of `payload`, stuffed at the end as sections are, with flags of an adaptation field when there are some.
    fn send(&mut self, payload: &[u8], flags: Option<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = payload;
        while !rest.is_empty() || out.is_empty() {
            let first = out.is_empty();
            let mut packet = vec![
                SYNC,
                (self.pid >> 8) as u8 | if first { 0x40 } else { 0 },
                self.pid as u8,
                0x10 | self.counter,
            ];
            self.counter = (self.counter + 1) & 0x0f;
            if let Some(flags) = flags.filter(|_| first) {
                packet[3] |= 0x20;
                packet.extend([7, flags, 0, 0, 0, 0, 0x7e, 0]);
            }
            let taken = rest.len().min(PACKET - packet.len());
            packet.extend(&rest[..taken]);
            packet.resize(PACKET, 0xff);
            out.extend(packet);
            rest = &rest[taken..];
        }
        out
    }
}

fn section(section: &[u8]) -> Vec<u8> {
    [&[0], section].concat()
}

/// Both tables, for such streams.
fn tables(streams: &[(u16, Kind)]) -> Vec<u8> {
    let streams =
        streams.iter().map(|&(pid, kind)| Entry { pid, kind, language: Language::UNDETERMINED }).collect();
    let map = Map { program: 1, pcr_pid: 0x100, streams };
    let pat = Sender::new(0).send(&section(&write_programs(1, MAP)), None);
    [pat, Sender::new(MAP).send(&section(&write_map(&map, 0)), None)].concat()
}

/// A PES packet with a length.
fn pes(stream_id: u8, time: u64, payload: &[u8]) -> Vec<u8> {
    let (header, size) = pes::write(stream_id, payload.len(), time, time);
    [&header[..size], payload].concat()
}

fn adts() -> Vec<u8> {
    [&[0xff, 0xf1, 0x4c, 0x80, 0x03, 0x7f, 0xfc][..], &[7; 20]].concat()
}

fn hear(stream: &[u8]) -> Vec<Event> {
    let whole = events(std::iter::once(stream));
    assert_eq!(events(stream.chunks(77)), whole);
    whole
}

#[test]
fn streams_that_come_and_go() {
    let (avc, hevc) = (FILES[0], FILES[5]);
    let count = |bytes| samples(&events(std::iter::once(bytes))).len();
    let both = hear(&[avc.bytes, hevc.bytes].concat());
    let told: Vec<usize> = both
        .iter()
        .filter_map(|event| if let Event::Tracks(tracks) = event { Some(tracks.len()) } else { None })
        .collect();
    assert_eq!(told, [2, 1]);
    assert_eq!(samples(&both).len(), count(avc.bytes) + count(hevc.bytes));
    assert_eq!(both.iter().filter(|event| **event == Event::Discontinuity).count(), 1);

    // The same again: times go back, and the last picture may have been cut.
    let twice = hear(&[avc.bytes, avc.bytes].concat());
    assert_eq!(twice.iter().filter(|event| matches!(event, Event::Tracks(_))).count(), 1);
    assert_eq!(twice.iter().filter(|event| **event == Event::Discontinuity).count(), 1);
    assert!(samples(&twice).len() >= 2 * count(avc.bytes) - 2);
}

#[test]
fn segments_one_by_one() {
    let file = FILES[0];
    let count = samples(&events(std::iter::once(file.bytes))).len();
    let (mut demuxer, mut heard) = (Demuxer::default(), Vec::new());
    for _ in 0..3 {
        demuxer.push(file.bytes);
        demuxer.finish();
        heard.extend(std::iter::from_fn(|| demuxer.poll()));
    }
    assert_eq!(samples(&heard).len(), 3 * count);
    assert_eq!(heard.iter().filter(|event| **event == Event::Discontinuity).count(), 2);
    assert_eq!(heard.len(), 3 * count + 3, "the tracks are told once, and nothing is lost");
}

#[test]
fn a_program_says_that_its_clock_changes() {
    let mut sound = Sender::new(0x100);
    let tables = tables(&[(0x100, Kind::Aac)]);
    let mut stream = tables;
    stream.extend(sound.send(&pes(pes::AUDIO, 90_000, &adts()), Some(0x10)));
    sound.counter = 9;
    stream.extend(sound.send(&pes(pes::AUDIO, 900, &adts()), Some(0x90)));
    stream.extend(sound.send(&pes(pes::AUDIO, 2820, &adts()), Some(0x10)));
    let events = hear(&stream);
    let [
        Event::Tracks(_),
        Event::Sample(first),
        Event::Discontinuity,
        Event::Sample(second),
        Event::Sample(third),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!([first.dts, second.dts, third.dts], [48_000, 480, 1504]);
}

#[test]
fn damaged_packets() {
    type Damage = fn(&mut Vec<u8>);
    let table: [(&str, Damage, Option<Loss>); 6] = [
        ("nothing", |_| {}, None),
        ("marked", |packet| packet[1] |= 0x80, Some(Loss::Packet)),
        ("scrambled", |packet| packet[3] |= 0x80, Some(Loss::Scrambled)),
        ("no start code", |packet| packet[12] = 9, Some(Loss::Pes)),
        ("another packet", |packet| packet[2] = 9, None),
        ("too long", |packet| packet[16] = 9, Some(Loss::Short)),
    ];
    for (what, damage, why) in table {
        let mut sound = Sender::new(0x100);
        let mut stream = tables(&[(0x100, Kind::Aac)]);
        stream.extend(sound.send(&pes(pes::AUDIO, 90_000, &adts()), Some(0x10)));
        let mut packet = sound.send(&pes(pes::AUDIO, 91_920, &adts()), Some(0x10));
        damage(&mut packet);
        stream.extend(packet);
        stream.extend(sound.send(&pes(pes::AUDIO, 93_840, &adts()), Some(0x10)));
        let events = hear(&stream);
        let lost: Vec<Loss> = events
            .iter()
            .filter_map(|event| if let Event::Lost(lost) = event { Some(lost.why) } else { None })
            .collect();
        assert_eq!(lost, Vec::from_iter(why), "{what}");
        let times: Vec<i64> = samples(&events).iter().map(|sample| sample.dts).collect();
        let expected: &[i64] = if what == "nothing" { &[48_000, 49_024, 50_048] } else { &[48_000, 50_048] };
        assert_eq!(times, expected, "{what}");
    }
}

#[test]
fn a_picture_in_several_packets() {
    let sps: &[u8] = &[
        0x67, 0x64, 0x00, 0x0c, 0xac, 0xd9, 0x41, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
        0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60,
    ];
    let picture = |number: u8| [&[0, 0, 1, 0x65, 0x88][..], &[number | 0x80; 1500]].concat();
    let untimed = |payload: &[u8]| {
        let size = (payload.len() + 3) as u16;
        [&[0, 0, 1, pes::VIDEO][..], &size.to_be_bytes(), &[0x80, 0, 0], payload].concat()
    };
    let mut video = Sender::new(0x100);
    let mut stream = tables(&[(0x100, Kind::Avc)]);
    for number in 0..120u8 {
        let whole = [&[0, 0, 1][..], sps, &[0, 0, 1, 0x68, 0xeb], &picture(number)].concat();
        let time = u64::from(number) * 3600;
        // The first forty come in three packets, the others in one.
        let cuts = if number < 40 { [500, 1100] } else { [whole.len(); 2] };
        stream.extend(video.send(&pes(pes::VIDEO, time, &whole[..cuts[0]]), Some(0)));
        if number < 40 {
            stream.extend(video.send(&untimed(&whole[cuts[0]..cuts[1]]), Some(0)));
            stream.extend(video.send(&untimed(&whole[cuts[1]..]), Some(0)));
        }
    }
    let mut demuxer = Demuxer::default();
    demuxer.push(&stream);
    let early = std::iter::from_fn(|| demuxer.poll()).count();
    demuxer.finish();
    assert_eq!((early, demuxer.poll()), (121, None), "in the end nothing is waited for");
    let samples = samples(&hear(&stream));
    for (number, sample) in samples.iter().enumerate() {
        assert_eq!((sample.dts, &sample.data[4..]), (number as i64 * 3600, &picture(number as u8)[3..]));
    }
    assert_eq!(samples.len(), 120);

    // Packets without a time and without an end, and one that is cut.
    let mut demuxer = Demuxer::new(Limits { pes: 50_000, ..Limits::default() });
    demuxer.push(&tables(&[(0x100, Kind::Avc)]));
    let mut video = Sender::new(0x100);
    demuxer.push(&video.send(&pes(pes::VIDEO, 0, &[9; 100]), Some(0)));
    for _ in 0..1000 {
        demuxer.push(&video.send(&untimed(&[9; 100]), Some(0)));
    }
    let lost =
        |event| if let Event::Lost(Lost { why, bytes, .. }) = event { Some((why, bytes)) } else { None };
    let heard: Vec<_> = std::iter::from_fn(|| demuxer.poll()).filter_map(lost).collect();
    assert!(matches!(heard[..], [(Loss::Limit, 50_001..50_200), ..]), "{heard:?}");
    let mut video = Sender::new(0x100);
    let mut stream = tables(&[(0x100, Kind::Avc)]);
    stream.extend(&video.send(&pes(pes::VIDEO, 0, &[9; 1000]), Some(0))[..PACKET]);
    video.counter = 1;
    stream.extend(video.send(&untimed(&[9; 100]), Some(0)));
    let heard: Vec<_> = hear(&stream).into_iter().filter_map(lost).collect();
    assert!(matches!(heard[..], [(Loss::Short, 176), ..]), "{heard:?}");
}

#[test]
fn packets_sent_twice_count_once() {
    let mut sound = Sender::new(0x100);
    let mut stream = tables(&[(0x100, Kind::Aac)]);
    for time in [90_000, 91_920] {
        let packet = sound.send(&pes(pes::AUDIO, time, &adts()), Some(0x10));
        stream.extend([&packet[..], &packet].concat());
    }
    let mut demuxer = Demuxer::default();
    demuxer.push(&stream);
    demuxer.finish();
    assert_eq!(std::iter::from_fn(|| demuxer.poll()).count(), 3);
    assert_eq!(demuxer.stats(), Stats { packets: 6, continuity_errors: 0, pcr: Some(0) });
}

#[test]
fn tags_and_streams_that_are_left_alone() {
    let refused = Refused { stream_type: 0x02, format: None };
    let tables = tables(&[(0x100, Kind::Aac), (0x101, Kind::Id3), (0x102, Kind::Other(refused))]);
    let mut stream = tables;
    stream.extend(Sender::new(0x102).send(&pes(pes::VIDEO, 0, &[1; 400]), None));
    stream.extend(Sender::new(0x101).send(&pes(pes::PRIVATE, 90_000, b"ID3 tag"), None));
    stream.extend(Sender::new(0x100).send(&pes(pes::AUDIO, 90_000, &adts()), Some(0x10)));
    let events = hear(&stream);
    let [
        Event::Tracks(told),
        Event::Refused { pid: 0x102, refused: heard },
        Event::Metadata { pid: 0x101, pts: 90_000, data },
        Event::Sample(_),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((told.len(), *heard, &data[..]), (1, refused, &b"ID3 tag"[..]));
}

#[test]
fn a_track_that_never_comes_is_not_waited_for() {
    for (frames, step) in [(60u32, 9000), (3000, 10)] {
        let mut sound = Sender::new(0x100);
        let mut demuxer = Demuxer::new(Limits { wait: 200_000, ..Limits::default() });
        demuxer.push(&tables(&[(0x100, Kind::Aac), (0x101, Kind::Avc)]));
        let (mut told, mut most) = (None, 0);
        for at in 0..frames {
            demuxer.push(&sound.send(&pes(pes::AUDIO, u64::from(at * step), &adts()), Some(0x10)));
            most = most.max(demuxer.waiting.bytes);
            if let Some(Event::Tracks(tracks)) = demuxer.poll() {
                told.get_or_insert((at, tracks.len()));
            }
        }
        let (at, count) = told.unwrap();
        assert!(at > 10 && count == 1 && most <= 210_000, "{at} {count} {most}");
    }
}

#[test]
fn limits() {
    let mut video = Sender::new(0x100);
    let mut demuxer = Demuxer::new(Limits { pes: 50_000, ..Limits::default() });
    demuxer.push(&tables(&[(0x100, Kind::Avc)]));
    demuxer.push(&video.send(&pes(pes::VIDEO, 0, &[9; 200_000]), Some(0x10)));
    demuxer.finish();
    let events: Vec<Event> = std::iter::from_fn(|| demuxer.poll()).collect();
    let [Event::Lost(Lost { why: Loss::Limit, bytes, pid: Some(0x100), .. }), Event::Tracks(_)] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert!((50_000..51_000).contains(bytes));
}

#[test]
fn tables_that_are_damaged_or_of_others() {
    let mut bad = tables(&[(0x100, Kind::Aac)]);
    bad[PACKET + 20] ^= 1;
    let events = hear(&bad);
    assert!(matches!(events[..], [Event::Lost(Lost { why: Loss::Table, pid: Some(MAP), .. })]), "{events:?}");

    // The first program of several is read, and another map under its PID is not believed.
    let mut pat = write_programs(7, 0x200);
    pat.truncate(pat.len() - 4);
    pat.extend([0, 1, 0xf0, 0]);
    pat[2] += 4;
    pat.extend(crc32(&pat).to_be_bytes());
    let mut map = Map { program: 1, pcr_pid: 0x100, streams: Vec::new() };
    let mut maps = Sender::new(0x200);
    let mut stream = Sender::new(0).send(&section(&pat), None);
    stream.extend(maps.send(&section(&write_map(&map, 0)), None));
    assert_eq!(hear(&stream), []);
    map.program = 7;
    map.streams.push(Entry { pid: 0x100, kind: Kind::Aac, language: Language::new("eng").unwrap() });
    stream.extend(maps.send(&section(&write_map(&map, 0)), None));
    stream.extend(Sender::new(0x100).send(&pes(pes::AUDIO, 0, &adts()), None));
    let told = tracks(&hear(&stream));
    assert_eq!((told[0].language.as_str(), told[0].codec_string().as_str()), ("eng", "mp4a.40.2"));
}

#[test]
fn codings_that_others_put_into_transport_streams() {
    let events = hear(include_bytes!("../../../../../tests/data/hls/ts/opus.ts"));
    let [Event::Tracks(told), Event::Refused { pid: 0x100, refused }] = &events[..] else {
        panic!("{events:?}")
    };
    assert!(told.is_empty());
    assert_eq!(refused.to_string(), "Opus (type 0x06) is not supported in MPEG-TS");
}
