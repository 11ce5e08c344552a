//! Sizes, times and names as people and programs read them.

use std::borrow::Cow;
use std::time::SystemTime;

use crate::proto::http::date;

/// A number of bytes with at most one decimal: `999 B`, `1.5 KiB`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of a unit, rounded down: a file never looks larger than it is.
    let tenths = |shift: u32| (u128::from(bytes) * 10) >> shift;
    let step = (bytes.ilog2() / 10).max(1);
    let unit = UNITS[(step as usize - 1).min(UNITS.len() - 1)];
    match tenths(step * 10) {
        small if small < 1000 => format!("{}.{} {unit}", small / 10, small % 10),
        large => format!("{} {unit}", large / 10),
    }
}

/// A number with its digits in groups of three: `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time as RFC 3339 has it, in UTC: `1994-11-06T08:49:37Z`.
pub(super) fn timestamp(time: SystemTime) -> String {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    // Sun, 06 Nov 1994 08:49:37 GMT: every part has its place.
    let date = date::format(time);
    let part = |range: std::ops::Range<usize>| String::from_utf8_lossy(&date[range]);
    let month = MONTHS.iter().position(|name| *name == &date[8..11]).unwrap_or_default() + 1;
    format!("{}-{month:02}-{}T{}Z", part(12..16), part(5..7), part(17..25))
}

/// A name as text; what is not UTF-8 in it is shown by a stand-in.
pub(super) fn name(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Text for HTML, between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn sizes() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1, "1 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 * 1024 - 1, "9.9 KiB"),
            (100 * 1024 - 1, "99.9 KiB"),
            (100 * 1024, "100 KiB"),
            (1024 * 1024 - 1, "1023 KiB"),
            (1024 * 1024, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (1 << 40, "1.0 TiB"),
            (1 << 50, "1.0 PiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn groups() {
        for (number, expected) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12345, "12,345"),
            (123_456, "123,456"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(grouped(number), expected);
        }
    }

    #[test]
    fn timestamps() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(784_111_777), "1994-11-06T08:49:37Z");
        assert_eq!(at(1_709_164_799), "2024-02-28T23:59:59Z");
    }

    #[test]
    fn nothing_in_a_name_is_markup() {
        assert_eq!(escape("plain"), "plain");
        assert_eq!(escape("<script>&\"'.txt"), "&lt;script&gt;&amp;&quot;&#39;.txt");
        assert_eq!(name(b"a\xFFb"), "a\u{fffd}b");
    }
}
