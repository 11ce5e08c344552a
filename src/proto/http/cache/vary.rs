//! Which requests a stored response answers, beyond its URI: RFC 9111 section 4.1.
//!
//! A response names in `Vary` the request fields that chose it. It answers another request when these fields have the same values there, or are
//! absent in both. Values are compared in a form that keeps their meaning: several lines are one list, whitespace around commas does not
//! count, and `Accept-Encoding`, whose order means nothing, is sorted. So the many spellings of browsers become few.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderName;
use http::header::{ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE};

use crate::proto::http::list::{FieldLines, members, trim_ows};

/// How many fields a response may name. More are taken for `*`.
pub const MAX_NAMES: usize = 16;

/// Bytes of the values of these fields that are kept at most: longer ones, such as large cookies, make a response that nobody else would get.
pub const MAX_SELECTION: usize = 4096;

/// The names in the `Vary` of a response, in order; empty without one.
///
/// `None` for `*`, for what cannot be read, and for more than [`MAX_NAMES`]: no other request can be answered by it.
pub fn names<F: FieldLines + ?Sized>(fields: &F) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for member in members(fields.lines("vary")) {
        let member = member.ok()?;
        if member == b"*" || names.len() == MAX_NAMES {
            return None;
        }
        let name = HeaderName::from_bytes(member).ok()?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    Some(names)
}

/// What a request says in the fields of these names, in a form that is the same for requests that mean the same.
///
/// `None` when it is longer than [`MAX_SELECTION`].
pub fn selection<F: FieldLines + ?Sized>(names: &[HeaderName], request: &F) -> Option<Bytes> {
    if names.is_empty() {
        return Some(Bytes::new());
    }
    let mut selection = BytesMut::new();
    for name in names {
        let start = selection.len();
        // Absent is not the same as empty.
        selection.put_u32(u32::MAX);
        if let Some(value) = value(name, request) {
            let length = u32::try_from(value.len()).ok()?;
            selection[start..].copy_from_slice(&length.to_be_bytes());
            selection.extend_from_slice(&value);
        }
        if selection.len() > MAX_SELECTION {
            return None;
        }
    }
    Some(selection.freeze())
}

/// All lines of a field as one value.
fn value<F: FieldLines + ?Sized>(name: &HeaderName, request: &F) -> Option<Vec<u8>> {
    let lines = || request.lines(name.as_str());
    lines().next()?;
    let members: Result<Vec<&[u8]>, _> = members(lines()).collect();
    let Ok(members) = members else {
        // No list: compared as it came.
        return Some(lines().collect::<Vec<_>>().join(&b", "[..]));
    };
    let any_case = [ACCEPT_ENCODING, ACCEPT_LANGUAGE, ACCEPT_CHARSET].contains(name);
    let mut members: Vec<Vec<u8>> = members
        .into_iter()
        .map(|member| if any_case { without_spaces(member).to_ascii_lowercase() } else { member.to_vec() })
        .collect();
    if *name == ACCEPT_ENCODING {
        members.sort_unstable();
        members.dedup();
    }
    Some(members.join(&b","[..]))
}

/// `br;q=1` for `br ; q=1`.
fn without_spaces(member: &[u8]) -> Vec<u8> {
    member.split(|&byte| byte == b';').map(trim_ows).collect::<Vec<_>>().join(&b";"[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(value: &str) -> Option<Vec<HeaderName>> {
        names(&[("vary", value)][..])
    }

    #[test]
    fn names_of_vary() {
        let rows: [(&str, Option<&[&str]>); 9] = [
            ("", Some(&[])),
            ("Accept", Some(&["accept"])),
            ("X-B, accept ,, x-a, ACCEPT", Some(&["accept", "x-a", "x-b"])),
            ("*", None),
            ("accept, *", None),
            ("*, accept", None),
            ("a b", None),
            ("\"a", None),
            ("a:", None),
        ];
        for (value, expected) in rows {
            let got = named(value);
            let got = got.as_ref().map(|names| names.iter().map(HeaderName::as_str).collect::<Vec<_>>());
            assert_eq!(got.as_deref(), expected, "{value}");
        }
        let many: Vec<_> = (0..=MAX_NAMES).map(|number| format!("x-{number}")).collect();
        assert!(named(&many[1..].join(",")).is_some());
        assert!(named(&many.join(",")).is_none());
        assert_eq!(names(&[("vary", "a"), ("vary", "b")][..]).unwrap().len(), 2);
    }

    #[test]
    fn requests_that_mean_the_same() {
        /// `Vary`, two requests by their fields, whether they are alike.
        type Row = (
            &'static str,
            &'static [(&'static str, &'static str)],
            &'static [(&'static str, &'static str)],
            bool,
        );
        let rows: [Row; 18] = [
            ("", &[("accept", "a")], &[("accept", "b")], true),
            ("accept", &[("accept", "a")], &[("accept", "a")], true),
            ("accept", &[("accept", "a")], &[("accept", "b")], false),
            ("accept", &[], &[], true),
            ("accept", &[], &[("accept", "")], false),
            ("accept", &[("accept", "a, b")], &[("accept", "a"), ("accept", "b")], true),
            ("accept", &[("accept", "a , b")], &[("accept", "a,b")], true),
            ("accept", &[("accept", "a,b")], &[("accept", "b,a")], false),
            ("accept", &[("accept", "A")], &[("accept", "a")], false),
            ("accept-encoding", &[("accept-encoding", "gzip, br")], &[("accept-encoding", "BR,gzip")], true),
            ("accept-encoding", &[("accept-encoding", "br ; q=1")], &[("accept-encoding", "br;q=1")], true),
            ("accept-encoding", &[("accept-encoding", "br;q=1")], &[("accept-encoding", "br;q=0")], false),
            ("accept-encoding", &[("accept-encoding", "gzip")], &[("accept-encoding", "gzip, br")], false),
            ("accept-language", &[("accept-language", "DE, en")], &[("accept-language", "de,en")], true),
            ("accept-language", &[("accept-language", "de,en")], &[("accept-language", "en,de")], false),
            ("a, b", &[("a", "1"), ("b", "2")], &[("b", "2"), ("a", "1"), ("c", "3")], true),
            ("a, b", &[("a", "12")], &[("a", "1"), ("b", "2")], false),
            ("a", &[("a", "\"x, y")], &[("a", "\"x,y")], false),
        ];
        for (vary, one, other, alike) in rows {
            let names = named(vary).unwrap();
            let same = selection(&names, one).unwrap() == selection(&names, other).unwrap();
            assert_eq!(same, alike, "{vary}: {one:?} and {other:?}");
        }
    }

    #[test]
    fn long_values_select_nothing() {
        let names = named("cookie").unwrap();
        let with = |length: usize| selection(&names, &[("cookie", "x".repeat(length))][..]);
        assert!(with(MAX_SELECTION - 4).is_some());
        assert!(with(MAX_SELECTION - 3).is_none());
    }
}
