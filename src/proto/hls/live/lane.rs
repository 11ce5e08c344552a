//! The samples of one track that have not been given out yet.
//!
//! Times are those of the source here. Decode times that do not grow are mended by a tick, and counted: an encoder that trembles by a third of a millisecond shall not end its stream.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

use super::super::track::{Config, Sample, Shape, Timescale, Track};
use super::timeline::Micros;

/// A sample that waits.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Its duration is 0 while it is not known.
    pub(super) sample: Sample,
    pub(super) data: Bytes,
}

/// How a sample follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// As it should.
    Follows,
    /// Too early, by less than a second.
    Mended,
    /// Far before it, or far behind it.
    Jumps,
}

/// The samples of a track.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// Its number at the source.
    pub(super) source: u32,
    /// As it is served: with a number of ours, and with the edit of the source in the times.
    pub(super) track: Track,
    edit: i64,
    pub(super) samples: VecDeque<Held>,
    last: Option<i64>,
    /// How long the last sample took whose duration is known.
    step: u32,
    /// How long a sample takes by its codec, or by custom.
    usual: u32,
    /// Whether that was measured.
    steady: bool,
    /// Bytes of memory of what waits, about.
    pub(super) bytes: usize,
}

/// What a sample takes in memory beside its bytes, about: itself, with the room that a queue has beside it, and what counts those who share its bytes.
const OVERHEAD: usize = 2 * size_of::<Held>() + 64;

/// The longest that nothing comes without the times being taken for another timeline, in seconds.
const HOLE: i64 = 1;

/// The same while nobody knows how many pictures a second there are.
const SLOWEST: i64 = 10;

impl Lane {
    /// A track of a source, which becomes track `id`.
    pub(super) fn new(source: &Track, id: u32) -> Self {
        let mut track = source.clone();
        let edit = track.edit.offset;
        (track.id, track.edit) = (id, super::super::track::Edit::default());
        let step = match (&track.config, track.shape) {
            (Config::Opus(_), _) => track.timescale.ticks() / 50,
            (Config::Ac3(_) | Config::Eac3(_), Shape::Audio { sample_rate, .. }) => {
                frames(1536, sample_rate, track.timescale)
            }
            (_, Shape::Audio { sample_rate, .. }) => frames(1024, sample_rate, track.timescale),
            _ => track.timescale.ticks() / 25,
        };
        Self {
            source: source.id,
            track,
            edit,
            samples: VecDeque::new(),
            last: None,
            step,
            usual: step,
            steady: false,
            bytes: 0,
        }
    }

    /// Takes a sample, unless it jumps.
    pub(super) fn push(&mut self, mut sample: Sample, data: Bytes, holes: bool) -> Order {
        sample.dts = sample.dts.saturating_add(self.edit);
        let second = i64::from(self.track.timescale.ticks());
        let mut order = Order::Follows;
        if let Some(last) = self.last {
            let ahead = sample.dts.saturating_sub(last);
            let most =
                if self.steady { (HOLE * second).max(4 * i64::from(self.step)) } else { SLOWEST * second };
            if ahead < -second || holes && ahead > most {
                return Order::Jumps;
            }
            if ahead <= 0 {
                // It is shown when it was to be, but not before it is decoded: dates would go back.
                let moved = i32::try_from(1 - ahead).unwrap_or(i32::MAX);
                let offset = sample.composition_offset;
                sample.composition_offset = offset.saturating_sub(moved).max(offset.min(0));
                (sample.dts, order) = (last + 1, Order::Mended);
            }
            // What the next sample says is more exact than what the source said.
            if let Some(before) = self.samples.back_mut() {
                let took = u32::try_from(sample.dts - before.sample.dts).unwrap_or(u32::MAX);
                (before.sample.duration, self.step, self.steady) = (took, took, true);
            }
        }
        self.last = Some(sample.dts);
        if sample.duration > 0 {
            self.step = sample.duration;
        }
        sample.size = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.bytes += data.len() + OVERHEAD;
        self.samples.push_back(Held { sample, data });
        order
    }

    /// How long the sample at `index` takes; `None` while nobody knows.
    pub(super) fn duration(&self, index: usize, over: bool) -> Option<u32> {
        let held = self.samples.get(index)?;
        match held.sample.duration {
            0 if over => Some(self.step),
            0 => None,
            known => Some(known),
        }
    }

    /// When the last sample that is there ends, as far as that is known.
    pub(super) fn end(&self) -> Option<i64> {
        let last = self.samples.back()?;
        let took = if last.sample.duration > 0 { last.sample.duration } else { self.step };
        Some(last.sample.dts.saturating_add(i64::from(took)))
    }

    /// Removes the first sample, with a duration.
    pub(super) fn pop(&mut self) -> Option<Held> {
        let mut held = self.samples.pop_front()?;
        self.bytes -= held.data.len() + OVERHEAD;
        if held.sample.duration == 0 {
            held.sample.duration = self.step;
        }
        Some(held)
    }

    /// Removes the samples that are shown before `end` on the timeline of the stream, on which times of the source are `shift` later. Those that are not shown in `span` are left out: how many those were.
    pub(super) fn take(&mut self, shift: Micros, span: Range<Micros>, end: Micros) -> (Vec<Held>, u64) {
        let (mut taken, mut dropped) = (Vec::new(), 0);
        while let Some(held) = self.samples.front() {
            let at = self.micros(held.sample.pts()).saturating_add(shift);
            if at >= end {
                break;
            }
            match self.pop() {
                Some(held) if span.contains(&at) => taken.push(held),
                _ => dropped += 1,
            }
        }
        if let Some(last) = taken.last_mut() {
            last.sample.duration = self.clamped(last, self.ticks(span.end.saturating_sub(shift)));
        }
        (taken, dropped)
    }

    /// How long a sample is behind which nothing comes before `until`: what seems to be far longer than usual is a hole behind it.
    fn clamped(&self, held: &Held, until: i64) -> u32 {
        if held.sample.duration / 8 <= self.usual {
            return held.sample.duration;
        }
        let left = u32::try_from(until.saturating_sub(held.sample.dts)).unwrap_or(0);
        held.sample.duration.min(left.max(self.usual))
    }

    /// Forgets all samples, and what was before.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        (self.last, self.bytes) = (None, 0);
    }

    /// When a sample of the source is shown, in microseconds of the source.
    pub(super) fn shown(&self, sample: &Sample) -> Micros {
        self.micros(sample.pts().saturating_add(self.edit))
    }

    /// Ticks in microseconds.
    pub(super) fn micros(&self, ticks: i64) -> Micros {
        self.track.timescale.rescale(ticks, Timescale::MICROS).unwrap_or(0)
    }

    /// Microseconds in ticks.
    pub(super) fn ticks(&self, micros: Micros) -> i64 {
        Timescale::MICROS.rescale(micros, self.track.timescale).unwrap_or(0)
    }
}

fn frames(samples: u64, rate: u32, scale: Timescale) -> u32 {
    u32::try_from(samples * u64::from(scale.ticks()) / u64::from(rate.max(1))).unwrap_or(u32::MAX).max(1)
}
