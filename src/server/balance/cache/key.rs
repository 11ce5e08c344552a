//! Cache keys: the effective URI of a request (RFC 9110 section 7.1), normalised.
//!
//! Everything by which a backend can distinguish two requests must be in the key, or in the `Vary` of its responses; otherwise one client could
//! influence what others get. So the key contains the normalised host and path, the unchanged query (or those of its parameters that are
//! listed), the scheme, and the host and scheme that a trusted proxy has sent, as the backend gets them. The fields of [`UNKEYED`] influence
//! some backends and are in no key: a request with one of them is forwarded, and its response not stored.

use std::borrow::Cow;
use std::fmt::Write;

use http::HeaderName;

use crate::net::addr::Prefixes;
use crate::proto::balance::normal::normalise;
use crate::proto::http::head::Head;
use crate::proto::http::hop::reads_as;
use crate::proto::http::list::FieldLines;
use crate::server::balance::gateway::normal_path;
use crate::server::http::request::Request;

/// The longest key. Requests for longer URIs are forwarded.
pub(super) const MAX_KEY: usize = 4096;

/// Fields by which clients have made backends respond for another URI, host or method than the one in the key, in lower case.
pub(super) const UNKEYED: [&str; 7] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
    "x-original-host",
    "x-host",
];

/// The words of a trusted proxy, beside host and scheme, by which backends make links, lower case: in the key of its requests. From anybody else they do not
/// reach a backend.
const PROXYS: [&str; 7] = [
    "x-forwarded-server",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-path",
    "x-forwarded-uri",
];

/// Whether a request has one of these fields, also with underscores, which some backends read as dashes.
pub(super) fn is_odd(head: &Head) -> bool {
    let odd = |name: &str| UNKEYED.iter().any(|unkeyed| reads_as(name, unkeyed));
    head.fields().any(|(name, _)| name.starts_with(['x', 'X']) && odd(name))
}

/// The parts of a request in a key, beside host and path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRule {
    /// The parameters of the query, sorted; `None`: the whole query, unchanged.
    pub query: Option<Vec<String>>,
    /// Header fields.
    pub headers: Vec<HeaderName>,
}

/// A key: `host` and `target` as they are purged, then the other parts, after a line break.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(Box<str>);

impl Key {
    /// The key of a request. `None` when it has none, or one longer than [`MAX_KEY`].
    pub(super) fn of(request: &Request, rule: &KeyRule, trusted: &Prefixes, route: &str) -> Option<Self> {
        let head = request.head();
        Self::build(request, rule, trusted, route, normal_path(head, request.extensions()), head.query())
    }

    /// The key that a request for another target of the same origin would have.
    pub(super) fn of_target(
        request: &Request,
        rule: &KeyRule,
        trusted: &Prefixes,
        route: &str,
        target: &str,
    ) -> Option<Self> {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        Self::build(request, rule, trusted, route, &normalise(path).ok()?, query)
    }

    fn build(
        request: &Request,
        rule: &KeyRule,
        trusted: &Prefixes,
        route: &str,
        path: &str,
        query: Option<&str>,
    ) -> Option<Self> {
        let head = request.head();
        let scheme = scheme(request);
        let mut key = host(head.authority(), scheme).into_owned();
        if !path.starts_with('/') || key.len() + path.len() + query.map_or(0, str::len) > MAX_KEY {
            return None;
        }
        key.push_str(path);
        append_query(&mut key, query, rule.query.as_deref());
        let _ = write!(key, "\n{scheme}\n{route}"); // writing to a string cannot fail
        let is_trusted = request.peer().addr.ip().is_some_and(|ip| trusted.contains(ip));
        if is_trusted {
            ["x-forwarded-proto", "x-forwarded-host"]
                .iter()
                .for_each(|name| append_field(&mut key, head, name));
            append_forwarded(&mut key, head);
            let said = |name: &str| PROXYS.iter().any(|known| reads_as(name, known));
            head.fields().filter(|(name, _)| said(name)).for_each(|(name, value)| {
                key.push('\n');
                key.push_str(name);
                append_value(&mut key, value);
            });
        }
        rule.headers.iter().for_each(|name| append_field(&mut key, head, name.as_str()));
        (key.len() <= MAX_KEY).then_some(Self(key.into()))
    }

    /// Whether the key belongs to this host (`*` for any) and target: see [`Cache::purge`](super::Cache::purge).
    pub(super) fn matches(&self, wanted: &str, target: &str) -> bool {
        let line = self.0.split('\n').next().unwrap_or_default();
        let (host, rest) = line.split_at(line.find('/').unwrap_or(line.len()));
        if wanted != "*" && !host.eq_ignore_ascii_case(wanted) {
            return false;
        }
        match target.strip_suffix('*') {
            Some(prefix) => rest.starts_with(prefix),
            None if target.contains('?') => rest == target,
            None => rest.split('?').next() == Some(target),
        }
    }

    /// Its bytes.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The scheme of a request.
pub(super) fn scheme(request: &Request) -> &'static str {
    if request.peer().tls { "https" } else { "http" }
}

/// The host in lower case, without the default port of the scheme.
fn host<'a>(authority: &'a str, scheme: &str) -> Cow<'a, str> {
    let port = if scheme == "https" { ":443" } else { ":80" };
    let host = authority.strip_suffix(port).or_else(|| authority.strip_suffix(':')).unwrap_or(authority);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        host.to_ascii_lowercase().into()
    } else {
        host.into()
    }
}

fn append_query(key: &mut String, query: Option<&str>, allowed: Option<&[String]>) {
    let Some(query) = query else { return };
    let Some(allowed) = allowed else {
        key.push('?');
        key.push_str(query);
        return;
    };
    let name = |pair: &&str| {
        pair.split('=').next().is_some_and(|name| allowed.iter().any(|allowed| allowed == name))
    };
    let mut pairs: Vec<_> = query.split('&').filter(name).collect();
    // By name, so that the order of different parameters does not count; that of equal ones does.
    pairs.sort_by_key(|pair| pair.split('=').next());
    for (number, pair) in pairs.into_iter().enumerate() {
        key.push(if number == 0 { '?' } else { '&' });
        key.push_str(pair);
    }
}

/// A line with the values of a field. Values that are not UTF-8 are written in hexadecimal.
fn append_field(key: &mut String, head: &Head, name: &str) {
    let _ = write!(key, "\n{name}"); // writing to a string cannot fail
    for line in head.lines(name) {
        append_value(key, line);
    }
}

/// A line with a value. No value holds a line break, so none can be taken for two.
fn append_value(key: &mut String, value: &[u8]) {
    key.push_str("\n:");
    match std::str::from_utf8(value) {
        Ok(text) => key.push_str(text),
        Err(_) => value.iter().for_each(|byte| {
            let _ = write!(key, "%{byte:02x}"); // as above
        }),
    }
}

/// The hosts and schemes in `Forwarded` (RFC 7239 section 5), without its addresses.
fn append_forwarded(key: &mut String, head: &Head) {
    let lines = head.lines("forwarded").filter_map(|line| std::str::from_utf8(line).ok());
    for part in lines.flat_map(|line| line.split([',', ';'])).map(str::trim) {
        let name = part.split('=').next().unwrap_or_default();
        if name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case("proto") {
            key.push('\n');
            key.push_str(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::testing::request;

    fn key(target: &str, fields: &[(&str, &str)], rule: &KeyRule) -> String {
        let request = request(&format!("GET {target}"), fields, "");
        Key::of(&request, rule, &Prefixes::default(), "web").unwrap().0.into()
    }

    #[test]
    fn keys() {
        let all = KeyRule::default();
        let some = KeyRule { query: Some(vec!["id".into(), "page".into()]), headers: Vec::new() };
        let none = KeyRule { query: Some(Vec::new()), headers: Vec::new() };
        let field = KeyRule { query: None, headers: vec![HeaderName::from_static("x-tenant")] };
        let rows: [(&str, &KeyRule, &str); 13] = [
            ("/a", &all, "example.org/a\nhttp\nweb"),
            ("/a?", &all, "example.org/a?\nhttp\nweb"),
            ("/a?b=1&c", &all, "example.org/a?b=1&c\nhttp\nweb"),
            ("http://Example.ORG:80/a", &all, "example.org/a\nhttp\nweb"),
            ("http://example.org:443/a", &all, "example.org:443/a\nhttp\nweb"),
            ("http://example.org:/", &all, "example.org/\nhttp\nweb"),
            ("/a?utm=1", &some, "example.org/a\nhttp\nweb"),
            ("/a?page=2&utm=1&id=7", &some, "example.org/a?id=7&page=2\nhttp\nweb"),
            ("/a?id=2&id=1", &some, "example.org/a?id=2&id=1\nhttp\nweb"),
            ("/a?id", &some, "example.org/a?id\nhttp\nweb"),
            ("/a?idx=1", &some, "example.org/a\nhttp\nweb"),
            ("/a?b", &none, "example.org/a\nhttp\nweb"),
            ("/a", &field, "example.org/a\nhttp\nweb\nx-tenant"),
        ];
        for (target, rule, expected) in rows {
            assert_eq!(key(target, &[], rule), expected, "{target}");
        }
        let tenant = |value| key("/", &[("X-Tenant", value)], &field);
        assert!(tenant("a") != tenant("b") && tenant("") != key("/", &[], &field));
        assert_ne!(tenant("a:b"), key("/", &[("X-Tenant", "a"), ("X-Tenant", "b")], &field));
        let long = request(&format!("GET /{}", "a".repeat(MAX_KEY)), &[], "");
        assert!(Key::of(&long, &all, &Prefixes::default(), "web").is_none());
    }

    #[test]
    fn what_a_client_says_of_hosts_is_in_no_key_unless_it_is_trusted() {
        let plain = key("/", &[], &KeyRule::default());
        let fields =
            [("X-Forwarded-Host", "evil.test"), ("X-Forwarded-Proto", "https"), ("Forwarded", "host=evil")];
        assert_eq!(key("/", &fields, &KeyRule::default()), plain);
    }

    #[test]
    fn fields_that_are_in_no_key() {
        for (name, odd) in [
            ("X-Original-URL", true),
            ("x_original_url", true),
            ("X_Http-Method_Override", true),
            ("X-Forwarded-Port", false),
            ("X-Original", false),
            ("X-Forwarded-For", false),
            ("Original-URL", false),
        ] {
            assert_eq!(is_odd(request("GET /", &[(name, "/evil")], "").head()), odd, "{name}");
        }
    }

    #[test]
    fn purged_keys() {
        let key = Key("a.test/b/c?d=1\nhttp\nweb".into());
        for (host, target, matches) in [
            ("a.test", "/b/c", true),
            ("A.test", "/b/c?d=1", true),
            ("*", "/b/c", true),
            ("a.test", "/b/*", true),
            ("a.test", "/*", true),
            ("a.test", "/b/c*", true),
            ("a.test", "/b", false),
            ("a.test", "/b/c?d=2", false),
            ("a.test", "/b/c?", false),
            ("b.test", "/b/c", false),
            ("", "/b/c", false),
        ] {
            assert_eq!(key.matches(host, target), matches, "{host} {target}");
        }
    }
}
