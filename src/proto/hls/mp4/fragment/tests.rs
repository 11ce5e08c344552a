use bytes::BytesMut;

use super::super::tests::build::{self, audio, boxed, moov, trak_with, video, worded, words};
use super::super::{chunk, init};
use super::*;
use crate::proto::hls::track::Track;

/// Readers of fragments of those tracks.
fn fragments(tracks: &[Track]) -> Fragments {
    let mut out = BytesMut::new();
    init::put(&mut out, tracks);
    let mut bytes = out.freeze();
    let size = bytes.clone().get_u32() as usize;
    Fragments::new(&Movie::read(0, bytes.split_off(size)).unwrap())
}

fn moof(trafs: &[&[u8]]) -> Bytes {
    boxed(b"moof", &[&[&worded(b"mfhd", &[0, 5])[..]], trafs].concat()).into()
}

fn traf(tfhd: &[u32], boxes: &[Vec<u8>]) -> Vec<u8> {
    boxed(b"traf", &[&worded(b"tfhd", tfhd), &boxes.concat()])
}

fn tfdt(time: u32) -> Vec<u8> {
    worded(b"tfdt", &[0, time])
}

/// Decode time, composition offset, duration, size, key and place of a sample.
type Told = (i64, i32, u32, u32, bool, u64);

fn told(fragment: &Fragment) -> Vec<Told> {
    let each = |located: Located| {
        let sample = located.sample;
        (sample.dts, sample.composition_offset, sample.duration, sample.size, sample.key, located.at)
    };
    fragment.runs.iter().flat_map(|run| run.samples().map(each)).collect()
}

#[test]
fn what_is_written_is_read_again() {
    let mut dice = fastrand::Rng::with_seed(11);
    for round in 0..300 {
        let tracks = [video(1), audio(2)];
        let mut reader = fragments(&tracks);
        let mut at = 1000;
        let mut starts = [dice.u64(..1 << 40), dice.u64(..1 << 20)];
        for sequence in 1..4 {
            let lists = [0, 1].map(|track| {
                let mut samples = build::samples(&mut dice, 1 + round % 7);
                if round % 3 == 0 {
                    samples.iter_mut().for_each(|sample| sample.duration = 1024);
                }
                if round % 5 == 0 {
                    samples.iter_mut().for_each(|sample| (sample.composition_offset, sample.size) = (0, 9));
                }
                let mut dts = starts[track].cast_signed();
                for sample in &mut samples {
                    sample.dts = dts;
                    dts = sample.end();
                }
                samples
            });
            let run = |track: usize| chunk::Run {
                track: tracks[track].id,
                start: starts[track],
                samples: &lists[track],
            };
            let mut out = BytesMut::new();
            let payload = chunk::put(&mut out, sequence, &[run(0), run(1)]).unwrap();
            let mdat = out.split_off(out.clone().get_u32() as usize);
            assert_eq!((mdat.clone().get_u32() as u64, mdat.len()), (payload + 8, 8));
            let data = at + out.len() as u64 + 8;
            let fragment = reader.read(at, out.freeze()).unwrap();
            assert_eq!((fragment.sequence, fragment.at, fragment.runs.len()), (sequence, at, 2));
            let mut place = data;
            for (track, run) in fragment.runs.iter().enumerate() {
                assert_eq!(run.track, tracks[track].id);
                assert_eq!((run.start, run.at), (starts[track].cast_signed(), place));
                let read: Vec<Sample> = run.samples().map(|located| located.sample).collect();
                assert_eq!(read, lists[track]);
                for located in run.samples() {
                    assert_eq!(located.at, place);
                    place += u64::from(located.sample.size);
                }
                assert_eq!(run.at + run.bytes, place);
                starts[track] = run.end.unsigned_abs();
            }
            assert_eq!(place, data + payload);
            at = place;
        }
    }
}

#[test]
fn fields_of_a_run_are_from_it_or_from_above() {
    let non_sync = NON_SYNC;
    // tfhd: durations of 10, 7 bytes each, not keys
    let head = [0x02_0038, 1, 10, 7, non_sync];
    let table: &[(&[u32], &[Told])] = &[
        (&[0, 2], &[(100, 0, 10, 7, false, 0), (110, 0, 10, 7, false, 7)]),
        (&[0x1, 1, 50], &[(100, 0, 10, 7, false, 50)]),
        (&[0x5, 2, 50, 0], &[(100, 0, 10, 7, true, 50), (110, 0, 10, 7, false, 57)]),
        (&[0x100, 2, 3, 4], &[(100, 0, 3, 7, false, 0), (103, 0, 4, 7, false, 7)]),
        (&[0x200, 2, 3, 4], &[(100, 0, 10, 3, false, 0), (110, 0, 10, 4, false, 3)]),
        (&[0x400, 2, 0, non_sync], &[(100, 0, 10, 7, true, 0), (110, 0, 10, 7, false, 7)]),
        (&[0x800, 2, 3, u32::MAX], &[(100, 3, 10, 7, false, 0), (110, -1, 10, 7, false, 7)]),
        (
            &[0x0100_0f05, 2, 9, 0, 1, 2, non_sync, 4, 5, 6, 0, u32::MAX],
            &[(100, 4, 1, 2, true, 9), (101, -1, 5, 6, true, 11)],
        ),
        (&[0, 0], &[]),
    ];
    for (run, expected) in table {
        let moof = moof(&[&traf(&head, &[tfdt(100), worded(b"trun", run)])]);
        let fragment = fragments(&[video(1)]).read(0, moof).unwrap();
        assert_eq!(told(&fragment), *expected, "{run:x?}");
    }
}

#[test]
fn data_begin_where_the_rules_say() {
    let run = |offset: Option<i32>| match offset {
        Some(offset) => worded(b"trun", &[0x1, 2, offset.cast_unsigned()]),
        None => worded(b"trun", &[0, 2]),
    };
    // Seven bytes each, from what tfhd says.
    let explicit = |track, base: u32| [0x11, track, 0, base, 7];
    let (moof_based, neither) = (|track| [0x02_0010, track, 7], |track| [0x10, track, 7]);
    let table: Vec<(Vec<Vec<u8>>, [u64; 4])> = vec![
        (
            vec![
                traf(&moof_based(1), &[run(Some(40)), run(None)]),
                traf(&moof_based(2), &[run(Some(5)), run(Some(-9))]),
            ],
            [1040, 1054, 1005, 991],
        ),
        (
            vec![
                traf(&explicit(1, 300), &[run(None), run(Some(100))]),
                traf(&explicit(2, 7), &[run(Some(1)), run(None)]),
            ],
            [300, 400, 8, 22],
        ),
        // Without a base, the first track begins at moof, and others where the one before ended.
        (
            vec![
                traf(&neither(1), &[run(Some(60)), run(None)]),
                traf(&neither(2), &[run(None), run(Some(100))]),
            ],
            [1060, 1074, 1088, 1188],
        ),
    ];
    for (trafs, places) in table {
        let trafs: Vec<&[u8]> = trafs.iter().map(Vec::as_slice).collect();
        let fragment = fragments(&[video(1), audio(2)]).read(1000, moof(&trafs)).unwrap();
        let at: Vec<u64> = fragment.runs.iter().map(|run| run.at).collect();
        assert_eq!(at, places);
    }
}

#[test]
fn times_go_on_from_run_to_run_and_fragment_to_fragment() {
    let mut reader = fragments(&[video(1)]);
    let run = worded(b"trun", &[0x100, 2, 10, 20]);
    let starts = |fragment: Fragment| fragment.runs.iter().map(|run| run.start).collect::<Vec<_>>();
    let mut read =
        |boxes: &[Vec<u8>]| starts(reader.read(0, moof(&[&traf(&[0x02_0000, 1], boxes)])).unwrap());
    assert_eq!(read(&[run.clone(), run.clone()]), [0, 30]);
    assert_eq!(read(std::slice::from_ref(&run)), [60]);
    assert_eq!(read(&[tfdt(5), run.clone(), run.clone()]), [5, 35]);
    assert_eq!(read(&[worded(b"tfdt", &[1 << 24, 1, 0]), run]), [1 << 32]);
}

#[test]
fn tables_of_moov_come_first_and_tracks_not_understood_are_passed_over() {
    let samples = build::samples(&mut fastrand::Rng::with_seed(5), 4);
    let known = build::trak(&video(1), &build::tables(&samples, 4, &[0]));
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), &boxed(b"tmcd", &[&[0; 20]])]);
    let unknown = trak_with(&audio(2), &boxed(b"stbl", &[&stsd]));
    let trex = boxed(b"mvex", &[&worded(b"trex", &[0, 2, 1, 0, 11, 0])]);
    let movie = Movie::read(0, moov(&[&known, &unknown, &trex]).into()).unwrap();
    let mut reader = Fragments::new(&movie);
    // The data of the second track are in front of those of the first.
    let trafs =
        [traf(&[0, 2], &[worded(b"trun", &[0, 3])]), traf(&[0x10, 1, 6], &[worded(b"trun", &[0, 1])])];
    let fragment = reader.read(500, moof(&[&trafs[0], &trafs[1]])).unwrap();
    assert_eq!(fragment.runs.len(), 1);
    assert_eq!((fragment.runs[0].start, fragment.runs[0].at), (samples[3].end(), 533));
}

#[test]
fn faults_say_what_and_where() {
    let head = [0x02_0000, 1];
    let name = |name: &[u8; 4]| FourCc(*name);
    let trun = |words: &[u32]| traf(&head, &[worded(b"trun", words)]);
    let table: Vec<(Vec<u8>, Wrong)> = vec![
        (traf(&[0x02_0000, 9], &[]), Wrong::UnknownTrack(9)),
        (boxed(b"traf", &[]), Wrong::Missing { name: name(b"tfhd"), around: name(b"traf") }),
        (traf(&[0x02_0008, 1], &[]), Wrong::Short(name(b"tfhd"))),
        (trun(&[0x100, 3, 1, 2]), Wrong::Count { name: name(b"trun"), count: 3, room: 2 }),
        (trun(&[0x0200_0000, 0]), Wrong::Version { name: name(b"trun"), version: 2 }),
        (trun(&[0, 0xffff_ffff]), Wrong::Samples(MAX_SAMPLES)),
        (trun(&[0, 2]), Wrong::Value { name: name(b"trun"), field: "sample_size", value: 0 }),
        (trun(&[1, 1, 0x8000_0000]), Wrong::Overflow(name(b"trun"))),
        (traf(&head, &[worded(b"tfdt", &[1 << 24, u32::MAX, 0])]), Wrong::Overflow(name(b"tfdt"))),
        (
            traf(
                &[0x02_0008, 1, u32::MAX],
                &[worded(b"tfdt", &[1 << 24, 0x2000_0000, 0]), worded(b"trun", &[0, 1])],
            ),
            Wrong::Overflow(name(b"trun")),
        ),
        (traf(&[1, 1, u32::MAX, u32::MAX], &[worded(b"trun", &[1, 1, 9])]), Wrong::Overflow(name(b"trun"))),
        (traf(&[1, 1, u32::MAX, u32::MAX], &[worded(b"trun", &[0, 1])]), Wrong::Overflow(name(b"trun"))),
    ];
    for (traf, wrong) in table {
        let fault = fragments(&[video(1)]).read(700, moof(&[&traf])).unwrap_err();
        assert_eq!(fault.wrong, wrong);
        assert!(fault.at > 700);
    }
    let no_head = boxed(b"moof", &[&traf(&head, &[])]).into();
    let fault = fragments(&[video(1)]).read(700, no_head).unwrap_err();
    assert_eq!(fault, Wrong::Missing { name: name(b"mfhd"), around: name(b"moof") }.at(700));
    assert!(fragments(&[]).read(0, boxed(b"moov", &[]).into()).is_err());
}

#[test]
fn runs_of_no_samples_are_left_out() {
    let none: Vec<Vec<u8>> = (0..10_000).map(|_| worded(b"trun", &[0, 0])).collect();
    let runs = [none.concat(), worded(b"trun", &[0, 3]), none.concat()];
    let fragment = fragments(&[video(1)]).read(0, moof(&[&traf(&[0x02_0018, 1, 1, 1], &runs)])).unwrap();
    assert_eq!(fragment.runs.iter().map(|run| run.count).collect::<Vec<_>>(), [3]);
}

#[test]
fn the_limit_of_samples_goes_for_all_runs_together() {
    let half = MAX_SAMPLES as u32 / 2;
    let runs = [worded(b"trun", &[0, half]), worded(b"trun", &[0, half])];
    let mut reader = fragments(&[video(1)]);
    let head = [0x02_0018, 1, 1, 1];
    let fragment = reader.read(0, moof(&[&traf(&head, &runs)])).unwrap();
    assert_eq!(fragment.runs[1].end, i64::from(half) * 2);
    let more = [runs.concat(), worded(b"trun", &[0, 1])];
    assert_eq!(reader.read(0, moof(&[&traf(&head, &more)])).unwrap_err().wrong, Wrong::Samples(MAX_SAMPLES));
}
