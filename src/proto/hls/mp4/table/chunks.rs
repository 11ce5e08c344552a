//! Where samples are: chunks in the file, and how many samples each has (`stsc`, `stco`, `co64`; ISO/IEC 14496-12 sections
//! 8.7.4 and 8.7.5).

use bytes::Bytes;

use super::super::read::Body;
use crate::proto::hls::mp4::{Fault, FourCc, Wrong};

/// Runs between two marks.
const STRIDE: usize = 256;
/// Bytes of a run of chunks: its first chunk, samples in each of its chunks, and their description.
const RUN: usize = 12;
/// The last byte of a file at which a chunk may begin.
const MAX_OFFSET: u64 = 1 << 61;

/// The chunks of a track.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    runs: Bytes,
    /// Samples before each [`STRIDE`]th run.
    marks: Vec<u64>,
    offsets: Bytes,
    wide: bool,
    /// Samples that the chunks have room for.
    pub(super) samples: u64,
}

/// A chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The run that it is in.
    run: usize,
    /// Which of all chunks, from 0.
    index: u32,
    /// Its first sample.
    pub(super) first: u64,
    /// Samples in it.
    pub(super) samples: u32,
    /// The byte of the file where it begins.
    pub(super) at: u64,
}

impl Chunks {
    /// No chunks.
    pub(super) fn none() -> Self {
        Self { runs: Bytes::new(), marks: Vec::new(), offsets: Bytes::new(), wide: false, samples: 0 }
    }

    /// What `stsc`, and `stco` or `co64` say.
    pub(super) fn new(mut stsc: Body, mut places: Body) -> Result<Self, Fault> {
        stsc.full(0)?;
        let at_runs = stsc.at() + 4;
        let runs = stsc.table(RUN)?;
        places.full(0)?;
        let wide = places.name.0 == *b"co64";
        let at_offsets = places.at() + 4;
        let offsets = places.table(if wide { 8 } else { 4 })?;
        let mut chunks = Self { runs, marks: Vec::new(), offsets, wide, samples: 0 };
        chunks.check_runs(stsc.name, at_runs)?;
        for index in 0..if wide { chunks.count() } else { 0 } {
            if chunks.offset(index) > MAX_OFFSET {
                return Err(Wrong::Overflow(places.name).at(at_offsets + u64::from(index) * 8));
            }
        }
        Ok(chunks)
    }

    /// Runs begin with chunk 1 and rise; runs of chunks that are not there count for nothing.
    fn check_runs(&mut self, name: FourCc, at: u64) -> Result<(), Fault> {
        let mut before = 0;
        for index in 0..self.runs.len() / RUN {
            let (first, samples) = self.run(index);
            let is_next = if index == 0 { first == 1 } else { first > before };
            if !is_next || samples == 0 {
                return Err(Wrong::Order(name).at(at + (index * RUN) as u64));
            }
            before = first;
            if index % STRIDE == 0 {
                self.marks.push(self.samples);
            }
            self.samples += u64::from(self.chunks_of(index)) * u64::from(samples);
        }
        Ok(())
    }

    fn count(&self) -> u32 {
        (self.offsets.len() / if self.wide { 8 } else { 4 }) as u32
    }

    /// The first chunk of a run, from 1, and samples in each of its chunks.
    fn run(&self, index: usize) -> (u32, u32) {
        match self.runs.get(index * RUN..(index + 1) * RUN) {
            Some(&[a, b, c, d, e, f, g, h, ..]) => {
                (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
            }
            _ => (u32::MAX, 0),
        }
    }

    /// Chunks of a run, as far as they are there.
    fn chunks_of(&self, run: usize) -> u32 {
        let first = self.run(run).0.saturating_sub(1);
        let end =
            if (run + 1) * RUN < self.runs.len() { self.run(run + 1).0.saturating_sub(1) } else { u32::MAX };
        end.min(self.count()).saturating_sub(first)
    }

    fn offset(&self, index: u32) -> u64 {
        let index = index as usize;
        if self.wide {
            let bytes = self.offsets.get(index * 8..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
        } else {
            let bytes = self.offsets.get(index * 4..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)))
        }
    }

    /// The chunk with sample `number`; `None` beyond the last.
    pub(super) fn of(&self, number: u64) -> Option<Chunk> {
        let mark = self.marks.partition_point(|samples| *samples <= number).checked_sub(1)?;
        let (mut before, mut run) = (*self.marks.get(mark)?, mark * STRIDE);
        while run * RUN < self.runs.len() {
            let (first, samples) = self.run(run);
            let into = number - before;
            let chunks = self.chunks_of(run);
            if into < u64::from(chunks) * u64::from(samples) {
                let chunk = (into / u64::from(samples)) as u32;
                return Some(Chunk {
                    run,
                    index: first - 1 + chunk,
                    first: before + u64::from(chunk) * u64::from(samples),
                    samples,
                    at: self.offset(first - 1 + chunk),
                });
            }
            before += u64::from(chunks) * u64::from(samples);
            run += 1;
        }
        None
    }

    /// The chunk after `chunk`; `None` behind the last.
    pub(super) fn after(&self, chunk: &Chunk) -> Option<Chunk> {
        let (mut run, index) = (chunk.run, chunk.index + 1);
        if index >= self.count() {
            return None;
        }
        if (run + 1) * RUN < self.runs.len() && self.run(run + 1).0 - 1 == index {
            run += 1;
        }
        let first = chunk.first + u64::from(chunk.samples);
        Some(Chunk { run, index, first, samples: self.run(run).1, at: self.offset(index) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(name: &[u8; 4], words: &[u32]) -> Body {
        let words = [&[0, words.len() as u32][..], words].concat();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        Body::new(FourCc(*name), 8, bytes.into())
    }

    fn stsc(runs: &[(u32, u32)]) -> Body {
        let mut bytes = vec![0; 4];
        bytes.extend((runs.len() as u32).to_be_bytes());
        for (first, samples) in runs {
            bytes.extend([first.to_be_bytes(), samples.to_be_bytes(), 1u32.to_be_bytes()].concat());
        }
        Body::new(FourCc(*b"stsc"), 8, bytes.into())
    }

    #[test]
    fn samples_are_found_in_their_chunks() {
        let chunks =
            Chunks::new(stsc(&[(1, 3), (3, 1), (4, 2)]), body(b"stco", &[100, 200, 300, 400, 500])).unwrap();
        assert_eq!(chunks.samples, 3 + 3 + 1 + 2 + 2);
        // sample, first of its chunk, samples there, where
        let table = [
            (0, 0, 3, 100),
            (2, 0, 3, 100),
            (3, 3, 3, 200),
            (5, 3, 3, 200),
            (6, 6, 1, 300),
            (7, 7, 2, 400),
            (9, 9, 2, 500),
            (10, 9, 2, 500),
        ];
        for (number, first, samples, at) in table {
            let chunk = chunks.of(number).unwrap();
            assert_eq!((chunk.first, chunk.samples, chunk.at), (first, samples, at), "sample {number}");
        }
        assert_eq!(chunks.of(11), None);
        let mut chunk = chunks.of(0).unwrap();
        for number in [3, 6, 7, 9] {
            chunk = chunks.after(&chunk).unwrap();
            assert_eq!(Some(chunk), chunks.of(number));
        }
        assert_eq!(chunks.after(&chunk), None);
        assert_eq!(Chunks::none().of(0), None);
    }

    #[test]
    fn many_runs_are_searched_as_a_list_would_be() {
        let mut dice = fastrand::Rng::with_seed(9);
        let mut runs = Vec::new();
        let mut next = 1;
        for _ in 0..STRIDE * 3 + 5 {
            runs.push((next, dice.u32(1..4)));
            next += dice.u32(1..4);
        }
        let offsets: Vec<u32> = (0..next + 2).map(|index| index * 1000).collect();
        let chunks = Chunks::new(stsc(&runs), body(b"stco", &offsets)).unwrap();
        let (mut number, mut run) = (0, 0);
        let mut walker = chunks.of(0);
        for (index, at) in offsets.iter().enumerate() {
            while runs.get(run + 1).is_some_and(|(first, _)| *first <= index as u32 + 1) {
                run += 1;
            }
            assert_eq!(walker, chunks.of(number));
            let chunk = walker.unwrap();
            assert_eq!((chunk.samples, chunk.at), (runs[run].1, u64::from(*at)));
            number += u64::from(chunk.samples);
            walker = chunks.after(&chunk);
        }
        assert_eq!((walker, number), (None, chunks.samples));
    }

    #[test]
    fn places_of_64_bits() {
        let wide = |at: u64| {
            let bytes = [&[0, 0, 0, 0, 0, 0, 0, 1][..], &at.to_be_bytes()].concat();
            Chunks::new(stsc(&[(1, 5)]), Body::new(FourCc(*b"co64"), 50, bytes.into()))
        };
        assert_eq!(wide(0x0001_2345_6789_abcd).unwrap().of(4).unwrap().at, 0x0001_2345_6789_abcd);
        assert_eq!(wide(u64::MAX).unwrap_err(), Wrong::Overflow(FourCc(*b"co64")).at(58));
    }

    #[test]
    fn runs_out_of_order_and_of_chunks_that_are_not_there() {
        let order = |runs: &[(u32, u32)], at| {
            let fault = Chunks::new(stsc(runs), body(b"stco", &[1, 2, 3])).unwrap_err();
            assert_eq!(fault, Wrong::Order(FourCc(*b"stsc")).at(at), "{runs:?}");
        };
        order(&[(0, 1)], 16);
        order(&[(2, 1)], 16);
        order(&[(1, 0)], 16);
        order(&[(1, 1), (1, 1)], 28);
        order(&[(1, 1), (0, 1)], 28);
        order(&[(1, 1), (3, 1), (2, 1)], 40);
        let beyond = Chunks::new(stsc(&[(1, 2), (9, 7)]), body(b"stco", &[1, 2, 3])).unwrap();
        assert_eq!((beyond.samples, beyond.of(6)), (6, None));
        let beyond = Chunks::new(stsc(&[(1, u32::MAX)]), body(b"stco", &[1])).unwrap();
        assert_eq!(beyond.samples, u64::from(u32::MAX));
        assert_eq!(Chunks::new(stsc(&[]), body(b"stco", &[1])).unwrap().samples, 0);
    }
}
