//! Where something is: a file, or an address of the web; and what a reference in a playlist means there (RFC 3986 section 5).

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

/// Where something is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// On this machine.
    File(PathBuf),
    /// On a server.
    Web {
        /// By TLS.
        tls: bool,
        /// Host and port, as they were written.
        authority: String,
        /// Path and query; begins with `/`.
        target: String,
    },
}

/// A reference that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    /// Of a scheme that is not spoken.
    #[error("{0:?} is neither a file nor an address that begins with http:// or https://")]
    Scheme(String),
    /// It has characters that an address cannot have.
    #[error("{0:?} is no address: it has spaces or characters that have to be written as %XX")]
    Characters(String),
}

impl Location {
    /// What a user has typed: an address, or a file.
    ///
    /// # Errors
    /// [`BadLocation`].
    pub fn parse(text: &str) -> Result<Self, BadLocation> {
        match scheme(text) {
            Some(scheme) => Self::web(scheme, text),
            None => Ok(Self::File(PathBuf::from(text))),
        }
    }

    fn web(scheme: &str, text: &str) -> Result<Self, BadLocation> {
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(BadLocation::Scheme(text.to_owned())),
        };
        let text = checked(text)?;
        let rest = text.get(scheme.len()..).and_then(|rest| rest.strip_prefix("://"));
        let rest = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
        let rest = rest.ok_or_else(|| BadLocation::Scheme(text.to_owned()))?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self::Web { tls, authority: authority.to_owned(), target: normal(&target) })
    }

    /// What a reference means that stands in a playlist which is here.
    ///
    /// # Errors
    /// [`BadLocation`].
    pub fn join(&self, reference: &str) -> Result<Self, BadLocation> {
        if let Some(scheme) = scheme(reference) {
            return Self::web(scheme, reference);
        }
        match self {
            Self::File(base) => {
                let path = reference.split(['?', '#']).next().unwrap_or_default();
                let path = percent_decode_str(path).decode_utf8_lossy();
                let folder = base.parent().unwrap_or(Path::new(""));
                Ok(Self::File(folder.join(&*path)))
            }
            Self::Web { tls, authority, target } => {
                let reference = checked(reference)?;
                let (tls, authority) = (*tls, authority.clone());
                if let Some(rest) = reference.strip_prefix("//") {
                    return Self::web(
                        if tls { "https" } else { "http" },
                        &format!("{}://{rest}", if tls { "https" } else { "http" }),
                    );
                }
                let path = target.split('?').next().unwrap_or("/");
                let joined = match reference.chars().next() {
                    None => target.clone(),
                    Some('/') => reference.to_owned(),
                    Some('?') => format!("{path}{reference}"),
                    Some(_) => {
                        let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
                        format!("{folder}{reference}")
                    }
                };
                Ok(Self::Web { tls, authority, target: normal(&joined) })
            }
        }
    }

    /// Its query, percent-decoded: names and values.
    #[must_use]
    pub fn query(&self) -> Vec<(String, String)> {
        let Self::Web { target, .. } = self else { return Vec::new() };
        let query = target.split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// The same address with more in its query. A file has none.
    #[must_use]
    pub fn asking(&self, query: &str) -> Self {
        match self {
            Self::File(_) => self.clone(),
            Self::Web { tls, authority, target } => {
                let mark = if target.contains('?') { '&' } else { '?' };
                Self::Web {
                    tls: *tls,
                    authority: authority.clone(),
                    target: format!("{target}{mark}{query}"),
                }
            }
        }
    }

    /// The path without its query, as its type is told by.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::File(path) => path.to_str().unwrap_or_default(),
            Self::Web { target, .. } => target.split('?').next().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Web { tls, authority, target } => {
                write!(f, "http{}://{authority}{target}", if *tls { "s" } else { "" })
            }
        }
    }
}

/// The scheme in front of a reference, if there is one (section 3.1).
fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let named = scheme.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && scheme.bytes().all(fits);
    // A letter alone is a drive, and a colon without slashes may be part of a name: but for data:, which has none.
    (named && scheme.len() > 1 && (rest.starts_with("//") || scheme.eq_ignore_ascii_case("data")))
        .then_some(scheme)
}

/// Without its fragment, and with characters only that a request can have.
fn checked(text: &str) -> Result<&str, BadLocation> {
    let text = text.split('#').next().unwrap_or_default();
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text),
        false => Err(BadLocation::Characters(text.to_owned())),
    }
}

/// A path without `.` and `..` (section 5.2.4), and its query.
fn normal(target: &str) -> String {
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let base = "https://cdn.example:8443/a/b/master.m3u8?token=1";
        for (reference, expected) in [
            ("v/0.m3u8", "https://cdn.example:8443/a/b/v/0.m3u8"),
            ("../v.m3u8?x=1#f", "https://cdn.example:8443/a/v.m3u8?x=1"),
            ("./../../../v/..", "https://cdn.example:8443/"),
            ("/v", "https://cdn.example:8443/v"),
            ("?x", "https://cdn.example:8443/a/b/master.m3u8?x"),
            ("", base),
            ("//other/v", "https://other/v"),
            ("http://other", "http://other/"),
            ("HTTP://other?q", "http://other/?q"),
            ("a:b.ts", "https://cdn.example:8443/a/b/a:b.ts"),
        ] {
            let joined = Location::parse(base).unwrap().join(reference).unwrap();
            assert_eq!(joined.to_string(), expected, "{reference}");
        }
        let file = Location::parse("media/master.m3u8").unwrap();
        assert_eq!(file.join("v/a%20b.ts?x").unwrap(), Location::File("media/v/a b.ts".into()));
        assert_eq!(file.join("http://h/v").unwrap().to_string(), "http://h/v");
        let base = Location::parse(base).unwrap();
        assert_eq!(base.query(), [("token".to_owned(), "1".to_owned())]);
        assert_eq!(base.asking("_HLS_msn=1").query().len(), 2);
        assert_eq!(base.path(), "/a/b/master.m3u8");
    }

    #[test]
    fn what_leads_nowhere() {
        for text in ["ftp://host/a", "http://", "http:///a", "data:text/plain,a"] {
            assert_eq!(Location::parse(text), Err(BadLocation::Scheme(text.into())), "{text}");
        }
        let base = Location::parse("http://host/a").unwrap();
        assert!(matches!(base.join("a b"), Err(BadLocation::Characters(_))));
        assert!(matches!(base.join("a\r\nb"), Err(BadLocation::Characters(_))));
        assert!(matches!(base.join("skd://key"), Err(BadLocation::Scheme(_))));
    }
}
