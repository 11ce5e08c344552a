//! Agent checks: one line of text from a program beside a backend that reports its load and state, as HAProxy's `agent-check` does.
//!
//! The line ends with CR, LF or the end of the connection. Its words, separated by spaces, tabs or commas, may come in any order; the last of each kind counts:
//!
//! | word | means |
//! |---|---|
//! | `75%` | this share of the configured weight, from 0 to 100 |
//! | `up` | the backend is healthy |
//! | `down`, `failed`, `stopped` | it is not; the text after `#` is the reason |
//! | `ready` | it takes requests |
//! | `drain` | it completes what it has and takes nothing new |
//! | `maint` | the same, for maintenance |
//!
//! Other words are ignored: HAProxy knows more of them.

/// The longest line, in bytes.
pub const MAX_LINE: usize = 1024;

/// What an agent has reported. What it did not mention stays unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Percent of the configured weight.
    pub percent: Option<u8>,
    /// Whether the backend is healthy.
    pub up: Option<bool>,
    /// Whether it takes requests.
    pub ready: Option<bool>,
    /// The reason, for the log.
    pub reason: Option<String>,
}

/// The line contains no known word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent sent no known word: {0:?}")]
pub struct Unknown(String);

/// Parses the received bytes; `None` while the line is incomplete. `ended`: no more bytes will come.
///
/// # Errors
/// The line contains no known word, or is longer than [`MAX_LINE`] bytes.
pub fn parse(bytes: &[u8], ended: bool) -> Result<Option<Report>, Unknown> {
    let seen = &bytes[..bytes.len().min(MAX_LINE)];
    let end = seen.iter().position(|byte| matches!(byte, b'\r' | b'\n' | 0));
    let line = match end {
        Some(end) => &seen[..end],
        None if ended || bytes.len() >= MAX_LINE => seen,
        None => return Ok(None),
    };
    let line = String::from_utf8_lossy(line);
    let (words, reason) = match line.split_once('#') {
        Some((words, reason)) => (words, Some(reason.trim().to_owned())),
        None => (&*line, None),
    };
    let mut report = Report::default();
    for word in words.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        match word {
            "up" => report.up = Some(true),
            "down" | "failed" | "stopped" => report.up = Some(false),
            "ready" => report.ready = Some(true),
            "drain" | "maint" => report.ready = Some(false),
            _ => {
                let percent = word.strip_suffix('%').and_then(|number| number.parse::<u32>().ok());
                report.percent = percent.map(|number| number.min(100) as u8).or(report.percent);
            }
        }
    }
    if report == Report::default() {
        return Err(Unknown(line.into_owned()));
    }
    report.reason = reason.filter(|reason| !reason.is_empty());
    Ok(Some(report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let report = |percent, up, ready, reason: Option<&str>| Report {
            percent,
            up,
            ready,
            reason: reason.map(str::to_owned),
        };
        for (line, expected) in [
            ("up\n", report(None, Some(true), None, None)),
            ("down\r\n", report(None, Some(false), None, None)),
            ("failed#disk full\n", report(None, Some(false), None, Some("disk full"))),
            ("stopped # gone for lunch\nup\n", report(None, Some(false), None, Some("gone for lunch"))),
            ("50%\n", report(Some(50), None, None, None)),
            ("0%\n", report(Some(0), None, None, None)),
            ("400%\n", report(Some(100), None, None, None)),
            ("up ready 75%\n", report(Some(75), Some(true), Some(true), None)),
            ("ready,up\t10%\n", report(Some(10), Some(true), Some(true), None)),
            ("drain\n", report(None, None, Some(false), None)),
            ("maint\n", report(None, None, Some(false), None)),
            ("maxconn:30 up\n", report(None, Some(true), None, None)),
            ("drain ready\n", report(None, None, Some(true), None)),
        ] {
            assert_eq!(parse(line.as_bytes(), false), Ok(Some(expected.clone())), "{line:?}");
            let whole = line.find(['\r', '\n']).unwrap();
            for end in 0..=whole {
                assert_eq!(parse(&line.as_bytes()[..end], false), Ok(None), "{end} of {line:?}");
            }
            assert_eq!(
                parse(&line.as_bytes()[..whole], true),
                Ok(Some(expected)),
                "{line:?} without its end"
            );
        }
    }

    #[test]
    fn what_is_no_line() {
        for line in ["\n", "", "hello\n", "%\n", "-5%\n", "50\n", "#up\n", "\u{ff}\n", "HTTP/1.1 200 OK\r\n"]
        {
            assert!(parse(line.as_bytes(), true).is_err(), "{line:?}");
        }
        assert!(parse(&[0xff, b'\n'], false).is_err());
        let long = vec![b'x'; MAX_LINE];
        assert_eq!(parse(&long[1..], false), Ok(None));
        assert!(parse(&long, false).is_err());
        let late = [&vec![b' '; MAX_LINE - 2][..], b"up"].concat();
        assert_eq!(parse(&late, false).map(|report| report.is_some()), Ok(true), "a full line counts");
    }
}
