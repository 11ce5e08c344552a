use super::super::tests::build::{self, audio, boxed, moov, trak, video, worded};
use super::super::{chunk, init, segment};
use super::*;
use crate::proto::hls::track::Sample;

/// Track, sample, bytes.
type Sent = (u32, Sample, Vec<u8>);

/// A stream of two tracks and some fragments, and the samples in their order.
fn stream(fragments: u32) -> (Vec<u8>, Vec<Sent>) {
    let mut dice = fastrand::Rng::with_seed(21);
    let (mut out, mut all) = (BytesMut::new(), Vec::new());
    init::put(&mut out, &[video(1), audio(2)]);
    let mut starts = [0, 0];
    for sequence in 1..=fragments {
        segment::put_type(&mut out, segment::Piece::Chunk);
        // The clock of a producer, which is passed over.
        out.extend_from_slice(&boxed(b"prft", &[&[1; 24]]));
        let lists = [1, 2].map(|_| build::samples(&mut dice, 5));
        let run = |track: usize| chunk::Run {
            track: track as u32 + 1,
            start: starts[track],
            samples: &lists[track],
        };
        chunk::put(&mut out, sequence, &[run(0), run(1)]).unwrap();
        for track in [0, 1] {
            for sample in &lists[track] {
                let bytes: Vec<u8> = (0..sample.size).map(|_| dice.u8(..)).collect();
                out.extend_from_slice(&bytes);
                let dts = starts[track].cast_signed() + sample.dts;
                all.push((track as u32 + 1, Sample { dts, ..*sample }, bytes));
            }
            starts[track] += lists[track][4].end().unsigned_abs();
        }
    }
    (out.to_vec(), all)
}

/// Events of a stream that arrives in `pieces`, in short, and the fault at their end.
fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Option<Fault>) {
    let (mut push, mut seen) = (Push::default(), Vec::new());
    for piece in pieces {
        push.push(piece);
        loop {
            match push.event() {
                Ok(None) => break,
                Ok(Some(Event::Init { movie, bytes })) => {
                    seen.push(format!("init {} {}", movie.tracks.len(), bytes.len()));
                }
                Ok(Some(Event::Fragment(fragment))) => {
                    seen.push(format!("fragment {} at {}", fragment.sequence, fragment.at));
                }
                Ok(Some(Event::Message(when, message))) => seen.push(format!("{when:?} {message:?}")),
                Ok(Some(Event::Last)) => seen.push("the last one".to_owned()),
                Ok(Some(Event::Sample { track, located, bytes })) => {
                    seen.push(format!("{track} {located:?} {bytes:02x?}"));
                }
                Err(fault) => return (seen, Some(fault)),
            }
        }
    }
    (seen, push.end().err())
}

#[test]
fn samples_come_with_their_bytes() {
    let (wire, all) = stream(3);
    let mut push = Push::default();
    push.push(&wire);
    let (mut samples, mut fragments) = (Vec::new(), 0);
    while let Some(event) = push.event().unwrap() {
        match event {
            Event::Init { movie, bytes } => {
                assert_eq!((movie.tracks.len(), samples.len()), (2, 0));
                assert_eq!(bytes[4..8], *b"moov");
            }
            Event::Fragment(fragment) => {
                fragments += 1;
                assert_eq!((fragment.sequence, samples.len()), (fragments, (fragments as usize - 1) * 10));
            }
            Event::Message(..) | Event::Last => panic!("there is none"),
            Event::Sample { track, located, bytes } => {
                let at = located.at as usize;
                assert_eq!(wire[at..at + bytes.len()], bytes);
                samples.push((track, located.sample, bytes.to_vec()));
            }
        }
    }
    assert_eq!(samples, all);
    assert_eq!((fragments, push.end()), (3, Ok(())));
}

#[test]
fn a_stream_means_the_same_however_it_arrives() {
    let (wire, all) = stream(2);
    let whole = events([&wire[..]].into_iter());
    assert_eq!((whole.0.len(), &whole.1), (1 + 2 + all.len(), &None));
    assert_eq!(events(wire.chunks(1)), whole);
    assert_eq!(events(wire.chunks(13)), whole);
    for cut in 0..wire.len() {
        let (front, back) = wire.split_at(cut);
        assert_eq!(events([front, back].into_iter()), whole, "cut at {cut}");
    }
}

#[test]
fn a_stream_that_ends_early_keeps_what_was_good() {
    let (wire, _) = stream(2);
    let (whole, _) = events([&wire[..]].into_iter());
    let mut sound = 0;
    for cut in 0..wire.len() {
        let (seen, fault) = events([&wire[..cut]].into_iter());
        assert_eq!(whole[..seen.len()], seen);
        match fault {
            None => sound += 1,
            Some(fault) => assert!(matches!(fault.wrong, Wrong::Cut(_)) && fault.at == cut as u64, "{fault}"),
        }
    }
    // Nothing, behind ftyp, moov, and around each of styp, prft and mdat.
    assert_eq!(sound, 3 + 3 + 2);
}

#[test]
fn a_new_moov_begins_a_new_stream() {
    let (wire, all) = stream(1);
    let (seen, fault) = events([&wire[..], &wire[..]].into_iter());
    assert_eq!((seen.len(), fault), (2 * (2 + all.len()), None));
    assert_eq!(seen[0], seen[2 + all.len()]);
    assert!(seen[3 + all.len()].ends_with(&format!(
        "at {}",
        wire.len() + wire.windows(4).position(|window| window == b"moof").unwrap() - 4
    )));
}

#[test]
fn data_in_several_boxes_and_data_of_nobody() {
    let mut out = BytesMut::new();
    init::put(&mut out, &[audio(1)]);
    let before = out.len();
    let mut samples = build::samples(&mut fastrand::Rng::with_seed(1), 2);
    (samples[0].size, samples[1].size) = (5, 6);
    let run = chunk::Run { track: 1, start: 0, samples: &samples };
    chunk::put(&mut out, 1, &[run]).unwrap();
    out.truncate(out.len() - 8);
    let moof = out.split_off(before);
    let first = boxed(b"mdat", &[b"AAAAA"]);
    let place = (before + moof.len()) as u64 + 8;
    let init = out.to_vec();
    let seen = |boxes: &[&[u8]]| events([&[&init, &moof[..]].concat(), &boxes.concat()[..]].into_iter());
    let (whole, fault) = seen(&[&boxed(b"mdat", &[b"AAAAABBBBBB"]), &boxed(b"mdat", &[b"of nobody"])]);
    assert_eq!((whole.len(), fault), (4, None));
    // A sample that is in no box, or half in one.
    let outside = |number: u32| Wrong::Outside { track: 1, number, at: place + u64::from(number) * 5 };
    assert_eq!(seen(&[&first]).1.unwrap().wrong, Wrong::Cut(FourCc(*b"mdat")));
    assert_eq!(seen(&[&first, &moof]).1.unwrap().wrong, outside(1));
    assert_eq!(seen(&[&boxed(b"mdat", &[b"AAAAABBB"])]).1.unwrap().wrong, outside(1));
    assert_eq!(seen(&[&first, &boxed(b"mdat", &[b"AAAAABBBBBB"])]).1.unwrap().wrong, outside(1));
    assert_eq!(
        seen(&[&boxed(b"free", &[b"xxx"]), &boxed(b"mdat", &[b"AAAAABBBBBB"])]).1.unwrap().wrong,
        outside(0)
    );
}

/// `moov` of two tracks with the same samples, in chunks of two that take turns from byte `at` on, and the data.
fn in_front(samples: &[Sample], at: u32) -> (Vec<u8>, Vec<u8>) {
    let (mut chunks, mut data, mut end) = ([Vec::new(), Vec::new()], Vec::new(), at);
    for (index, pair) in samples.chunks(2).enumerate() {
        for (track, chunks) in chunks.iter_mut().enumerate() {
            chunks.push(end);
            let size: u32 = pair.iter().map(|sample| sample.size).sum();
            data.extend(vec![(index * 2 + track) as u8; size as usize]);
            end += size;
        }
    }
    let tables = chunks.map(|chunks| build::tables(samples, 2, &chunks));
    let mvex = boxed(b"mvex", &[&worded(b"trex", &[0, 1, 1, 0, 0, 0])]);
    (moov(&[&trak(&video(1), &tables[0]), &trak(&audio(2), &tables[1]), &mvex]), data)
}

#[test]
fn samples_of_tables_in_front_come_in_the_order_of_their_bytes() {
    let samples = build::samples(&mut fastrand::Rng::with_seed(8), 9);
    let length = in_front(&samples, 0).0.len() as u32;
    let (moov, data) = in_front(&samples, length + 8);
    let size = data.len() as u32 + 8;
    // To the end of the stream, or with a size and a fragment behind.
    let mut fragment = BytesMut::new();
    let run = chunk::Run { track: 1, start: 99_000, samples: &[Sample { size: 1, ..samples[0] }] };
    chunk::put(&mut fragment, 1, &[run]).unwrap();
    let open = [&moov[..], b"\0\0\0\0mdat", &data].concat();
    let closed = [&moov[..], &size.to_be_bytes(), b"mdat", &data, &fragment, b"!"].concat();
    for (wire, more) in [(open, 0), (closed, 2)] {
        let (whole, fault) = events([&wire[..]].into_iter());
        assert_eq!((whole.len(), fault), (1 + 18 + more, None));
        assert_eq!(events(wire.chunks(1)), (whole.clone(), None));
        let mut push = Push::default();
        push.push(&wire);
        let (mut numbers, mut last) = ([0, 0], 0);
        while let Some(event) = push.event().unwrap() {
            let Event::Sample { track, located, bytes } = event else { continue };
            assert!(located.at >= last);
            last = located.at;
            if located.sample.dts < 99_000 {
                let number = &mut numbers[track as usize - 1];
                assert_eq!((located.number, located.sample), (*number, samples[*number as usize]));
                let chunk = *number / 2 * 2 + track - 1;
                assert!(bytes.iter().all(|byte| u32::from(*byte) == chunk));
                *number += 1;
            }
        }
        assert_eq!(numbers, [9, 9]);
        for cut in length as usize + 8..wire.len() - 1 {
            let (seen, _) = events([&wire[..cut]].into_iter());
            assert_eq!(whole[..seen.len()], seen, "cut at {cut}");
        }
    }
    // Data that are cut, and samples in front of the data.
    let (seen, fault) = events([&moov[..], &size.to_be_bytes(), b"mdat", &data[..9]].into_iter());
    assert!(seen.len() < 19 && matches!(fault.unwrap().wrong, Wrong::Cut(_)));
    let early = in_front(&samples, 5).0;
    let (_, fault) = events([&early[..], &size.to_be_bytes(), b"mdat", &data].into_iter());
    assert!(matches!(fault.unwrap().wrong, Wrong::Outside { track: 1, number: 0, at: 5 }));
}

#[test]
fn streams_that_are_none() {
    let (wire, _) = stream(1);
    let moof = wire.windows(4).position(|window| window == b"moof").unwrap() - 4;
    let fault = |bytes: &[u8]| events([bytes].into_iter()).1.unwrap();
    let missing = Wrong::Missing { name: FourCc(*b"moov"), around: FourCc(*b"file") };
    assert_eq!(fault(&wire[moof..]), missing.at(0));
    assert_eq!(fault(&boxed(b"mdat", &[b"first"])), Wrong::DataFirst.at(0));
    assert_eq!(fault(b"\0\0\0\x05free"), Wrong::Size { name: FourCc(*b"free"), size: 5 }.at(0));
    let large = Wrong::Large { name: FourCc(*b"moof"), size: u64::MAX - 8, limit: MAX_HELD };
    assert_eq!(fault(b"\0\0\0\x08free\0\0\0\0moof"), large.at(8));
    let endless = [&wire[..moof], b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"].concat();
    assert_eq!(fault(&endless), Wrong::Overflow(FourCc(*b"mdat")).at(moof as u64));
    assert_eq!(fault(b"<!DOCTYPE html>"), Wrong::NotMp4(FourCc(*b"CTYP")).at(0));
}

#[test]
fn what_is_held_has_a_limit_and_a_fault_stays() {
    let mut push = Push::new(100);
    push.push(&[&worded(b"free", &[7; 1000])[..], &[0, 0, 0, 101], b"moov"].concat());
    let wrong = Wrong::Large { name: FourCc(*b"moov"), size: 101, limit: 100 };
    for _ in 0..2 {
        assert_eq!(push.event().unwrap_err(), wrong.clone().at(4008));
        push.push(&stream(1).0);
    }
    assert_eq!(push.end(), Err(wrong.at(4008)));
    // A sample is held until it is whole, and data in front of it are not.
    let (wire, all) = stream(1);
    let largest = all.iter().map(|(_, sample, _)| sample.size).max().unwrap();
    let moov = wire.windows(4).position(|window| window == b"moov").unwrap();
    let head = u64::from(u32::from_be_bytes(wire[moov - 4..moov].try_into().unwrap()));
    assert!(u64::from(largest) < head);
    let mut push = Push::new(head);
    for byte in wire.chunks(1) {
        push.push(byte);
        while push.event().unwrap().is_some() {}
        assert!(push.held.len() as u64 <= head);
    }
    assert_eq!(push.end(), Ok(()));
    // What is passed over is not held.
    let mut push = Push::new(100);
    push.push(b"\0\0\0\x01free\0\0\0\xff\0\0\0\0");
    for _ in 0..100 {
        push.push(&[0; 1000]);
        assert!(push.event().unwrap().is_none());
        assert!(push.held.is_empty());
    }
}

#[test]
fn events_and_the_mark_of_the_last_segment_come_where_they_stand() {
    let (wire, all) = stream(2);
    let fragment = wire.windows(4).position(|name| name == b"styp").unwrap() - 4;
    let last = wire.windows(4).rposition(|name| name == b"styp").unwrap() - 4;
    let mut event = BytesMut::new();
    Message::id3(3, Bytes::from_static(b"ID3")).put(&mut event, 90_000);
    let wrong = boxed(b"emsg", &[b"\x01\0"]);
    let long = boxed(b"emsg", &[&[0; MAX_MESSAGE as usize]]);
    let mark = boxed(b"styp", &[b"msdh\0\0\0\0msdhlmsg"]);
    let sent =
        [&wire[..fragment], &event[..], &wrong, &long, &wire[fragment..last], &mark, &wire[last..]].concat();
    for step in [1, 7, sent.len()] {
        let (seen, fault) = events(sent.chunks(step));
        assert_eq!((seen.len(), fault), (1 + 2 + all.len() + 2, None));
        assert!(seen[1].starts_with("At(90000)") && seen[1].contains("ID3"), "{}", seen[1]);
        assert!(seen[2].starts_with("fragment 1"), "{}", seen[2]);
        let marked = seen.iter().position(|event| event == "the last one").unwrap();
        assert!(seen[marked + 1].starts_with("fragment 2"), "{}", seen[marked + 1]);
    }
}
