//! Where something is: a file, or an address of the web; and what a reference in a playlist means there (RFC 3986 section 5).

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::proto::http::reference::{Reference, resolve, without_dots};

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
        let typed = Reference::parse(text);
        // A letter alone is a drive, and a colon without slashes may be part of a file's name: but for data:, which has none.
        let is_address = |scheme: &str| {
            scheme.len() > 1 && (typed.authority.is_some() || scheme.eq_ignore_ascii_case("data"))
        };
        match typed.scheme.is_some_and(is_address) {
            true => Self::web(text),
            false => Ok(Self::File(PathBuf::from(text))),
        }
    }

    fn web(text: &str) -> Result<Self, BadLocation> {
        let whole = Reference::parse(text);
        let tls = match whole.scheme.map(str::to_ascii_lowercase).as_deref() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(BadLocation::Scheme(text.to_owned())),
        };
        let authority = whole.authority.filter(|authority| !authority.is_empty());
        let authority = authority.ok_or_else(|| BadLocation::Scheme(text.to_owned()))?;
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadLocation::Characters(text.to_owned()));
        }
        let mut target = without_dots(whole.path);
        if target.is_empty() {
            target.push('/');
        }
        if let Some(query) = whole.query {
            target.extend(["?", query]);
        }
        Ok(Self::Web { tls, authority: authority.to_owned(), target })
    }

    /// What a reference means that stands in a playlist which is here.
    ///
    /// # Errors
    /// [`BadLocation`].
    pub fn join(&self, reference: &str) -> Result<Self, BadLocation> {
        let given = Reference::parse(reference);
        match self {
            Self::File(base) if given.scheme.is_none() && given.authority.is_none() => {
                let path = percent_decode_str(given.path).decode_utf8_lossy();
                let folder = base.parent().unwrap_or(Path::new(""));
                Ok(Self::File(folder.join(&*path)))
            }
            Self::File(_) => Self::web(reference),
            Self::Web { .. } => Self::web(&resolve(&self.to_string(), reference)),
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
            ("./a:b.ts", "https://cdn.example:8443/a/b/a:b.ts"),
        ] {
            let joined = Location::parse(base).unwrap().join(reference).unwrap();
            assert_eq!(joined.to_string(), expected, "{reference}");
        }
        let file = Location::parse("media/master.m3u8").unwrap();
        assert_eq!(file.join("v/a%20b.ts?x").unwrap(), Location::File("media/v/a b.ts".into()));
        assert_eq!(file.join("http://h/v").unwrap().to_string(), "http://h/v");
        for typed in ["12:30.m3u8", "live:12.m3u8", "c:\\a.m3u8", "a b.m3u8"] {
            assert_eq!(Location::parse(typed), Ok(Location::File(typed.into())));
        }
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
        for reference in ["skd://key", "a:b.ts", "http:a.ts", "//"] {
            assert!(matches!(base.join(reference), Err(BadLocation::Scheme(_))), "{reference}");
        }
    }
}
