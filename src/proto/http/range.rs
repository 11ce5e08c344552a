//! Range requests: RFC 9110 section 14.
//!
//! [`select`] turns a `Range` field into byte positions of a representation whose length is known; the rest writes what
//! goes with them: `Content-Range`, and the frame of a `multipart/byteranges` body. Ranges keep the order in which they
//! were asked for. Those that overlap, or lie so close that a part of their own would cost more than the gap, become
//! one, so no answer is longer than the representation and the frames of its parts.

use std::ops::Range;

use bytes::Bytes;

use super::list::{is_token, members};

/// How many ranges one request may list; a longer list is ignored and the answer is the whole representation.
///
/// Apache httpd allows 200 (`MaxRanges`), nginx any number. Readers of PDF and video ask for a few dozen.
pub const MAX_RANGES: usize = 100;

/// Ranges with at most this many bytes between them become one: about what the frame of a further part costs
/// (section 15.3.7.2 names 80 bytes).
pub const COALESCE_GAP: u64 = 80;

/// What a `Range` field asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "each case has its own status: 200, 416, 206, 206"]
pub enum Selection {
    /// There is no field, or one that cannot be honoured: send the whole representation with 200.
    Ignore,
    /// No range lies inside the representation: 416 with [`unsatisfied_range`].
    Unsatisfiable,
    /// One range, not empty: 206 with [`content_range`].
    Single(Range<u64>),
    /// Two ranges or more, none empty, far apart: 206 with [`MultipartRanges`].
    Multiple(Vec<Range<u64>>),
}

/// Reads the lines of a `Range` field against a representation of `length` bytes.
///
/// Only for methods that define ranges, which is GET alone. Ignored, as the section allows, are unknown units, any
/// error of grammar, more than [`MAX_RANGES`] ranges, and more than one field line.
pub fn select<'a>(lines: impl IntoIterator<Item = &'a [u8]>, length: u64) -> Selection {
    let mut lines = lines.into_iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => byte_ranges(line, length).unwrap_or(Selection::Ignore),
        _ => Selection::Ignore,
    }
}

/// `bytes=` and a list of ranges; `None` when it is to be ignored.
fn byte_ranges(line: &[u8], length: u64) -> Option<Selection> {
    let equals = memchr::memchr(b'=', line)?;
    if !line[..equals].eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut count = 0;
    let mut found = Vec::new();
    for member in members([&line[equals + 1..]]) {
        count += 1;
        if count > MAX_RANGES {
            return None;
        }
        match byte_range(member.ok()?, length)? {
            range if range.is_empty() => {}
            range => insert(&mut found, range),
        }
    }
    match found.as_slice() {
        [] if count == 0 => None,
        [] => Some(Selection::Unsatisfiable),
        [range] => Some(Selection::Single(range.clone())),
        _ => Some(Selection::Multiple(found)),
    }
}

/// One range, cut at the end of the representation: empty when it is not satisfiable, `None` when it is no range.
fn byte_range(member: &[u8], length: u64) -> Option<Range<u64>> {
    let dash = memchr::memchr(b'-', member)?;
    match (&member[..dash], &member[dash + 1..]) {
        ([], suffix) => {
            let suffix = number(suffix)?;
            // The end of nothing is satisfiable by the letter, but no Content-Range can say it: send it with 200.
            if length == 0 && suffix > 0 { None } else { Some(length.saturating_sub(suffix)..length) }
        }
        (first, []) => Some(number(first)?.min(length)..length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then(|| first.min(length)..last.saturating_add(1).min(length))
        }
    }
}

/// A decimal number. One that no `u64` can hold is `u64::MAX`, which is past the end of anything.
fn number(digits: &[u8]) -> Option<u64> {
    let add = |sum: u64, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(sum.saturating_mul(10).saturating_add(digit))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, add) }
}

/// Adds `range` to ranges that are far apart, and keeps them so: it swallows those it comes near, and takes the place of
/// the first of them.
fn insert(ranges: &mut Vec<Range<u64>>, mut range: Range<u64>) {
    let mut place = ranges.len();
    // A range that has grown may come near to one that was passed before.
    while let Some(at) = ranges.iter().position(|other| near(other, &range)) {
        let other = ranges.remove(at);
        range = range.start.min(other.start)..range.end.max(other.end);
        place = at.min(place);
    }
    ranges.insert(place.min(ranges.len()), range);
}

fn near(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start <= other.end.saturating_add(COALESCE_GAP) && other.start <= one.end.saturating_add(COALESCE_GAP)
}

/// The value of `Content-Range` in a 206: `bytes 0-499/1234`. The range must not be empty.
#[must_use]
pub fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))
}

/// The value of `Content-Range` in a 416: `bytes */1234`.
#[must_use]
pub fn unsatisfied_range(length: u64) -> String {
    format!("bytes */{length}")
}

/// Why a `multipart/byteranges` body cannot be framed: our own mistakes, not the peer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The boundary is not a token of 1 to 70 bytes.
    #[error("the boundary is not a token of 1 to 70 bytes")]
    Boundary,
    /// The content type holds a control character.
    #[error("the content type holds a control character")]
    ContentType,
    /// A range is empty or reaches past the end.
    #[error("the range {0:?} is empty or ends outside the representation")]
    Range(Range<u64>),
    /// The body would be longer than 2^64 bytes.
    #[error("the body is longer than can be counted")]
    TooLong,
}

/// One part of a `multipart/byteranges` body: first send `head`, then those bytes of the representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangePart {
    /// The line with the boundary, the fields, and the empty line after them.
    pub head: Bytes,
    /// Which bytes of the representation follow.
    pub range: Range<u64>,
}

/// The frame of a `multipart/byteranges` body (section 14.6), computed ahead, so that its length is known and only the
/// bytes of the representation are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MultipartRanges {
    parts: Vec<RangePart>,
    closing: Bytes,
    content_type: String,
    content_length: u64,
}

impl MultipartRanges {
    /// Frames `ranges` of a representation of `length` bytes and type `content_type`.
    ///
    /// The boundary must not occur in the representation: let it be random, of 16 characters or more.
    ///
    /// # Errors
    /// An argument that would break the frame: see [`MultipartError`].
    pub fn new(
        ranges: &[Range<u64>],
        length: u64,
        content_type: Option<&str>,
        boundary: &str,
    ) -> Result<Self, MultipartError> {
        if !is_token(boundary.as_bytes()) || boundary.len() > 70 {
            return Err(MultipartError::Boundary);
        }
        let type_line = match content_type {
            Some(text) if text.bytes().any(|byte| byte.is_ascii_control()) => {
                return Err(MultipartError::ContentType);
            }
            Some(text) => format!("Content-Type: {text}\r\n"),
            None => String::new(),
        };
        let closing = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let mut content_length = closing.len() as u64;
        let mut parts = Vec::with_capacity(ranges.len());
        for range in ranges {
            if range.is_empty() || range.end > length {
                return Err(MultipartError::Range(range.clone()));
            }
            // The line break before a boundary belongs to the boundary; nothing stands before the first one.
            let line_break = if parts.is_empty() { "" } else { "\r\n" };
            let position = content_range(range, length);
            let head = format!("{line_break}--{boundary}\r\n{type_line}Content-Range: {position}\r\n\r\n");
            content_length = (head.len() as u64)
                .checked_add(range.end - range.start)
                .and_then(|part| content_length.checked_add(part))
                .ok_or(MultipartError::TooLong)?;
            parts.push(RangePart { head: head.into(), range: range.clone() });
        }
        let content_type = format!("multipart/byteranges; boundary={boundary}");
        Ok(Self { parts, closing, content_type, content_length })
    }

    /// The parts, in the order of the ranges.
    #[must_use]
    pub fn parts(&self) -> &[RangePart] {
        &self.parts
    }

    /// What ends the body, after the bytes of the last part.
    #[must_use]
    pub fn closing(&self) -> &Bytes {
        &self.closing
    }

    /// The value of `Content-Type` of the answer.
    #[must_use]
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// The value of `Content-Length` of the answer: all heads, all ranges and the end, in bytes.
    #[must_use]
    pub fn content_length(&self) -> u64 {
        self.content_length
    }
}

#[cfg(test)]
mod tests {
    use super::Selection::{Ignore, Multiple, Single, Unsatisfiable};
    use super::*;

    fn ask(value: &str, length: u64) -> Selection {
        select([value.as_bytes()], length)
    }

    #[test]
    fn the_examples_of_the_section() {
        // Section 14.1.2, a representation of 10,000 bytes.
        let cases = [
            ("bytes=0-499", Single(0..500)),
            ("bytes=500-999", Single(500..1000)),
            ("bytes=-500", Single(9500..10_000)),
            ("bytes=9500-", Single(9500..10_000)),
            ("bytes=0-0,-1", Multiple(vec![0..1, 9999..10_000])),
            ("bytes= 0-999, 4500-5499, -1000", Multiple(vec![0..1000, 4500..5500, 9000..10_000])),
            ("bytes=500-600,601-999", Single(500..1000)),
            ("bytes=500-700,601-999", Single(500..1000)),
        ];
        for (value, expected) in cases {
            assert_eq!(ask(value, 10_000), expected, "{value}");
        }
    }

    #[test]
    fn one_range_is_cut_at_the_end() {
        let cases = [
            ("bytes=0-0", Single(0..1)),
            ("bytes=0-", Single(0..10)),
            ("bytes=9-", Single(9..10)),
            ("bytes=9-9", Single(9..10)),
            ("bytes=0-9", Single(0..10)),
            ("bytes=0-10", Single(0..10)),
            ("bytes=5-1000000", Single(5..10)),
            ("bytes=00005-00006", Single(5..7)),
            ("bytes=-1", Single(9..10)),
            ("bytes=-10", Single(0..10)),
            ("bytes=-11", Single(0..10)),
            ("BYTES=1-2", Single(1..3)),
            ("Bytes=1-2", Single(1..3)),
            ("bytes=\t1-2 ,", Single(1..3)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=10-20", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=-0,10-", Unsatisfiable),
            ("bytes=-0,3-3,99-", Single(3..4)),
        ];
        for (value, expected) in cases {
            assert_eq!(ask(value, 10), expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_byte_range_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=1",
            "bytes=a-b",
            "bytes=1-b",
            "bytes=1-2-3",
            "bytes=--1",
            "bytes=5-4",
            "bytes=1-2,5-4",
            "bytes=1-2,x",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=0x1-2",
            "bytes=1 -2",
            "bytes=1- 2",
            "bytes=1.0-2",
            "bytes =1-2",
            " bytes=1-2",
            "bytes:1-2",
            "bytes 1-2/10",
            "items=1-2",
            "byte=1-2",
            "bytess=1-2",
            "=1-2",
            "bytes=1-2;3-4",
            "bytes=\"1-2\"",
            "bytes=\u{661}-2",
        ] {
            assert_eq!(ask(value, 10), Ignore, "{value}");
        }
    }

    #[test]
    fn one_field_line_is_a_range_and_two_are_none() {
        assert_eq!(select([], 10), Ignore);
        assert_eq!(select([&b"bytes=0-1"[..], b"bytes=0-1"], 10), Ignore);
    }

    #[test]
    fn an_empty_representation_has_no_ranges() {
        assert_eq!(ask("bytes=0-", 0), Unsatisfiable);
        assert_eq!(ask("bytes=0-0", 0), Unsatisfiable);
        assert_eq!(ask("bytes=-0", 0), Unsatisfiable);
        assert_eq!(ask("bytes=-5", 0), Ignore);
    }

    #[test]
    fn huge_numbers_are_past_the_end() {
        let huge =
            ["18446744073709551614", "18446744073709551615", "18446744073709551616", &"9".repeat(4000)];
        for number in huge {
            assert_eq!(ask(&format!("bytes={number}-"), 10), Unsatisfiable, "{number}");
            assert_eq!(ask(&format!("bytes=3-{number}"), 10), Single(3..10), "{number}");
            assert_eq!(ask(&format!("bytes=-{number}"), 10), Single(0..10), "{number}");
            assert_eq!(ask(&format!("bytes={number}-{number}"), 10), Unsatisfiable, "{number}");
            let list = format!("bytes=1-1,200-{number},{number}-");
            assert_eq!(ask(&list, u64::MAX), Multiple(vec![1..2, 200..u64::MAX]), "{number}");
        }
    }

    #[test]
    fn near_ranges_become_one_in_the_place_of_the_first() {
        let cases = [
            // The gap that is worth a part of its own begins at 81 bytes.
            ("bytes=0-99,180-199", Single(0..200)),
            ("bytes=0-99,181-199", Multiple(vec![0..100, 181..200])),
            ("bytes=180-199,0-99", Single(0..200)),
            ("bytes=181-199,0-99", Multiple(vec![181..200, 0..100])),
            // Order is kept.
            ("bytes=900-909,0-9,500-509", Multiple(vec![900..910, 0..10, 500..510])),
            ("bytes=-10,0-9,500-509", Multiple(vec![990..1000, 0..10, 500..510])),
            // The same range, one within another, and all of it.
            ("bytes=5-9,5-9,5-9", Single(5..10)),
            ("bytes=0-499,100-199", Single(0..500)),
            ("bytes=100-199,0-499,900-", Multiple(vec![0..500, 900..1000])),
            ("bytes=0-,0-,0-,-1000", Single(0..1000)),
            // A range that joins two others takes the place of the first of them.
            ("bytes=600-609,0-9,300-309,5-305", Multiple(vec![600..610, 0..310])),
            ("bytes=300-309,600-609,0-9,5-305", Multiple(vec![0..310, 600..610])),
            // What grows reaches what was out of reach before.
            ("bytes=200-209,0-9,100-109", Multiple(vec![200..210, 0..10, 100..110])),
            ("bytes=160-169,0-9,80-89", Single(0..170)),
        ];
        for (value, expected) in cases {
            assert_eq!(ask(value, 1000), expected, "{value}");
        }
    }

    #[test]
    fn the_number_of_ranges_is_capped() {
        let list = |count: u64| {
            let ranges: Vec<_> = (0..count).map(|n| format!("{0}-{0}", n * 1000)).collect();
            format!("bytes={}", ranges.join(","))
        };
        let most = ask(&list(MAX_RANGES as u64), 1_000_000);
        assert_eq!(most, Multiple((0..MAX_RANGES as u64).map(|n| n * 1000..n * 1000 + 1).collect()));
        assert_eq!(ask(&list(MAX_RANGES as u64 + 1), 1_000_000), Ignore);
        // Ranges that cannot be satisfied, or that would become one, count as well.
        assert_eq!(ask(&format!("bytes=0-{}", ",0-".repeat(MAX_RANGES)), 10), Ignore);
        assert_eq!(ask(&format!("bytes=0-{}", ",99-".repeat(MAX_RANGES)), 10), Ignore);
    }

    /// Every list of three ranges over a coarse grid, against a picture of the representation drawn byte by byte.
    #[test]
    fn all_lists_of_three_cover_what_was_asked_and_stay_apart() {
        const LENGTH: u64 = 400;
        let grid: Vec<(u64, u64)> = (0..5).flat_map(|a| (a..5).map(move |b| (a * 90, b * 90 + 4))).collect();
        let size = grid.len();
        for n in 0..size.pow(3) {
            let asked = [grid[n % size], grid[n / size % size], grid[n / size / size]];
            let value = asked.map(|(first, last)| format!("{first}-{last}")).join(",");
            let ranges = match ask(&format!("bytes={value}"), LENGTH) {
                Single(range) => vec![range],
                Multiple(ranges) => ranges,
                other => unreachable!("{value}: {other:?}"),
            };
            let wanted = |byte: u64| asked.iter().any(|&(first, last)| (first..=last).contains(&byte));
            for byte in 0..LENGTH {
                let sent = ranges.iter().filter(|range| range.contains(&byte)).count();
                assert!(sent == 1 || sent == 0 && !wanted(byte), "{value}: byte {byte} {sent} times");
                if sent == 0 || wanted(byte) {
                    continue;
                }
                // Bytes that nobody asked for fill small gaps.
                let after = (byte..LENGTH).take_while(|&byte| !wanted(byte)).count();
                let before = (0..byte).rev().take_while(|&byte| !wanted(byte)).count();
                assert!((before + after) as u64 <= COALESCE_GAP, "{value}: byte {byte} was not asked for");
            }
            let firsts: Vec<_> = ranges
                .iter()
                .map(|range| asked.iter().position(|&(first, _)| range.contains(&first)))
                .collect();
            assert!(firsts.is_sorted(), "{value}: {ranges:?} out of order");
        }
    }

    #[test]
    fn content_range_counts_from_zero_and_includes_the_last() {
        assert_eq!(content_range(&(0..500), 1234), "bytes 0-499/1234");
        assert_eq!(content_range(&(1233..1234), 1234), "bytes 1233-1233/1234");
        assert_eq!(
            content_range(&(0..u64::MAX), u64::MAX),
            "bytes 0-18446744073709551614/18446744073709551615"
        );
        assert_eq!(unsatisfied_range(1234), "bytes */1234");
        assert_eq!(unsatisfied_range(0), "bytes */0");
    }

    /// The body a client would get.
    fn body(multipart: &MultipartRanges, representation: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        for part in multipart.parts() {
            body.extend_from_slice(&part.head);
            body.extend_from_slice(&representation[part.range.start as usize..part.range.end as usize]);
        }
        body.extend_from_slice(multipart.closing());
        body
    }

    #[test]
    fn a_multipart_body_is_framed_and_counted() -> Result<(), MultipartError> {
        let multipart = MultipartRanges::new(&[0..2, 5..10], 10, Some("text/plain"), "SEP")?;
        let expected = "--SEP\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
            \r\n--SEP\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-9/10\r\n\r\n56789\
            \r\n--SEP--\r\n";
        assert_eq!(body(&multipart, b"0123456789"), expected.as_bytes());
        assert_eq!(multipart.content_length(), expected.len() as u64);
        assert_eq!(multipart.content_type(), "multipart/byteranges; boundary=SEP");
        Ok(())
    }

    #[test]
    fn a_part_of_unknown_type_has_no_content_type() -> Result<(), MultipartError> {
        let multipart = MultipartRanges::new(&[9..10, 0..1], 10, None, "x")?;
        let expected = "--x\r\nContent-Range: bytes 9-9/10\r\n\r\n9\r\n--x\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--x--\r\n";
        assert_eq!(body(&multipart, b"0123456789"), expected.as_bytes());
        assert_eq!(multipart.content_length(), expected.len() as u64);
        Ok(())
    }

    #[test]
    fn arguments_that_would_break_the_frame_are_refused() {
        let new = |range: Range<u64>, content_type, boundary: &str| {
            MultipartRanges::new(&[range], 10, content_type, boundary).err()
        };
        for boundary in ["", "a b", "a\r\nb", "a\"b", &"x".repeat(71)] {
            assert_eq!(new(0..1, None, boundary), Some(MultipartError::Boundary), "{boundary}");
        }
        assert_eq!(new(0..1, None, &"x".repeat(70)), None);
        assert_eq!(new(0..1, Some("a/b\r\nX: y"), "x"), Some(MultipartError::ContentType));
        assert_eq!(new(0..1, Some("a/b; c=\"d e\""), "x"), None);
        assert_eq!(new(5..5, None, "x"), Some(MultipartError::Range(5..5)));
        assert_eq!(new(5..11, None, "x"), Some(MultipartError::Range(5..11)));
        let whole = MultipartRanges::new(&[0..u64::MAX, 0..u64::MAX], u64::MAX, None, "x");
        assert_eq!(whole, Err(MultipartError::TooLong));
    }
}
