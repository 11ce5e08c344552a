//! Tables of runs: so many samples with the same value (`stts`, `ctts`; ISO/IEC 14496-12 sections 8.6.1.2 and 8.6.1.3).
//!
//! A run is found by its sample, or by the sum of all values before it, from one mark in [`STRIDE`] runs: the table stays the bytes
//! that it is in the file, and a search looks at few of them.

use bytes::Bytes;

use crate::proto::hls::mp4::{Fault, FourCc, Wrong};
use crate::proto::hls::track::MAX_TICKS;

/// Runs between two marks.
const STRIDE: usize = 256;
/// Bytes of a run: a count and a value.
const RUN: usize = 8;

/// A table of runs.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    runs: Bytes,
    marks: Vec<Mark>,
    samples: u64,
    sum: i64,
}

/// What was before a run.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    samples: u64,
    sum: i64,
}

/// A place in a table of runs: a sample of one of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Which run comes after the one that the sample is in.
    next: usize,
    /// Samples of the run from this one on.
    left: u32,
    /// The value of the run.
    value: u32,
    /// Samples before this one.
    pub(super) sample: u64,
    /// The sum of the values of all samples before this one.
    pub(super) sum: i64,
}

impl Runs {
    /// The table `name` at byte `at`, made of `runs`. Values are added up when they are `durations`; then the sum has a limit.
    pub(super) fn new(name: &[u8; 4], at: u64, runs: Bytes, durations: bool) -> Result<Self, Fault> {
        let mut marks = Vec::with_capacity(runs.len() / (STRIDE * RUN) + 1);
        let mut here = Mark::default();
        for (index, run) in runs.chunks_exact(RUN).enumerate() {
            if index % STRIDE == 0 {
                marks.push(here);
            }
            let (count, value) = fields(run);
            here.samples += u64::from(count);
            if durations {
                let fault = |wrong: Wrong| wrong.at(at + (index * RUN) as u64);
                let ticks = i64::from(count).checked_mul(i64::from(value));
                let sum = ticks.and_then(|ticks| here.sum.checked_add(ticks)).filter(|sum| *sum <= MAX_TICKS);
                here.sum = sum.ok_or_else(|| fault(Wrong::Overflow(FourCc(*name))))?;
            }
        }
        Ok(Self { runs, marks, samples: here.samples, sum: here.sum })
    }

    /// No runs.
    pub(super) fn none() -> Self {
        Self { runs: Bytes::new(), marks: Vec::new(), samples: 0, sum: 0 }
    }

    /// Samples of all runs.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    /// All values added up.
    pub(super) fn sum(&self) -> i64 {
        self.sum
    }

    fn run(&self, index: usize) -> Option<(u32, u32)> {
        self.runs.get(index * RUN..(index + 1) * RUN).map(fields)
    }

    /// The place of sample `number`; `None` beyond the last. Sums are only of use when the values are durations.
    pub(super) fn by_number(&self, number: u64) -> Option<Place> {
        let mark = self.marks.partition_point(|mark| mark.samples <= number).checked_sub(1)?;
        self.search(mark, |here, count, _| number - here.samples < u64::from(count)).map(|place| {
            let into = (number - place.sample) as u32;
            Place {
                left: place.left - into,
                sample: number,
                sum: place.sum.wrapping_add(i64::from(into).wrapping_mul(i64::from(place.value))),
                ..place
            }
        })
    }

    /// The place of the sample during which the sum of durations goes beyond `time`; `None` when it never does.
    pub(super) fn by_time(&self, time: i64) -> Option<Place> {
        let time = time.max(0);
        let mark = self.marks.partition_point(|mark| mark.sum <= time).checked_sub(1)?;
        let length = |count: u32, value: u32| i64::from(count) * i64::from(value);
        self.search(mark, |here, count, value| time - here.sum < length(count, value)).map(|place| {
            let into = (time - place.sum).checked_div(i64::from(place.value)).unwrap_or(0);
            Place {
                left: place.left - into as u32,
                sample: place.sample + into.unsigned_abs(),
                sum: place.sum + into * i64::from(place.value),
                ..place
            }
        })
    }

    /// The first run from `mark` on that is the one, by what is before it, its count and its value.
    fn search(&self, mark: usize, is_it: impl Fn(Mark, u32, u32) -> bool) -> Option<Place> {
        let (mut here, mut index) = (*self.marks.get(mark)?, mark * STRIDE);
        while let Some((count, value)) = self.run(index) {
            index += 1;
            if is_it(here, count, value) {
                return Some(Place { next: index, left: count, value, sample: here.samples, sum: here.sum });
            }
            here.samples += u64::from(count);
            here.sum = here.sum.wrapping_add(i64::from(count).wrapping_mul(i64::from(value)));
        }
        None
    }

    /// The value at `place`, which goes on to the next sample. It stays at the end of the table.
    pub(super) fn advance(&self, place: &mut Place) -> u32 {
        let value = place.value;
        place.sample += 1;
        place.sum = place.sum.wrapping_add(i64::from(value));
        place.left = place.left.saturating_sub(1);
        while place.left == 0 {
            let Some((count, value)) = self.run(place.next) else { break };
            (place.next, place.left, place.value) = (place.next + 1, count, value);
        }
        value
    }
}

fn fields(run: &[u8]) -> (u32, u32) {
    match *run {
        [a, b, c, d, e, f, g, h, ..] => (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])),
        _ => (0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(table: &[(u32, u32)], durations: bool) -> Result<Runs, Fault> {
        let bytes: Vec<u8> = table
            .iter()
            .flat_map(|(count, value)| [count.to_be_bytes(), value.to_be_bytes()].concat())
            .collect();
        Runs::new(b"stts", 16, bytes.into(), durations)
    }

    #[test]
    fn places_are_found_by_number_and_by_time() {
        let runs = runs(&[(2, 10), (0, 99), (1, 0), (3, 5)], true).unwrap();
        assert_eq!((runs.samples(), runs.sum()), (6, 35));
        // sample, its time, its value
        let samples = [(0, 0, 10), (1, 10, 10), (2, 20, 0), (3, 20, 5), (4, 25, 5), (5, 30, 5)];
        for (number, sum, value) in samples {
            let mut place = runs.by_number(number).unwrap();
            assert_eq!((place.sample, place.sum), (number, sum));
            assert_eq!(runs.advance(&mut place), value);
            assert_eq!(place.sample, number + 1);
        }
        assert!(runs.by_number(6).is_none());
        let times = [(-3, 0), (0, 0), (9, 0), (10, 1), (19, 1), (20, 3), (24, 3), (25, 4), (34, 5)];
        for (time, number) in times {
            assert_eq!(runs.by_time(time).unwrap().sample, number, "at {time}");
        }
        assert!(runs.by_time(35).is_none());
    }

    #[test]
    fn empty_tables_have_no_places() {
        for table in [&[][..], &[(0, 7)]] {
            let runs = runs(table, true).unwrap();
            assert_eq!((runs.samples(), runs.sum()), (0, 0));
            assert!(runs.by_number(0).is_none() && runs.by_time(0).is_none());
        }
    }

    #[test]
    fn a_long_table_is_searched_as_a_list_would_be() {
        let mut dice = fastrand::Rng::with_seed(6);
        let table: Vec<(u32, u32)> = (0..STRIDE * 5 + 17).map(|_| (dice.u32(0..4), dice.u32(0..9))).collect();
        let runs = runs(&table, true).unwrap();
        let values = table.iter().flat_map(|(count, value)| std::iter::repeat_n(*value, *count as usize));
        let values: Vec<u32> = values.collect();
        assert_eq!(runs.samples(), values.len() as u64);
        let mut walker = runs.by_number(0).unwrap();
        let mut time = 0;
        for (number, value) in values.iter().enumerate() {
            let mut place = runs.by_number(number as u64).unwrap();
            assert_eq!((place.sum, walker.sum), (time, time));
            assert_eq!((runs.advance(&mut place), runs.advance(&mut walker)), (*value, *value), "{number}");
            if *value > 0 {
                assert_eq!(runs.by_time(time).unwrap().sample, number as u64);
                assert_eq!(runs.by_time(time + i64::from(*value) - 1).unwrap().sample, number as u64);
            }
            time += i64::from(*value);
        }
        assert_eq!(runs.sum(), time);
    }

    #[test]
    fn sums_have_a_limit_and_offsets_have_none() {
        let fault = runs(&[(1, 1), (u32::MAX, u32::MAX)], true).unwrap_err();
        assert_eq!(fault, Wrong::Overflow(FourCc(*b"stts")).at(24));
        let most = [(u32::MAX, u32::MAX); 9];
        let offsets = runs(&most, false).unwrap();
        assert_eq!(offsets.samples(), 9 * u64::from(u32::MAX));
        let mut place = offsets.by_number(8 * u64::from(u32::MAX) + 3).unwrap();
        assert_eq!(offsets.advance(&mut place), u32::MAX);
    }
}
