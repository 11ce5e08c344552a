//! Tests over the modules of this folder: tracks that are listed, looked at, cut and laid out.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::fmp4::{self, Options};
use super::index::{Index, IndexError};
use super::layout::{Cut, Lane, Layout, Tag, span};
use super::samples::Samples;
use super::scan::{Key, scan};
use crate::proto::hls::codec::{aac, avc};
use crate::proto::hls::mp4::fragment::Fragments;
use crate::proto::hls::mp4::movie::Movie;
use crate::proto::hls::mp4::table::Located;
use crate::proto::hls::mp4::walk::{Step, Walk};
use crate::proto::hls::mp4::{Wrong, init};
use crate::proto::hls::track::{Config, Edit, Language, Matrix, Sample, Shape, Timescale, Track};

const AVC_C: &[u8] = b"\x01\x64\x00\x1f\xff\xe1\x00\x04\x67\x64\x00\x1f\x01\x00\x02\x68\xee\xfd\xf8\xf8\x00";

fn track(id: u32, ticks: u32, config: Config, shape: Shape) -> Track {
    Track {
        id,
        timescale: Timescale::new(ticks).unwrap(),
        config,
        in_band: false,
        shape,
        matrix: Matrix::UNITY,
        language: Language::UNDETERMINED,
        edit: Edit::default(),
        extensions: Bytes::new(),
    }
}

/// Pictures of a hundredth of a second.
fn video() -> Track {
    let config = Config::Avc(avc::Config::parse(AVC_C).unwrap());
    track(1, 100, config, Shape::Video { width: 640, height: 360 })
}

fn audio() -> Track {
    let config = Config::Aac(aac::Config::parse(b"\x11\x90").unwrap());
    track(2, 48_000, config, Shape::Audio { sample_rate: 48_000, channels: 2 })
}

fn sample(dts: i64, composition_offset: i32, size: u32, key: bool) -> Sample {
    Sample { dts, composition_offset, duration: 1, size, key }
}

/// Samples one behind the other from byte `at` on.
fn listed(samples: &[Sample], mut at: u64) -> Samples {
    let mut index = Index::default();
    for sample in samples {
        index.push(sample, at).unwrap();
        at += u64::from(sample.size);
    }
    Samples::Index(index)
}

/// A picture a tick, a key at those numbers.
fn pictures(count: i64, keys: &[i64]) -> Vec<Sample> {
    (0..count).map(|n| sample(n, 0, 10 + n as u32, keys.contains(&n))).collect()
}

#[test]
fn samples_are_found_where_they_were_put() {
    let mut dice = fastrand::Rng::with_seed(5);
    let (mut index, mut expected) = (Index::default(), Vec::<Located>::new());
    let (mut dts, mut at) = (-300, 77);
    for number in 0..1000 {
        let one = Sample {
            dts,
            composition_offset: dice.i32(-5..5),
            duration: 7,
            size: dice.u32(0..50),
            key: dice.bool(),
        };
        if let Some(before) = expected.last_mut() {
            before.sample.duration = (dts - before.sample.dts) as u32;
        }
        index.push(&one, at).unwrap();
        expected.push(Located { number, sample: one, at });
        dts += dice.i64(0..4);
        at += u64::from(one.size) + if dice.u8(..) < 20 { dice.u64(1..99) } else { 0 };
    }
    assert_eq!(index.from(0).collect::<Vec<_>>(), expected);
    for from in [1, 63, 64, 65, 500, 999, 1000, 2000] {
        let rest = expected.get(from..).unwrap_or_default();
        assert_eq!(index.from(from as u32).collect::<Vec<_>>(), rest, "from {from}");
    }
    for time in -310..dts + 10 {
        let first = expected.iter().position(|located| located.sample.dts >= time).unwrap_or(1000);
        assert_eq!(index.first_from(time), first as u32, "at {time}");
    }
    assert_eq!(index.bytes(), expected.iter().map(|located| u64::from(located.sample.size)).sum::<u64>());
    index.shift(300);
    assert_eq!(index.from(10).next().unwrap().sample.dts, expected[10].sample.dts + 300);
    assert_eq!(index.last(), expected[999].sample.dts + 300);
}

#[test]
fn samples_that_cannot_be_listed() {
    let mut index = Index::default();
    index.push(&sample(10, 0, 1, true), 0).unwrap();
    assert_eq!(index.push(&sample(9, 0, 1, true), 1), Err(IndexError::Back { number: 1, dts: 9 }));
    let far = 10 + (1i64 << 32);
    assert_eq!(index.push(&sample(far, 0, 1, true), 1), Err(IndexError::Apart { number: 1, dts: far }));
    assert_eq!(index.push(&sample(11, 0, 1 << 31, true), 1), Err(IndexError::Long(1)));
    assert_eq!(index.len(), 1);
    assert_eq!(Index::default().from(0).next(), None);
}

#[test]
fn keys_in_front_of_which_nothing_is_presented_later() {
    // decode order: keys with the composition offsets of their successors
    let closed = [
        sample(0, 2, 1, true),
        sample(1, 3, 1, false),
        sample(2, 0, 1, false),
        sample(3, 2, 1, true),
        sample(4, 2, 1, false),
    ];
    let times = |samples: &[Sample]| {
        let seen = scan(&video(), &listed(samples, 0), 100).unwrap();
        (seen.keys.iter().map(|key| key.time).collect::<Vec<_>>(), seen.closed)
    };
    assert_eq!(times(&closed), (vec![2, 5], true));
    // The second key has a picture that is presented before it.
    let mut open = closed;
    open[4].composition_offset = 0;
    assert_eq!(times(&open), (vec![2], true), "one of two is enough to be closed, but it is left out");
}

#[test]
fn open_groups_of_pictures_are_cut_where_there_is_nothing_else() {
    let mut samples = Vec::new();
    for group in 0..10 {
        samples.push(sample(group * 3, 2, 1, true));
        samples.push(sample(group * 3 + 1, if group == 0 { 3 } else { 0 }, 1, false));
        samples.push(sample(group * 3 + 2, 2, 1, false));
    }
    let seen = scan(&video(), &listed(&samples, 0), 100).unwrap();
    assert_eq!((seen.keys.len(), seen.closed), (10, false));
    assert_eq!(seen.keys[1], Key { time: 5, number: 3 });
}

#[test]
fn samples_behind_the_end() {
    let samples = listed(&pictures(10, &[0]), 0);
    let bytes: u64 = (10..20).sum();
    let mut cut = video();
    assert_eq!(scan(&cut, &samples, bytes).unwrap().samples, 10);
    let fault = scan(&cut, &samples, bytes - 1).unwrap_err();
    assert_eq!(fault, Wrong::Outside { track: 1, number: 9, at: bytes - 19 }.at(bytes - 1));
    // What the edit list leaves out at the end is not presented.
    cut.edit = Edit { offset: -2, duration: Some(5) };
    let seen = scan(&cut, &samples, bytes).unwrap();
    assert_eq!((seen.samples, seen.start, seen.end), (7, 0, 5));
    assert_eq!(scan(&cut, &Samples::Index(Index::default()), 0).unwrap().keys, []);
    // A pause of 10 ticks, and pictures that are presented 2 ticks after they are decoded, which the edit list takes back.
    cut.edit = Edit { offset: 8, duration: Some(10) };
    let late: Vec<Sample> = (0..10).map(|n| sample(n, 2, 1, n == 0)).collect();
    let seen = scan(&cut, &listed(&late, 0), bytes).unwrap();
    assert_eq!((seen.samples, seen.start, seen.end), (10, 10, 20));
}

/// A film of 1000 pictures in 10 s, and its sound in frames of 1024 of 48 kHz behind it.
fn film() -> (Lane, Lane) {
    let keys: Vec<i64> = (0..1000).step_by(50).collect();
    let pictures = Arc::new(listed(&pictures(1000, &keys), 5000));
    let frames: Vec<Sample> =
        (0..470).map(|n| Sample { duration: 1024, ..sample(n * 1024, 0, 300, true) }).collect();
    let sounds = Arc::new(listed(&frames, 1_000_000));
    let video = Lane::new(video(), pictures, 1000, &Cut::Samples(vec![0, 400, 800]));
    let hundredths = Timescale::new(100).unwrap();
    let audio = Lane::new(audio(), sounds, 470, &Cut::Times(hundredths, vec![0, 400, 800]));
    (video, audio)
}

#[test]
fn sound_is_cut_where_pictures_are() {
    let (video, audio) = film();
    assert_eq!((0..4).map(|n| video.range(n)).collect::<Vec<_>>(), [0..400, 400..800, 800..1000, 1000..1000]);
    // The first frame that begins at 4 s or later is that of 187.5, rounded up.
    assert_eq!((0..3).map(|n| audio.range(n)).collect::<Vec<_>>(), [0..188, 188..375, 375..470]);
    let sound = Layout::of_sound(audio.clone(), 470 * 1024);
    assert_eq!((sound.len(), sound.start(1), sound.start(3)), (3, 188 * 1024, 470 * 1024));
    assert_eq!(sound.duration(0), span(Timescale::new(48_000).unwrap(), 0, 188 * 1024));
    let both = Layout::new(vec![video, audio], 0, vec![0, 400, 800], 1000);
    assert_eq!((both.duration(0), both.duration(2)), (Duration::from_secs(4), Duration::from_secs(2)));
    let order: Vec<(usize, u32)> = both.in_order(1).map(|(lane, located)| (lane, located.number)).collect();
    assert_eq!(order.len(), 400 + 187);
    assert_eq!(&order[..4], [(0, 400), (0, 401), (1, 188), (0, 402)], "4.0107 s is behind 4.01");
    assert_eq!(both.in_order(3).count(), 0);
}

#[test]
fn segments_are_laid_out_to_the_byte() {
    let (video, audio) = film();
    let layout = Layout::new(vec![video, audio], 0, vec![0, 400, 800], 1000);
    for index in [false, true] {
        let mut sequence = 1;
        let mut seen = [0, 0];
        for n in 0..3 {
            let segment = fmp4::segment(&layout, n, sequence, Options { index }).unwrap();
            assert_eq!(segment.fragments.len() as u32, fmp4::count(&layout, n));
            // A key each half second, and a fragment not sooner than after one.
            assert_eq!(segment.fragments.len(), [4, 4, 2][n]);
            sequence += segment.fragments.len() as u32;
            let mut tracks = Vec::new();
            for lane in &layout.lanes {
                tracks.push(lane.track.clone());
            }
            let mut file = BytesMut::new();
            init::put(&mut file, &tracks);
            let begin = file.len();
            file.extend_from_slice(&segment.head);
            for fragment in &segment.fragments {
                assert_eq!(fragment.extents.len(), 2, "each track lies together");
                let payload: u64 = fragment.extents.iter().map(|extent| extent.bytes).sum();
                assert_eq!(fragment.bytes, fragment.head.len() as u64 + payload);
                let first = layout.lanes[0].samples.from(seen[0]).next().unwrap();
                assert_eq!(fragment.i_frame, Some(fragment.head.len() as u64 + u64::from(first.sample.size)));
                file.extend_from_slice(&fragment.head);
                file.resize(file.len() + payload as usize, 0);
                let video: u64 = fragment.extents[0].bytes;
                let mut sum = 0;
                while sum < video {
                    sum += u64::from(layout.lanes[0].samples.from(seen[0]).next().unwrap().sample.size);
                    seen[0] += 1;
                }
            }
            assert_eq!((file.len() - begin) as u64, segment.bytes());
            seen[1] += read_again(&file.freeze(), &layout, n);
        }
        assert_eq!(seen, [1000, 470]);
    }
}

#[test]
fn tags_are_in_the_fragment_in_which_they_count() {
    let (video, audio) = film();
    let mut layout = Layout::new(vec![video, audio], 0, vec![0, 400, 800], 1000);
    let plain: Vec<u64> =
        (0..3).map(|n| fmp4::segment(&layout, n, 1, Options::default()).unwrap().bytes()).collect();
    // Before the beginning, at a cut, a tick before the next one, in the middle, and behind the end; a second has 90000 ticks.
    let times = [-5, 360_000, 719_999, 720_000, 810_000, 9_000_000];
    let tag = |at: &i64| Tag { at: *at, data: Bytes::from(format!("ID3 {at}")) };
    layout.tags = times.iter().map(tag).collect();
    assert_eq!((0..3).map(|n| layout.tags_in(n)).collect::<Vec<_>>(), [0..1, 1..3, 3..6]);
    let heads = |n: usize| {
        let segment = fmp4::segment(&layout, n, 1, Options { index: true }).unwrap();
        let heads = segment.fragments.iter().map(|fragment| {
            let text = String::from_utf8_lossy(&fragment.head).into_owned();
            assert!(fragment.i_frame > Some(fragment.head.len() as u64));
            times.into_iter().filter(|at| text.contains(&format!("\0ID3 {at}"))).collect::<Vec<_>>()
        });
        (heads.collect::<Vec<_>>(), segment.bytes())
    };
    assert_eq!(heads(0).0, [vec![-5], vec![], vec![], vec![]]);
    assert_eq!(heads(1).0, [vec![360_000], vec![], vec![], vec![719_999]]);
    assert_eq!(heads(2).0, [vec![720_000], vec![810_000, 9_000_000]]);
    assert!((0..3).all(|n| heads(n).1 > plain[n]));
}

#[test]
fn a_track_that_begins_later_is_decoded_later() {
    let (video, mut audio) = film();
    audio.track.edit.offset = 24_000;
    let layout = Layout::new(vec![video, audio], 0, vec![0, 400, 800], 1000);
    let mut file = BytesMut::from(&fmp4::initialization(&layout)[..]);
    for fragment in fmp4::segment(&layout, 0, 1, Options::default()).unwrap().fragments {
        file.extend_from_slice(&fragment.head);
        file.resize(file.len() + (fragment.bytes as usize - fragment.head.len()), 0);
    }
    let file = file.freeze();
    let mut walk = Walk::new(file.len() as u64, &[b"moov", b"moof"]);
    let mut fragments = None;
    loop {
        match walk.step().unwrap() {
            Step::Read(range) => walk.give(file.slice(range.start as usize..range.end as usize)),
            Step::Found(found) if found.name.0 == *b"moov" => {
                let movie = Movie::read(found.at, found.bytes).unwrap();
                assert!(movie.tracks.iter().all(|track| track.track.edit == Edit::default()));
                fragments = Some(Fragments::new(&movie));
            }
            Step::Found(found) => {
                let runs = fragments.as_mut().unwrap().read(found.at, found.bytes).unwrap().runs;
                assert_eq!((runs[0].start, runs[1].start), (0, 24_000));
                return;
            }
            Step::End => panic!("there is no fragment"),
        }
    }
}

/// That a file has the samples of a segment; returns how many of them are sound.
fn read_again(file: &Bytes, layout: &Layout, n: usize) -> u32 {
    let mut walk = Walk::new(file.len() as u64, &[b"moov", b"moof"]);
    let mut fragments = None;
    let mut expected: Vec<_> = layout.lanes.iter().map(|lane| lane.segment(n)).collect();
    let mut sounds = 0;
    loop {
        match walk.step().unwrap() {
            Step::Read(range) => walk.give(file.slice(range.start as usize..range.end as usize)),
            Step::End => break,
            Step::Found(found) if found.name.0 == *b"moov" => {
                fragments = Some(Fragments::new(&Movie::read(found.at, found.bytes).unwrap()));
            }
            Step::Found(found) => {
                for run in fragments.as_mut().unwrap().read(found.at, found.bytes).unwrap().runs {
                    for located in run.samples() {
                        let wanted = expected[run.track as usize - 1].next().unwrap();
                        assert_eq!(located.sample, wanted.sample);
                        sounds += u32::from(run.track == 2);
                    }
                }
            }
        }
    }
    assert!(expected.iter_mut().all(|rest| rest.next().is_none()));
    sounds
}

#[test]
fn languages_have_tags_and_names() {
    use super::language::{own_name, tag};
    let of = |code| tag(Language::new(code).unwrap());
    assert_eq!(of("deu").as_deref(), Some("de"));
    assert_eq!(of("gsw").as_deref(), Some("gsw"));
    assert_eq!(of("und"), None);
    assert_eq!(
        (own_name("pt-BR"), own_name("DEU"), own_name("xx")),
        (Some("Português"), Some("Deutsch"), None)
    );
}
