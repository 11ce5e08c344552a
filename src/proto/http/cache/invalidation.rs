//! What a change makes worthless: RFC 9111 section 4.4.
//!
//! A request that may change something, answered without an error, ends what is stored for its URI, and for those of the same origin that
//! its response names in `Location` and `Content-Location`. URIs of other origins are left alone, or one site could empty the cache of another.

use http::{Method, StatusCode};

use crate::proto::http::list::FieldLines;

/// Whether a request with this method may have changed something, given the status of its response. Methods that are not known may.
#[must_use]
pub fn invalidates(method: &Method, status: StatusCode) -> bool {
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE].contains(method);
    !safe && (status.is_success() || status.is_redirection())
}

/// The targets (path and query) of the same origin that a response names. `scheme` and `authority` are the request's, `path` is its path.
pub fn named<'a, F: FieldLines + ?Sized>(
    fields: &'a F,
    scheme: &'a str,
    authority: &'a str,
    path: &'a str,
) -> impl Iterator<Item = String> {
    let lines = ["location", "content-location"].into_iter().filter_map(|name| fields.lines(name).next());
    let texts = lines.filter_map(|line| std::str::from_utf8(line).ok());
    texts.filter_map(move |reference| target(reference, scheme, authority, path))
}

/// The target to which a reference leads: RFC 3986 section 5.2, without the dots, which are for the caller's normal form. `None` when it is of
/// another origin.
fn target(reference: &str, scheme: &str, authority: &str, path: &str) -> Option<String> {
    let reference = reference.split('#').next().unwrap_or_default();
    let rest = match reference.split_once(':') {
        // A colon behind a slash or a question mark is no scheme's.
        Some((name, rest)) if is_scheme(name) => name.eq_ignore_ascii_case(scheme).then_some(rest)?,
        _ => reference,
    };
    if let Some(rest) = rest.strip_prefix("//") {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        let same = with_port(host, scheme).eq_ignore_ascii_case(&with_port(authority, scheme));
        return same.then(|| if target.starts_with('/') { target.to_owned() } else { format!("/{target}") });
    }
    match rest.as_bytes().first() {
        // A scheme without an authority is no URI of HTTP.
        _ if rest.len() < reference.len() => None,
        None => None,
        Some(b'/') => Some(rest.to_owned()),
        Some(b'?') => Some(format!("{path}{rest}")),
        Some(_) => Some(format!("{}{rest}", &path[..=path.rfind('/')?])),
    }
}

fn is_scheme(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// Host and port, the one of the scheme if none is named.
fn with_port(authority: &str, scheme: &str) -> String {
    let port = if scheme.eq_ignore_ascii_case("https") { "443" } else { "80" };
    let named = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    match named {
        Some((host, "")) => format!("{host}:{port}"),
        Some(_) => authority.to_owned(),
        None => format!("{authority}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_responses_end_what_is_stored() {
        for (method, status, ends) in [
            ("POST", 200, true),
            ("PUT", 204, true),
            ("DELETE", 303, true),
            ("PATCH", 200, true),
            ("M-SEARCH", 200, true),
            ("POST", 400, false),
            ("POST", 500, false),
            ("GET", 200, false),
            ("HEAD", 200, false),
            ("OPTIONS", 200, false),
            ("TRACE", 200, false),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(
                invalidates(&method, StatusCode::from_u16(status).unwrap()),
                ends,
                "{method} {status}"
            );
        }
    }

    #[test]
    fn targets_of_the_same_origin() {
        let rows = [
            ("/b", Some("/b")),
            ("/b?c#d", Some("/b?c")),
            ("b", Some("/a/b")),
            ("../b", Some("/a/../b")),
            ("?q=1", Some("/a/x?q=1")),
            ("b/c:d", Some("/a/b/c:d")),
            ("http://h.test/b", Some("/b")),
            ("HTTP://H.Test:80/b", Some("/b")),
            ("http://h.test:/b", Some("/b")),
            ("http://h.test", Some("/")),
            ("http://h.test?q", Some("/?q")),
            ("//h.test/b", Some("/b")),
            ("https://h.test/b", None),
            ("http://h.test:81/b", None),
            ("http://other.test/b", None),
            ("//other.test/b", None),
            ("http://h.test@other.test/b", None),
            ("http:b", None),
            ("mailto:a", None),
            ("", None),
            ("#x", None),
        ];
        for (reference, expected) in rows {
            let fields = [("location", reference)];
            let got: Vec<_> = named(&fields[..], "http", "h.test", "/a/x").collect();
            assert_eq!(got, expected.into_iter().collect::<Vec<_>>(), "{reference}");
        }
        let both = [("content-location", "/b"), ("location", "/c"), ("location", "/d")];
        assert_eq!(named(&both[..], "https", "h:443", "/").collect::<Vec<_>>(), ["/c", "/b"]);
        let v6 = [("location", "https://[::1]/b")];
        assert_eq!(named(&v6[..], "https", "[::1]:443", "/").count(), 1);
    }
}
