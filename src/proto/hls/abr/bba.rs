//! BBA: the buffer alone says which rate to ask for.
//!
//! Below a reservoir it is the lowest rate, above a cushion the highest, and between them the map is a line; a rate is kept until the line reaches the next one (BBA-0, algorithm 1). At the start the buffer says nothing yet:
//! there a quality is added for each segment that comes much faster than it plays, until the buffer shrinks or the map asks for more (BBA-2, section 6).

use super::{Abr, Choice, Download, Ladder, Ms, Quality, Situation};

/// The reservoir, as a share of the buffer: 90 s of 240 s in the paper.
const RESERVOIR: f64 = 90.0 / 240.0;

/// Where the line ends, as a share of the buffer.
const FULL: f64 = 0.9;

/// With an empty buffer, a segment must have added so much of its own duration for a quality to be added...
const FAST_EMPTY: f64 = 0.875;

/// ...and so much of it with a full one.
const FAST_FULL: f64 = 0.5;

/// The algorithm.
#[derive(Clone, Debug)]
pub struct Bba {
    rates: Vec<f64>,
    segment: Ms,
    /// What the buffer holds before a segment is asked for.
    buffer: Ms,
    last: Quality,
    /// Whether it is still starting, and by how much the last segment made the buffer grow.
    starting: Option<Ms>,
}

impl Bba {
    /// For a buffer of at most so many milliseconds.
    #[must_use]
    pub fn new(ladder: &Ladder, buffer: Ms) -> Self {
        let segment = ladder.segment();
        Self {
            rates: ladder.rates().to_vec(),
            segment,
            buffer: (buffer - segment).max(segment),
            last: 0,
            starting: Some(0.0),
        }
    }

    /// The rate that the map has for a level.
    fn map(&self, level: Ms) -> f64 {
        let (reservoir, full) = (RESERVOIR * self.buffer, FULL * self.buffer);
        let share = ((level - reservoir) / (full - reservoir)).clamp(0.0, 1.0);
        self.rates[0] + share * (self.rates[self.rates.len() - 1] - self.rates[0])
    }

    /// The quality by the map: the last one until the line has reached one of its neighbours.
    fn mapped(&self, level: Ms) -> Quality {
        let top = self.rates.len() - 1;
        let rate = self.map(level);
        let up = self.rates[(self.last + 1).min(top)];
        let down = self.rates[self.last.saturating_sub(1)];
        if rate >= self.rates[top] {
            top
        } else if rate <= self.rates[0] {
            0
        } else if rate >= up {
            self.rates.iter().rposition(|other| *other < rate).unwrap_or(0)
        } else if rate <= down {
            self.rates.iter().position(|other| *other > rate).unwrap_or(top)
        } else {
            self.last
        }
    }
}

impl Abr for Bba {
    fn choose(&mut self, now: &Situation<'_>) -> Choice {
        let mapped = self.mapped(now.level);
        if let Some(growth) = self.starting {
            let share = (now.level / self.buffer).min(1.0);
            let fast = self.segment * (FAST_EMPTY + share * (FAST_FULL - FAST_EMPTY));
            let next = self.last + usize::from(growth > fast);
            if growth < 0.0 || mapped > next {
                self.starting = None;
            } else {
                return Choice::now(next.min(self.rates.len() - 1));
            }
        }
        Choice::now(mapped)
    }

    fn downloaded(&mut self, download: &Download, _: Ms) {
        self.last = download.progress.quality;
        if let Some(growth) = &mut self.starting {
            *growth = self.segment - download.progress.time;
        }
    }

    fn sought(&mut self, _: usize) {
        self.starting = Some(0.0);
    }
}
