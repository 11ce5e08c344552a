//! What an operator decides about served files, as plain data.

use std::path::PathBuf;

use http::HeaderValue;

use super::cache::CacheLimits;
use super::find::is_hidden;
use super::types::Disposition;

/// What is served, and how. `Default` is the careful choice: no listings, no hidden files, no symbolic links.
#[derive(Clone, Debug)]
pub struct FilesOptions {
    /// What stands before the path of a file in the path of a request, such as `/static`. Empty to serve at the root.
    pub prefix: String,
    /// Which file answers for a directory: the first of these names that is there. Default: `index.html`.
    pub index: Vec<String>,
    /// Whether a directory without an index is listed. Otherwise it is 404. Default: not.
    pub listing: bool,
    /// `Cache-Control` of files. Listings say `no-cache`. Default: none, so caches guess from `Last-Modified`.
    pub cache_control: Option<HeaderValue>,
    /// The file, from the root, that answers with 200 in place of 404 when the client prefers `text/html` to anything
    /// else: the page of an application that routes by itself. Default: none.
    pub spa_fallback: Option<String>,
    /// Whether names that begin with a dot are served. `.well-known` (RFC 8615) always is. Default: not.
    pub show_hidden: bool,
    /// Whether symbolic links are followed, when they are relative and their target lies inside the root. Kernels
    /// without `openat2` (before Linux 5.6) follow none. Default: not.
    pub follow_symlinks: bool,
    /// Whether `NAME.br`, `NAME.zst` and `NAME.gz` beside NAME are sent in its place to clients that decode them. A sibling
    /// that is older than its file is taken for left over. Default: they are.
    pub precompressed: bool,
    /// Whether files carry a `Content-Disposition`. Default: none.
    pub disposition: Disposition,
    /// How much the server keeps of the files.
    pub cache: CacheLimits,
}

impl Default for FilesOptions {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            index: vec!["index.html".to_owned()],
            listing: false,
            cache_control: None,
            spa_fallback: None,
            show_hidden: false,
            follow_symlinks: false,
            precompressed: true,
            disposition: Disposition::None,
            cache: CacheLimits::default(),
        }
    }
}

/// Why files cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The root cannot be opened, or is no directory.
    #[error("cannot serve files from {}", path.display())]
    Root {
        /// The root, as it was given.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The prefix does not begin with a slash, ends with one, or would have to be percent-encoded.
    #[error("the prefix {0:?} is not like /static")]
    Prefix(String),
    /// The name of an index is empty, has a slash, or is hidden.
    #[error("the index {0:?} is not the name of a file that is served")]
    Index(String),
    /// The fallback is not a path inside the root, or is hidden.
    #[error("the fallback {0:?} is not the path of a file that is served")]
    Fallback(String),
}

impl FilesOptions {
    /// What can be known to be wrong without a look at the disk.
    pub(super) fn check(&self) -> Result<(), FilesError> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let is_prefix = self.prefix.is_empty()
            || self.prefix.starts_with('/')
                && self.prefix[1..].split('/').all(is_name)
                && self.prefix.bytes().all(unreserved);
        if !is_prefix {
            return Err(FilesError::Prefix(self.prefix.clone()));
        }
        let served = |name: &str| is_name(name) && (self.show_hidden || !is_hidden(name.as_bytes()));
        if let Some(name) = self.index.iter().find(|name| name.contains('/') || !served(name)) {
            return Err(FilesError::Index(name.clone()));
        }
        match &self.spa_fallback {
            Some(path) if !path.split('/').all(served) => Err(FilesError::Fallback(path.clone())),
            _ => Ok(()),
        }
    }
}

/// Whether `name` can be one segment of a path.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut FilesOptions)) -> Result<(), FilesError> {
        let mut options = FilesOptions::default();
        change(&mut options);
        options.check()
    }

    #[test]
    fn the_default_is_sound() {
        check(|_| {}).unwrap();
    }

    #[test]
    fn a_prefix_is_whole_segments() {
        for good in ["", "/static", "/a/b-c.d_e~f"] {
            check(|options| options.prefix = good.into()).unwrap();
        }
        for bad in ["/", "static", "/static/", "//a", "/a//b", "/..", "/a/./b", "/a b", "/a%20b"] {
            let error = check(|options| options.prefix = bad.into()).unwrap_err();
            assert!(matches!(error, FilesError::Prefix(text) if text == bad), "{bad}");
        }
    }

    #[test]
    fn an_index_is_a_name_that_is_served() {
        for bad in ["", ".", "..", "a/b", ".hidden", "nul\0"] {
            let error = check(|options| options.index = vec!["index.html".into(), bad.into()]).unwrap_err();
            assert!(matches!(error, FilesError::Index(text) if text == bad), "{bad}");
        }
        check(|options| {
            options.index = vec![".hidden".into()];
            options.show_hidden = true;
        })
        .unwrap();
    }

    #[test]
    fn a_fallback_is_a_path_that_is_served() {
        check(|options| options.spa_fallback = Some("app/index.html".into())).unwrap();
        for bad in ["", "/index.html", "../index.html", "app//index.html", "app/", ".git/config"] {
            let error = check(|options| options.spa_fallback = Some(bad.into())).unwrap_err();
            assert!(matches!(error, FilesError::Fallback(text) if text == bad), "{bad}");
        }
    }
}
