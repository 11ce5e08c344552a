//! How long a server wants to be left alone: `Retry-After`, RFC 9110 section 10.2.3.

use std::time::{Duration, SystemTime};

use super::date;

/// The wait that the value of a `Retry-After` asks for, in seconds or until a date; `None` when it is neither. A date that has passed is no wait. It is
/// for the caller to say what is too long.
#[must_use]
pub fn wait(value: &[u8], now: SystemTime) -> Option<Duration> {
    let value = value.trim_ascii();
    if !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
        let digits = std::str::from_utf8(value).ok()?;
        // Only a number that is too large cannot be read.
        return Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX)));
    }
    let until = date::parse(value, now)?;
    Some(until.duration_since(now).unwrap_or_default())
}

/// A wait in whole seconds, rounded up and at least one, for an answer: a client that waits for as long is not told to wait again.
#[must_use]
pub fn seconds(wait: Duration) -> u64 {
    let partial = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(partial).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn waits_are_rounded_up_and_never_zero() {
        for (millis, expected) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (59_999, 60)] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected, "{millis} ms");
        }
        assert_eq!(seconds(Duration::MAX), u64::MAX);
    }

    #[test]
    fn seconds_and_dates() {
        // Sun, 06 Nov 1994 08:49:37 GMT.
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, expected) in [
            ("5", Some(5)),
            (" 007 ", Some(7)),
            ("0", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:38 GMT", Some(61)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:50:37", None),
        ] {
            assert_eq!(wait(value.as_bytes(), now).map(|wait| wait.as_secs()), expected, "{value:?}");
        }
    }
}
