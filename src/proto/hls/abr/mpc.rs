//! RobustMPC: of all plans for the next segments the best one by the linear formula of quality of experience, with a throughput that is taken lower the worse past predictions were.
//!
//! The prediction is the harmonic mean of the last five downloads, divided by one plus the largest relative error of the last five predictions (SIGCOMM 2015, section 5.2). A plan is worth the rates of its segments, less
//! what their changes and the stalls cost; a second of stalls costs as much as the highest rate for a second is worth. All plans are looked at, but for those that cannot become the best any more.

use std::collections::VecDeque;

use super::{Abr, Average, Choice, Download, Kbps, Ladder, Ms, Quality, Situation, Window};

/// So many segments are planned.
const HORIZON: usize = 5;

/// So many downloads, and predictions, are remembered.
const MEMORY: usize = 5;

/// The algorithm.
#[derive(Clone, Debug)]
pub struct RobustMpc {
    rates: Vec<Kbps>,
    segment: Ms,
    buffer: Ms,
    window: Window,
    /// What was predicted for the next download.
    predicted: Option<Kbps>,
    errors: VecDeque<f64>,
    last: Quality,
}

impl RobustMpc {
    /// For a buffer of at most so many milliseconds.
    #[must_use]
    pub fn new(ladder: &Ladder, buffer: Ms) -> Self {
        Self {
            rates: ladder.rates().to_vec(),
            segment: ladder.segment(),
            buffer,
            window: Window::new(MEMORY),
            predicted: None,
            errors: VecDeque::new(),
            last: 0,
        }
    }
}

impl Abr for RobustMpc {
    fn choose(&mut self, now: &Situation<'_>) -> Choice {
        let Some(estimate) = self.window.estimate() else { return Choice::now(self.last) };
        self.predicted = Some(estimate.throughput);
        let worst = self.errors.iter().copied().fold(0.0, f64::max);
        let left = now.left.unwrap_or(HORIZON).min(HORIZON);
        let mut search = Search {
            mpc: self,
            now,
            throughput: estimate.throughput / (1.0 + worst),
            latency: estimate.latency,
            depth: left,
            best: (f64::NEG_INFINITY, 0),
        };
        search.begin();
        search.plan(0, now.level, self.last, 0.0, 0);
        Choice::now(search.best.1)
    }

    fn downloaded(&mut self, download: &Download, _: Ms) {
        let progress = &download.progress;
        let time = progress.time - progress.to_first_bit;
        if download.abandoned_for.is_some() || time <= 0.0 || progress.downloaded <= 0.0 {
            return;
        }
        let throughput = progress.downloaded / time;
        if let Some(predicted) = self.predicted.take() {
            if self.errors.len() == MEMORY {
                self.errors.pop_front();
            }
            self.errors.push_back((predicted - throughput).abs() / throughput);
        }
        self.window.push(time, throughput, progress.to_first_bit);
        self.last = progress.quality;
    }
}

/// The search for the best plan.
struct Search<'a> {
    mpc: &'a RobustMpc,
    now: &'a Situation<'a>,
    throughput: Kbps,
    latency: Ms,
    depth: usize,
    /// What the best plan is worth, and how it begins.
    best: (f64, Quality),
}

impl Search<'_> {
    fn size(&self, step: usize, quality: Quality) -> f64 {
        let known = self.now.sizes.get(step).and_then(|sizes| sizes.get(quality));
        known.copied().unwrap_or(self.mpc.rates[quality] * self.mpc.segment)
    }

    /// Begins with a plan without a change of quality: it is good, so that most others are seen to be worse early.
    fn begin(&mut self) {
        let quality = self.mpc.last;
        let (mut level, mut gained) = (self.now.level, 0.0);
        for step in 0..self.depth {
            (level, gained) = self.step(step, level, quality, quality, gained);
        }
        // A little less, so that a plan that is worth the same is found again.
        self.best = (gained - gained.abs() * 1e-9 - 1e-9, quality);
    }

    /// The level behind a segment of a quality, and what has been gained with it, behind one of another quality.
    fn step(&self, step: usize, level: Ms, last: Quality, quality: Quality, gained: f64) -> (Ms, f64) {
        let RobustMpc { rates, segment, buffer, .. } = self.mpc;
        let rate = rates[quality];
        let time = self.latency + self.size(step, quality) / self.throughput;
        let stall = (time - level).max(0.0);
        let most = rates[rates.len() - 1];
        let gained = gained + rate - (rate - rates[last]).abs() - most * stall / segment;
        (((level - time).max(0.0) + segment).min(*buffer), gained)
    }

    /// Looks at all plans that go on from here: at a level, behind a quality, with what has been gained so far.
    fn plan(&mut self, step: usize, level: Ms, last: Quality, gained: f64, first: Quality) {
        if step == self.depth {
            if gained > self.best.0 {
                self.best = (gained, first);
            }
            return;
        }
        let top = self.mpc.rates.len() - 1;
        let most = self.mpc.rates[top];
        // Of plans that are worth the same, the one with the higher qualities is taken, as in the simulator of Pensieve.
        for quality in (0..=top).rev() {
            let rate = self.mpc.rates[quality];
            let (level, gained) = self.step(step, level, last, quality, gained);
            // At best the highest rate from here on, which costs the change to it.
            let left = (self.depth - step - 1) as f64;
            let rest = if left > 0.0 { most * left - (most - rate) } else { 0.0 };
            if gained + rest <= self.best.0 {
                continue;
            }
            self.plan(step + 1, level, quality, gained, if step == 0 { quality } else { first });
        }
    }
}
