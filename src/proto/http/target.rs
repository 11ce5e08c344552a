//! The request target, RFC 9112 section 3.2: its four forms, and the characters of RFC 3986.
//!
//! Nothing is decoded or corrected here. A target with a byte that no URI may carry is refused: a raw space, a control,
//! a byte over 0x7E, `"`, `<`, `>`, `\`, `^`, `` ` ``, `{`, `|`, `}`, and `#`, as a fragment is never sent. Browsers do send
//! `|`, `^`, `{`, `}`, `` ` `` and `"` in a query (the WHATWG URL standard leaves them raw), so there they pass.

use std::ops::Range;

use http::Method;

use super::host;
use super::reject::Reject;

/// A target, as ranges of the bytes that it was parsed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The path; of `*` and of an authority, the whole.
    pub path: Range<usize>,
    /// What follows the first `?`, without it.
    pub query: Option<Range<usize>>,
    /// The authority, when the target names one (absolute-form and authority-form). It overrides `Host`.
    pub authority: Option<Range<usize>>,
    /// Which of the four forms.
    pub form: Form,
}

/// The four forms of RFC 9112 section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/path?query`
    Origin,
    /// `http://host/path?query`
    Absolute,
    /// `host:port`, for CONNECT only.
    Authority,
    /// `*`, for OPTIONS only.
    Asterisk,
}

impl Target {
    /// Parses `target`, as it stands in a request line with `method`.
    ///
    /// # Errors
    /// [`Reject::Target`].
    pub fn parse(method: &Method, target: &[u8]) -> Result<Self, Reject> {
        match target {
            [b'/', ..] if method != Method::CONNECT => Self::origin(target, 0, None, Form::Origin),
            b"*" if method == Method::OPTIONS => {
                Ok(Self { path: 0..1, query: None, authority: None, form: Form::Asterisk })
            }
            _ if method == Method::CONNECT => Self::authority(target),
            _ => Self::absolute(target),
        }
    }

    /// Section 3.2.1, from `start` on.
    fn origin(
        target: &[u8],
        start: usize,
        authority: Option<Range<usize>>,
        form: Form,
    ) -> Result<Self, Reject> {
        let rest = &target[start..];
        let plain = rest.iter().position(|&byte| !PATH[usize::from(byte)]);
        let path_length = match plain {
            None => rest.len(),
            // Few have it: they are looked at once more.
            Some(at) if rest[at] == b'%' => encoded_path(rest).ok_or(Reject::Target)?,
            Some(at) => at,
        };
        let path = start..start + path_length;
        let query = match rest.get(path_length) {
            None => None,
            Some(b'?') => Some(path.end + 1..target.len()),
            Some(_) => return Err(Reject::Target),
        };
        let query_is_sound =
            query.clone().is_none_or(|query| target[query].iter().all(|&byte| QUERY[usize::from(byte)]));
        if !query_is_sound {
            return Err(Reject::Target);
        }
        Ok(Self { path, query, authority, form })
    }

    /// Section 3.2.2. The scheme must be `http` or `https`: this is an origin server.
    fn absolute(target: &[u8]) -> Result<Self, Reject> {
        let start = ["http://", "https://"]
            .iter()
            .find(|scheme| {
                target.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme.as_bytes()))
            })
            .map(|scheme| scheme.len())
            .ok_or(Reject::Target)?;
        let rest = &target[start..];
        let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let authority = start..start + length;
        if length == 0 || !host::is_host(&target[authority.clone()]) {
            return Err(Reject::Target);
        }
        Self::origin(target, authority.end, Some(authority), Form::Absolute)
    }

    /// Section 3.2.3: host and port, both required.
    fn authority(target: &[u8]) -> Result<Self, Reject> {
        let port = target.iter().rposition(|&byte| byte == b':').map(|colon| &target[colon + 1..]);
        let has_port = port.is_some_and(|port| !port.is_empty() && port.iter().all(u8::is_ascii_digit));
        if !has_port || !host::is_host(target) {
            return Err(Reject::Target);
        }
        let whole = 0..target.len();
        Ok(Self { path: whole.clone(), query: None, authority: Some(whole), form: Form::Authority })
    }
}

/// The length of a path that has percent signs. `None` when it has `%00`, which ends strings in C, and has no meaning in a path.
fn encoded_path(rest: &[u8]) -> Option<usize> {
    let end = rest.iter().position(|&byte| !PATH[usize::from(byte)] && byte != b'%').unwrap_or(rest.len());
    memchr::memmem::find(&rest[..end], b"%00").is_none().then_some(end)
}

/// RFC 3986: unreserved, sub-delims, `:`, `@` and `/`; with `[` and `]`, which occur in the wild. `%` is apart.
const PATH: [bool; 256] = table(b"-._~!$&'()*+,;=:@/[]");
/// PATH, `%`, `?`, and what browsers leave raw.
const QUERY: [bool; 256] = table(b"-._~!$&'()*+,;=:@/%[]?|^{}`\"");

/// Letters, digits and `marks`.
pub(super) const fn table(marks: &[u8]) -> [bool; 256] {
    let mut allowed = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x7F {
        allowed[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut i = 0;
    while i < marks.len() {
        allowed[marks[i] as usize] = true;
        i += 1;
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(
        method: &Method,
        target: &str,
    ) -> Result<(String, Option<String>, Option<String>, Form), Reject> {
        let parsed = Target::parse(method, target.as_bytes())?;
        let text = |range: Range<usize>| target[range].to_owned();
        Ok((text(parsed.path), parsed.query.map(text), parsed.authority.map(text), parsed.form))
    }

    #[test]
    fn the_four_forms() {
        let some = |text: &str| Some(text.to_owned());
        let cases = [
            (Method::GET, "/", ("/", None, None, Form::Origin)),
            (Method::GET, "/a/b?c=d&e", ("/a/b", some("c=d&e"), None, Form::Origin)),
            (Method::GET, "/a?", ("/a", some(""), None, Form::Origin)),
            (Method::GET, "/a?b?c", ("/a", some("b?c"), None, Form::Origin)),
            (Method::GET, "//double//slash", ("//double//slash", None, None, Form::Origin)),
            (Method::GET, "http://h:80/p?q", ("/p", some("q"), some("h:80"), Form::Absolute)),
            (Method::GET, "HTTP://h", ("", None, some("h"), Form::Absolute)),
            (Method::GET, "https://[::1]:1?q", ("", some("q"), some("[::1]:1"), Form::Absolute)),
            (Method::OPTIONS, "*", ("*", None, None, Form::Asterisk)),
            (Method::CONNECT, "h:443", ("h:443", None, some("h:443"), Form::Authority)),
        ];
        for (method, target, (path, query, authority, form)) in cases {
            assert_eq!(parts(&method, target), Ok((path.to_owned(), query, authority, form)), "{target}");
        }
    }

    #[test]
    fn what_is_no_target() {
        let refused = [
            "",
            "foo",
            "*",
            "h:443",
            "ftp://h/",
            "http:///p",
            "http://u@h/",
            "/a#b",
            "/a b",
            "/a\\b",
            "/a\x7f",
            "/a\x01",
            "/\u{e9}",
            "/a?\u{e9}",
            "/a?b#c",
            "/a|b",
            "/a\"b",
            "/%00",
            "/a%00b",
            "/a?b\\c",
            "/a?<b>",
        ];
        for target in refused {
            assert_eq!(parts(&Method::GET, target), Err(Reject::Target), "{target:?}");
        }
        for target in ["/", "h", "h:", "h:x", "http://h:1/", "u@h:1", ":1"] {
            assert_eq!(parts(&Method::CONNECT, target), Err(Reject::Target), "CONNECT {target:?}");
        }
        assert_eq!(parts(&Method::POST, "*"), Err(Reject::Target));
    }
}
