//! Ranges, preconditions and negotiation: what a GET of a file asks beside its path.
//!
//! The input is text, as a person could write it: a line with the length of the representation, a line with the value of
//! `Range`, and lines `name: value` for the other fields.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;
use wireworks::proto::http::conditional::{Validators, Verdict, evaluate, if_range};
use wireworks::proto::http::date;
use wireworks::proto::http::etag::EntityTag;
use wireworks::proto::http::list::FieldLines;
use wireworks::proto::http::negotiate::{AcceptEncoding, Coding, SMALLEST_FIRST, choose_type};
use wireworks::proto::http::range::{COALESCE_GAP, MAX_RANGES, MultipartRanges, Selection, select};

use super::{find, trimmed};

/// Lengths up to this one are compared with [`byte_by_byte`].
const SMALL: u64 = 4096;

/// Checks what `input` asks for, and says whether its ranges were honoured.
pub(crate) fn check(input: &[u8]) -> bool {
    let mut lines = input.split(|&byte| byte == b'\n');
    let length = std::str::from_utf8(lines.next().unwrap_or_default()).ok();
    let length = length.and_then(|text| text.parse().ok()).unwrap_or(1000);
    let range = trimmed(lines.next().unwrap_or_default());
    let fields: Vec<(&[u8], &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((trimmed(&line[..colon]), trimmed(&line[colon + 1..])))
        })
        .collect();
    for current in states() {
        preconditions(&fields, current.as_ref());
    }
    codings(&fields);
    types(&fields);
    dates(&fields);
    for length in [length, length % SMALL, 1, 0] {
        ranges(range, length);
    }
    !matches!(select([range], length), Selection::Ignore)
}

fn ranges(line: &[u8], length: u64) {
    let selection = select([line], length);
    assert_eq!(select([line, line], length), Selection::Ignore, "two lines");
    assert_eq!(select([], length), Selection::Ignore);
    let found = match &selection {
        Selection::Ignore | Selection::Unsatisfiable => &[][..],
        Selection::Single(range) => std::slice::from_ref(range),
        Selection::Multiple(ranges) => {
            assert!(ranges.len() > 1);
            ranges
        }
    };
    assert!(found.len() <= MAX_RANGES);
    assert!(found.iter().all(|range| range.start < range.end && range.end <= length));
    let total = found.iter().map(|range| u128::from(range.end - range.start)).sum::<u128>();
    assert!(total <= u128::from(length), "more than the representation");
    for (nth, one) in found.iter().enumerate() {
        for other in &found[..nth] {
            let gap = one.start.max(other.start).saturating_sub(one.end.min(other.end));
            assert!(gap > COALESCE_GAP, "{one:?} and {other:?} are near");
        }
    }
    if length <= SMALL {
        assert_eq!(selection, byte_by_byte(line, length));
        if let Selection::Multiple(ranges) = &selection {
            frame(ranges, length);
        }
    }
}

/// The selection by marking bytes: each byte knows the first range that asked for it, holes of up to 80 bytes between
/// marked ones are filled, and what hangs together is one range, in the order of the first that asked.
fn byte_by_byte(line: &[u8], length: u64) -> Selection {
    let Some(asked) = asked(line, length) else {
        return Selection::Ignore;
    };
    let mut marks = vec![None; length as usize];
    for (nth, range) in asked.iter().enumerate() {
        for mark in &mut marks[range.start as usize..range.end as usize] {
            mark.get_or_insert(nth);
        }
    }
    let mut found: Vec<(usize, Range<u64>)> = Vec::new();
    for (at, mark) in (0..).zip(&marks) {
        let Some(nth) = *mark else { continue };
        match found.last_mut() {
            Some((first, range)) if at - range.end <= COALESCE_GAP => {
                *first = nth.min(*first);
                range.end = at + 1;
            }
            _ => found.push((nth, at..at + 1)),
        }
    }
    found.sort_by_key(|(first, _)| *first);
    let mut ranges: Vec<_> = found.into_iter().map(|(_, range)| range).collect();
    match ranges.len() {
        0 => Selection::Unsatisfiable,
        1 => Selection::Single(ranges.remove(0)),
        _ => Selection::Multiple(ranges),
    }
}

/// RFC 9110 section 14.1.2: the ranges of the line, cut at the end, some perhaps empty. `None` when it is ignored.
fn asked(line: &[u8], length: u64) -> Option<Vec<Range<u64>>> {
    let line = std::str::from_utf8(line).ok()?;
    let (unit, list) = line.split_once('=')?;
    let members: Vec<_> = list.split(',').map(|member| member.trim_matches([' ', '\t'])).collect();
    let empty = members.iter().filter(|member| member.is_empty()).count();
    let named = members.len() - empty;
    if !unit.eq_ignore_ascii_case("bytes") || empty > 16 || !(1..=MAX_RANGES).contains(&named) {
        return None;
    }
    let mut ranges = Vec::new();
    for member in members.into_iter().filter(|member| !member.is_empty()) {
        let (first, last) = member.split_once('-')?;
        ranges.push(match (position(first)?, position(last)?) {
            (None, None) => return None,
            (None, Some(suffix)) if suffix > 0 && length == 0 => return None,
            (None, Some(suffix)) => length - suffix.min(length)..length,
            (Some(first), None) => first.min(length)..length,
            (Some(first), Some(last)) if first > last => return None,
            (Some(first), Some(last)) => first.min(length)..(last.min(length) + 1).min(length),
        });
    }
    Some(ranges)
}

/// Digits or nothing; a number past all lengths is as good as the largest.
fn position(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    let digits = text.chars().all(|c| c.is_ascii_digit());
    digits.then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

/// The frame of several parts is as long as it says, and its parts can be found in it.
fn frame(ranges: &[Range<u64>], length: u64) {
    let content: Vec<u8> = (0..length).map(|at| b'a' + (at % 23) as u8).collect();
    let frame = MultipartRanges::new(ranges, length, Some("text/plain"), "BOUNDARY").unwrap();
    let mut body = Vec::new();
    for part in frame.parts() {
        body.extend_from_slice(&part.head);
        body.extend_from_slice(&content[part.range.start as usize..part.range.end as usize]);
    }
    body.extend_from_slice(frame.closing());
    assert_eq!(body.len() as u64, frame.content_length());
    let mut rest = &body[..];
    for range in ranges {
        let position = format!("Content-Range: bytes {}-{}/{length}\r\n\r\n", range.start, range.end - 1);
        let start = find(rest, position.as_bytes()).unwrap() + position.len();
        let end = find(rest, b"\r\n--BOUNDARY").filter(|&end| end >= start);
        let end = end.unwrap_or_else(|| start + find(&rest[start..], b"\r\n--BOUNDARY").unwrap());
        assert_eq!(&rest[start..end], &content[range.start as usize..range.end as usize]);
        rest = &rest[end..];
    }
    assert_eq!(rest, b"\r\n--BOUNDARY--\r\n");
}

/// The last change of the file in these checks: Sun, 06 Nov 1994 08:49:37 GMT.
const CHANGED: u64 = 784_111_777;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn states() -> [Option<Validators>; 4] {
    let last_modified = Some(UNIX_EPOCH + Duration::from_secs(CHANGED));
    let with = |etag| Some(Validators { etag, last_modified });
    [with(EntityTag::strong("v1").ok()), with(EntityTag::weak("v1").ok()), Some(Validators::default()), None]
}

/// RFC 9110 section 13.2.2, by what each field can and cannot bring about.
fn preconditions(fields: &[(&[u8], &[u8])], current: Option<&Validators>) {
    let has = |name| fields.lines(name).next().is_some();
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let reads = matches!(method, Method::GET | Method::HEAD);
        let judge = |without: &str| {
            let keep = |field: &&(&[u8], &[u8])| !field.0.eq_ignore_ascii_case(without.as_bytes());
            let kept: Vec<_> = fields.iter().filter(keep).copied().collect();
            evaluate(&method, &kept[..], current, now())
        };
        let verdict = judge("");
        match verdict {
            Verdict::Proceed => {}
            Verdict::NotModified => {
                assert!(reads && current.is_some() && (has("if-none-match") || has("if-modified-since")));
            }
            Verdict::PreconditionFailed => {
                assert!(method != Method::OPTIONS);
                let by_none = has("if-none-match") && !reads;
                assert!(by_none || has("if-match") || has("if-unmodified-since"));
            }
        }
        if has("if-match") {
            assert_eq!(judge("if-unmodified-since"), verdict, "step 2 only without an If-Match");
        }
        if has("if-none-match") || !reads {
            assert_eq!(judge("if-modified-since"), verdict, "step 4 only for reads without an If-None-Match");
        }
        assert_eq!(judge("if-range"), verdict, "step 5 is not part of it");
        single_tags(fields, &method, current, verdict);
    }
    let verdicts = [Method::GET, Method::HEAD].map(|method| evaluate(&method, fields, current, now()));
    assert_eq!(verdicts[0], verdicts[1]);
    if let Some(current) = current {
        range_is_guarded(fields, current);
    }
}

/// Fields with one tag, alone, have an answer that is known beforehand.
fn single_tags(fields: &[(&[u8], &[u8])], method: &Method, current: Option<&Validators>, verdict: Verdict) {
    let [(name, value)] = fields else { return };
    let Some(etag) = current.and_then(|current| current.etag.as_ref()) else {
        return;
    };
    let (same, strong) = match *value {
        b"\"v1\"" => (true, !etag.is_weak()),
        b"W/\"v1\"" => (true, false),
        b"\"v2\"" => (false, false),
        _ => return,
    };
    let exempt = *method == Method::OPTIONS;
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let expected = match name.to_ascii_lowercase().as_slice() {
        b"if-match" if !strong && !exempt => Verdict::PreconditionFailed,
        b"if-none-match" if same && reads => Verdict::NotModified,
        b"if-none-match" if same && !exempt => Verdict::PreconditionFailed,
        b"if-match" | b"if-none-match" => Verdict::Proceed,
        _ => return,
    };
    assert_eq!(verdict, expected, "{method} with a tag");
}

/// RFC 9110 section 13.1.5: a range only of a state that is the same for certain.
fn range_is_guarded(fields: &[(&[u8], &[u8])], current: &Validators) {
    let lines: Vec<_> = fields.lines("if-range").collect();
    let honoured = if_range(fields, current, now());
    match lines[..] {
        [] => assert!(honoured),
        [line] if honoured => {
            let by_tag = line == b"\"v1\"" && current.etag.as_ref().is_some_and(|etag| !etag.is_weak());
            let by_date = date::parse(line, now()).map(date::seconds) == Some(CHANGED as i64);
            assert!(by_tag || by_date && current.last_modified.is_some());
        }
        [_] => {}
        _ => assert!(!honoured, "two lines"),
    }
}

/// The choice is on offer and acceptable, nothing on offer is left out without a reason, and a refusal counts.
fn codings(fields: &[(&[u8], &[u8])]) {
    let lines: Vec<_> = fields.lines("accept-encoding").collect();
    let accept = AcceptEncoding::parse(lines.iter().copied());
    for offered in [&[][..], &SMALLEST_FIRST, &[Coding::Gzip, Coding::Identity]] {
        let choice = accept.choose(offered);
        match choice {
            Some(choice) => {
                assert!(choice == Coding::Identity || offered.contains(&choice));
                assert!(accept.accepts(choice));
            }
            None => {
                assert!(!accept.accepts(Coding::Identity));
                assert!(!offered.iter().any(|&coding| accept.accepts(coding)));
            }
        }
    }
    for coding in Coding::ALL {
        let refusal = format!("{};q=0", coding.name());
        let refused = AcceptEncoding::parse(lines.iter().copied().chain([refusal.as_bytes()]));
        // A list that cannot be read counts as absent, and so does the refusal.
        let unreadable = refused == AcceptEncoding::default();
        assert!(!refused.accepts(coding) || coding == Coding::Identity && unreadable);
    }
}

/// The type chosen is on offer; a single one is chosen or refused alike wherever it stands in the list.
fn types(fields: &[(&[u8], &[u8])]) {
    let lines: Vec<_> = fields.lines("accept").collect();
    let choose = |offered: &[&'static str]| choose_type(lines.iter().copied(), offered);
    let offered = ["text/html", "application/json", "text/plain"];
    let choice = choose(&offered);
    let alone: Vec<_> = offered.iter().filter(|kind| choose(&[kind]).is_some()).collect();
    match choice {
        Some(choice) => assert!(alone.contains(&&choice)),
        None => assert!(alone.is_empty()),
    }
    assert_eq!(choose(&["application/json", "text/plain", "text/html"]).is_some(), choice.is_some());
    assert_eq!(choose(&[]), None);
}

/// A date that is read is written as the same second, unless it is the leap second behind the last year that has a form.
fn dates(fields: &[(&[u8], &[u8])]) {
    const YEAR_10000: i64 = 253_402_300_800;
    for (_, value) in fields {
        if let Some(time) = date::parse(value, now()).filter(|&time| date::seconds(time) < YEAR_10000) {
            assert_eq!(date::parse(&date::format(time), now()), Some(time));
        }
    }
}
