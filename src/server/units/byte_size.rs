//! Sizes: `32KiB`, `10MB`, `512`.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{UnitError, number};

/// A number of bytes, plain or with a unit: binary (`KiB`, `MiB`, `GiB`, `TiB`) or decimal (`kB` or `KB`, `MB`, `GB`, `TB`).
///
/// A bare `K` or `M` is refused, since it is 1024 to one server and 1000 to the next. In a file a number will do as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// The units; the first that divides a size is the one it is printed in.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        bytes(text).map(Self).ok_or_else(|| UnitError::ByteSize(text.into()))
    }
}

fn bytes(text: &str) -> Option<u64> {
    let (count, unit) = number(text)?;
    let size = match unit {
        "" => 1,
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    count.checked_mul(size)
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = UNITS
            .into_iter()
            .find(|(_, size)| self.0 > 0 && self.0.is_multiple_of(*size))
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrNumber)
    }
}

struct TextOrNumber;

impl Visitor<'_> for TextOrNumber {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size as in \"32KiB\", or a number of bytes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
        let negative = || E::invalid_value(de::Unexpected::Signed(bytes), &self);
        u64::try_from(bytes).map(ByteSize).map_err(|_| negative())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_they_are_written() {
        let rows = [
            ("0", 0, "0B"),
            ("1", 1, "1B"),
            ("240B", 240, "240B"),
            ("8000", 8_000, "8kB"),
            ("32KiB", 32_768, "32KiB"),
            ("32768", 32_768, "32KiB"),
            ("1mib", 1 << 20, "1MiB"),
            ("10MB", 10_000_000, "10MB"),
            ("5kb", 5_000, "5kB"),
            ("1024000", 1_024_000, "1000KiB"),
            ("3GiB", 3 << 30, "3GiB"),
            ("2TiB", 2 << 40, "2TiB"),
            ("18446744073709551615", u64::MAX, "18446744073709551615B"),
        ];
        for (text, bytes, printed) in rows {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(size, ByteSize(bytes), "{text}");
            assert_eq!(size.to_string(), printed, "{text}");
            assert_eq!(printed.parse(), Ok(size), "{printed}");
        }
    }

    #[test]
    fn what_is_no_size() {
        let bad = [
            "",
            "KiB",
            "-1",
            "+1",
            "1.5MiB",
            "1 KiB",
            "8k",
            "8K",
            "8M",
            "1KiBs",
            "18446744073709551616",
            "16777216TiB",
        ];
        for text in bad {
            assert_eq!(text.parse::<ByteSize>(), Err(UnitError::ByteSize(text.into())), "{text}");
        }
    }

    #[test]
    fn a_size_is_a_text_or_a_number_in_files() {
        for json in ["\"32KiB\"", "32768"] {
            assert_eq!(serde_json::from_str::<ByteSize>(json).unwrap(), ByteSize(32_768));
        }
        assert_eq!(serde_json::to_string(&ByteSize(32_768)).unwrap(), "\"32KiB\"");
        for json in ["-1", "1.5", "\"8k\"", "true"] {
            assert!(serde_json::from_str::<ByteSize>(json).is_err(), "{json}");
        }
    }
}
