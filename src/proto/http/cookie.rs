//! Cookies (RFC 6265): strict in what we send, lenient in what we read.
//!
//! A `Cookie` line is whatever the browser kept for us and for our neighbours on the same host, so that one odd cookie must not
//! hide the others: [`cookies`] skips what it cannot read. A [`SetCookie`] is our own word and takes only what every browser
//! understands in the same way.

use bytes::{BufMut, BytesMut};

/// Cookies of one line at most; the rest is not looked at. Browsers keep up to 180 a site (Chromium).
pub const MAX_COOKIES: usize = 256;

/// Bytes of a cookie's name and value together at most, when we set it: what browsers take (RFC 6265 section 6.1).
pub const MAX_COOKIE: usize = 4096;

/// The pairs in a `Cookie` field's value, in order, as bytes of the line (RFC 6265 section 5.4). With several lines, chain them.
///
/// A pair without `=` or without a name is skipped. A value in quotes comes without them; otherwise it is opaque: nothing is
/// decoded. Names may repeat: the first has the most specific path.
pub fn cookies(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|&byte| byte == b';').take(MAX_COOKIES).filter_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let name = pair[..equals].trim_ascii();
        let value = pair[equals + 1..].trim_ascii();
        let unquoted = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        (!name.is_empty()).then_some((name, unquoted.unwrap_or(value)))
    })
}

/// The value of the first cookie with this name, which is case-sensitive. With several lines, ask each in order.
#[must_use]
pub fn cookie<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    cookies(line).find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
}

/// When a browser sends the cookie along with requests that other sites cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When the user follows a link.
    Lax,
    /// Always. Browsers demand `Secure` with it, and [`SetCookie::finish`] does too.
    None,
}

/// Why a cookie cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CookieError {
    /// The name is empty or not a token.
    #[error("a cookie's name is a token")]
    Name,
    /// The value has characters that no cookie may have.
    #[error("the value of cookie {0:?} has a character that is not allowed")]
    Value(String),
    /// Name and value are longer than [`MAX_COOKIE`].
    #[error("cookie {0:?} is longer than 4096 bytes")]
    TooLong(String),
    /// The path does not start with `/`, or has a character that ends it.
    #[error("the path of cookie {0:?} is not valid")]
    Path(String),
    /// The domain is not a host name.
    #[error("the domain of cookie {0:?} is not a host name")]
    Domain(String),
    /// `SameSite=None`, or a name with a prefix, without the attributes that it needs.
    #[error("cookie {0:?} needs {1}")]
    Needs(String, &'static str),
}

/// A `Set-Cookie` in the making (RFC 6265 section 4.1). By default it is a cookie of the session, for this host and the folder
/// of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a cookie is set by sending what `finish` gives"]
pub struct SetCookie {
    name: String,
    value: String,
    path: Option<String>,
    domain: Option<String>,
    max_age: Option<i64>,
    same_site: Option<SameSite>,
    http_only: bool,
    secure: bool,
}

impl SetCookie {
    /// A cookie with this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            path: None,
            domain: None,
            max_age: None,
            same_site: None,
            http_only: false,
            secure: false,
        }
    }

    /// A cookie that makes the browser forget the one with this name. Path and domain have to be the same as they were.
    pub fn removal(name: impl Into<String>) -> Self {
        Self::new(name, "").max_age(0)
    }

    /// Only for requests below this path.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Also for hosts below this one.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Kept for so many seconds; zero or less removes it. Browsers cut this to 400 days.
    pub fn max_age(mut self, seconds: i64) -> Self {
        self.max_age = Some(seconds);
        self
    }

    /// Whether it goes along with requests that other sites cause.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// Not for scripts.
    pub fn http_only(mut self) -> Self {
        self.http_only = true;
        self
    }

    /// Not over plain HTTP.
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// The field's value.
    ///
    /// # Errors
    /// What could be understood in more than one way, or would be ignored by browsers.
    pub fn finish(&self) -> Result<BytesMut, CookieError> {
        self.check()?;
        let mut line = BytesMut::with_capacity(self.name.len() + self.value.len() + 96);
        let mut put = |parts: &[&str]| parts.iter().for_each(|part| line.put_slice(part.as_bytes()));
        put(&[&self.name, "=", &self.value]);
        if let Some(path) = &self.path {
            put(&["; Path=", path]);
        }
        if let Some(domain) = &self.domain {
            put(&["; Domain=", domain]);
        }
        if let Some(seconds) = self.max_age {
            put(&["; Max-Age=", &seconds.to_string()]);
        }
        match self.same_site {
            Some(SameSite::Strict) => put(&["; SameSite=Strict"]),
            Some(SameSite::Lax) => put(&["; SameSite=Lax"]),
            Some(SameSite::None) => put(&["; SameSite=None"]),
            None => {}
        }
        if self.http_only {
            put(&["; HttpOnly"]);
        }
        if self.secure {
            put(&["; Secure"]);
        }
        Ok(line)
    }

    fn check(&self) -> Result<(), CookieError> {
        let name = || self.name.clone();
        if self.name.is_empty() || !self.name.bytes().all(is_token) {
            return Err(CookieError::Name);
        }
        if !self.value.bytes().all(is_cookie_octet) {
            return Err(CookieError::Value(name()));
        }
        if self.name.len() + self.value.len() > MAX_COOKIE {
            return Err(CookieError::TooLong(name()));
        }
        if !self.path.as_deref().is_none_or(is_path) {
            return Err(CookieError::Path(name()));
        }
        if !self.domain.as_deref().is_none_or(is_host) {
            return Err(CookieError::Domain(name()));
        }
        self.needs().map_or(Ok(()), |what| Err(CookieError::Needs(name(), what)))
    }

    /// The attribute that its others call for, if it is missing. Prefixes of names: RFC 6265bis section 4.1.3.
    fn needs(&self) -> Option<&'static str> {
        let prefixed = |prefix: &str| {
            self.name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let host = prefixed("__Host-");
        if !self.secure && (host || prefixed("__Secure-") || self.same_site == Some(SameSite::None)) {
            Some("Secure")
        } else if host && self.path.as_deref() != Some("/") {
            Some("Path=/")
        } else if host && self.domain.is_some() {
            Some("to have no Domain")
        } else {
            None
        }
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// RFC 6265 section 4.1.1: no controls, blanks, quotes, commas, semicolons, backslashes.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b';')
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_lines_as_browsers_send_them_and_worse() {
        type Pairs<'a> = &'a [(&'a str, &'a str)];
        let rows: [(&[u8], Pairs<'_>); 12] = [
            (b"a=1", &[("a", "1")]),
            (b"a=1; b=2", &[("a", "1"), ("b", "2")]),
            (b"a=1;b=2 ;  c = 3 ", &[("a", "1"), ("b", "2"), ("c", "3")]),
            (b"a=", &[("a", "")]),
            (b"a=b=c==", &[("a", "b=c==")]),
            (b"a=\"quoted\"; b=\"half; c=\"", &[("a", "quoted"), ("b", "\"half"), ("c", "\"")]),
            (b"a=1; a=2", &[("a", "1"), ("a", "2")]),
            (b"junk; a=1; =x; ;", &[("a", "1")]),
            (b"", &[]),
            (b";;;", &[]),
            (b"a={\"json\":1,\"b\":2}; $Version=1", &[("a", "{\"json\":1,\"b\":2}"), ("$Version", "1")]),
            (b"sp ace=a b; x=%41", &[("sp ace", "a b"), ("x", "%41")]),
        ];
        for (line, pairs) in rows {
            let expected = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
            assert!(cookies(line).eq(expected), "{:?}", String::from_utf8_lossy(line));
        }
        let opaque: Vec<_> = cookies(b"a=\xff\x01").collect();
        assert_eq!(opaque, [(&b"a"[..], &b"\xff\x01"[..])]);
    }

    #[test]
    fn the_first_cookie_of_a_name_counts() {
        assert_eq!(cookie(b"b=0; a=1; a=2", "a"), Some(&b"1"[..]));
        assert_eq!(cookie(b"A=1", "a"), None, "names are case-sensitive");
        assert_eq!(cookies(&b"a=1;".repeat(10_000)).count(), MAX_COOKIES);
    }

    #[test]
    fn cookies_are_set_as_the_rfc_writes_them() {
        let all = SetCookie::new("__Host-id", "a/b:c")
            .path("/")
            .max_age(3600)
            .same_site(SameSite::Lax)
            .http_only()
            .secure();
        let rows = [
            (SetCookie::new("a", "1"), "a=1"),
            (SetCookie::new("a", ""), "a="),
            (all, "__Host-id=a/b:c; Path=/; Max-Age=3600; SameSite=Lax; HttpOnly; Secure"),
            (SetCookie::new("a", "1").domain("example.test"), "a=1; Domain=example.test"),
            (SetCookie::new("a", "1").same_site(SameSite::Strict), "a=1; SameSite=Strict"),
            (SetCookie::new("a", "1").same_site(SameSite::None).secure(), "a=1; SameSite=None; Secure"),
            (SetCookie::removal("a").path("/x y"), "a=; Path=/x y; Max-Age=0"),
        ];
        for (cookie, line) in rows {
            assert_eq!(cookie.finish().unwrap(), line);
        }
    }

    #[test]
    fn nothing_can_be_smuggled_into_a_set_cookie() {
        let value = |value: &str| SetCookie::new("a", value);
        let refused = [
            (SetCookie::new("", "1"), CookieError::Name),
            (SetCookie::new("a b", "1"), CookieError::Name),
            (SetCookie::new("a=b", "1"), CookieError::Name),
            (SetCookie::new("ä", "1"), CookieError::Name),
            (value("1; Domain=evil.test"), CookieError::Value("a".into())),
            (value("1\r\nX: y"), CookieError::Value("a".into())),
            (value("a b"), CookieError::Value("a".into())),
            (value("\"1\""), CookieError::Value("a".into())),
            (value("a,b"), CookieError::Value("a".into())),
            (value("é"), CookieError::Value("a".into())),
            (value(&"x".repeat(MAX_COOKIE)), CookieError::TooLong("a".into())),
            (value("1").path("x"), CookieError::Path("a".into())),
            (value("1").path("/;Secure"), CookieError::Path("a".into())),
            (value("1").path("/\n"), CookieError::Path("a".into())),
            (value("1").domain(""), CookieError::Domain("a".into())),
            (value("1").domain(".example.test"), CookieError::Domain("a".into())),
            (value("1").domain("a;b"), CookieError::Domain("a".into())),
            (value("1").domain("-a.test"), CookieError::Domain("a".into())),
            (value("1").same_site(SameSite::None), CookieError::Needs("a".into(), "Secure")),
        ];
        for (cookie, error) in refused {
            assert_eq!(cookie.finish(), Err(error), "{cookie:?}");
        }
        assert!(value(&"x".repeat(MAX_COOKIE - 1)).finish().is_ok());
    }

    #[test]
    fn prefixes_promise_attributes() {
        let host = || SetCookie::new("__host-a", "1");
        let rows = [
            (SetCookie::new("__Secure-a", "1"), "Secure"),
            (host(), "Secure"),
            (host().secure(), "Path=/"),
            (host().secure().path("/a"), "Path=/"),
            (host().secure().path("/").domain("a.test"), "to have no Domain"),
        ];
        for (cookie, needs) in rows {
            let Err(CookieError::Needs(_, what)) = cookie.finish() else { panic!("{cookie:?}") };
            assert_eq!(what, needs, "{cookie:?}");
        }
        assert!(host().secure().path("/").finish().is_ok());
    }
}
