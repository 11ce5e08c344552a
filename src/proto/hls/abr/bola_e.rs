//! BOLA-E: BOLA with a buffer that is larger than it is.
//!
//! BOLA takes an empty buffer for a bad network, which at the start, after a seek and behind a live edge it is not. So a placeholder is added to the level: as much as makes the algorithm choose what the
//! throughput allows. It grows by the time for which nothing was asked, and goes when the buffer itself is large enough (MMSys 2018, section 4.2). An insufficient-buffer rule keeps the quality below what can
//! arrive in time.

use super::bola::highest;
use super::throughput::LowBuffer;
use super::{Abr, Bits, Choice, Download, Ladder, Ms, Progress, Quality, Situation, Swings};

/// Below this level the lowest quality is chosen.
const LEAST_BUFFER: Ms = 10_000.0;

/// For each quality the algorithm has so much more room to choose in, even if the buffer has not.
const BUFFER_A_QUALITY: Ms = 2_000.0;

/// The algorithm.
#[derive(Clone, Debug)]
pub struct BolaE {
    utilities: Vec<f64>,
    gamma: f64,
    v: Ms,
    rates: Vec<f64>,
    placeholder: Ms,
    last: Quality,
    /// What the insufficient-buffer rule trusts; nothing before the throughput was known.
    low: Option<LowBuffer>,
    /// Whether a quality may be one above what the network carries (BOLA-U instead of BOLA-O).
    swings: bool,
    segment: Ms,
}

impl BolaE {
    /// For a buffer of at most so many milliseconds.
    #[must_use]
    pub fn new(ladder: &Ladder, buffer: Ms, swings: Swings) -> Self {
        let utilities = ladder.utilities(1.0);
        let room = (LEAST_BUFFER + BUFFER_A_QUALITY * ladder.rates().len() as f64).max(buffer);
        let gamma = (utilities[ladder.top()] - 1.0) / (room / LEAST_BUFFER - 1.0);
        Self {
            // A ladder of one rendition has nothing to weigh.
            v: if gamma > 0.0 { LEAST_BUFFER / gamma } else { 0.0 },
            gamma,
            utilities,
            rates: ladder.rates().to_vec(),
            placeholder: 0.0,
            last: 0,
            low: None,
            swings: swings == Swings::Allowed,
            segment: ladder.segment(),
        }
    }

    /// The quality of the highest score at this level.
    fn best(&self, level: Ms) -> Quality {
        highest(self.rates.len() - 1, |quality| {
            (self.v * (self.utilities[quality] + self.gamma) - level) / self.rates[quality]
        })
    }

    /// From which level on a quality is preferred to all lower ones.
    fn least_level(&self, quality: Quality) -> Ms {
        let (rate, utility) = (self.rates[quality], self.utilities[quality]);
        let below = self.rates.iter().zip(&self.utilities).take(quality);
        let level = |(other, worth): (&f64, &f64)| {
            self.v * (self.gamma + (rate * worth - other * utility) / (rate - other))
        };
        below.map(level).fold(0.0, f64::max)
    }

    /// The level at which a segment of a quality is worth nothing any more.
    fn most_level(&self, quality: Quality) -> Ms {
        self.v * (self.utilities[quality] + self.gamma)
    }

    /// The first decision with a known throughput: what it carries, and the placeholder that makes BOLA think so.
    fn begin(&mut self, now: &Situation<'_>, estimate: super::Estimate) -> Choice {
        self.low = Some(LowBuffer::new());
        let quality = now.ladder.sustained_by(estimate, 1.0);
        self.placeholder = (self.least_level(quality) - now.level).max(0.0);
        Choice::now(quality)
    }

    /// How long to wait until the level is no higher than the quality needs. The placeholder goes first.
    fn wait(&mut self, quality: Quality, level: Ms) -> Ms {
        let excess = level + self.placeholder - self.most_level(quality);
        if excess <= 0.0 {
            return 0.0;
        }
        let taken = excess.min(self.placeholder);
        self.placeholder -= taken;
        excess - taken
    }
}

impl Abr for BolaE {
    fn choose(&mut self, now: &Situation<'_>) -> Choice {
        let Some(estimate) = now.estimate else { return Choice::now(self.last) };
        let Some(mut low) = self.low else { return self.begin(now, estimate) };

        let mut quality = self.best(now.level + self.placeholder);
        let carried = now.ladder.sustained_by(estimate, 1.0);
        if quality > self.last && quality > carried {
            quality = self.last.max(carried) + usize::from(self.swings);
        }
        let mut delay = self.wait(quality, now.level);
        if quality == now.ladder.top() {
            delay = 0.0;
        }
        if let Some(lower) = low.limit(quality, now) {
            (quality, delay) = (lower, 0.0);
            let most = (self.least_level(lower) - now.level).max(0.0);
            self.placeholder = self.placeholder.min(most);
        }
        self.low = Some(low);
        Choice { quality, delay }
    }

    fn waited(&mut self, time: Ms) {
        self.placeholder += time;
    }

    fn downloaded(&mut self, download: &Download, level: Ms) {
        let quality = download.progress.quality;
        self.last = quality;
        match download.abandoned_for {
            None if download.replacement => self.placeholder += self.segment,
            None => {
                let before = level + download.progress.time;
                self.placeholder = self.placeholder.min((self.most_level(quality) - before).max(0.0));
                // An empty buffer is not to be talked up.
                if level > 0.0 {
                    self.placeholder = self.placeholder.max(self.least_level(quality) - before);
                }
            }
            Some(_) if download.replacement => {}
            Some(lower) => {
                let wanted = if lower > 0 { self.least_level(lower) } else { LEAST_BUFFER };
                self.placeholder = self.placeholder.min((wanted - level).max(0.0));
            }
        }
    }

    fn abandon(&mut self, now: &Situation<'_>, progress: &Progress) -> Option<Quality> {
        let loading = progress.time - progress.to_first_bit;
        if progress.downloaded <= 0.0 || progress.downloaded >= progress.size || loading <= 0.0 {
            return None;
        }
        // Another request takes its latency, during which this one would go on.
        let level = (now.level + self.placeholder - progress.to_first_bit).max(0.0);
        let throughput = progress.downloaded / loading;
        let left: Bits = progress.size - progress.downloaded - progress.to_first_bit * throughput;
        if left <= 0.0 {
            return None;
        }
        let worth = |quality: Quality| self.v * (self.gamma + self.utilities[quality]) - level;
        let mut score = worth(progress.quality) / left;
        let mut better = None;
        for quality in 0..progress.quality {
            let size = progress.size * self.rates[quality] / self.rates[progress.quality];
            if size < left && worth(quality) / size > score {
                score = worth(quality) / size;
                better = Some(quality);
            }
        }
        better
    }

    fn sought(&mut self, _: usize) {
        self.low = None;
    }
}
