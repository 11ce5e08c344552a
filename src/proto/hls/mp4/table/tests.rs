use super::super::tests::build::{self, worded};
use super::*;

fn table(boxes: &[u8]) -> Result<Table, Fault> {
    let name = FourCc(*b"stbl");
    let mut parts = Parts::default();
    let mut list = Body::new(name, 100, boxes.to_vec().into()).boxes();
    while let Some(body) = list.next()? {
        parts.keep(body)?;
    }
    parts.table(name, 100)
}

/// What a list of all samples would say.
fn listed(samples: &[Sample], per_chunk: usize, chunks: &[u32]) -> Vec<Located> {
    let mut at = 0;
    let locate = |(index, sample): (usize, &Sample)| {
        if index % per_chunk == 0 {
            at = u64::from(chunks[index / per_chunk]);
        }
        let located = Located { number: index as u32, sample: *sample, at };
        at += u64::from(sample.size);
        located
    };
    samples.iter().enumerate().map(locate).collect()
}

#[test]
fn samples_from_anywhere_are_those_of_a_list() {
    for (seed, count, per_chunk) in [(1, 1, 1), (2, 7, 3), (3, 1500, 4), (4, 700, 1), (5, 300, 300)] {
        let mut dice = fastrand::Rng::with_seed(seed);
        let samples = build::samples(&mut dice, count);
        let chunks: Vec<u32> = (0..count.div_ceil(per_chunk)).map(|_| dice.u32(..)).collect();
        let table = table(&build::tables(&samples, per_chunk as u32, &chunks)).unwrap();
        let list = listed(&samples, per_chunk, &chunks);
        assert_eq!(table.iter().collect::<Vec<_>>(), list);
        assert_eq!((table.len() as usize, table.is_empty()), (count, false));
        assert_eq!(table.duration(), samples[count - 1].end());
        assert_eq!(table.bytes(), samples.iter().map(|sample| u64::from(sample.size)).sum::<u64>());
        for _ in 0..50 {
            let from = dice.usize(..count);
            assert!(table.from(from as u32).take(9).eq(list[from..].iter().take(9).copied()), "from {from}");
        }
        assert!(table.from(count as u32).next().is_none() && table.from(u32::MAX).next().is_none());
    }
}

#[test]
fn times_and_keys_are_those_of_a_list() {
    let mut dice = fastrand::Rng::with_seed(77);
    let samples = build::samples(&mut dice, 900);
    let table = table(&build::tables(&samples, 900, &[1000])).unwrap();
    let end = samples[899].end();
    for time in (-10..end + 600).step_by(97) {
        let expected = match time {
            ended if ended >= end => None,
            time => (0..900u32).rev().find(|number| {
                let sample = samples[*number as usize];
                sample.dts <= time.max(0) && sample.duration > 0
            }),
        };
        assert_eq!(table.number_at(time), expected, "at {time}");
    }
    for number in 0..902u32 {
        let key = |number: &u32| samples.get(*number as usize).is_some_and(|sample| sample.key);
        assert_eq!(table.is_key(number), key(&number));
        assert_eq!(table.key_before(number), (0..=number).rev().find(key));
        assert_eq!(table.key_after(number), (number..900).find(key));
    }
}

#[test]
fn without_some_tables() {
    let samples = build::samples(&mut fastrand::Rng::with_seed(3), 5);
    let boxes = build::tables(&samples, 5, &[10]);
    let without = |name: &[u8; 4]| {
        let mut boxes = boxes.clone();
        let at = boxes.windows(4).position(|window| window == name).unwrap();
        boxes[at..at + 4].copy_from_slice(b"free");
        table(&boxes)
    };
    // No stss: all are keys. No ctts: all are composed when they are decoded.
    let all_keys = without(b"stss").unwrap();
    assert!(all_keys.iter().all(|located| located.sample.key) && all_keys.is_key(3));
    assert_eq!(
        (all_keys.key_before(9), all_keys.key_after(2), all_keys.key_after(5)),
        (Some(4), Some(2), None)
    );
    assert!(without(b"ctts").unwrap().iter().all(|located| located.sample.composition_offset == 0));
    for (name, missing) in [(b"stts", b"stts"), (b"stsc", b"stsc"), (b"stsz", b"stsz"), (b"stco", b"stco")] {
        let wrong = Wrong::Missing { name: FourCc(*missing), around: FourCc(*b"stbl") };
        assert_eq!(without(name).unwrap_err(), wrong.at(100));
    }
    let twice = table(&[&boxes[..], &worded(b"stts", &[0, 0])].concat()).unwrap_err();
    assert_eq!(twice.wrong, Wrong::Twice(FourCc(*b"stts")));
}

#[test]
fn tables_that_tell_of_too_few_samples() {
    let boxes = |stts: &[u32], ctts: &[u32], stsc: &[u32]| {
        let sizes = worded(b"stsz", &[0, 7, 4]);
        let places = worded(b"stco", &[0, 2, 100, 200]);
        [worded(b"stts", stts), worded(b"ctts", ctts), worded(b"stsc", stsc), sizes, places].concat()
    };
    let (stts, ctts, stsc) = (&[0, 1, 4, 10][..], &[0, 1, 4, 5][..], &[0, 1, 1, 2, 1][..]);
    let sound = table(&boxes(stts, ctts, stsc)).unwrap();
    let places: Vec<u64> = sound.iter().map(|located| located.at).collect();
    assert_eq!(places, [100, 107, 200, 207]);
    assert_eq!((sound.bytes(), sound.duration()), (28, 40));
    let untold = |name: &[u8; 4], told| Wrong::Untold { name: FourCc(*name), told, samples: 4 };
    let few = table(&boxes(&[0, 1, 3, 10], ctts, stsc)).unwrap_err();
    assert_eq!(few, untold(b"stts", 3).at(108));
    let few = table(&boxes(stts, ctts, &[0, 1, 1, 1, 1])).unwrap_err();
    assert_eq!(few.wrong, untold(b"stsc", 2));
    // What ctts leaves out is composed when it is decoded, and what stts tells beyond is of nothing.
    let short = table(&boxes(&[0, 1, 9, 10], &[0, 1, 2, 5], stsc)).unwrap();
    let offsets: Vec<i32> = short.iter().map(|located| located.sample.composition_offset).collect();
    assert_eq!((offsets, short.duration()), (vec![5, 5, 0, 0], 40));
    assert_eq!(short.number_at(39), Some(3));
    assert_eq!(short.number_at(40), None);
}

#[test]
fn as_many_samples_as_there_are_numbers() {
    let most = u32::MAX;
    let boxes = [
        worded(b"stsz", &[0, most, most]),
        worded(b"stts", &[0, 1, most, 1]),
        worded(b"stsc", &[0, 1, 1, most, 1]),
        worded(b"stco", &[0, 1, most]),
        worded(b"stss", &[0, 2, 1, most]),
    ];
    let table = table(&boxes.concat()).unwrap();
    assert_eq!(table.bytes(), u64::from(most) * u64::from(most));
    let mut last = table.from(most - 1);
    let located = last.next().unwrap();
    assert_eq!(
        (located.number, located.sample.dts, located.sample.key),
        (most - 1, i64::from(most) - 1, true)
    );
    assert_eq!(located.at, u64::from(most) + u64::from(most - 1) * u64::from(most));
    assert_eq!(last.next(), None);
    assert_eq!(table.number_at(i64::from(most) - 1), Some(most - 1));
}

#[test]
fn a_track_without_samples_needs_no_tables() {
    for boxes in [worded(b"stsz", &[0, 0, 0]), worded(b"stsz", &[0, 9, 0]), worded(b"stz2", &[0, 4, 0])] {
        let table = table(&boxes).unwrap();
        assert!(table.is_empty() && table.iter().next().is_none());
        assert_eq!((table.duration(), table.number_at(0), table.key_before(0)), (0, None, None));
        assert_eq!(table.key_after(0), None);
    }
}
