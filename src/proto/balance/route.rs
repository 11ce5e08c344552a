//! The conditions of a route on host, path, method, header fields and query.
//!
//! All kinds of conditions that a route has must hold, and one value of each kind must match. Routes are tried in the order in which they are written, and the
//! first match is used, so a reader of the configuration can tell which one it is.

use http::Method;

use crate::proto::http::list::FieldLines;

/// The parts of a request that conditions look at.
#[derive(Debug)]
pub struct Asked<'a, H: FieldLines + ?Sized> {
    /// The requested host and port, as sent.
    pub authority: &'a str,
    /// The path in its [normal form](super::normal::normalise).
    pub path: &'a str,
    /// What follows the first `?`.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The header fields.
    pub head: &'a H,
}

/// The conditions of a route. Without any it matches every request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Hosts.
    pub hosts: Vec<HostPattern>,
    /// Paths.
    pub paths: Vec<PathPattern>,
    /// Methods.
    pub methods: Vec<Method>,
    /// Header fields; all of them must match.
    pub fields: Vec<(String, TextPattern)>,
    /// Query parameters; all of them must match.
    pub query: Vec<(String, TextPattern)>,
}

/// A host, or all hosts of a domain. Compared case-insensitively and without the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This host.
    Exact(String),
    /// All hosts of a domain, stored in lower case with a leading dot: `*.example.com` is `.example.com`.
    Below(String),
}

impl HostPattern {
    /// Parses `example.com` or `*.example.com`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some(below) if below.starts_with('.') => Self::Below(below.into()),
            _ => Self::Exact(text),
        }
    }

    /// Whether a host, without its port, matches.
    #[must_use]
    pub fn fits(&self, host: &str) -> bool {
        match self {
            Self::Exact(exact) => host.eq_ignore_ascii_case(exact),
            Self::Below(below) => host.len().checked_sub(below.len()).is_some_and(|at| {
                at > 0 && host.is_char_boundary(at) && host[at..].eq_ignore_ascii_case(below)
            }),
        }
    }
}

/// A path, or all paths with a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This path.
    Exact(String),
    /// This path and all below it: `/api` is a prefix of `/api` and `/api/a`, and not of `/apis`.
    Prefix(String),
}

impl PathPattern {
    /// Parses `/exact` or `/prefix/*`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.strip_suffix('/').unwrap_or(prefix).into()),
            None => Self::Exact(text.into()),
        }
    }

    fn fits(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(_) => self.rest(path).is_some(),
        }
    }

    /// What follows the prefix in a path that matches, with its slash; nothing for an exact path.
    #[must_use]
    pub fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self {
            Self::Exact(exact) => (path == exact).then_some(""),
            Self::Prefix(prefix) => {
                path.strip_prefix(&**prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

/// A pattern for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPattern {
    /// Any value.
    Present,
    /// The field or parameter is absent.
    Absent,
    /// This value.
    Exact(String),
    /// A value with this prefix.
    Prefix(String),
}

impl TextPattern {
    /// Parses `*`, `!`, `text`, or `text*`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match (text, text.strip_suffix('*')) {
            ("!", _) => Self::Absent,
            (_, Some("")) => Self::Present,
            (_, Some(prefix)) => Self::Prefix(prefix.into()),
            (_, None) => Self::Exact(text.into()),
        }
    }

    /// Whether one of the values matches, or there is none where none is expected.
    pub fn fits<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>) -> bool {
        match self {
            Self::Present => values.next().is_some(),
            Self::Absent => values.next().is_none(),
            Self::Exact(exact) => values.any(|value| value == exact.as_bytes()),
            Self::Prefix(prefix) => values.any(|value| value.starts_with(prefix.as_bytes())),
        }
    }
}

impl Condition {
    /// Whether a request matches.
    pub fn holds<H: FieldLines + ?Sized>(&self, asked: &Asked<'_, H>) -> bool {
        let host = host(asked.authority);
        (self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.fits(host)))
            && (self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.fits(asked.path)))
            && (self.methods.is_empty() || self.methods.contains(asked.method))
            && self.fields.iter().all(|(name, pattern)| pattern.fits(asked.head.lines(name)))
            && self.query.iter().all(|(name, pattern)| pattern.fits(parameters(asked.query, name)))
    }
}

/// A host without its port and without the trailing dot of a fully qualified name.
#[must_use]
pub fn host(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host)
}

/// The values of a parameter, as sent.
fn parameters<'a>(query: Option<&'a str>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    query.unwrap_or_default().split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value.as_bytes())
    })
}

/// The number of the first of `conditions` that matches.
pub fn find<'a, H: FieldLines + ?Sized>(
    conditions: impl IntoIterator<Item = &'a Condition>,
    asked: &Asked<'_, H>,
) -> Option<usize> {
    conditions.into_iter().position(|condition| condition.holds(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(hosts: &[&str], paths: &[&str]) -> Condition {
        Condition {
            hosts: hosts.iter().map(|text| HostPattern::new(text)).collect(),
            paths: paths.iter().map(|text| PathPattern::new(text)).collect(),
            ..Condition::default()
        }
    }

    fn holds(condition: &Condition, authority: &str, target: &str, fields: &[(&str, &str)]) -> bool {
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        condition.holds(&Asked { authority, path, query, method: &Method::GET, head: fields })
    }

    #[test]
    fn hosts() {
        let rows = [
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com:8080", true),
            ("Example.com", "example.com.", true),
            ("example.com", "www.example.com", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "a.B.Example.com:1", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "badexample.com", false),
            ("[2001:db8::1]", "[2001:db8::1]:80", true),
            ("[2001:db8::1]", "[2001:db8::1]", true),
            ("example.com", "", false),
        ];
        for (pattern, authority, expected) in rows {
            assert_eq!(
                holds(&condition(&[pattern], &[]), authority, "/", &[]),
                expected,
                "{pattern} {authority}"
            );
        }
        assert!(holds(&condition(&["a.test", "b.test"], &[]), "b.test", "/", &[]));
    }

    #[test]
    fn paths() {
        let rows = [
            ("/api", "/api", true),
            ("/api", "/api/", false),
            ("/api/*", "/api", true),
            ("/api/*", "/api/", true),
            ("/api/*", "/api/a/b", true),
            ("/api/*", "/apis", false),
            ("/*", "/", true),
            ("/*", "/a", true),
            ("/", "/a", false),
        ];
        for (pattern, path, expected) in rows {
            assert_eq!(holds(&condition(&[], &[pattern]), "", path, &[]), expected, "{pattern} {path}");
        }
        assert_eq!(PathPattern::new("/api/*").rest("/api/a"), Some("/a"));
        assert_eq!(PathPattern::new("/api/*").rest("/api"), Some(""));
        assert_eq!(PathPattern::new("/*").rest("/a"), Some("/a"));
    }

    #[test]
    fn methods_fields_and_queries() {
        let mut condition = Condition { methods: vec![Method::GET, Method::HEAD], ..Condition::default() };
        let said = [("X-Version", "beta-2"), ("x-empty", "")];
        assert!(holds(&condition, "", "/", &said));
        for (name, pattern, expected) in [
            ("x-version", "beta-2", true),
            ("x-version", "beta*", true),
            ("x-version", "alpha*", false),
            ("x-version", "*", true),
            ("x-empty", "*", true),
            ("x-none", "*", false),
            ("x-none", "!", true),
            ("x-version", "!", false),
        ] {
            condition.fields = vec![(name.into(), TextPattern::new(pattern))];
            assert_eq!(holds(&condition, "", "/", &said), expected, "{name}: {pattern}");
        }
        condition.fields.clear();
        for (pattern, target, expected) in [
            ("1", "/?v=1", true),
            ("1", "/?a=b&v=1", true),
            ("1", "/?v=12", false),
            ("1*", "/?v=12", true),
            ("*", "/?v", true),
            ("*", "/?w", false),
            ("!", "/", true),
        ] {
            condition.query = vec![("v".into(), TextPattern::new(pattern))];
            assert_eq!(holds(&condition, "", target, &said), expected, "{pattern} {target}");
        }
        condition.methods = vec![Method::POST];
        condition.query.clear();
        assert!(!holds(&condition, "", "/", &said));
    }

    #[test]
    fn the_first_that_fits_is_taken() {
        let routes = [condition(&["a.test"], &["/x/*"]), condition(&["a.test"], &[]), condition(&[], &[])];
        let found = |authority: &str, path: &str| {
            let asked = Asked { authority, path, query: None, method: &Method::GET, head: &[("a", "b")][..] };
            find(&routes, &asked)
        };
        assert_eq!(
            (found("a.test", "/x/y"), found("a.test", "/y"), found("b.test", "/x/y")),
            (Some(0), Some(1), Some(2))
        );
    }
}
