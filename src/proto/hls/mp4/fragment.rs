//! Movie fragments: samples that `moof` tells of (ISO/IEC 14496-12 section 8.8), the next ones of their tracks.
//!
//! A run of samples stays the bytes of its `trun`. That may say nothing of its samples but how many there are: their number has a
//! limit of its own, and each of them has bytes.

use bytes::{Buf, Bytes};

use super::movie::{Defaults, Movie};
use super::read::{Body, needed, once};
use super::table::Located;
use super::{Fault, FourCc, Wrong};
use crate::proto::hls::track::{MAX_TICKS, Sample};

/// The most samples that a fragment may have. A minute of 48 kHz in samples of their own has three times as many; nobody does that.
pub const MAX_SAMPLES: usize = 1 << 20;

/// Bit of the flags of a sample: decoding cannot begin here.
pub(super) const NON_SYNC: u32 = 0x0001_0000;

/// Flags of `tfhd` (section 8.8.7).
pub(super) mod tfhd {
    pub(in super::super) const BASE_DATA_OFFSET: u32 = 0x01;
    pub(in super::super) const DESCRIPTION: u32 = 0x02;
    pub(in super::super) const DURATION: u32 = 0x08;
    pub(in super::super) const SIZE: u32 = 0x10;
    pub(in super::super) const FLAGS: u32 = 0x20;
    pub(in super::super) const BASE_IS_MOOF: u32 = 0x02_0000;
}

/// Flags of `trun` (section 8.8.8).
pub(super) mod trun {
    pub(in super::super) const DATA_OFFSET: u32 = 0x01;
    pub(in super::super) const FIRST_FLAGS: u32 = 0x04;
    pub(in super::super) const DURATION: u32 = 0x100;
    pub(in super::super) const SIZE: u32 = 0x200;
    pub(in super::super) const FLAGS: u32 = 0x400;
    pub(in super::super) const COMPOSITION: u32 = 0x800;
}

/// A fragment: samples that follow each other, of one track or several.
#[derive(Clone, Debug)]
pub struct Fragment {
    /// Which one it is, as its writer counts.
    pub sequence: u32,
    /// The byte where `moof` begins.
    pub at: u64,
    /// Its samples.
    pub runs: Vec<Run>,
}

/// Samples of a track that lie one behind the other.
#[derive(Clone, Debug)]
pub struct Run {
    /// The track.
    pub track: u32,
    /// When the first one is decoded, in ticks of the track.
    pub start: i64,
    /// When the last one ends.
    pub end: i64,
    /// The byte where the first one begins.
    pub at: u64,
    /// Bytes of all.
    pub bytes: u64,
    /// Samples.
    pub count: u32,
    flags: u32,
    first_flags: Option<u32>,
    defaults: Defaults,
    fields: Bytes,
}

impl Run {
    /// The samples.
    #[must_use]
    pub fn samples(&self) -> Samples {
        Samples { run: self.clone(), number: 0, dts: self.start, at: self.at }
    }
}

/// The samples of a run, one after the other, numbered from 0.
#[derive(Clone, Debug)]
pub struct Samples {
    run: Run,
    number: u32,
    dts: i64,
    at: u64,
}

impl Samples {
    /// The next 32 bits, if every sample has them.
    fn field(&mut self, which: u32) -> Option<u32> {
        if self.run.flags & which == 0 {
            return None;
        }
        self.run.fields.try_get_u32().ok()
    }
}

impl Iterator for Samples {
    type Item = Located;

    fn next(&mut self) -> Option<Located> {
        if self.number >= self.run.count {
            return None;
        }
        let defaults = self.run.defaults;
        let duration = self.field(trun::DURATION).unwrap_or(defaults.duration);
        let size = self.field(trun::SIZE).unwrap_or(defaults.size);
        let own_flags = self.field(trun::FLAGS);
        let composition_offset = self.field(trun::COMPOSITION).unwrap_or(0).cast_signed();
        let first_flags = self.run.first_flags.filter(|_| self.number == 0);
        let flags = first_flags.or(own_flags).unwrap_or(defaults.flags);
        let (number, dts, at) = (self.number, self.dts, self.at);
        self.number += 1;
        self.dts = dts.saturating_add(i64::from(duration));
        self.at = at.saturating_add(u64::from(size));
        let key = flags & NON_SYNC == 0;
        Some(Located { number, sample: Sample { dts, composition_offset, duration, size, key }, at })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.run.count - self.number) as usize;
        (left, Some(left))
    }
}

/// What fragments are read by: the tracks, and how far each has come.
#[derive(Clone, Debug)]
pub struct Fragments {
    tracks: Vec<Progress>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    id: u32,
    defaults: Defaults,
    /// When the next sample is decoded, if nobody says otherwise.
    next: i64,
    /// Whether its coding is understood.
    wanted: bool,
}

impl Fragments {
    /// The tracks of `movie`, with no fragment so far.
    #[must_use]
    pub fn new(movie: &Movie) -> Self {
        let wanted = movie.tracks.iter().map(|track| Progress {
            id: track.track.id,
            defaults: track.defaults,
            next: track.table.duration(),
            wanted: true,
        });
        let skipped = movie.skipped.iter().map(|track| Progress {
            id: track.id,
            defaults: track.defaults,
            next: 0,
            wanted: false,
        });
        Self { tracks: wanted.chain(skipped).collect() }
    }

    /// Reads the box `moof`, which is at byte `at`: the fragment after the one before. Runs of tracks that are not understood are left out.
    ///
    /// # Errors
    /// When a box is missing or too short, a track is unknown, there are more than [`MAX_SAMPLES`], and when a time or a place
    /// is beyond all measure.
    pub fn read(&mut self, at: u64, moof: Bytes) -> Result<Fragment, Fault> {
        let body = Body::of_box(at, moof)?;
        let name = body.name;
        if name.0 != *b"moof" {
            return Err(Wrong::Missing { name: FourCc(*b"moof"), around: name }.at(at));
        }
        let (mut mfhd, mut fragment) = (None, Fragment { sequence: 0, at, runs: Vec::new() });
        let mut reading = Reading { end: at, samples: 0 };
        let mut boxes = body.boxes();
        while let Some(inside) = boxes.next()? {
            match &inside.name.0 {
                b"mfhd" => once(&mut mfhd, inside)?,
                b"traf" => self.traf(inside, &mut fragment, &mut reading)?,
                _ => {}
            }
        }
        let mut mfhd = needed(mfhd, b"mfhd", name, at)?;
        mfhd.full(0)?;
        fragment.sequence = mfhd.u32()?;
        Ok(fragment)
    }

    fn traf(&mut self, traf: Body, fragment: &mut Fragment, reading: &mut Reading) -> Result<(), Fault> {
        let (name, at) = (traf.name, traf.at());
        let (mut head, mut tfdt, mut truns) = (None, None, Vec::new());
        let mut boxes = traf.boxes();
        while let Some(inside) = boxes.next()? {
            match &inside.name.0 {
                b"tfhd" => once(&mut head, inside)?,
                b"tfdt" => once(&mut tfdt, inside)?,
                b"trun" => truns.push(inside),
                _ => {}
            }
        }
        let mut head = needed(head, b"tfhd", name, at)?;
        let (_, flags) = head.full(0)?;
        let (id_at, id) = (head.at(), head.u32()?);
        let progress = self.tracks.iter_mut().find(|track| track.id == id);
        let progress = progress.ok_or_else(|| Wrong::UnknownTrack(id).at(id_at))?;
        let mut optional = |flag, or| if flags & flag == 0 { Ok(or) } else { head.u32() };
        let base = match flags {
            explicit if explicit & tfhd::BASE_DATA_OFFSET != 0 => {
                u64::from(optional(tfhd::BASE_DATA_OFFSET, 0)?) << 32
                    | u64::from(optional(tfhd::BASE_DATA_OFFSET, 0)?)
            }
            moof if moof & tfhd::BASE_IS_MOOF != 0 => fragment.at,
            _ => reading.end,
        };
        optional(tfhd::DESCRIPTION, 0)?;
        let defaults = Defaults {
            duration: optional(tfhd::DURATION, progress.defaults.duration)?,
            size: optional(tfhd::SIZE, progress.defaults.size)?,
            flags: optional(tfhd::FLAGS, progress.defaults.flags)?,
        };
        if let Some(mut tfdt) = tfdt {
            let (version, _) = tfdt.full(1)?;
            let time_at = tfdt.at();
            let time = i64::try_from(tfdt.by_version(version)?).ok().filter(|time| *time <= MAX_TICKS);
            progress.next = time.ok_or_else(|| Wrong::Overflow(tfdt.name).at(time_at))?;
        }
        // Where a run without an offset begins.
        let mut here = base;
        for trun in truns {
            let run = reading.trun(trun, progress, defaults, base, here)?;
            here = run.at.saturating_add(run.bytes);
            progress.next = run.end;
            // One of no samples says nothing, and could be there a million times.
            if progress.wanted && run.count > 0 {
                fragment.runs.push(run);
            }
        }
        reading.end = here;
        Ok(())
    }
}

/// What goes from one track of a fragment to the next.
struct Reading {
    /// Where the data of the last track end: there those of the next one begin, when it says nothing else.
    end: u64,
    /// Samples so far.
    samples: usize,
}

impl Reading {
    fn trun(
        &mut self,
        mut trun: Body,
        track: &Progress,
        mut defaults: Defaults,
        base: u64,
        here: u64,
    ) -> Result<Run, Fault> {
        let (name, at) = (trun.name, trun.at());
        let overflow = || Wrong::Overflow(name).at(at);
        let (_, flags) = trun.full(1)?;
        let (count_at, count) = (trun.at(), trun.u32()?);
        self.samples = self.samples.saturating_add(count as usize);
        if self.samples > MAX_SAMPLES {
            return Err(Wrong::Samples(MAX_SAMPLES).at(count_at));
        }
        let start_at = match flags & trun::DATA_OFFSET {
            0 => here,
            _ => base.checked_add_signed(i64::from(trun.i32()?)).ok_or_else(overflow)?,
        };
        let first_flags = if flags & trun::FIRST_FLAGS == 0 { None } else { Some(trun.u32()?) };
        let each = trun::DURATION | trun::SIZE | trun::FLAGS | trun::COMPOSITION;
        let width = (flags & each).count_ones() as usize * 4;
        let fields = if width == 0 { Bytes::new() } else { trun.entries(count_at, u64::from(count), width)? };
        if flags & trun::FLAGS != 0 {
            defaults.flags = 0;
        }
        let (id, start) = (track.id, track.next);
        let mut run = Run {
            track: id,
            start,
            end: start,
            at: start_at,
            bytes: 0,
            count,
            flags,
            first_flags,
            defaults,
            fields,
        };
        if width == 0 {
            // Bytes of data stand for such samples, or a few bytes would be very many samples.
            if count > 1 && defaults.size == 0 {
                return Err(Wrong::Value { name, field: "sample_size", value: 0 }.at(count_at));
            }
            let count = u64::from(count);
            run.end = start.saturating_add_unsigned(count * u64::from(defaults.duration));
            run.bytes = count * u64::from(defaults.size);
        } else {
            let mut samples = run.samples();
            samples.by_ref().for_each(drop);
            (run.end, run.bytes) = (samples.dts, samples.at - start_at);
        }
        match run.end <= MAX_TICKS && run.at.saturating_add(run.bytes) <= MAX_TICKS.unsigned_abs() {
            true => Ok(run),
            false => Err(overflow()),
        }
    }
}

#[cfg(test)]
mod tests;
