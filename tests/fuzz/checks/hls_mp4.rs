//! MP4: a stream means the same however it arrives, a file gives the samples that a plain reading of its tables gives, from wherever one
//! begins, and what was read can be written and is read again.

use bytes::{Buf, Bytes, BytesMut};
use wireworks::proto::hls::mp4::fragment::{Fragments, Run};
use wireworks::proto::hls::mp4::message::{MAX_MESSAGE, Message, When};
use wireworks::proto::hls::mp4::movie::{Movie, MovieTrack};
use wireworks::proto::hls::mp4::push::{Event, Push};
use wireworks::proto::hls::mp4::table::{Located, Table};
use wireworks::proto::hls::mp4::walk::{Step, Walk};
use wireworks::proto::hls::mp4::{Fault, chunk, init};
use wireworks::proto::hls::track::{Sample, Shape, Track};

use super::{Dice, arrivals};

/// Bytes of a box that a stream may have here.
const HELD: u64 = 1 << 16;
/// Samples that are looked at: tables of a few bytes can tell of billions.
const LOOKED_AT: usize = 300;

/// Checks `wire` as a file and as a stream; says whether it is sound.
pub(crate) fn check(wire: &[u8]) -> bool {
    let mut heard: Option<Vec<Heard>> = None;
    for pieces in arrivals(wire) {
        let now = hear(&pieces, wire);
        assert!(heard.as_ref().is_none_or(|before| *before == now), "a stream depends on how it arrives");
        heard = Some(now);
    }
    let is_fault = |heard: &Heard| matches!(heard, Heard::Fault(_));
    let is_stream = !heard.unwrap_or_default().iter().any(is_fault);
    // Whether a fragment has its data shows in the stream.
    read(wire).is_ok_and(|movie| movie.is_some_and(|movie| is_stream || !movie.fragmented))
}

/// What a stream says.
#[derive(PartialEq, Eq)]
enum Heard {
    Init { tracks: Vec<Track>, length: usize },
    Fragment { sequence: u32, at: u64, runs: usize },
    Message(When, Message),
    Last,
    Sample { track: u32, located: Located },
    Fault(Fault),
}

fn hear(pieces: &[&[u8]], wire: &[u8]) -> Vec<Heard> {
    let (mut push, mut heard, mut told) = (Push::new(HELD), Vec::new(), 0);
    for piece in pieces {
        push.push(piece);
        loop {
            heard.push(match push.event() {
                Ok(None) => break,
                Ok(Some(Event::Init { movie, bytes })) => {
                    told += movie.tracks.iter().map(|track| u64::from(track.table.len())).sum::<u64>();
                    let tracks = movie.tracks.iter().map(|track| track.track.clone()).collect();
                    Heard::Init { tracks, length: bytes.len() }
                }
                Ok(Some(Event::Fragment(fragment))) => {
                    told += fragment.runs.iter().map(|run| u64::from(run.count)).sum::<u64>();
                    Heard::Fragment {
                        sequence: fragment.sequence,
                        at: fragment.at,
                        runs: fragment.runs.len(),
                    }
                }
                Ok(Some(Event::Message(when, message))) => {
                    assert!(message.data.len() as u64 <= MAX_MESSAGE, "longer than it may be");
                    Heard::Message(when, message)
                }
                Ok(Some(Event::Last)) => Heard::Last,
                Ok(Some(Event::Sample { track, located, bytes })) => {
                    // A sample without bytes is anywhere.
                    let at = if bytes.is_empty() { 0 } else { located.at as usize };
                    let told = &wire[at..at + located.sample.size as usize];
                    assert_eq!(told, bytes, "other bytes than those told of");
                    Heard::Sample { track, located }
                }
                Err(fault) => {
                    assert_eq!(push.event().unwrap_err(), fault, "something is heard behind a fault");
                    break;
                }
            });
        }
        assert!(heard.len() <= 4 * wire.len() + 4, "few bytes were many events");
    }
    if let Err(fault) = push.end() {
        assert!(fault.at <= wire.len() as u64, "a fault beyond the end: {fault}");
        heard.push(Heard::Fault(fault));
    } else {
        let given = heard.iter().filter(|heard| matches!(heard, Heard::Sample { .. })).count() as u64;
        assert_eq!(given, told, "samples that were told of did not come, and nobody said so");
    }
    heard
}

/// Reads `wire` as a file; gives the last movie of it.
fn read(wire: &[u8]) -> Result<Option<Movie>, Fault> {
    let mut walk = Walk::new(wire.len() as u64, &[b"moov", b"moof"]);
    let (mut movie, mut fragments): (Option<Movie>, Option<Fragments>) = (None, None);
    for _ in 0..2 * wire.len() + 2 {
        match walk.step()? {
            Step::Read(range) => {
                assert!(range.start < range.end && range.end <= wire.len() as u64);
                walk.give(Bytes::copy_from_slice(&wire[range.start as usize..range.end as usize]));
            }
            Step::End => return Ok(movie),
            Step::Found(found) => {
                let at = found.at as usize;
                assert_eq!(wire[at..at + found.bytes.len()], found.bytes);
                if &found.name.0 == b"moov" {
                    let read = Movie::read(found.at, found.bytes.clone())?;
                    read.tracks.iter().for_each(|track| tables(&track.table, &found.bytes, track.track.id));
                    written(&read);
                    fragments = Some(Fragments::new(&read));
                    movie = Some(read);
                } else if let Some(fragments) = &mut fragments {
                    for run in fragments.read(found.at, found.bytes)?.runs {
                        assert_eq!(
                            run.samples().map(|located| u64::from(located.sample.size)).sum::<u64>(),
                            run.bytes
                        );
                        assert_eq!(run.samples().last().map_or(run.start, |last| last.sample.end()), run.end);
                    }
                }
            }
        }
    }
    panic!("a walk that does not end");
}

/// The samples of a track are those of a plain reading, in order and from anywhere.
fn tables(table: &Table, moov: &[u8], id: u32) {
    let listed: Vec<Located> = table.iter().take(LOOKED_AT).collect();
    assert_eq!(listed, plainly(moov, id), "track {id}");
    let mut dice = Dice::of(moov);
    for _ in 0..8 {
        let from = dice.below(listed.len() + 1);
        assert!(
            table.from(from as u32).zip(&listed[from..]).all(|(ours, listed)| ours == *listed),
            "from {from}"
        );
    }
    for Located { number, sample, .. } in &listed {
        assert_eq!(table.is_key(*number), sample.key);
        assert_eq!(table.key_before(*number) == Some(*number), sample.key);
        assert_eq!(table.key_after(*number) == Some(*number), sample.key);
        if sample.duration > 0 {
            assert_eq!(table.number_at(sample.dts), Some(*number));
            assert_eq!(table.number_at(sample.end() - 1), Some(*number));
        }
    }
}

/// The first samples of track `id`, by reading its tables from the front without any thrift.
fn plainly(moov: &[u8], id: u32) -> Vec<Located> {
    let of_track = |trak: &&[u8]| {
        let tkhd = inside(trak, b"tkhd").unwrap();
        word(tkhd, if tkhd[0] == 0 { 3 } else { 5 }) == id
    };
    let trak = all(&moov[8..], b"trak").into_iter().find(of_track).unwrap();
    let stbl = [b"mdia", b"minf", b"stbl"].iter().fold(trak, |boxes, name| inside(boxes, name).unwrap());
    let stsz = inside(stbl, b"stsz");
    let sizes: Vec<u32> = match (stsz, inside(stbl, b"stz2")) {
        (Some(stsz), _) => {
            let size = |index| if word(stsz, 1) == 0 { word(stsz, 3 + index) } else { word(stsz, 1) };
            (0..LOOKED_AT.min(word(stsz, 2) as usize)).map(size).collect()
        }
        (None, stz2) => {
            let (bits, count, sizes) = stz2.map(|stz2| (stz2[7], word(stz2, 2), &stz2[12..])).unwrap();
            let size = |index: usize| match bits {
                4 => u32::from(sizes[index / 2] >> (4 * (1 - index % 2)) & 0x0f),
                8 => u32::from(sizes[index]),
                _ => u32::from(sizes[index * 2]) << 8 | u32::from(sizes[index * 2 + 1]),
            };
            (0..LOOKED_AT.min(count as usize)).map(size).collect()
        }
    };
    if sizes.is_empty() {
        return Vec::new();
    }
    let runs = |table: &[u8]| -> Vec<u32> {
        let run = |index| {
            let (count, value) = (word(table, 2 + index * 2), word(table, 3 + index * 2));
            std::iter::repeat_n(value, LOOKED_AT.min(count as usize))
        };
        (0..word(table, 1) as usize).flat_map(run).take(LOOKED_AT).collect()
    };
    let (durations, offsets) = (runs(inside(stbl, b"stts").unwrap()), inside(stbl, b"ctts").map(runs));
    let keys = inside(stbl, b"stss");
    let keys =
        keys.map(|stss| (0..word(stss, 1) as usize).map(|index| word(stss, 2 + index)).collect::<Vec<u32>>());
    let places = places(stbl, &sizes);
    let mut dts = 0;
    let locate = |(index, size): (usize, &u32)| {
        let offset = offsets.as_ref().and_then(|offsets| offsets.get(index)).copied().unwrap_or(0);
        let sample = Sample {
            dts,
            composition_offset: offset.cast_signed(),
            duration: durations[index],
            size: *size,
            key: keys.as_ref().is_none_or(|keys| keys.contains(&(index as u32 + 1))),
        };
        dts += i64::from(durations[index]);
        Located { number: index as u32, sample, at: places[index] }
    };
    sizes.iter().enumerate().map(locate).collect()
}

/// Where samples of those sizes are.
fn places(stbl: &[u8], sizes: &[u32]) -> Vec<u64> {
    let stsc = inside(stbl, b"stsc").unwrap();
    let (stco, co64) = (inside(stbl, b"stco"), inside(stbl, b"co64"));
    let count = word(stco.or(co64).unwrap(), 1) as usize;
    let mut places = Vec::new();
    for chunk in 0..count {
        let mut at = match (stco, co64) {
            (Some(stco), _) => u64::from(word(stco, 2 + chunk)),
            (None, co64) => {
                let co64 = co64.unwrap();
                u64::from(word(co64, 2 + chunk * 2)) << 32 | u64::from(word(co64, 3 + chunk * 2))
            }
        };
        let run = (0..word(stsc, 1) as usize).rev().find(|run| word(stsc, 2 + run * 3) as usize <= chunk + 1);
        for _ in 0..word(stsc, 3 + run.unwrap() * 3) {
            let Some(size) = sizes.get(places.len()) else { return places };
            places.push(at);
            at += u64::from(*size);
        }
    }
    places
}

/// Word `index` of 32 bits.
fn word(bytes: &[u8], index: usize) -> u32 {
    (&bytes[index * 4..]).get_u32()
}

/// The insides of all boxes of that name.
fn all<'a>(mut boxes: &'a [u8], name: &[u8; 4]) -> Vec<&'a [u8]> {
    let mut found = Vec::new();
    while boxes.len() >= 8 {
        let (head, size) = match word(boxes, 0) {
            0 => (8, boxes.len()),
            1 => (16, (&boxes[8..]).get_u64() as usize),
            size => (8, size as usize),
        };
        if boxes[4..8] == *name {
            found.push(&boxes[head..size]);
        }
        boxes = &boxes[size..];
    }
    found
}

fn inside<'a>(boxes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    all(boxes, name).first().copied()
}

/// Tracks that were read can be written and are read again, and so can their samples.
fn written(movie: &Movie) {
    for MovieTrack { track, table, .. } in &movie.tracks {
        let mut out = BytesMut::new();
        init::put(&mut out, std::slice::from_ref(track));
        let mut moov = out.freeze();
        moov.advance(moov.clone().get_u32() as usize);
        let again = Movie::read(0, moov).unwrap();
        let mut expected = track.clone();
        if let Shape::Audio { sample_rate, .. } = &mut expected.shape
            && *sample_rate > u32::from(u16::MAX)
        {
            // Its field is too small for it: the timescale stands in.
            *sample_rate = track.timescale.ticks();
        }
        assert_eq!(again.tracks[0].track, expected);

        let samples: Vec<Sample> = table.iter().take(LOOKED_AT).map(|located| located.sample).collect();
        let mut out = BytesMut::new();
        let run = chunk::Run { track: track.id, start: 0, samples: &samples };
        let payload = chunk::put(&mut out, 1, &[run]).unwrap();
        assert_eq!(payload, samples.iter().map(|sample| u64::from(sample.size)).sum::<u64>());
        let moof = out.clone().get_u32() as usize;
        if samples.len() > 1 && payload == 0 {
            // Samples without a byte are not read.
            continue;
        }
        let fragment = Fragments::new(&again).read(0, out.split_to(moof).freeze()).unwrap();
        let read: Vec<Sample> =
            fragment.runs.iter().flat_map(Run::samples).map(|located| located.sample).collect();
        assert_eq!(read, samples);
        assert!(fragment.runs.iter().all(|run| run.at == (moof + out.len()) as u64));
    }
}
