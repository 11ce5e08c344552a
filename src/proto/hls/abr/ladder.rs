//! The qualities there are: rates, and how long a segment is.

use super::{Estimate, Kbps, Ms, Quality};

/// The renditions of a stream in the order of their rates.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    segment: Ms,
    rates: Vec<Kbps>,
}

/// Why there is no such ladder.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LadderError {
    /// There has to be a rendition.
    #[error("there is no rendition")]
    Empty,
    /// Segments take time.
    #[error("segments of {0} ms")]
    Segment(Ms),
    /// Rates are positive.
    #[error("a rate of {0} kb/s")]
    Rate(Kbps),
    /// Rates ascend.
    #[error("a rate of {1} kb/s behind one of {0} kb/s")]
    Order(Kbps, Kbps),
}

impl Ladder {
    /// Renditions of these rates, each higher than the one before, in segments of about this duration.
    ///
    /// # Errors
    /// Something is not positive, not a number, or not in order.
    pub fn new(segment: Ms, rates: Vec<Kbps>) -> Result<Self, LadderError> {
        if !(segment > 0.0 && segment.is_finite()) {
            return Err(LadderError::Segment(segment));
        }
        if rates.is_empty() {
            return Err(LadderError::Empty);
        }
        if let Some(&wrong) = rates.iter().find(|rate| !(**rate > 0.0 && rate.is_finite())) {
            return Err(LadderError::Rate(wrong));
        }
        match rates.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(LadderError::Order(pair[0], pair[1])),
            None => Ok(Self { segment, rates }),
        }
    }

    /// About how long a segment is.
    #[must_use]
    pub fn segment(&self) -> Ms {
        self.segment
    }

    /// The rates, ascending; there is at least one.
    #[must_use]
    pub fn rates(&self) -> &[Kbps] {
        &self.rates
    }

    /// The highest quality.
    #[must_use]
    pub fn top(&self) -> Quality {
        self.rates.len() - 1
    }

    /// The rate of a quality; that of the highest one if there is no such.
    #[must_use]
    pub fn rate(&self, quality: Quality) -> Kbps {
        self.rates[quality.min(self.top())]
    }

    /// The utility of each quality: the logarithm of its rate, so that twice the rate is worth the same everywhere, and `least` for the lowest.
    #[must_use]
    pub fn utilities(&self, least: f64) -> Vec<f64> {
        let offset = least - self.rates[0].ln();
        self.rates.iter().map(|rate| rate.ln() + offset).collect()
    }

    /// The highest quality of which a segment arrives in the time it takes to play, after the latency of its request.
    #[must_use]
    pub fn sustained(&self, throughput: Kbps, latency: Ms) -> Quality {
        let segment = self.segment;
        let above = self.rates[1..].iter();
        above.take_while(|rate| latency + segment * **rate / throughput <= segment).count()
    }

    /// As [`sustained`](Self::sustained), by an estimate of which only a share is trusted.
    #[must_use]
    pub fn sustained_by(&self, estimate: Estimate, share: f64) -> Quality {
        self.sustained(estimate.throughput * share, estimate.latency)
    }
}
