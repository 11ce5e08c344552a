//! Conditional requests: RFC 9110 section 13, with the order of section 13.2.2.
//!
//! [`evaluate`] walks the steps of that section, given what is current, and says whether the method is performed. It
//! is to be asked once the plain answer is known to be a 2xx (section 13.2.1): a redirect or a 404 wins over any
//! precondition. [`if_range`] is step 5, apart, because only a server that is about to answer a range needs it.
//!
//! A list that cannot be read counts against the request in the harmless way: nothing is changed, and a reader gets
//! the full answer.

use std::time::SystemTime;

use http::Method;

use super::date;
use super::etag::{EntityTag, Listed, tags};
use super::list::FieldLines;

/// What is known of the current state of a representation; both may be unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// What the `ETag` field of an answer says.
    pub etag: Option<EntityTag>,
    /// What the `Last-Modified` field of an answer says. Parts of a second do not count, as the field has none.
    pub last_modified: Option<SystemTime>,
}

/// What preconditions make of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a request that is not to proceed must not be performed"]
pub enum Verdict {
    /// Perform the method.
    Proceed,
    /// Answer 304: the client has the current state. The answer repeats those of Cache-Control, Content-Location, Date,
    /// ETag, Expires and Vary that a 200 would have (section 15.4.5).
    NotModified,
    /// Answer 412, and change nothing.
    PreconditionFailed,
}

/// Evaluates the preconditions among `fields`: section 13.2.2.
///
/// `current` describes the selected representation, `None` when there is none. `now` settles the century of dates in the
/// RFC 850 form. Of GET and HEAD without a representation nothing is asked, for their plain answer is no 2xx.
pub fn evaluate<F: FieldLines + ?Sized>(
    method: &Method,
    fields: &F,
    current: Option<&Validators>,
    now: SystemTime,
) -> Verdict {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let exempt = matches!(*method, Method::CONNECT | Method::OPTIONS | Method::TRACE);
    if exempt || reads && current.is_none() {
        return Verdict::Proceed;
    }
    // Step 1, and step 2 only without an If-Match.
    let unchanged = if_match(fields, current).or_else(|| if_unmodified_since(fields, current, now));
    if unchanged == Some(false) {
        return Verdict::PreconditionFailed;
    }
    // Step 3.
    match if_none_match(fields, current, reads) {
        Some(false) if reads => return Verdict::NotModified,
        Some(false) => return Verdict::PreconditionFailed,
        Some(true) => return Verdict::Proceed,
        None => {}
    }
    // Step 4, only without an If-None-Match.
    if reads && if_modified_since(fields, current, now) == Some(false) {
        return Verdict::NotModified;
    }
    // Step 5 is `if_range`. Step 6.
    Verdict::Proceed
}

/// Whether the `Range` field of a GET may be honoured, as far as `If-Range` has a say: section 13.1.5 and step 5.
///
/// True without an `If-Range`. Otherwise only when it holds the current entity tag, both strong, or exactly the date
/// of the last change, which must lie at least a second before `now` to tell one state from the next. In doubt it is
/// false, and the answer is the whole representation.
#[must_use]
pub fn if_range<F: FieldLines + ?Sized>(fields: &F, current: &Validators, now: SystemTime) -> bool {
    let mut lines = fields.lines("if-range");
    let Some(text) = lines.next() else {
        return true;
    };
    if lines.next().is_some() {
        return false;
    }
    if let Ok(tag) = EntityTag::parse(text) {
        return current.etag.as_ref().is_some_and(|etag| etag.strong_eq(&tag));
    }
    let Some((date, changed)) = date::parse(text, now).zip(current.last_modified) else {
        return false;
    };
    date::seconds(date) == date::seconds(changed) && date::seconds(changed) < date::seconds(now)
}

/// Section 13.1.1: whether the current state is one of those listed. `None` without the field.
fn if_match<F: FieldLines + ?Sized>(fields: &F, current: Option<&Validators>) -> Option<bool> {
    let listed = is_listed(fields, "if-match", current, EntityTag::strong_eq)?;
    Some(listed == Is::Listed)
}

/// Section 13.1.2: whether the current state is none of those listed. `None` without the field.
fn if_none_match<F: FieldLines + ?Sized>(
    fields: &F,
    current: Option<&Validators>,
    reads: bool,
) -> Option<bool> {
    let listed = is_listed(fields, "if-none-match", current, EntityTag::weak_eq)?;
    Some(listed == Is::Unlisted || listed == Is::Unreadable && reads)
}

/// Section 13.1.3: whether the last change came after the date. `None` without the field, with one that is no date or
/// more than one, and without a date to compare it with.
fn if_modified_since<F: FieldLines + ?Sized>(
    fields: &F,
    current: Option<&Validators>,
    now: SystemTime,
) -> Option<bool> {
    if_unmodified(fields, "if-modified-since", current, now).map(|unmodified| !unmodified)
}

/// Section 13.1.4: whether the last change came no later than the date. `None` as for `if_modified_since`.
fn if_unmodified_since<F: FieldLines + ?Sized>(
    fields: &F,
    current: Option<&Validators>,
    now: SystemTime,
) -> Option<bool> {
    if_unmodified(fields, "if-unmodified-since", current, now)
}

fn if_unmodified<F: FieldLines + ?Sized>(
    fields: &F,
    name: &str,
    current: Option<&Validators>,
    now: SystemTime,
) -> Option<bool> {
    let mut lines = fields.lines(name);
    let (first, second) = (lines.next()?, lines.next());
    let date = date::parse(first, now).filter(|_| second.is_none())?;
    let changed = current?.last_modified?;
    Some(date::seconds(changed) <= date::seconds(date))
}

/// What a list of tags says of the current state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Listed,
    Unlisted,
    Unreadable,
}

type Comparison<'a> = fn(&EntityTag, &EntityTag<&'a [u8]>) -> bool;

/// Looks for the current state in the list `name`; `None` without the field.
fn is_listed<'a, F: FieldLines + ?Sized>(
    fields: &'a F,
    name: &str,
    current: Option<&Validators>,
    same: Comparison<'a>,
) -> Option<Is> {
    let mut lines = fields.lines(name).peekable();
    lines.peek()?;
    let etag = current.and_then(|validators| validators.etag.as_ref());
    let mut answer = Is::Unlisted;
    for member in tags(lines) {
        let matches = match member {
            Ok(Listed::Any) => current.is_some(),
            Ok(Listed::Tag(tag)) => etag.is_some_and(|etag| same(etag, &tag)),
            Err(_) => return Some(Is::Unreadable),
        };
        if matches {
            answer = Is::Listed;
        }
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::Verdict::{NotModified, PreconditionFailed, Proceed};
    use super::*;

    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn at(text: &str) -> Option<SystemTime> {
        date::parse(text.as_bytes(), UNIX_EPOCH)
    }

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_254_740)
    }

    type Fields<'a> = &'a [(&'a str, &'a str)];

    /// A state with the tag `etag`, last changed half a second after `CHANGED`.
    fn state(etag: &str) -> Validators {
        Validators {
            etag: etag.parse().ok(),
            last_modified: at(CHANGED).map(|time| time + Duration::from_millis(500)),
        }
    }

    /// The verdict on a resource whose state is `"v1"`.
    fn on_v1(method: &Method, fields: Fields<'_>) -> Verdict {
        evaluate(method, fields, Some(&state("\"v1\"")), now())
    }

    fn on_nothing(method: &Method, fields: Fields<'_>) -> Verdict {
        evaluate(method, fields, None, now())
    }

    #[test]
    fn no_precondition_no_obstacle() {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert_eq!(on_v1(&method, &[]), Proceed);
            assert_eq!(on_v1(&method, &[("range", "bytes=0-1"), ("accept", "*/*")]), Proceed);
        }
    }

    #[test]
    fn step_1_if_match_compares_strongly() {
        let cases: [(&[&str], bool); 14] = [
            (&["\"v1\""], true),
            (&["*"], true),
            (&["\"v0\", \"v1\""], true),
            (&["\"v0\"", "\"v1\""], true),
            (&["\"a,b\", \"v1\""], true),
            (&["W/\"v1\""], false),
            (&["W/\"v1\", \"v1\""], true),
            (&["\"v2\""], false),
            (&[""], false),
            (&["v1"], false),
            (&["\"v1\", oops"], false),
            (&["\"v1\", *"], false),
            (&["*, *"], false),
            (&["\"v0,v1\""], false),
        ];
        for (lines, holds) in cases {
            let fields: Vec<_> = lines.iter().map(|&line| ("If-Match", line)).collect();
            let expected = if holds { Proceed } else { PreconditionFailed };
            for method in [Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE] {
                assert_eq!(on_v1(&method, &fields), expected, "{method} {lines:?}");
            }
        }
    }

    #[test]
    fn step_1_a_weak_or_missing_tag_never_satisfies_if_match() {
        let weak = state("W/\"v1\"");
        let untagged = Validators { etag: None, ..weak.clone() };
        for (tag, expected) in
            [("\"v1\"", PreconditionFailed), ("W/\"v1\"", PreconditionFailed), ("*", Proceed)]
        {
            for current in [&weak, &untagged] {
                let fields = [("if-match", tag)];
                assert_eq!(evaluate(&Method::PUT, &fields[..], Some(current), now()), expected, "{tag}");
            }
        }
    }

    #[test]
    fn step_2_if_unmodified_since_holds_up_to_the_last_change() {
        let cases = [
            (BEFORE, PreconditionFailed),
            (CHANGED, Proceed),
            (AFTER, Proceed),
            ("Sunday, 06-Nov-94 08:49:36 GMT", PreconditionFailed),
            ("Sun Nov  6 08:49:36 1994", PreconditionFailed),
            ("yesterday", Proceed),
            ("", Proceed),
            ("784111776", Proceed),
        ];
        for (date, expected) in cases {
            for method in [Method::GET, Method::PUT] {
                assert_eq!(on_v1(&method, &[("if-unmodified-since", date)]), expected, "{method} {date}");
            }
        }
        let twice = [("if-unmodified-since", BEFORE), ("if-unmodified-since", BEFORE)];
        assert_eq!(on_v1(&Method::PUT, &twice), Proceed, "more than one date is none");
        let undated = Validators { last_modified: None, ..state("\"v1\"") };
        let before = [("if-unmodified-since", BEFORE)];
        assert_eq!(evaluate(&Method::PUT, &before[..], Some(&undated), now()), Proceed);
    }

    #[test]
    fn step_3_if_none_match_compares_weakly() {
        let cases: [(&[&str], bool); 11] = [
            (&["\"v1\""], true),
            (&["W/\"v1\""], true),
            (&["*"], true),
            (&["\"v0\", W/\"v1\""], true),
            (&["\"v0\"", "", "\"v1\""], true),
            (&["\"a,b\", \"v1\""], true),
            (&["\"v1\","], true),
            (&["\"v2\""], false),
            (&["\"v\""], false),
            (&["\"V1\""], false),
            (&[""], false),
        ];
        for (lines, listed) in cases {
            let fields: Vec<_> = lines.iter().map(|&line| ("If-None-Match", line)).collect();
            for method in [Method::GET, Method::HEAD] {
                let expected = if listed { NotModified } else { Proceed };
                assert_eq!(on_v1(&method, &fields), expected, "{method} {lines:?}");
            }
            for method in [Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
                let expected = if listed { PreconditionFailed } else { Proceed };
                assert_eq!(on_v1(&method, &fields), expected, "{method} {lines:?}");
            }
        }
    }

    #[test]
    fn step_3_a_list_that_cannot_be_read_is_answered_in_full_and_changes_nothing() {
        for list in ["v1", "\"v1", "*, \"v1\"", "\"v1\" \"v1\"", "\"v1\", v1", "w/\"v1\""] {
            assert_eq!(on_v1(&Method::GET, &[("if-none-match", list)]), Proceed, "{list}");
            assert_eq!(on_v1(&Method::PUT, &[("if-none-match", list)]), PreconditionFailed, "{list}");
        }
    }

    #[test]
    fn step_4_if_modified_since_compares_whole_seconds() {
        let cases = [
            (BEFORE, Proceed),
            (CHANGED, NotModified),
            (AFTER, NotModified),
            ("Sunday, 06-Nov-94 08:49:37 GMT", NotModified),
            ("Sun Nov  6 08:49:37 1994", NotModified),
            // A date that is still to come is a date (section 13.1.3 no longer excludes it).
            ("Fri, 01 Jan 2100 00:00:00 GMT", NotModified),
            ("Sun, 06 Nov 1994 08:49:37 GMT; length=12", Proceed),
            ("Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", Proceed),
            ("", Proceed),
        ];
        for (date, expected) in cases {
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(on_v1(&method, &[("if-modified-since", date)]), expected, "{method} {date}");
            }
            for method in [Method::PUT, Method::POST, Method::DELETE] {
                assert_eq!(on_v1(&method, &[("if-modified-since", date)]), Proceed, "{method} {date}");
            }
        }
        let twice = [("if-modified-since", AFTER), ("if-modified-since", AFTER)];
        assert_eq!(on_v1(&Method::GET, &twice), Proceed, "more than one date is none");
        let undated = Validators { last_modified: None, ..state("\"v1\"") };
        let after = [("if-modified-since", AFTER)];
        assert_eq!(evaluate(&Method::GET, &after[..], Some(&undated), now()), Proceed);
    }

    #[test]
    fn a_later_step_is_not_taken_when_an_earlier_one_decides() {
        let cases: [(Fields<'_>, Verdict); 10] = [
            // An If-Match takes the place of If-Unmodified-Since, whichever way it goes.
            (&[("if-match", "\"v1\""), ("if-unmodified-since", BEFORE)], Proceed),
            (&[("if-match", "\"v2\""), ("if-unmodified-since", AFTER)], PreconditionFailed),
            // An If-None-Match takes the place of If-Modified-Since, even one that cannot be read.
            (&[("if-none-match", "\"v2\""), ("if-modified-since", AFTER)], Proceed),
            (&[("if-none-match", "v1"), ("if-modified-since", AFTER)], Proceed),
            (&[("if-none-match", "\"v1\""), ("if-modified-since", BEFORE)], NotModified),
            // The first pair is asked before the second.
            (&[("if-none-match", "\"v1\""), ("if-match", "\"v2\"")], PreconditionFailed),
            (&[("if-none-match", "\"v1\""), ("if-match", "\"v1\"")], NotModified),
            (&[("if-modified-since", AFTER), ("if-unmodified-since", BEFORE)], PreconditionFailed),
            (&[("if-modified-since", AFTER), ("if-unmodified-since", AFTER)], NotModified),
            (&[("if-modified-since", BEFORE), ("if-match", "*")], Proceed),
        ];
        for (fields, expected) in cases {
            assert_eq!(on_v1(&Method::GET, fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn every_combination_obeys_the_order() {
        let options = |name, yes, no| [None, Some((name, yes)), Some((name, no))];
        let matches = options("if-match", "\"v1\"", "\"v2\"");
        let unmodified = options("if-unmodified-since", AFTER, BEFORE);
        let none_match = options("if-none-match", "\"v2\"", "\"v1\"");
        let modified = options("if-modified-since", BEFORE, AFTER);
        for (a, b, c, d) in (0..81).map(|n| (n / 27, n / 9 % 3, n / 3 % 3, n % 3)) {
            let fields: Vec<_> =
                [modified[d], none_match[c], unmodified[b], matches[a]].into_iter().flatten().collect();
            // 0 is an absent field, 1 one that holds, 2 one that fails.
            let first = if a == 0 { b } else { a };
            let second = if c == 0 { d } else { c };
            let for_get = match (first, second) {
                (2, _) => PreconditionFailed,
                (_, 2) => NotModified,
                _ => Proceed,
            };
            let for_put = if first == 2 || c == 2 { PreconditionFailed } else { Proceed };
            assert_eq!(on_v1(&Method::GET, &fields), for_get, "GET {fields:?}");
            assert_eq!(on_v1(&Method::HEAD, &fields), for_get, "HEAD {fields:?}");
            assert_eq!(on_v1(&Method::PUT, &fields), for_put, "PUT {fields:?}");
            for method in [Method::OPTIONS, Method::TRACE, Method::CONNECT] {
                assert_eq!(on_v1(&method, &fields), Proceed, "{method} {fields:?}");
            }
        }
    }

    #[test]
    fn where_nothing_is_a_star_matches_nothing() {
        let cases: [(Fields<'_>, Verdict); 6] = [
            (&[("if-match", "*")], PreconditionFailed),
            (&[("if-match", "\"v1\"")], PreconditionFailed),
            (&[("if-none-match", "*")], Proceed),
            (&[("if-none-match", "\"v1\"")], Proceed),
            (&[("if-unmodified-since", BEFORE)], Proceed),
            (&[("if-modified-since", AFTER)], Proceed),
        ];
        for (fields, expected) in cases {
            assert_eq!(on_nothing(&Method::PUT, fields), expected, "{fields:?}");
            assert_eq!(on_nothing(&Method::GET, fields), Proceed, "a GET is a 404: {fields:?}");
        }
    }

    #[test]
    fn step_5_a_range_needs_a_strong_match() {
        let cases = [
            ("\"v1\"", true),
            ("\"v2\"", false),
            ("W/\"v1\"", false),
            ("\"v1\", \"v2\"", false),
            ("*", false),
            ("v1", false),
            ("", false),
            (BEFORE, false),
            (CHANGED, true),
            (AFTER, false),
            ("Sunday, 06-Nov-94 08:49:37 GMT", true),
            ("Sun Nov  6 08:49:37 1994", true),
        ];
        for (text, expected) in cases {
            let fields = [("If-Range", text)];
            assert_eq!(if_range(&fields[..], &state("\"v1\""), now()), expected, "{text}");
        }
    }

    #[test]
    fn step_5_without_if_range_the_range_stands() {
        let fields: [(&str, &str); 1] = [("range", "bytes=0-1")];
        assert!(if_range(&fields[..], &state("\"v1\""), now()));
        assert!(if_range(&fields[..], &Validators::default(), now()));
    }

    #[test]
    fn step_5_in_doubt_the_whole_representation_is_sent() {
        let tag = [("if-range", "\"v1\"")];
        let date = [("if-range", CHANGED)];
        assert!(!if_range(&tag[..], &state("W/\"v1\""), now()), "our tag is weak");
        assert!(!if_range(&tag[..], &Validators::default(), now()), "we have no tag");
        assert!(!if_range(&date[..], &Validators::default(), now()), "we have no date");
        let twice = [("if-range", "\"v1\""), ("if-range", "\"v1\"")];
        assert!(!if_range(&twice[..], &state("\"v1\""), now()), "two values are none");
        let changed = |later| at(CHANGED).map(|time| time + Duration::from_millis(later));
        for (later, expected) in [(0, false), (999, false), (1000, true)] {
            let verdict = changed(later).map(|now| if_range(&date[..], &state("\"v1\""), now));
            assert_eq!(verdict, Some(expected), "{later} ms after the change");
        }
    }

    #[test]
    fn a_header_map_is_asked_the_same_way() {
        let mut map = http::HeaderMap::new();
        map.append("if-none-match", http::HeaderValue::from_static("\"v0\""));
        map.append("if-none-match", http::HeaderValue::from_static("W/\"v1\""));
        assert_eq!(evaluate(&Method::GET, &map, Some(&state("\"v1\"")), now()), NotModified);
        assert_eq!(evaluate(&Method::GET, &map, Some(&state("\"v2\"")), now()), Proceed);
    }
}
