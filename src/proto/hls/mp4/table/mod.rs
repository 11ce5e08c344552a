//! The samples of a track by its tables (ISO/IEC 14496-12 section 8.6 and 8.7), in decode order, without a list of them.
//!
//! A table stays the bytes that the file has: ten hours of video cost their `moov` and little more. All that a cursor relies on is
//! checked when a table is read, so that going over samples cannot fail; going to one takes a search over marks and the samples
//! of one chunk.

mod chunks;
mod keys;
mod runs;
mod sizes;

use self::chunks::{Chunk, Chunks};
use self::keys::Keys;
use self::runs::{Place, Runs};
use self::sizes::Sizes;
use super::read::{Body, needed, once};
use super::{Fault, FourCc, Wrong};
use crate::proto::hls::track::Sample;

/// The tables of a track.
#[derive(Clone, Debug)]
pub struct Table {
    durations: Runs,
    offsets: Option<Runs>,
    sizes: Sizes,
    chunks: Chunks,
    keys: Option<Keys>,
}

/// A sample, and where its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// Which one, from 0, in decode order.
    pub number: u32,
    /// The sample.
    pub sample: Sample,
    /// The byte of the file where it begins.
    pub at: u64,
}

/// The boxes of `stbl` that tell of samples.
#[derive(Default)]
pub(super) struct Parts {
    stts: Option<Body>,
    ctts: Option<Body>,
    stsc: Option<Body>,
    sizes: Option<Body>,
    places: Option<Body>,
    stss: Option<Body>,
}

impl Parts {
    /// Keeps `body` if it is one of them.
    pub(super) fn keep(&mut self, body: Body) -> Result<(), Fault> {
        match &body.name.0 {
            b"stts" => once(&mut self.stts, body),
            b"ctts" => once(&mut self.ctts, body),
            b"stsc" => once(&mut self.stsc, body),
            b"stsz" | b"stz2" => once(&mut self.sizes, body),
            b"stco" | b"co64" => once(&mut self.places, body),
            b"stss" => once(&mut self.stss, body),
            _ => Ok(()),
        }
    }

    /// The tables; `stbl` is the box at byte `at` which they are in.
    pub(super) fn table(self, stbl: FourCc, at: u64) -> Result<Table, Fault> {
        let sizes = match self.sizes {
            None => return Err(Wrong::Missing { name: FourCc(*b"stsz"), around: stbl }.at(at)),
            Some(body) if body.name.0 == *b"stz2" => Sizes::stz2(body)?,
            Some(body) => Sizes::stsz(body)?,
        };
        if sizes.count == 0 {
            return Ok(Table::empty());
        }
        let samples = u64::from(sizes.count);
        let enough = |name: &[u8; 4], told: u64, at: u64| match told < samples {
            true => Err(Wrong::Untold { name: FourCc(*name), told, samples }.at(at)),
            false => Ok(()),
        };

        let stts = needed(self.stts, b"stts", stbl, at)?;
        let stts_at = stts.at();
        let durations = read_runs(stts, b"stts", true)?;
        enough(b"stts", durations.samples(), stts_at)?;

        let stsc = needed(self.stsc, b"stsc", stbl, at)?;
        let stsc_at = stsc.at();
        let chunks = Chunks::new(stsc, needed(self.places, b"stco", stbl, at)?)?;
        enough(b"stsc", chunks.samples, stsc_at)?;

        // A shorter table is found in files of old writers: what it leaves out is composed when it is decoded.
        let offsets = self.ctts.map(|ctts| read_runs(ctts, b"ctts", false)).transpose()?;
        let keys = self.stss.map(Keys::new).transpose()?;
        Ok(Table { durations, offsets, sizes, chunks, keys })
    }
}

fn read_runs(mut body: Body, name: &[u8; 4], durations: bool) -> Result<Runs, Fault> {
    body.full(if durations { 0 } else { 1 })?;
    let at = body.at() + 4;
    Runs::new(name, at, body.table(8)?, durations)
}

impl Table {
    /// The table of a track whose samples are all in fragments.
    #[must_use]
    pub fn empty() -> Self {
        let durations = Runs::none();
        Self { durations, offsets: None, sizes: Sizes::none(), chunks: Chunks::none(), keys: None }
    }

    /// Samples.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.sizes.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the last sample ends, in ticks of the track.
    #[must_use]
    pub fn duration(&self) -> i64 {
        self.durations.by_number(u64::from(self.len())).map_or(self.durations.sum(), |place| place.sum)
    }

    /// Bytes of all samples. When they are more than the file has, some are not there, or some are told of twice.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sizes.sum(0, self.len())
    }

    /// The sample that is being decoded at `time`: the last that begins at it or before. Before the first one it is the first,
    /// and `None` when all have ended.
    #[must_use]
    pub fn number_at(&self, time: i64) -> Option<u32> {
        let number = u32::try_from(self.durations.by_time(time)?.sample).ok()?;
        (number < self.len()).then_some(number)
    }

    /// Whether decoding can begin at sample `number`.
    #[must_use]
    pub fn is_key(&self, number: u32) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.has(number))
    }

    /// The last key sample at `number` or before.
    #[must_use]
    pub fn key_before(&self, number: u32) -> Option<u32> {
        let number = number.min(self.len().checked_sub(1)?);
        self.keys.as_ref().map_or(Some(number), |keys| keys.before(number))
    }

    /// The first key sample at `number` or after.
    #[must_use]
    pub fn key_after(&self, number: u32) -> Option<u32> {
        let key = self.keys.as_ref().map_or(Some(number), |keys| keys.after(number))?;
        (key < self.len()).then_some(key)
    }

    /// The samples from `number` on.
    #[must_use]
    pub fn from(&self, number: u32) -> Cursor<'_> {
        Cursor { table: self, position: self.position(number) }
    }

    /// Where sample `number` is told of.
    pub(super) fn position(&self, number: u32) -> Position {
        let sample = u64::from(number);
        let place = (number < self.len()).then(|| self.durations.by_number(sample)).flatten();
        let inside = self.chunks.of(sample).map(|chunk| {
            let before = self.sizes.sum(chunk.first as u32, number);
            Inside {
                at: chunk.at.saturating_add(before),
                left: chunk.samples - (sample - chunk.first) as u32,
                chunk,
            }
        });
        let offsets = self.offsets.as_ref().and_then(|offsets| offsets.by_number(sample));
        let next_key = self.key_after(number).unwrap_or(u32::MAX);
        Position { number, durations: place, offsets, inside, next_key }
    }

    /// All samples.
    #[must_use]
    pub fn iter(&self) -> Cursor<'_> {
        self.from(0)
    }
}

impl<'a> IntoIterator for &'a Table {
    type Item = Located;
    type IntoIter = Cursor<'a>;

    fn into_iter(self) -> Cursor<'a> {
        self.iter()
    }
}

/// Samples one after the other.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    table: &'a Table,
    position: Position,
}

impl Iterator for Cursor<'_> {
    type Item = Located;

    fn next(&mut self) -> Option<Located> {
        self.position.next(self.table)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.table.len().saturating_sub(self.position.number) as usize;
        (left, Some(left))
    }
}

/// A place in all tables of a track at once.
#[derive(Clone, Debug)]
pub(super) struct Position {
    number: u32,
    /// `None` behind the last sample.
    durations: Option<Place>,
    offsets: Option<Place>,
    inside: Option<Inside>,
    next_key: u32,
}

/// A sample in its chunk.
#[derive(Clone, Copy, Debug)]
struct Inside {
    chunk: Chunk,
    at: u64,
    left: u32,
}

impl Position {
    /// The sample here, in `table`, from which the position is. It goes on to the next one.
    pub(super) fn next(&mut self, table: &Table) -> Option<Located> {
        let number = self.number;
        if number >= table.len() {
            return None;
        }
        let (durations, inside) = (self.durations.as_mut()?, self.inside.as_mut()?);
        let dts = durations.sum;
        let duration = table.durations.advance(durations);
        // Version 0 of ctts has no sign, but writers put offsets below 0 there all the same.
        let composition_offset = match (&table.offsets, &mut self.offsets) {
            (Some(offsets), Some(place)) if place.sample < offsets.samples() => {
                offsets.advance(place).cast_signed()
            }
            _ => 0,
        };
        let size = table.sizes.of(number);
        let at = inside.at;
        inside.at = at.saturating_add(u64::from(size));
        inside.left -= 1;
        if inside.left == 0 {
            let next = table.chunks.after(&inside.chunk);
            self.inside = next.map(|chunk| Inside { chunk, at: chunk.at, left: chunk.samples });
        }
        let key = number == self.next_key || table.keys.is_none();
        if key && table.keys.is_some() {
            self.next_key = table.key_after(number + 1).unwrap_or(u32::MAX);
        }
        self.number += 1;
        Some(Located { number, sample: Sample { dts, composition_offset, duration, size, key }, at })
    }
}

#[cfg(test)]
mod tests;
