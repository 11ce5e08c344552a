//! Asking the origin whether a stored response still holds: RFC 9111 sections 4.3.1, 4.3.4 and 3.2.
//!
//! The conditions of the client's own request are not for the origin: they are judged here by what is stored in the end
//! ([`conditional`](crate::proto::http::conditional)). So the origin is asked by the validators of the stored response, and its 304 speaks of that one.

use http::HeaderName;
use http::HeaderValue;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE, SET_COOKIE,
};

use crate::proto::http::conditional::Validators;
use crate::proto::http::date;
use crate::proto::http::etag::EntityTag;
use crate::proto::http::fields::Fields;

/// The fields of a request by which its client asks for less than the whole: the origin does not get them when its response is to be stored.
pub const CONDITIONS: [HeaderName; 6] =
    [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE];

/// The conditions by which the origin is asked whether a response with these fields still holds; none when it cannot be asked.
#[must_use]
pub fn conditions(stored: &Fields) -> Vec<(HeaderName, HeaderValue)> {
    let tag = stored.find("etag").filter(|value| EntityTag::parse(value.as_bytes()).is_ok());
    let changed = stored.find("last-modified");
    let tag = tag.map(|value| (IF_NONE_MATCH, value.clone()));
    let changed = changed.map(|value| (IF_MODIFIED_SINCE, value.clone()));
    tag.into_iter().chain(changed).collect()
}

/// What is known of the state of a response with these fields. `now` settles the century of old dates.
#[must_use]
pub fn validators(fields: &Fields, now: std::time::SystemTime) -> Validators {
    let tag = fields.find("etag").and_then(|value| EntityTag::parse(value.as_bytes()).ok());
    let changed = fields.find("last-modified").and_then(|value| date::parse(value.as_bytes(), now));
    Validators { etag: tag.map(EntityTag::into_owned), last_modified: changed }
}

/// Whether a 304 speaks of the stored response, the only one that was asked about: section 4.3.4.
#[must_use]
pub fn confirms(stored: &Fields, fields: &Fields) -> bool {
    let tag = |fields: &Fields| fields.find("etag").cloned();
    match (tag(stored), tag(fields)) {
        (Some(old), Some(new)) => {
            let tags = (EntityTag::parse(old.as_bytes()), EntityTag::parse(new.as_bytes()));
            let (Ok(old), Ok(new)) = tags else { return old == new };
            // A strong validator selects by strong comparison.
            if new.is_weak() { old.weak_eq(&new) } else { old.strong_eq(&new) }
        }
        // It was asked by a date alone, and has a tag now: the date decides.
        (None, _) | (Some(_), None) => {
            let changed = |fields: &Fields| fields.find("last-modified").cloned();
            changed(fields).is_none_or(|new| changed(stored).is_none_or(|old| old == new))
        }
    }
}

/// The fields of a stored response after a 304: section 3.2.
///
/// Those of the 304 take the place of the stored ones of the same name, but for those that describe the stored body, and for a cookie.
#[must_use]
pub fn freshened(stored: &Fields, fields: &Fields) -> Fields {
    let ours = |name: &HeaderName| {
        [CONTENT_LENGTH, CONTENT_RANGE, CONTENT_ENCODING, CONTENT_TYPE, SET_COOKIE].contains(name)
            || (*name == ETAG || *name == LAST_MODIFIED) && stored.contains(name)
    };
    let mut merged = Fields::new();
    // The time of the stored response is not that of its confirmation, even where the 304 does not say when that was.
    let gone = |name: &HeaderName| name.as_str() == "date" || name.as_str() == "age";
    let kept = stored.iter().filter(|(name, _)| ours(name) || !gone(name) && !fields.contains(name));
    for (name, value) in kept.chain(fields.iter().filter(|(name, _)| !ours(name))) {
        merged.append(name.clone(), value.clone());
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &'static str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        fields
    }

    fn texts(lines: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Vec<(String, String)> {
        let text =
            |(name, value): (HeaderName, HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        lines.into_iter().map(text).collect()
    }

    #[test]
    fn what_the_origin_is_asked() {
        const DATE: &str = "Sun, 06 Nov 1994 12:00:00 GMT";
        type Lines = &'static [(&'static str, &'static str)];
        let rows: [(Lines, Lines); 6] = [
            (&[], &[]),
            (&[("etag", "\"a\"")], &[("if-none-match", "\"a\"")]),
            (&[("etag", "W/\"a\"")], &[("if-none-match", "W/\"a\"")]),
            (&[("etag", "a")], &[]),
            (&[("last-modified", DATE)], &[("if-modified-since", DATE)]),
            (
                &[("last-modified", DATE), ("etag", "\"a\"")],
                &[("if-none-match", "\"a\""), ("if-modified-since", DATE)],
            ),
        ];
        for (stored, expected) in rows {
            let expected: Vec<_> =
                expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(texts(conditions(&fields(stored))), expected, "{stored:?}");
        }
    }

    #[test]
    fn which_304_confirms() {
        type Lines = &'static [(&'static str, &'static str)];
        let rows: [(Lines, Lines, bool); 12] = [
            (&[("etag", "\"a\"")], &[], true),
            (&[("etag", "\"a\"")], &[("etag", "\"a\"")], true),
            (&[("etag", "\"a\"")], &[("etag", "\"b\"")], false),
            (&[("etag", "\"a\"")], &[("etag", "W/\"a\"")], true),
            (&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")], true),
            (&[("etag", "W/\"a\"")], &[("etag", "\"a\"")], false),
            (&[("etag", "odd")], &[("etag", "odd")], true),
            (&[("etag", "odd")], &[("etag", "other")], false),
            (&[("last-modified", "x")], &[("last-modified", "x")], true),
            (&[("last-modified", "x")], &[("last-modified", "y")], false),
            (&[("last-modified", "x")], &[("etag", "\"a\"")], true),
            (&[("etag", "\"a\""), ("last-modified", "x")], &[("last-modified", "y")], false),
        ];
        for (stored, said, expected) in rows {
            assert_eq!(confirms(&fields(stored), &fields(said)), expected, "{stored:?} and {said:?}");
        }
    }

    #[test]
    fn fields_after_a_304() {
        let stored = fields(&[
            ("date", "then"),
            ("etag", "\"a\""),
            ("content-type", "text/plain"),
            ("content-encoding", "br"),
            ("cache-control", "max-age=1"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("x-b", "old"),
        ]);
        let said = fields(&[
            ("etag", "W/\"a\""),
            ("content-type", "text/html"),
            ("content-length", "0"),
            ("set-cookie", "a=b"),
            ("cache-control", "max-age=9"),
            ("x-a", "3"),
            ("x-c", "new"),
        ]);
        let merged = freshened(&stored, &said);
        let expected: Vec<(String, String)> = [
            ("etag", "\"a\""),
            ("content-type", "text/plain"),
            ("content-encoding", "br"),
            ("x-b", "old"),
            ("cache-control", "max-age=9"),
            ("x-a", "3"),
            ("x-c", "new"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        assert_eq!(texts(merged.iter().map(|(name, value)| (name.clone(), value.clone()))), expected);
        let again = freshened(&stored, &fields(&[("date", "now")]));
        assert_eq!(again.find("date").unwrap(), "now");
    }
}
