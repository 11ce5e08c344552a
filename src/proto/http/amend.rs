//! A request's head with other fields than it arrived with: what a gateway has found out is added, and what only it may say, or only it
//! may know, is left out.
//!
//! The head is written anew and parsed again ([`Draft`]). A client
//! cannot keep a field that is left out by another spelling (`X_User` for `X-User`, which CGI and its heirs read alike), nor have one that
//! is set removed on the way by naming it in `Connection`.

use http::{HeaderName, HeaderValue};

use super::cookie;
use super::draft::Draft;
use super::head::Head;
use super::hop::reads_as;
use super::list::trim_ows;
use super::reject::Reject;

/// What is to be changed. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amendment {
    dropped: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
    cookies: Vec<String>,
    parameters: Vec<String>,
    path: Option<String>,
}

impl Amendment {
    /// Leaves out the field `name`, and those that read alike.
    pub fn drop_field(&mut self, name: HeaderName) {
        self.dropped.push(name);
    }

    /// Sets the field `name` in place of those that read alike.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.dropped.push(name.clone());
        self.set.push((name, value));
    }

    /// Leaves out the cookie `name`.
    pub fn drop_cookie(&mut self, name: &str) {
        self.cookies.push(name.into());
    }

    /// Leaves out the parameter `name` of the query, however it is encoded.
    pub fn drop_parameter(&mut self, name: &str) {
        self.parameters.push(name.into());
    }

    /// Puts another path, in the encoding of a request line, in place of that of the target. The query stays.
    pub fn path(&mut self, path: &str) {
        self.path = Some(path.into());
    }

    /// Whether the head has a field that would be left out or replaced.
    #[must_use]
    pub fn concerns(&self, head: &Head) -> bool {
        head.fields().any(|(name, _)| self.drops(name))
    }

    /// The head with these changes. Without [`path`](Self::path) the path stays as it is.
    ///
    /// # Errors
    /// It has more than [`MAX_FIELDS`](super::limits::MAX_FIELDS) fields then, or the path is none.
    pub fn apply(&self, head: &Head) -> Result<Head, Reject> {
        let mut draft = self.begin(head);
        for (name, value) in head.fields().filter(|(name, _)| !self.drops(name)) {
            if name.eq_ignore_ascii_case("cookie") && !self.cookies.is_empty() {
                let left =
                    |(name, _): (&[u8], &[u8])| !self.cookies.iter().any(|gone| gone.as_bytes() == name);
                let crumbs = value.split(|&byte| byte == b';').map(trim_ows);
                let kept = crumbs.filter(|crumb| cookie::cookies(crumb).all(left));
                list(name, kept, b"; ", &mut draft);
            } else if name.eq_ignore_ascii_case("connection") && !self.set.is_empty() {
                let tokens = value.split(|&byte| byte == b',').map(trim_ows);
                let ours = |token: &[u8]| {
                    let token = std::str::from_utf8(token).unwrap_or_default();
                    self.set.iter().any(|(set, _)| reads_as(token, set.as_str()))
                };
                list(name, tokens.filter(|token| !ours(token)), b", ", &mut draft);
            } else {
                draft.field(name, value);
            }
        }
        for (name, value) in &self.set {
            draft.field(name.as_str(), value.as_bytes());
        }
        draft.finish()
    }

    /// The request line, and room for the fields.
    fn begin(&self, head: &Head) -> Draft {
        let target = head.target();
        let end = head.bytes().windows(2).position(|end| end == b"\r\n").unwrap_or_default();
        let line = &head.bytes()[..end];
        let room = head.bytes().len() + 256;
        let query = head.query().unwrap_or_default();
        if self.path.is_none() && (self.parameters.is_empty() || query.is_empty()) {
            return Draft::new(&[line], room);
        }
        let before = self.path.as_deref().or(target.split('?').next()).unwrap_or_default();
        let gone = |pair: &&str| {
            let mut names = form_urlencoded::parse(pair.as_bytes());
            names.next().is_some_and(|(name, _)| self.parameters.iter().any(|gone| *gone == name))
        };
        let kept: Vec<&str> = query.split('&').filter(|pair| !gone(pair)).collect();
        let (mark, kept) =
            if kept.is_empty() || query.is_empty() { ("", String::new()) } else { ("?", kept.join("&")) };
        // The version, as it was written.
        let version = &line[memchr::memrchr(b' ', line).unwrap_or_default()..];
        let method = head.method().as_str();
        Draft::new(
            &[method.as_bytes(), b" ", before.as_bytes(), mark.as_bytes(), kept.as_bytes(), version],
            room,
        )
    }

    fn drops(&self, name: &str) -> bool {
        self.dropped.iter().any(|dropped| reads_as(name, dropped.as_str()))
    }
}

/// A line with the members that are left, if any are.
fn list<'a>(name: &str, members: impl Iterator<Item = &'a [u8]>, between: &[u8], draft: &mut Draft) {
    let members: Vec<&[u8]> = members.collect();
    if !members.is_empty() {
        draft.field(name, &members.join(between));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::proto::http::limits::{Limits, MAX_FIELDS};
    use crate::proto::http::parse::parse;

    fn head(text: &str) -> Head {
        let text = format!("{}\r\n\r\n", text.replace('\n', "\r\n"));
        parse(Bytes::from(text), &Limits::default()).unwrap().0
    }

    fn amended(amendment: &Amendment, text: &str) -> String {
        let head = amendment.apply(&head(text)).unwrap();
        String::from_utf8(head.bytes().to_vec()).unwrap().trim_end().replace("\r\n", "\n")
    }

    fn user() -> Amendment {
        let mut amendment = Amendment::default();
        amendment.set(HeaderName::from_static("x-user"), HeaderValue::from_static("me"));
        amendment
    }

    #[test]
    fn what_is_set_is_the_only_one_that_reads_so() {
        let rows = [
            ("GET / HTTP/1.1\nHost: a", "GET / HTTP/1.1\nHost: a\nx-user: me"),
            (
                "GET / HTTP/1.1\nHost: a\nX-User: you\nX_USER: he\nx-User: she",
                "GET / HTTP/1.1\nHost: a\nx-user: me",
            ),
            ("GET / HTTP/1.1\nHost: a\nX-Users: you", "GET / HTTP/1.1\nHost: a\nX-Users: you\nx-user: me"),
            (
                "GET / HTTP/1.1\nHost: a\nConnection: X-User, keep-alive,x_user",
                "GET / HTTP/1.1\nHost: a\nConnection: keep-alive\nx-user: me",
            ),
            ("GET / HTTP/1.1\nHost: a\nConnection: x-user", "GET / HTTP/1.1\nHost: a\nx-user: me"),
            ("GET /a?b HTTP/1.0\nHost: a", "GET /a?b HTTP/1.0\nHost: a\nx-user: me"),
        ];
        for (before, after) in rows {
            assert_eq!(amended(&user(), before), after);
        }
        assert!(user().concerns(&head("GET / HTTP/1.1\nHost: a\nX_User: b")));
        assert!(!user().concerns(&head("GET / HTTP/1.1\nHost: a\nX-Use: b")));
    }

    #[test]
    fn cookies_and_parameters_are_left_out() {
        let mut amendment = Amendment::default();
        amendment.drop_cookie("key");
        amendment.drop_parameter("key");
        let rows = [
            ("GET /?key=1 HTTP/1.1\nHost: a", "GET / HTTP/1.1\nHost: a"),
            ("GET /?a=b&k%65y=1&c&key&keys=2 HTTP/1.1\nHost: a", "GET /?a=b&c&keys=2 HTTP/1.1\nHost: a"),
            ("GET http://a/x?key=1&&b HTTP/1.1\nHost: a", "GET http://a/x?&b HTTP/1.1\nHost: a"),
            ("GET /key=1 HTTP/1.1\nHost: a\nCookie: key=1", "GET /key=1 HTTP/1.1\nHost: a"),
            (
                "GET / HTTP/1.1\nHost: a\nCookie: a=b;key=1; c=d; nonsense\ncookie: key=2; Key=3",
                "GET / HTTP/1.1\nHost: a\nCookie: a=b; c=d; nonsense\ncookie: Key=3",
            ),
        ];
        for (before, after) in rows {
            assert_eq!(amended(&amendment, before), after);
        }
    }

    #[test]
    fn another_path() {
        let mut amendment = Amendment::default();
        amendment.path("/b/c");
        let rows = [
            ("GET /a HTTP/1.1\nHost: a", "GET /b/c HTTP/1.1\nHost: a"),
            ("GET /a?b=c&d HTTP/1.1\nHost: a", "GET /b/c?b=c&d HTTP/1.1\nHost: a"),
            ("GET http://a/x?y HTTP/1.1\nHost: a", "GET /b/c?y HTTP/1.1\nHost: a"),
        ];
        for (before, after) in rows {
            assert_eq!(amended(&amendment, before), after, "{before}");
        }
        amendment.path("/b c\r\nX: y");
        assert!(amendment.apply(&head("GET / HTTP/1.1\nHost: a")).is_err());
    }

    #[test]
    fn there_is_an_end_to_fields() {
        let mut amendment = user();
        for number in 0..MAX_FIELDS {
            let name = HeaderName::try_from(format!("x-{number}")).unwrap();
            amendment.set(name, HeaderValue::from_static("1"));
        }
        assert!(amendment.apply(&head("GET / HTTP/1.1\nHost: a")).is_err());
    }
}
