//! Path rewriting on the way to a backend: strip a prefix, replace by a regular expression, add a prefix, in this order.
//!
//! The input is a [normalised](super::normal) path, still percent-encoded, and the result is normalised again. Nothing is
//! decoded in between, so a rewrite cannot turn encoded characters of a client into a line break or a space. Regular expressions match in a time
//! linear in the length of the path, whatever they are.

use std::borrow::Cow;

use regex::bytes::{Regex, RegexBuilder};

use super::normal::{PathError, normalise};

/// The memory limit of one compiled regular expression, in bytes.
pub const MAX_REGEX: usize = 1 << 20;

/// How paths are rewritten. The default changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Rewrite {
    /// The prefix to strip, without its trailing slash.
    strip: Option<Box<str>>,
    /// What to replace.
    replace: Option<Replace>,
    /// The prefix to add, without its trailing slash.
    add: Option<Box<str>>,
}

/// A regular expression, and the replacement of its first match.
#[derive(Clone, Debug)]
struct Replace {
    regex: Regex,
    to: Box<[u8]>,
}

/// Why a path rewrite is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// Not a path prefix.
    #[error("{0:?} is not a path prefix such as /name, percent-encoded")]
    Prefix(String),
    /// The regular expression is malformed, or too large.
    #[error("the regular expression is not valid: {0}")]
    Regex(String),
    /// The replacement names a group that the regular expression does not have.
    #[error("the regular expression has no group ${0}")]
    Group(String),
    /// The replacement contains a character that must be percent-encoded.
    #[error("{0:?} is not allowed in a path")]
    Character(char),
}

/// A rewritten path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten<'a> {
    /// The path, normalised.
    pub path: Cow<'a, str>,
    /// What the replacement adds in front of the query.
    pub query: Option<Box<str>>,
    /// The prefix that was stripped.
    pub stripped: Option<&'a str>,
}

impl Rewrite {
    /// Strips a prefix from paths that have it. `/api` becomes `/`, and `/apis` is unchanged.
    ///
    /// # Errors
    /// Not a path prefix.
    pub fn strip(mut self, prefix: &str) -> Result<Self, RewriteError> {
        self.strip = Some(prefix_of(prefix)?);
        Ok(self)
    }

    /// Adds a prefix to paths.
    ///
    /// # Errors
    /// Not a path prefix.
    pub fn prepend(mut self, prefix: &str) -> Result<Self, RewriteError> {
        self.add = Some(prefix_of(prefix)?);
        Ok(self)
    }

    /// Replaces the first match of `regex` by `to`, where `$1` or `$name` are capture groups. What follows a `?` is put in front
    /// of the query.
    ///
    /// # Errors
    /// The regular expression is malformed, or the replacement is.
    pub fn replace(mut self, regex: &str, to: &str) -> Result<Self, RewriteError> {
        let built = RegexBuilder::new(regex).unicode(false).size_limit(MAX_REGEX).build();
        let regex = built.map_err(|error| {
            let text = error.to_string();
            RewriteError::Regex(text.lines().last().unwrap_or_default().trim_start_matches("error: ").into())
        })?;
        let bad = |c: &char| !c.is_ascii_graphic() || matches!(c, '#' | '"' | '<' | '>' | '\\');
        if let Some(character) = to.chars().find(bad) {
            return Err(RewriteError::Character(character));
        }
        for group in groups(to) {
            let known = match group.parse::<usize>() {
                Ok(number) => number < regex.captures_len(),
                Err(_) => regex.capture_names().flatten().any(|name| name == group),
            };
            if !known {
                return Err(RewriteError::Group(group.into()));
            }
        }
        self.replace = Some(Replace { regex, to: to.as_bytes().into() });
        Ok(self)
    }

    /// Whether no path is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.strip.is_none() && self.replace.is_none() && self.add.is_none()
    }

    /// Rewrites a normalised path.
    ///
    /// # Errors
    /// The result cannot be normalised.
    pub fn apply<'a>(&'a self, path: &'a str) -> Result<Rewritten<'a>, PathError> {
        let mut rewritten = Rewritten { path: Cow::Borrowed(path), query: None, stripped: None };
        if path == "*" {
            return Ok(rewritten);
        }
        if let Some(prefix) = &self.strip
            && let Some(rest) = path.strip_prefix(&**prefix)
            && (rest.is_empty() || rest.starts_with('/'))
        {
            rewritten.path = Cow::Borrowed(if rest.is_empty() { "/" } else { rest });
            rewritten.stripped = Some(prefix);
        }
        if let Some(Replace { regex, to }) = &self.replace
            && let Cow::Owned(bytes) = regex.replace(rewritten.path.as_bytes(), &to[..])
        {
            let mut path = String::from_utf8_lossy(&bytes).into_owned();
            if let Some(at) = path.find('?') {
                rewritten.query = Some(path[at + 1..].into());
                path.truncate(at);
            }
            if !path.starts_with('/') {
                path.insert(0, '/');
            }
            rewritten.path = Cow::Owned(path);
        }
        if let Some(prefix) = &self.add {
            rewritten.path = Cow::Owned(format!("{prefix}{}", rewritten.path));
        }
        if let Cow::Owned(path) = &rewritten.path
            && let Cow::Owned(normal) = normalise(path)?
        {
            rewritten.path = Cow::Owned(normal);
        }
        Ok(rewritten)
    }
}

/// A normalised prefix, without its trailing slash.
fn prefix_of(text: &str) -> Result<Box<str>, RewriteError> {
    let wrong = || RewriteError::Prefix(text.into());
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'*'));
    if !text.starts_with('/') || !plain {
        return Err(wrong());
    }
    let normal = normalise(text).map_err(|_| wrong())?;
    Ok(normal.strip_suffix('/').unwrap_or(&normal).into())
}

/// The groups that a replacement names, as the `regex` crate reads them.
fn groups(to: &str) -> Vec<&str> {
    let mut groups = Vec::new();
    let mut rest = to;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (group, after) = braced.unwrap_or_else(|| after.split_at(end));
        groups.push(group);
        rest = after;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(rewrite: &Rewrite, path: &str) -> String {
        let Rewritten { path, query, .. } = rewrite.apply(path).expect("a normal form");
        query.map_or_else(|| path.to_string(), |query| format!("{path}?{query}"))
    }

    #[test]
    fn prefixes() {
        let none = Rewrite::default();
        let strip = Rewrite::default().strip("/api/").expect("a prefix");
        let add = Rewrite::default().prepend("/v1").expect("a prefix");
        let both = strip.clone().prepend("/v1/").expect("a prefix");
        let encoded = Rewrite::default().strip("/%61pi").expect("a prefix");
        let root = Rewrite::default().strip("/").and_then(|rewrite| rewrite.prepend("/")).expect("a prefix");
        for (rewrite, path, expected) in [
            (&none, "/a", "/a"),
            (&strip, "/api/a", "/a"),
            (&strip, "/api/", "/"),
            (&strip, "/api", "/"),
            (&strip, "/apis", "/apis"),
            (&strip, "/a/api", "/a/api"),
            (&strip, "/api//a", "//a"),
            (&strip, "/api/api", "/api"),
            (&strip, "*", "*"),
            (&add, "/", "/v1/"),
            (&add, "/a", "/v1/a"),
            (&add, "*", "*"),
            (&both, "/api/a", "/v1/a"),
            (&both, "/b", "/v1/b"),
            (&encoded, "/api/a", "/a"),
            (&root, "/a", "/a"),
        ] {
            assert_eq!(rewritten(rewrite, path), expected, "{rewrite:?} {path}");
        }
        assert_eq!(strip.apply("/api/a").map(|rewritten| rewritten.stripped), Ok(Some("/api")));
        assert_eq!(strip.apply("/b").map(|rewritten| rewritten.stripped), Ok(None));
        assert!(none.is_empty() && !strip.is_empty());
    }

    #[test]
    fn regular_expressions() {
        for (regex, to, path, expected) in [
            ("^/user/([0-9]+)$", "/u/$1", "/user/42", "/u/42"),
            ("^/user/([0-9]+)$", "/u/$1", "/user/x", "/user/x"),
            (r"^/(?P<lang>\w\w)/(.*)$", "/$2/${lang}x", "/de/a/b", "/a/b/dex"),
            ("/old", "/new", "/a/old/old", "/a/new/old"),
            ("^/old/", "", "/old/a", "/a"),
            ("^/a(.*)$", "$1", "/ab", "/b"),
            ("^(.*)$", "/index.php?path=$1", "/a/b", "/index.php?path=/a/b"),
            ("^/(.*)$", "/$$1", "/a", "/$1"),
            // What comes out is brought into normal form again.
            ("^/a", "/x/../y", "/a/b", "/y/b"),
            ("^/a", "/%61%2fc", "/a", "/a%2Fc"),
            // What a client has encoded stays encoded.
            ("^/(.*)$", "/x/$1", "/%20%3Fa=b", "/x/%20%3Fa=b"),
        ] {
            let rewrite = Rewrite::default().replace(regex, to).expect("a rewrite");
            assert_eq!(rewritten(&rewrite, path), expected, "{regex} {to} {path}");
        }
        let up = Rewrite::default().replace("^/a/", "/../").expect("a rewrite");
        assert_eq!(up.apply("/a/b"), Err(PathError::Escape));
    }

    #[test]
    fn what_cannot_be_configured() {
        for prefix in ["", "api", "/a b", "/a?b", "/a#b", "/..", "/a\n", "/%zz", "/a*"] {
            let error = RewriteError::Prefix(prefix.into());
            assert_eq!(Rewrite::default().strip(prefix).err(), Some(error.clone()), "{prefix:?}");
            assert_eq!(Rewrite::default().prepend(prefix).err(), Some(error), "{prefix:?}");
        }
        let group = |name: &str| RewriteError::Group(name.into());
        for (regex, to, error) in [
            ("(a)", "$2", group("2")),
            ("(a)", "$1b", group("1b")),
            ("(a)", "${name}", group("name")),
            ("(a)", "$", group("")),
            ("a", "/a b", RewriteError::Character(' ')),
            ("a", "/a\r\nb", RewriteError::Character('\r')),
            ("a", "/a#b", RewriteError::Character('#')),
            ("a", "/\u{e9}", RewriteError::Character('\u{e9}')),
        ] {
            assert_eq!(Rewrite::default().replace(regex, to).err(), Some(error), "{regex} {to:?}");
        }
        for regex in ["(", "[", "(?=a)", "((a{100}){100}){100}"] {
            let error = Rewrite::default().replace(regex, "/").err();
            assert!(matches!(error, Some(RewriteError::Regex(_))), "{regex}: {error:?}");
        }
    }
}
