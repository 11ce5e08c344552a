//! The samples of a track, listed in one pass: those of fragments, and those of a transport stream.
//!
//! A sample takes 12 bytes here. Its decode time is the sum of the durations before it and its place follows the sample before it, except where something else was
//! said; a mark in 64 samples says both, so that any sample is found in a few steps.

use crate::proto::hls::mp4::table::Located;
use crate::proto::hls::track::{MAX_TICKS, Sample};

/// Samples from one mark to the next.
const STRIDE: usize = 64;

/// Samples that are listed at most: those of four days of sound, in 192 MiB.
pub const MAX_SAMPLES: u32 = 1 << 24;

/// The bit of a size that says that decoding can begin at the sample.
const KEY: u32 = 1 << 31;

/// Why a sample cannot be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It is decoded before the one in front of it.
    #[error("sample {number} is decoded at {dts}, before the one in front of it")]
    Back {
        /// Which one, from 0.
        number: u32,
        /// When it is decoded, in ticks of its track.
        dts: i64,
    },
    /// It is decoded too long after the one in front of it.
    #[error("sample {number} is decoded at {dts}, too long after the one in front of it")]
    Apart {
        /// Which one, from 0.
        number: u32,
        /// When it is decoded, in ticks of its track.
        dts: i64,
    },
    /// It has 2 GiB or more.
    #[error("sample {0} is too long")]
    Long(u32),
    /// There are more than [`MAX_SAMPLES`].
    #[error("there are more than {MAX_SAMPLES} samples")]
    Many,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    duration: u32,
    composition_offset: i32,
    size_and_key: u32,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    dts: i64,
    at: u64,
}

/// A list of samples in decode order.
#[derive(Clone, Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
    marks: Vec<Mark>,
    /// Samples that do not lie behind the one in front of them, and where they lie.
    jumps: Vec<(u32, u64)>,
    /// The last sample: when it is decoded.
    last: i64,
    /// Where the next sample lies unless something else is said.
    next_at: u64,
    bytes: u64,
}

impl Index {
    /// Appends a sample, which lies at byte `at`. The one in front of it lasts until it is decoded.
    ///
    /// # Errors
    /// [`IndexError`]; the list is as before then.
    pub fn push(&mut self, sample: &Sample, at: u64) -> Result<(), IndexError> {
        let number = self.len();
        if number >= MAX_SAMPLES {
            return Err(IndexError::Many);
        }
        if sample.size >= KEY {
            return Err(IndexError::Long(number));
        }
        let apart = IndexError::Apart { number, dts: sample.dts };
        if sample.dts.unsigned_abs() > MAX_TICKS.unsigned_abs() {
            return Err(apart);
        }
        if let Some(before) = self.entries.last_mut() {
            let duration = sample.dts - self.last;
            if duration < 0 {
                return Err(IndexError::Back { number, dts: sample.dts });
            }
            before.duration = u32::try_from(duration).map_err(|_| apart)?;
        }
        if at != self.next_at || number == 0 {
            self.jumps.push((number, at));
        }
        if self.entries.len().is_multiple_of(STRIDE) {
            self.marks.push(Mark { dts: sample.dts, at });
        }
        self.entries.push(Entry {
            duration: sample.duration,
            composition_offset: sample.composition_offset,
            size_and_key: sample.size | if sample.key { KEY } else { 0 },
        });
        self.last = sample.dts;
        self.next_at = at.saturating_add(u64::from(sample.size));
        self.bytes += u64::from(sample.size);
        Ok(())
    }

    /// Moves all samples by so many ticks.
    pub fn shift(&mut self, ticks: i64) {
        self.marks.iter_mut().for_each(|mark| mark.dts = mark.dts.saturating_add(ticks));
        self.last = self.last.saturating_add(ticks);
    }

    /// When the last sample is decoded, in ticks of the track; 0 when there is none.
    #[must_use]
    pub fn last(&self) -> i64 {
        self.last
    }

    /// Samples.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all samples.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first sample that is decoded at `time` or later; [`Index::len`] when none is.
    #[must_use]
    pub fn first_from(&self, time: i64) -> u32 {
        // The mark before the first one that is not earlier.
        let mark = self.marks.partition_point(|mark| mark.dts < time).saturating_sub(1);
        let mut cursor = self.from((mark * STRIDE) as u32);
        while cursor.dts < time && cursor.number < self.len() {
            cursor.next();
        }
        cursor.number
    }

    /// The samples from `number` on.
    #[must_use]
    pub fn from(&self, number: u32) -> Cursor<'_> {
        let mark = number as usize / STRIDE;
        let Some(Mark { dts, at }) = self.marks.get(mark).copied() else {
            return Cursor { index: self, number: self.len(), dts: self.last, at: 0, jump: self.jumps.len() };
        };
        let begin = (mark * STRIDE) as u32;
        let jump = self.jumps.partition_point(|(first, _)| *first <= begin);
        let mut cursor = Cursor { index: self, number: begin, dts, at, jump };
        while cursor.number < number && cursor.next().is_some() {}
        cursor
    }
}

/// Samples one after the other.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    index: &'a Index,
    number: u32,
    dts: i64,
    at: u64,
    /// The next jump.
    jump: usize,
}

impl Iterator for Cursor<'_> {
    type Item = Located;

    fn next(&mut self) -> Option<Located> {
        let entry = *self.index.entries.get(self.number as usize)?;
        let (number, dts, at) = (self.number, self.dts, self.at);
        let size = entry.size_and_key & !KEY;
        self.number += 1;
        self.dts += i64::from(entry.duration);
        self.at = at.saturating_add(u64::from(size));
        if let Some((first, there)) = self.index.jumps.get(self.jump)
            && *first == self.number
        {
            (self.at, self.jump) = (*there, self.jump + 1);
        }
        let sample = Sample {
            dts,
            composition_offset: entry.composition_offset,
            duration: entry.duration,
            size,
            key: entry.size_and_key & KEY != 0,
        };
        Some(Located { number, sample, at })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.index.entries.len() - self.number as usize;
        (left, Some(left))
    }
}
