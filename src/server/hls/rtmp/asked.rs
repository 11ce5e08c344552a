//! What an encoder asks to publish: the name of a stream, and the key that it shows.
//!
//! Encoders cut their URL in two, the application and the stream key, each in its own way: FFmpeg takes one folder as the application, or two if there
//! are three; people type the server and the key into two fields. Put together again it is a path: its first part is the application, of which any
//! is taken, and the rest is the name.

use crate::server::hls::access::shown_in;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The name of the stream, or its key.
    pub(super) name: String,
    /// The key that stands beside it.
    pub(super) key: Option<String>,
}

impl Asked {
    /// What an application and a stream key come to.
    pub(super) fn of(app: &str, key: &str) -> Self {
        let (path, query) = key.split_once('?').map_or((key, None), |(path, query)| (path, Some(query)));
        let parts = app.split('/').chain(path.split('/')).filter(|part| !part.is_empty());
        let name = parts.skip(1).collect::<Vec<_>>().join("/");
        Self { name, key: query.and_then(shown_in) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_put_together_again() {
        for (app, key, name, shown) in [
            ("live", "stage", "stage", None),
            ("live", "stage?key=a+b%2F", "stage", Some("a+b/")),
            ("live", "stage?x=1&key=abc&y", "stage", Some("abc")),
            ("live", "stage?token=abc", "stage", None),
            ("live", "stage/720p?key=", "stage/720p", Some("")),
            ("live/stage", "720p", "stage/720p", None),
            ("live//stage", "/720p/", "stage/720p", None),
            ("anything", "s3cret", "s3cret", None),
            ("live", "?key=abc", "", Some("abc")),
            ("", "stage", "", None),
            ("", "", "", None),
        ] {
            let expected = Asked { name: name.into(), key: shown.map(Into::into) };
            assert_eq!(Asked::of(app, key), expected, "{app} {key}");
        }
    }
}
