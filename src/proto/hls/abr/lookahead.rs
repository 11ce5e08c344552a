//! Our default: the quality that does best in the average over what the network may do next.
//!
//! Throughput, as a logarithm, is taken to be where the last download saw it, and to go back from there to the mean of the session, the slower the longer [`Parameters::revert`] is; how far it strays on the way is
//! learned from how far it was from the mean before (an Ornstein-Uhlenbeck process). For five of its quantiles (Gauss-Hermite) plans are played through in thought: the next segment in one quality, those behind it in
//! another. A plan is worth the utilities of its segments, which are logarithms of rates, less stalls and changes of quality, plus what the buffer that it leaves is worth. The quality with which the best plan begins is chosen.
//!
//! So it has BOLA's utility, MPC's way of planning, and a distribution where RobustMPC has a bound: it dares more on a steady network, and less on one that is not. `docs/abr.md` compares it with the others, and says on which traces
//! its parameters were chosen.

use super::{Abr, Choice, Download, Ladder, Ms, Progress, Quality, Situation};

/// The parameters, chosen by a search on the traces that `docs/abr.md` names.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// How many segments a plan has.
    pub horizon: usize,
    /// What a second of stalls costs, in utilities of a second.
    pub stall: f64,
    /// What a change of the utility by 1 costs, in utilities of a segment.
    pub change: f64,
    /// What a full buffer is worth at the end of a plan, in utilities of a segment; half as full, three quarters of it.
    pub reserve: f64,
    /// After which time half of what the present is away from the mean is gone.
    pub revert: Ms,
    /// How far the present is away from the mean at first, in logarithms (standard deviation).
    pub doubt: f64,
    /// How far it is at least taken to be.
    pub least_doubt: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            horizon: 12,
            stall: 3.2,
            change: 0.44,
            reserve: 9.3,
            revert: 86_000.0,
            doubt: 1.2,
            least_doubt: 0.035,
        }
    }
}

/// Quantiles of the normal distribution, in standard deviations, and what each stands for: Gauss-Hermite with five points, the heaviest first.
const QUANTILES: [(f64, f64); 5] =
    [(0.0, 0.533_333), (-1.3556, 0.222_076), (1.3556, 0.222_076), (-2.857, 0.011_257), (2.857, 0.011_257)];

/// What is known of the network. Throughput is in logarithms.
#[derive(Clone, Debug, Default)]
struct Model {
    throughput: Mean,
    /// What the last download saw.
    present: f64,
    /// The square of how far downloads were from the mean.
    variance: Mean,
    latency: Mean,
}

/// A mean over the time of downloads.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: f64,
    time: Ms,
}

impl Mean {
    fn push(&mut self, value: f64, time: Ms) {
        self.sum += value * time;
        self.time += time;
    }

    fn get(&self) -> f64 {
        self.sum / self.time
    }
}

impl Model {
    /// Nothing is known but how far downloads stray: as if that had been seen for a while.
    fn new(doubt: f64) -> Self {
        let mut model = Self::default();
        model.variance.push(doubt * doubt, DOUBTED);
        model
    }

    /// A download has ended.
    fn push(&mut self, progress: &Progress) {
        let time = progress.time - progress.to_first_bit;
        if time <= 0.0 || progress.downloaded <= 0.0 {
            return;
        }
        self.present = (progress.downloaded / time).ln();
        if self.throughput.time > 0.0 {
            let away = self.present - self.throughput.get();
            self.variance.push(away * away, time);
        }
        self.throughput.push(self.present, time);
        self.latency.push(progress.to_first_bit, time);
    }

    /// Whether there was a download.
    fn knows(&self) -> bool {
        self.throughput.time > 0.0
    }
}

/// How long the doubt at the beginning counts: as long as so much of downloads.
const DOUBTED: Ms = 10_000.0;

/// The algorithm.
#[derive(Clone, Debug)]
pub struct Lookahead {
    parameters: Parameters,
    utilities: Vec<f64>,
    buffer: Ms,
    last: Quality,
    model: Model,
}

/// A future in thought.
struct Future<'a> {
    now: &'a Situation<'a>,
    /// The throughput of each step.
    throughput: [f64; MOST_STEPS],
    latency: Ms,
}

const MOST_STEPS: usize = 16;

impl Lookahead {
    /// For a buffer of at most so many milliseconds.
    #[must_use]
    pub fn new(ladder: &Ladder, buffer: Ms) -> Self {
        Self::with(ladder, buffer, Parameters::default())
    }

    /// With other parameters.
    #[must_use]
    pub fn with(ladder: &Ladder, buffer: Ms, parameters: Parameters) -> Self {
        let model = Model::new(parameters.doubt);
        Self { utilities: ladder.utilities(0.0), buffer, last: 0, model, parameters }
    }

    /// What a plan is worth in a future: the next segment in one quality, the others in another.
    fn worth(&self, future: &Future<'_>, first: Quality, then: Quality, steps: usize) -> f64 {
        let segment = future.now.ladder.segment();
        let (mut level, mut stalled) = (future.now.level, 0.0);
        for step in 0..steps {
            // A segment is asked for when there is room for it.
            level = level.min(self.buffer - segment);
            let quality = if step == 0 { first } else { then };
            let time = future.latency + future.size(step, quality) / future.throughput[step];
            stalled += (time - level).max(0.0);
            level = (level - time).max(0.0) + segment;
        }
        let Parameters { stall, reserve, .. } = self.parameters;
        let share = 1.0 - (level / self.buffer).min(1.0);
        self.utilities[first] + self.utilities[then] * (steps - 1) as f64 - stall * stalled / segment
            + reserve * (1.0 - share * share)
    }

    /// What a plan is worth in the average over the futures, less the changes of quality; or less than `enough`, if it is clear that it is not worth as much.
    fn mean(
        &self,
        futures: &[(Future<'_>, f64); 5],
        first: Quality,
        then: Quality,
        steps: usize,
        enough: f64,
    ) -> f64 {
        // Without stalls, and with a full buffer in the end.
        let most =
            self.utilities[first] + self.utilities[then] * (steps - 1) as f64 + self.parameters.reserve;
        let mut worth = most - self.cost(first, then);
        for (future, weight) in futures {
            if worth <= enough {
                break;
            }
            worth -= weight * (most - self.worth(future, first, then, steps));
        }
        worth
    }

    /// What changes of quality cost.
    fn cost(&self, first: Quality, then: Quality) -> f64 {
        let change = |one: Quality, other: Quality| (self.utilities[one] - self.utilities[other]).abs();
        self.parameters.change * (change(self.last, first) + change(first, then))
    }
}

impl Future<'_> {
    fn size(&self, step: usize, quality: Quality) -> f64 {
        let known = self.now.sizes.get(step).and_then(|sizes| sizes.get(quality));
        known.copied().unwrap_or_else(|| self.now.ladder.rate(quality) * self.now.ladder.segment())
    }
}

impl Abr for Lookahead {
    fn choose(&mut self, now: &Situation<'_>) -> Choice {
        if !self.model.knows() {
            return Choice::now(self.last);
        }
        let steps = now.left.unwrap_or(usize::MAX).clamp(1, self.parameters.horizon);
        let (mean, present) = (self.model.throughput.get(), self.model.present);
        let deviation = self.model.variance.get().sqrt().max(self.parameters.least_doubt);
        let keep = 0.5_f64.powf(now.ladder.segment() / self.parameters.revert);
        let futures = QUANTILES.map(|(quantile, weight)| {
            let mut kept = 1.0;
            let throughput = std::array::from_fn(|_| {
                kept *= keep;
                let width = deviation * (1.0 - kept * kept).sqrt();
                (mean + (present - mean) * kept + quantile * width).exp()
            });
            (Future { now, throughput, latency: self.model.latency.get() }, weight)
        });
        let mut best = (f64::NEG_INFINITY, 0);
        // Those that are chosen most often come first, so that most others are seen to be worse before they are played through.
        let top = now.ladder.top();
        for first in (0..=top).map(|away| (self.last + away) % (top + 1)) {
            for then in (0..=top).map(|away| (first + away) % (top + 1)) {
                let worth = self.mean(&futures, first, then, steps, best.0);
                if worth > best.0 {
                    best = (worth, first);
                }
            }
        }
        Choice::now(best.1)
    }

    fn downloaded(&mut self, download: &Download, _: Ms) {
        self.model.push(&download.progress);
        if download.abandoned_for.is_none() {
            self.last = download.progress.quality;
        }
    }

    /// Gives a download up when loading a lower quality anew is worth more than going on, at the rate at which it comes.
    fn abandon(&mut self, now: &Situation<'_>, progress: &Progress) -> Option<Quality> {
        let loading = progress.time - progress.to_first_bit;
        if progress.time < LOOK || loading <= 0.0 || progress.quality == 0 {
            return None;
        }
        let throughput = progress.downloaded / loading;
        let left = progress.size - progress.downloaded;
        let segment = now.ladder.segment();
        let stall = |time: Ms| self.parameters.stall * (time - now.level).max(0.0) / segment;
        let going_on = self.utilities[progress.quality] - stall(left / throughput);
        let lower = (0..progress.quality).rev().filter_map(|quality| {
            let size = progress.size * now.ladder.rate(quality) / now.ladder.rate(progress.quality);
            let time = progress.to_first_bit + size / throughput;
            (size < left).then(|| (quality, self.utilities[quality] - stall(time)))
        });
        let best = lower.max_by(|one, other| one.1.total_cmp(&other.1))?;
        (best.1 > going_on).then_some(best.0)
    }
}

/// A download is not looked at before it has taken so long.
const LOOK: Ms = 500.0;
