//! Which requests a route is for: conditions on host, path, method, fields and query.
//!
//! All kinds of conditions that a route has must hold, and of each kind one. Routes are tried in the order in which they are written, and the
//! first that fits is taken, so that a reader of the configuration can say which it is.

use http::Method;

use crate::proto::http::list::FieldLines;

/// What is known of a request.
#[derive(Debug)]
pub struct Asked<'a, H: FieldLines + ?Sized> {
    /// Host and port that it is for, as they were sent.
    pub authority: &'a str,
    /// The path in its [normal form](super::normal::normalise).
    pub path: &'a str,
    /// What follows the first `?`.
    pub query: Option<&'a str>,
    /// The method.
    pub method: &'a Method,
    /// The fields.
    pub head: &'a H,
}

/// When a route is taken. Without any condition: always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Hosts.
    pub hosts: Vec<HostPattern>,
    /// Paths.
    pub paths: Vec<PathPattern>,
    /// Methods.
    pub methods: Vec<Method>,
    /// Fields; each of them must fit.
    pub fields: Vec<(String, TextPattern)>,
    /// Parameters of the query; each of them must fit.
    pub query: Vec<(String, TextPattern)>,
}

/// A host, or a family of them. Compared without regard to case, and without the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one.
    Exact(String),
    /// All below this one, in lower case with a dot in front: `*.example.com` is `.example.com`.
    Below(String),
}

impl HostPattern {
    /// A pattern as it is written: `example.com` or `*.example.com`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some(below) if below.starts_with('.') => Self::Below(below.into()),
            _ => Self::Exact(text),
        }
    }

    /// Whether a host, without its port, is one of those.
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

/// A path, or all that lie below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This one.
    Exact(String),
    /// This one and all below it: `/api` is a prefix of `/api` and `/api/a`, and not of `/apis`.
    Prefix(String),
}

impl PathPattern {
    /// A pattern as it is written: `/exact`, or `/prefix/*`.
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

    /// What follows the prefix in a path that fits, its slash included; nothing for an exact path.
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

/// A text that a value is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPattern {
    /// Any value.
    Present,
    /// No such field or parameter.
    Absent,
    /// This value.
    Exact(String),
    /// A value that begins so.
    Prefix(String),
}

impl TextPattern {
    /// A pattern as it is written: `*`, `!`, `text`, or `text*`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match (text, text.strip_suffix('*')) {
            ("!", _) => Self::Absent,
            (_, Some("")) => Self::Present,
            (_, Some(prefix)) => Self::Prefix(prefix.into()),
            (_, None) => Self::Exact(text.into()),
        }
    }

    /// Whether one of these values fits, or there is none where there is to be none.
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
    /// Whether a request is for this route.
    pub fn holds<H: FieldLines + ?Sized>(&self, asked: &Asked<'_, H>) -> bool {
        let host = host(asked.authority);
        (self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.fits(host)))
            && (self.paths.is_empty() || self.paths.iter().any(|pattern| pattern.fits(asked.path)))
            && (self.methods.is_empty() || self.methods.contains(asked.method))
            && self.fields.iter().all(|(name, pattern)| pattern.fits(asked.head.lines(name)))
            && self.query.iter().all(|(name, pattern)| pattern.fits(parameters(asked.query, name)))
    }
}

/// A host without its port, and without the dot that ends a full name.
#[must_use]
pub fn host(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.strip_suffix('.').unwrap_or(host)
}

/// The values of a parameter, as they were sent.
fn parameters<'a>(query: Option<&'a str>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    query.unwrap_or_default().split('&').filter_map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value.as_bytes())
    })
}

/// The number of the first of `conditions` that holds.
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
