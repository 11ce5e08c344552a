//! The algorithm of a player, and what it is told.

use std::collections::VecDeque;

use crate::proto::hls::abr::{
    Abr, Average, Bits, Choice, Download, Estimate, Ladder, LadderError, Ms, Progress, Quality, Replace,
    Situation,
};

use super::options::Options;
use super::playback::Span;

/// How many of the next segments an algorithm is told the sizes of.
const TOLD: usize = 16;

/// A body that came within this time tells nothing by how long it took: then the time of the whole request counts.
const TOO_SHORT: Ms = 1.0;

/// Chooses qualities.
#[derive(Debug)]
pub(super) struct Chooser {
    ladder: Ladder,
    abr: Box<dyn Abr>,
    average: Box<dyn Average>,
    replace: Option<Replace>,
    /// Segments that were asked for.
    index: usize,
}

impl Chooser {
    /// For levels of these rates, segments of about this duration, and a buffer of this size.
    pub(super) fn new(
        options: &Options,
        rates: Vec<f64>,
        segment: Ms,
        buffer: Ms,
    ) -> Result<Self, LadderError> {
        let ladder = Ladder::new(segment, rates)?;
        let buffer = buffer.max(2.0 * segment);
        Ok(Self {
            abr: options.algorithm.start(&ladder, buffer),
            average: options.algorithm.average(&ladder),
            replace: options.replace.map(Replace::new),
            ladder,
            index: 0,
        })
    }

    /// The levels as the algorithm knows them.
    pub(super) fn ladder(&self) -> &Ladder {
        &self.ladder
    }

    /// What the network is expected to do.
    pub(super) fn estimate(&self) -> Option<Estimate> {
        self.average.estimate()
    }

    /// The quality to begin with.
    pub(super) fn first(&self) -> Quality {
        self.abr.first().min(self.ladder.top())
    }

    /// The quality of the next segment. `left` segments are to come, if that is known, and `sizes` are those of each quality from the next segment on, where they are told.
    pub(super) fn choose(
        &mut self,
        level: Ms,
        left: Option<usize>,
        sizes: Vec<Box<dyn Iterator<Item = Option<Bits>> + '_>>,
        durations: Ms,
    ) -> Choice {
        if self.index == 0 {
            return Choice::now(self.first());
        }
        let sizes = rows(&self.ladder, sizes, durations);
        let now = Situation {
            ladder: &self.ladder,
            level,
            index: self.index,
            left,
            estimate: self.average.estimate(),
            sizes: &sizes,
        };
        let Choice { quality, delay } = self.abr.choose(&now);
        Choice { quality: quality.min(self.ladder.top()), delay: delay.max(0.0) }
    }

    /// The span that is to be loaded again in a better quality, if there is one.
    pub(super) fn replaced(&self, quality: Quality, spans: &VecDeque<Span>, position: Ms) -> Option<Span> {
        let replace = self.replace.as_ref()?;
        let begun = (position - spans.front()?.start).max(0.0);
        let qualities = spans.iter().map(|span| span.quality.unwrap_or(self.ladder.top())).collect();
        let from_end = replace.place(quality, &qualities, begun, self.ladder.segment())?;
        spans.get(spans.len().checked_sub(from_end)?).copied()
    }

    /// Whether a download is to be given up, and for which quality.
    pub(super) fn abandon(&mut self, level: Ms, progress: &Progress) -> Option<Quality> {
        let now = Situation {
            ladder: &self.ladder,
            level,
            index: self.index,
            left: None,
            estimate: self.average.estimate(),
            sizes: &[],
        };
        self.abr.abandon(&now, progress).map(|quality| quality.min(self.ladder.top()))
    }

    /// Nothing was asked for during this time.
    pub(super) fn waited(&mut self, time: Ms) {
        self.abr.waited(time);
    }

    /// A download has ended.
    pub(super) fn downloaded(&mut self, download: &Download, level: Ms) {
        self.abr.downloaded(download, level);
        if download.abandoned_for.is_some() {
            return;
        }
        let Progress { downloaded, time, to_first_bit, .. } = download.progress;
        if !download.replacement {
            self.index += 1;
        }
        let (time, latency) = match time - to_first_bit {
            loading if loading >= TOO_SHORT => (loading, to_first_bit),
            _ => (time, 0.0),
        };
        if time > 0.0 && downloaded > 0.0 {
            self.average.push(time, downloaded / time, latency);
        }
    }

    /// Playback goes on elsewhere.
    pub(super) fn sought(&mut self) {
        self.abr.sought(self.index);
    }
}

/// The sizes segment by segment, if any is told; those that are not are what the rate of their level makes of a segment.
fn rows(
    ladder: &Ladder,
    mut sizes: Vec<Box<dyn Iterator<Item = Option<Bits>> + '_>>,
    duration: Ms,
) -> Vec<Vec<Bits>> {
    let mut told = false;
    let mut rows = Vec::new();
    for _ in 0..TOLD {
        let row: Vec<Option<Bits>> = sizes.iter_mut().map(|sizes| sizes.next().flatten()).collect();
        told |= row.iter().any(Option::is_some);
        let sized =
            |(quality, size): (Quality, Option<Bits>)| size.unwrap_or(ladder.rate(quality) * duration);
        rows.push(row.into_iter().enumerate().map(sized).collect());
    }
    if told { rows } else { Vec::new() }
}
