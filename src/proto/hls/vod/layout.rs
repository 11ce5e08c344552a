//! A rendition, cut: which samples of its tracks are in which segment, and when each begins.
//!
//! One track leads: the first with pictures, or else the first of all. It is cut at its own samples; those of other tracks are in the segment in whose period they are
//! presented. What is presented before the first cut is in the first segment.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::samples::{Cursor, Samples};
use crate::proto::hls::mp4::table::Located;
use crate::proto::hls::track::{Timescale, Track};

/// A track of a rendition.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The track.
    pub track: Track,
    /// Its samples.
    pub samples: Arc<Samples>,
    /// How many of them are presented.
    pub count: u32,
    /// The first sample of each segment, and the one behind the last segment.
    firsts: Vec<u32>,
}

/// Where a track is cut.
#[derive(Clone, Debug)]
pub enum Cut {
    /// At these samples.
    Samples(Vec<u32>),
    /// In front of the first sample that is presented at each of these times, which count ticks of that scale.
    Times(Timescale, Vec<i64>),
}

impl Lane {
    /// A track of which the first `count` samples are presented, cut into segments. The first cut takes in all that is before it.
    #[must_use]
    pub fn new(track: Track, samples: Arc<Samples>, count: u32, cut: &Cut) -> Self {
        let mut firsts = match cut {
            Cut::Samples(numbers) => numbers.clone(),
            Cut::Times(scale, times) => {
                times.iter().map(|time| presented_from(&track, &samples, *scale, *time).min(count)).collect()
            }
        };
        if let Some(first) = firsts.first_mut() {
            *first = 0;
        }
        firsts.push(count);
        Self { track, samples, count, firsts }
    }

    /// The same without segments that no sample is in.
    #[must_use]
    pub fn without_empty(mut self) -> Self {
        self.firsts.dedup();
        if self.firsts.len() < 2 {
            self.firsts = vec![0, self.count];
        }
        self
    }

    /// The numbers of the samples in segment `n`.
    #[must_use]
    pub fn range(&self, n: usize) -> Range<u32> {
        let at = |n: usize| self.firsts.get(n).copied().unwrap_or(self.count);
        at(n)..at(n + 1).max(at(n))
    }

    /// The samples in segment `n`.
    pub fn segment(&self, n: usize) -> impl Iterator<Item = Located> + Clone + '_ {
        let range = self.range(n);
        self.samples.from(range.start).take(range.len())
    }

    /// The bytes of the samples in segment `n`.
    #[must_use]
    pub fn bytes(&self, n: usize) -> u64 {
        self.segment(n).map(|located| u64::from(located.sample.size)).sum()
    }

    /// When the sample with that number is presented, in ticks of the track.
    fn presented_at(&self, number: u32) -> Option<i64> {
        self.samples.from(number).next().map(|located| self.track.presented_at(&located.sample))
    }
}

/// The first sample, in decode order, that is presented at `time` of `scale` or later, and from which on all are.
#[must_use]
pub fn presented_from(track: &Track, samples: &Samples, scale: Timescale, time: i64) -> u32 {
    // Exactly at the time is not before it, whatever the scale: times are rounded up to ticks of the track.
    let near = scale.rescale(time, track.timescale).unwrap_or(i64::MAX);
    let early = track.timescale.compare(near, scale, time) == Ordering::Less;
    let time = near.saturating_add(i64::from(early)).saturating_sub(track.edit.offset);
    // What is composed at a time may be decoded before it. Of sound and text the two are the same.
    samples.first_from(time)
}

/// An ID3 tag, timed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// When it counts, in ticks of 90 kHz from the beginning of the presentation.
    pub at: i64,
    /// The tag.
    pub data: Bytes,
}

/// A rendition, cut.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Its tracks.
    pub lanes: Vec<Lane>,
    /// Which of them leads.
    pub lead: usize,
    /// Its ID3 tags, by when they count.
    pub tags: Arc<[Tag]>,
    /// When each segment begins, and when the last one ends, in ticks of the track that leads.
    starts: Vec<i64>,
}

impl Layout {
    /// A rendition of these tracks, of which that in place `lead` leads. Segments begin at `starts`, in ticks of it, and the last one ends at `end`.
    #[must_use]
    pub fn new(lanes: Vec<Lane>, lead: usize, mut starts: Vec<i64>, end: i64) -> Self {
        let last = starts.last().copied().unwrap_or(0);
        starts.push(end.max(last));
        Self { lanes, lead, tags: Arc::new([]), starts }
    }

    /// A rendition of one track that is cut at its samples: segments last until the first sample of the next one.
    #[must_use]
    pub fn of_sound(lane: Lane, end: i64) -> Self {
        let starts = (0..lane.firsts.len() - 1)
            .map(|n| lane.presented_at(lane.firsts[n]).unwrap_or(end).clamp(0, end.max(0)));
        let starts = starts.collect();
        Self::new(vec![lane], 0, starts, end)
    }

    /// Segments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What [`Layout::start`] counts.
    #[must_use]
    pub fn timescale(&self) -> Timescale {
        self.lanes.get(self.lead).map_or(Timescale::MPEG, |lane| lane.track.timescale)
    }

    /// When segment `n` begins to be presented; for the number of segments, when the last one ends.
    #[must_use]
    pub fn start(&self, n: usize) -> i64 {
        self.starts.get(n).copied().unwrap_or_default()
    }

    /// How long segment `n` is.
    #[must_use]
    pub fn duration(&self, n: usize) -> Duration {
        span(self.timescale(), self.start(n), self.start(n + 1))
    }

    /// The numbers of the tags that count in segment `n`. What counts before the first one is in that, and what counts later than the last one is in that.
    #[must_use]
    pub fn tags_in(&self, n: usize) -> Range<usize> {
        let from = (n > 0).then(|| self.start(n));
        let to = (n + 1 < self.len()).then(|| self.start(n + 1));
        self.tags_between(from, to)
    }

    /// The numbers of the tags that count from one time to another one, in ticks of the track that leads.
    pub(super) fn tags_between(&self, from: Option<i64>, to: Option<i64>) -> Range<usize> {
        let scale = self.timescale();
        let before =
            |time| self.tags.partition_point(|tag| Timescale::MPEG.compare(tag.at, scale, time).is_lt());
        let from = from.map_or(0, before);
        from..to.map_or(self.tags.len(), before).max(from)
    }

    /// The samples of segment `n` of all tracks, in the order in which they are decoded, each with the place of its track. A sample of the track that leads comes first.
    #[must_use]
    pub fn in_order(&self, n: usize) -> InOrder<'_> {
        let heads = self.lanes.iter().enumerate().map(|(lane, it)| {
            let range = it.range(n);
            let mut rest = it.samples.from(range.start);
            let next = if range.is_empty() { None } else { rest.next() };
            Head { lane, track: &it.track, next, rest, end: range.end }
        });
        let mut heads: Vec<Head<'_>> = heads.collect();
        heads.sort_by_key(|head| head.lane != self.lead);
        InOrder { heads, first: true }
    }
}

/// From one time to another one that is not earlier.
#[must_use]
pub fn span(scale: Timescale, from: i64, to: i64) -> Duration {
    let ticks = u128::from(to.saturating_sub(from).max(0).unsigned_abs());
    let nanos = (ticks * 1_000_000_000 + u128::from(scale.ticks()) / 2) / u128::from(scale.ticks());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Samples of several tracks in the order in which they are decoded.
#[derive(Clone, Debug)]
pub struct InOrder<'a> {
    heads: Vec<Head<'a>>,
    first: bool,
}

#[derive(Clone, Debug)]
struct Head<'a> {
    lane: usize,
    track: &'a Track,
    next: Option<Located>,
    rest: Cursor<'a>,
    end: u32,
}

impl Head<'_> {
    fn dts(&self) -> Option<i64> {
        Some(self.next?.sample.dts.saturating_add(self.track.edit.offset))
    }

    fn take(&mut self) -> Option<(usize, Located)> {
        let taken = self.next?;
        self.next = self.rest.next().filter(|located| located.number < self.end);
        Some((self.lane, taken))
    }
}

impl Iterator for InOrder<'_> {
    type Item = (usize, Located);

    fn next(&mut self) -> Option<(usize, Located)> {
        if std::mem::take(&mut self.first)
            && let Some(taken) = self.heads.first_mut().and_then(Head::take)
        {
            return Some(taken);
        }
        let with_time = self
            .heads
            .iter()
            .enumerate()
            .filter_map(|(at, head)| Some((at, head.dts()?, head.track.timescale)));
        let earliest =
            with_time.min_by(|(_, a, a_scale), (_, b, b_scale)| a_scale.compare(*a, *b_scale, *b))?;
        self.heads[earliest.0].take()
    }
}
