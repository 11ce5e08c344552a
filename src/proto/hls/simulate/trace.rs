//! Traces of networks: what they carried when.
//!
//! Three forms are read, and told apart by what they look like:
//!
//! - JSON, a list of `{"duration_ms": 1000, "bandwidth_kbps": 3000, "latency_ms": 80}`, as Sabre has it;
//! - two columns, seconds and Mb/s: from that time on the network carries so much (Pensieve, MPC and the Puffer sets). The times may begin anywhere;
//! - one column, milliseconds: at each of them a packet of 1500 bytes gets through (Mahimahi).
//!
//! Empty lines, and what follows `#`, are passed over in the columns. A trace begins again at its end.

use serde::Deserialize;

use crate::proto::hls::abr::{Kbps, Ms};

/// Periods in a trace at most.
const MOST_PERIODS: usize = 1 << 20;

/// The latency of a trace that has none of its own: what Pensieve's simulator assumes for a round trip.
pub const LATENCY: Ms = 80.0;

/// What Mahimahi's packets have.
const PACKET_BITS: f64 = 1500.0 * 8.0;

/// Mahimahi's packets are counted over so long.
const BIN: Ms = 500.0;

/// A time during which nothing changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// How long it is.
    pub time: Ms,
    /// What gets through.
    pub bandwidth: Kbps,
    /// How long a request takes until the first bit comes.
    pub latency: Ms,
}

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    periods: Vec<Period>,
}

/// Why there is no such trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It is not the JSON of a trace.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A line that is none.
    #[error("line {line}: {what}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A period that is none.
    #[error("period {period}: {what}")]
    Period {
        /// Which, from 1.
        period: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is nothing in it.
    #[error("the trace is empty")]
    Empty,
    /// Nothing gets through, ever.
    #[error("nothing gets through in this trace")]
    Silent,
    /// It has too many periods.
    #[error("more than {MOST_PERIODS} periods")]
    Long,
}

#[derive(Deserialize)]
struct Json {
    duration_ms: f64,
    bandwidth_kbps: f64,
    latency_ms: f64,
}

impl Trace {
    /// A trace of these periods.
    ///
    /// # Errors
    /// There is none, one is not longer than nothing, a figure is negative or not a number, or nothing gets through.
    pub fn new(periods: Vec<Period>) -> Result<Self, TraceError> {
        if periods.is_empty() {
            return Err(TraceError::Empty);
        }
        if periods.len() > MOST_PERIODS {
            return Err(TraceError::Long);
        }
        for (at, period) in periods.iter().enumerate() {
            period.check().map_err(|what| TraceError::Period { period: at + 1, what })?;
        }
        if periods.iter().all(|period| period.bandwidth <= 0.0) {
            return Err(TraceError::Silent);
        }
        Ok(Self { periods })
    }

    /// Reads any of the three forms; those without a latency get [`LATENCY`].
    ///
    /// # Errors
    /// It is none of them, and where that is seen.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let text = text.trim_start_matches('\u{feff}');
        if text.trim_start().starts_with(['[', '{']) {
            return Self::from_json(text);
        }
        let lines = || said(text);
        match lines().next() {
            None => Err(TraceError::Empty),
            Some((_, line)) if line.split_whitespace().nth(1).is_some() => Self::from_columns(lines()),
            Some(_) => Self::from_packets(lines()),
        }
    }

    fn from_json(text: &str) -> Result<Self, TraceError> {
        let list: Vec<Json> = serde_json::from_str(text)?;
        let period = |json: Json| Period {
            time: json.duration_ms,
            bandwidth: json.bandwidth_kbps,
            latency: json.latency_ms,
        };
        Self::new(list.into_iter().map(period).collect())
    }

    /// Two columns: a rate is valid until the next line's time, the last as long as the one before.
    fn from_columns<'t>(lines: impl Iterator<Item = (usize, &'t str)>) -> Result<Self, TraceError> {
        let mut periods: Vec<Period> = Vec::new();
        let mut last: Option<(f64, Kbps)> = None;
        for (line, text) in lines {
            let wrong = |what| TraceError::Line { line, what };
            let (time, rate) = two(text).ok_or(wrong("not two numbers: seconds and Mb/s"))?;
            if rate < 0.0 {
                return Err(wrong("a negative rate"));
            }
            if let Some((since, bandwidth)) = last.replace((time, rate * 1000.0)) {
                let time = (time - since) * 1000.0;
                if time <= 0.0 {
                    return Err(wrong("a time that is not after the one before"));
                }
                periods.push(Period { time, bandwidth, latency: LATENCY });
            }
            if periods.len() > MOST_PERIODS {
                return Err(TraceError::Long);
            }
        }
        let (_, bandwidth) = last.ok_or(TraceError::Empty)?;
        let time = periods.last().map_or(1000.0, |period| period.time);
        periods.push(Period { time, bandwidth, latency: LATENCY });
        Self::new(periods)
    }

    /// One column: packets are counted over [`BIN`].
    fn from_packets<'t>(lines: impl Iterator<Item = (usize, &'t str)>) -> Result<Self, TraceError> {
        let mut packets: Vec<f64> = Vec::new();
        let mut last = 0.0;
        for (line, text) in lines {
            let wrong = |what| TraceError::Line { line, what };
            let time: f64 =
                text.parse().ok().filter(|time: &f64| time.is_finite()).ok_or(wrong("not a number"))?;
            if time < last {
                return Err(wrong("a time that is before the one before"));
            }
            last = time;
            let bin = (time / BIN) as usize;
            if bin >= MOST_PERIODS {
                return Err(TraceError::Long);
            }
            packets.resize(packets.len().max(bin + 1), 0.0);
            packets[bin] += 1.0;
        }
        let period = |count| Period { time: BIN, bandwidth: count * PACKET_BITS / BIN, latency: LATENCY };
        Self::new(packets.into_iter().map(period).collect())
    }

    /// What it consists of; there is at least one.
    #[must_use]
    pub fn periods(&self) -> &[Period] {
        &self.periods
    }

    /// How long it is before it begins again.
    #[must_use]
    pub fn time(&self) -> Ms {
        self.periods.iter().map(|period| period.time).sum()
    }
}

impl Period {
    fn check(&self) -> Result<(), &'static str> {
        match self {
            Self { time, .. } if !(*time > 0.0 && time.is_finite()) => Err("its duration is not positive"),
            Self { bandwidth, .. } if !(*bandwidth >= 0.0 && bandwidth.is_finite()) => {
                Err("its bandwidth is negative or not a number")
            }
            Self { latency, .. } if !(*latency >= 0.0 && latency.is_finite()) => {
                Err("its latency is negative or not a number")
            }
            _ => Ok(()),
        }
    }
}

/// The lines that say something, with their numbers.
fn said(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.split('#').next().unwrap_or_default().trim()))
        .filter(|(_, line)| !line.is_empty())
}

/// Two finite numbers, and nothing else.
fn two(text: &str) -> Option<(f64, f64)> {
    let mut words = text.split_whitespace().map(|word| word.parse::<f64>().ok().filter(|n| n.is_finite()));
    let pair = (words.next()??, words.next()??);
    words.next().is_none().then_some(pair)
}
