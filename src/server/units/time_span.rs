//! Durations: `500ms`, `30s`, `1h30m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{UnitError, number};

/// A duration in whole milliseconds, written as numbers with their units: `ms`, `s`, `m`, `h`, `d`.
///
/// Larger units come first (`1h30m`). A bare `0` needs no unit; any other number does, because nobody agrees on a
/// default: nginx means seconds, HAProxy milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeSpan(pub Duration);

/// The units, the largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for TimeSpan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        millis(text)
            .map(|millis| Self(Duration::from_millis(millis)))
            .ok_or_else(|| UnitError::TimeSpan(text.into()))
    }
}

fn millis(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut units = &UNITS[..];
    let mut sum = 0_u64;
    while !rest.is_empty() || units.len() == UNITS.len() {
        let (count, after) = number(rest)?;
        let letters = after.bytes().position(|byte| !byte.is_ascii_lowercase()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(letters)?;
        let at = units.iter().position(|(name, _)| *name == unit)?;
        sum = sum.checked_add(count.checked_mul(units[at].1)?)?;
        units = &units[at + 1..];
        rest = after;
    }
    Some(sum)
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (unit, size) = UNITS
            .into_iter()
            .find(|(_, size)| millis > 0 && millis.is_multiple_of(*size))
            .unwrap_or(("s", 1_000));
        write!(f, "{}{unit}", millis / size)
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<TimeSpan> for String {
    fn from(span: TimeSpan) -> Self {
        span.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_they_are_written() {
        let rows = [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("500ms", 500, "500ms"),
            ("1500ms", 1_500, "1500ms"),
            ("30s", 30_000, "30s"),
            ("1000ms", 1_000, "1s"),
            ("75s", 75_000, "75s"),
            ("120s", 120_000, "2m"),
            ("1h30m", 5_400_000, "90m"),
            ("1d2h3m4s5ms", 93_784_005, "93784005ms"),
            ("7d", 604_800_000, "7d"),
        ];
        for (text, millis, printed) in rows {
            let span: TimeSpan = text.parse().unwrap();
            assert_eq!(span.0, Duration::from_millis(millis), "{text}");
            assert_eq!(span.to_string(), printed, "{text}");
            assert_eq!(printed.parse(), Ok(span), "{printed}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        let bad = [
            "",
            " ",
            "30",
            "s",
            "-1s",
            "+1s",
            "1.5s",
            "1 s",
            "30sec",
            "30S",
            "1m1h",
            "1s1s",
            "1h30",
            "00x",
            "18446744073709551616s",
            "18446744073709551615d",
        ];
        for text in bad {
            assert_eq!(text.parse::<TimeSpan>(), Err(UnitError::TimeSpan(text.into())), "{text}");
        }
        assert_eq!(
            "30".parse::<TimeSpan>().unwrap_err().to_string(),
            "\"30\" is not a duration: write it with its unit, as in 30s, 500ms, 2m or 1h30m"
        );
    }

    #[test]
    fn a_duration_is_a_text_in_files() {
        let span: TimeSpan = serde_json::from_str("\"2m\"").unwrap();
        assert_eq!(serde_json::to_string(&span).unwrap(), "\"2m\"");
        assert!(serde_json::from_str::<TimeSpan>("\"2\"").is_err());
        assert!(serde_json::from_str::<TimeSpan>("2").is_err());
    }
}
