//! What follows from the head of an answer.

use super::super::answer::{Body, Verdict, seconds};
use super::super::run::Wanted;
use super::*;

fn body(verdict: Verdict) -> Option<(u64, u64, bool)> {
    let Verdict::Body(mut body) = verdict else { return None };
    let (skip, take) = body.cut(usize::MAX);
    Some((skip as u64, take as u64, body.goes_on))
}

#[test]
fn ranges_are_those_that_were_asked_for() {
    let length = 10 * u64::from(BLOCK);
    let (info, _) = single(length, 2);
    let range = u64::from(BLOCK)..4 * u64::from(BLOCK);
    let wanted = Wanted::File { file: 0, range: range.clone() };
    let useless = || Verdict::Useless(Ended::WrongRange);
    let missing = || Verdict::Missing(0);
    let (start, last) = (range.start, range.end - 1);
    for (said, expected) in [
        (Some(format!("bytes {start}-{last}/{length}")), None),
        (Some(format!("Bytes  {start}-{last}/*")), None),
        (Some(format!("bytes {start}-{last}/{}", length + 1)), Some(missing())),
        (Some(format!("bytes {start}-{}/{length}", last + 1)), Some(useless())),
        (Some(format!("bytes {}-{last}/{length}", start + 1)), Some(useless())),
        (Some(format!("bytes 0-{last}/{length}")), Some(useless())),
        (Some(format!("bytes {start}-{start}/{length}")), Some(useless())),
        (Some(format!("bytes {last}-{start}/{length}")), Some(useless())),
        (Some(format!("bytes +{start}-{last}/{length}")), Some(useless())),
        (Some(format!("bytes {start}-{last}")), Some(useless())),
        (Some(format!("bytes */{length}")), Some(useless())),
        (Some(format!("items {start}-{last}/{length}")), Some(useless())),
        (Some("bytes 0-18446744073709551615/*".to_owned()), Some(useless())),
        (Some(String::new()), Some(useless())),
        (None, Some(useless())),
    ] {
        let found = head(206, None, said.as_deref()).verdict(&wanted, &info);
        match expected {
            None => assert_eq!(body(found), Some((0, range.end - range.start, false)), "{said:?}"),
            Some(expected) => assert_eq!(found, expected, "{said:?}"),
        }
    }
    // A block of it is something; the rest is asked for again.
    let said = format!("bytes {start}-{}/{length}", start + u64::from(BLOCK) - 1);
    let found = head(206, None, Some(&said)).verdict(&wanted, &info);
    assert_eq!(body(found), Some((0, BLOCK.into(), false)));
}

#[test]
fn a_whole_file_is_taken_if_not_much_of_it_is_for_nothing() {
    let length = MAX_SKIP + 4;
    let (info, _) = single(length, 2);
    for (range, said, expected) in [
        (0..length, Some(length), Ok((0, length, false))),
        (0..length, None, Ok((0, length, false))),
        (0..5, Some(length), Ok((0, 5, true))),
        (MAX_SKIP..length, Some(length), Ok((MAX_SKIP, 4, false))),
        (MAX_SKIP + 1..length, Some(length), Err(Verdict::Useless(Ended::NoRanges))),
        (0..5, Some(length - 1), Err(Verdict::Missing(0))),
    ] {
        let found = head(200, said, None).verdict(&Wanted::File { file: 0, range: range.clone() }, &info);
        match expected {
            Ok(expected) => assert_eq!(body(found), Some(expected), "{range:?}"),
            Err(expected) => assert_eq!(found, expected, "{range:?}"),
        }
    }
}

#[test]
fn statuses() {
    let (info, _) = single(100, 1);
    let wait = Some(Duration::from_secs(7));
    let later = |status| Verdict::Later(Fault::Status(status), wait);
    let files = Wanted::File { file: 0, range: 0..1 };
    let piece = Wanted::Piece { piece: 0, ranges: std::iter::once(0..1).collect() };
    let verdict = |status, wanted: &Wanted| {
        Head { status, length: None, range: None, retry_after: wait }.verdict(wanted, &info)
    };
    for status in [301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 410, 416, 451, 499] {
        assert_eq!(verdict(status, &files), Verdict::Missing(0), "{status}");
        assert_eq!(verdict(status, &piece), later(status), "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 599, 999] {
        assert_eq!(verdict(status, &files), later(status), "{status}");
        assert_eq!(verdict(status, &piece), later(status), "{status}");
    }
    for status in [0, 100, 204] {
        assert_eq!(verdict(status, &files), Verdict::Later(Fault::Status(status), None), "{status}");
    }
    // A script says in the body how long to wait, and its bytes are as many as were asked for.
    assert_eq!(head(503, None, None).verdict(&piece, &info), Verdict::Number);
    assert_eq!(head(200, Some(0), None).verdict(&piece, &info), Verdict::Later(Fault::Short, None));
    assert_eq!(head(200, Some(2), None).verdict(&piece, &info), Verdict::Later(Fault::Long, None));
    assert_eq!(body(head(200, None, None).verdict(&piece, &info)), Some((0, 1, false)));
}

#[test]
fn bodies_are_cut() {
    let (info, _) = single(100, 1);
    let verdict = head(200, None, None).verdict(&Wanted::File { file: 0, range: 10..30 }, &info);
    let Verdict::Body(body) = verdict else { panic!("{verdict:?}") };
    for step in 1..=40 {
        let mut body: Body = body;
        let (mut skipped, mut taken) = (0, 0);
        for _ in 0..40usize.div_ceil(step) {
            let (skip, take) = body.cut(step);
            assert!(skip + take <= step);
            (skipped, taken) = (skipped + skip, taken + take);
        }
        assert_eq!((skipped, taken, body.is_whole()), (10, 20, true), "{step}");
    }
}

#[test]
fn numbers_of_seconds() {
    for (text, expected) in [
        ("60", Some(60)),
        (" 5\r\n", Some(5)),
        ("0", Some(0)),
        ("-1", None),
        ("1.5", None),
        ("", None),
        ("<html>", None),
        ("99999999999999999999", None),
    ] {
        assert_eq!(seconds(text.as_bytes()), expected.map(Duration::from_secs), "{text}");
    }
    assert_eq!(seconds(&[0xff]), None);
}
