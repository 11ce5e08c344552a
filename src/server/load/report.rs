//! What reports have in common: quantiles and a histogram of latencies, errors, and numbers for people. In JSON times are in seconds.

use std::fmt::{self, Formatter};

use serde::Serialize;

use super::faults::Faults;
use crate::net::times::Times;

/// Width of the names of rows, and of each column.
const NAME: usize = 13;
const COLUMN: usize = 12;

/// Width of the longest bar of a histogram.
const BAR: u64 = 40;

/// Quantiles, in seconds.
#[derive(Debug, Serialize)]
pub(in crate::server) struct Percentiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Percentiles {
    /// Those of `times`; `None` when there are none.
    pub(in crate::server) fn of(times: &Times) -> Option<Self> {
        let at = |part| times.quantile(part).map(|time| time.as_secs_f64());
        Some(Self { p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)?, p999: at(0.999)?, max: at(1.0)? })
    }

    /// As columns of a row.
    pub(in crate::server) fn columns(&self) -> Vec<(&'static str, String)> {
        let columns = [
            ("50%", self.p50),
            ("90%", self.p90),
            ("99%", self.p99),
            ("99.9%", self.p999),
            ("max", self.max),
        ];
        columns.map(|(name, seconds)| (name, time(seconds))).into()
    }
}

/// A row of a histogram: so many took no longer than this, and longer than the row before says.
#[derive(Debug, Serialize)]
pub(in crate::server) struct Bucket {
    up_to: f64,
    count: u64,
}

/// The histogram of `times`, by steps of 1, 2 and 5.
pub(in crate::server) fn buckets(times: &Times) -> Vec<Bucket> {
    let rows = times.histogram().into_iter();
    rows.map(|(up_to, count)| Bucket { up_to: up_to.as_secs_f64(), count }).collect()
}

/// Writes a histogram with bars, and an empty line.
pub(in crate::server) fn bars(f: &mut Formatter<'_>, buckets: &[Bucket]) -> fmt::Result {
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or_default().max(1);
    for bucket in buckets {
        let width = (u128::from(bucket.count) * u128::from(BAR)).div_ceil(most.into());
        let bar = "#".repeat(usize::try_from(width).unwrap_or_default());
        let line = format!("{:>NAME$}{:>COLUMN$}  {bar}", time(bucket.up_to), count(bucket.count));
        writeln!(f, "{}", line.trim_end())?;
    }
    if buckets.is_empty() { Ok(()) } else { writeln!(f) }
}

/// Something that went wrong.
#[derive(Debug, Serialize)]
pub(in crate::server) struct Errors {
    count: u64,
    what: String,
}

/// Each kind of what went wrong.
pub(in crate::server) fn errors(faults: &Faults) -> Vec<Errors> {
    faults.iter().map(|(what, count)| Errors { count, what: what.to_owned() }).collect()
}

/// Writes what went wrong, or that nothing did.
pub(in crate::server) fn write_errors(f: &mut Formatter<'_>, errors: &[Errors]) -> fmt::Result {
    if errors.is_empty() {
        return writeln!(f, "errors: none");
    }
    writeln!(f, "errors:")?;
    errors.iter().try_for_each(|error| writeln!(f, "{:>NAME$}  {}", count(error.count), error.what))
}

/// How many there were a second.
pub(in crate::server) fn a_second(n: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { n as f64 / seconds } else { 0.0 }
}

/// Two lines: what the columns are, and what is in them.
pub(in crate::server) fn row(f: &mut Formatter<'_>, name: &str, columns: &[(&str, String)]) -> fmt::Result {
    write!(f, "{name:<NAME$}")?;
    columns.iter().try_for_each(|(head, _)| write!(f, "{head:>COLUMN$}"))?;
    write!(f, "\n{:NAME$}", "")?;
    columns.iter().try_for_each(|(_, value)| write!(f, "{value:>COLUMN$}"))?;
    writeln!(f, "\n")
}

/// `1234567` as `1,234,567`.
pub(in crate::server) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whole numbers, unless there are few.
pub(in crate::server) fn rate(a_second: f64) -> String {
    if a_second < 100.0 { format!("{a_second:.1}") } else { count(a_second.round() as u64) }
}

/// Three digits and a unit.
pub(in crate::server) fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        0.0 => return "0 s".into(),
        seconds if seconds < 1e-3 => (seconds * 1e6, "us"),
        seconds if seconds < 1.0 => (seconds * 1e3, "ms"),
        seconds => (seconds, "s"),
    };
    let decimals = match value {
        value if value < 10.0 => 2,
        value if value < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_for_people() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
        for (seconds, text) in [
            (0.0, "0 s"),
            (4.2e-7, "0.42 us"),
            (1.234e-5, "12.3 us"),
            (0.5, "500 ms"),
            (1.0, "1.00 s"),
            (600.0, "600 s"),
        ] {
            assert_eq!(time(seconds), text);
        }
        assert_eq!((rate(0.55), rate(99.94), rate(100.4)), ("0.6".into(), "99.9".into(), "100".into()));
    }

    /// What `bars` writes.
    struct Bars(Vec<Bucket>);

    impl fmt::Display for Bars {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            bars(f, &self.0)
        }
    }

    #[test]
    fn a_histogram_has_bars() {
        let mut times = Times::exact_to(3);
        assert_eq!(Bars(buckets(&times)).to_string(), "");
        for (micros, count) in [(90, 1), (180, 100), (450, 50), (1_900, 2)] {
            (0..count).for_each(|_| times.record(Duration::from_micros(micros)));
        }
        let expected = [
            "       100 us           1  #",
            "       200 us         100  ########################################",
            "       500 us          50  ####################",
            "      1.00 ms           0",
            "      2.00 ms           2  #",
            "",
            "",
        ]
        .join("\n");
        assert_eq!(Bars(buckets(&times)).to_string(), expected);
    }
}
