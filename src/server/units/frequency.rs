//! Rates of requests: `100/s`, `600/m`, `1000/h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{UnitError, number};
use crate::net::bucket::Rate;

/// So many events in a second, a minute or an hour; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Frequency {
    count: u32,
    seconds: u64,
}

/// The units, in seconds.
const UNITS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];

impl Frequency {
    /// How many events, in how long.
    #[must_use]
    pub fn parts(self) -> (u32, Duration) {
        (self.count, Duration::from_secs(self.seconds))
    }

    /// Events per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.count) / Duration::from_secs(self.seconds).as_secs_f64()
    }

    /// As a bucket fills: as many events at once as in one unit of time.
    pub(in crate::server) fn rate(self) -> Option<Rate> {
        Rate::new(self.per_second(), self.count)
    }
}

impl FromStr for Frequency {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        frequency(text).ok_or_else(|| UnitError::Frequency(text.into()))
    }
}

fn frequency(text: &str) -> Option<Frequency> {
    let (count, rest) = number(text)?;
    let unit = rest.strip_prefix('/')?;
    let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let count = u32::try_from(count).ok().filter(|&count| count > 0)?;
    Some(Frequency { count, seconds })
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.into_iter().find(|(_, seconds)| *seconds == self.seconds);
        write!(f, "{}/{}", self.count, unit.map_or("s", |(name, _)| name))
    }
}

impl TryFrom<String> for Frequency {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        text.parse()
    }
}

impl From<Frequency> for String {
    fn from(frequency: Frequency) -> Self {
        frequency.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_as_they_are_written() {
        let rows = [
            ("100/s", 100, 1, 100.0),
            ("600/m", 600, 60, 10.0),
            ("1800/h", 1_800, 3_600, 0.5),
            ("4294967295/s", u32::MAX, 1, 4_294_967_295.0),
        ];
        for (text, count, seconds, per_second) in rows {
            let frequency: Frequency = text.parse().unwrap();
            assert_eq!(frequency.parts(), (count, Duration::from_secs(seconds)));
            assert!((frequency.per_second() - per_second).abs() < 1e-9, "{text}");
            assert_eq!(frequency.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_frequency() {
        for text in ["", "100", "0/s", "/s", "100/", "100/d", "-1/s", "1.5/s", "100 / s", "4294967296/s"] {
            assert_eq!(text.parse::<Frequency>(), Err(UnitError::Frequency(text.into())), "{text}");
        }
    }
}
