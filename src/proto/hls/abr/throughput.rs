//! The throughput rule of dash.js: the highest quality below nine tenths of what the network is expected to carry.

use super::{Abr, Choice, Ms, Progress, Quality, Situation};

/// How much of the estimated throughput is trusted.
pub(super) const SAFETY: f64 = 0.9;

/// The insufficient-buffer rule trusts so much of the throughput at first, and so much less with each segment...
const LOW_BUFFER_FIRST: f64 = 0.9;

/// ...down to this.
const LOW_BUFFER_LEAST: f64 = 0.5;

/// A download is looked at when it has taken so long.
const GRACE: Ms = 500.0;

/// It is given up when it would take more than so many times its duration.
const TOO_LONG: f64 = 1.8;

/// The insufficient-buffer rule of dash.js: a segment must be likely to arrive before the buffer is empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct LowBuffer {
    share: f64,
}

impl LowBuffer {
    pub(super) fn new() -> Self {
        Self { share: LOW_BUFFER_FIRST }
    }

    /// The first quality of those below `quality` whose next one would be too large, if there is one.
    pub(super) fn limit(&mut self, quality: Quality, now: &Situation<'_>) -> Option<Quality> {
        let estimate = now.estimate?;
        let safe = self.share * (now.level - estimate.latency) * estimate.throughput;
        self.share = (self.share * LOW_BUFFER_FIRST).max(LOW_BUFFER_LEAST);
        (0..quality).find(|&lower| now.ladder.rate(lower + 1) * now.ladder.segment() > safe)
    }
}

/// The rule.
#[derive(Clone, Debug)]
pub struct Throughput {
    low: LowBuffer,
}

impl Throughput {
    /// The rule with nothing learned.
    #[must_use]
    pub fn new() -> Self {
        Self { low: LowBuffer::new() }
    }
}

impl Default for Throughput {
    fn default() -> Self {
        Self::new()
    }
}

impl Abr for Throughput {
    fn choose(&mut self, now: &Situation<'_>) -> Choice {
        let Some(estimate) = now.estimate else { return Choice::now(self.first()) };
        let quality = now.ladder.sustained_by(estimate, SAFETY);
        Choice::now(self.low.limit(quality, now).unwrap_or(quality))
    }

    fn abandon(&mut self, now: &Situation<'_>, progress: &Progress) -> Option<Quality> {
        let loading = progress.time - progress.to_first_bit;
        if progress.time < GRACE || loading <= 0.0 {
            return None;
        }
        let throughput = progress.downloaded / loading;
        let left = progress.size - progress.downloaded;
        let ladder = now.ladder;
        if progress.time + left / throughput <= TOO_LONG * ladder.segment() {
            return None;
        }
        let latency = now.estimate.map_or(progress.to_first_bit, |estimate| estimate.latency);
        let quality = ladder.sustained(throughput * SAFETY, latency);
        let size = progress.size * ladder.rate(quality) / ladder.rate(progress.quality);
        (quality < progress.quality && size < left).then_some(quality)
    }
}
