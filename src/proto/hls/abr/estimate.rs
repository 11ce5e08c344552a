//! What the network is expected to do, from what it did.

use std::collections::VecDeque;

use super::{Kbps, Ms};

/// What is expected of the next download.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The rate at which it comes, once it comes.
    pub throughput: Kbps,
    /// How long it takes until its first bit comes.
    pub latency: Ms,
}

/// An average of past downloads.
pub trait Average: std::fmt::Debug + Send {
    /// A download took `time` from its first bit to its last, at this throughput, after this latency.
    fn push(&mut self, time: Ms, throughput: Kbps, latency: Ms);

    /// What is expected now; nothing before the first download.
    fn estimate(&self) -> Option<Estimate>;
}

/// Exponentially weighted moving averages with two half-lives, of which the more careful one counts: dash.js's, and that of the MMSys 2018 figures.
///
/// Throughput is weighted by the time of a download, latency by requests. Both averages begin with nothing in them, which is divided out.
#[derive(Clone, Debug)]
pub struct Ewma {
    sides: [Side; 2],
    /// The time of all downloads.
    time: Ms,
    /// How many there were.
    count: f64,
}

/// One half-life.
#[derive(Clone, Copy, Debug)]
struct Side {
    half_life: Ms,
    /// In requests.
    latency_half_life: f64,
    throughput: Kbps,
    latency: Ms,
}

/// Half-lives as dash.js has them.
pub const HALF_LIVES: [Ms; 2] = [8000.0, 3000.0];

impl Ewma {
    /// Averages for segments of this duration, of which one is asked for at a time.
    #[must_use]
    pub fn new(half_lives: [Ms; 2], segment: Ms) -> Self {
        let side = |half_life| Side {
            half_life,
            latency_half_life: half_life / segment,
            throughput: 0.0,
            latency: 0.0,
        };
        Self { sides: half_lives.map(side), time: 0.0, count: 0.0 }
    }
}

impl Average for Ewma {
    fn push(&mut self, time: Ms, throughput: Kbps, latency: Ms) {
        for side in &mut self.sides {
            let alpha = 0.5_f64.powf(time / side.half_life);
            side.throughput = alpha * side.throughput + (1.0 - alpha) * throughput;
            let alpha = 0.5_f64.powf(1.0 / side.latency_half_life);
            side.latency = alpha * side.latency + (1.0 - alpha) * latency;
        }
        self.time += time;
        self.count += 1.0;
    }

    fn estimate(&self) -> Option<Estimate> {
        if self.count == 0.0 || self.time <= 0.0 {
            return None;
        }
        let [one, other] = self.sides.map(|side| Estimate {
            throughput: side.throughput / (1.0 - 0.5_f64.powf(self.time / side.half_life)),
            latency: side.latency / (1.0 - 0.5_f64.powf(self.count / side.latency_half_life)),
        });
        Some(Estimate {
            throughput: one.throughput.min(other.throughput),
            latency: one.latency.max(other.latency),
        })
    }
}

/// The harmonic mean of the last downloads: the mean over bits instead of over time, so that one fast download does not hide slow ones (FESTIVE, CoNEXT 2012).
#[derive(Clone, Debug)]
pub struct Window {
    /// Throughput and latency of each.
    last: VecDeque<(Kbps, Ms)>,
    length: usize,
}

impl Window {
    /// The mean of so many downloads, at least one.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self { last: VecDeque::new(), length: length.max(1) }
    }
}

impl Average for Window {
    fn push(&mut self, _: Ms, throughput: Kbps, latency: Ms) {
        if self.last.len() == self.length {
            self.last.pop_front();
        }
        self.last.push_back((throughput, latency));
    }

    fn estimate(&self) -> Option<Estimate> {
        if self.last.is_empty() {
            return None;
        }
        let count = self.last.len() as f64;
        let slowness: f64 = self.last.iter().map(|(throughput, _)| 1.0 / throughput).sum();
        let latency: f64 = self.last.iter().map(|(_, latency)| latency).sum();
        Some(Estimate { throughput: count / slowness, latency: latency / count })
    }
}
