//! References, and what they mean where they stand: RFC 3986, sections 4 and 5.
//!
//! A [`Reference`] is a text taken apart, as appendix B does it: any text is one, and whether its characters may be sent is asked where it is sent. [`resolve`] is
//! section 5.2, in the strict form: a reference with a scheme stands for itself, even where that is the scheme of the base. [`join`] is the same for addresses
//! that requests are sent to: redirects, and what playlists name.

use std::borrow::Cow;

use http::Uri;
use http::uri::InvalidUri;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The five components of a reference (section 3). One that is not there is not the same as one that is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// What stands before the first `:`, if it is a scheme.
    pub scheme: Option<&'a str>,
    /// What stands behind `//`.
    pub authority: Option<&'a str>,
    /// The path, which may be empty.
    pub path: &'a str,
    /// What stands behind `?`.
    pub query: Option<&'a str>,
    /// What stands behind `#`.
    pub fragment: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Takes a text apart.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        let (rest, fragment) = split(text, '#');
        let (rest, query) = split(rest, '?');
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, rest),
        };
        Self { scheme, authority, path, query, fragment }
    }
}

/// What stands before and behind a mark, if it is there.
fn split(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, behind)| (before, Some(behind)))
}

/// Section 3.1.
fn is_scheme(text: &str) -> bool {
    let may_follow = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && text.bytes().all(may_follow)
}

/// What `reference` means where `base` is, which has a scheme: sections 5.2.2 and 5.3.
#[must_use]
pub fn resolve(base: &str, reference: &str) -> String {
    let (base, given) = (Reference::parse(base), Reference::parse(reference));
    let is_path = given.scheme.is_none() && given.authority.is_none();
    let scheme = given.scheme.or(base.scheme);
    let authority = if is_path { base.authority } else { given.authority };
    let (path, query) = match given.path {
        "" if is_path => (base.path.to_owned(), given.query.or(base.query)),
        path if is_path && !path.starts_with('/') => (without_dots(&merged(&base, path)), given.query),
        path => (without_dots(path), given.query),
    };
    let mut text = String::new();
    for (before, part, behind) in [
        ("", scheme, ":"),
        ("//", authority, ""),
        ("", Some(&*path), ""),
        ("?", query, ""),
        ("#", given.fragment, ""),
    ] {
        if let Some(part) = part {
            text.extend([before, part, behind]);
        }
    }
    text
}

/// Characters that no reference has, and that some are written with all the same.
const NEVER: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The address that `reference` means where `base` is, without a fragment. Characters that no reference has are percent-encoded, as browsers do it.
///
/// # Errors
/// It is no address that requests are sent to, or longer than addresses are.
pub fn join(base: &Uri, reference: &str) -> Result<Uri, InvalidUri> {
    let reference: Cow<'_, str> = utf8_percent_encode(reference, NEVER).into();
    split(&resolve(&base.to_string(), &reference), '#').0.parse()
}

/// A path behind the folder of the base: section 5.2.3.
fn merged(base: &Reference<'_>, path: &str) -> String {
    match base.path.rfind('/') {
        Some(at) => format!("{}{path}", &base.path[..=at]),
        None if base.authority.is_some() => format!("/{path}"),
        None => path.to_owned(),
    }
}

/// A path without its segments `.` and `..`: section 5.2.4, whose letters these are.
#[must_use]
pub fn without_dots(path: &str) -> String {
    let mut left = path;
    let mut kept = String::with_capacity(path.len());
    while !left.is_empty() {
        if let Some(rest) = left.strip_prefix("../").or_else(|| left.strip_prefix("./")) {
            left = rest; // A
        } else if left == "/." || left.starts_with("/./") {
            left = left.get(2..).filter(|rest| !rest.is_empty()).unwrap_or("/"); // B
        } else if left == "/.." || left.starts_with("/../") {
            kept.truncate(kept.rfind('/').unwrap_or(0)); // C
            left = left.get(3..).filter(|rest| !rest.is_empty()).unwrap_or("/");
        } else if left == "." || left == ".." {
            left = ""; // D
        } else {
            let from = usize::from(left.starts_with('/')); // E
            let end = left[from..].find('/').map_or(left.len(), |at| from + at);
            kept.push_str(&left[..end]);
            left = &left[end..];
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_section_5_4() {
        for (reference, expected) in [
            // Section 5.4.1.
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"),
            ("g#s", "http://a/b/c/g#s"),
            ("g?y#s", "http://a/b/c/g?y#s"),
            (";x", "http://a/b/c/;x"),
            ("g;x", "http://a/b/c/g;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y#s"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../", "http://a/"),
            ("../../g", "http://a/g"),
            // Section 5.4.2.
            ("../../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g#s/./x", "http://a/b/c/g#s/./x"),
            ("g#s/../x", "http://a/b/c/g#s/../x"),
            ("http:g", "http:g"),
        ] {
            assert_eq!(resolve("http://a/b/c/d;p?q", reference), expected, "{reference}");
        }
    }

    #[test]
    fn what_is_taken_for_what() {
        let none = Reference { scheme: None, authority: None, path: "", query: None, fragment: None };
        for (text, expected) in [
            ("", none),
            ("a/b:c", Reference { path: "a/b:c", ..none }),
            ("1:c", Reference { path: "1:c", ..none }),
            ("?u=http://b/", Reference { query: Some("u=http://b/"), ..none }),
            ("//h?", Reference { authority: Some("h"), query: Some(""), ..none }),
            ("data:,a", Reference { scheme: Some("data"), path: ",a", ..none }),
            (
                "h2+x.y-z://a@b:1/#",
                Reference {
                    scheme: Some("h2+x.y-z"),
                    authority: Some("a@b:1"),
                    path: "/",
                    fragment: Some(""),
                    ..none
                },
            ),
        ] {
            assert_eq!(Reference::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn other_bases() {
        for (base, reference, expected) in [
            ("http://a", "g", "http://a/g"),
            ("http://a", "../g", "http://a/g"),
            ("http://a?q", "", "http://a?q"),
            ("http://a?q", "#s", "http://a?q#s"),
            ("urn:a", "b", "urn:b"),
            ("http://a/b/../c", "", "http://a/b/../c"),
            ("http://u:p@a:8080/b/c", "//d/../e", "http://d/e"),
            ("http://u:p@a:8080/b/c", "d", "http://u:p@a:8080/b/d"),
            ("http://a/b", "c//../d", "http://a/c/d"),
            ("http://a/b", "p?u=http://c/../d", "http://a/p?u=http://c/../d"),
        ] {
            assert_eq!(resolve(base, reference), expected, "{base} {reference}");
        }
    }

    #[test]
    fn addresses_for_requests() {
        let base: Uri = "https://a.example:8443/live/s/index.m3u8?token=1".parse().unwrap();
        for (reference, expected) in [
            ("v/p.m3u8#s", Some("https://a.example:8443/live/s/v/p.m3u8")),
            ("?y", Some("https://a.example:8443/live/s/index.m3u8?y")),
            ("//b.example", Some("https://b.example/")),
            ("http://b.example?x", Some("http://b.example/?x")),
            ("/login?next=http://b.example/", Some("https://a.example:8443/login?next=http://b.example/")),
            ("a b?c={d}", Some("https://a.example:8443/live/s/a%20b?c=%7Bd%7D")),
            ("a%20b", Some("https://a.example:8443/live/s/a%20b")),
            ("\u{e4}", Some("https://a.example:8443/live/s/%C3%A4")),
            ("a\r\nb", Some("https://a.example:8443/live/s/a%0D%0Ab")),
            ("//", None),
        ] {
            assert_eq!(
                join(&base, reference).ok().map(|uri| uri.to_string()).as_deref(),
                expected,
                "{reference}"
            );
        }
    }
}
