//! WebVTT (W3C "WebVTT: The Web Video Text Tracks Format", section 6.1): a file of cues, and the same cut into segments, each with
//! the map to the time of the media that RFC 8216 section 3.5 asks for.
//!
//! Blocks are kept as they were written: styles and regions go into each segment, and a cue into each segment in whose period it is
//! shown.

use std::fmt::Write as _;

/// Bytes of a file at most: a film's subtitles have 200 KB.
pub const MAX_FILE: usize = 16 << 20;

/// Why a file is no WebVTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first line is another.
    #[error("a WebVTT file begins with the line WEBVTT")]
    Signature,
    /// It is longer than [`MAX_FILE`].
    #[error("a WebVTT file of {0} bytes is too long")]
    Long(usize),
    /// It is not in UTF-8.
    #[error("a WebVTT file is in UTF-8, and byte {0} is not")]
    NotUtf8(usize),
    /// A line with an arrow does not tell two times.
    #[error("line {line} does not tell when a cue begins and ends")]
    Times {
        /// The line, from 1.
        line: usize,
    },
    /// A cue ends before it begins.
    #[error("the cue at line {line} ends before it begins")]
    Order {
        /// The line, from 1.
        line: usize,
    },
}

/// A time, in milliseconds.
pub type Millis = u64;

/// A cue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// What stands above its times.
    pub id: Option<String>,
    /// When it is shown.
    pub start: Millis,
    /// Until when.
    pub end: Millis,
    /// What stands behind its times: where it is shown.
    pub settings: String,
    /// Its lines, parted by line feeds.
    pub text: String,
}

/// The map from times of cues to times of the media: `X-TIMESTAMP-MAP`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimestampMap {
    /// `MPEGTS`: a time in ticks of 90 kHz and 33 bits.
    pub mpegts: u64,
    /// `LOCAL`: the same moment as cues count.
    pub local: Millis,
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The map in its head, if it is a segment.
    pub map: Option<TimestampMap>,
    /// Styles and regions, each as it stands.
    pub head: Vec<String>,
    /// Cues, by when they begin.
    pub cues: Vec<Cue>,
}

impl Document {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error`].
    pub fn parse(file: &[u8]) -> Result<Self, Error> {
        if file.len() > MAX_FILE {
            return Err(Error::Long(file.len()));
        }
        let text = std::str::from_utf8(file).map_err(|error| Error::NotUtf8(error.valid_up_to()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
        let mut lines = text.split('\n').enumerate().map(|(at, line)| (at + 1, line)).peekable();
        let Some(rest) = lines.next().and_then(|(_, line)| line.strip_prefix("WEBVTT")) else {
            return Err(Error::Signature);
        };
        if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
            return Err(Error::Signature);
        }
        let mut document = Self::default();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.is_empty()) {
            document.map = line.strip_prefix("X-TIMESTAMP-MAP=").and_then(timestamp_map).or(document.map);
        }
        let mut block = Vec::new();
        for numbered in lines {
            if !numbered.1.is_empty() {
                block.push(numbered);
                continue;
            }
            document.take(&block)?;
            block.clear();
        }
        document.take(&block)?;
        document.cues.sort_by_key(|cue| cue.start);
        Ok(document)
    }

    fn take(&mut self, block: &[(usize, &str)]) -> Result<(), Error> {
        let arrow = block.iter().take(2).position(|(_, line)| line.contains("-->"));
        let text =
            |lines: &[(usize, &str)]| lines.iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
        let Some(at) = arrow else {
            let first = block.first().map_or("", |(_, line)| line.trim_end());
            if matches!(first, "STYLE" | "REGION") {
                self.head.push(text(block));
            }
            return Ok(()); // comments, and what has no meaning
        };
        let (line, times) = block[at];
        let (start, end, settings) = cue_times(times).ok_or(Error::Times { line })?;
        if end < start {
            return Err(Error::Order { line });
        }
        let id = (at == 1).then(|| block[0].1.to_owned());
        self.cues.push(Cue { id, start, end, settings, text: text(&block[at + 1..]) });
        Ok(())
    }

    /// When the last cue ends.
    #[must_use]
    pub fn end(&self) -> Millis {
        self.cues.iter().map(|cue| cue.end).max().unwrap_or(0)
    }

    /// The segment of the period from `start` to `end`: all cues that are shown in it, with their whole times.
    #[must_use]
    pub fn segment(&self, start: Millis, end: Millis, map: TimestampMap) -> String {
        let behind = self.cues.partition_point(|cue| cue.start < end);
        // A cue that begins and ends at once is shown in the period in which it begins.
        let shown = self.cues[..behind].iter().filter(|cue| cue.end > start || cue.start >= start);
        let mut out = String::from("WEBVTT\n");
        // Writing to a string does not fail.
        let _ = writeln!(out, "X-TIMESTAMP-MAP=MPEGTS:{},LOCAL:{}", map.mpegts, Time(map.local));
        for block in &self.head {
            let _ = write!(out, "\n{block}\n");
        }
        for Cue { id, start, end, settings, text } in shown {
            out.push('\n');
            if let Some(id) = id {
                let _ = writeln!(out, "{id}");
            }
            let space = if settings.is_empty() { "" } else { " " };
            let _ = writeln!(out, "{} --> {}{space}{settings}", Time(*start), Time(*end));
            if !text.is_empty() {
                let _ = writeln!(out, "{text}");
            }
        }
        out
    }
}

/// A time as it is written: hours, minutes, seconds, thousandths.
struct Time(Millis);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, thousandths) = (self.0 / 1000, self.0 % 1000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{thousandths:03}")
    }
}

/// `MPEGTS:900000,LOCAL:00:00:00.000`, in either order.
fn timestamp_map(value: &str) -> Option<TimestampMap> {
    let (mut mpegts, mut local) = (None, None);
    for part in value.split(',') {
        match part.trim().split_once(':')? {
            ("MPEGTS", ticks) => mpegts = ticks.parse().ok(),
            ("LOCAL", at) => local = time(at),
            _ => {}
        }
    }
    Some(TimestampMap { mpegts: mpegts?, local: local? })
}

/// A line of times: when, until when, and settings.
fn cue_times(line: &str) -> Option<(Millis, Millis, String)> {
    let (start, rest) = line.split_once("-->")?;
    let rest = rest.trim();
    let (end, settings) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    Some((time(start.trim())?, time(end)?, settings.trim().to_owned()))
}

/// A time: hours with at least two digits or none, minutes and seconds of two, thousandths of three.
fn time(text: &str) -> Option<Millis> {
    let (clock, thousandths) = text.split_once('.')?;
    let mut parts = clock.rsplit(':');
    let (seconds, minutes) = (number(parts.next()?, 2..=2)?, number(parts.next()?, 2..=2)?);
    let hours = parts.next().map_or(Some(0), |hours| number(hours, 2..=9))?;
    if seconds > 59 || minutes > 59 || parts.next().is_some() {
        return None;
    }
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + number(thousandths, 3..=3)?)
}

fn number(digits: &str, length: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let sound = length.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\u{feff}WEBVTT - some title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE\nnothing --> here? no: \
        the third line\nof a comment\n\n\n1\n00:01.000 --> 00:04.500 line:0 align:start\nHello\n<i>there</i>\n\n\
        00:00:04.500 --> 00:00:06.000\nBye\n\nNOTE a word\n\nlast\n100:00:00.000 --> 100:00:00.000\n";

    fn cue(id: Option<&str>, start: Millis, end: Millis, settings: &str, text: &str) -> Cue {
        Cue { id: id.map(str::to_owned), start, end, settings: settings.into(), text: text.into() }
    }

    #[test]
    fn a_file() {
        // The second line of a block may hold the times, so the comment is moved out of the way.
        let file = FILE.replace("NOTE\nnothing", "NOTE\nand\nnothing");
        let expected = Document {
            map: None,
            head: vec!["STYLE\n::cue { color: red }".into()],
            cues: vec![
                cue(Some("1"), 1000, 4500, "line:0 align:start", "Hello\n<i>there</i>"),
                cue(None, 4500, 6000, "", "Bye"),
                cue(Some("last"), 360_000_000, 360_000_000, "", ""),
            ],
        };
        for ends in ["\n", "\r\n", "\r"] {
            assert_eq!(
                Document::parse(file.replace('\n', ends).as_bytes()).as_ref(),
                Ok(&expected),
                "{ends:?}"
            );
        }
        assert_eq!(expected.end(), 360_000_000);
        assert_eq!(Document::parse(b"WEBVTT"), Ok(Document::default()));
        assert_eq!(Document::default().end(), 0);
    }

    #[test]
    fn segments() {
        let file = b"WEBVTT\n\nREGION\nid:a\n\n00:00.000 --> 00:01.000\nA\n\n00:05.000 --> 00:13.000 align:end\nB\n\nx\n00:06.000 --> \
            00:06.000\nC\n\n00:12.000 --> 00:14.000\nD\n";
        let document = Document::parse(file).unwrap();
        let map = TimestampMap { mpegts: 126_000, local: 0 };
        let texts = |start, end| {
            let segment = document.segment(start, end, map);
            let read = Document::parse(segment.as_bytes()).unwrap();
            assert_eq!((read.map, &read.head), (Some(map), &document.head));
            assert!(read.cues.iter().all(|cue| document.cues.contains(cue)));
            read.cues.iter().map(|cue| cue.text.clone()).collect::<Vec<_>>().concat()
        };
        for (start, end, expected) in [
            (0, 6000, "AB"),
            (6000, 12_000, "BC"),
            (12_000, 18_000, "BD"),
            (14_000, 20_000, ""),
            (1000, 5000, ""),
        ] {
            assert_eq!(texts(start, end), expected, "{start} to {end}");
        }
        assert_eq!(
            document.segment(12_000, 13_000, map),
            "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:126000,LOCAL:00:00:00.000\n\nREGION\nid:a\n\n00:00:05.000 --> 00:00:13.000 align:end\nB\
             \n\n00:00:12.000 --> 00:00:14.000\nD\n"
        );
    }

    #[test]
    fn maps() {
        for (value, expected) in [
            ("MPEGTS:900000,LOCAL:00:00:00.000", Some((900_000, 0))),
            ("LOCAL:00:01.500,MPEGTS:1", Some((1, 1500))),
            ("LOCAL:00:00:00.000", None),
            ("MPEGTS:x,LOCAL:00:00:00.000", None),
            ("", None),
        ] {
            let file = format!("WEBVTT\nX-TIMESTAMP-MAP={value}\n");
            let map = expected.map(|(mpegts, local)| TimestampMap { mpegts, local });
            assert_eq!(Document::parse(file.as_bytes()).unwrap().map, map, "{value}");
        }
    }

    #[test]
    fn faults() {
        let table: [(&[u8], Error); 12] = [
            (b"", Error::Signature),
            (b"WEBVTTX\n", Error::Signature),
            (b" WEBVTT\n", Error::Signature),
            (b"WEBVTT\n\xff", Error::NotUtf8(7)),
            (b"WEBVTT\n\n1:00.000 --> 00:02.000\n", Error::Times { line: 3 }),
            (b"WEBVTT\n\n\nid\n00:00.00 --> 00:02.000\n", Error::Times { line: 5 }),
            (b"WEBVTT\n\n00:60.000 --> 00:02.000\n", Error::Times { line: 3 }),
            (b"WEBVTT\n\n00:00.000 -->\n", Error::Times { line: 3 }),
            (b"WEBVTT\n\n00:00:00:00.000 --> 00:01.000\n", Error::Times { line: 3 }),
            (b"WEBVTT\n\n+0:00.000 --> 00:01.000\n", Error::Times { line: 3 }),
            (b"WEBVTT\n\n1234567890:00:00.000 --> 00:01.000\n", Error::Times { line: 3 }),
            (b"WEBVTT\n\n00:02.000 --> 00:01.999\n", Error::Order { line: 3 }),
        ];
        for (file, error) in table {
            assert_eq!(Document::parse(file), Err(error), "{}", String::from_utf8_lossy(file));
        }
        assert_eq!(Document::parse(&vec![b'W'; MAX_FILE + 1]), Err(Error::Long(MAX_FILE + 1)));
    }
}
